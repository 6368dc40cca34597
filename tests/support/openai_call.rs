//! The call's side of a session with OpenAI, for tests.
#![allow(dead_code, reason = "each test uses its own part of it")]

use std::f64::consts::TAU;
use std::time::Duration;

use secrecy::SecretString;
use tokio::time::Instant;
use trunkline::engine::audio::{FRAME_MS, PcmFrame, Rate};
use trunkline::engine::business::{Business, Profile};
use trunkline::engine::call::{AgentCounter, AgentLoss, Ask, ResponseOutcome, ToolCall};
use trunkline::engine::ids::{CallSid, ResponseId};
use trunkline::engine::prompt::{CallContext, Channel, PromptBuilder};
use trunkline::engine::status::CallDirection;
use trunkline::providers::voice_agent::openai_realtime::{OpenAiRealtime, OpenAiSettings};
use trunkline::providers::voice_agent::{AgentBrief, AgentEvent, AgentLink, AgentOrder, AgentSession, VoiceAgent};

use crate::fake_openai::FakeOpenAi;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// A call that has an agent.
pub struct Call<R: Rate> {
    link: Option<AgentLink<R>>,
    events: tokio::sync::mpsc::Receiver<AgentEvent<R>>,
    seen: Vec<AgentEvent<R>>,
    /// How many of `seen` the test has looked at.
    read: usize,
    spoken: f64,
}

/// What a response brought.
#[derive(Debug, PartialEq)]
pub struct Spoken {
    pub text: String,
    pub samples: Vec<i16>,
    pub outcome: ResponseOutcome,
}

pub fn r(number: u32) -> ResponseId {
    ResponseId::from_engine(number)
}

pub fn answer(number: u32) -> AgentOrder {
    AgentOrder::Respond { response: r(number), ask: Ask::Answer }
}

pub fn ended<R: Rate>(event: &AgentEvent<R>) -> bool {
    matches!(event, AgentEvent::ResponseEnded { .. })
}

pub fn settings(url: &str) -> OpenAiSettings {
    OpenAiSettings { url: url.to_owned(), api_key: SecretString::from("sk-test"), ..OpenAiSettings::default() }
}

pub fn brief() -> AgentBrief {
    let mut profile = Profile::named("Bakery Miller");
    profile.language = "en-GB".to_owned();
    profile.prompts.inbound = Some("Sell bread.".to_owned());
    let business = Business { id: "Bakery Miller".parse().unwrap(), version: 1, profile };
    let builder = PromptBuilder { business: &business, channel: Channel::Call(CallDirection::Inbound) };
    let prompt = builder.build(&CallContext::default());
    AgentBrief {
        call: format!("CA{}", "0a".repeat(16)).parse::<CallSid>().unwrap(),
        prompt,
        greeting: Some("Bakery Miller, good morning!".to_owned()),
        language: "en-GB".to_owned(),
        voice: None,
        may_transfer: false,
        history: Vec::new(),
    }
}

impl<R: Rate> Call<R> {
    pub fn open(fake: &FakeOpenAi, adjust: impl FnOnce(&mut AgentBrief)) -> Self {
        Self::open_with(fake, |_| {}, adjust)
    }

    pub fn open_with(
        fake: &FakeOpenAi,
        set: impl FnOnce(&mut OpenAiSettings),
        adjust: impl FnOnce(&mut AgentBrief),
    ) -> Self {
        let mut settings = settings(&fake.url);
        set(&mut settings);
        let agent = OpenAiRealtime::new(settings).unwrap();
        Self::of(&agent, adjust)
    }

    pub fn of(agent: &OpenAiRealtime, adjust: impl FnOnce(&mut AgentBrief)) -> Self {
        let mut brief = brief();
        adjust(&mut brief);
        let AgentSession { link, events } = VoiceAgent::<R>::open(agent, brief);
        Self { link: Some(link), events, seen: Vec::new(), read: 0, spoken: 0.0 }
    }

    pub fn order(&self, order: AgentOrder) {
        assert!(self.link.as_ref().unwrap().order(order));
    }

    /// The caller speaks: a loud tone, all at once.
    pub fn speaks(&mut self, length: Duration) {
        self.sounds(length, 8_000.0);
    }

    pub fn says_nothing(&mut self, length: Duration) {
        self.sounds(length, 0.0);
    }

