//! One connection: a strict vendor.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use super::check;
use super::script::{Command, ErrorScript, SessionScript};
use super::sound::Ears;
use super::{EPOCH, Log};

mod hearing;
mod items;
mod plan;
mod responses;
mod settings;

use items::{Call, Item};
use responses::Active;

/// One connection and everything that it knows.
pub struct Session<S> {
    socket: WebSocketStream<S>,
    script: SessionScript,
    log: Log,
    commands: mpsc::UnboundedReceiver<Command>,
    settings: Value,
    updates: usize,
    is_confirmed: bool,
    items: HashMap<String, Item>,
    order: Vec<String>,
    calls: HashMap<String, Call>,
    active: Option<Active>,
    ended: HashSet<String>,
    cancelled: HashSet<String>,
    ears: Ears,
    utterance: Option<String>,
    has_spoken: bool,
    ends: Option<Instant>,
    is_stalled: bool,
    is_over: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    pub fn new(
        socket: WebSocketStream<S>,
        script: SessionScript,
        log: Log,
        commands: mpsc::UnboundedReceiver<Command>,
        model: &str,
    ) -> Self {
        let lifetime = script.lifetime.unwrap_or(Duration::from_secs(3_600));
        let settings = json!({
            "type": "realtime", "object": "realtime.session", "id": log.id("sess"), "model": model,
            "output_modalities": ["audio"], "instructions": "Be friendly.", "tools": [], "tool_choice": "auto",
            "max_output_tokens": "inf", "tracing": null, "truncation": "auto", "prompt": null, "include": null,
            "expires_at": EPOCH + lifetime.as_secs() as i64,
            "audio": {
                "input": {
                    "format": { "type": "audio/pcm", "rate": 24_000 }, "transcription": null, "noise_reduction": null,
                    "turn_detection": {
                        "type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 200,
                        "idle_timeout_ms": null, "create_response": true, "interrupt_response": true,
                    },
                },
                "output": { "format": { "type": "audio/pcm", "rate": 24_000 }, "voice": "alloy", "speed": 1.0 },
            },
        });
        Self {
            socket,
            ends: script.lifetime.map(|lifetime| Instant::now() + lifetime),
            script,
            log,
            commands,
            settings,
            updates: 0,
            is_confirmed: false,
            items: HashMap::new(),
            order: Vec::new(),
            calls: HashMap::new(),
            active: None,
            ended: HashSet::new(),
            cancelled: HashSet::new(),
            ears: Ears::default(),
            utterance: None,
            has_spoken: false,
            is_stalled: false,
            is_over: false,
        }
    }

    pub async fn run(mut self) {
        if self.script.mute {
            self.is_stalled = true;
        } else if let Some((error, code)) = self.script.refuse_session.clone() {
            self.error(&error, Value::Null).await;
            self.close(code, "").await;
        } else {
            tokio::time::sleep(self.script.created_after).await;
            self.say(json!({ "type": "session.created", "session": self.settings })).await;
        }
        while !self.is_over {
            let due =
                self.active.as_ref().filter(|active| !active.is_held && !self.is_stalled).map(|active| active.due);
            let ends = self.ends;
            tokio::select! {
                message = self.socket.next() => match message {
                    Some(Ok(Message::Text(text))) => self.hear(&text).await,
                    Some(Ok(Message::Close(_))) | None => { self.log.closed_by_client(); break; }
                    Some(Ok(Message::Binary(_))) => self.complain("a binary message"),
                    Some(Ok(Message::Ping(_))) => self.log.pinged(),
                    Some(Ok(_)) => {}
                    Some(Err(_)) => { self.log.dropped_by_client(); break; }
                },
                Some(command) = self.commands.recv() => self.obey(command).await,
                () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => self.step().await,
                () = tokio::time::sleep_until(ends.unwrap_or_else(Instant::now)), if ends.is_some() => {
                    self.error(&ErrorScript::new("invalid_request_error", "session_expired"), Value::Null).await;
                    self.close(1001, "Your session hit the maximum duration.").await;
                }
            }
        }
        self.log.over();
    }

    async fn obey(&mut self, command: Command) {
        match command {
            Command::SpeechStarted => self.speech_started(self.ears.heard_ms()).await,
            Command::SpeechStopped => self.speech_stopped(self.ears.heard_ms()).await,
            Command::Say(event) => self.say(event).await,
            Command::GoOn => {
                if let Some(active) = &mut self.active {
                    active.is_held = false;
                }
            }
            Command::Close(code, reason) => self.close(code, reason).await,
            Command::Drop => self.is_over = true,
            Command::Freeze => std::future::pending().await,
        }
    }

    fn complain(&mut self, what: impl Into<String>) {
        self.log.complain(what.into());
    }

    async fn hear(&mut self, text: &str) {
        let Ok(event) = serde_json::from_str::<Value>(text) else { return self.complain("a message that is not JSON") };
        self.log.heard(&event);
        if let Some(complaint) = check::complaint(&event) {
            self.complain(complaint);
            return self
                .error(&ErrorScript::new("invalid_request_error", "invalid_value"), event["event_id"].clone())
                .await;
        }
        if self.is_stalled {
            return;
        }
        let kind = event["type"].as_str().unwrap_or_default().to_owned();
        if !self.is_confirmed && kind != "session.update" {
            self.complain(format!("{kind} before the settings were confirmed"));
        }
        match kind.as_str() {
            "session.update" => self.update(&event).await,
            "input_audio_buffer.append" => self.append(&event).await,
            "conversation.item.create" => self.create_item(&event).await,
            "conversation.item.truncate" => self.truncate(&event).await,
            "conversation.item.delete" => self.delete(&event).await,
            "response.create" => self.create_response(&event).await,
            _ => self.cancel(&event).await,
        }
    }

    fn says_ulaw(&self) -> bool {
        self.settings["audio"]["output"]["format"]["type"] == "audio/pcmu" && !self.script.lies
    }

    async fn error(&mut self, error: &ErrorScript, cause: Value) {
        let error = json!({ "type": error.kind, "code": error.code, "message": "The fake says no.", "param": null,
            "event_id": cause });
        self.say(json!({ "type": "error", "error": error })).await;
    }

    async fn say(&mut self, mut event: Value) {
        if event.get("event_id").is_none() {
            event["event_id"] = json!(self.log.id("event"));
        }
        self.log.said(&event);
        let text = event.to_string();
        if self.socket.send(Message::text(text)).await.is_err() {
            self.is_over = true;
        }
    }

    async fn close(&mut self, code: u16, reason: &str) {
        let frame = CloseFrame { code: code.into(), reason: reason.to_owned().into() };
        // The client may have closed first.
        self.socket.close(Some(frame)).await.ok();
        self.is_over = true;
    }
}
