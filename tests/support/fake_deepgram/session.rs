//! One connection: a strict vendor.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::check;
use super::{Answer, Log, OnSettings, Then};
use crate::fake_openai::{Ears, Edge, tone};

/// The vendor ends a session that hears nothing for this long.
const SILENCE_LIMIT: Duration = Duration::from_secs(10);
/// How much sound stands in one message, and how far apart they are: three times as fast as real time.
const PIECE: Duration = Duration::from_millis(100);
const APART: Duration = Duration::from_millis(33);
/// How long the caller must be quiet.
const END_OF_TURN_MS: u64 = 300;
/// For each letter.
const LETTER: Duration = Duration::from_millis(65);

/// What is still to be said.
enum Part {
    Text(Value),
    Sound(Vec<u8>),
    Then(Then),
}

pub(super) struct Session {
    socket: WebSocketStream<TcpStream>,
    log: Log,
    /// Samples a second, once the settings are applied.
    rate: Option<u32>,
    ears: Ears,
    parts: VecDeque<Part>,
    due: Instant,
    /// Functions that wait for the client's answer: names by ids.
    calls: HashMap<String, String>,
    last_heard: Instant,
    is_stalled: bool,
    is_over: bool,
}

impl Session {
    pub(super) fn new(socket: WebSocketStream<TcpStream>, log: Log) -> Self {
        let now = Instant::now();
        Self {
            socket,
            log,
            rate: None,
            ears: Ears::default(),
            parts: VecDeque::new(),
            due: now,
            calls: HashMap::new(),
            last_heard: now,
            is_stalled: false,
            is_over: false,
        }
    }

