//! A fake Deepgram: the Voice Agent on a port of its own, strict and scripted.
//!
//! It shares no code with the client. What a client says wrongly, or at the wrong time, is a *complaint*; a test ends
//! with [`FakeDeepgram::assert_content`]. It has ears: who speaks is told so, understood and answered, as by the vendor.
#![allow(dead_code, reason = "each test uses its own part of it")]

mod check;
mod session;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};

/// The key that it takes.
pub const KEY: &str = "dg-test";
/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// Everything that the fake will do.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// What each `Settings` brings, in order, over all sessions; after the last one they are applied.
    pub settings: Vec<OnSettings>,
    /// What each utterance of the caller, and each text in its name, is answered with, in order; the last is repeated.
    pub answers: Vec<Answer>,
    /// What each utterance of the caller is understood as, in order; the last one is repeated.
    pub transcripts: Vec<String>,
}

/// What a `Settings` brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnSettings {
    Apply,
    /// An error with this code, and the end of the connection.
    Refuse(&'static str),
    /// Nothing.
    Ignore,
}

/// What the agent says and does.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Each text with the pitch of its sound, which lasts 65 ms for each letter.
    pub texts: Vec<(String, f64)>,
    /// Functions that it calls: name and arguments. Told as the vendor does, before the sound of the texts.
    pub functions: Vec<(String, String)>,
    /// What happens after this many pieces of sound, each of 100 ms.
    pub then: Option<(usize, Then)>,
}

/// What happens within an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// The vendor says nothing more, to anything.
    Stall,
    /// The connection is cut, without a close frame.
    Drop,
    /// An error with this code, and a close.
    Fail(&'static str),
}

impl Answer {
    /// These words.
    pub fn saying(text: &str, pitch: f64) -> Self {
        Self { texts: vec![(text.to_owned(), pitch)], ..Self::default() }
    }

    /// The same, and a function.
    pub fn calling(mut self, name: &str, arguments: &str) -> Self {
        self.functions.push((name.to_owned(), arguments.to_owned()));
        self
    }

    /// The same, except that after `pieces` of sound this happens.
    pub fn then(self, pieces: usize, then: Then) -> Self {
        Self { then: Some((pieces, then)), ..self }
    }
}

/// What one connection said and heard.
#[derive(Clone, Debug, Default)]
pub struct SessionLog {
    /// The client's messages, without audio.
    pub heard: Vec<Value>,
    /// The fake's messages, without audio.
    pub said: Vec<Value>,
    /// How many samples of the client's audio came.
    pub samples: u64,
    /// Whether the client closed the connection properly.
    pub was_closed: bool,
    /// Whether the connection is over.
    pub is_over: bool,
}

impl SessionLog {
    /// The client's messages of a type.
    pub fn heard_of(&self, kind: &str) -> Vec<&Value> {
        self.heard.iter().filter(|message| message["type"] == kind).collect()
    }
}

/// A fake Deepgram. It stops when it is dropped.
pub struct FakeDeepgram {
    /// Where it listens.
    pub url: String,
    world: Arc<World>,
    listener: tokio::task::JoinHandle<()>,
}

struct World {
    began: Instant,
    script: Script,
    state: Mutex<State>,
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    sessions: Vec<SessionLog>,
    complaints: Vec<String>,
    settings: usize,
    answers: usize,
    transcripts: usize,
    ids: usize,
}

impl World {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while holding it")
    }

    fn tell(&self) {
        self.changed.send_modify(|count| *count += 1);
    }
}

/// The `number`th of a list of which the last is repeated.
fn nth<T: Clone + Default>(list: &[T], number: usize) -> T {
    list.get(number).or(list.last()).cloned().unwrap_or_default()
}

impl FakeDeepgram {
    /// Listens on a free port of 127.0.0.1.
    pub async fn start(script: Script) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let changed = watch::channel(0).0;
        let world = Arc::new(World { began: Instant::now(), script, state: Mutex::default(), changed });
        let serving = Arc::clone(&world);
        let listener = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&serving)));
            }
        });
        Self { url: format!("ws://{address}/v1/agent/converse"), world, listener }
    }

    /// Fails if the client did anything wrong.
    pub fn assert_content(&self) {
        assert_eq!(self.world.state().complaints, Vec::<String>::new());
    }

    /// Everything said and heard, per connection.
    pub fn sessions(&self) -> Vec<SessionLog> {
        self.world.state().sessions.clone()
    }

    /// Waits until the logs are so.
    pub async fn until(&self, what: &str, is_so: impl Fn(&[SessionLog]) -> bool) {
        let mut changed = self.world.changed.subscribe();
        let waiting = async {
            while !is_so(&self.world.state().sessions) {
                changed.changed().await.expect("the world lives as long as the fake");
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, waiting).await;
        assert!(in_time.is_ok(), "never came: {what}; complaints: {:?}", self.world.state().complaints);
    }
}

impl Drop for FakeDeepgram {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

async fn serve(stream: TcpStream, world: Arc<World>) {
    let mut wrong = Vec::new();
    #[allow(clippy::result_large_err, reason = "the library's own type")]
    let upgrade = |request: &Request, response: Response| {
        if request.uri().path() != "/v1/agent/converse" || request.uri().query().is_some() {
            wrong.push(format!("the address is {}", request.uri()));
        }
        let key = request.headers().get("authorization").and_then(|key| key.to_str().ok());
        match key.and_then(|key| key.strip_prefix("Token ")) {
            Some(KEY) => Ok(response),
            Some(_) => Err(refused(401)),
            None => {
                wrong.push(format!("the key is presented as {key:?}"));
                Err(refused(401))
            }
        }
    };
    let socket = accept_hdr_async(stream, upgrade).await;
    world.state().complaints.append(&mut wrong);
    let Ok(socket) = socket else { return };
    let number = {
        let mut state = world.state();
        state.sessions.push(SessionLog::default());
        state.sessions.len() - 1
    };
    world.tell();
    session::Session::new(socket, Log { world, number }).run().await;
}

fn refused(status: u16) -> ErrorResponse {
    let mut refused = ErrorResponse::new(None);
    *refused.status_mut() = status.try_into().expect("a status");
    refused
}

/// Where a session writes down what happens, and reads what it is to do.
struct Log {
    world: Arc<World>,
    number: usize,
}

impl Log {
    fn with(&self, change: impl FnOnce(&mut SessionLog)) {
        change(&mut self.world.state().sessions[self.number]);
        self.world.tell();
    }

    fn complain(&self, what: impl std::fmt::Display) {
        self.world.state().complaints.push(format!("session {}: {what}", self.number));
        self.world.tell();
    }

    fn next_settings(&self) -> OnSettings {
        let mut state = self.world.state();
        state.settings += 1;
        self.world.script.settings.get(state.settings - 1).copied().unwrap_or(OnSettings::Apply)
    }

    fn next_answer(&self) -> Answer {
        let mut state = self.world.state();
        state.answers += 1;
        nth(&self.world.script.answers, state.answers - 1)
    }

    fn next_transcript(&self) -> String {
        let mut state = self.world.state();
        state.transcripts += 1;
        nth(&self.world.script.transcripts, state.transcripts - 1)
    }

    fn next_id(&self) -> String {
        let mut state = self.world.state();
        state.ids += 1;
        format!("call_{:04}", state.ids)
    }
}
