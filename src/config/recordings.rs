//! `[recordings]`: how carriers' recordings are fetched, where recordings are kept, and for how long.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use url::{Host, Url};

use super::optional;

/// `[recordings]`. `config/default.toml` has the units, ranges, defaults and reasons.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RecordingsSettings {
    /// Where recordings are kept; `None` means under `data_dir`. See [`super::Config::recordings_place`].
    #[serde(with = "optional")]
    pub store_url: Option<RecordingsPlace>,
    /// The S3-compatible service; `None` means AWS.
    #[serde(with = "optional")]
    pub s3_endpoint: Option<Url>,
    /// Of the bucket.
    pub s3_region: String,
    /// Who we are to the service.
    pub s3_access_key_id: String,
    /// What proves it.
    #[serde(skip)]
    pub s3_secret_access_key: Option<SecretString>,
    /// With keys that last only for some hours.
    #[serde(skip)]
    pub s3_session_token: Option<SecretString>,
    /// What recordings may be fetched from besides Twilio's interface, separated by commas.
    pub allowed_hosts: String,
    /// For an answer to begin, and for each further piece of it.
    pub answer_timeout_ms: u32,
    /// For one recording.
    pub fetch_timeout_s: u32,
    /// Of one recording.
    pub max_bytes: u32,
    /// Recordings in a row that a host fails to give, before it is left alone.
    pub host_failures: u32,
    /// … for so long.
    pub host_pause_s: u32,
    /// How long recordings are kept; 0: for good.
    pub keep_s: u32,
    /// How much of each business is kept; 0: everything.
    pub quota_mb: u32,
    /// Between two looks for what is to be deleted.
    pub sweep_every_s: u32,
    /// How many recordings are fetched at once.
    pub downloads: u32,
    /// How often a recording is tried to be fetched.
    pub tries: u32,
    /// The pause after the first try that failed.
    pub first_retry_s: u32,
    /// The longest pause.
    pub longest_retry_s: u32,
    /// How long the carrier's recording is waited for after the call.
    pub await_s: u32,
    /// How long a step goes on without its lease being prolonged.
    pub lease_s: u32,
}

impl RecordingsSettings {
    /// The hosts, one by one.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        self.allowed_hosts.split(',').map(str::trim).filter(|text| !text.is_empty())
    }
}

/// Where recordings are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordingsPlace {
    /// `file:path`.
    Directory(PathBuf),
    /// `s3://bucket/prefix`.
    Bucket {
        /// Its name.
        bucket: String,
        /// What each key begins with, without `/` at either end; may be empty.
        prefix: String,
    },
}

/// It is neither of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("is neither file:path nor s3://bucket/prefix")]
pub struct BadPlace;

impl FromStr for RecordingsPlace {
    type Err = BadPlace;

    fn from_str(text: &str) -> Result<Self, BadPlace> {
        if let Some(path) = text.strip_prefix("file:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.is_empty() { Err(BadPlace) } else { Ok(Self::Directory(path.into())) };
        }
        let rest = text.strip_prefix("s3://").ok_or(BadPlace)?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.trim_end_matches('/');
        let is_bucket = (3..=63).contains(&bucket.len())
            && bucket.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-'));
        let is_name = |part: &str| {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            !part.is_empty() && !part.starts_with('.') && part.chars().all(is_plain)
        };
        if !is_bucket || !prefix.is_empty() && !prefix.split('/').all(is_name) {
            return Err(BadPlace);
        }
        Ok(Self::Bucket { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }
}

impl fmt::Display for RecordingsPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => write!(f, "file:{}", path.display()),
            Self::Bucket { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Self::Bucket { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}

/// Whether it is the name of a host, or `*.` and the end of such names.
pub(super) fn is_host_or_ending(text: &str) -> bool {
    let is_plain = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'));
    match (text.strip_prefix("*."), Host::parse(text.trim_start_matches("*."))) {
        (Some(ending), Ok(Host::Domain(_))) => ending.contains('.') && is_plain(ending),
        (None, Ok(Host::Domain(name))) => is_plain(&name),
        (None, Ok(_)) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_back_as_it_was_written() {
        for text in ["file:/srv/sound", "file:sound", "s3://sound", "s3://calls.example/a/b-c"] {
            assert_eq!(text.parse::<RecordingsPlace>().unwrap().to_string(), text);
        }
        assert_eq!("file:///srv/sound".parse(), Ok(RecordingsPlace::Directory("/srv/sound".into())));
        assert_eq!("s3://sound/".parse::<RecordingsPlace>().unwrap().to_string(), "s3://sound");
        for wrong in ["", "/srv/sound", "file:", "s3:", "s3://", "s3://AB", "s3://UPPER", "s3://a_b_c", "s3://abc/a//b"]
        {
            assert_eq!(wrong.parse::<RecordingsPlace>(), Err(BadPlace), "{wrong}");
        }
        assert_eq!("s3://abc/../x".parse::<RecordingsPlace>(), Err(BadPlace));
    }
}
