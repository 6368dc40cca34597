//! The carrier's REST interface: what we ask of it, beyond what its webhooks and sockets carry.

use std::time::Duration;

use awc::http::StatusCode;
use futures_util::future::LocalBoxFuture;
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;

use crate::engine::ids::{AccountSid, CallSid};

/// The carrier that holds the telephone line.
pub trait Carrier: Send + Sync {
    /// Ends a call. One that is over already is no error.
    fn hang_up<'a>(&'a self, call: &'a CallSid) -> LocalBoxFuture<'a, Result<(), CarrierError>>;
}

/// Why the carrier did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CarrierError {
    /// No connection, or no answer in time.
    #[error("the carrier did not answer: {0}")]
    Unreachable(String),
    /// The credentials are wrong.
    #[error("the carrier refused the account's credentials (HTTP {0})")]
    Unauthorised(u16),
    /// It answered something else.
    #[error("the carrier answered HTTP {0}")]
    Refused(u16),
}

impl CarrierError {
    /// Whether a later attempt could succeed.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::Unauthorised(_) => false,
            Self::Refused(status) => *status == 429 || *status >= 500,
        }
    }
}

/// How long one request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a request is made before it is given up; after each the wait doubles, from 500 ms.
const ATTEMPTS: u32 = 3;

/// Twilio's REST interface, version 2010-04-01.
pub struct TwilioRest {
    api_url: String,
    account: AccountSid,
    auth_token: SecretString,
}

impl TwilioRest {
    /// The interface at `api_url` (as in `https://api.twilio.com`), for this account.
    pub fn new(api_url: &str, account: AccountSid, auth_token: SecretString) -> Self {
        Self { api_url: api_url.trim_end_matches('/').to_owned(), account, auth_token }
    }

    /// `POST /2010-04-01/Accounts/{account}/Calls/{call}.json` with `Status=completed`.
    async fn complete(&self, call: &CallSid) -> Result<(), CarrierError> {
        let url = format!("{}/2010-04-01/Accounts/{}/Calls/{call}.json", self.api_url, self.account);
        let client = awc::Client::builder().timeout(REQUEST_TIMEOUT).finish();
        let mut answer = client
            .post(url)
            .basic_auth(self.account.as_str(), self.auth_token.expose_secret())
            .send_form(&[("Status", "completed")])
            .await
            .map_err(|error| CarrierError::Unreachable(error.to_string()))?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            StatusCode::NOT_FOUND => Ok(()), // the call is over
            StatusCode::BAD_REQUEST if is_over_already(&answer.body().await.unwrap_or_default()) => Ok(()),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(CarrierError::Unauthorised(answer.status().as_u16()))
            }
            status => Err(CarrierError::Refused(status.as_u16())),
        }
    }
}

/// Twilio's error 21220: the call is not in progress any more.
fn is_over_already(body: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(body).is_ok_and(|error| error["code"] == 21220)
}

impl Carrier for TwilioRest {
    fn hang_up<'a>(&'a self, call: &'a CallSid) -> LocalBoxFuture<'a, Result<(), CarrierError>> {
        Box::pin(async move {
            let mut wait = Duration::from_millis(500);
            let mut outcome = self.complete(call).await;
            for _ in 1..ATTEMPTS {
                match &outcome {
                    Err(error) if error.is_retryable() => {}
                    _ => break,
                }
                tokio::time::sleep(wait).await;
                wait *= 2;
                outcome = self.complete(call).await;
            }
            outcome
        })
    }
}
