//! One request to a bucket and its answer.

use std::fs::{self, File};
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use awc::ClientResponse;
use awc::body::SizedStream;
use awc::http::header::{CONTENT_LENGTH, RANGE, USER_AGENT};
use awc::http::{Method, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{try_unfold, unfold};
use rusty_s3::{Bucket, Credentials, S3Action};
use sha2::{Digest, Sha256};
use tokio::time::timeout;
use url::Url;

use super::multipart;
use super::refusal::{self, Asked};
use crate::providers::https;
use crate::providers::recording_store::{KeepError, PIECE, SoundBytes, blocking};

/// How long a connection may take to open, TLS included.
const CONNECT_WITHIN: Duration = Duration::from_secs(4);
/// How long an answer may take to begin, and each further piece of it; the file that goes up comes before the answer.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// The slowest line on which a file goes up before it is given up. Bytes per second: 200 kbit/s.
const SLOWEST: u64 = 25_000;
/// How long a signature holds: longer than a clock that is a little wrong, and than a connection takes to open.
const SIGNED_FOR: Duration = Duration::from_secs(300);
/// The header that makes the service compare what came with what was sent.
const CHECKSUM: &str = "x-amz-checksum-sha256";
/// The largest answer in XML: a list of a thousand names of a thousand bytes each, and what is said of them.
const LARGEST_ANSWER: usize = 4 << 20;

/// Makes requests for one bucket.
pub(super) struct Requests {
    bucket: Bucket,
    credentials: Credentials,
    client: Option<awc::Client>,
}

/// A part of a file that goes up, or all of it.
#[derive(Clone)]
pub(super) struct Upload {
    pub file: Arc<File>,
    pub bytes: Range<u64>,
    /// The SHA-256 of these bytes, in base64.
    pub sum: String,
}

impl Requests {
    pub(super) fn new(bucket: Bucket, credentials: Credentials) -> Self {
        Self { bucket, credentials, client: https::client(CONNECT_WITHIN) }
    }

    pub(super) const fn bucket(&self) -> &Bucket {
        &self.bucket
    }

    pub(super) const fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Sends a file up, and deletes it here.
    pub(super) async fn put(&self, object: &str, path: &Path) -> Result<(), KeepError> {
        let opened = path.to_owned();
        let open = move || {
            let file = File::open(opened)?;
            let bytes = file.metadata()?.len();
            Ok((Arc::new(file), bytes))
        };
        let (file, bytes) = blocking(open).await?;
        if bytes <= multipart::WHOLE_UP_TO {
            let whole = Upload::of(file, 0..bytes).await?;
            self.send(self.bucket.put_object(Some(&self.credentials), object), Method::PUT, whole).await?;
        } else {
            multipart::put(self, object, file, bytes).await?;
        }
        // A service that takes less than all of it would lose the rest for good.
        match self.size(object).await? {
            size if size == bytes => {}
            size => return Err(KeepError::Away(format!("it kept {size} bytes of {bytes}"))),
        }
        let path = path.to_owned();
        blocking(move || Ok(fs::remove_file(path)?)).await
    }

    /// Sends bytes up, with their checksum.
    pub(super) async fn send<'a>(
        &self,
        mut action: impl S3Action<'a>,
        method: Method,
        upload: Upload,
    ) -> Result<ClientResponse, KeepError> {
        action.headers_mut().insert(CHECKSUM, upload.sum.clone());
        let request = self.request(method, action.sign(SIGNED_FOR))?.insert_header((CHECKSUM, upload.sum.as_str()));
        let length = upload.bytes.end - upload.bytes.start;
        let within = ANSWER_WITHIN + Duration::from_secs(length / SLOWEST);
        let body = SizedStream::new(length, pieces(upload.file, upload.bytes));
        let sent = timeout(within, request.send_body(body)).await.map_err(|_| too_late(within))?;
        refusal::judged(sent.map_err(|error| away(&error))?, Asked::ToKeep).await
    }

    /// Asks for something that is said in the address, some headers and a few words, and is answered in XML.
    pub(super) async fn ask<'a>(
        &self,
        action: &impl S3Action<'a>,
        method: Method,
        header: Option<(&'static str, &'static str)>,
        words: String,
        within: Duration,
    ) -> Result<Bytes, KeepError> {
        let mut request = self.request(method, action.sign(SIGNED_FOR))?;
        if let Some(header) = header {
            request = request.insert_header(header);
        }
        let answered = async {
            let sent = request.send_body(words).await.map_err(|error| away(&error))?;
            let mut answer = refusal::judged(sent, Asked::ToKeep).await?;
            answer.body().limit(LARGEST_ANSWER).await.map_err(|error| KeepError::Away(error.to_string()))
        };
        timeout(within, answered).await.map_err(|_| too_late(within))?
    }

    pub(super) async fn size(&self, object: &str) -> Result<u64, KeepError> {
        let url = self.bucket.head_object(Some(&self.credentials), object).sign(SIGNED_FOR);
        let answer = self.answer(self.request(Method::HEAD, url)?).await?;
        length(&answer).ok_or_else(|| KeepError::Away("it does not say how large it is".to_owned()))
    }

    /// The bytes of an object, or of a range of them that is not empty.
    pub(super) async fn get(&self, object: &str, range: Option<Range<u64>>) -> Result<SoundBytes, KeepError> {
        let url = self.bucket.get_object(Some(&self.credentials), object).sign(SIGNED_FOR);
        let request = self.request(Method::GET, url)?;
        let (request, wanted) = match range {
            Some(Range { start, end }) => {
                (request.insert_header((RANGE, format!("bytes={start}-{}", end - 1))), Some(end - start))
            }
            None => (request, None),
        };
        let answer = self.answer(request).await?;
        match (wanted, answer.status(), length(&answer)) {
            (Some(wanted), StatusCode::PARTIAL_CONTENT, Some(length)) if length == wanted => Ok(body(answer, length)),
            (None, StatusCode::OK, Some(length)) => Ok(body(answer, length)),
            (_, status, _) => Err(KeepError::Away(format!("it answered {status} with other bytes"))),
        }
    }

    /// One that is gone is no error: S3 says the same of both.
    pub(super) async fn delete(&self, object: &str) -> Result<(), KeepError> {
        let url = self.bucket.delete_object(Some(&self.credentials), object).sign(SIGNED_FOR);
        match self.answer(self.request(Method::DELETE, url)?).await {
            Ok(_) | Err(KeepError::Absent) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn request(&self, method: Method, url: Url) -> Result<awc::ClientRequest, KeepError> {
        let no_roots = || KeepError::Away("this machine's certificate authorities can't be read".to_owned());
        let client = self.client.as_ref().ok_or_else(no_roots)?;
        Ok(client.request(method, url.as_str()).force_close().insert_header((USER_AGENT, https::AGENT)))
    }

    async fn answer(&self, request: awc::ClientRequest) -> Result<ClientResponse, KeepError> {
        let sent = timeout(ANSWER_WITHIN, request.send()).await.map_err(|_| too_late(ANSWER_WITHIN))?;
        let answer = sent.map_err(|error| away(&error))?;
        refusal::judged(answer, Asked::ToGive).await
    }
}

impl Upload {
    /// Reads the bytes once, for their checksum.
    pub(super) async fn of(file: Arc<File>, bytes: Range<u64>) -> Result<Self, KeepError> {
        blocking(move || {
            let sum = summed(&file, &bytes)?;
            Ok(Self { file, bytes, sum })
        })
        .await
    }
}

/// Writes bytes to a file: all of them, or none.
pub(super) async fn to_file(mut bytes: SoundBytes, file: &Path) -> Result<(), KeepError> {
    let path = file.to_owned();
    let create = move || Ok(File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?);
    let mut copy = blocking(create).await?;
    let copied = async {
        while let Some(piece) = bytes.next().await {
            let piece = piece?;
            copy = blocking(move || copy.write_all(&piece).map(|()| copy).map_err(KeepError::from)).await?;
        }
        blocking(move || Ok(copy.sync_all()?)).await
    };
    let copied = copied.await;
    if copied.is_err() {
        let path = file.to_owned();
        // It is told that there is no copy, whatever lies there.
        blocking(move || Ok(fs::remove_file(path)?)).await.ok();
    }
    copied
}

/// The SHA-256 of a part of a file, in base64.
fn summed(file: &File, bytes: &Range<u64>) -> Result<String, KeepError> {
    let mut hash = Sha256::new();
    let mut piece = vec![0; PIECE];
    let mut at = bytes.start;
    while at < bytes.end {
        let length = piece_of(at, bytes.end);
        file.read_exact_at(&mut piece[..length], at)?;
        hash.update(&piece[..length]);
        at += length as u64;
    }
    Ok(STANDARD.encode(hash.finalize()))
}

/// How much of what is left goes into one piece.
fn piece_of(at: u64, end: u64) -> usize {
    usize::try_from(end - at).unwrap_or(PIECE).min(PIECE)
}

/// The pieces of a file on their way up.
fn pieces(file: Arc<File>, bytes: Range<u64>) -> impl futures_util::Stream<Item = Result<Bytes, io::Error>> {
    unfold(bytes.start, move |at| {
        let file = Arc::clone(&file);
        let length = piece_of(at, bytes.end);
        async move {
            if length == 0 {
                return None;
            }
            let read = move || {
                let mut piece = vec![0; length];
                file.read_exact_at(&mut piece, at)?;
                Ok(Bytes::from(piece))
            };
            Some((blocking(read).await.map_err(io::Error::other), at + length as u64))
        }
    })
}

/// The body of an answer, which has so many bytes. awc takes the end of a connection for the end of a body, so they are
/// counted here.
fn body(answer: ClientResponse, bytes: u64) -> SoundBytes {
    let next = |(mut answer, left): (ClientResponse, u64)| async move {
        let piece = timeout(ANSWER_WITHIN, answer.next()).await.map_err(|_| too_late(ANSWER_WITHIN))?;
        match piece.transpose().map_err(|error| KeepError::Away(error.to_string()))? {
            Some(piece) => {
                let left = left.saturating_sub(piece.len() as u64);
                Ok(Some((piece, (answer, left))))
            }
            None if left > 0 => Err(KeepError::Away(format!("it stopped {left} bytes before the end"))),
            None => Ok(None),
        }
    };
    try_unfold((answer, bytes), next).boxed_local()
}

fn length(answer: &ClientResponse) -> Option<u64> {
    answer.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Without the address, which holds a signature.
fn away(error: &awc::error::SendRequestError) -> KeepError {
    match error {
        awc::error::SendRequestError::Connect(error) => KeepError::Away(format!("no connection: {error}")),
        other => KeepError::Away(other.to_string()),
    }
}

fn too_late(within: Duration) -> KeepError {
    KeepError::Away(format!("nothing came for {} s", within.as_secs()))
}
