//! What may be turned about Deepgram's sessions.

use std::time::Duration;

use secrecy::SecretString;

/// Where Deepgram is, who we are to it, and how its agents are to behave.
#[derive(Clone, Debug)]
pub struct DeepgramSettings {
    /// The endpoint. `wss://`; `ws://` only where the host is this machine.
    pub url: String,
    /// The key that is presented when connecting.
    pub api_key: SecretString,
    /// What turns the caller's audio into words.
    pub listen_model: String,
    /// Whose language model answers, in the vendor's words: `open_ai`.
    pub think_provider: String,
    /// The language model that answers.
    pub think_model: String,
    /// The voice of calls whose business names none, as a model of the vendor: `aura-2-thalia-en`.
    pub voice: String,
    /// From the first packet to the open WebSocket.
    pub connect_timeout: Duration,
    /// From the settings to `SettingsApplied`.
    pub confirm_timeout: Duration,
    /// From what must be answered to the first audio of the answer.
    pub answer_stall: Duration,
    /// The longest silence of the vendor within a response.
    pub progress_stall: Duration,
    /// After so long without audio to the vendor it is told that we are still there.
    pub keep_alive: Duration,
    /// How long a session lives; it is given up at the next pause after that, and the call opens another.
    pub session_limit: Duration,
    /// How long a call that ends the telephone call waits for words that belong to it.
    pub last_words_wait: Duration,
    /// How much of the caller's audio is kept while the settings are not confirmed.
    pub keep_audio: Duration,
}

impl Default for DeepgramSettings {
    fn default() -> Self {
        Self {
            url: "wss://agent.deepgram.com/v1/agent/converse".to_owned(),
            api_key: SecretString::from(String::new()),
            listen_model: "nova-3".to_owned(),
            think_provider: "open_ai".to_owned(),
            think_model: "gpt-4o-mini".to_owned(),
            voice: "aura-2-thalia-en".to_owned(),
            connect_timeout: Duration::from_secs(4),
            confirm_timeout: Duration::from_secs(5),
            answer_stall: Duration::from_secs(6),
            progress_stall: Duration::from_secs(6),
            // The vendor closes a session that hears nothing for 10 s.
            keep_alive: Duration::from_secs(8),
            // The vendor ends every session after two hours.
            session_limit: Duration::from_secs(115 * 60),
            last_words_wait: Duration::from_secs(2),
            keep_audio: Duration::from_millis(200),
        }
    }
}
