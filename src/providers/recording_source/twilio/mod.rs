//! Twilio's recordings.
//!
//! A recording may lie under several addresses, and they are asked in an order ([`candidates`]): both voices apart, all
//! in one, MP3, whatever there is. What comes of one address decides whether the next is asked:
//!
//! | answer | then |
//! |---|---|
//! | 200 and a recording | done |
//! | 404 | once, 2 s later, the same again; then the next address |
//! | 401, 403 to our password; a host that is not allowed; a host that is left alone; a full disk; 429 | no further address |
//! | anything else; an answer that breaks off, is no recording or is too large | the next address |
//!
//! Where nothing was found and the call has no recording at all, those of its parent leg are asked for. Redirects lead
//! to allowed hosts only, and our password goes to the carrier's own ([`hosts`]). A host that fails again and again is
//! left alone ([`breaker`]), over all fetches of one value of [`TwilioRecordings`].
//!
//! Rules: twilio.com/docs/voice/api/recording (fetch the media, list, delete).

mod answer;
mod breaker;
mod candidates;
mod hosts;
mod request;

use std::path::Path;
use std::time::Duration;

use awc::http::Method;
use futures_util::future::LocalBoxFuture;
use secrecy::SecretString;
use tokio::time::{sleep, timeout};
use url::Url;

use crate::engine::ids::{AccountSid, CallSid, RecordingSid};

use super::{FetchError, Fetched, RecordingSource, WantedRecording};
pub use breaker::BreakerSettings;
use candidates::{candidates, resource};
pub use hosts::{AllowedHost, BadHost};
use request::{Asking, Requests};

/// How many recordings of the parent leg are tried, the newest first.
const PARENTS: usize = 3;

/// What recordings are fetched with.
#[derive(Clone, Debug)]
pub struct TwilioRecordingsSettings {
    /// Twilio's interface, as in `https://api.twilio.com`.
    pub api_url: Url,
    /// Whose recordings.
    pub account: AccountSid,
    /// Its password.
    pub auth_token: SecretString,
    /// What else may be asked.
    pub allowed_hosts: Vec<AllowedHost>,
    /// For an answer to begin, and for each further piece of it.
    pub answer_within: Duration,
    /// How long after the first 404 the same is asked for once more.
    pub look_again_after: Duration,
    /// For a recording, under all of its addresses.
    pub fetch_within: Duration,
    /// Of a recording.
    pub most_bytes: u64,
    /// When a host is left alone.
    pub breaker: BreakerSettings,
}

/// Fetches recordings from Twilio, on the thread that it is made on.
pub struct TwilioRecordings {
    account: AccountSid,
    fetch_within: Duration,
    look_again_after: Duration,
    requests: Requests,
}

impl TwilioRecordings {
    /// Fetches recordings of one account.
    pub fn new(settings: TwilioRecordingsSettings) -> Self {
        let TwilioRecordingsSettings { account, fetch_within, look_again_after, .. } = settings.clone();
        Self { account, fetch_within, look_again_after, requests: Requests::new(settings) }
    }

    async fn find(&self, wanted: &WantedRecording, file: &Path) -> Result<Fetched, FetchError> {
        let round = self.requests.round();
        let urls = self.candidates(&wanted.recording, wanted.url.as_deref());
        let mut found = first_of(&round, urls, file, Some(self.look_again_after)).await;
        if let (Err(FetchError::NotThere), Some(parent)) = (&found, &wanted.parent)
            && self.recordings_of(&round, &wanted.call).await?.is_empty()
        {
            let of_parent = self.recordings_of(&round, parent).await?;
            for recording in of_parent.iter().filter(|it| it.is_complete).take(PARENTS) {
                found = first_of(&round, self.candidates(&recording.sid, None), file, None).await;
                if !matches!(found, Err(FetchError::NotThere)) {
                    break;
                }
            }
        }
        found
    }

    fn candidates(&self, recording: &RecordingSid, announced: Option<&str>) -> Vec<Url> {
        candidates(self.requests.api(), &self.account, recording, announced)
    }

    /// The recordings that the carrier has of a call, the newest first.
    async fn recordings_of(&self, round: &Asking<'_>, call: &CallSid) -> Result<Vec<answer::Listed>, FetchError> {
        let url = resource(self.requests.api(), &self.account, &format!("Calls/{call}/Recordings.json"));
        answer::recordings(&round.ask(Method::GET, url).await?)
    }
}

impl RecordingSource for TwilioRecordings {
    fn fetch<'a>(
        &'a self,
        wanted: &'a WantedRecording,
        file: &'a Path,
    ) -> LocalBoxFuture<'a, Result<Fetched, FetchError>> {
        Box::pin(async move {
            let within = self.fetch_within;
            let too_long = || FetchError::Broken(format!("it took more than {} s", within.as_secs()));
            timeout(within, self.find(wanted, file)).await.map_err(|_| too_long())?
        })
    }

    fn delete<'a>(&'a self, recording: &'a RecordingSid) -> LocalBoxFuture<'a, Result<(), FetchError>> {
        Box::pin(async move {
            let url = resource(self.requests.api(), &self.account, &format!("Recordings/{recording}.json"));
            match self.requests.round().ask(Method::DELETE, url).await {
                Ok(_) | Err(FetchError::NotThere) => Ok(()),
                Err(error) => Err(error),
            }
        })
    }
}

/// What lies under the first of these addresses that has a recording; otherwise the last reason but 404 why none has.
async fn first_of(
    round: &Asking<'_>,
    urls: Vec<Url>,
    file: &Path,
    mut look_again_after: Option<Duration>,
) -> Result<Fetched, FetchError> {
    let mut why = FetchError::NotThere;
    for url in urls {
        let mut outcome = round.fetch(url.clone(), file).await;
        if let (Err(FetchError::NotThere), Some(pause)) = (&outcome, look_again_after.take()) {
            sleep(pause).await;
            outcome = round.fetch(url, file).await;
        }
        match outcome {
            Err(error) if ends_it(&error) => return Err(error),
            Err(FetchError::NotThere) => {}
            Err(error) => why = error,
            Ok(fetched) => return Ok(fetched),
        }
    }
    Err(why)
}

/// Whether no other address can be better.
fn ends_it(error: &FetchError) -> bool {
    match error {
        FetchError::Refused(_) | FetchError::ForbiddenHost(_) | FetchError::LeftAlone(_) | FetchError::Disk(_) => true,
        FetchError::Carrier { status, .. } => *status == 429,
        FetchError::NotThere | FetchError::Broken(_) | FetchError::NotSound(_) => false,
    }
}
