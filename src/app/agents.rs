//! The voice agent that the configuration names.

use std::sync::Arc;

use anyhow::Context;

use crate::config::{AgentProvider, Config, LocalSpeech};
use crate::engine::audio::Hz8k;
use crate::providers::voice_agent::VoiceAgent;
use crate::providers::voice_agent::local::{LocalAgent, LocalSettings, SpeechChoice};

/// Builds the voice agent.
pub(super) fn agent(config: &Config) -> anyhow::Result<Arc<dyn VoiceAgent<Hz8k>>> {
    match config.agent.provider {
        AgentProvider::Local => Ok(Arc::new(LocalAgent::new(&local(config)))),
        AgentProvider::OpenAi => openai(config),
    }
}

fn local(config: &Config) -> LocalSettings {
    let speech = match config.local.speech {
        LocalSpeech::Auto => SpeechChoice::Auto,
        LocalSpeech::Clips => SpeechChoice::Clips,
        LocalSpeech::Flite => SpeechChoice::Flite,
        LocalSpeech::EspeakNg => SpeechChoice::EspeakNg,
        LocalSpeech::Piper => SpeechChoice::Piper,
    };
    LocalSettings { speech, piper_model: Some(config.local.piper_model.clone()) }
}

fn openai(config: &Config) -> anyhow::Result<Arc<dyn VoiceAgent<Hz8k>>> {
    let _key = config.openai.api_key.clone().context("OPENAI_API_KEY is not set")?;
    anyhow::bail!("not wired")
}