    fn sounds(&mut self, length: Duration, level: f64) {
        for _ in 0..length.as_millis() / u128::from(FRAME_MS) {
            let mut frame = PcmFrame::<R>::silence();
            for sample in frame.samples_mut() {
                self.spoken += 1.0 / f64::from(R::HZ);
                *sample = ((TAU * 300.0 * self.spoken).sin() * level) as i16;
            }
            assert!(self.link.as_ref().unwrap().hear(frame));
        }
    }

    /// Every event so far.
    pub fn seen(&self) -> &[AgentEvent<R>] {
        &self.seen
    }

    pub fn counted(&self) -> Vec<AgentCounter> {
        let counter = |event: &AgentEvent<R>| match event {
            AgentEvent::Counted(counter) => Some(*counter),
            _ => None,
        };
        self.seen.iter().filter_map(counter).collect()
    }

    async fn next(&mut self, what: &str) -> Option<AgentEvent<R>> {
        let event = tokio::time::timeout(PATIENCE, self.events.recv()).await;
        let event = event.unwrap_or_else(|_| panic!("never came: {what}; saw {:?}", Brief(&self.seen)));
        self.seen.extend(event.clone());
        event
    }

    /// The next event, after what was looked at, that is so.
    pub async fn until(&mut self, what: &str, is_it: impl Fn(&AgentEvent<R>) -> bool) -> AgentEvent<R> {
        loop {
            while let Some(event) = self.seen.get(self.read).cloned() {
                self.read += 1;
                if is_it(&event) {
                    return event;
                }
            }
            let came = self.next(what).await;
            assert!(came.is_some(), "the session ended before {what}; saw {:?}", Brief(&self.seen));
        }
    }

    pub async fn ready(&mut self) {
        self.until("ready", |event| matches!(event, AgentEvent::Ready { detects_turns: true })).await;
    }

    pub async fn until_tool(&mut self) -> ToolCall {
        match self.until("a tool call", |event| matches!(event, AgentEvent::ToolCalled(_))).await {
            AgentEvent::ToolCalled(call) => call,
            _ => unreachable!(),
        }
    }

    /// Waits until so much of the response has come.
    pub async fn until_audio(&mut self, response: ResponseId, length: Duration) {
        while self.spoken(response).samples.len() < (length.as_secs_f64() * f64::from(R::HZ)) as usize {
            let came = self.next("audio").await;
            assert!(came.is_some(), "the session ended before the audio");
        }
    }

    /// Everything that the response brought, once it is over.
    pub async fn until_end(&mut self, wanted: ResponseId) -> Spoken {
        let is_end =
            |event: &AgentEvent<R>| matches!(event, AgentEvent::ResponseEnded { response, .. } if *response == wanted);
        if !self.seen.iter().any(is_end) {
            self.until("the end of a response", is_end).await;
        }
        self.spoken(wanted)
    }

    fn spoken(&self, wanted: ResponseId) -> Spoken {
        let mut spoken = Spoken { text: String::new(), samples: Vec::new(), outcome: ResponseOutcome::Failed };
        for event in &self.seen {
            match event {
                AgentEvent::Text { response, text } if *response == wanted => spoken.text.push_str(text),
                AgentEvent::Audio { response, chunk } if *response == wanted => spoken.samples.extend(&chunk.samples),
                AgentEvent::ResponseEnded { response, outcome } if *response == wanted => spoken.outcome = *outcome,
                _ => {}
            }
        }
        spoken
    }

    /// The loss, after which nothing may come.
    pub async fn until_lost(&mut self) -> (AgentLoss, String) {
        let lost = self.until("the loss", |event| matches!(event, AgentEvent::Lost { .. })).await;
        let after = self.next("the end of events").await;
        assert!(after.is_none(), "{after:?} came after the loss");
        match lost {
            AgentEvent::Lost { loss, detail } => (loss, detail),
            _ => unreachable!(),
        }
    }

    /// Drops the link; how long the newest connection lasted after that.
    pub async fn leave(&mut self, fake: &FakeOpenAi) -> Duration {
        let began = Instant::now();
        self.link = None;
        fake.until("the end of every connection", |sessions| sessions.iter().all(|log| log.over.is_some())).await;
        began.elapsed()
    }
}

/// Events without their samples.
struct Brief<'a, R: Rate>(&'a [AgentEvent<R>]);

impl<R: Rate> std::fmt::Debug for Brief<'_, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut list = f.debug_list();
        for event in self.0 {
            match event {
                AgentEvent::Audio { response, chunk } => {
                    list.entry(&format_args!("Audio({response}, {:?})", chunk.length()))
                }
                other => list.entry(other),
            };
        }
        list.finish()
    }
}
