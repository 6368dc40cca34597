//! One session with the vendor, without its socket: what it says goes in, what is to be done comes out.
//!
//! Times are on the session's own clock. Whoever drives it gives it every message in order, every order of
//! the call, and calls [`Session::expire`] when [`Session::deadline`] has come.

use std::collections::VecDeque;
use std::time::Duration;

use crate::engine::audio::Rate;
use crate::engine::call::{AgentCounter, AgentLoss, Ask, ResponseOutcome, ToolCall, ToolResult, TurnOwner};
use crate::engine::ids::ResponseId;
use crate::providers::voice_agent::{AgentEvent, AgentOrder};

use super::client_event::{ClientEvent, UPDATE_ID, create_id};
use super::history::History;
use super::lifecycle::{Attempt, Confirmed, Phase};
use super::plan::Plan;
use super::responses::{Asked, Responses, Running};
use super::server_event::{AudioDelta, ServerEvent, Status, VendorError};
use super::settings::AudioFormat;
use super::tools;

mod confirm;
mod retell;
#[cfg(test)]
mod tests;

use retell::Retold;

/// How many orders wait for the confirmation. The call gives none before it; a change of format takes one
/// round trip.
const EARLY_ORDERS: usize = 64;

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Action<R: Rate> {
    /// Say this to the vendor.
    Send(ClientEvent),
    /// Tell the call.
    Tell(AgentEvent<R>),
    /// The delta just handled is audio of this response: decode it and tell the call.
    Play(ResponseId),
    /// The vendor is confirmed to take the caller's audio in this format: send what was kept, and go on.
    Hear(AudioFormat),
    /// The vendor's audio is in this format from here on, whatever was agreed.
    Decode(AudioFormat),
    /// This session can't be mended: open another one, in this format.
    Replace(AudioFormat),
    /// The session is over.
    Lose { loss: AgentLoss, detail: String },
}

/// One session with the vendor.
#[derive(Debug)]
pub(super) struct Session<R: Rate> {
    plan: Plan,
    phase: Phase,
    /// What we asked for, or found to be so.
    format: AudioFormat,
    /// What was confirmed last, where anything was.
    confirmed_format: Option<AudioFormat>,
    fell_back: bool,
    expires_at: Option<i64>,
    early: VecDeque<AgentOrder>,
    responses: Responses,
    /// The response that is asked for once the vendor is free.
    queued: Option<(ResponseId, Ask)>,
    vendors_own: u32,
    tool_calls: Vec<OpenCall>,
    /// From the caller's onset until the utterance has its place in the conversation.
    caller_speaks: bool,
    history: History,
    retold: Vec<Retold>,
    rate: std::marker::PhantomData<R>,
}

/// A tool call that is not answered.
#[derive(Debug)]
struct OpenCall {
    call_id: String,
    /// The vendor's name of the response in which it stands.
    parent: String,
    /// The answer, which waits for the parent's end.
    answer: Option<ToolResult>,
}

type Actions<R> = Vec<Action<R>>;

impl<R: Rate> Session<R> {
    /// A session whose socket has just opened.
    pub(super) fn new(plan: Plan, format: AudioFormat, history: History, vendors_own: u32) -> Self {
        Self {
            phase: Phase::Opened { until: plan.settings.created_timeout },
            plan,
            format,
            confirmed_format: None,
            fell_back: false,
            expires_at: None,
            early: VecDeque::new(),
            responses: Responses::default(),
            queued: None,
            vendors_own,
            tool_calls: Vec::new(),
            caller_speaks: false,
            history,
            retold: Vec::new(),
            rate: std::marker::PhantomData,
        }
    }

    /// When the vendor will close the session, in seconds since 1970 by its own clock, if it said so.
    pub(super) fn expires_at(&self) -> Option<i64> {
        self.expires_at
    }

    /// Whether anything may be sent.
    pub(super) fn is_ready(&self) -> bool {
        self.phase.confirmed().is_some()
    }

    /// Whether nothing is under way that a change of session would tear: no response, no speech of the caller,
    /// no words still to come, no tool call open.
    pub(super) fn is_quiet(&self) -> bool {
        self.is_ready()
            && !self.responses.in_flight()
            && self.queued.is_none()
            && !self.caller_speaks
            && !self.history.waits_for_words()
            && self.tool_calls.is_empty()
    }

    /// What was said so far, and how many responses the vendor began by itself.
    pub(super) fn so_far(&self) -> (History, u32) {
        (self.history.clone(), self.vendors_own)
    }

