//! The status of a call, in the carrier's words.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How far a call has come. The order of the variants is the rank.
///
/// The rank is total, so that the higher of two statuses is the same whoever compares them. A final status
/// stands above every open one. Among the final ones: `completed` says that somebody spoke, which no guess
/// of a sweeper may undo; `rejected` is our own refusal, after which the carrier still reports `completed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallStatus {
    /// Waits at the carrier to be dialled.
    Queued,
    /// Dialled, or known to us.
    Initiated,
    /// Rings.
    Ringing,
    /// Somebody answered. Twilio never reports it for an inbound call: the media stream's start says it.
    InProgress,
    /// Nobody answered.
    NoAnswer,
    /// The line was busy.
    Busy,
    /// Taken back before anyone answered.
    Canceled,
    /// Could not be connected.
    Failed,
    /// Answered and over.
    Completed,
    /// Refused by us: nobody is configured for the number, or there is no capacity.
    Rejected,
}

/// A word that is no status of a call.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("is not a call status")]
pub struct UnknownStatus;

impl CallStatus {
    /// Every status, lowest rank first.
    pub const ALL: [Self; 10] = [
        Self::Queued,
        Self::Initiated,
        Self::Ringing,
        Self::InProgress,
        Self::NoAnswer,
        Self::Busy,
        Self::Canceled,
        Self::Failed,
        Self::Completed,
        Self::Rejected,
    ];

    /// The word that is stored and shown, in Twilio's spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Initiated => "initiated",
            Self::Ringing => "ringing",
            Self::InProgress => "in-progress",
            Self::NoAnswer => "no-answer",
            Self::Busy => "busy",
            Self::Canceled => "canceled",
            Self::Failed => "failed",
            Self::Completed => "completed",
            Self::Rejected => "rejected",
        }
    }

    /// Its place in the order, 0 to 9.
    pub const fn rank(self) -> u8 {
        self as u8
    }

    /// Whether the call is over. An open status never follows a final one.
    pub const fn is_final(self) -> bool {
        self.rank() > Self::InProgress.rank()
    }
}

impl fmt::Display for CallStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for CallStatus {
    type Err = UnknownStatus;

    /// Takes every spelling that is about: any case; `-`, `_`, a space or nothing between words; `cancelled`
    /// with two l; `answered`, which is what Twilio calls the event that brings `in-progress`.
    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        const LONGEST: usize = "in-progress".len();
        let text = text.trim();
        if text.len() > LONGEST {
            return Err(UnknownStatus);
        }
        let word: String =
            text.chars().filter(|c| !matches!(c, '-' | '_' | ' ')).map(|c| c.to_ascii_lowercase()).collect();
        match word.as_str() {
            "queued" => Ok(Self::Queued),
            "initiated" => Ok(Self::Initiated),
            "ringing" => Ok(Self::Ringing),
            "inprogress" | "answered" => Ok(Self::InProgress),
            "noanswer" => Ok(Self::NoAnswer),
            "busy" => Ok(Self::Busy),
            "canceled" | "cancelled" => Ok(Self::Canceled),
            "failed" => Ok(Self::Failed),
            "completed" => Ok(Self::Completed),
            "rejected" => Ok(Self::Rejected),
            _ => Err(UnknownStatus),
        }
    }
}
