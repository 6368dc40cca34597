//! Tool calls: told once, answered once, and never before the response in which they stand is over.

use crate::engine::audio::Rate;
use crate::engine::call::{ToolCall, ToolResult};
use crate::providers::voice_agent::AgentEvent;

use super::super::client_event::ClientEvent;
use super::super::lifecycle::Confirmed;
use super::super::tools;
use super::{Action, Actions, Session};

/// A tool call that is not answered.
#[derive(Debug)]
pub(super) struct OpenCall {
    call_id: String,
    /// The vendor's name of the response in which it stands.
    parent: String,
    /// The answer, which waits for the parent's end.
    answer: Option<ToolResult>,
}

impl<R: Rate> Session<R> {
    pub(super) fn tool_called(&mut self, vendor_id: &str, call_id: &str, name: &str, arguments: &str) -> Actions<R> {
        let known = self.responses.named(vendor_id).filter(|known| !known.is_over).map(|known| known.response);
        let Some(response) = known else { return Vec::new() };
        if self.tool_calls.iter().any(|call| call.call_id == call_id) {
            return Vec::new();
        }
        self.tool_calls.push(OpenCall { call_id: call_id.to_owned(), parent: vendor_id.to_owned(), answer: None });
        let tool = tools::parse(name, arguments, self.plan.may_transfer);
        let call = ToolCall { call_id: call_id.to_owned(), response: Some(response), tool };
        vec![Action::Tell(AgentEvent::ToolCalled(call))]
    }

    pub(super) fn tool_result(&mut self, proof: Confirmed, call_id: &str, result: ToolResult) -> Actions<R> {
        let running = self.responses.running.as_ref().map(|running| running.vendor_id.clone());
        let Some(at) = self.tool_calls.iter().position(|call| call.call_id == call_id) else {
            return Vec::new();
        };
        if running.as_ref() == Some(&self.tool_calls[at].parent) {
            self.tool_calls[at].answer.get_or_insert(result);
            return Vec::new();
        }
        let call = self.tool_calls.remove(at);
        vec![Action::Send(ClientEvent::tool_output(proof, &call.call_id, &result))]
    }

    /// Sends the answers that waited for the end of the response in which they were asked for.
    pub(super) fn answer_tools(&mut self, proof: Confirmed) -> Actions<R> {
        let mut actions = Vec::new();
        let running = self.responses.running.as_ref().map(|running| running.vendor_id.as_str());
        self.tool_calls.retain_mut(|call| match call.answer.take() {
            Some(result) if running != Some(call.parent.as_str()) => {
                actions.push(Action::Send(ClientEvent::tool_output(proof, &call.call_id, &result)));
                false
            }
            answer => {
                call.answer = answer;
                true
            }
        });
        actions
    }
}
