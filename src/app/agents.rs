//! The voice agent that the configuration names.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use crate::config::{self, AgentProvider, Business, Config, LocalSpeech, OpenAiAudio};
use crate::engine::audio::Hz8k;
use crate::providers::voice_agent::VoiceAgent;
use crate::providers::voice_agent::local::{Greeting, LocalAgent, LocalSettings, SpeechChoice};
use crate::providers::voice_agent::openai_realtime::{AudioFormat, NoiseReduction, OpenAiRealtime, OpenAiSettings};

/// Builds the voice agent. What it can make ready without a call, it makes ready on this thread's event loop.
pub(super) fn agent(config: &Config) -> anyhow::Result<Arc<dyn VoiceAgent<Hz8k>>> {
    match config.agent.provider {
        AgentProvider::Local => {
            let agent = LocalAgent::new(&local(config));
            let (early, greetings) = (agent.clone(), greetings(config));
            actix_rt::spawn(async move { early.prepare::<Hz8k>(greetings).await });
            Ok(Arc::new(agent))
        }
        AgentProvider::OpenAi => openai(config),
    }
}

/// The businesses' own greetings, in the form in which their calls will ask for them.
fn greetings(config: &Config) -> Vec<Greeting> {
    let greeting = |business: &Business| {
        let (language, voice) = (business.language.clone(), business.voice.clone());
        Some(Greeting { text: business.greeting.clone()?, language, voice })
    };
    config.business.iter().filter_map(greeting).collect()
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
    let (own, defaults) = (&config.openai, OpenAiSettings::default());
    let settings = OpenAiSettings {
        url: own.url.to_string(),
        model: own.model.clone(),
        api_key: own.api_key.clone().context("OPENAI_API_KEY is not set")?,
        voice: own.voice.clone(),
        audio: match own.audio {
            OpenAiAudio::Pcmu => AudioFormat::Pcmu,
            OpenAiAudio::Pcm24 => AudioFormat::Pcm24,
        },
        turns: own.turns,
        transcription_model: own.transcription_model.clone(),
        vad_threshold: own.vad_threshold.into(),
        prefix_padding_ms: own.vad_prefix_ms,
        silence_duration_ms: own.vad_silence_ms,
        noise_reduction: match own.noise_reduction {
            config::NoiseReduction::NearField => NoiseReduction::NearField,
            config::NoiseReduction::FarField => NoiseReduction::FarField,
            config::NoiseReduction::Off => NoiseReduction::Off,
        },
        connect_timeout: Duration::from_millis(own.connect_timeout_ms.into()),
        session_renew_before: Duration::from_millis(own.renew_before_ms.into()),
        ..defaults
    };
    Ok(Arc::new(OpenAiRealtime::new(settings).context("openai")?))
}
