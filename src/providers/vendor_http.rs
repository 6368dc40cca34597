//! One request to a vendor's HTTP interface, and what its status means.

use std::time::Duration;

use actix_http::body::MessageBody;
use awc::error::SendRequestError;
use awc::http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use thiserror::Error;
use tokio::time::{sleep, timeout};

use super::https;

/// How long a connection may take to open, TLS included.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// The largest answer: the words of four hours, each with its times.
const LARGEST_ANSWER: usize = 64 << 20;
/// How often a request is made before it is given up.
const ATTEMPTS: u32 = 3;
/// The wait before the second try; it doubles.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait that a vendor may ask for; whoever must wait longer is told so instead.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// Asks one vendor, from one thread.
pub(super) struct VendorHttp {
    client: Option<awc::Client>,
    authorization: Option<SecretString>,
    time_limit: Duration,
}

/// Why a vendor did not do what it was asked to. No message repeats a secret or what was said.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum VendorError {
    /// It said no, or that it can't now.
    #[error("it answered {status}{}{code}", if code.is_empty() { "" } else { " " })]
    Status {
        /// Its HTTP status.
        status: u16,
        /// Its own word for the reason, as in `model_not_found`; empty if it gave none.
        code: String,
        /// When it wants to be asked again, if it said so.
        retry_after: Option<Duration>,
    },
    /// It can't be reached, or its answer broke off.
    #[error("{0}")]
    NoAnswer(String),
    /// It took too long.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// What it answered makes no sense.
    #[error("its answer can't be read: {0}")]
    Unreadable(String),
}

/// What an HTTP status says about asking again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The key, the address or the model is wrong: whatever is asked, the answer is no.
    Refused,
    /// Another time.
    Away,
    /// This can't be done.
    Unusable,
}

impl VendorError {
    /// What it says about asking again.
    pub(super) const fn meaning(&self) -> Meaning {
        match self {
            Self::Status { status: 300..=399 | 401..=405, .. } => Meaning::Refused,
            Self::Status { status: 408 | 409 | 425 | 429 | 500.., .. } => Meaning::Away,
            Self::Status { .. } => Meaning::Unusable,
            Self::NoAnswer(_) | Self::TimedOut(_) | Self::Unreadable(_) => Meaning::Away,
        }
    }

    /// When it wants to be asked again, if it said so.
    pub(super) const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            Self::NoAnswer(_) | Self::TimedOut(_) | Self::Unreadable(_) => None,
        }
    }

    /// Whether it is worth a second try at once: not what took all the time there was.
    const fn may_pass_soon(&self) -> bool {
        matches!(self, Self::Status { .. } | Self::NoAnswer(_)) && matches!(self.meaning(), Meaning::Away)
    }
}

impl VendorHttp {
    /// Asks with this `Authorization`, and waits for a whole answer no longer than this.
    pub(super) fn new(authorization: Option<SecretString>, time_limit: Duration) -> Self {
        Self { client: https::client(CONNECT_WITHIN), authorization, time_limit }
    }

    /// `POST`, again and again while it may help. `body` is asked for each time.
    pub(super) async fn post<B: MessageBody + 'static>(
        &self,
        url: &str,
        content_type: &str,
        mut body: impl FnMut() -> B,
    ) -> Result<Bytes, VendorError> {
        let mut wait = FIRST_WAIT;
        let mut outcome = self.once(url, content_type, body()).await;
        for _ in 1..ATTEMPTS {
            let Err(error) = &outcome else { break };
            let pause = error.retry_after().unwrap_or(wait).max(wait);
            if !error.may_pass_soon() || pause > LONGEST_WAIT {
                break;
            }
            sleep(pause).await;
            wait *= 2;
            outcome = self.once(url, content_type, body()).await;
        }
        outcome
    }

    async fn once(
        &self,
        url: &str,
        content_type: &str,
        body: impl MessageBody + 'static,
    ) -> Result<Bytes, VendorError> {
        let answer = timeout(self.time_limit, self.ask(url, content_type, body)).await;
        answer.unwrap_or(Err(VendorError::TimedOut(self.time_limit)))
    }

    async fn ask(&self, url: &str, content_type: &str, body: impl MessageBody + 'static) -> Result<Bytes, VendorError> {
        let no_roots = || VendorError::NoAnswer("this machine's certificate authorities can't be read".to_owned());
        // No connection is kept: minutes lie between two requests, and one that was closed meanwhile is a failure.
        let mut request = self.client.as_ref().ok_or_else(no_roots)?.post(url).force_close();
        if let Some(authorization) = &self.authorization {
            request = request.insert_header((AUTHORIZATION, authorization.expose_secret()));
        }
        let request = request.insert_header((CONTENT_TYPE, content_type)).insert_header((USER_AGENT, https::AGENT));
        let mut answer = request.send_body(body).await.map_err(not_answered)?;
        let status = answer.status();
        let retry_after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let body = answer.body().limit(LARGEST_ANSWER).await;
        if status.is_success() {
            return body.map_err(|error| VendorError::NoAnswer(error.to_string()));
        }
        // The status says enough where the words behind it are lost.
        let code = code(&body.unwrap_or_default());
        Err(VendorError::Status { status: status.as_u16(), code, retry_after: retry_after.map(Duration::from_secs) })
    }
}

fn not_answered(error: SendRequestError) -> VendorError {
    VendorError::NoAnswer(error.to_string())
}

/// The vendor's word for what is wrong: OpenAI's `error.code`, or its `error.type`; Deepgram's `err_code`. Only what is
/// surely no text that somebody said.
fn code(body: &[u8]) -> String {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Answer {
        error: Inner,
        err_code: Option<String>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Inner {
        code: Option<String>,
        r#type: Option<String>,
    }
    let Answer { error, err_code } = serde_json::from_slice(body).unwrap_or_default();
    let is_code = |code: &String| {
        (1..=64).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
    };
    error.code.filter(is_code).or(error.r#type.filter(is_code)).or(err_code.filter(is_code)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_whether_asking_again_may_help() {
        let of = |status| VendorError::Status { status, code: String::new(), retry_after: None }.meaning();
        for status in [301, 401, 402, 403, 404, 405] {
            assert_eq!(of(status), Meaning::Refused, "{status}");
        }
        for status in [408, 409, 429, 500, 503, 529] {
            assert_eq!(of(status), Meaning::Away, "{status}");
        }
        for status in [400, 413, 415, 422] {
            assert_eq!(of(status), Meaning::Unusable, "{status}");
        }
    }

    #[test]
    fn only_a_code_of_an_answer_is_repeated() {
        assert_eq!(code(br#"{"error": {"code": "model_not_found", "message": "secret"}}"#), "model_not_found");
        assert_eq!(code(br#"{"error": {"code": null, "type": "invalid_request_error"}}"#), "invalid_request_error");
        assert_eq!(code(br#"{"err_code": "INVALID_AUTH", "err_msg": "x"}"#), "INVALID_AUTH");
        for odd in [&br#"{"error": "words that somebody said"}"#[..], br#"{"error": {"code": "two words"}}"#, b"<html>"]
        {
            assert_eq!(code(odd), "");
        }
        let error = VendorError::Status { status: 404, code: "model_not_found".to_owned(), retry_after: None };
        assert_eq!(error.to_string(), "it answered 404 model_not_found");
    }
}
