//! The real service on a folder and a port of its own, the carrier that brings it calls, and what it wrote down.
//!
//! Every call has a journal; when the service is dropped, each of them is replayed through a fresh machine, which must
//! say the same.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::ExposeSecret;
use tempfile::TempDir;
use trunkline::app::Server;
use trunkline::cli::demo::twilio::{CallReport, FakeTwilio, PhoneCall, fresh_sid, ulaw};
use trunkline::clock;
use trunkline::config::{Config, LocalSpeech};
use trunkline::engine::call::journal::Journal;
use trunkline::engine::call::{CallStats, Farewell, HangupCause, Speaker, Turn};
use trunkline::engine::ids::CallSid;
use trunkline::engine::recording::RecordingPolicy;
use trunkline::engine::status::{CallRow, StatusChange};
use trunkline::store::{CallEnd, CallEventRecord, Store};
use trunkline::telemetry::Telemetry;

pub const CALLER: &str = "+14155550100";
pub const CALLED: &str = "+14155550199";
pub const TRANSFER_TO: &str = "+14155550142";
pub const PUBLIC_URL: &str = "https://calls.trunkline.example";

/// How long a test waits for what must come; long enough for a machine that builds something else meanwhile.
pub const PATIENCE: Duration = Duration::from_secs(40);
/// How long what calls have told may take to reach the disk.
const FLUSH: Duration = Duration::from_secs(20);

/// 4 s: "Hello, I would like to leave a message for Anna, please call me back."
pub const MESSAGE: &[u8] = include_bytes!("../../src/cli/demo/voices/message.ulaw");
/// 2 s: "Sorry, one more thing, it is urgent."
pub const INTERRUPTION: &[u8] = include_bytes!("../../src/cli/demo/voices/interruption.ulaw");

pub fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// This much of the caller's silence.
pub fn silence(millis: usize) -> Vec<u8> {
    vec![ulaw::SILENCE; millis * ulaw::BYTES_PER_MS]
}

/// A running service.
pub struct Service {
    server: Option<Server>,
    pub telemetry: Telemetry,
    pub carrier: FakeTwilio,
    pub config: Config,
    pub folder: TempDir,
}

impl Service {
    pub fn start() -> Self {
        Self::with(|_| {})
    }

