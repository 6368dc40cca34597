//! Recordings of calls: who makes them, what they are called, what their first bytes say they are.

pub mod ledger;
mod policy;
mod state;

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::ids::{CallSid, IdError, RecordingSid};

pub use policy::{Choice, choose};
pub use state::{MadeBy, RecordingState, Step, UnknownWord};

mod content;

pub use content::{Content, ContentCheck, NotSound};

/// Who records a business's calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordingPolicy {
    /// Nobody.
    #[default]
    Off,
    /// The carrier, asked to on the first `in-progress`.
    Carrier,
    /// This service, at the wire.
    Own,
    /// Both; the carrier's comes first when one is shown.
    Both,
}

impl RecordingPolicy {
    /// Whether the carrier is asked to record.
    pub const fn asks_carrier(self) -> bool {
        matches!(self, Self::Carrier | Self::Both)
    }

    /// Whether the call is recorded at the wire.
    pub const fn records_here(self) -> bool {
        matches!(self, Self::Own | Self::Both)
    }

    /// All of them.
    pub const ALL: [Self; 4] = [Self::Off, Self::Carrier, Self::Own, Self::Both];

    /// The word for it, as it is configured and stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Carrier => "carrier",
            Self::Own => "own",
            Self::Both => "both",
        }
    }
}

/// A word that no policy has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("says nothing about who records: give \"off\", \"carrier\", \"own\" or \"both\"")]
pub struct UnknownPolicy;

impl FromStr for RecordingPolicy {
    type Err = UnknownPolicy;

    fn from_str(text: &str) -> Result<Self, UnknownPolicy> {
        Self::ALL.into_iter().find(|policy| policy.as_str() == text).ok_or(UnknownPolicy)
    }
}

impl fmt::Display for RecordingPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One recording of a call: the carrier's, by its sid, or the one that was made here, of which a call has one at most.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum RecordingId {
    /// Made by the carrier.
    Carrier(RecordingSid),
    /// Made here.
    Own(CallSid),
}

impl RecordingId {
    /// Who made it.
    pub const fn made_by(&self) -> MadeBy {
        match self {
            Self::Carrier(_) => MadeBy::Carrier,
            Self::Own(_) => MadeBy::Own,
        }
    }

    /// Where it lies in the store, if it was made at this time, in microseconds since 1970-01-01 UTC.
    ///
    /// ```
    /// use trunkline::engine::recording::{RecordingId, SoundFormat};
    ///
    /// let id: RecordingId = "RE0123456789abcdef0123456789abcdef".parse()?;
    /// let key = id.store_key(1_795_521_600_000_000, SoundFormat::Wav);
    /// assert_eq!(key, "2026/11/RE0123456789abcdef0123456789abcdef.wav");
    /// # Ok::<(), trunkline::engine::ids::IdError>(())
    /// ```
    pub fn store_key(&self, at: i64, format: SoundFormat) -> String {
        let made = Timestamp::from_microsecond(at).unwrap_or_default().to_zoned(TimeZone::UTC);
        format!("{:04}/{:02}/{self}.{}", made.year(), made.month(), format.extension())
    }
}

impl FromStr for RecordingId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.starts_with("CA") { text.parse().map(Self::Own) } else { text.parse().map(Self::Carrier) }
    }
}

impl TryFrom<String> for RecordingId {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<RecordingId> for String {
    fn from(id: RecordingId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for RecordingId {
    /// The sid of the recording, or of the call for one that was made here. They begin with different letters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Carrier(sid) => sid.fmt(f),
            Self::Own(sid) => sid.fmt(f),
        }
    }
}

/// What a file of sound is, judged by what it holds and never by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SoundFormat {
    /// RIFF/WAVE.
    Wav,
    /// MPEG-1/2 layer III.
    Mp3,
}

impl SoundFormat {
    /// As in `Content-Type` (RFC 2361 and RFC 3003 for the two).
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Wav => "audio/wav",
            Self::Mp3 => "audio/mpeg",
        }
    }

    /// The end of a file's name, without the dot.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Wav => "wav",
            Self::Mp3 => "mp3",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_back_as_it_was_written() {
        for text in ["RE0123456789abcdef0123456789abcdef", "CA0123456789abcdef0123456789abcdef"] {
            let id: RecordingId = text.parse().unwrap();
            assert_eq!((id.to_string().as_str(), id.made_by() == MadeBy::Own), (text, text.starts_with("CA")));
        }
        assert!("MZ0123456789abcdef0123456789abcdef".parse::<RecordingId>().is_err());
    }
}
