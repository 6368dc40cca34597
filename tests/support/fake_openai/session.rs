//! One connection: a strict vendor.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use super::check;
use super::script::{Answer, Command, End, ErrorScript, SessionScript, Then, Update};
use super::sound::{self, Ears, Edge};
use super::{EPOCH, Log};

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

struct Item {
    is_spoken: bool,
    response: Option<String>,
    bytes: u64,
}

struct Call {
    response: String,
    is_answered: bool,
}

/// The response that is generated.
struct Active {
    id: String,
    metadata: Value,
    steps: VecDeque<Step>,
    /// How many chunks come after a cancel.
    late: usize,
    is_held: bool,
    due: Instant,
    output: Vec<Value>,
}

impl Active {
    fn next_is_audio(&self) -> bool {
        matches!(self.steps.front(), Some(Step::Audio { .. }))
    }

    fn next_is_end(&self) -> bool {
        matches!(self.steps.front(), None | Some(Step::End(_)))
    }
}

enum Step {
    Say(Value),
    Audio { item: String, bytes: u64, event: Value },
    Wait(Duration),
    Then(Then),
    Item(Value),
    End(End),
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

    async fn update(&mut self, event: &Value) {
        let update = self.script.updates.get(self.updates).cloned().unwrap_or(Update::Accept);
        self.updates += 1;
        let voice = event["session"].pointer("/audio/output/voice");
        if self.has_spoken && voice.is_some_and(|voice| Some(voice) != self.settings.pointer("/audio/output/voice")) {
            self.complain("another voice after audio");
        }
        match update {
            Update::Refuse(error) => return self.error(&error, event["event_id"].clone()).await,
            Update::Ignore => return,
            Update::Accept | Update::EchoInstead(..) => {}
        }
        merge(&mut self.settings, &event["session"]);
        let mut echo = self.settings.clone();
        match update {
            Update::EchoInstead(pointer, value) => {
                *echo.pointer_mut(pointer).expect("the script names a field that is there") = value;
            }
            _ => self.is_confirmed = true,
        }
        self.say(json!({ "type": "session.updated", "session": echo })).await;
    }

    fn hears_ulaw(&self) -> bool {
        self.settings["audio"]["input"]["format"]["type"] == "audio/pcmu"
    }

    fn says_ulaw(&self) -> bool {
        self.settings["audio"]["output"]["format"]["type"] == "audio/pcmu" && !self.script.lies
    }

    async fn append(&mut self, event: &Value) {
        let Ok(bytes) = STANDARD.decode(event["audio"].as_str().unwrap_or_default()) else {
            return self.complain("audio that is not base64");
        };
        let is_ulaw = self.hears_ulaw();
        if bytes.is_empty() || (!is_ulaw && bytes.len() % 2 != 0) {
            self.complain(format!("{} bytes of audio", bytes.len()));
        }
        let samples = sound::samples(&bytes, is_ulaw);
        self.log.heard_audio(&samples, is_ulaw);
        if !self.log.listens() {
            return;
        }
        let silence_ms =
            self.settings["audio"]["input"]["turn_detection"]["silence_duration_ms"].as_u64().unwrap_or(500);
        for edge in self.ears.hear(&samples, is_ulaw, silence_ms) {
            match edge {
                Edge::Started { at_ms } => self.speech_started(at_ms).await,
                Edge::Stopped { at_ms } => self.speech_stopped(at_ms).await,
            }
        }
    }

    async fn speech_started(&mut self, at_ms: u64) {
        let item = self.log.id("item");
        self.utterance = Some(item.clone());
        self.say(json!({ "type": "input_audio_buffer.speech_started", "audio_start_ms": at_ms, "item_id": item }))
            .await;
        if self.settings["audio"]["input"]["turn_detection"]["interrupt_response"] == true && self.active.is_some() {
            self.end_response("cancelled", json!({ "type": "cancelled", "reason": "turn_detected" })).await;
        }
    }

