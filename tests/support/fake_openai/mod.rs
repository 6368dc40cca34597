//! A fake OpenAI: the GA Realtime interface on a port of its own, strict and scripted.
//!
//! It shares no code with the client. What a client says wrongly, or at the wrong time, is a *complaint*; a
//! test ends with [`FakeOpenAi::assert_content`]. Everything said and heard is kept, so that it can be held
//! against the vendor's published models.
#![allow(dead_code, unused_imports, reason = "each test uses its own part of it")]

mod check;
mod script;
mod session;
mod sound;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;

pub use script::{Answer, Command, End, ErrorScript, Script, SessionScript, Then, Update};
pub use sound::{Ears, Edge, level, tone};

/// What the fake's clock shows when a connection opens: 2026-01-01, in seconds since 1970.
const EPOCH: i64 = 1_767_225_600;
const EPOCH_DATE: &str = "Thu, 01 Jan 2026 00:00:00 GMT";
/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// A fake OpenAI. It stops when it is dropped.
pub struct FakeOpenAi {
    /// Where it listens: `ws://127.0.0.1:<port>/v1/realtime`, or `wss://localhost:…`.
    pub url: String,
    /// Its certificate, where it speaks TLS.
    pub certificate: Option<CertificateDer<'static>>,
    world: Arc<World>,
    listener: tokio::task::JoinHandle<()>,
}

/// What one connection said and heard.
#[derive(Clone, Debug, Default)]
pub struct SessionLog {
    /// The client's messages, with the time since the fake started. The audio of `append` is left out.
    pub heard: Vec<(Duration, Value)>,
    /// The fake's messages, likewise; the audio of deltas is left out.
    pub said: Vec<(Duration, Value)>,
    /// The client's audio, decoded.
    pub audio: Vec<i16>,
    /// How many samples of audio there were, kept or not.
    pub samples: u64,
    /// How often the client asked for a sign of life.
    pub pings: u64,
    /// Whether the audio was µ-law at the end.
    pub was_ulaw: bool,
    /// How the client went: `close` or `drop`; `None` while it is there, or if the fake went first.
    pub left: Option<&'static str>,
    /// When the connection was over.
    pub over: Option<Duration>,
}

impl SessionLog {
    /// The client's messages of a type.
    pub fn heard_of(&self, kind: &str) -> Vec<&Value> {
        self.heard.iter().map(|(_, event)| event).filter(|event| event["type"] == kind).collect()
    }

    /// The fake's messages of a type.
    pub fn said_of(&self, kind: &str) -> Vec<&Value> {
        self.said.iter().map(|(_, event)| event).filter(|event| event["type"] == kind).collect()
    }
}

struct World {
    began: Instant,
    script: Script,
    state: Mutex<State>,
    ids: AtomicU64,
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    complaints: Vec<String>,
    sessions: Vec<SessionLog>,
    commands: Vec<mpsc::UnboundedSender<Command>>,
    connections: usize,
    answers: usize,
    transcripts: usize,
}

impl World {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while holding it")
    }
}

impl FakeOpenAi {
    /// Listens without TLS on a free port of 127.0.0.1.
    pub async fn start(script: Script) -> Self {
        Self::listen(script, None).await
    }