    pub(super) async fn run(mut self) {
        self.say(json!({ "type": "Welcome", "request_id": "5f0c3f5e" })).await;
        while !self.is_over {
            let speaks = !self.parts.is_empty() && !self.is_stalled;
            tokio::select! {
                message = self.socket.next() => match message {
                    Some(Ok(Message::Text(text))) => self.hear(&text).await,
                    Some(Ok(Message::Binary(bytes))) => self.hear_audio(&bytes).await,
                    Some(Ok(Message::Close(_))) => {
                        self.log.with(|log| log.was_closed = true);
                        break;
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => break,
                },
                () = sleep_until(self.due), if speaks => self.speak().await,
                () = sleep_until(self.last_heard + SILENCE_LIMIT) => {
                    self.log.complain("nothing was heard for 10 s");
                    self.fail("CLIENT_MESSAGE_TIMEOUT").await;
                }
            }
        }
        self.log.with(|log| log.is_over = true);
    }

    async fn hear(&mut self, text: &str) {
        self.last_heard = Instant::now();
        let Ok(message) = serde_json::from_str::<Value>(text) else {
            return self.log.complain("a message that is not JSON");
        };
        self.log.with(|log| log.heard.push(message.clone()));
        if let Some(complaint) = check::complaint(&message) {
            self.log.complain(complaint);
            return self.fail("UNPARSABLE_CLIENT_MESSAGE").await;
        }
        if self.is_stalled {
            return;
        }
        match (message["type"].as_str().unwrap_or_default(), self.rate) {
            ("Settings", None) => self.settings(&message).await,
            ("Settings", Some(_)) => self.log.complain("settings once more"),
            (kind, None) => self.log.complain(format!("{kind} before the settings were applied")),
            ("InjectAgentMessage", _) => {
                let words = message["message"].as_str().unwrap_or_default();
                self.plan(Answer::saying(words, 200.0));
            }
            ("InjectUserMessage", _) => {
                self.say(json!({ "type": "ConversationText", "role": "user", "content": message["content"] })).await;
                self.answer();
            }
            ("FunctionCallResponse", _) => {
                let id = message["id"].as_str().unwrap_or_default();
                match self.calls.remove(id) {
                    Some(name) if message["name"] == name.as_str() => {}
                    other => self.log.complain(format!("an answer to {id}, which is {other:?}")),
                }
                if self.calls.is_empty() && message["content"].as_str().is_some_and(|content| content.contains("false"))
                {
                    self.answer(); // the model reads what went wrong, and goes on
                }
            }
            _ => {}
        }
    }

    async fn settings(&mut self, message: &Value) {
        match self.log.next_settings() {
            OnSettings::Apply => {
                self.rate = message["audio"]["input"]["sample_rate"].as_u64().and_then(|rate| u32::try_from(rate).ok());
                self.say(json!({ "type": "SettingsApplied" })).await;
            }
            OnSettings::Refuse(code) => self.fail(code).await,
            OnSettings::Ignore => self.is_stalled = true,
        }
    }

    async fn hear_audio(&mut self, bytes: &[u8]) {
        self.last_heard = Instant::now();
        let Some(rate) = self.rate else { return self.log.complain("sound before the settings were applied") };
        let frame = rate as usize / 50;
        if bytes.len() != frame * 2 {
            self.log.complain(format!("{} bytes of sound", bytes.len()));
        }
        let samples: Vec<i16> = bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
        self.log.with(|log| log.samples += samples.len() as u64);
        if self.is_stalled {
            return;
        }
        for edge in self.ears.hear(&samples, frame, END_OF_TURN_MS) {
            match edge {
                Edge::Started { .. } => {
                    self.parts.clear();
                    self.say(json!({ "type": "UserStartedSpeaking" })).await;
                }
                Edge::Stopped { .. } => {
                    let words = self.log.next_transcript();
                    self.say(json!({ "type": "ConversationText", "role": "user", "content": words })).await;
                    self.say(json!({ "type": "AgentThinking", "content": "" })).await;
                    self.answer();
                }
            }
        }
    }

    fn answer(&mut self) {
        let answer = self.log.next_answer();
        self.plan(answer);
    }

    /// What an answer says, in the vendor's order: functions, words, sound, its end.
    fn plan(&mut self, answer: Answer) {
        let rate = self.rate.expect("the settings were applied");
        self.due = Instant::now();
        if !answer.functions.is_empty() {
            let mut functions = Vec::new();
            for (name, arguments) in answer.functions {
                let id = self.log.next_id();
                functions.push(json!({ "id": id, "name": name, "arguments": arguments, "client_side": true }));
                self.calls.insert(id, name);
            }
            self.parts.push_back(Part::Text(json!({ "type": "FunctionCallRequest", "functions": functions })));
        }
        let mut pieces = 0;
        for (text, pitch) in &answer.texts {
            self.parts
                .push_back(Part::Text(json!({ "type": "ConversationText", "role": "assistant", "content": text })));
            let length = LETTER * text.chars().count() as u32;
            let samples: Vec<i16> = tone(*pitch, length, rate).collect();
            for piece in samples.chunks((PIECE.as_secs_f64() * f64::from(rate)) as usize) {
                if let Some((_, then)) = answer.then.filter(|(after, _)| *after == pieces) {
                    self.parts.push_back(Part::Then(then));
                }
                pieces += 1;
                self.parts.push_back(Part::Sound(piece.iter().flat_map(|sample| sample.to_le_bytes()).collect()));
            }
        }
        if !answer.texts.is_empty() {
            self.parts.push_back(Part::Text(json!({ "type": "AgentAudioDone" })));
        }
    }

    async fn speak(&mut self) {
        match self.parts.pop_front() {
            Some(Part::Text(message)) => self.say(message).await,
            Some(Part::Sound(bytes)) => {
                self.due = Instant::now() + APART;
                self.send(Message::binary(bytes)).await;
            }
            Some(Part::Then(Then::Stall)) => self.is_stalled = true,
            Some(Part::Then(Then::Drop)) => self.is_over = true,
            Some(Part::Then(Then::Fail(code))) => self.fail(code).await,
            None => {}
        }
    }

    async fn fail(&mut self, code: &str) {
        self.say(json!({ "type": "Error", "description": "The fake says no.", "code": code })).await;
        // The client may have closed first.
        self.socket.close(None).await.ok();
        self.is_over = true;
    }

    async fn say(&mut self, message: Value) {
        self.log.with(|log| log.said.push(message.clone()));
        self.send(Message::text(message.to_string())).await;
    }

    async fn send(&mut self, message: Message) {
        if self.socket.send(message).await.is_err() {
            self.is_over = true;
        }
    }
}
