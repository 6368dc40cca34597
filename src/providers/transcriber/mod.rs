//! Recognisers: they make words of a recording.

use std::path::Path;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use thiserror::Error;

use crate::engine::transcript::Transcript;

/// Makes words of recordings. A call may take minutes; none blocks the thread, and dropping it ends the work.
pub trait Transcriber {
    /// The words of one recording. A recording without words gives a transcript without segments, and no error.
    fn transcribe<'a>(&'a self, sound: &'a Sound<'a>) -> LocalBoxFuture<'a, Result<Transcript, TranscribeError>>;
}

/// A recording on this disk.
#[derive(Clone, Copy, Debug)]
pub struct Sound<'a> {
    /// The file; WAV or MP3. With two channels the first is the caller's, the second the agent's.
    pub file: &'a Path,
    /// The language that is spoken, as a BCP 47 tag.
    pub language: &'a str,
    /// What makes the recogniser write names as they are written; never a business's own words.
    pub prompt: &'a str,
}

/// Why there are no words. No message repeats a secret or what was said.
#[derive(Debug, Error)]
pub enum TranscribeError {
    /// The service doesn't let us.
    #[error("the recogniser refuses us ({0}): check its key")]
    Refused(u16),
    /// The service is away or overloaded.
    #[error("the recogniser doesn't answer: {reason}")]
    Away {
        /// What happened.
        reason: String,
        /// When it wants to be asked again, if it said so.
        retry_after: Option<Duration>,
    },
    /// It can't use this recording, and never will.
    #[error("the recogniser can't use this recording: {0}")]
    Unusable(String),
    /// The program can't be run, or failed.
    #[error("the recogniser's program: {0}")]
    Program(String),
    /// The file can't be read.
    #[error("the recording can't be read: {0}")]
    Disk(#[from] std::io::Error),
}

impl TranscribeError {
    /// Whether asking again later may help.
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::Away { .. } | Self::Disk(_) | Self::Program(_))
    }
}