    /// Listens with TLS, as `localhost`, with a certificate of its own.
    pub async fn start_tls(script: Script) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate can be made");
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        Self::listen(script, Some((made.cert.der().clone(), key))).await
    }

    async fn listen(script: Script, tls: Option<(CertificateDer<'static>, PrivateKeyDer<'static>)>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let certificate = tls.as_ref().map(|(certificate, _)| certificate.clone());
        let acceptor = tls.map(|(certificate, key)| {
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let config = ServerConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .expect("ring has them")
                .with_no_client_auth()
                .with_single_cert(vec![certificate], key)
                .expect("key and certificate were made together");
            TlsAcceptor::from(Arc::new(config))
        });
        let url = match &acceptor {
            Some(_) => format!("wss://localhost:{port}/v1/realtime"),
            None => format!("ws://127.0.0.1:{port}/v1/realtime"),
        };
        let world = Arc::new(World {
            began: Instant::now(),
            script,
            state: Mutex::default(),
            ids: AtomicU64::new(1),
            changed: watch::channel(0).0,
        });
        let listener = tokio::spawn(accept(listener, acceptor, Arc::clone(&world)));
        Self { url, certificate, world, listener }
    }

    /// Time since it started, as in its logs.
    pub fn now(&self) -> Duration {
        self.world.began.elapsed()
    }

    /// What the client did wrong.
    pub fn complaints(&self) -> Vec<String> {
        self.world.state().complaints.clone()
    }

    /// Fails if the client did anything wrong.
    pub fn assert_content(&self) {
        assert_eq!(self.complaints(), Vec::<String>::new());
    }

    /// Everything said and heard, per connection.
    pub fn sessions(&self) -> Vec<SessionLog> {
        self.world.state().sessions.clone()
    }

    /// Makes the newest session do something.
    pub fn command(&self, command: Command) {
        let state = self.world.state();
        let newest = state.commands.last().expect("a session was opened");
        // A session that is over takes no commands; the test will see that in its log.
        newest.send(command).ok();
    }

    /// The same, for the `number`th session, counted from 0.
    pub fn command_to(&self, number: usize, command: Command) {
        self.world.state().commands[number].send(command).ok();
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
        assert!(in_time.is_ok(), "never came: {what}; complaints: {:?}", self.complaints());
    }

    /// Waits until the `session`th session was pinged so often.
    pub async fn until_pinged(&self, session: usize, count: u64) {
        let is_so = |sessions: &[SessionLog]| sessions.get(session).is_some_and(|log| log.pings >= count);
        self.until(&format!("{count} pings in session {session}"), is_so).await;
    }

    /// Waits until the `session`th session has heard `count` messages of a type.
    pub async fn until_heard(&self, session: usize, kind: &str, count: usize) {
        let is_so =
            |sessions: &[SessionLog]| sessions.get(session).is_some_and(|log| log.heard_of(kind).len() >= count);
        self.until(&format!("{count} × {kind} in session {session}"), is_so).await;
    }
}

impl Drop for FakeOpenAi {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

async fn accept(listener: TcpListener, acceptor: Option<TlsAcceptor>, world: Arc<World>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, world) = (acceptor.clone(), Arc::clone(&world));
        tokio::spawn(async move {
            match acceptor {
                // A client that does not trust us goes away; that is its right.
                Some(acceptor) => {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        serve(stream, world).await;
                    }
                }
                None => serve::<TcpStream>(stream, world).await,
            }
        });
    }
}

async fn serve<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(stream: S, world: Arc<World>) {
    let script = {
        let mut state = world.state();
        let number = state.connections;
        state.connections += 1;
        let sessions = &world.script.sessions;
        sessions.get(number).or(sessions.last()).cloned().unwrap_or_default()
    };
    let refusal = script.refuse_upgrade.clone();
    let mut model = String::new();
    let mut wrong = Vec::new();
    #[allow(clippy::result_large_err, reason = "the library's own type")]
    let upgrade = |request: &Request, mut response: Response| {
        if request.uri().path() != "/v1/realtime" {
            wrong.push(format!("the path is {}", request.uri().path()));
        }
        let query = url::form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes());
        for (name, value) in query {
            if name == "model" { model = value.into_owned() } else { wrong.push(format!("the query has {name}")) }
        }
        let key = request.headers().get("authorization").and_then(|key| key.to_str().ok()).unwrap_or_default();
        if key.strip_prefix("Bearer ").is_none_or(|key| key.trim().is_empty()) {
            wrong.push("no key".to_owned());
        }
        if request.headers().contains_key("openai-beta") {
            wrong.push("the beta interface is wanted".to_owned());
        }
        if let Some((status, body)) = refusal {
            let mut refused = ErrorResponse::new(Some(body));
            *refused.status_mut() = status.try_into().expect("the script names a status");
            return Err(refused);
        }
        response.headers_mut().insert("date", HeaderValue::from_static(EPOCH_DATE));
        Ok(response)
    };
    let socket = accept_hdr_async(stream, upgrade).await;
    if model.is_empty() {
        wrong.push("no model".to_owned());
    }
    world.state().complaints.append(&mut wrong);
    let Ok(socket) = socket else { return };
    let (sender, commands) = mpsc::unbounded_channel();
    let number = {
        let mut state = world.state();
        state.sessions.push(SessionLog::default());
        state.commands.push(sender);
        state.sessions.len() - 1
    };
    let log = Log { world, number };
    log.tell();
    session::Session::new(socket, script, log, commands, &model).run().await;
}

