//! Large files go up in parts, so that a connection that breaks costs one part and not hours.
//!
//! | step | request |
//! |---|---|
//! | begin | `POST ?uploads`, which gives the upload a name |
//! | each part, with its own SHA-256 | `PUT ?partNumber&uploadId` |
//! | end, with the checksums of all parts: the file is there whole or not at all | `POST ?uploadId` |
//! | or give up | `DELETE ?uploadId` |
//!
//! What a process leaves of an upload that was killed is found by [`sweep`].
//!
//! Rules: docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html, and the API's pages of `CreateMultipartUpload`, `UploadPart`,
//! `CompleteMultipartUpload`, `AbortMultipartUpload` and `ListMultipartUploads`.

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use awc::http::Method;
use awc::http::header::ETAG;
use quick_xml::escape::escape;
use rusty_s3::actions::{AbortMultipartUpload, UploadPart};
use serde::Deserialize;
use tokio::time::sleep;

use super::action::{Get, OnUploads, Post};
use super::refusal;
use super::request::{ANSWER_WITHIN, Requests, Upload};
use crate::engine::recording::RecordingId;
use crate::providers::recording_store::KeepError;

/// What has no more bytes than this goes up in one request: 32 MiB, 17 minutes of two voices as WAV.
pub(super) const WHOLE_UP_TO: u64 = 32 << 20;
/// How large a part is, unless there would be too many: 16 MiB. S3 takes none of less than 5 MiB, but for the last.
const PART: u64 = 16 << 20;
/// How many parts S3 takes.
const MOST_PARTS: u64 = 10_000;
/// What a part is a multiple of.
const STEP: u64 = 1 << 20;
/// How often a part is sent before all of it is given up.
const PART_TRIES: u32 = 3;
/// The pause before a part is sent again; twice as long before the third time.
const PART_PAUSE: Duration = Duration::from_secs(1);
/// How long the service may take to put the parts together: minutes, by AWS's own word.
const END_WITHIN: Duration = Duration::from_secs(300);
/// The header that says which checksums the parts have.
const ALGORITHM: (&str, &str) = ("x-amz-checksum-algorithm", "SHA256");

/// A part that is there.
struct Part {
    tag: String,
    sum: String,
}

#[derive(Deserialize)]
struct Begun {
    #[serde(rename = "UploadId")]
    id: String,
}

#[derive(Deserialize)]
struct Ended {
    #[serde(rename = "ETag")]
    tag: Option<String>,
}

/// Sends a file of so many bytes up.
pub(super) async fn put(requests: &Requests, object: &str, file: Arc<File>, bytes: u64) -> Result<(), KeepError> {
    let mut begin = OnUploads::<Post>::new(requests, object);
    begin.set("uploads", "1");
    begin.say(ALGORITHM);
    let words = requests.ask(&begin, Method::POST, Some(ALGORITHM), String::new(), ANSWER_WITHIN).await?;
    let Begun { id } = read(&words)?;
    let put = async {
        let mut parts = Vec::new();
        for (number, bytes) in (1..).zip(parts_of(bytes)) {
            parts.push(put_part(requests, object, &id, number, Upload::of(Arc::clone(&file), bytes).await?).await?);
        }
        end(requests, object, &id, &parts).await
    };
    let put = put.await;
    if put.is_err() {
        // What can't be given up now is swept later.
        abort(requests, object, &id).await.ok();
    }
    put
}

/// Which bytes each part has: no more parts than the service takes, and all but the last of the same size.
fn parts_of(bytes: u64) -> impl Iterator<Item = Range<u64>> {
    let part = PART.max(bytes.div_ceil(MOST_PARTS).next_multiple_of(STEP));
    (0..bytes.div_ceil(part)).map(move |n| n * part..bytes.min((n + 1) * part))
}

/// Sends a part, again and again while it may help.
async fn put_part(requests: &Requests, object: &str, id: &str, number: u16, upload: Upload) -> Result<Part, KeepError> {
    let mut pause = PART_PAUSE;
    let mut tries = 1;
    loop {
        let action = UploadPart::new(requests.bucket(), Some(requests.credentials()), object, number, id);
        match requests.send(action, Method::PUT, upload.clone()).await {
            Ok(answer) => {
                let tag = answer.headers().get(ETAG).and_then(|tag| tag.to_str().ok());
                let tag = tag.ok_or_else(|| KeepError::Away("it gave a part no ETag".to_owned()))?.to_owned();
                return Ok(Part { tag, sum: upload.sum });
            }
            Err(KeepError::Away(_)) if tries < PART_TRIES => {
                sleep(pause).await;
                (pause, tries) = (pause * 2, tries + 1);
            }
            Err(error) => return Err(error),
        }
    }
}

