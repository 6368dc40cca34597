//! `[deepgram]`: Deepgram's Voice Agent.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use url::Url;

use super::optional;

/// `[deepgram]`: Deepgram's Voice Agent. `config/default.toml` has the units, ranges, defaults and reasons.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeepgramSettings {
    /// The WebSocket.
    #[serde(with = "optional::parsed")]
    pub url: Url,
    /// The model that listens.
    pub listen_model: String,
    /// Whose language model answers.
    pub think_provider: String,
    /// The model that answers.
    pub think_model: String,
    /// The voice, unless a business names its own.
    pub voice: String,
    /// For the connection to open.
    pub connect_timeout_ms: u32,
    /// Without audio for the vendor.
    pub keep_alive_ms: u32,
    /// Of a session.
    pub session_limit_s: u32,
    /// The key, for whatever is asked of Deepgram.
    #[serde(skip)]
    pub api_key: Option<SecretString>,
}
