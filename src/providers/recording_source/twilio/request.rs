//! One request and its answer: who may be asked, time limits, redirects, and what an HTTP status means.

use std::path::Path;
use std::time::Duration;

use awc::ClientResponse;
use awc::error::SendRequestError;
use awc::http::header::{CONTENT_LENGTH, LOCATION, RETRY_AFTER, USER_AGENT};
use awc::http::{Method, StatusCode};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use secrecy::ExposeSecret;
use serde_json::Value;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use url::Url;

use crate::providers::https;
use crate::providers::recording_source::landing::{Landing, too_large};
use crate::providers::recording_source::{FetchError, Fetched};

use super::TwilioRecordingsSettings;
use super::breaker::{Breaker, Round};
use super::hosts::Hosts;

/// How long a connection may take to open, TLS included.
const CONNECT_WITHIN: Duration = Duration::from_secs(4);
/// How many redirects are followed. Twilio needs one, two where http leads to https.
const REDIRECTS: usize = 5;
/// How much is written to the disk at once. A hop to another thread for each packet would cost more than the packet.
const PIECE: usize = 256 << 10;
/// The largest answer that is no recording: a page of 50 of them, 2 kB each.
const LARGEST_ANSWER: usize = 1 << 20;
/// The longest rest that a host may ask for: as long as the longest wait between two tries.
const LONGEST_REST: Duration = Duration::from_secs(1_200);

/// Makes requests for one account.
pub(super) struct Requests {
    settings: TwilioRecordingsSettings,
    hosts: Hosts,
    breaker: Breaker,
    client: Option<awc::Client>,
}

/// The requests for one recording.
pub(super) struct Asking<'a> {
    requests: &'a Requests,
    round: Round<'a>,
}

impl Requests {
    pub(super) fn new(settings: TwilioRecordingsSettings) -> Self {
        let hosts = Hosts::new(settings.api_url.clone(), settings.allowed_hosts.clone());
        let breaker = Breaker::new(settings.breaker);
        Self { settings, hosts, breaker, client: https::client(CONNECT_WITHIN) }
    }

    pub(super) const fn api(&self) -> &Url {
        self.hosts.api()
    }

    pub(super) fn round(&self) -> Asking<'_> {
        Asking { requests: self, round: self.breaker.round() }
    }

    /// Makes one request, without following where it leads.
    async fn send(&self, method: &Method, url: &Url) -> Result<ClientResponse, FetchError> {
        let no_roots = || FetchError::Broken("this machine's certificate authorities can't be read".to_owned());
        let client = self.client.as_ref().ok_or_else(no_roots)?;
        // No connection is kept: one that the carrier closes in the meantime would count as a failure.
        let request =
            client.request(method.clone(), url.as_str()).force_close().insert_header((USER_AGENT, https::AGENT));
        let request = match self.hosts.knows_us(url) {
            true => request.basic_auth(self.settings.account.as_str(), self.settings.auth_token.expose_secret()),
            false => request,
        };
        let sent = timeout(self.settings.answer_within, request.send()).await.map_err(|_| self.too_late())?;
        sent.map_err(|error| FetchError::Broken(not_sent(&error)))
    }

    fn too_late(&self) -> FetchError {
        FetchError::Broken(format!("nothing came for {} ms", self.settings.answer_within.as_millis()))
    }

    /// The next piece of an answer; `None` at its end.
    async fn next(&self, answer: &mut ClientResponse) -> Result<Option<Bytes>, FetchError> {
        let piece = timeout(self.settings.answer_within, answer.next()).await.map_err(|_| self.too_late())?;
        piece.transpose().map_err(|error| FetchError::Broken(error.to_string()))
    }

    /// Takes an answer to the disk.
    async fn land(&self, mut answer: ClientResponse, file: &Path) -> Result<Fetched, FetchError> {
        let most_bytes = self.settings.most_bytes;
        let announced = answer.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|bytes| bytes > most_bytes) {
            return Err(too_large(most_bytes));
        }
        let place = file.to_owned();
        let mut landing = on_disk(move || Landing::begin(&place, most_bytes)).await?;
        let mut held = BytesMut::with_capacity(PIECE);
        let mut bytes = 0;
        while let Some(piece) = self.next(&mut answer).await? {
            bytes += piece.len() as u64;
            held.extend_from_slice(&piece);
            if held.len() >= PIECE {
                let full = std::mem::replace(&mut held, BytesMut::with_capacity(PIECE));
                landing = on_disk(move || landing.write(&full).map(|()| landing)).await?;
            }
        }
        if announced.is_some_and(|announced| announced != bytes) {
            return Err(FetchError::Broken(format!("{bytes} bytes came of those that were announced")));
        }
        on_disk(move || landing.write(&held).and_then(|()| landing.finish())).await
    }
}

