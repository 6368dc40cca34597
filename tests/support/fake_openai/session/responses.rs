//! Responses: one at a time, each played step by step.

use std::collections::VecDeque;

use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::super::script::{End, ErrorScript, Then};
use super::plan::Step;
use super::{Call, Item, Session};

/// The response that is generated.
pub(super) struct Active {
    pub(super) id: String,
    pub(super) metadata: Value,
    pub(super) steps: VecDeque<Step>,
    /// How many chunks come after a cancel.
    pub(super) late: usize,
    pub(super) is_held: bool,
    pub(super) due: Instant,
    pub(super) output: Vec<Value>,
}

impl Active {
    fn next_is_audio(&self) -> bool {
        matches!(self.steps.front(), Some(Step::Audio { .. }))
    }

    fn next_is_end(&self) -> bool {
        matches!(self.steps.front(), None | Some(Step::End(_)))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    pub(super) async fn cancel(&mut self, event: &Value) {
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

    pub(super) async fn create_response(&mut self, event: &Value) {
        if self.active.is_some() {
            self.complain("a response while another one is in progress");
            let error = ErrorScript::new("invalid_request_error", "conversation_already_has_active_response");
            return self.error(&error, event["event_id"].clone()).await;
        }
        self.begin_response(event["response"]["metadata"].clone()).await;
    }

    pub(super) async fn begin_response(&mut self, metadata: Value) {
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

    pub(super) fn response(&self, id: &str, metadata: &Value, status: &str, details: Value, output: &[Value]) -> Value {
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

    /// One step of the response that is generated.
    pub(super) async fn step(&mut self) {
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

    pub(super) async fn end_response(&mut self, status: &str, details: Value) {
        let Some(active) = self.active.take() else { return };
        self.ended.insert(active.id.clone());
        let response = self.response(&active.id, &active.metadata, status, details, &active.output);
        self.say(json!({ "type": "response.done", "response": response })).await;
        let limits = json!([{ "name": "tokens", "limit": 40_000, "remaining": 39_000, "reset_seconds": 1.5 }]);
        self.say(json!({ "type": "rate_limits.updated", "rate_limits": limits })).await;
    }

    /// What was under way when the cancel came.
    async fn say_late_chunks(&mut self) {
        while let Some(active) = self.active.as_mut().filter(|active| active.late > 0 && !active.next_is_end()) {
            active.late -= usize::from(active.next_is_audio());
            self.step().await;
        }
    }
}
