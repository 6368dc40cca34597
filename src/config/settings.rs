//! The sections of the configuration that belong to no part of the engine. `config/default.toml` has the units,
//! ranges, defaults and reasons.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use url::Url;

use super::database_url::DatabaseUrl;
use super::optional;
use crate::engine::call::TurnOwner;
use crate::engine::ids::AccountSid;
use crate::engine::outbound::OnMachine;
use crate::engine::recording::RecordingPolicy;

/// `[http]`: the socket on which carriers and operators reach the service.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HttpSettings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The address under which Twilio reaches the service; `None` takes it from the request.
    #[serde(with = "optional")]
    pub public_url: Option<Url>,
    /// Threads; 0 means one for each processor.
    pub workers: usize,
    /// Open connections for each thread.
    pub max_connections: usize,
    /// For a request's head.
    pub request_timeout_ms: u32,
    /// Of a webhook.
    pub max_body_bytes: usize,
    /// For calls to end by themselves after the service was told to stop.
    pub drain_ms: u32,
}

/// `[api]`: the interface for operators.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ApiSettings {
    /// Of each token.
    pub requests_per_minute: NonZeroU32,
    /// Without a valid token, of each address.
    pub strangers_per_minute: NonZeroU32,
    /// Of a request.
    pub max_body_bytes: usize,
    /// For an answer of the database.
    pub read_timeout_ms: u32,
    /// Between two readings of the tokens.
    pub token_refresh_ms: u32,
    /// The administrator's own token; `None` means the one that is kept in `data_dir`.
    #[serde(skip)]
    pub admin_token: Option<SecretString>,
}

/// `[console]`: the pages for operators.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ConsoleSettings {
    /// Whether they are there.
    pub enabled: bool,
    /// Without a request, before one is logged out.
    pub idle_s: u32,
    /// After the login, whatever is done.
    pub longest_s: u32,
    /// Logged in at once.
    pub max_sessions: u32,
}

/// `[database]`: the one record of each call.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DatabaseSettings {
    /// Where it is; `None` means SQLite under `data_dir`. See [`super::Config::database_url`].
    #[serde(with = "optional")]
    pub url: Option<DatabaseUrl>,
    /// Connections for questions.
    pub pool: u32,
    /// For a connection to open.
    pub connect_timeout_ms: u32,
    /// For a write, before it goes to the spool instead.
    pub patience_ms: u32,
}

/// `[twilio]`: the carrier.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TwilioSettings {
    /// Whose calls they are.
    #[serde(with = "optional")]
    pub account_sid: Option<AccountSid>,
    /// Twilio's REST interface.
    #[serde(with = "optional::parsed")]
    pub api_url: Url,
    /// Whether webhooks and media sockets must be signed.
    pub validate_signatures: bool,
    /// Signs and checks.
    #[serde(skip)]
    pub auth_token: Option<SecretString>,
    /// Checks only, while the token is being changed.
    #[serde(skip)]
    pub auth_token_previous: Option<SecretString>,
}

/// `[agent]`: who speaks with the caller.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AgentSettings {
    /// The voice agent.
    pub provider: AgentProvider,
}

/// The voice agents there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AgentProvider {
    /// The built-in receptionist.
    Local,
    /// OpenAI Realtime.
    OpenAi,
}

/// `[openai]`: OpenAI Realtime.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OpenAiSettings {
    /// The WebSocket, without the model.
    #[serde(with = "optional::parsed")]
    pub url: Url,
    /// The model that listens and speaks.
    pub model: String,
    /// The voice, unless a business names its own.
    pub voice: String,
    /// How audio travels.
    pub audio: OpenAiAudio,
    /// Who begins responses.
    pub turns: TurnOwner,
    /// The model that writes down what the caller said; empty: none.
    pub transcription_model: String,
    /// Of the vendor's detector, 0 to 1.
    pub vad_threshold: f32,
    /// Of the vendor's detector.
    pub vad_prefix_ms: u32,
    /// Of the vendor's detector.
    pub vad_silence_ms: u32,
    /// What the vendor filters out before it listens.
    pub noise_reduction: NoiseReduction,
    /// For the connection to open.
    pub connect_timeout_ms: u32,
    /// Before the vendor's time limit.
    pub renew_before_ms: u32,
    /// The key.
    #[serde(skip)]
    pub api_key: Option<SecretString>,
}

/// How audio travels to OpenAI and back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OpenAiAudio {
    /// G.711 µ-law at 8 kHz.
    Pcmu,
    /// 16-bit linear at 24 kHz.
    Pcm24,
}

/// What OpenAI filters out before it listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoiseReduction {
    /// For a microphone at the mouth.
    NearField,
    /// For a microphone in the room.
    FarField,
    /// Nothing.
    Off,
}

