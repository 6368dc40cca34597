//! One request and its answer: time limits, further tries, and what an HTTP status means.

use std::sync::Arc;
use std::time::Duration;

use awc::error::SendRequestError;
use awc::http::StatusCode;
use awc::http::header::RETRY_AFTER;
use awc::{ClientRequest, Connector};
use rustls::{ClientConfig, RootCertStore};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::form_urlencoded;

use crate::engine::ids::AccountSid;

use super::super::CarrierError;
use super::Again;

/// How long a connection may take to open, TLS included.
const CONNECT_WITHIN: Duration = Duration::from_secs(4);
/// How long the head of the answer may take, from the first byte sent.
///
/// 10 s: Twilio answers within one; a call that was placed and not acknowledged costs more than the wait.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How long the rest of an answer may take.
const BODY_WITHIN: Duration = Duration::from_secs(5);
/// The largest answer: 1,000 numbers of 2 kB each.
const LARGEST_ANSWER: usize = 4 << 20;
/// How often a request is made before it is given up.
const ATTEMPTS: u32 = 3;
/// The wait before the second try; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// The longest wait that the carrier may ask for; whoever must wait longer is told so instead.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Makes requests for one account.
pub(super) struct Requests {
    base: String,
    account: AccountSid,
    auth_token: SecretString,
    tls: Option<Arc<ClientConfig>>,
}

impl Requests {
    pub(super) fn new(api_url: &str, account: AccountSid, auth_token: SecretString) -> Self {
        let base = format!("{}/2010-04-01/Accounts/{account}", api_url.trim_end_matches('/'));
        let tls = base.starts_with("https:").then(tls);
        Self { base, account, auth_token, tls }
    }

    /// `GET`, as often as it takes.
    pub(super) async fn get(&self, path: &str) -> Result<Value, CarrierError> {
        let request = || self.once(self.client().get(format!("{}/{path}", self.base)), None);
        persist(request, Again::Always).await
    }

    /// `POST` of a form.
    pub(super) async fn post(
        &self,
        path: &str,
        fields: &[(&str, String)],
        again: Again,
    ) -> Result<Value, CarrierError> {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = || self.once(self.client().post(format!("{}/{path}", self.base)), Some(form.clone()));
        persist(request, again).await
    }

    /// A client of its own: requests are rare, and awc's can't leave its thread.
    fn client(&self) -> awc::Client {
        let connector = Connector::new().timeout(CONNECT_WITHIN).handshake_timeout(CONNECT_WITHIN);
        let connector = match &self.tls {
            Some(tls) => connector.rustls_0_23(Arc::clone(tls)),
            None => connector,
        };
        awc::Client::builder().connector(connector).timeout(ANSWER_WITHIN).disable_redirects().finish()
    }

    async fn once(&self, request: ClientRequest, form: Option<String>) -> Result<Value, CarrierError> {
        // No connection is kept: one that the carrier closes in the meantime would leave an outcome unknown.
        let request = request.basic_auth(self.account.as_str(), self.auth_token.expose_secret()).force_close();
        let sent = match form {
            Some(form) => request.content_type("application/x-www-form-urlencoded").send_body(form),
            None => request.send(),
        };
        let mut answer = sent.await.map_err(not_answered)?;
        let status = answer.status();
        let retry_after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let body = answer.body().limit(LARGEST_ANSWER);
        let body = tokio::time::timeout(BODY_WITHIN, body).await;
        if status.is_success() {
            let body = body.map_err(|_| CarrierError::NoAnswer("the answer broke off".to_owned()))?;
            let body = body.map_err(|error| CarrierError::NoAnswer(error.to_string()))?;
            return serde_json::from_slice(&body).map_err(|_| CarrierError::Unreadable("it is not JSON"));
        }
        // The status says enough where the words behind it are lost.
        let body = body.ok().and_then(Result::ok).unwrap_or_default();
        Err(refused(status, &body, retry_after.map(Duration::from_secs)))
    }
}