    /// The shipped configuration with a carrier, recordings, journals and these changes.
    pub fn with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(folder.path());
        change(&mut config);
        let telemetry = Telemetry::for_tests();
        let server = Server::start(config.clone(), telemetry.clone()).unwrap();
        let account_sid = config.twilio.account_sid.as_ref().unwrap().as_str();
        let carrier = FakeTwilio::new(PUBLIC_URL, auth_token(&config), account_sid).unwrap();
        Self { carrier: carrier.through(server.address()), server: Some(server), telemetry, config, folder }
    }

    /// Another node with the same carrier and the same database.
    pub fn second_node(&self) -> Self {
        Self::with(|config| {
            config.twilio = self.config.twilio.clone();
            config.database.url = Some(self.config.database_url());
        })
    }

    pub fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    pub fn address(&self) -> SocketAddr {
        self.server().address()
    }

    pub fn store(&self) -> Store {
        self.server().store().clone()
    }

    /// A call comes in and its media stream is open.
    pub async fn call(&self) -> PhoneCall {
        self.carrier.inbound_call(CALLER, CALLED).await.unwrap()
    }

    /// What is known of a call by now.
    pub async fn facts(&self, call_sid: &str) -> Facts {
        let (store, files) = (self.store(), self.server().files().clone());
        let sid: CallSid = call_sid.parse().unwrap();
        // The store blocks, and other calls of the same test go on.
        let read = move || {
            assert!(store.flush(FLUSH) && files.settle(FLUSH), "what calls told is on the disk in time");
            Facts {
                row: store.call(&sid).unwrap(),
                history: store.status_history(&sid).unwrap(),
                turns: store.turns(&sid).unwrap(),
                events: store.call_events(&sid).unwrap(),
                end: store.call_end(&sid).unwrap(),
                journal: fs::read_to_string(files.journal_path(&sid)).ok(),
                recording: files.recording_path(&sid),
                message: files.message_path(&sid, 1),
            }
        };
        tokio::task::spawn_blocking(read).await.unwrap()
    }

    /// What is known of a call once its end is written down.
    pub async fn settled(&self, call_sid: &str) -> Facts {
        let sid: CallSid = call_sid.parse().unwrap();
        let store = self.store();
        until(&format!("the end of {call_sid} is written down"), || store.recent_call_end(&sid).is_some()).await;
        self.facts(call_sid).await
    }

    /// The caller hangs up; what the carrier and the service then know.
    pub async fn hang_up(&self, call: PhoneCall) -> (CallReport, Facts) {
        let report = call.hang_up().await.unwrap();
        let facts = self.settled(&report.call.call_sid).await;
        (report, facts)
    }

    /// The service ends the call; what the carrier and the service then know.
    pub async fn ended(&self, call: PhoneCall) -> (CallReport, Facts) {
        let report = call.ended(PATIENCE).await.unwrap();
        let facts = self.settled(&report.call.call_sid).await;
        (report, facts)
    }

    /// The value of a metric, by its name without prefix, with its labels as they are printed.
    pub fn metric(&self, series: &str) -> f64 {
        let rendered = self.telemetry.render();
        let name = format!("trunkline_{series} ");
        let value = rendered.lines().find_map(|line| line.strip_prefix(&name));
        value.unwrap_or_else(|| panic!("there is no {name}in\n{rendered}")).parse().unwrap()
    }

    /// How often the log says that this call began, and that it ended.
    pub fn begun_and_ended(&self, call_sid: &str) -> (usize, usize) {
        let lines = self.telemetry.logged();
        let count = |what: &str| {
            let begin = format!("INFO {what} call_sid={call_sid} ");
            lines.iter().filter(|line| line.starts_with(&begin)).count()
        };
        (count("call began"), count("call ended"))
    }

    /// Stops the service in order: whether everything was saved.
    pub async fn stops(&mut self) -> bool {
        let server = self.server.take().unwrap();
        tokio::task::spawn_blocking(move || server.stop()).await.unwrap()
    }

    /// No call is alive, neither in the figures nor in the directory: with 30 s to drain, the stop waits for none.
    pub async fn stops_at_once(mut self) {
        let telemetry = self.telemetry.clone();
        until("no call is alive", || telemetry.render().contains("\ntrunkline_calls_live 0\n")).await;
        let began = clock::now();
        assert!(self.stops().await, "everything that was said is on the disk");
        let took = clock::now() - began;
        assert!(took < DRAIN / 2, "stopping took {took:?}: the directory holds a call that is over");
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            // Whatever still goes on is ended by this; a test that waits for nothing more need not wait here.
            std::thread::spawn(move || server.stop()).join().ok();
        }
        if !std::thread::panicking() {
            for (path, text) in journals(self.folder.path()) {
                assert_replays(&path, &text);
            }
        }
    }
}

