//! One session's state: what the vendor's messages mean, and what the call's orders become.
//!
//! The vendor answers by itself, and names no response: what it says from the first word or sound to
//! `AgentAudioDone` is one. It can't be told to stop either, so a cancelled response is swallowed.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::engine::audio::{PcmBytes, Rate};
use crate::engine::call::{AgentCounter, AgentLoss, Ask, ResponseOutcome, ToolCall};
use crate::engine::ids::ResponseId;
use crate::providers::voice_agent::{AgentEvent, AgentOrder, Chunk};

use super::client_message::{self, KEEP_ALIVE};
use super::server_message::{Role, ServerMessage, clean, is_passing};
use super::settings::DeepgramSettings;

mod functions;
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
    settings: DeepgramSettings,
    greeting: Option<String>,
    may_transfer: bool,
    is_ready: bool,
    /// The response that the call asked for, and when.
    asked: Option<(ResponseId, Duration)>,
    /// The response that speaks, and when the vendor last said something of it.
    running: Option<(ResponseId, Duration)>,
    /// What comes belongs to a response that is over for the call.
    is_swallowing: bool,
    /// The agent has spoken to its end, and nothing has happened since that would make it speak again.
    has_spoken: bool,
    /// The caller speaks, or waits for an answer.
    caller_waits: bool,
    /// Whether the response that speaks has words already.
    has_words: bool,
    /// Words that came when all their sound had come: those of the next sound, if any comes.
    late_words: String,
    vendors_own: u32,
    keys: String,
    /// What we said in the caller's name: the vendor tells of it as of the caller's own words.
    injected: VecDeque<String>,
    /// Calls that wait for their answer: the functions' names by their ids.
    open_calls: BTreeMap<String, String>,
    /// Calls that end the telephone call, and wait for the words that belong to them; since when.
    held: Vec<(ToolCall, Duration)>,
    bytes: PcmBytes,
    /// When the vendor last had audio, or a message in place of it.
    last_sent: Duration,
}

impl Session {
    pub(super) fn new(settings: &DeepgramSettings, greeting: Option<String>, may_transfer: bool) -> Self {
        Self {
            settings: settings.clone(),
            greeting,
            may_transfer,
            is_ready: false,
            asked: None,
            running: None,
            is_swallowing: false,
            has_spoken: false,
            caller_waits: false,
            has_words: false,
            late_words: String::new(),
            vendors_own: 0,
            keys: String::new(),
            injected: VecDeque::new(),
            open_calls: BTreeMap::new(),
            held: Vec::new(),
            bytes: PcmBytes::new(),
            last_sent: Duration::ZERO,
        }
    }

    /// Whether the settings are confirmed.
    pub(super) fn is_ready(&self) -> bool {
        self.is_ready
    }

