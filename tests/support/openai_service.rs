//! The real service between a carrier and an OpenAI that are both played, and both strict.
#![allow(dead_code, reason = "each test uses its own part of it")]

use std::net::SocketAddr;
use std::time::Duration;

use tempfile::TempDir;
use trunkline::app::Server;
use trunkline::cli::demo::twilio::{CallReport, FakeTwilio, PhoneCall, fresh_sid, ulaw};
use trunkline::config::{AgentProvider, Config, OpenAiAudio};
use trunkline::engine::call::journal::Journal;
use trunkline::engine::call::{CallStats, Farewell, HangupCause, Speaker, Turn};
use trunkline::engine::ids::CallSid;
use trunkline::engine::status::CallStatus;
use trunkline::store::{CallEventRecord, Store};
use trunkline::telemetry::Telemetry;

use crate::fake_openai::{FakeOpenAi, SessionLog, tone};

/// How long a test waits for what must come.
pub const PATIENCE: Duration = Duration::from_secs(25);
/// How long a frame lasts.
const FRAME: Duration = Duration::from_millis(20);
/// The number to which the business's callers may be handed over.
pub const OFFICE: &str = "+15005550006";
/// The business's first words.
pub const GREETING: &str = "Bakery Miller, good morning!";

const PUBLIC_URL: &str = "https://calls.bakery.example";
const CALLER: &str = "+14155550100";
const CALLED: &str = "+14155550199";
/// A person who speaks without a pause, µ-law.
const VOICE: &[u8] = include_bytes!("../../src/cli/demo/voices/interruption.ulaw");

/// The service, with its carrier.
pub struct Service {
    pub carrier: FakeTwilio,
    pub telemetry: Telemetry,
    server: Server,
    // After the server, which writes into it until it has stopped.
    _folder: TempDir,
}

/// Everything that is left of a call.
pub struct Ended {
    pub report: CallReport,
    pub cause: HangupCause,
    pub farewell: Farewell,
    pub stats: CallStats,
    pub turns: Vec<Turn>,
    pub events: Vec<CallEventRecord>,
    /// What its machine was told and answered, for whoever reads why a test failed.
    pub journal: String,
}

impl Service {
    /// A service whose agent is at `url`, with the shipped settings except for what `set` changes.
    pub fn start(url: &str, set: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (account, token) = (fresh_sid("AC"), fresh_sid(""));
        let mut config = Config::default();
        config.data_dir = folder.path().to_owned();
        config.http.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        config.http.public_url = Some(PUBLIC_URL.parse().unwrap());
        config.http.workers = 1;
        config.http.drain_ms = 0;
        // On a machine that builds something else meanwhile every call is late now and then.
        config.media.max_lateness_ms = 0;
        config.twilio.account_sid = Some(account.parse().unwrap());
        config.twilio.auth_token = Some(token.clone().into());
        config.journal.enabled = true;
        config.agent.provider = AgentProvider::OpenAi;
        config.openai.url = url.parse().unwrap();
        config.openai.api_key = Some("sk-test".into());
        let business = &mut config.business[0];
        business.name = "Bakery Miller".parse().unwrap();
        business.greeting = Some(GREETING.to_owned());
        business.prompt = "Sell bread.".to_owned();
        business.transfer_to = Some(OFFICE.parse().unwrap());
        set(&mut config);
        let telemetry = Telemetry::for_tests();
        let server = Server::start(config, telemetry.clone()).unwrap();
        let carrier = FakeTwilio::new(PUBLIC_URL, &token, &account).unwrap().through(server.address());
        Self { carrier, telemetry, server, _folder: folder }
    }

    /// The same, where audio travels in this format.
    pub fn with_audio(fake: &FakeOpenAi, audio: OpenAiAudio) -> Self {
        Self::start(&fake.url, |config| config.openai.audio = audio)
    }

    /// A call comes in and is answered.
    pub async fn call(&self) -> PhoneCall {
        self.carrier.inbound_call(CALLER, CALLED).await.unwrap()
    }

