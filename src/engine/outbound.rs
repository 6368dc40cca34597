//! A call that we place: what was asked, and what came of it.
//!
//! ```text
//!   waiting ──▶ dialling ──▶ placed ◀─────────────┐ the carrier tells of the call, or is asked and knows it
//!                  │ │                            │
//!                  │ └─ no answer ──▶ unknown ────┤
//!                  ▼                              ▼ it is asked and knows no such call
//!              not placed ◀───────────────────────┘
//! ```
//!
//! `dialling` is entered once, by one node, and never left backwards: nothing is dialled twice, whatever is lost on the
//! way. A job whose node died while it dialled is one of unknown outcome.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::engine::ids::{BusinessId, CallSid, JobId, PhoneNumber};

/// What is done when a machine answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnMachine {
    /// Nobody finds out.
    Ignore,
    /// It is found out and kept; the agent talks on.
    TalkOn,
    /// The call is ended.
    HangUp,
    /// The message that came with the call is spoken after the beep, and the call is ended.
    LeaveMessage,
}

/// How far a job has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Nobody has asked the carrier.
    Waiting,
    /// The carrier is being asked, or was when the node died.
    Dialling,
    /// The carrier has placed the call.
    Placed,
    /// The carrier was asked and did not say whether it did.
    Unknown,
    /// There is no such call, and there will be none.
    NotPlaced,
}

/// A text that names none of the values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is none of the words that are known here")]
pub struct UnknownWord;

macro_rules! words {
    ($type:ident { $($variant:ident => $word:literal),+ $(,)? }) => {
        impl $type {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word that is stored and shown.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $type {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                Self::ALL.iter().copied().find(|value| value.as_str() == text).ok_or(UnknownWord)
            }
        }
    };
}

pub(super) use words;

words!(OnMachine {
    Ignore => "ignore",
    TalkOn => "talk_on",
    HangUp => "hang_up",
    LeaveMessage => "leave_message",
});
words!(JobState {
    Waiting => "waiting",
    Dialling => "dialling",
    Placed => "placed",
    Unknown => "unknown",
    NotPlaced => "not_placed",
});

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundOrder {
    /// Whose call it is.
    pub business: BusinessId,
    /// Whom to call.
    pub to: PhoneNumber,
    /// The number to show.
    pub from: PhoneNumber,
    /// What the agent is told of the person or the matter: a name, and what is so called.
    pub context: Vec<(String, String)>,
    /// What is done when a machine answers.
    pub on_machine: OnMachine,
    /// What is said to a machine.
    pub message: Option<String>,
    /// The asker's own name for this call: asking again under it asks for nothing new.
    pub idempotency_key: Option<String>,
}

/// A call that we were asked to place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundJob {
    /// Which job.
    pub job: JobId,
    /// What was asked.
    pub order: OutboundOrder,
    /// How far it has come.
    pub state: JobState,
    /// The call, once it is known.
    pub call_sid: Option<CallSid>,
    /// Why there is none, or why it is not known whether there is. Without personal data.
    pub error: Option<String>,
    /// When it was asked: microseconds since 1970-01-01 UTC.
    pub created_at: i64,
    /// When the carrier was asked.
    pub dialled_at: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reads_back_as_what_it_stands_for() {
        assert!(OnMachine::ALL.iter().all(|value| value.as_str().parse() == Ok(*value)));
        assert!(JobState::ALL.iter().all(|value| value.as_str().parse() == Ok(*value)));
        assert!("dial".parse::<JobState>().is_err() && "".parse::<OnMachine>().is_err());
    }
}
