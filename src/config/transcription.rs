//! `[transcription]` and `[summary]`: what is made of a call's words after it. `config/default.toml` has the units,
//! ranges, defaults and reasons.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use url::Url;

use super::environment::Environment;
use super::finding::Finding;
use super::{Config, optional};
use crate::engine::transcript::RecogniserCommand;

/// `[transcription]`: who puts recordings into words.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TranscriptionSettings {
    /// Who does it.
    pub provider: TranscriptionProvider,
    /// Where the service is; `None` means the vendor's own address. See [`TranscriptionSettings::address`].
    #[serde(with = "optional")]
    pub url: Option<Url>,
    /// The models, best first, separated by commas; empty: the vendor's usual ones.
    pub models: String,
    /// What makes the recogniser write names as they are written.
    pub prompt: String,
    /// The program of the provider "command", and how it is called.
    #[serde(with = "optional::parsed")]
    pub command: RecogniserCommand,
    /// Recordings that are put into words at once.
    pub workers: u32,
    /// Pieces of one recording that a service is given at once.
    pub at_once: u32,
    /// Of a piece of sound.
    pub max_piece_s: u32,
    /// For one piece, or for the recording where it is not cut.
    pub timeout_s: u32,
    /// The key of a service with OpenAI's interface. See [`Config::transcription_key`].
    #[serde(skip)]
    pub api_key: Option<SecretString>,
}

/// Who puts recordings into words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TranscriptionProvider {
    /// Nobody: the words are those of the call itself.
    None,
    /// A service with OpenAI's interface.
    OpenAi,
    /// Deepgram.
    Deepgram,
    /// A program on this machine.
    Command,
}

/// `[summary]`: who says in short what a call was about.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SummarySettings {
    /// The model; empty: calls are not summed up.
    pub model: String,
    /// The service with OpenAI's chat interface.
    #[serde(with = "optional::parsed")]
    pub url: Url,
    /// What is sought in a call, separated by commas.
    pub fields: String,
    /// For one summary.
    pub timeout_ms: u32,
    /// The service's key. See [`Config::summary_key`].
    #[serde(skip)]
    pub api_key: Option<SecretString>,
}

const OPENAI: &str = "https://api.openai.com/v1";
const DEEPGRAM: &str = "https://api.deepgram.com/v1";

impl TranscriptionSettings {
    /// Where the service is, if the provider is one.
    pub fn address(&self) -> Option<Url> {
        let usual = match self.provider {
            TranscriptionProvider::None | TranscriptionProvider::Command => return None,
            TranscriptionProvider::OpenAi => OPENAI,
            TranscriptionProvider::Deepgram => DEEPGRAM,
        };
        self.url.clone().or_else(|| usual.parse().ok())
    }

    /// The models, best first.
    pub fn models(&self) -> Vec<String> {
        let usual = match self.provider {
            TranscriptionProvider::None | TranscriptionProvider::Command => "",
            TranscriptionProvider::OpenAi => "gpt-4o-transcribe,whisper-1",
            TranscriptionProvider::Deepgram => "nova-3,nova-2",
        };
        let set = list(&self.models);
        if set.is_empty() { list(usual) } else { set }
    }
}

impl SummarySettings {
    /// Whether calls are summed up.
    pub fn is_wanted(&self) -> bool {
        !self.model.trim().is_empty()
    }

    /// What is sought in a call.
    pub fn fields(&self) -> Vec<String> {
        list(&self.fields)
    }
}

impl Config {
    /// The key for the service that puts recordings into words. OpenAI's own is for OpenAI alone: a service elsewhere
    /// must not learn it.
    pub fn transcription_key(&self) -> Option<&SecretString> {
        let own = &self.transcription;
        match own.provider {
            TranscriptionProvider::None | TranscriptionProvider::Command => None,
            TranscriptionProvider::OpenAi => own.api_key.as_ref().or_else(|| self.openai_key_for(&own.address()?)),
            TranscriptionProvider::Deepgram => self.deepgram.api_key.as_ref(),
        }
    }

    /// The key for the service that sums calls up.
    pub fn summary_key(&self) -> Option<&SecretString> {
        self.summary.api_key.as_ref().or_else(|| self.openai_key_for(&self.summary.url))
    }

    fn openai_key_for(&self, url: &Url) -> Option<&SecretString> {
        self.openai.api_key.as_ref().filter(|_| is_openai(url))
    }
}