    /// The caller's audio goes to the vendor.
    pub(super) fn sent_audio(&mut self, now: Duration) {
        self.last_sent = now;
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
            AgentOrder::ToolResult { call_id, result } => self.answer(&call_id, &result),
            // The vendor has ears of its own, and cuts its memory itself when it is interrupted.
            AgentOrder::Truncate { .. } | AgentOrder::CallerSpeech { .. } => Vec::new(),
        }
    }

    fn respond<R: Rate>(&mut self, now: Duration, response: ResponseId, ask: Ask) -> Vec<Action<R>> {
        let mut actions = self.end_asked(ResponseOutcome::Cancelled);
        self.asked = Some((response, now));
        // Whatever comes now is an answer to this.
        (self.is_swallowing, self.has_spoken) = (false, false);
        // A greeting and a reprompt say nothing of keys: those are for the next answer.
        let keys = match ask {
            Ask::Answer | Ask::Again => std::mem::take(&mut self.keys),
            Ask::Greeting | Ask::Reprompt => String::new(),
        };
        let message = match (ask, &self.greeting) {
            (Ask::Greeting, Some(words)) => client_message::say(words),
            (Ask::Greeting, None) => self.inject("Hello?"),
            (Ask::Reprompt, _) => self.inject("(The caller is silent. Ask whether they are there.)"),
            (Ask::Again, _) if keys.is_empty() => self.inject("(Nothing was heard. Say it again.)"),
            // What the caller says is answered unasked; this is what a session heard that is no more.
            (Ask::Answer, _) if keys.is_empty() => {
                self.inject("(The line broke. Answer what the caller said last, or ask for it again.)")
            }
            (Ask::Answer | Ask::Again, _) => self.inject(&format!("(The caller pressed {keys}.)")),
        };
        actions.push(Action::Send(message));
        actions
    }

    fn inject(&mut self, words: &str) -> String {
        self.injected.push_back(words.to_owned());
        client_message::hear(words)
    }

    fn cancel<R: Rate>(&mut self, response: ResponseId) -> Vec<Action<R>> {
        let is = |other: Option<(ResponseId, Duration)>| other.is_some_and(|(other, _)| other == response);
        let mut actions = if is(self.asked) {
            self.end_asked(ResponseOutcome::Cancelled) // its answer may still come
        } else if is(self.running) {
            self.end_running(ResponseOutcome::Cancelled)
        } else {
            return Vec::new();
        };
        self.is_swallowing = true;
        actions.extend(self.refuse_held());
        actions
    }

    /// The vendor said something.
    pub(super) fn handle<R: Rate>(&mut self, now: Duration, message: ServerMessage) -> Vec<Action<R>> {
        match message {
            ServerMessage::SettingsApplied {} if !self.is_ready => {
                (self.is_ready, self.last_sent) = (true, now);
                vec![Action::Tell(AgentEvent::Ready { detects_turns: true })]
            }
            // The vendor goes on after no error.
            ServerMessage::Error { code } => vec![match (self.is_ready, is_passing(&code)) {
                (true, _) => Action::Lose(AgentLoss::Dropped, format!("the vendor reported {}", clean(&code))),
                (false, true) => Action::Lose(AgentLoss::Unreachable, format!("the vendor reported {}", clean(&code))),
                (false, false) => Action::Refused(clean(&code)),
            }],
            ServerMessage::Warning { .. } => vec![Action::Tell(AgentEvent::Counted(AgentCounter::VendorError))],
            ServerMessage::InjectionRefused {} => self.end_asked(ResponseOutcome::Failed),
            ServerMessage::UserStartedSpeaking {} => {
                self.caller_speaks();
                // The vendor has cancelled what it called, too.
                self.held.clear();
                let mut actions = vec![Action::Tell(AgentEvent::CallerSpeechStarted)];
                actions.extend(self.end_running(ResponseOutcome::Cancelled));
                actions
            }
            ServerMessage::ConversationText { role: Role::User, content } => self.caller_said(content),
            ServerMessage::ConversationText { role: Role::Assistant, content } => self.agent_said(now, content),
            ServerMessage::AgentThinking {} => {
                self.has_spoken = false;
                Vec::new()
            }
            ServerMessage::AgentStartedSpeaking {} => self.progress(now).0,
            ServerMessage::AgentAudioDone {} => {
                let was_heard = !std::mem::take(&mut self.is_swallowing) && self.running.is_some();
                self.has_spoken |= was_heard;
                self.caller_waits = false;
                self.bytes = PcmBytes::new();
                let mut actions = self.end_running(ResponseOutcome::Completed);
                if was_heard {
                    actions.extend(self.release());
                }
                actions
            }
            ServerMessage::FunctionCallRequest { functions } => {
                functions.into_iter().filter_map(|function| self.function(now, function)).collect()
            }
            ServerMessage::FunctionCallCancelled { functions } => {
                functions.iter().for_each(|function| self.withdraw(&function.id));
                Vec::new()
            }
            ServerMessage::Unknown => vec![Action::Tell(AgentEvent::Counted(AgentCounter::UnknownEvent))],
            _ => Vec::new(),
        }
    }

    fn caller_speaks(&mut self) {
        (self.is_swallowing, self.has_spoken, self.caller_waits) = (false, false, true);
        self.late_words.clear();
    }

    fn caller_said<R: Rate>(&mut self, words: String) -> Vec<Action<R>> {
        // One of which the vendor did not tell is told of no more.
        if let Some(at) = self.injected.iter().position(|ours| *ours == words) {
            self.injected.drain(..=at);
            return Vec::new();
        }
        self.caller_speaks();
        let text = AgentEvent::CallerText { text: words, confidence: None };
        vec![Action::Tell(AgentEvent::CallerSpeechEnded), Action::Tell(text)]
    }

    fn agent_said<R: Rate>(&mut self, now: Duration, words: String) -> Vec<Action<R>> {
        if self.has_spoken && self.running.is_none() {
            self.late_words += &apart(!self.late_words.is_empty(), words); // words are no boundary
            return Vec::new();
        }
        let (mut actions, response) = self.progress(now);
        if let Some(response) = response {
            let text = apart(std::mem::replace(&mut self.has_words, true), words);
            actions.push(Action::Tell(AgentEvent::Text { response, text }));
        }
        actions
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
        (self.running, self.has_spoken, self.bytes) = (Some((response, now)), false, PcmBytes::new());
        let mut actions = vec![Action::Tell(AgentEvent::ResponseStarted(response))];
        let text = std::mem::take(&mut self.late_words);
        self.has_words = !text.is_empty();
        if !text.is_empty() {
            actions.push(Action::Tell(AgentEvent::Text { response, text }));
        }
        (actions, Some(response))
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
        let settings = &self.settings;
        let is_late = |since: Option<(ResponseId, Duration)>, limit| since.is_some_and(|(_, at)| now >= at + limit);
        if is_late(self.asked, settings.answer_stall) || is_late(self.running, settings.progress_stall) {
            return vec![Action::Lose(AgentLoss::Stalled, "no progress of a response".to_owned())];
        }
        let is_idle = self.asked.is_none() && self.running.is_none();
        if is_idle && !self.caller_waits && now >= settings.session_limit {
            return vec![Action::Lose(AgentLoss::Dropped, "the session's time is up".to_owned())];
        }
        let mut actions = Vec::new();
        if self.is_ready && now >= self.last_sent + settings.keep_alive {
            self.last_sent = now;
            actions.push(Action::Send(KEEP_ALIVE.to_owned()));
        }
        if is_idle && self.held.first().is_some_and(|(_, since)| now >= *since + self.settings.last_words_wait) {
            actions.extend(self.release());
        }
        actions
    }
}

/// The vendor sends an answer sentence by sentence, without the spaces between them.
fn apart(is_more: bool, words: String) -> String {
    if is_more && !words.starts_with(char::is_whitespace) { format!(" {words}") } else { words }
}
