//! The words of calls, once they are settled: what they are, where they come from, and why.
//!
//! Nobody writes here but whoever settles a call's words, under the lease of its recordings' work.

mod read;
mod rows;
mod write;

use crate::engine::ids::CallSid;
use crate::engine::recording::RecordingId;
use crate::engine::transcript::{Segment, TranscriptSource};

pub(super) use read::{summary_of, transcript_of};
pub(super) use write::{decide, is_summed_up, keep, keep_summary, source_of};

/// The words of a call. Times are microseconds since 1970-01-01 UTC.
#[derive(Clone, Debug, PartialEq)]
pub struct FinalTranscript {
    /// Of which call.
    pub call: CallSid,
    /// All of them, a line for each stretch of one person's words; empty if the source is [`TranscriptSource::Failed`].
    pub text: String,
    /// Where they come from.
    pub source: TranscriptSource,
    /// The same with speakers and times: of the recording, or of the call's own clock for words of the turns.
    pub segments: Vec<Segment>,
    /// Which recogniser wrote them, if they come from a recording.
    pub model: Option<String>,
    /// When they were settled.
    pub decided_at: i64,
    /// Why these.
    pub reason: String,
    /// From which recording they come.
    pub from: Option<RecordingId>,
}

/// A decision about the words of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TranscriptDecision {
    /// When, in microseconds since 1970-01-01 UTC.
    pub at: i64,
    /// What was decided, in a word.
    pub decision: String,
    /// Why.
    pub reason: String,
}

/// What was made of a call's words. Times are microseconds since 1970-01-01 UTC.
#[derive(Clone, Debug, PartialEq)]
pub struct CallSummary {
    /// What was said, in short; `None` if it could not be made.
    pub summary: Option<String>,
    /// Named fields that were found in it, as JSON.
    pub fields: Option<serde_json::Value>,
    /// Which model made it.
    pub model: Option<String>,
    /// Why it was not made.
    pub error: Option<String>,
    /// When it was made, or given up.
    pub at: i64,
}
