//! Where recordings are kept: a directory, or an S3-compatible service.

mod directory;
mod key;
mod s3;

use std::io;
use std::ops::Range;
use std::path::Path;

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::LocalBoxStream;
use thiserror::Error;
use tokio::task::spawn_blocking;

pub use directory::Directory;
pub use s3::{BadBucket, S3, S3Settings};

/// How much of a file is in memory at once, while it is read or sent.
const PIECE: usize = 64 << 10;

/// Keeps files under keys. A key is a relative path of letters, digits, `-`, `_`, `.` and `/`, as in
/// `2026/11/CA….wav`; it is made here and never by a caller. No method blocks.
pub trait RecordingStore {
    /// Moves a complete file of this disk in, whole or not at all; what lay under the key before is replaced.
    fn put<'a>(&'a self, key: &'a str, file: &'a Path) -> LocalBoxFuture<'a, Result<(), KeepError>>;

    /// Its size in bytes.
    fn size<'a>(&'a self, key: &'a str) -> LocalBoxFuture<'a, Result<u64, KeepError>>;

    /// A range of its bytes, in pieces, so that an hour of sound needs no more memory than a second.
    fn read<'a>(&'a self, key: &'a str, bytes: Range<u64>) -> LocalBoxFuture<'a, Result<SoundBytes, KeepError>>;

    /// Copies it to a file of this disk, for a recogniser.
    fn copy_to<'a>(&'a self, key: &'a str, file: &'a Path) -> LocalBoxFuture<'a, Result<(), KeepError>>;

    /// Deletes it. One that is gone already is no error.
    fn delete<'a>(&'a self, key: &'a str) -> LocalBoxFuture<'a, Result<(), KeepError>>;

    /// Deletes what a crash left of files on their way in, if that was begun before this time (microseconds since 1970-01-01 UTC):
    /// how many there were. A store that leaves nothing behind has nothing to do.
    fn sweep<'a>(&'a self, before: i64) -> LocalBoxFuture<'a, Result<usize, KeepError>> {
        let _ = before;
        Box::pin(async { Ok(0) })
    }
}

/// The pieces of a file.
pub type SoundBytes = LocalBoxStream<'static, Result<Bytes, KeepError>>;

/// Why a file can't be kept or read.
#[derive(Debug, Error)]
pub enum KeepError {
    /// There is none under this key.
    #[error("there is no such recording in the store")]
    Absent,
    /// The disk is full, or fails.
    #[error("the disk: {0}")]
    Disk(#[from] std::io::Error),
    /// The service refuses us, or what we want to put there.
    #[error("the store refuses us ({status}{}{code}): {}", if code.is_empty() { "" } else { " " }, remedy(code))]
    Refused {
        /// Its HTTP status.
        status: u16,
        /// Its own word for the reason, as in `SignatureDoesNotMatch`; empty if it gave none.
        code: String,
    },
    /// The service can't be reached, or fails.
    #[error("the store doesn't answer: {0}")]
    Away(String),
}

/// What is to be done about a refusal.
fn remedy(code: &str) -> &'static str {
    match code {
        "SignatureDoesNotMatch" => "check AWS_SECRET_ACCESS_KEY, and recordings.s3_region",
        "InvalidAccessKeyId" | "NotSignedUp" => "check AWS_ACCESS_KEY_ID",
        "ExpiredToken" | "InvalidToken" => "check AWS_SESSION_TOKEN",
        "NoSuchBucket" => "check the bucket in recordings.store_url",
        "PermanentRedirect" | "AuthorizationHeaderMalformed" => "check recordings.s3_region",
        "RequestTimeTooSkewed" => "check this machine's clock",
        "AccessDenied" => "its keys may not do this",
        _ => "check recordings.store_url and its keys",
    }
}

/// Does on another thread what waits for the disk.
async fn blocking<T, F>(work: F) -> Result<T, KeepError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, KeepError> + Send + 'static,
{
    let stopping = || Err(io::Error::other("the service is stopping").into());
    spawn_blocking(work).await.unwrap_or_else(|_| stopping())
}
