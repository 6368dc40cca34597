//! Recognisers: they make words of a recording.
//!
//! * `recording` finds where in a recording somebody speaks, channel by channel, and cuts that out;
//! * `openai_compatible` and `command` are given the pieces, and their words are put together with true times;
//! * `deepgram` is given the file as it is: it keeps channels apart and times by itself.

mod command;
mod deepgram;
mod mp3;
mod openai_compatible;
mod recording;
mod workplace;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use thiserror::Error;

use crate::engine::transcript::Transcript;

use super::vendor_http::{Meaning, VendorError};
pub use command::CommandSettings;
pub use deepgram::DeepgramSettings;
pub use openai_compatible::OpenAiCompatibleSettings;

/// Makes words of recordings. A call may take minutes; none blocks the thread, and dropping it ends the work.
pub trait Transcriber {
    /// The words of one recording. A recording without words gives a transcript without segments, and no error.
    fn transcribe<'a>(&'a self, sound: &'a Sound<'a>) -> LocalBoxFuture<'a, Result<Transcript, TranscribeError>>;
}

/// Which recogniser, and what it needs to know. It may go from thread to thread; what it opens stays on its own.
#[derive(Clone, Debug)]
pub enum TranscriberSettings {
    /// A service with OpenAI's interface.
    OpenAiCompatible(OpenAiCompatibleSettings),
    /// Deepgram.
    Deepgram(DeepgramSettings),
    /// A program on this machine.
    Command(CommandSettings),
}

impl TranscriberSettings {
    /// Opens the recogniser on this thread. `work_dir` is for what it works on; see [`sweep`].
    pub fn open(&self, work_dir: PathBuf) -> Box<dyn Transcriber> {
        let place = workplace::Workplace::at(work_dir);
        match self {
            Self::OpenAiCompatible(settings) => {
                Box::new(openai_compatible::OpenAiCompatible::new(settings.clone(), place))
            }
            Self::Deepgram(settings) => Box::new(deepgram::Deepgram::new(settings.clone())),
            Self::Command(settings) => Box::new(command::CommandTranscriber::new(settings.clone(), place)),
        }
    }
}

/// Makes the directory that recognisers work in, and deletes what a crash left there. What is in use stays, so that
/// several processes may share one.
pub fn sweep(work_dir: &Path) -> io::Result<()> {
    workplace::Workplace::at(work_dir.to_owned()).sweep()
}

/// A recording on this disk.
#[derive(Clone, Copy, Debug)]
pub struct Sound<'a> {
    /// The file; WAV or MP3. With two channels the first is the caller's, the second the agent's.
    pub file: &'a Path,
    /// The language that is spoken, as a BCP 47 tag.
    pub language: &'a str,
}

/// Why there are no words. No message repeats a secret or what was said.
#[derive(Debug, Error)]
pub enum TranscribeError {
    /// The service doesn't let us.
    #[error("the recogniser refuses us ({0}): check its key, its address and its models")]
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

impl From<VendorError> for TranscribeError {
    fn from(error: VendorError) -> Self {
        match (error.meaning(), &error) {
            (Meaning::Refused, VendorError::Status { status, .. }) => Self::Refused(*status),
            (Meaning::Unusable, _) => Self::Unusable(error.to_string()),
            _ => Self::Away { reason: error.to_string(), retry_after: error.retry_after() },
        }
    }
}

/// The first part of a language tag, as recognisers want it: `de` of `de-AT`. Empty for what is no tag.
fn primary(language: &str) -> String {
    let primary = language.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
    let is_language = (2..=3).contains(&primary.len()) && primary.bytes().all(|byte| byte.is_ascii_lowercase());
    if is_language { primary } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_vendor_answers_says_whether_to_ask_it_again() {
        let of =
            |status| VendorError::Status { status, code: String::new(), retry_after: Some(Duration::from_secs(7)) };
        assert!(!TranscribeError::from(of(401)).may_pass());
        assert!(!TranscribeError::from(of(413)).may_pass());
        let away = TranscribeError::from(of(429));
        assert!(away.may_pass());
        assert!(matches!(away, TranscribeError::Away { retry_after: Some(after), .. } if after.as_secs() == 7));
        assert!(TranscribeError::from(VendorError::TimedOut(Duration::from_secs(1))).may_pass());
    }

    #[test]
    fn recognisers_are_told_the_first_part_of_a_language() {
        for (tag, expected) in [("en-US", "en"), ("he", "he"), ("yue-Hant-HK", "yue"), ("", ""), ("klingon", "")] {
            assert_eq!(primary(tag), expected, "{tag}");
        }
    }
}
