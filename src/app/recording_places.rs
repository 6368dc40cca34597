//! Recordings: where they are fetched from, where they are kept, and who deletes them when their time is over.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use actix::ArbiterHandle;
use anyhow::{Context, anyhow};

use crate::actors::recording_keeper::{KeeperParts, RecordingKeeper, RecordingPlaces, SweepPartial, Swept, sweep_now};
use crate::config::{Config, RecordingsPlace};
use crate::providers::recording_source::{
    AllowedHost, BreakerSettings, RecordingSource, TwilioRecordings, TwilioRecordingsSettings, sweep_partial,
};
use crate::providers::recording_store::{Directory, RecordingStore, S3, S3Settings};
use crate::store::Store;
use crate::telemetry::Telemetry;

/// Twilio tells of a recording a moment before it can be had.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(2);

/// What makes the carrier's door and our store for each thread that needs them; neither can leave its thread.
#[derive(Clone)]
pub(super) struct Recordings {
    source: Option<TwilioRecordingsSettings>,
    place: Place,
}

#[derive(Clone)]
enum Place {
    Directory(Directory),
    Bucket(S3Settings),
}

impl Recordings {
    /// As it is configured.
    pub(super) fn new(config: &Config) -> anyhow::Result<Self> {
        let place = match config.recordings_place() {
            RecordingsPlace::Directory(path) => Place::Directory(Directory::new(path)),
            RecordingsPlace::Bucket { bucket, prefix } => Place::Bucket(bucket_settings(config, bucket, prefix)?),
        };
        let recordings = Self { source: source_settings(config)?, place };
        recordings.open().context("recordings.store_url")?;
        Ok(recordings)
    }

    /// The carrier's door; `None` without its credentials.
    pub(super) fn source(&self) -> Option<Rc<dyn RecordingSource>> {
        let settings = self.source.clone()?;
        Some(Rc::new(TwilioRecordings::new(settings)))
    }

    /// Our store.
    pub(super) fn store(&self) -> Rc<dyn RecordingStore> {
        self.open().expect("it could be opened when the configuration was read, and nothing is asked yet")
    }

    fn open(&self) -> anyhow::Result<Rc<dyn RecordingStore>> {
        Ok(match &self.place {
            Place::Directory(directory) => Rc::new(directory.clone()),
            Place::Bucket(settings) => Rc::new(S3::new(settings.clone())?),
        })
    }

    /// Starts who deletes recordings whose time is over.
    pub(super) fn start_keeper(
        &self,
        config: &Config,
        store: Store,
        telemetry: Telemetry,
        node: Arc<str>,
        beside: &ArbiterHandle,
    ) {
        let parts = keeper_parts(config, store, telemetry, node);
        let own = self.clone();
        let places = move || RecordingPlaces { source: own.source(), store: own.store() };
        RecordingKeeper::start(parts, places, beside);
    }
}

/// Deletes recordings whose time is over, now.
pub async fn sweep_recordings(config: &Config, store: Store, telemetry: Telemetry) -> anyhow::Result<Swept> {
    let own = Recordings::new(config)?;
    let places = RecordingPlaces { source: own.source(), store: own.store() };
    Ok(sweep_now(keeper_parts(config, store, telemetry, "by hand".into()), places).await)
}

fn keeper_parts(config: &Config, store: Store, telemetry: Telemetry, node: Arc<str>) -> KeeperParts {
    let set = &config.recordings;
    KeeperParts {
        store,
        telemetry,
        node,
        keep: (set.keep_s > 0).then(|| Duration::from_secs(set.keep_s.into())),
        quota: (set.quota_mb > 0).then(|| u64::from(set.quota_mb) * 1_000_000),
        every: Duration::from_secs(set.sweep_every_s.into()),
        sweep_partial: sweep(config),
        // Twice as long as a fetch may take, so that a clock that is a little wrong costs none.
        partial_after: Duration::from_secs(set.fetch_timeout_s.into()) * 2,
    }
}

