//! Where a carrier's recordings are fetched from.

mod landing;
mod twilio;

use std::path::Path;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use thiserror::Error;

use crate::engine::ids::{CallSid, RecordingSid};
use crate::engine::recording::SoundFormat;

pub use landing::sweep_partial;
pub use twilio::{AllowedHost, BadHost, BreakerSettings, TwilioRecordings, TwilioRecordingsSettings};

/// Fetches recordings. Every method may take as long as the network does, within its own time limits; none blocks.
pub trait RecordingSource {
    /// Fetches one recording into `file`, which must not exist and is left complete, on the disk, or not at all.
    fn fetch<'a>(
        &'a self,
        wanted: &'a WantedRecording,
        file: &'a Path,
    ) -> LocalBoxFuture<'a, Result<Fetched, FetchError>>;

    /// Deletes a recording at the carrier. One that is gone already is no error.
    fn delete<'a>(&'a self, recording: &'a RecordingSid) -> LocalBoxFuture<'a, Result<(), FetchError>>;
}

/// Which recording is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedRecording {
    /// Of which call.
    pub call: CallSid,
    /// The leg that the call belongs to; its recording will do where the call has none.
    pub parent: Option<CallSid>,
    /// Which of the call's recordings.
    pub recording: RecordingSid,
    /// Where the carrier said it lies; whole, or a path of the carrier's own host.
    pub url: Option<String>,
}

/// What was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// What it is, by its content.
    pub format: SoundFormat,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its content.
    pub sha256: [u8; 32],
    /// How long it sounds, where its content says so.
    pub length: Option<Duration>,
    /// How many voices lie beside each other in it.
    pub channels: u16,
}

/// Why a recording was not fetched. No message repeats a secret.
#[derive(Debug, Error)]
pub enum FetchError {
    /// The carrier doesn't have it yet, or any more.
    #[error("the carrier has no such recording (404)")]
    NotThere,
    /// The carrier doesn't let us.
    #[error("the carrier refuses it ({0}): check twilio.account_sid and the auth token")]
    Refused(u16),
    /// The carrier has trouble, or wants fewer requests.
    #[error("the carrier answered {status}")]
    Carrier {
        /// Its HTTP status.
        status: u16,
        /// When it wants to be asked again, if it said so.
        retry_after: Option<Duration>,
    },
    /// No answer, or an answer that stopped in the middle.
    #[error("no whole answer: {0}")]
    Broken(String),
    /// What came is no recording.
    #[error("what came is no recording: {0}")]
    NotSound(String),
    /// It leads to a host that isn't the carrier's.
    #[error("the recording's address leads to {0}, which recordings.allowed_hosts does not name")]
    ForbiddenHost(String),
    /// The host failed so often that it is left alone for a while.
    #[error("the host failed repeatedly: not asked for another {0:?}")]
    LeftAlone(Duration),
    /// It can't be written.
    #[error("it can't be written: {0}")]
    Disk(#[from] std::io::Error),
}

impl FetchError {
    /// Whether asking again later may help.
    pub const fn may_pass(&self) -> bool {
        !matches!(self, Self::Refused(_) | Self::ForbiddenHost(_))
    }
}
