//! What the agent calls: told to the call at the right time, and answered once.
//!
//! The vendor sends a call as soon as its model has written it, which may be long before the words that were written
//! in front of it are spoken. A call that ends the telephone call is therefore held until they were, or until none
//! have come for a while: else the caller would not hear the goodbye.

use std::time::Duration;

use crate::engine::audio::Rate;
use crate::engine::call::{Tool, ToolCall, ToolResult};
use crate::providers::voice_agent::AgentEvent;
use crate::providers::voice_agent::openai_realtime::tools;

use super::super::client_message;
use super::super::server_message::FunctionCall;
use super::{Action, Session};

impl Session {
    pub(super) fn function<R: Rate>(&mut self, now: Duration, function: FunctionCall) -> Option<Action<R>> {
        let FunctionCall { id, name, arguments, client_side } = function;
        if !client_side || self.open_calls.contains_key(&id) {
            return None;
        }
        let tool = tools::parse(&name, &arguments, self.may_transfer);
        let ends_the_call = matches!(tool, Tool::HangUp | Tool::Transfer(_));
        self.open_calls.insert(id.clone(), name);
        let response = self.running.map(|(response, _)| response);
        let call = ToolCall { call_id: id, response, tool };
        if ends_the_call && self.is_swallowing {
            return self.refuse(&call.call_id);
        }
        // What is running ends later, and the call waits for that itself.
        if ends_the_call && response.is_none() && !self.has_spoken {
            self.held.push((call, now));
            return None;
        }
        Some(Action::Tell(AgentEvent::ToolCalled(call)))
    }

    /// The words that belong to what is held were spoken, or none are to come.
    pub(super) fn release<R: Rate>(&mut self) -> Vec<Action<R>> {
        let held = std::mem::take(&mut self.held).into_iter();
        held.map(|(call, _)| Action::Tell(AgentEvent::ToolCalled(call))).collect()
    }

    /// The caller did not let the agent speak to the end.
    pub(super) fn refuse_held<R: Rate>(&mut self) -> Vec<Action<R>> {
        let held = std::mem::take(&mut self.held);
        held.into_iter().filter_map(|(call, _)| self.refuse(&call.call_id)).collect()
    }

    fn refuse<R: Rate>(&mut self, id: &str) -> Option<Action<R>> {
        self.answer(id, &ToolResult::Refused("the caller interrupted; go on with them".to_owned())).pop()
    }

    pub(super) fn answer<R: Rate>(&mut self, id: &str, result: &ToolResult) -> Vec<Action<R>> {
        let Some(name) = self.open_calls.remove(id) else { return Vec::new() };
        self.has_spoken = false;
        vec![Action::Send(client_message::function_result(id, &name, result))]
    }

    /// The vendor wants no answer to a call any more.
    pub(super) fn withdraw(&mut self, id: &str) {
        self.open_calls.remove(id);
        self.held.retain(|(call, _)| call.call_id != id);
    }
}
