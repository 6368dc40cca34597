//! Recordings of calls: who makes them, what they are called, what their first bytes say they are.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ids::{CallSid, RecordingSid};

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

/// One recording of a call: the carrier's, by its sid, or the one that was made here, of which a call has one at most.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RecordingId {
    /// Made by the carrier.
    Carrier(RecordingSid),
    /// Made here.
    Own(CallSid),
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
