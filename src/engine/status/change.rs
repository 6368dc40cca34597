//! One thing that was said about a call.

use serde::{Deserialize, Serialize};

use crate::engine::ids::{BusinessId, CallSid};

use super::{AnsweredBy, CallDirection, CallStatus, Party};

/// Who said it. The order of the variants is the rank: of two answers to what is set once, the one from the
/// smaller rank stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CarrierSource {
    /// The carrier asked what to do with a call: it knows both numbers, and we looked up the business.
    VoiceWebhook,
    /// The authenticated start of the media stream; what it says was signed by us when the call came in.
    StreamStart,
    /// A status callback.
    StatusCallback,
    /// The request that follows the end of the media stream.
    StreamEnded,
    /// The carrier's answer to our own question about a call that stayed open for too long.
    Sweeper,
    /// We refused the call.
    Refusal,
    /// The carrier's answering-machine detection.
    AmdCallback,
    /// The carrier took the call that we asked it to place.
    Placement,
    /// A dialplan asked for the name of a call that it is about to connect, and said whose it is and who calls.
    SocketBinding,
    /// The AudioSocket of a call: it began, it ended.
    AudioSocket,
    /// The REST interface of an Asterisk told of a channel.
    Ari,
    /// The socket of a browser's call: it began, it ended.
    Browser,
}

impl CarrierSource {
    /// The word that is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VoiceWebhook => "voice_webhook",
            Self::StreamStart => "stream_start",
            Self::StatusCallback => "status_callback",
            Self::StreamEnded => "stream_ended",
            Self::Sweeper => "sweeper",
            Self::Refusal => "refusal",
            Self::AmdCallback => "amd_callback",
            Self::Placement => "placement",
            Self::SocketBinding => "socket_binding",
            Self::AudioSocket => "audio_socket",
            Self::Ari => "ari",
            Self::Browser => "browser",
        }
    }

    /// Its place in the order, 0 to 11. The numbers are stored: they never change.
    pub const fn rank(self) -> u8 {
        self as u8
    }
}

/// One carrier event, or our refusal: everything that it says about a call, and nothing that it doesn't.
///
/// Serialises as one JSON object, which is how it waits in the spool while the database is away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusChange {
    /// Which call.
    pub call_sid: CallSid,
    /// How far it has come.
    pub status: CallStatus,
    /// Who says so.
    pub source: CarrierSource,
    /// When it happened, by the carrier's clock where it says so, else when it reached us: microseconds since
    /// 1970-01-01 UTC.
    pub occurred_at: i64,
    /// The carrier's name for this event (Twilio's `I-Twilio-Idempotency-Token`, the same when it tries
    /// again), where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    /// The event's place in the order of its kind, from 0, where the carrier counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u32>,
    /// How long the call lasted, in seconds; `None` and 0 say nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<u32>,
    /// Who called whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<CallDirection>,
    /// The call whose `<Dial>` made this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_call_sid: Option<CallSid>,
    /// Whose call it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub business: Option<BusinessId>,
    /// The calling party.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Party>,
    /// The called party.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Party>,
    /// Who or what answered a call that we placed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_by: Option<AnsweredBy>,
    /// How long it took to find that out, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine_detection_ms: Option<u32>,
    /// What the carrier, or we, gave as the reason, such as `SIP 486` or `error 31920`. For the history only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl StatusChange {
    /// A change that says no more than the status.
    pub const fn new(call_sid: CallSid, status: CallStatus, source: CarrierSource, occurred_at: i64) -> Self {
        Self {
            call_sid,
            status,
            source,
            occurred_at,
            event_id: None,
            sequence: None,
            duration_s: None,
            direction: None,
            parent_call_sid: None,
            business: None,
            from: None,
            to: None,
            answered_by: None,
            machine_detection_ms: None,
            reason: None,
        }
    }

    /// The name under which the history of a call keeps this event once, however often it is delivered.
    ///
    /// It is built of what stays the same when the carrier tries again (source, status, sequence or event
    /// id, or who answered), never of the time at which it reached us.
    pub fn history_key(&self) -> String {
        let (source, status) = (self.source.as_str(), self.status);
        match (&self.event_id, self.sequence, self.answered_by) {
            (Some(id), _, _) => format!("{source}/{status}/id:{id}"),
            (None, Some(sequence), _) => format!("{source}/{status}/{sequence}"),
            (None, None, Some(finding)) => format!("{source}/{status}/{finding}"),
            (None, None, None) => format!("{source}/{status}"),
        }
    }
}