/// `[local]`: the built-in receptionist.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LocalSettings {
    /// What it speaks with.
    pub speech: LocalSpeech,
    /// piper's voice file; empty: none.
    pub piper_model: PathBuf,
}

/// What the built-in receptionist speaks with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LocalSpeech {
    /// Clips; for other texts the first program found.
    Auto,
    /// Recordings inside the program.
    Clips,
    /// The program flite.
    Flite,
    /// The program espeak-ng.
    EspeakNg,
    /// The program piper, with a voice file.
    Piper,
}

/// `[calls]`: how many calls at once, and what is done about calls besides talking.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CallsSettings {
    /// Calls at once over all nodes; 0: no limit.
    pub max: u32,
    /// Calls at once of one business, over all nodes; 0: no limit.
    pub max_per_business: u32,
    /// Of these, calls that the service places; 0: no limit.
    pub max_outbound_per_business: u32,
    /// For how long a node may count on the slots that it leased.
    pub lease_s: u32,
    /// Between two looks for calls that stay open for too long.
    pub sweep_every_s: u32,
    /// How long a call that we place may ring.
    pub ring_s: u32,
    /// After which the carrier is asked about a call that it did not say it placed.
    pub resolve_after_s: u32,
    /// What is done when a machine answers a call that we placed.
    pub on_machine: OnMachine,
}

/// `[campaigns]`: lists of people to be called.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CampaignsSettings {
    /// How many calls of a campaign at once, unless it says otherwise.
    pub concurrency: u32,
    /// From one dialling to the next, unless a campaign says otherwise.
    pub spacing_ms: u32,
    /// How many people one campaign may call.
    pub max_leads: u32,
    /// How long a node holds a campaign without renewing.
    pub lease_s: u32,
    /// How often it renews.
    pub heartbeat_s: u32,
    /// After which a lead of unknown outcome is given up.
    pub unknown_s: u32,
}

/// `[media]`: the media socket.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MediaSettings {
    /// For a new socket to present its token.
    pub start_timeout_ms: u32,
    /// Of a token, in seconds.
    pub token_max_age_s: u32,
    /// Of a message.
    pub max_message_bytes: usize,
    /// Without audio, before the socket is taken for dead.
    pub idle_timeout_ms: u32,
    /// Of the ticks of live calls, before new calls are refused; 0: none is.
    pub max_lateness_ms: u32,
}

/// `[webhooks]`: what businesses are told of.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WebhookSettings {
    /// What is not public and may be reached: networks, addresses and hosts, separated by commas.
    pub allow_private: String,
    /// For a receiver to answer.
    pub timeout_ms: u32,
    /// After the first try that failed.
    pub first_retry_ms: u32,
    /// At most.
    pub longest_retry_ms: u32,
    /// After the first try.
    pub give_up_after_s: u32,
    /// At once, on this node.
    pub max_in_flight: u32,
    /// … of one business.
    pub max_in_flight_per_business: u32,
    /// Of a webhook.
    pub max_body_bytes: usize,
    /// For a secret to sign beside the one that replaces it.
    pub secret_overlap_s: u32,
    /// For what is settled to be seen.
    pub keep_s: u32,
}

impl WebhookSettings {
    /// What may be reached though it is not public, one by one.
    pub fn allowed(&self) -> impl Iterator<Item = &str> {
        self.allow_private.split(',').map(str::trim).filter(|text| !text.is_empty())
    }
}

/// `[recording]`: who records calls, and what its own recordings may cost.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RecordingSettings {
    /// Who records the calls of a business that does not say it for itself.
    pub policy: RecordingPolicy,
    /// No recording is begun while the disk has less room than this; 0: whatever it has.
    pub min_free_mb: u32,
    /// What a call whose own recording can't be begun or goes on no more does.
    pub on_failure: OnRecordingFailure,
}

/// What a call does whose own recording fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnRecordingFailure {
    /// It goes on without one.
    Continue,
    /// It goes on, and the carrier is asked to record what is left of it.
    Carrier,
}

/// `[journal]`: journals of calls.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct JournalSettings {
    /// Whether journals are written.
    pub enabled: bool,
}

/// `[log]`: what the service says about itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LogSettings {
    /// The least important line that is still written.
    pub level: LogLevel,
    /// For whom.
    pub format: LogFormat,
}

/// How important a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Something is lost.
    Error,
    /// Something may be.
    Warn,
    /// A call began, a call ended.
    Info,
    /// For finding faults.
    Debug,
}

/// For whom lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// People.
    Terminal,
    /// Machines: one JSON object for each line.
    Json,
}

/// `[spool]`: what could not be written to the database yet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SpoolSettings {
    /// Empty: under `data_dir`. See [`super::Config::spool_dir`].
    pub dir: PathBuf,
}