    async fn speech_stopped(&mut self, at_ms: u64) {
        let Some(item) = self.utterance.take() else { return };
        let previous = self.order.last().cloned();
        self.say(json!({ "type": "input_audio_buffer.speech_stopped", "audio_end_ms": at_ms, "item_id": item })).await;
        self.say(json!({ "type": "input_audio_buffer.committed", "item_id": item, "previous_item_id": previous }))
            .await;
        let content = json!([{ "type": "input_audio", "transcript": null }]);
        let object = json!({ "id": item, "object": "realtime.item", "type": "message", "role": "user",
            "status": "completed", "content": content });
        self.say(json!({ "type": "conversation.item.added", "item": object, "previous_item_id": previous })).await;
        self.say(json!({ "type": "conversation.item.done", "item": object, "previous_item_id": previous })).await;
        self.keep(&item, Item { is_spoken: false, response: None, bytes: 0 });
        let creates = self.settings["audio"]["input"]["turn_detection"]["create_response"] == true;
        if creates && self.active.is_none() {
            self.begin_response(Value::Null).await;
        }
        let words = self.log.next_transcript();
        let delta = json!({ "type": "conversation.item.input_audio_transcription.delta", "item_id": item,
            "content_index": 0, "delta": words });
        self.say(delta).await;
        let wants_logprobs = self.settings["include"].as_array().is_some_and(|include| !include.is_empty());
        let logprobs = if wants_logprobs {
            json!([{ "token": "a", "bytes": [97], "logprob": -0.1 }, { "token": "b", "bytes": [98], "logprob": -0.3 }])
        } else {
            Value::Null
        };
        let usage = json!({ "type": "tokens", "input_tokens": 10, "output_tokens": 4, "total_tokens": 14,
            "input_token_details": { "audio_tokens": 10, "text_tokens": 0 } });
        self.say(json!({ "type": "conversation.item.input_audio_transcription.completed", "item_id": item,
            "content_index": 0, "transcript": words, "logprobs": logprobs, "usage": usage }))
            .await;
    }

    async fn create_item(&mut self, event: &Value) {
        let mut item = event["item"].clone();
        let previous = event["previous_item_id"].as_str().map(str::to_owned).or_else(|| self.order.last().cloned());
        if let Some(wanted) = event["previous_item_id"].as_str()
            && wanted != "root"
            && !self.items.contains_key(wanted)
        {
            self.complain(format!("no item {wanted} to stand behind"));
            return self.error(&ErrorScript::new("invalid_request_error", "item_not_found"), Value::Null).await;
        }
        if let Some(call_id) = item["call_id"].as_str().map(str::to_owned) {
            let complaint = match self.calls.get_mut(&call_id) {
                None => Some(format!("an output for the unknown tool call {call_id}")),
                Some(call) if !self.ended.contains(&call.response) => {
                    Some(format!("an output for {call_id} before its response was done"))
                }
                Some(call) => {
                    let again = std::mem::replace(&mut call.is_answered, true);
                    again.then(|| format!("a second output for {call_id}"))
                }
            };
            if let Some(complaint) = complaint {
                self.complain(complaint);
                return self
                    .error(&ErrorScript::new("invalid_request_error", "invalid_tool_call_id"), Value::Null)
                    .await;
            }
        }
        let id = item["id"].as_str().map_or_else(|| self.log.id("item"), str::to_owned);
        if id.len() > 32 || self.items.contains_key(&id) {
            self.complain(format!("the item id {id} is too long or taken"));
        }
        item["id"] = json!(id);
        item["object"] = json!("realtime.item");
        item["status"] = json!("completed");
        self.keep(&id, Item { is_spoken: false, response: None, bytes: 0 });
        self.say(json!({ "type": "conversation.item.added", "item": item, "previous_item_id": previous })).await;
        self.say(json!({ "type": "conversation.item.done", "item": item, "previous_item_id": previous })).await;
    }

