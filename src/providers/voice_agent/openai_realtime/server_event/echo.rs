//! The session's settings, as the vendor repeats them.

use serde::Deserialize;

/// The vendor's settings, as far as we insist on them. What is left out says nothing.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub(in super::super) struct Echo {
    #[serde(default, rename = "type")]
    pub(in super::super) kind: Option<String>,
    #[serde(default)]
    pub(in super::super) instructions: Option<String>,
    #[serde(default)]
    pub(in super::super) audio: EchoAudio,
}

/// `session.audio`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub(in super::super) struct EchoAudio {
    #[serde(default)]
    pub(in super::super) input: EchoInput,
    #[serde(default)]
    pub(in super::super) output: EchoOutput,
}

/// `session.audio.input`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub(in super::super) struct EchoInput {
    #[serde(default)]
    pub(in super::super) format: EchoFormat,
    #[serde(default)]
    pub(in super::super) turn_detection: Option<EchoTurnDetection>,
    #[serde(default)]
    pub(in super::super) transcription: Option<EchoTranscription>,
}

/// `session.audio.output`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub(in super::super) struct EchoOutput {
    #[serde(default)]
    pub(in super::super) format: EchoFormat,
}

/// A `format` object.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub(in super::super) struct EchoFormat {
    #[serde(default, rename = "type")]
    pub(in super::super) kind: Option<String>,
    #[serde(default)]
    pub(in super::super) rate: Option<u32>,
}

/// `turn_detection`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub(in super::super) struct EchoTurnDetection {
    #[serde(default, rename = "type")]
    pub(in super::super) kind: Option<String>,
    #[serde(default)]
    pub(in super::super) create_response: Option<bool>,
    #[serde(default)]
    pub(in super::super) interrupt_response: Option<bool>,
}

/// `transcription`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub(in super::super) struct EchoTranscription {
    #[serde(default)]
    pub(in super::super) model: Option<String>,
}
