//! One session's state: what the vendor's messages mean, and what the call's orders become.
//!
//! The vendor answers by itself, and names no response: what it says from the first word or sound to
//! `AgentAudioDone` is one. It can't be told to stop either, so a cancelled response is swallowed.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::engine::audio::{PcmBytes, Rate};
use crate::engine::call::{AgentCounter, AgentLoss, Ask, ResponseOutcome, ToolCall};
use crate::engine::ids::ResponseId;
use crate::providers::voice_agent::openai_realtime::tools;
use crate::providers::voice_agent::{AgentEvent, AgentOrder, Chunk};

use super::client_message;
use super::server_message::{FunctionCall, Role, ServerMessage, clean};
use super::settings::DeepgramSettings;

#[cfg(test)]
mod tests;

/// What the driver is to do.
#[derive(Debug, PartialEq)]
pub(super) enum Action<R: Rate> {
    Send(String),
    Tell(AgentEvent<R>),
    /// The settings were refused.
    Refused(String),
    Lose(AgentLoss, String),
}

/// A confirmed or unconfirmed session.
#[derive(Debug)]
pub(super) struct Session {
    greeting: Option<String>,
    may_transfer: bool,
    answer_stall: Duration,
    progress_stall: Duration,
    session_limit: Duration,
    is_ready: bool,
    /// The response that the call asked for, and when.
    asked: Option<(ResponseId, Duration)>,
    /// The response that speaks, and when the vendor last said something of it.
    running: Option<(ResponseId, Duration)>,
    /// What comes belongs to a response that is over for the call.
    is_swallowing: bool,
    vendors_own: u32,
    keys: String,
    /// Calls that wait for their answer: the functions' names by their ids.
    open_calls: BTreeMap<String, String>,
    bytes: PcmBytes,
}

impl Session {
    pub(super) fn new(settings: &DeepgramSettings, greeting: Option<String>, may_transfer: bool) -> Self {
        Self {
            greeting,
            may_transfer,
            answer_stall: settings.answer_stall,
            progress_stall: settings.progress_stall,
            session_limit: settings.session_limit,
            is_ready: false,
            asked: None,
            running: None,
            is_swallowing: false,
            vendors_own: 0,
            keys: String::new(),
            open_calls: BTreeMap::new(),
            bytes: PcmBytes::new(),
        }
    }

    /// Whether the settings are confirmed.
    pub(super) fn is_ready(&self) -> bool {
        self.is_ready
    }

    /// The call wants something.
    pub(super) fn order<R: Rate>(&mut self, now: Duration, order: AgentOrder) -> Vec<Action<R>> {
        match order {
            AgentOrder::Respond { response, ask } => self.respond(now, response, ask),
            AgentOrder::Cancel(response) => self.cancel(response),
            AgentOrder::Dtmf(digit) => {
                self.keys.push(digit.as_char());
                Vec::new()
            }
            AgentOrder::ToolResult { call_id, result } => match self.open_calls.remove(&call_id) {
                Some(name) => vec![Action::Send(client_message::function_result(&call_id, &name, &result))],
                None => Vec::new(),
            },
            // The vendor has ears of its own, and cuts its memory itself when it is interrupted.
            AgentOrder::Truncate { .. } | AgentOrder::CallerSpeech { .. } => Vec::new(),
        }
    }

    fn respond<R: Rate>(&mut self, now: Duration, response: ResponseId, ask: Ask) -> Vec<Action<R>> {
        let mut actions = self.end_asked(ResponseOutcome::Cancelled);
        self.asked = Some((response, now));
        let keys = std::mem::take(&mut self.keys);
        let message = match (ask, &self.greeting) {
            (Ask::Greeting, Some(words)) => Some(client_message::say(words)),
            (Ask::Greeting, None) => Some(client_message::hear("Hello?")),
            (Ask::Reprompt, _) => Some(client_message::hear("(The caller is silent. Ask whether they are there.)")),
            (Ask::Again, _) if keys.is_empty() => Some(client_message::hear("(Nothing was heard. Say it again.)")),
            // What the caller says is answered unasked.
            (Ask::Answer, _) if keys.is_empty() => None,
            (Ask::Answer | Ask::Again, _) => Some(client_message::hear(&format!("(The caller pressed {keys}.)"))),
        };
        actions.extend(message.map(Action::Send));
        actions
    }

    fn cancel<R: Rate>(&mut self, response: ResponseId) -> Vec<Action<R>> {
        if self.asked.is_some_and(|(asked, _)| asked == response) {
            // Its answer may still come.
            self.is_swallowing = true;
            return self.end_asked(ResponseOutcome::Cancelled);
        }
        if self.running.is_some_and(|(running, _)| running == response) {
            self.is_swallowing = true;
            return self.end_running(ResponseOutcome::Cancelled);
        }
        Vec::new()
    }