    async fn truncate(&mut self, event: &Value) {
        let id = event["item_id"].as_str().unwrap_or_default();
        let end = event["audio_end_ms"].as_u64().unwrap_or_default();
        let per_ms = if self.says_ulaw() { 8 } else { 48 };
        let complaint = match self.items.get(id) {
            None => Some(format!("truncates the unknown item {id}")),
            Some(item) if !item.is_spoken => Some(format!("truncates {id}, which was not spoken")),
            Some(item) if item.bytes < end * per_ms => {
                Some(format!("truncates {id} at {end} ms, which has {} ms", item.bytes / per_ms))
            }
            Some(_) => None,
        };
        if let Some(complaint) = complaint {
            self.complain(complaint);
            return self.error(&ErrorScript::new("invalid_request_error", "invalid_value"), Value::Null).await;
        }
        self.say(
            json!({ "type": "conversation.item.truncated", "item_id": id, "content_index": 0, "audio_end_ms": end }),
        )
        .await;
    }

    async fn delete(&mut self, event: &Value) {
        let id = event["item_id"].as_str().unwrap_or_default();
        if self.items.remove(id).is_none() {
            self.complain(format!("deletes the unknown item {id}"));
            return self.error(&ErrorScript::new("invalid_request_error", "item_not_found"), Value::Null).await;
        }
        self.order.retain(|known| known != id);
        self.say(json!({ "type": "conversation.item.deleted", "item_id": id })).await;
    }

    async fn cancel(&mut self, event: &Value) {
        let id = event["response_id"].as_str().unwrap_or_default().to_owned();
        if !self.cancelled.insert(id.clone()) {
            self.complain(format!("cancels {id} twice"));
        }
        if self.active.as_ref().is_some_and(|active| active.id == id) {
            self.say_late_chunks().await;
            return self.end_response("cancelled", json!({ "type": "cancelled", "reason": "client_cancelled" })).await;
        }
        if !self.ended.contains(&id) {
            self.complain(format!("cancels the unknown response {id}"));
        }
        let error = ErrorScript::new("invalid_request_error", "response_cancel_not_active");
        self.error(&error, event["event_id"].clone()).await;
    }

    /// What was under way when the cancel came.
    async fn say_late_chunks(&mut self) {
        while let Some(active) = self.active.as_mut().filter(|active| active.late > 0 && !active.next_is_end()) {
            active.late -= usize::from(active.next_is_audio());
            self.step().await;
        }
    }

    async fn create_response(&mut self, event: &Value) {
        if self.active.is_some() {
            self.complain("a response while another one is in progress");
            let error = ErrorScript::new("invalid_request_error", "conversation_already_has_active_response");
            return self.error(&error, event["event_id"].clone()).await;
        }
        self.begin_response(event["response"]["metadata"].clone()).await;
    }

    async fn begin_response(&mut self, metadata: Value) {
        let answer = self.log.next_answer();
        let id = self.log.id("resp");
        let steps = self.plan(&id, &answer);
        self.active = Some(Active {
            id: id.clone(),
            metadata: metadata.clone(),
            steps,
            late: answer.late,
            is_held: false,
            due: Instant::now(),
            output: Vec::new(),
        });
        let response = self.response(&id, &metadata, "in_progress", Value::Null, &[]);
        self.say(json!({ "type": "response.created", "response": response })).await;
    }

    fn response(&self, id: &str, metadata: &Value, status: &str, details: Value, output: &[Value]) -> Value {
        let voice = &self.settings["audio"]["output"]["voice"];
        let format = &self.settings["audio"]["output"]["format"];
        let usage = if status == "in_progress" {
            Value::Null
        } else {
            json!({ "total_tokens": 30, "input_tokens": 20, "output_tokens": 10,
                "input_token_details": { "text_tokens": 20, "audio_tokens": 0, "cached_tokens": 0 },
                "output_token_details": { "text_tokens": 4, "audio_tokens": 6 } })
        };
        json!({ "object": "realtime.response", "id": id, "status": status, "status_details": details, "output": output,
            "conversation_id": "conv_1", "output_modalities": ["audio"], "max_output_tokens": "inf",
            "audio": { "output": { "format": format, "voice": voice } }, "usage": usage, "metadata": metadata })
    }

