//! What the store keeps, one record at a time: what goes to the database in batches, and to the spool as one
//! line of JSON each while the database is away.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::engine::call::{CallStats, Farewell, HangupCause, Turn};
use crate::engine::ids::{CallSid, PhoneNumber};
use crate::engine::status::StatusChange;

use super::recordings::RecordingReport;

/// How a call ended, told once by the call's own actor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallEnd {
    /// Who ended the call and why.
    pub cause: HangupCause,
    /// What the carrier is told when it asks how to go on after the media stream.
    #[serde(with = "StoredFarewell")]
    pub farewell: Farewell,
    /// The call's figures.
    pub stats: CallStats,
    /// When it ended: microseconds since 1970-01-01 UTC.
    pub ended_at: i64,
}

/// One entry of a call's timeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallEventRecord {
    /// When: microseconds since 1970-01-01 UTC.
    pub at_micros: i64,
    /// When, on the call's clock, in milliseconds.
    pub call_ms: u32,
    /// Who did it: `caller`, `agent`, `engine`, `carrier` …
    pub who: Cow<'static, str>,
    /// What happened: `answered`, `barge_in` …
    pub what: Cow<'static, str>,
    /// The ids that belong to it (response, stream …) and its figures, as a JSON object. No personal data.
    pub ids: serde_json::Value,
}

/// Who used a call's media token, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct MediaClaim {
    pub call: CallSid,
    /// The node that holds the media socket.
    pub node: String,
    /// Microseconds since 1970-01-01 UTC.
    pub at: i64,
}

/// Everything that is written while calls go on. Writing one twice leaves what writing it once leaves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Record {
    Status { change: StatusChange },
    Turn { call: CallSid, turn: Turn },
    Event { call: CallSid, seq: u32, event: CallEventRecord },
    End { call: CallSid, end: CallEnd },
    MediaClaim { claim: MediaClaim },
    Recording { report: Box<RecordingReport>, at: i64 },
}

impl Record {
    /// The word under which it is counted.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Status { .. } => "status",
            Self::Turn { .. } => "turn",
            Self::Event { .. } => "event",
            Self::End { .. } => "end",
            Self::MediaClaim { .. } => "media_claim",
            Self::Recording { .. } => "recording",
        }
    }
}

/// [`Farewell`] as the spool writes it.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Farewell", rename_all = "snake_case")]
enum StoredFarewell {
    HangUp,
    Dial(PhoneNumber),
    Apologise,
}
