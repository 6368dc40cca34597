//! How far a recording has come, and what is to be done next about a call's recordings: the words that are stored.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A word that is none of those expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("is no such word")]
pub struct UnknownWord;

/// Words for the values of an enum, both ways.
macro_rules! words {
    ($type:ident { $($value:ident = $word:literal),+ $(,)? }) => {
        impl $type {
            /// Every value.
            pub const ALL: &[Self] = &[$(Self::$value),+];

            /// The word that is stored.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$value => $word),+
                }
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> Self {
                value.as_str().to_owned()
            }
        }

        impl TryFrom<String> for $type {
            type Error = UnknownWord;

            fn try_from(text: String) -> Result<Self, UnknownWord> {
                text.parse()
            }
        }

        impl FromStr for $type {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                Self::ALL.iter().copied().find(|value| value.as_str() == text).ok_or(UnknownWord)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

/// Who made a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MadeBy {
    /// The carrier.
    Carrier,
    /// This service, at the wire.
    Own,
}

words!(MadeBy { Carrier = "carrier", Own = "own" });

/// How far a recording has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum RecordingState {
    /// The carrier was asked for it and hasn't said yet that it is complete; of one that was made here: it isn't in the store yet,
    /// and is tried again.
    Started,
    /// It is complete, and to be fetched.
    Announced,
    /// It is in our store.
    Fetched,
    /// It was given up, or holds no sound; one of the carrier's is [`RecordingState::Announced`] again when somebody asks for it.
    Failed,
    /// It was made here, and the store doesn't take it or its file can't be read: the file stays on the node that made it.
    /// [`RecordingState::Started`] again when somebody asks for it.
    Unkept,
    /// The carrier says that there is none.
    Absent,
    /// It was deleted when its time was over.
    Expired,
}

words!(RecordingState {
    Started = "started",
    Announced = "announced",
    Fetched = "fetched",
    Failed = "failed",
    Unkept = "unkept",
    Absent = "absent",
    Expired = "expired",
});

/// What is to be done next about a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// To look again later: a recording, or the call's end, may still come.
    Wait,
    /// To fetch a recording.
    Fetch,
    /// To make words of a recording that is in the store.
    Transcribe,
    /// To take the words of the turns, for there is no other source.
    Settle,
    /// To sum up what was said.
    Summarise,
    /// Nothing; a new recording, or somebody who asks, makes more work.
    Done,
}

words!(Step {
    Wait = "waiting",
    Fetch = "fetching",
    Transcribe = "transcribing",
    Settle = "settling",
    Summarise = "summarising",
    Done = "settled",
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_back_as_they_were_written() {
        assert!(MadeBy::ALL.iter().all(|value| value.as_str().parse() == Ok(*value)));
        assert!(RecordingState::ALL.iter().all(|value| value.as_str().parse() == Ok(*value)));
        assert!(Step::ALL.iter().all(|value| value.as_str().parse() == Ok(*value)));
        assert_eq!("Fetched".parse::<RecordingState>(), Err(UnknownWord));
    }
}
