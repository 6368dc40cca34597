//! What is asked of the carrier, and what it answers.

use std::time::Duration;

use crate::engine::ids::{CallSid, NumberSid, PhoneNumber};
use crate::engine::status::{AnsweredBy, CallDirection, CallStatus, Party};

/// A call to be placed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCall {
    /// Whom to call.
    pub to: PhoneNumber,
    /// The number to show; one of the account's own.
    pub from: PhoneNumber,
    /// Where the carrier asks what to do once somebody has answered.
    pub voice_url: String,
    /// Where it tells of every change of the call's status.
    pub status_url: String,
    /// How long it may ring: 5 to 600 s.
    pub ring_for: Duration,
    /// The longest that the call may last, by the carrier's own clock.
    pub time_limit: Option<Duration>,
    /// Whether it finds out if a machine answered.
    pub machine_detection: Option<MachineDetection>,
}

/// Finding out, beside the call, whether a person or a machine answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineDetection {
    /// Whether to wait for the end of a machine's greeting, so that a message can be left; else the result comes as soon
    /// as it is known.
    pub until_the_beep: bool,
    /// Where the carrier tells the result.
    pub result_url: String,
}

/// What a call shall do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallNow {
    /// Ask this address.
    Ask(String),
    /// Follow this document (TwiML; at most 4,000 characters).
    Follow(String),
}

/// Which calls are sought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallsSought {
    /// The number called.
    pub to: PhoneNumber,
    /// The number shown.
    pub from: PhoneNumber,
    /// Made at or after this time: microseconds since 1970-01-01 UTC.
    pub since: i64,
}

/// What the carrier knows of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CarrierCall {
    /// Which call.
    pub call_sid: CallSid,
    /// How far it has come.
    pub status: CallStatus,
    /// Who called whom.
    pub direction: Option<CallDirection>,
    /// The call whose `<Dial>` made this one.
    pub parent_call_sid: Option<CallSid>,
    /// The calling party.
    pub from: Option<Party>,
    /// The called party.
    pub to: Option<Party>,
    /// How long it lasted, in seconds, once it is over.
    pub duration_s: Option<u32>,
    /// When it was made, to the second: microseconds since 1970-01-01 UTC.
    pub created_at: Option<i64>,
    /// When it was answered or dialled, to the second.
    pub started_at: Option<i64>,
    /// When it was over, to the second.
    pub ended_at: Option<i64>,
    /// Who or what answered, if that was to be found out.
    pub answered_by: Option<AnsweredBy>,
}

/// A telephone number of the account, and where the carrier asks and tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CarrierNumber {
    /// The carrier's name for it.
    pub sid: NumberSid,
    /// The number.
    pub number: PhoneNumber,
    /// The two addresses; empty ones are not set.
    pub urls: NumberUrls,
    /// The methods of the two: `POST` or `GET`.
    pub methods: [String; 2],
    /// What answers in place of the addresses, if something does: a TwiML application or a SIP trunk.
    pub overridden_by: Option<&'static str>,
}

/// Where the carrier asks about calls to a number, and where it tells of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NumberUrls {
    /// It asks what to do with a call.
    pub voice_url: String,
    /// It tells when a call is over.
    pub status_url: String,
}

/// A recording to be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecording {
    /// Where the carrier tells that it is ready.
    pub status_url: String,
    /// Whether each side has a channel of its own.
    pub two_channels: bool,
}