/// Where a session writes down what happens.
struct Log {
    world: Arc<World>,
    number: usize,
}

impl Log {
    fn with(&self, change: impl FnOnce(&mut SessionLog, Duration)) {
        change(&mut self.world.state().sessions[self.number], self.world.began.elapsed());
        self.tell();
    }

    fn tell(&self) {
        self.world.changed.send_modify(|count| *count += 1);
    }

    fn id(&self, kind: &str) -> String {
        format!("{kind}_{:06}", self.world.ids.fetch_add(1, Ordering::Relaxed))
    }

    fn heard(&self, event: &Value) {
        let event = without(event, "audio", "input_audio_buffer.append");
        self.with(|log, at| log.heard.push((at, event)));
    }

    fn said(&self, event: &Value) {
        let event = without(event, "delta", "response.output_audio.delta");
        self.with(|log, at| log.said.push((at, event)));
    }

    fn heard_audio(&self, samples: &[i16], is_ulaw: bool) {
        let keeps = self.world.script.keeps_audio;
        self.with(|log, _| {
            log.samples += samples.len() as u64;
            log.was_ulaw = is_ulaw;
            if keeps {
                log.audio.extend_from_slice(samples);
            }
        });
    }

    fn complain(&self, what: String) {
        self.world.state().complaints.push(format!("session {}: {what}", self.number));
        self.tell();
    }

    fn pinged(&self) {
        self.with(|log, _| log.pings += 1);
    }

    fn closed_by_client(&self) {
        self.with(|log, _| log.left = Some("close"));
    }

    fn dropped_by_client(&self) {
        self.with(|log, _| log.left = Some("drop"));
    }

    fn over(&self) {
        self.with(|log, at| log.over = Some(at));
    }

    fn listens(&self) -> bool {
        self.world.script.listens
    }

    fn next_answer(&self) -> Answer {
        let answers = &self.world.script.answers;
        let mut state = self.world.state();
        state.answers += 1;
        answers.get(state.answers - 1).or(answers.last()).cloned().unwrap_or_default()
    }

    fn next_transcript(&self) -> String {
        let transcripts = &self.world.script.transcripts;
        let mut state = self.world.state();
        state.transcripts += 1;
        transcripts.get(state.transcripts - 1).or(transcripts.last()).cloned().unwrap_or_default()
    }
}

/// The event, with `field` of messages of type `kind` emptied: it is sound, and there is much of it.
fn without(event: &Value, field: &str, kind: &str) -> Value {
    if event["type"] != kind {
        return event.clone();
    }
    let mut short = serde_json::Map::new();
    for (key, value) in event.as_object().into_iter().flatten() {
        let value = if key == field { Value::String(String::new()) } else { value.clone() };
        short.insert(key.clone(), value);
    }
    Value::Object(short)
}

/// The certificate as a file of roots.
pub fn pem(certificate: &CertificateDer<'_>) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(certificate);
    let lines: Vec<&str> = text.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}