    /// The caller hangs up; what is left of the call.
    pub async fn hang_up(&self, call: PhoneCall) -> Ended {
        let report = call.hang_up().await.unwrap();
        let closed = report.server_closed_after.expect("the server closes its side");
        assert!(closed <= Duration::from_secs(2), "{closed:?}");
        let ended = self.record_of(report).await;
        assert_eq!(ended.cause, HangupCause::CallerHungUp);
        ended
    }

    /// The server ends the call; what is left of it.
    pub async fn until_ended(&self, call: PhoneCall) -> Ended {
        self.record_of(call.ended(PATIENCE).await.unwrap()).await
    }

    /// The connection is cut without a word; what is left of the call.
    pub async fn cut(&self, call: PhoneCall) -> Ended {
        self.record_of(call.cut_the_line().await.unwrap()).await
    }

    /// Waits until a turn with these words was heard to its end.
    pub async fn until_turn(&self, call: &PhoneCall, words: &str) {
        let sid: CallSid = call.identity().call_sid.parse().unwrap();
        self.until_stored(&format!("the turn {words:?}"), move |store| {
            let turns = store.turns(&sid).ok()?;
            turns.iter().any(|turn| turn.heard_text == words).then_some(())
        })
        .await;
    }

    /// Waits until the store has what `find` looks for. One that does not answer is asked again.
    async fn until_stored<T>(&self, what: &str, find: impl Fn(&Store) -> Option<T>) -> T {
        let looking = async {
            loop {
                if let Some(found) = find(self.server.store()) {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let found = tokio::time::timeout(PATIENCE, looking).await;
        found.unwrap_or_else(|_| panic!("never stored: {what}; {:#?}", self.telemetry.logged()))
    }

    /// What was written down, once all of it was. Whatever happened, the carrier has nothing to complain of, no
    /// frame is unaccounted for and the journal gives the same call again.
    async fn record_of(&self, report: CallReport) -> Ended {
        let call: CallSid = report.call.call_sid.parse().unwrap();
        let (end, turns, events) = self
            .until_stored("the call's end", |store| {
                let status = store.call(&call).ok()??.status;
                let end = store.call_end(&call).ok()?.filter(|_| status == CallStatus::Completed)?;
                let turns = store.turns(&call).ok().filter(|turns| turns.len() == end.stats.turns as usize)?;
                let events = store.call_events(&call).ok()?;
                events.last().is_some_and(|event| event.what == "ended").then_some((end, turns, events))
            })
            .await;
        let files = self.server.files().clone();
        let journal = tokio::task::spawn_blocking(move || {
            assert!(files.settle(PATIENCE), "the journal is on the disk");
            std::fs::read_to_string(files.journal_path(&call)).unwrap()
        });
        let journal = journal.await.unwrap();
        let read = Journal::parse(&journal).unwrap();
        assert_eq!(read.replay(), read.outputs, "the journal gives the same call again");
        let ended =
            Ended { report, cause: end.cause, farewell: end.farewell, stats: end.stats, turns, events, journal };
        ended.assert_sound();
        let panics = self.telemetry.render().lines().any(|line| line.starts_with("trunkline_panics_caught_total{"));
        assert!(!panics, "{:#?}", self.telemetry.logged());
        ended
    }

    /// The sum of all series whose names begin so; there must be one.
    pub fn counted(&self, series: &str) -> f64 {
        let page = self.telemetry.render();
        let values = page.lines().filter(|line| line.starts_with(series));
        let values: Vec<f64> = values.filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect();
        assert!(!values.is_empty(), "{series} is not in\n{page}");
        values.iter().sum()
    }
}

impl Ended {
    fn assert_sound(&self) {
        let Self { report, stats, journal, .. } = self;
        assert_eq!(report.complaints, [], "the carrier has nothing to complain of\n{journal}");
        assert_eq!(stats.caller_frames, stats.forwarded_frames + stats.dropped_frames, "{stats:?}");
        assert!(stats.caller_frames <= report.frames_sent, "{stats:?}, {} sent", report.frames_sent);
        assert_eq!(report.unanswered_marks(), 0);
    }

    /// The turns as `speaker: what was heard|what was not`.
    pub fn conversation(&self) -> Vec<String> {
        let said = |turn: &Turn| {
            let heard = turn.heard_text.as_str();
            let unheard = turn.text.strip_prefix(heard).expect("what was heard was said");
            let cut = if turn.interrupted { "|" } else { "" };
            format!("{}: {heard}{cut}{unheard}", turn.speaker.as_str())
        };
        self.turns.iter().map(said).collect()
    }

    /// The turns of one side.
    pub fn turns_of(&self, speaker: Speaker) -> Vec<&Turn> {
        self.turns.iter().filter(|turn| turn.speaker == speaker).collect()
    }

    /// The timeline's entries of this kind.
    pub fn events_of(&self, what: &str) -> Vec<&CallEventRecord> {
        self.events.iter().filter(|event| event.what == what).collect()
    }

    /// Everything that the ear heard between two times, decoded, one frame after the other: a machine that is late
    /// for a moment makes a pause, which is not counted.
    pub fn heard_between(&self, from: Duration, to: Duration) -> Vec<i16> {
        let heard = self.report.heard.iter().filter(|heard| heard.at >= from && heard.at < to);
        heard.flat_map(|heard| heard.audio.iter().map(|code| ulaw::decode(*code))).collect()
    }

    /// The agent's speeches were these, each with its pitch and length, and nothing of them was lost or distorted.
    pub fn assert_heard(&self, meant: &[(f64, Duration)]) {
        let spoken = self.report.agent_sounds();
        assert_eq!(spoken.len(), meant.len(), "{spoken:?}\n{}", self.journal);
        for (span, (pitch, length)) in spoken.iter().zip(meant) {
            let meant: Vec<i16> = tone(*pitch, *length, 8_000).collect();
            let heard = self.heard_between(span.from.saturating_sub(FRAME), span.to + FRAME);
            let (likeness, gaps) = (likeness(&heard, &meant), &self.report.gaps);
            assert!(likeness > 0.98, "{span:?} is only {likeness:.3} like {pitch} Hz, {length:?}; gaps {gaps:?}");
            let frames = heard.len() as u32 / 8;
            assert!(Duration::from_millis(frames.into()) <= *length + 4 * FRAME, "{frames} ms for {length:?}");
        }
    }
}

/// So much of a person speaking.
pub fn voice(length: Duration) -> Vec<u8> {
    VOICE.iter().copied().cycle().take(length.as_millis() as usize * 8).collect()
}

/// How the caller and the vendor see the same moment: add this to the call's time for the fake's.
pub fn zero_of(call: &PhoneCall, fake: &FakeOpenAi) -> Duration {
    fake.now().saturating_sub(call.now())
}

/// When each of the fake's messages of this type was sent, on the call's clock.
pub fn times_said(log: &SessionLog, kind: &str, zero: Duration) -> Vec<Duration> {
    let of_kind = log.said.iter().filter(|(_, event)| event["type"] == kind);
    of_kind.map(|(at, _)| at.saturating_sub(zero)).collect()
}

/// How alike two sounds are, 0 to 1, at the best of a few small shifts: 1 is the same up to loudness.
pub fn likeness(heard: &[i16], meant: &[i16]) -> f64 {
    let shifted = |shift: usize| {
        let pairs = || heard.iter().skip(shift).zip(meant).map(|(h, m)| (f64::from(*h), f64::from(*m)));
        let dot: f64 = pairs().map(|(h, m)| h * m).sum();
        let (h2, m2) = pairs().fold((0.0, 0.0), |(h2, m2), (h, m)| (h2 + h * h, m2 + m * m));
        dot / (h2 * m2).sqrt().max(1.0)
    };
    (0..200).map(shifted).fold(0.0, f64::max)
}