fn sweep(config: &Config) -> SweepPartial {
    let folder = config.incoming_recordings_dir();
    Arc::new(move |before| {
        let before = UNIX_EPOCH + Duration::from_micros(u64::try_from(before).unwrap_or(0));
        sweep_partial(&folder, before)
    })
}

fn source_settings(config: &Config) -> anyhow::Result<Option<TwilioRecordingsSettings>> {
    let (Some(account), Some(auth_token)) = (&config.twilio.account_sid, &config.twilio.auth_token) else {
        return Ok(None);
    };
    let set = &config.recordings;
    let hosts = set.hosts().map(|text| text.parse().map_err(|error| anyhow!("{text:?} {error}")));
    let hosts: Vec<AllowedHost> = hosts.collect::<anyhow::Result<_>>().context("recordings.allowed_hosts")?;
    Ok(Some(TwilioRecordingsSettings {
        api_url: config.twilio.api_url.clone(),
        account: account.clone(),
        auth_token: auth_token.clone(),
        allowed_hosts: hosts,
        answer_within: Duration::from_millis(set.answer_timeout_ms.into()),
        look_again_after: LOOK_AGAIN_AFTER,
        fetch_within: Duration::from_secs(set.fetch_timeout_s.into()),
        most_bytes: set.max_bytes.into(),
        breaker: BreakerSettings { failures: set.host_failures, pause: Duration::from_secs(set.host_pause_s.into()) },
    }))
}

fn bucket_settings(config: &Config, bucket: String, prefix: String) -> anyhow::Result<S3Settings> {
    let set = &config.recordings;
    let secret = set.s3_secret_access_key.clone().context("recordings.s3_secret_access_key is not set")?;
    Ok(S3Settings {
        bucket,
        prefix,
        endpoint: set.s3_endpoint.clone(),
        region: set.s3_region.clone(),
        access_key_id: set.s3_access_key_id.clone(),
        secret_access_key: secret,
        session_token: set.s3_session_token.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ConfigSources, Environment};

    #[test]
    fn what_the_configuration_takes_as_a_host_may_be_asked() {
        for (text, is_taken) in [
            ("", true),
            ("*.twilio.com, media.example,127.0.0.1, [::1]", true),
            ("*", false),
            ("*.com", false),
            ("https://media.example", false),
            ("media.example:80", false),
            ("a_b.example", false),
        ] {
            let environment: Environment = [("TRUNKLINE__RECORDINGS__ALLOWED_HOSTS", text)].into_iter().collect();
            let loaded = Config::load(&ConfigSources { environment, ..ConfigSources::default() });
            assert_eq!(loaded.is_ok(), is_taken, "{text}");
            let mut config = Config::default();
            config.twilio.account_sid = Some("AC00000000000000000000000000000002".parse().unwrap());
            config.twilio.auth_token = Some("secret".to_owned().into());
            config.recordings.allowed_hosts = text.to_owned();
            assert_eq!(Recordings::new(&config).is_ok(), is_taken, "{text}");
        }
    }

    #[test]
    fn a_bucket_needs_its_keys_and_a_directory_needs_none() {
        let at = |variables: &[(&'static str, &'static str)]| {
            let environment: Environment = variables.iter().copied().collect();
            Config::load(&ConfigSources { environment, ..ConfigSources::default() })
        };
        let bucket = ("TRUNKLINE__RECORDINGS__STORE_URL", "s3://sound/calls");
        let missing = at(&[bucket]).unwrap_err();
        for path in ["recordings.s3_access_key_id", "recordings.s3_secret_access_key"] {
            assert!(missing.iter().any(|finding| finding.path == path), "{path}");
        }
        let (config, _) = at(&[bucket, ("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "key")]).unwrap();
        assert!(Recordings::new(&config).is_ok());
        assert!(at(&[("TRUNKLINE__RECORDINGS__STORE_URL", "/srv")]).is_err());
        let (config, _) = at(&[("TRUNKLINE__RECORDINGS__STORE_URL", "file:/srv/sound")]).unwrap();
        assert!(Recordings::new(&config).is_ok_and(|recordings| recordings.source().is_none()));
    }
}
