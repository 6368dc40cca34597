//! What was said in a call, in words and with times, and where the words come from.

use serde::{Deserialize, Serialize};

use super::call::Speaker;

mod command;
mod cut;
mod join;
mod summary;

pub use command::{RecogniserCommand, RecogniserCommandError};
pub use cut::{Stretch, stretches};
pub use join::Words;
pub use summary::{CallSummary, Field, SpokenText, shortened};

/// The words of one recording.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Transcript {
    /// In the order of their beginnings.
    pub segments: Vec<Segment>,
    /// Which recogniser wrote it, as in `whisper-1`.
    pub model: String,
}

/// A stretch of one person's words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// Who spoke; `None` where the recording doesn't keep the two apart.
    pub speaker: Option<Speaker>,
    /// Where it begins in the recording, in milliseconds.
    pub start_ms: u32,
    /// Where it ends.
    pub end_ms: u32,
    /// The words; never empty.
    pub text: String,
    /// The recogniser's confidence, 0 to 1, where it gives one.
    pub confidence: Option<f32>,
}

/// Where a call's final transcript comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TranscriptSource {
    /// From the turns of the call.
    Realtime,
    /// From a recording.
    Recording,
    /// There are no words: nobody said any, or no way to them worked. Only this one may be replaced.
    Failed,
}

impl TranscriptSource {
    /// The word that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Realtime => "realtime",
            Self::Recording => "recording",
            Self::Failed => "failed",
        }
    }
}
