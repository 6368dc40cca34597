//! What may be turned about OpenAI's sessions.

use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::engine::call::TurnOwner;

/// Where OpenAI is, who we are to it, and how its sessions are to behave.
#[derive(Clone, Debug)]
pub struct OpenAiSettings {
    /// The endpoint, without query. `wss://`; `ws://` only where the host is this machine.
    pub url: String,
    /// The model, as in the address's query.
    pub model: String,
    /// The key that is presented when connecting.
    pub api_key: SecretString,
    /// The voice of calls whose business names none.
    pub voice: String,
    /// How audio travels, both ways.
    pub audio: AudioFormat,
    /// Who begins a response when the vendor hears that the caller has finished.
    pub turns: TurnOwner,
    /// What turns the caller's audio into words; empty: nothing does.
    pub transcription_model: String,
    /// How sure the vendor's detector must be that it hears speech, 0 to 1.
    pub vad_threshold: f64,
    /// How much audio before the detected onset belongs to the utterance, in milliseconds.
    pub prefix_padding_ms: u32,
    /// How much silence ends the caller's utterance, in milliseconds.
    pub silence_duration_ms: u32,
    /// The vendor's noise filter, ahead of its detector.
    pub noise_reduction: NoiseReduction,
    /// The longest response, 1 to 4096 tokens; `None` leaves it to the model.
    pub max_output_tokens: Option<u32>,
    /// From the first packet to the open WebSocket.
    pub connect_timeout: Duration,
    /// From there to `session.created`.
    pub created_timeout: Duration,
    /// From `session.update` to `session.updated`.
    pub confirm_timeout: Duration,
    /// From `response.create` to `response.created`, and from `response.cancel` to `response.done`.
    pub answer_stall: Duration,
    /// The longest silence of the vendor within a response.
    pub progress_stall: Duration,
    /// After so long without a word the vendor is pinged; after as long again the connection counts as broken.
    pub ping_after: Duration,
    /// How long a session lives where the vendor does not say.
    pub session_limit: Duration,
    /// How long before a session's end its successor is opened.
    pub session_renew_before: Duration,
    /// The pause after a successor that failed.
    pub renew_retry: Duration,
    /// How much of the caller's audio is kept while the session is not confirmed.
    pub keep_audio: Duration,
}

impl OpenAiSettings {
    /// Whether the caller's words are wanted.
    pub(super) fn writes_down(&self) -> bool {
        !self.transcription_model.is_empty()
    }
}

impl Default for OpenAiSettings {
    fn default() -> Self {
        Self {
            url: "wss://api.openai.com/v1/realtime".to_owned(),
            model: "gpt-realtime".to_owned(),
            api_key: SecretString::from(String::new()),
            voice: "marin".to_owned(),
            audio: AudioFormat::default(),
            turns: TurnOwner::default(),
            transcription_model: "gpt-4o-mini-transcribe".to_owned(),
            vad_threshold: 0.5,
            prefix_padding_ms: 300,
            silence_duration_ms: 500,
            noise_reduction: NoiseReduction::NearField,
            max_output_tokens: Some(4_096),
            connect_timeout: Duration::from_secs(8),
            created_timeout: Duration::from_secs(5),
            confirm_timeout: Duration::from_secs(5),
            answer_stall: Duration::from_secs(4),
            // Longer than a vendor that works is silent; short enough that another session can answer before the call
            // gives up, 9 s after the last sound.
            progress_stall: Duration::from_secs(6),
            ping_after: Duration::from_secs(10),
            // The vendor closes every session after 60 minutes, in use or not.
            session_limit: Duration::from_secs(60 * 60),
            session_renew_before: Duration::from_secs(3 * 60),
            renew_retry: Duration::from_secs(5),
            keep_audio: Duration::from_secs(4),
        }
    }
}

/// How audio travels between us and the vendor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AudioFormat {
    /// `audio/pcmu`: G.711 µ-law, 8 kHz.
    Pcmu,
    /// `audio/pcm`: 16-bit linear little-endian, 24 kHz, the only linear rate that the vendor takes.
    #[default]
    Pcm24,
}

impl AudioFormat {
    /// Bytes per millisecond of sound.
    pub(super) const fn bytes_per_ms(self) -> u64 {
        match self {
            Self::Pcmu => 8,
            Self::Pcm24 => 48,
        }
    }
}

/// The vendor's filter for the caller's audio.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoiseReduction {
    /// No filter.
    Off,
    /// For a microphone near the mouth: a handset, a headset.
    #[default]
    NearField,
    /// For a microphone in the room.
    FarField,
}