/// What is wrong with these settings.
pub(super) fn check(config: &Config, environment: &Environment) -> Vec<Finding> {
    let mut findings = Vec::new();
    transcription(config, environment, &mut findings);
    if config.summary.is_wanted() {
        summary(config, &mut findings);
    }
    findings
}

fn transcription(config: &Config, environment: &Environment, findings: &mut Vec<Finding>) {
    let own = &config.transcription;
    let key = match own.provider {
        TranscriptionProvider::None => return,
        TranscriptionProvider::Command => return command(config, environment, findings),
        TranscriptionProvider::OpenAi => Key {
            path: "transcription.api_key",
            remedy: "set the variable OPENAI_API_KEY or TRANSCRIPTION_API_KEY, or another transcription.provider",
        },
        TranscriptionProvider::Deepgram => Key {
            path: "deepgram.api_key",
            remedy: "set the variable DEEPGRAM_API_KEY, or another transcription.provider",
        },
    };
    let has_key = config.transcription_key().is_some();
    let needs_key = own.provider == TranscriptionProvider::Deepgram || own.address().as_ref().is_some_and(is_openai);
    if needs_key && !has_key {
        let problem = format!("is not set, and transcription.provider is {}", own.provider.as_str());
        findings.push(Finding::error(key.path, config.source(key.path), problem, key.remedy));
    }
    if let Some(url) = &own.url {
        findings.extend(address(config, "transcription.url", url, has_key));
    }
}

struct Key {
    path: &'static str,
    remedy: &'static str,
}

impl TranscriptionProvider {
    const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::OpenAi => "openai",
            Self::Deepgram => "deepgram",
            Self::Command => "command",
        }
    }
}

fn command(config: &Config, environment: &Environment, findings: &mut Vec<Finding>) {
    let (path, program) = ("transcription.command", config.transcription.command.program());
    if !environment.has_program(program) {
        let problem = format!("names {program}, which is not installed: no recording is put into words");
        let remedy = "install it where PATH finds it, or name it by its path";
        findings.push(Finding::warning(path, config.source(path), problem, remedy));
    }
}

fn summary(config: &Config, findings: &mut Vec<Finding>) {
    let (own, has_key) = (&config.summary, config.summary_key().is_some());
    if !has_key && is_openai(&own.url) {
        let (path, problem) = ("summary.api_key", "is not set, and summary.model names a model of OpenAI's");
        let remedy = "set the variable OPENAI_API_KEY or SUMMARY_API_KEY, or leave summary.model empty";
        findings.push(Finding::error(path, config.source(path), problem, remedy));
    }
    findings.extend(address(config, "summary.url", &own.url, has_key));
    let fields = own.fields();
    let is_name = |name: &String| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        (1..=64).contains(&name.len()) && name.bytes().all(is_plain)
    };
    let mut seen = std::collections::BTreeSet::new();
    if let Some(odd) = fields.iter().find(|name| !is_name(name) || !seen.insert(*name)) {
        let problem = format!("{odd:?} is no name of a field, or stands there twice");
        let remedy = "give names of letters, digits and _, separated by commas, as in name, city";
        findings.push(Finding::error("summary.fields", config.source("summary.fields"), problem, remedy));
    }
}

/// What callers said must not travel in the open, and a key still less.
fn address(config: &Config, path: &str, url: &Url, has_key: bool) -> Option<Finding> {
    let source = config.source(path);
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        let remedy = "give the address up to its version, as in https://api.openai.com/v1";
        return Some(Finding::error(path, source, "is not the plain address of a web server", remedy));
    }
    match url.scheme() {
        _ if url.host().is_none() => {
            Some(Finding::error(path, source, "names no host", "give it as in https://api.openai.com/v1"))
        }
        "https" => None,
        "http" if super::check::is_loopback(url) => None,
        "http" if has_key => {
            let problem = "is http://: a key would travel where others can read it";
            Some(Finding::error(path, source, problem, "give an https:// address; http:// only for 127.0.0.1"))
        }
        "http" => {
            let problem = "is http://: what callers said travels where others can read it";
            Some(Finding::warning(path, source, problem, "give an https:// address, or keep the way to it to yourself"))
        }
        _ => Some(Finding::error(path, source, "is neither https:// nor http://", "give an https:// address")),
    }
}

fn is_openai(url: &Url) -> bool {
    url.host_str() == Some("api.openai.com")
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
}