/// Tries until it is done, or must not be tried again.
async fn persist<F>(mut request: impl FnMut() -> F, again: Again) -> Result<Value, CarrierError>
where
    F: Future<Output = Result<Value, CarrierError>>,
{
    let mut wait = FIRST_WAIT;
    let mut outcome = request().await;
    for _ in 1..ATTEMPTS {
        let Err(error) = &outcome else { break };
        let pause = error.retry_after().unwrap_or(wait).max(wait);
        if !again.allows(error) || pause > LONGEST_WAIT {
            break;
        }
        tokio::time::sleep(pause).await;
        wait *= 2;
        outcome = request().await;
    }
    outcome
}

/// Whether the request may have reached the carrier.
fn not_answered(error: SendRequestError) -> CarrierError {
    match error {
        SendRequestError::Connect(error) => CarrierError::Unreachable(error.to_string()),
        SendRequestError::Url(error) => CarrierError::Unreachable(error.to_string()),
        other => CarrierError::NoAnswer(other.to_string()),
    }
}

/// Twilio's numbers for: the call is not in progress any more.
const CALL_IS_OVER: [u64; 2] = [21220, 20409];

fn refused(status: StatusCode, body: &[u8], retry_after: Option<Duration>) -> CarrierError {
    let said: Value = serde_json::from_slice(body).unwrap_or_default();
    let code = said["code"].as_u64().unwrap_or_default();
    match status {
        _ if CALL_IS_OVER.contains(&code) => CarrierError::Over,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => CarrierError::Unauthorised(status.as_u16()),
        StatusCode::NOT_FOUND => CarrierError::NotFound,
        StatusCode::TOO_MANY_REQUESTS => CarrierError::TooMany { retry_after },
        StatusCode::REQUEST_TIMEOUT => CarrierError::Faulty(status.as_u16()),
        status if status.is_server_error() => CarrierError::Faulty(status.as_u16()),
        status => CarrierError::Refused { status: status.as_u16(), code: u32::try_from(code).unwrap_or_default() },
    }
}

/// The certificates of the system (`SSL_CERT_FILE` and `SSL_CERT_DIR` name others). Without any, every handshake fails
/// and says so.
fn tls() -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_may_be_done_about_it() {
        let of = |status: u16, body: &str| refused(StatusCode::from_u16(status).unwrap(), body.as_bytes(), None);
        assert_eq!(of(400, r#"{"code": 21220, "message": "not in-progress"}"#), CarrierError::Over);
        assert_eq!(of(400, r#"{"code": 21211}"#), CarrierError::Refused { status: 400, code: 21211 });
        assert_eq!(of(400, "no JSON"), CarrierError::Refused { status: 400, code: 0 });
        assert_eq!(of(401, ""), CarrierError::Unauthorised(401));
        assert_eq!(of(403, ""), CarrierError::Unauthorised(403));
        assert_eq!(of(404, r#"{"code": 20404}"#), CarrierError::NotFound);
        assert_eq!(of(429, ""), CarrierError::TooMany { retry_after: None });
        assert_eq!(of(503, ""), CarrierError::Faulty(503));
        assert_eq!(of(302, ""), CarrierError::Refused { status: 302, code: 0 });
    }

    #[test]
    fn what_may_have_been_done_is_asked_for_again_only_where_twice_is_once() {
        let no_answer = CarrierError::NoAnswer(String::new());
        let unreachable = CarrierError::Unreachable(String::new());
        let too_many = CarrierError::TooMany { retry_after: None };
        for error in [no_answer, CarrierError::Faulty(500)] {
            assert!(Again::Always.allows(&error) && !Again::IfNothingWasDone.allows(&error), "{error}");
        }
        for error in [unreachable, too_many] {
            assert!(Again::Always.allows(&error) && Again::IfNothingWasDone.allows(&error), "{error}");
        }
        for error in [CarrierError::Unauthorised(401), CarrierError::NotFound, CarrierError::Unreadable("")] {
            assert!(!Again::Always.allows(&error), "{error}");
        }
    }
}