    /// The vendor said something.
    pub(super) fn handle<R: Rate>(&mut self, now: Duration, message: ServerMessage) -> Vec<Action<R>> {
        match message {
            ServerMessage::SettingsApplied {} if !self.is_ready => {
                self.is_ready = true;
                vec![Action::Tell(AgentEvent::Ready { detects_turns: true })]
            }
            ServerMessage::Error { code } if !self.is_ready => vec![Action::Refused(clean(&code))],
            ServerMessage::Error { .. } => {
                let mut actions = vec![Action::Tell(AgentEvent::Counted(AgentCounter::VendorError))];
                actions.extend(self.end_asked(ResponseOutcome::Failed));
                actions.extend(self.end_running(ResponseOutcome::Failed));
                actions
            }
            ServerMessage::Warning { .. } => vec![Action::Tell(AgentEvent::Counted(AgentCounter::VendorError))],
            ServerMessage::InjectionRefused {} => self.end_asked(ResponseOutcome::Failed),
            ServerMessage::UserStartedSpeaking {} => {
                self.is_swallowing = false;
                let mut actions = vec![Action::Tell(AgentEvent::CallerSpeechStarted)];
                actions.extend(self.end_running(ResponseOutcome::Cancelled));
                actions
            }
            ServerMessage::ConversationText { role: Role::User, content } => {
                self.is_swallowing = false;
                let text = AgentEvent::CallerText { text: content, confidence: None };
                vec![Action::Tell(AgentEvent::CallerSpeechEnded), Action::Tell(text)]
            }
            ServerMessage::ConversationText { role: Role::Assistant, content } => {
                let (mut actions, response) = self.progress(now);
                if let Some(response) = response {
                    actions.push(Action::Tell(AgentEvent::Text { response, text: content }));
                }
                actions
            }
            ServerMessage::AgentStartedSpeaking {} => {
                self.is_swallowing = false;
                self.progress(now).0
            }
            ServerMessage::AgentAudioDone {} => {
                self.is_swallowing = false;
                self.bytes = PcmBytes::new();
                self.end_running(ResponseOutcome::Completed)
            }
            ServerMessage::FunctionCallRequest { functions } => {
                functions.into_iter().filter_map(|function| self.function(function)).collect()
            }
            ServerMessage::FunctionCallCancelled { functions } => {
                functions.iter().for_each(|function| drop(self.open_calls.remove(&function.id)));
                Vec::new()
            }
            ServerMessage::Unknown => vec![Action::Tell(AgentEvent::Counted(AgentCounter::UnknownEvent))],
            _ => Vec::new(),
        }
    }

    fn function<R: Rate>(&mut self, function: FunctionCall) -> Option<Action<R>> {
        let FunctionCall { id, name, arguments, client_side } = function;
        if !client_side || self.open_calls.contains_key(&id) {
            return None;
        }
        let tool = tools::parse(&name, &arguments, self.may_transfer);
        self.open_calls.insert(id.clone(), name);
        let response = self.running.map(|(response, _)| response);
        Some(Action::Tell(AgentEvent::ToolCalled(ToolCall { call_id: id, response, tool })))
    }

    /// The vendor sent sound.
    pub(super) fn audio<R: Rate>(&mut self, now: Duration, bytes: &[u8]) -> Vec<Action<R>> {
        let (mut actions, response) = self.progress(now);
        let Some(response) = response else {
            actions.push(Action::Tell(AgentEvent::Counted(AgentCounter::StaleAudio)));
            return actions;
        };
        let mut samples = Vec::with_capacity(bytes.len() / 2 + 1);
        self.bytes.decode(bytes, &mut samples);
        if !samples.is_empty() {
            actions.push(Action::Tell(AgentEvent::Audio { response, chunk: Chunk::new(samples) }));
        }
        actions
    }

    /// The response that speaks now; it begins if there was none. `None` while one is swallowed.
    fn progress<R: Rate>(&mut self, now: Duration) -> (Vec<Action<R>>, Option<ResponseId>) {
        if self.is_swallowing || !self.is_ready {
            return (Vec::new(), None);
        }
        if let Some((response, last)) = &mut self.running {
            *last = now;
            return (Vec::new(), Some(*response));
        }
        let response = match self.asked.take() {
            Some((response, _)) => response,
            None => {
                self.vendors_own += 1;
                ResponseId::from_vendor(self.vendors_own)
            }
        };
        self.running = Some((response, now));
        self.bytes = PcmBytes::new();
        (vec![Action::Tell(AgentEvent::ResponseStarted(response))], Some(response))
    }

    fn end_asked<R: Rate>(&mut self, outcome: ResponseOutcome) -> Vec<Action<R>> {
        let ended = self.asked.take();
        ended.map(|(response, _)| Action::Tell(AgentEvent::ResponseEnded { response, outcome })).into_iter().collect()
    }

    fn end_running<R: Rate>(&mut self, outcome: ResponseOutcome) -> Vec<Action<R>> {
        let ended = self.running.take();
        ended.map(|(response, _)| Action::Tell(AgentEvent::ResponseEnded { response, outcome })).into_iter().collect()
    }

    /// Time passed, `now` since the settings were sent.
    pub(super) fn expire<R: Rate>(&mut self, now: Duration) -> Vec<Action<R>> {
        let is_late = |since: Option<(ResponseId, Duration)>, limit| since.is_some_and(|(_, at)| now >= at + limit);
        if is_late(self.asked, self.answer_stall) || is_late(self.running, self.progress_stall) {
            return vec![Action::Lose(AgentLoss::Stalled, "no progress of a response".to_owned())];
        }
        if now >= self.session_limit && self.asked.is_none() && self.running.is_none() {
            return vec![Action::Lose(AgentLoss::Dropped, "the session's time is up".to_owned())];
        }
        Vec::new()
    }
}
