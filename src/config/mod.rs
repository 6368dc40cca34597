//! Configuration: every setting, typed, checked as a whole before anything starts.
//!
//! `config/default.toml` is built in: it is at once the list of all settings, their documentation and their
//! defaults. A file of the operator's, the environment and the command line are laid over it, in this order
//! ([`ConfigSources`]). [`Config::load`] tells everything that is wrong at once, each [`Finding`] with the
//! setting, where its value came from and what to do instead.
//!
//! Secrets come from the environment, or from files that it names, and from nowhere else; they are
//! [`secrecy::SecretString`]s, so nothing here can print one.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::engine::audio::{EndpointSettings, PlayoutSettings, VadSettings};
use crate::engine::call::{BargeInSettings, CallSettings, LimitSettings, SilenceSettings};
use crate::engine::ids::PhoneNumber;

mod asterisk;
mod business;
mod check;
mod database_url;
mod environment;
mod explain;
mod finding;
mod layers;
mod load;
mod nearest;
mod optional;
mod recordings;
mod secrets;
mod settings;
mod speech;
#[cfg(test)]
mod tests;
mod transcription;
mod typed;

pub use crate::engine::business::CalledNumber;
pub use asterisk::{AriSettings, AsteriskSettings, AudioSocketSettings, MediaFormat};
pub use business::Business;
pub use database_url::{DatabaseKind, DatabaseUrl};
pub use environment::Environment;
pub use explain::Explained;
pub use finding::{Finding, Severity, Source};
pub use load::{ConfigSources, Override};
pub use recordings::{BadPlace, RecordingsPlace, RecordingsSettings};
pub use settings::{
    AgentProvider, AgentSettings, ApiSettings, CallsSettings, CampaignsSettings, ConsoleSettings, DatabaseSettings,
    HttpSettings, JournalSettings, LocalSettings, LocalSpeech, LogFormat, LogLevel, LogSettings, MediaSettings,
    NoiseReduction, OnRecordingFailure, OpenAiAudio, OpenAiSettings, RecordingSettings, SpoolSettings, TwilioSettings,
    WebhookSettings,
};
pub use transcription::{SummarySettings, TranscriptionProvider, TranscriptionSettings};

/// The shipped defaults, which document every setting.
pub const DEFAULT_TOML: &str = include_str!("../../config/default.toml");

/// Every setting. Each field is a section of `config/default.toml`, where its settings are explained.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Config {
    /// Where the service keeps what it must not lose.
    pub data_dir: PathBuf,
    /// The socket on which carriers and operators reach the service.
    pub http: HttpSettings,
    /// The interface for operators.
    pub api: ApiSettings,
    /// The pages for operators.
    pub console: ConsoleSettings,
    /// The one record of each call.
    pub database: DatabaseSettings,
    /// The carrier.
    pub twilio: TwilioSettings,
    /// Who speaks with the caller.
    pub agent: AgentSettings,
    /// OpenAI Realtime.
    pub openai: OpenAiSettings,
    /// The built-in receptionist.
    pub local: LocalSettings,
    /// How speech is told from noise.
    pub vad: VadSettings,
    /// Where utterances begin and end.
    pub endpoint: EndpointSettings,
    /// How agent audio is played.
    pub playout: PlayoutSettings,
    /// When the caller may interrupt.
    pub barge_in: BargeInSettings,
    /// What happens when somebody who should speak does not.
    pub silence: SilenceSettings,
    /// How long things may take.
    pub limits: LimitSettings,
    /// How many calls at once, and what is done about calls besides talking.
    pub calls: CallsSettings,
    /// Lists of people to be called.
    pub campaigns: CampaignsSettings,
    /// The media socket.
    pub media: MediaSettings,
    /// Calls from an Asterisk PBX.
    pub asterisk: AsteriskSettings,
    /// What businesses are told of.
    pub webhooks: WebhookSettings,
    /// WAV files of calls.
    pub recording: RecordingSettings,
    /// Who puts recordings into words.
    pub transcription: TranscriptionSettings,
    /// Who says in short what a call was about.
    pub summary: SummarySettings,
    /// How recordings are fetched, where they are kept, and for how long.
    pub recordings: RecordingsSettings,
    /// Journals of calls.
    pub journal: JournalSettings,
    /// What the service says about itself.
    pub log: LogSettings,
    /// What could not be written to the database yet.
    pub spool: SpoolSettings,
    /// Who is called.
    pub business: Vec<Business>,
    /// Where each value that is not the shipped default came from, by its path.
    #[serde(skip)]
    sources: BTreeMap<String, Source>,
}

impl Config {
    /// The businesses that the database is seeded with, and that answer while it can't be read.
    pub fn seeds(&self) -> Vec<crate::engine::business::Business> {
        self.business.iter().map(Business::seed).collect()
    }

    /// The names of the voice agents that can be had: those that need a key only with it.
    pub fn agents(&self) -> Vec<&'static str> {
        let openai = self.openai.api_key.as_ref().map(|_| "openai");
        std::iter::once("local").chain(openai).collect()
    }

    /// Where the database is: as set, else SQLite under `data_dir`.
    pub fn database_url(&self) -> DatabaseUrl {
        self.database.url.clone().unwrap_or_else(|| DatabaseUrl::sqlite(&self.data_dir.join("trunkline.db")))
    }

    /// Where recordings lie while they are put into words.
    pub fn transcription_dir(&self) -> PathBuf {
        self.data_dir.join("transcription")
    }

    /// Where recordings are kept: as set, else under `data_dir`.
    pub fn recordings_place(&self) -> RecordingsPlace {
        let usual = || RecordingsPlace::Directory(self.data_dir.join("recordings"));
        self.recordings.store_url.clone().unwrap_or_else(usual)
    }

    /// Where recordings lie while they are fetched: on this machine, whatever they are kept in.
    pub fn incoming_recordings_dir(&self) -> PathBuf {
        self.data_dir.join("recordings").join("incoming")
    }

    /// Where records wait for the database.
    pub fn spool_dir(&self) -> PathBuf {
        let set = &self.spool.dir;
        if set.as_os_str().is_empty() { self.data_dir.join("spool") } else { set.clone() }
    }

    /// What the machine of a call is built with that can be handed over to this number.
    pub fn call_settings(&self, transfer_to: Option<PhoneNumber>) -> CallSettings {
        CallSettings {
            barge_in: self.barge_in.clone(),
            silence: self.silence.clone(),
            limits: self.limits.clone(),
            turns: self.openai.turns,
            transfer_to,
        }
    }

    /// The tokens that a Twilio signature may be made with: today's, then the one before it.
    pub fn twilio_tokens(&self) -> impl Iterator<Item = &SecretString> {
        self.twilio.auth_token.iter().chain(&self.twilio.auth_token_previous)
    }
}

impl Default for Config {
    /// The shipped defaults, without a look at files or the environment.
    fn default() -> Self {
        toml::from_str(DEFAULT_TOML).expect("the shipped defaults are built in, and a test reads them")
    }
}
