//! A receptionist in a few lines: greets, answers, lets itself be interrupted, and keeps a record. It stands
//! in for the whole service, so that the demo can be shown good and bad servers.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::tone;
use crate::cli::demo::server::{CallFacts, DemoServer};
use crate::cli::demo::twilio::tests::stand_in::{Received, StandIn, TOKEN, Talker};
use crate::cli::demo::twilio::ulaw::{self, FRAME_BYTES};
use crate::engine::call::{CallStats, HangupCause, Speaker, Turn};

pub fn token() -> String {
    TOKEN.to_owned()
}

/// What this server does wrong.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manner {
    pub goes_on: bool,
    pub swaps_channels: bool,
    pub invents_a_turn: bool,
}

pub struct Receptionist {
    address: SocketAddr,
    facts: Arc<Mutex<CallFacts>>,
    stop: tokio::sync::oneshot::Sender<()>,
    thread: JoinHandle<()>,
    _folder: tempfile::TempDir,
}

impl Receptionist {
    pub fn start(manner: Manner) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let wav = folder.path().join("call.wav");
        let facts: Arc<Mutex<CallFacts>> = Arc::default();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel();
        let (kept, status) = (Arc::clone(&facts), Arc::clone(&facts));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let server = StandIn::start(
                    move |request| answer(request, &status),
                    move |talker| Conversation::new(talker, manner).run(wav.clone(), Arc::clone(&kept)),
                )
                .await;
                tell.send(server.address).unwrap();
                stopped.await.ok();
            });
        });
        Self { address: told.recv().unwrap(), facts, stop, thread, _folder: folder }
    }
}

impl DemoServer for Receptionist {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn facts(&self, _: &str) -> Result<CallFacts> {
        Ok(self.facts.lock().unwrap().clone())
    }

    fn stop(self: Box<Self>) {
        self.stop.send(()).unwrap();
        self.thread.join().unwrap();
    }
}

fn answer(request: &Received, facts: &Mutex<CallFacts>) -> (u16, &'static str, String) {
    if request.target == "/twilio/status" {
        let mut facts = facts.lock().unwrap();
        facts.status = request.field("CallStatus").to_owned();
        facts.duration_s = request.field("CallDuration").parse().unwrap();
    }
    let host = &request.headers["host"];
    let twiml = format!("<Response><Connect><Stream url='wss://{host}/twilio/media'/></Connect></Response>");
    (200, "text/xml", twiml)
}

/// One call. Everything happens on the arrival of the caller's frames, every 20 ms.
struct Conversation {
    talker: Talker,
    manner: Manner,
    now_ms: u32,
    /// What is still to be said, in frames.
    to_say: VecDeque<Vec<u8>>,
    responses: u32,
    began_ms: u32,
    /// Frames in a row that were loud, and since then, that were quiet.
    loud: u32,
    quiet: u32,
    caller_began_ms: Option<u32>,
    turns: Vec<Turn>,
    left: Vec<i16>,
    right: Vec<i16>,
}

impl Conversation {
    fn new(talker: Talker, manner: Manner) -> Self {
        Self {
            talker,
            manner,
            now_ms: 0,
            to_say: VecDeque::new(),
            responses: 0,
            began_ms: 0,
            loud: 0,
            quiet: 0,
            caller_began_ms: None,
            turns: Vec::new(),
            left: Vec::new(),
            right: Vec::new(),
        }
    }

    async fn run(mut self, wav: PathBuf, facts: Arc<Mutex<CallFacts>>) {
        self.talker.started().await;
        self.respond(600);
        while let Some(message) = self.talker.next().await {
            if let Some(payload) = message["media"]["payload"].as_str() {
                self.hear(&STANDARD.decode(payload).unwrap()).await;
                self.speak().await;
                self.now_ms += 20;
            }
        }
        self.write(&wav);
        if self.manner.invents_a_turn {
            self.store(Speaker::Agent, self.now_ms + 5_000, false);
        }
        let stats = CallStats { barge_in_slowest: Some(Duration::from_millis(5)), ..CallStats::default() };
        let mut facts = facts.lock().unwrap();
        (facts.turns, facts.recording) = (self.turns, Some(wav));
        facts.end = Some((HangupCause::CallerHungUp, stats));
    }

    fn respond(&mut self, millis: usize) {
        self.responses += 1;
        self.began_ms = self.now_ms;
        self.to_say = tone(millis).chunks(FRAME_BYTES).map(<[u8]>::to_vec).collect();
    }

    async fn hear(&mut self, frame: &[u8]) {
        self.left.extend(frame.iter().map(|code| ulaw::decode(*code)));
        let is_loud = ulaw::level(frame) > 500.0;
        (self.loud, self.quiet) = if is_loud { (self.loud + 1, 0) } else { (self.loud, self.quiet + 1) };
        if is_loud {
            self.caller_began_ms.get_or_insert(self.now_ms);
        }
        if self.loud == 8 && !self.to_say.is_empty() {
            self.talker.clear().await;
            self.store(Speaker::Agent, self.began_ms, true);
            self.to_say.truncate(if self.manner.goes_on { 5 } else { 0 });
        }
        if self.quiet == 10
            && let Some(began) = self.caller_began_ms.take()
        {
            self.loud = 0;
            self.store(Speaker::Caller, began, false);
            self.respond(1_500);
        }
    }

    async fn speak(&mut self) {
        let Some(frame) = self.to_say.pop_front() else {
            self.right.extend([0; FRAME_BYTES]);
            return;
        };
        self.right.extend(frame.iter().map(|code| ulaw::decode(*code)));
        self.talker.play(&frame).await;
        let position = self.now_ms + 20 - self.began_ms;
        self.talker.mark(&format!("r{}:{position}", self.responses)).await;
        if self.to_say.is_empty() && self.loud < 8 {
            self.store(Speaker::Agent, self.began_ms, false);
        }
    }

    fn store(&mut self, speaker: Speaker, started_ms: u32, interrupted: bool) {
        let text = if speaker == Speaker::Agent { "one two three" } else { "" };
        let heard_text = if interrupted { "one two" } else { text };
        self.turns.push(Turn {
            number: self.turns.len() as u32 + 1,
            speaker,
            text: text.to_owned(),
            heard_text: heard_text.to_owned(),
            confidence: None,
            started_ms,
            ended_ms: self.now_ms.max(started_ms) + 20,
            interrupted,
        });
    }

    fn write(&self, path: &PathBuf) {
        let spec = hound::WavSpec {
            channels: 2,
            sample_rate: 8_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(path, spec).unwrap();
        for (left, right) in self.left.iter().zip(&self.right) {
            let (first, second) = if self.manner.swaps_channels { (right, left) } else { (left, right) };
            writer.write_sample(*first).unwrap();
            writer.write_sample(*second).unwrap();
        }
        writer.finalize().unwrap();
    }
}