/// A machine that was built anew and told the same says the same.
pub fn assert_replays(path: &Path, text: &str) {
    let journal = Journal::parse(text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(!journal.inputs.is_empty() && !journal.outputs.is_empty(), "{} is empty", path.display());
    for (number, (replayed, written)) in journal.replay().iter().zip(&journal.outputs).enumerate() {
        assert_eq!(replayed, written, "{}, output {number}", path.display());
    }
    assert_eq!(journal.replay().len(), journal.outputs.len(), "{}", path.display());
}

/// Every journal under a service's data directory.
pub fn journals(data_dir: &Path) -> BTreeMap<PathBuf, String> {
    let Ok(folder) = fs::read_dir(data_dir.join("journals")) else { return BTreeMap::new() };
    folder.map(|entry| entry.unwrap().path()).map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// How long calls may go on after the service was told to stop.
const DRAIN: Duration = Duration::from_secs(30);

/// What the carrier signs with.
pub fn auth_token(config: &Config) -> &str {
    config.twilio.auth_token.as_ref().unwrap().expose_secret()
}

/// Whose calls every service takes.
pub const ACCOUNT: &str = "AC00112233445566778899aabbccddeeff";

fn config(data_dir: &Path) -> Config {
    let mut config = Config::default();
    config.data_dir = data_dir.to_owned();
    config.http.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    config.http.public_url = Some(PUBLIC_URL.parse().unwrap());
    config.http.drain_ms = DRAIN.as_millis() as u32;
    config.http.workers = 2;
    config.twilio.account_sid = Some(ACCOUNT.parse().unwrap());
    config.twilio.auth_token = Some(fresh_sid("").into());
    // Nobody answers there: no test must ever reach the real one.
    config.twilio.api_url = "http://127.0.0.1:9".parse().unwrap();
    // On a machine that builds something else meanwhile a disk may stall for longer than a caller may wait. That has tests
    // of its own; here the database is there.
    config.database.patience_ms = 10_000;
    // The same machine is late now and then; that has a test of its own, too.
    config.media.max_lateness_ms = 0;
    config.local.speech = LocalSpeech::Clips;
    config.recording.policy = RecordingPolicy::Own;
    config.journal.enabled = true;
    config
}

/// Waits until it is so.
pub async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = clock::now() + PATIENCE;
    while !is_so() {
        assert!(clock::now() < deadline, "waited in vain until {what}");
        tokio::time::sleep(ms(10)).await;
    }
}

/// What the service wrote down of one call.
#[derive(Debug)]
pub struct Facts {
    pub row: Option<CallRow>,
    pub history: Vec<StatusChange>,
    pub turns: Vec<Turn>,
    pub events: Vec<CallEventRecord>,
    pub end: Option<CallEnd>,
    pub journal: Option<String>,
    pub recording: PathBuf,
    pub message: PathBuf,
}

impl Facts {
    pub fn status(&self) -> &'static str {
        self.row.as_ref().map_or("", |row| row.status.as_str())
    }

    pub fn cause(&self) -> HangupCause {
        self.end.as_ref().expect("the call has ended").cause
    }

    pub fn farewell(&self) -> &Farewell {
        &self.end.as_ref().expect("the call has ended").farewell
    }

    pub fn stats(&self) -> &CallStats {
        &self.end.as_ref().expect("the call has ended").stats
    }

    pub fn agent_turns(&self) -> Vec<&Turn> {
        self.turns.iter().filter(|turn| turn.speaker == Speaker::Agent).collect()
    }

    /// The words of both sides, `agent: …` or `caller: …`; where the agent was cut short, `agent cut: …` with all
    /// that it meant to say.
    pub fn conversation(&self) -> Vec<String> {
        let line = |turn: &Turn| {
            let cut = if turn.interrupted { " cut" } else { "" };
            format!("{}{cut}: {}", turn.speaker.as_str(), turn.text)
        };
        self.turns.iter().map(line).collect()
    }

    /// How often this happened on the timeline.
    pub fn count(&self, what: &str) -> usize {
        self.events.iter().filter(|event| event.what == what).count()
    }

    /// The outputs of the journal that begin so, each with its time on the call's clock in microseconds.
    pub fn outputs(&self, begin: &str) -> Vec<(u64, String)> {
        let journal = self.journal.as_deref().expect("every call has a journal");
        let output = |line: &str| {
            let (time, output) = line.split_once(" > ")?;
            output.starts_with(begin).then(|| (time.parse().unwrap(), output.to_owned()))
        };
        journal.lines().filter_map(output).collect()
    }

    /// What must be so at the end of every call, however it ended.
    pub fn assert_whole(&self) {
        assert_eq!(self.status(), "completed", "{:?}", self.history);
        let stats = self.stats();
        assert_eq!(stats.caller_frames, stats.forwarded_frames + stats.dropped_frames);
        assert_eq!(stats.turns as usize, self.turns.len(), "as many turns are stored as the call counted");
        for (turn, number) in self.turns.iter().zip(1..) {
            assert_eq!(turn.number, number);
            assert!(turn.started_ms <= turn.ended_ms, "{turn:?}");
            assert!(turn.text.starts_with(&turn.heard_text), "what was heard was said: {turn:?}");
        }
        assert_eq!(self.count("ended"), 1);
        assert_eq!(self.outputs("EndCall").len(), 1);
        assert!(self.count("barge_in") == stats.barge_ins as usize);
    }
}
