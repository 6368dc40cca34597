//! The voice agents: the one that the configuration names, and those that businesses may ask for instead.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use crate::actors::business_keeper::Businesses;
use crate::config::{self, AgentProvider, Config, LocalSpeech, OpenAiAudio};
use crate::engine::audio::{Hz8k, Rate};
use crate::engine::business::{Business, Directory, Profile};
use crate::engine::ids::BusinessId;
use crate::providers::voice_agent::VoiceAgent;
use crate::providers::voice_agent::deepgram::{DeepgramAgent, DeepgramSettings};
use crate::providers::voice_agent::local::{Greeting, LocalAgent, LocalSettings, SpeechChoice};
use crate::providers::voice_agent::openai_realtime::{AudioFormat, NoiseReduction, OpenAiRealtime, OpenAiSettings};
use crate::telemetry::{Event, Telemetry};

/// The voice agents that calls can have.
#[derive(Clone)]
pub(super) struct Agents<R: Rate> {
    by_name: BTreeMap<&'static str, Arc<dyn VoiceAgent<R>>>,
    usual: Arc<dyn VoiceAgent<R>>,
}

impl Agents<Hz8k> {
    /// Builds every agent that the configuration has what it needs for. What can be made ready without a call is made
    /// ready on this thread's event loop.
    pub(super) fn new(config: &Config, businesses: &Businesses, telemetry: &Telemetry) -> anyhow::Result<Self> {
        let speaker = LocalAgent::new(&local(config));
        let agents = Self::speaking_with(&speaker, config)?;
        let watch = agents.clone().watch(speaker, businesses.clone(), telemetry.clone());
        actix_rt::spawn(watch);
        Ok(agents)
    }

    /// Speaks the greetings of businesses into memory before somebody calls, at the start and after each edit; and says of
    /// which businesses the agent can't be had, once for each that they have chosen.
    async fn watch(self, speaker: LocalAgent, mut businesses: Businesses, telemetry: Telemetry) {
        let (mut spoken, mut told) = (Vec::new(), BTreeSet::new());
        let mut directory = Some(businesses.now());
        while let Some(now) = directory {
            for business in now.all() {
                self.say_missing(business, &mut told, &telemetry);
            }
            let wanted = greetings(self.usual(), &now);
            let new = wanted.iter().filter(|greeting| !spoken.contains(*greeting)).cloned().collect();
            speaker.prepare::<Hz8k>(new).await;
            spoken = wanted;
            directory = businesses.next().await;
        }
    }

    fn say_missing(&self, business: &Business, told: &mut BTreeSet<(BusinessId, String)>, telemetry: &Telemetry) {
        let missing = business.profile.agent.as_ref().filter(|name| !self.by_name.contains_key(name.as_str()));
        let Some(name) = missing else { return };
        if told.insert((business.id.clone(), name.clone())) {
            let usual = self.usual();
            telemetry.record(Event::BusinessAgentMissing { business: &business.id, agent: name, instead: usual });
        }
    }
}

impl<R: Rate> Agents<R> {
    /// The same agents for calls at another rate.
    pub(super) fn at_rate(config: &Config) -> anyhow::Result<Self> {
        Self::speaking_with(&LocalAgent::new(&local(config)), config)
    }

    fn speaking_with(speaker: &LocalAgent, config: &Config) -> anyhow::Result<Self> {
        let receptionist: Arc<dyn VoiceAgent<R>> = Arc::new(speaker.clone());
        let mut by_name = BTreeMap::from([(receptionist.name(), Arc::clone(&receptionist))]);
        if config.openai.api_key.is_some() {
            let agent = openai(config)?;
            by_name.insert(agent.name(), agent);
        }
        if config.deepgram.api_key.is_some() {
            let agent = deepgram(config)?;
            by_name.insert(agent.name(), agent);
        }
        let usual = match config.agent.provider {
            AgentProvider::Local => receptionist,
            AgentProvider::OpenAi => by_name.get("openai").cloned().context("OPENAI_API_KEY is not set")?,
            AgentProvider::Deepgram => by_name.get("deepgram").cloned().context("DEEPGRAM_API_KEY is not set")?,
        };
        Ok(Self { by_name, usual })
    }

    /// The agent of a business: its own, if it has chosen one and that can be had; else the usual one.
    pub(super) fn of(&self, business: &Business) -> Arc<dyn VoiceAgent<R>> {
        let own = business.profile.agent.as_deref().and_then(|name| self.by_name.get(name));
        Arc::clone(own.unwrap_or(&self.usual))
    }

    /// The name of the usual agent.
    pub(super) fn usual(&self) -> &'static str {
        self.usual.name()
    }
}

/// The vendors' agents that the configuration chooses, for all calls or for a business, each with a business that it answers
/// for. One without its key is none.
pub fn vendors(config: &Config) -> anyhow::Result<Vec<(Arc<dyn VoiceAgent<Hz8k>>, Business)>> {
    let agents = Agents::at_rate(config)?;
    let mut vendors = BTreeMap::new();
    for business in config.seeds() {
        let agent = agents.of(&business);
        vendors.entry(agent.name()).or_insert((agent, business));
    }
    Ok(vendors.into_iter().filter(|(name, _)| *name != "local").map(|(_, chosen)| chosen).collect())
}

/// The own greetings of the businesses for which the receptionist speaks, in the form in which their calls will ask
/// for them.
fn greetings(usual: &str, businesses: &Directory) -> Vec<Greeting> {
    let is_usual = usual == "local";
    let greeting = |business: &Arc<Business>| {
        let Profile { greeting, language, voice, agent, .. } = &business.profile;
        let is_spoken = agent.as_deref().map_or(is_usual, |agent| agent == "local");
        let text = greeting.clone().filter(|_| is_spoken)?;
        Some(Greeting { text, language: language.clone(), voice: voice.clone() })
    };
    businesses.all().filter_map(greeting).collect()
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

fn openai<R: Rate>(config: &Config) -> anyhow::Result<Arc<dyn VoiceAgent<R>>> {
    let (own, defaults) = (&config.openai, OpenAiSettings::default());
    let settings = OpenAiSettings {
        url: own.url.to_string(),
        model: own.model.clone(),
        api_key: own.api_key.clone().context("OPENAI_API_KEY is not set")?,
        voice: own.voice.clone(),
        audio: match own.audio {
            // What is wider than the telephone's band stays so.
            OpenAiAudio::Pcmu if R::HZ > Hz8k::HZ => AudioFormat::Pcm24,
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

fn deepgram<R: Rate>(config: &Config) -> anyhow::Result<Arc<dyn VoiceAgent<R>>> {
    let own = &config.deepgram;
    let settings = DeepgramSettings {
        url: own.url.to_string(),
        api_key: own.api_key.clone().context("DEEPGRAM_API_KEY is not set")?,
        listen_model: own.listen_model.clone(),
        think_provider: own.think_provider.clone(),
        think_model: own.think_model.clone(),
        voice: own.voice.clone(),
        connect_timeout: Duration::from_millis(own.connect_timeout_ms.into()),
        keep_alive: Duration::from_millis(own.keep_alive_ms.into()),
        session_limit: Duration::from_secs(own.session_limit_s.into()),
        ..DeepgramSettings::default()
    };
    Ok(Arc::new(DeepgramAgent::new(settings, None).context("deepgram")?))
}