    /// The format that the vendor was last confirmed, or found, to speak.
    pub(super) fn format(&self) -> AudioFormat {
        self.format
    }

    /// When [`Session::expire`] wants to be called.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let settings = &self.plan.settings;
        let phase = match self.phase {
            Phase::Opened { until } | Phase::Confirming { until, .. } => Some(until),
            Phase::Ready(_) => None,
        };
        let asked = self.responses.asked.map(|asked| asked.since + settings.answer_stall);
        let running = self.responses.running.as_ref().map(|running| {
            let progress = running.last + settings.progress_stall;
            running.cancelled.map_or(progress, |at| progress.min(at + settings.answer_stall))
        });
        [phase, asked, running].into_iter().flatten().min()
    }

    /// The deadline has come.
    pub(super) fn expire(&mut self, now: Duration) -> Actions<R> {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return Vec::new();
        }
        match self.phase {
            Phase::Opened { .. } => lose(AgentLoss::Unreachable, "no session.created in time"),
            Phase::Confirming { .. } => lose(AgentLoss::Unreachable, "no session.updated in time"),
            Phase::Ready(_) if self.responses.running.is_some() => {
                lose(AgentLoss::Stalled, "a response does not go on")
            }
            Phase::Ready(_) => lose(AgentLoss::Stalled, "no answer to response.create"),
        }
    }

    /// The responses that were wanted or began and will not end by themselves, for the end of the session.
    pub(super) fn abandon(&mut self) -> Vec<ResponseId> {
        let asked = self.responses.asked.take().map(|asked| asked.response);
        let queued = self.queued.take().map(|(response, _)| response);
        self.responses.unfinished().into_iter().chain(asked).chain(queued).collect()
    }

    /// The vendor's audio turned out to be 24 kHz linear: from here on that is what is wanted.
    pub(super) fn fall_back(&mut self, now: Duration) -> Actions<R> {
        self.responses.really_are(AudioFormat::Pcm24);
        let mut actions = self.count_fallback();
        actions.push(self.update(now, Attempt::Full));
        actions
    }

    /// Handles a message of the vendor.
    pub(super) fn handle(&mut self, now: Duration, event: &ServerEvent<'_>) -> Actions<R> {
        match event {
            ServerEvent::SessionCreated { expires_at } => self.created(now, *expires_at),
            ServerEvent::SessionUpdated(echo) => self.updated(now, echo),
            ServerEvent::Error(error) => self.error(now, error),
            ServerEvent::SpeechStarted => {
                self.caller_speaks = true;
                vec![Action::Tell(AgentEvent::CallerSpeechStarted)]
            }
            ServerEvent::SpeechStopped => vec![Action::Tell(AgentEvent::CallerSpeechEnded)],
            ServerEvent::Committed { item_id } => {
                self.caller_speaks = false;
                self.history.caller_began(item_id);
                Vec::new()
            }
            ServerEvent::Transcribed { item_id, text, confidence } => self.transcribed(item_id, text, *confidence),
            ServerEvent::NotTranscribed { item_id } => {
                let mut actions = self.transcribed(item_id, "", None);
                actions.push(count(AgentCounter::VendorError));
                actions
            }
            ServerEvent::ResponseCreated { vendor_id, tag } => self.response_created(now, vendor_id, *tag),
            ServerEvent::ItemAdded { vendor_id, item_id, is_message } => {
                self.responses.progress(vendor_id, now);
                if *is_message {
                    self.responses.add_item(vendor_id, item_id);
                }
                Vec::new()
            }
            ServerEvent::Audio(delta) => self.audio(now, delta),
            ServerEvent::Transcript { vendor_id, delta } => self.transcript(now, vendor_id, delta),
            ServerEvent::ToolCalled { vendor_id, call_id, name, arguments } => {
                self.responses.progress(vendor_id, now);
                self.tool_called(vendor_id, call_id, name, arguments)
            }
            ServerEvent::ResponseDone { vendor_id, status, error } => {
                self.response_done(now, vendor_id, *status, error)
            }
            ServerEvent::Irrelevant => Vec::new(),
            ServerEvent::Unknown => vec![count(AgentCounter::UnknownEvent)],
        }
    }

    /// Does what the call wants, or keeps it until it is legal.
    pub(super) fn order(&mut self, now: Duration, order: AgentOrder) -> Actions<R> {
        let Some(proof) = self.phase.confirmed() else {
            if self.early.len() < EARLY_ORDERS {
                self.early.push_back(order);
            }
            return Vec::new();
        };
        match order {
            AgentOrder::Respond { response, ask } => self.respond(now, proof, response, ask),
            AgentOrder::Cancel(response) => self.cancel(now, proof, response),
            AgentOrder::Truncate { response, heard } => self.truncate(proof, response, heard),
            AgentOrder::Dtmf(digit) => vec![Action::Send(ClientEvent::dtmf(proof, digit))],
            AgentOrder::ToolResult { call_id, result } => self.tool_result(proof, &call_id, result),
            AgentOrder::CallerSpeech { .. } => Vec::new(),
        }
    }

    fn error(&mut self, now: Duration, error: &VendorError) -> Actions<R> {
        if error.is_final() {
            return lose(AgentLoss::Refused, &error.describe());
        }
        if error.code() == "session_expired" {
            return lose(AgentLoss::Dropped, "the session's time limit was reached");
        }
        if error.code() == "response_cancel_not_active" {
            return Vec::new();
        }
        match self.phase {
            Phase::Opened { .. } => return lose(AgentLoss::Refused, &error.describe()),
            Phase::Confirming { attempt, .. } if error.caused_by().is_none_or(|cause| cause == UPDATE_ID) => {
                return self.refused(now, attempt, &error.describe());
            }
            Phase::Confirming { .. } | Phase::Ready(_) => {}
        }
        let mut actions = vec![count(AgentCounter::VendorError)];
        let asked = self.responses.asked.filter(|asked| error.caused_by() == Some(&create_id(asked.response)));
        if let Some(asked) = asked {
            self.responses.asked = None;
            let outcome = if asked.cancel { ResponseOutcome::Cancelled } else { ResponseOutcome::Failed };
            actions.push(Action::Tell(AgentEvent::ResponseEnded { response: asked.response, outcome }));
            actions.append(&mut self.go_on(now));
        }
        actions
    }

    fn transcribed(&mut self, item_id: &str, text: &str, confidence: Option<f32>) -> Actions<R> {
        self.history.caller_said(item_id, text);
        vec![Action::Tell(AgentEvent::CallerText { text: text.to_owned(), confidence })]
    }

    fn respond(&mut self, now: Duration, proof: Confirmed, response: ResponseId, ask: Ask) -> Actions<R> {
        if self.responses.knows(response) {
            return Vec::new();
        }
        if !self.responses.in_flight() {
            self.responses.asked = Some(Asked { response, since: now, cancel: false });
            return vec![Action::Send(ClientEvent::respond(proof, &self.plan, response, &ask))];
        }
        let superseded = self.queued.replace((response, ask)).filter(|(queued, _)| *queued != response);
        superseded.map(|(queued, _)| ended(queued, ResponseOutcome::Cancelled)).into_iter().collect()
    }

    fn cancel(&mut self, now: Duration, proof: Confirmed, response: ResponseId) -> Actions<R> {
        if self.queued.as_ref().is_some_and(|(queued, _)| *queued == response) {
            self.queued = None;
            return vec![ended(response, ResponseOutcome::Cancelled)];
        }
        if let Some(asked) = self.responses.asked.as_mut().filter(|asked| asked.response == response) {
            asked.cancel = true;
            return Vec::new();
        }
        let running = self.responses.running.as_mut().filter(|running| running.response == Some(response));
        running.and_then(|running| running.cancel(proof, now)).map(Action::Send).into_iter().collect()
    }

    /// What is still being generated is cut when it is over: nothing can be added to it then.
    fn truncate(&mut self, proof: Confirmed, response: ResponseId, heard: Duration) -> Actions<R> {
        let is_running = self.responses.is_running(response);
        let Some(known) = self.responses.numbered(response) else {
            return self.truncate_retold(proof, response, heard);
        };
        if is_running {
            known.heard = Some(heard);
            return Vec::new();
        }
        self.history.agent_heard(response, heard);
        known.cut(proof, heard).into_iter().map(Action::Send).collect()
    }

    fn tool_result(&mut self, proof: Confirmed, call_id: &str, result: ToolResult) -> Actions<R> {
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

    fn response_created(&mut self, now: Duration, vendor_id: &str, tag: Option<ResponseId>) -> Actions<R> {
        if self.responses.has_begun(vendor_id) {
            return vec![count(AgentCounter::VendorError)];
        }
        let asked = self.responses.asked.filter(|asked| tag == Some(asked.response));
        let response = match (asked, tag) {
            (Some(asked), _) => Some(asked.response),
            (None, None) if self.plan.settings.turns == TurnOwner::Vendor => {
                self.vendors_own += 1;
                Some(ResponseId::from_vendor(self.vendors_own))
            }
            // Nobody asked for it, and the vendor may not begin one.
            (None, _) => None,
        };
        if asked.is_some() {
            self.responses.asked = None;
        }
        let running = Running { vendor_id: vendor_id.to_owned(), response, last: now, cancelled: None };
        let running = self.responses.running.insert(running);
        let is_unwanted = response.is_none() || asked.is_some_and(|asked| asked.cancel);
        let cancel = match self.phase.confirmed() {
            Some(proof) if is_unwanted => running.cancel(proof, now),
            None if is_unwanted => {
                self.early.extend(response.map(AgentOrder::Cancel));
                None
            }
            _ => None,
        };
        let mut actions = Vec::new();
        if let Some(response) = response {
            self.responses.remember(response, vendor_id, self.format);
            self.history.agent_began(response);
            actions.push(Action::Tell(AgentEvent::ResponseStarted(response)));
        }
        actions.extend(cancel.map(Action::Send));
        actions
    }

    fn audio(&mut self, now: Duration, delta: &AudioDelta<'_>) -> Actions<R> {
        self.responses.progress(&delta.response_id, now);
        let bytes = decoded_length(&delta.delta);
        match self.responses.add_audio(&delta.response_id, &delta.item_id, delta.content_index, bytes) {
            Some(response) => vec![Action::Play(response)],
            None => vec![count(AgentCounter::StaleAudio)],
        }
    }

    fn transcript(&mut self, now: Duration, vendor_id: &str, delta: &str) -> Actions<R> {
        self.responses.progress(vendor_id, now);
        let Some(response) = self.responses.named(vendor_id).filter(|known| !known.is_over).map(|known| known.response)
        else {
            return Vec::new();
        };
        self.history.agent_said(response, delta);
        vec![Action::Tell(AgentEvent::Text { response, text: delta.to_owned() })]
    }

    fn tool_called(&mut self, vendor_id: &str, call_id: &str, name: &str, arguments: &str) -> Actions<R> {
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

    fn response_done(&mut self, now: Duration, vendor_id: &str, status: Status, error: &VendorError) -> Actions<R> {
        if self.responses.running.as_ref().is_some_and(|running| running.vendor_id == vendor_id) {
            self.responses.running = None;
        }
        let mut actions = Vec::new();
        let known = self.responses.named(vendor_id).filter(|known| !known.is_over).map(|known| {
            known.is_over = true;
            (known.response, known.length(), known.heard)
        });
        if let Some((response, length, heard)) = known {
            self.history.agent_lasted(response, length);
            actions.push(ended(response, outcome(status)));
            if let Some(heard) = heard {
                actions.append(&mut self.order(now, AgentOrder::Truncate { response, heard }));
            }
        }
        if status == Status::Failed && error.is_final() {
            actions.append(&mut lose(AgentLoss::Refused, &error.describe()));
            return actions;
        }
        actions.append(&mut self.go_on(now));
        actions
    }

    /// The vendor is free: what waited for that is legal now.
    fn go_on(&mut self, now: Duration) -> Actions<R> {
        let Some(proof) = self.phase.confirmed() else { return Vec::new() };
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
        if !self.responses.in_flight()
            && let Some((response, ask)) = self.queued.take()
        {
            actions.append(&mut self.respond(now, proof, response, ask));
        }
        actions
    }
}

/// How many bytes the base64 text stands for, split or not.
fn decoded_length(base64: &str) -> u64 {
    let padding = base64.bytes().rev().take_while(|b| *b == b'=').count();
    (base64.len() - padding) as u64 * 3 / 4
}

fn outcome(status: Status) -> ResponseOutcome {
    match status {
        Status::Completed => ResponseOutcome::Completed,
        Status::Cancelled => ResponseOutcome::Cancelled,
        Status::Incomplete | Status::Failed => ResponseOutcome::Failed,
    }
}

fn ended<R: Rate>(response: ResponseId, outcome: ResponseOutcome) -> Action<R> {
    Action::Tell(AgentEvent::ResponseEnded { response, outcome })
}

fn count<R: Rate>(counter: AgentCounter) -> Action<R> {
    Action::Tell(AgentEvent::Counted(counter))
}

fn lose<R: Rate>(loss: AgentLoss, detail: &str) -> Actions<R> {
    vec![Action::Lose { loss, detail: detail.to_owned() }]
}
