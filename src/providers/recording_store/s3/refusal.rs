//! What a service means by an answer that is no success: its status, and the `Code` in the XML behind it.
//!
//! Rules: docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html.

use std::time::Duration;

use awc::ClientResponse;
use awc::http::StatusCode;
use serde::Deserialize;
use tokio::time::timeout;

use crate::providers::recording_store::KeepError;

/// The largest explanation that is read.
const LARGEST: usize = 64 << 10;
/// How long it may take.
const WITHIN: Duration = Duration::from_secs(10);
/// The longest code.
const LONGEST_CODE: usize = 64;
/// What the status 400 is for, too, and what has passed when it is tried again.
const PASSING: [&str; 5] =
    ["RequestTimeout", "IncompleteBody", "BadDigest", "XAmzContentChecksumMismatch", "OperationAborted"];

/// What was asked for: whether 404 says that a recording is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// A recording, or that there be none.
    ToGive,
    /// To keep one.
    ToKeep,
}

#[derive(Deserialize)]
struct Explanation {
    #[serde(rename = "Code")]
    code: Option<String>,
}

/// An answer that is a success; what it means where it is none.
pub(super) async fn judged(mut answer: ClientResponse, asked: Asked) -> Result<ClientResponse, KeepError> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    // The status says enough where the words behind it are lost.
    let body = timeout(WITHIN, answer.body().limit(LARGEST)).await.map(Result::unwrap_or_default).unwrap_or_default();
    Err(meaning(status, code(&String::from_utf8_lossy(&body)), asked))
}

/// What a status and a code mean.
fn meaning(status: StatusCode, code: String, asked: Asked) -> KeepError {
    let space = if code.is_empty() { "" } else { " " };
    let away = format!("it answered {}{space}{code}", status.as_u16());
    match status.as_u16() {
        404 if asked == Asked::ToGive && code != "NoSuchBucket" => KeepError::Absent,
        408 | 409 | 416 | 425 | 429 => KeepError::Away(away),
        400 if PASSING.contains(&code.as_str()) => KeepError::Away(away),
        300..=499 => KeepError::Refused { status: status.as_u16(), code },
        _ => KeepError::Away(away),
    }
}

/// The service's word for what is wrong, if that is what it is; nothing else of its words is repeated.
pub(super) fn code(xml: &str) -> String {
    let explained = quick_xml::de::from_str::<Explanation>(xml.trim_start());
    let is_code = |code: &String| {
        (1..=LONGEST_CODE).contains(&code.len()) && code.bytes().all(|letter| letter.is_ascii_alphanumeric())
    };
    explained.ok().and_then(|explained| explained.code).filter(is_code).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_means_what_its_status_and_its_code_say() {
        let of = |status, code: &str, asked| meaning(StatusCode::from_u16(status).unwrap(), code.to_owned(), asked);
        let is_refused = |error: &KeepError| matches!(error, KeepError::Refused { .. });
        assert!(matches!(of(404, "NoSuchKey", Asked::ToGive), KeepError::Absent));
        assert!(matches!(of(404, "", Asked::ToGive), KeepError::Absent));
        for (status, code) in [(301, "PermanentRedirect"), (400, "QuotaExceeded"), (403, ""), (404, "NoSuchBucket")] {
            assert!(is_refused(&of(status, code, Asked::ToGive)), "{status} {code}");
        }
        assert!(is_refused(&of(404, "", Asked::ToKeep)), "there is no such bucket");
        for (status, code) in [(429, ""), (500, "InternalError"), (503, "SlowDown"), (400, "RequestTimeout"), (507, "")]
        {
            assert!(matches!(of(status, code, Asked::ToKeep), KeepError::Away(_)), "{status} {code}");
        }
        let told = of(403, "SignatureDoesNotMatch", Asked::ToKeep).to_string();
        assert_eq!(
            told,
            "the store refuses us (403 SignatureDoesNotMatch): check AWS_SECRET_ACCESS_KEY, and recordings.s3_region"
        );
        let told = of(403, "", Asked::ToKeep).to_string();
        assert_eq!(told, "the store refuses us (403): check recordings.store_url and its keys");
    }

    #[test]
    fn only_a_code_of_an_answer_is_repeated() {
        let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
        assert_eq!(
            code(&format!("{head}<Error><Code>AccessDenied</Code><Message>no</Message></Error>")),
            "AccessDenied"
        );
        assert_eq!(code("<Error xmlns=\"urn:x\"><Message>no</Message><Code>A1</Code></Error>"), "A1");
        for odd in ["", "<html>", "<Error><Code>two words</Code></Error>", "<Error><Code></Code></Error>", "{}"] {
            assert_eq!(code(odd), "", "{odd}");
        }
    }
}