    /// Everything that the answer brings, step by step.
    fn plan(&self, response: &str, answer: &Answer) -> VecDeque<Step> {
        let mut steps = VecDeque::new();
        let mut chunks = 0;
        for (output_index, text) in answer.texts.iter().enumerate() {
            self.plan_speech(&mut steps, response, answer, (output_index, text), &mut chunks);
        }
        for (number, (name, arguments)) in answer.tools.iter().enumerate() {
            self.plan_tool(&mut steps, response, answer.texts.len() + number, (name, arguments));
        }
        steps.push_back(Step::End(answer.end.clone()));
        steps
    }

    fn plan_speech(
        &self,
        steps: &mut VecDeque<Step>,
        response: &str,
        answer: &Answer,
        (output_index, text): (usize, &str),
        chunks: &mut usize,
    ) {
        let item = self.log.id("item");
        let is_ulaw = self.says_ulaw();
        let audio = sound::speak(answer.pitch, answer.length, is_ulaw);
        let object = |status: &str, content: Value| {
            json!({ "id": item, "object": "realtime.item", "type": "message", "status": status, "role": "assistant",
                "content": content })
        };
        let place = |mut event: Value| {
            event["response_id"] = json!(response);
            event["item_id"] = json!(item);
            event["output_index"] = json!(output_index);
            event["content_index"] = json!(0);
            event
        };
        steps.push_back(Step::Item(json!({ "type": "response.output_item.added", "response_id": response,
            "output_index": output_index, "item": object("in_progress", json!([])) })));
        steps.push_back(Step::Say(json!({ "type": "conversation.item.added", "previous_item_id": null,
            "item": object("in_progress", json!([])) })));
        let part = json!({ "type": "audio", "transcript": "" });
        steps.push_back(Step::Say(place(json!({ "type": "response.content_part.added", "part": part }))));
        let bytes_per_ms = if is_ulaw { 8 } else { 48 };
        let size = (answer.chunk.as_millis() as usize * bytes_per_ms).max(1) - usize::from(answer.ragged);
        let words: Vec<&str> = text.split_inclusive(' ').collect();
        let pieces: Vec<&[u8]> = audio.chunks(size).collect();
        let mut spoken = 0;
        for (number, piece) in pieces.iter().enumerate() {
            if answer.then.is_some_and(|(after, _)| after == *chunks) {
                steps.extend(answer.then.map(|(_, then)| Step::Then(then)));
            }
            // Speech runs at an even number of letters per second; a word comes when it begins.
            let letters = text.len() * (number + 1) / pieces.len();
            let begins = |word: usize| words[..word].iter().map(|word| word.len()).sum::<usize>();
            let upto = (spoken..words.len()).find(|word| begins(*word) >= letters).unwrap_or(words.len());
            if upto > spoken {
                let delta = words[spoken..upto].concat();
                steps.push_back(Step::Say(place(
                    json!({ "type": "response.output_audio_transcript.delta", "delta": delta }),
                )));
                spoken = upto;
            }
            let event = place(json!({ "type": "response.output_audio.delta", "delta": STANDARD.encode(piece) }));
            steps.push_back(Step::Audio { item: item.clone(), bytes: piece.len() as u64, event });
            if answer.in_real_time {
                steps.push_back(Step::Wait(answer.chunk));
            }
            *chunks += 1;
        }
        if answer.then.is_some_and(|(after, _)| after == *chunks) {
            steps.extend(answer.then.map(|(_, then)| Step::Then(then)));
        }
        steps.push_back(Step::Say(place(json!({ "type": "response.output_audio.done" }))));
        steps.push_back(Step::Say(place(
            json!({ "type": "response.output_audio_transcript.done", "transcript": text }),
        )));
        let part = json!({ "type": "audio", "transcript": text });
        steps.push_back(Step::Say(place(json!({ "type": "response.content_part.done", "part": part }))));
        let content = json!([{ "type": "output_audio", "transcript": text }]);
        steps.push_back(Step::Say(json!({ "type": "conversation.item.done", "previous_item_id": null,
            "item": object("completed", content.clone()) })));
        steps.push_back(Step::Item(json!({ "type": "response.output_item.done", "response_id": response,
            "output_index": output_index, "item": object("completed", content) })));
    }