/// Has the parts put together.
async fn end(requests: &Requests, object: &str, id: &str, parts: &[Part]) -> Result<(), KeepError> {
    let mut end = OnUploads::<Post>::new(requests, object);
    end.set("uploadId", id);
    let mut words = String::from("<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for (number, Part { tag, sum }) in (1..).zip(parts) {
        let (tag, sum) = (escape(tag.as_str()), escape(sum.as_str()));
        words += &format!(
            "<Part><ETag>{tag}</ETag><ChecksumSHA256>{sum}</ChecksumSHA256><PartNumber>{number}</PartNumber></Part>"
        );
    }
    words += "</CompleteMultipartUpload>";
    let answer = requests.ask(&end, Method::POST, None, words, END_WITHIN).await?;
    // It says 200 at once, and what came of it when it is done.
    match read::<Ended>(&answer)?.tag {
        Some(_) => Ok(()),
        None => {
            let code = refusal::code(&String::from_utf8_lossy(&answer));
            Err(KeepError::Away(format!("it could not put the parts together: {code}")))
        }
    }
}

/// Gives an upload up; one that is gone is no error.
async fn abort(requests: &Requests, object: &str, id: &str) -> Result<(), KeepError> {
    let action = AbortMultipartUpload::new(requests.bucket(), Some(requests.credentials()), object, id);
    match requests.ask(&action, Method::DELETE, None, String::new(), ANSWER_WITHIN).await {
        Ok(_) | Err(KeepError::Refused { status: 404, .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

#[derive(Deserialize)]
struct Uploads {
    #[serde(rename = "IsTruncated", default)]
    is_truncated: bool,
    #[serde(rename = "NextKeyMarker")]
    next_object: Option<String>,
    #[serde(rename = "NextUploadIdMarker")]
    next_id: Option<String>,
    #[serde(rename = "Upload", default)]
    uploads: Vec<Unended>,
}

#[derive(Deserialize)]
struct Unended {
    #[serde(rename = "Key")]
    object: String,
    #[serde(rename = "UploadId")]
    id: String,
    #[serde(rename = "Initiated")]
    at: String,
}

/// Gives up the uploads of recordings that were begun before a time (microseconds since 1970-01-01 UTC), and never ended: how many
/// they were. Nobody else's in the same bucket.
pub(super) async fn sweep(requests: &Requests, prefix: &str, before: i64) -> Result<usize, KeepError> {
    let (mut swept, mut behind) = (0, None::<(String, String)>);
    loop {
        let mut list = OnUploads::<Get>::of_bucket(requests);
        list.set("uploads", "1");
        list.set("prefix", prefix);
        if let Some((object, id)) = &behind {
            list.set("key-marker", object);
            list.set("upload-id-marker", id);
        }
        let page: Uploads = read(&requests.ask(&list, Method::GET, None, String::new(), ANSWER_WITHIN).await?)?;
        for upload in page.uploads.iter().filter(|upload| upload.is_left_of_ours(before)) {
            abort(requests, &upload.object, &upload.id).await?;
            swept += 1;
        }
        let next = page.next_object.zip(page.next_id).filter(|next| page.is_truncated && behind.as_ref() != Some(next));
        match next {
            Some(next) => behind = Some(next),
            None => return Ok(swept),
        }
    }
}

impl Unended {
    fn is_left_of_ours(&self, before: i64) -> bool {
        let name = self.object.rsplit('/').next().unwrap_or_default();
        let is_recording = name.split_once('.').is_some_and(|(id, _)| id.parse::<RecordingId>().is_ok());
        let begun_at = self.at.parse::<jiff::Timestamp>().map(|at| at.as_microsecond());
        is_recording && begun_at.is_ok_and(|at| at < before)
    }
}

fn read<T: serde::de::DeserializeOwned>(words: &[u8]) -> Result<T, KeepError> {
    let unreadable = || KeepError::Away("its answer can't be read".to_owned());
    let text = std::str::from_utf8(words).map_err(|_| unreadable())?;
    quick_xml::de::from_str(text.trim_start()).map_err(|_| unreadable())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_parts_are_the_whole_and_never_too_many_nor_too_small(bytes in 1u64..(48 << 40)) {
            let (mut at, mut count, mut smallest_but_last, mut last) = (0, 0u64, u64::MAX, 0);
            for part in parts_of(bytes) {
                prop_assert!(part.start == at && part.end > at && part.end - part.start <= 5 << 30);
                smallest_but_last = if count > 0 { smallest_but_last.min(last) } else { smallest_but_last };
                (at, count, last) = (part.end, count + 1, part.end - part.start);
            }
            prop_assert!(at == bytes && count <= 10_000 && smallest_but_last >= 5 << 20);
        }
    }

    #[test]
    fn only_what_is_left_of_our_own_uploads_is_given_up() {
        let of = |object: &str, at: &str| {
            Unended { object: object.to_owned(), id: "1".to_owned(), at: at.to_owned() }.is_left_of_ours(1_000_000)
        };
        let (early, late) = ("1970-01-01T00:00:00.500Z", "1970-01-01T00:00:01.500Z");
        assert!(of("calls/2026/11/RE00000000000000000000000000000003.wav", early));
        assert!(of("own/CA00000000000000000000000000000003.wav", early));
        assert!(!of("own/CA00000000000000000000000000000003.wav", late), "it may be on its way");
        assert!(!of("own/CA00000000000000000000000000000003.wav", "yesterday"));
        assert!(!of("backup/2026-11-25.tar", early) && !of("CA1.wav", early), "somebody else's");
    }
}