impl Asking<'_> {
    /// Fetches what lies under an address into a file.
    pub(super) async fn fetch(&self, url: Url, file: &Path) -> Result<Fetched, FetchError> {
        let mut url = url;
        for _ in 0..=REDIRECTS {
            let host = self.admitted(&url)?;
            let answer = self.requests.send(&Method::GET, &url).await?;
            if let Some(target) = leads_to(&url, &answer) {
                self.round.worked(&host);
                url = target.ok_or_else(|| FetchError::Broken("it leads to what is no address".to_owned()))?;
                continue;
            }
            let outcome = match refusal(&answer, self.requests.hosts.knows_us(&url)) {
                None => self.requests.land(answer, file).await,
                Some(refusal) => Err(refusal),
            };
            self.note(&host, outcome.as_ref().err());
            return outcome;
        }
        Err(FetchError::Broken(format!("it leads on after {REDIRECTS} redirects")))
    }

    /// Asks the carrier's interface for something that is no recording; `null` where it answers without words.
    pub(super) async fn ask(&self, method: Method, url: Url) -> Result<Value, FetchError> {
        let host = self.admitted(&url)?;
        let answered = async {
            let mut answer = self.requests.send(&method, &url).await?;
            if let Some(refusal) = refusal(&answer, true) {
                return Err(refusal);
            }
            let mut body = BytesMut::new();
            while let Some(piece) = self.requests.next(&mut answer).await? {
                body.extend_from_slice(&piece);
                if body.len() > LARGEST_ANSWER {
                    return Err(FetchError::Broken(format!("the answer has more than {LARGEST_ANSWER} bytes")));
                }
            }
            match body.is_empty() {
                true => Ok(Value::Null),
                false => {
                    serde_json::from_slice(&body).map_err(|_| FetchError::Broken("the answer is not JSON".to_owned()))
                }
            }
        };
        let outcome = answered.await;
        self.note(&host, outcome.as_ref().err());
        outcome
    }

    /// The host of a URL, if it may be asked now.
    fn admitted(&self, url: &Url) -> Result<String, FetchError> {
        let host = self.requests.hosts.admit(url).map_err(FetchError::ForbiddenHost)?;
        self.round.admit(host).map_err(FetchError::LeftAlone)?;
        Ok(host.to_owned())
    }

    /// Keeps what an outcome says of the host. Until something good is kept of it, it counts as failing.
    fn note(&self, host: &str, error: Option<&FetchError>) {
        match error {
            Some(FetchError::Broken(_)) => {}
            Some(FetchError::Carrier { status, retry_after }) if *status >= 500 || *status == 429 => {
                if let Some(wait) = retry_after {
                    self.round.must_wait(host, *wait);
                }
            }
            _ => self.round.worked(host),
        }
    }
}

/// Where an answer leads; `Some(None)` to what is no address.
fn leads_to(from: &Url, answer: &ClientResponse) -> Option<Option<Url>> {
    let leads_on = matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    leads_on.then(|| from.join(answer.headers().get(LOCATION)?.to_str().ok()?).ok())
}

/// Why an answer is none, if it is none.
fn refusal(answer: &ClientResponse, knew_us: bool) -> Option<FetchError> {
    let status = answer.status();
    let retry_after = || answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    match status {
        StatusCode::OK | StatusCode::NO_CONTENT => None,
        StatusCode::NOT_FOUND => Some(FetchError::NotThere),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if knew_us => Some(FetchError::Refused(status.as_u16())),
        _ => Some(FetchError::Carrier {
            status: status.as_u16(),
            retry_after: retry_after().map(|seconds| Duration::from_secs(seconds).min(LONGEST_REST)),
        }),
    }
}

/// Without the address: it may hold a key.
fn not_sent(error: &SendRequestError) -> String {
    match error {
        SendRequestError::Connect(error) => format!("no connection: {error}"),
        other => other.to_string(),
    }
}

/// Does on another thread what waits for the disk.
async fn on_disk<T, F>(work: F) -> Result<T, FetchError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, FetchError> + Send + 'static,
{
    spawn_blocking(work).await.unwrap_or_else(|_| Err(FetchError::Broken("the service is stopping".to_owned())))
}