    fn plan_tool(
        &self,
        steps: &mut VecDeque<Step>,
        response: &str,
        output_index: usize,
        (name, arguments): (&str, &str),
    ) {
        let (item, call_id) = (self.log.id("item"), self.log.id("call"));
        let object = |status: &str, arguments: &str| {
            json!({ "id": item, "object": "realtime.item", "type": "function_call", "status": status, "name": name,
                "call_id": call_id, "arguments": arguments })
        };
        let place = |mut event: Value| {
            event["response_id"] = json!(response);
            event["item_id"] = json!(item);
            event["output_index"] = json!(output_index);
            event["call_id"] = json!(call_id);
            event
        };
        steps.push_back(Step::Item(json!({ "type": "response.output_item.added", "response_id": response,
            "output_index": output_index, "item": object("in_progress", "") })));
        steps.push_back(Step::Say(place(
            json!({ "type": "response.function_call_arguments.delta", "delta": arguments }),
        )));
        steps.push_back(Step::Say(place(json!({ "type": "response.function_call_arguments.done", "name": name,
            "arguments": arguments }))));
        steps.push_back(Step::Item(json!({ "type": "response.output_item.done", "response_id": response,
            "output_index": output_index, "item": object("completed", arguments) })));
    }

    /// One step of the response that is generated.
    async fn step(&mut self) {
        let Some(active) = &mut self.active else { return };
        let Some(step) = active.steps.pop_front() else { return };
        let response = active.id.clone();
        match step {
            Step::Say(event) => self.say(event).await,
            Step::Audio { item, bytes, event } => {
                self.has_spoken = true;
                if let Some(item) = self.items.get_mut(&item) {
                    item.bytes += bytes;
                }
                self.say(event).await;
            }
            Step::Wait(pause) => active.due = Instant::now() + pause,
            Step::Then(Then::Hold) => active.is_held = true,
            Step::Then(Then::Stall) => self.is_stalled = true,
            Step::Then(Then::Drop) => self.is_over = true,
            Step::Item(event) => {
                let item = &event["item"];
                if event["type"] == "response.output_item.done" {
                    active.output.push(item.clone());
                } else {
                    let id = item["id"].as_str().unwrap_or_default().to_owned();
                    let is_spoken = item["type"] == "message";
                    if let Some(call_id) = item["call_id"].as_str() {
                        let call = Call { response: response.clone(), is_answered: false };
                        self.calls.insert(call_id.to_owned(), call);
                    }
                    self.keep(&id, Item { is_spoken, response: Some(response), bytes: 0 });
                }
                self.say(event).await;
            }
            Step::End(End::Completed) => self.end_response("completed", json!({ "type": "completed" })).await,
            Step::End(End::Incomplete) => {
                self.end_response("incomplete", json!({ "type": "incomplete", "reason": "max_output_tokens" })).await;
            }
            Step::End(End::Failed(code)) => {
                let error = json!({ "type": "server_error", "code": code });
                self.end_response("failed", json!({ "type": "failed", "error": error })).await;
            }
        }
    }

    async fn end_response(&mut self, status: &str, details: Value) {
        let Some(active) = self.active.take() else { return };
        self.ended.insert(active.id.clone());
        let response = self.response(&active.id, &active.metadata, status, details, &active.output);
        self.say(json!({ "type": "response.done", "response": response })).await;
        let limits = json!([{ "name": "tokens", "limit": 40_000, "remaining": 39_000, "reset_seconds": 1.5 }]);
        self.say(json!({ "type": "rate_limits.updated", "rate_limits": limits })).await;
    }

    fn keep(&mut self, id: &str, item: Item) {
        self.items.insert(id.to_owned(), item);
        self.order.push(id.to_owned());
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

/// Objects are merged, everything else replaced; a format is one thing.
fn merge(old: &mut Value, new: &Value) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for (key, value) in new {
                let slot = old.entry(key.clone()).or_insert(Value::Null);
                if key == "format" { *slot = value.clone() } else { merge(slot, value) }
            }
        }
        (old, new) => *old = new.clone(),
    }
}
