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
use super::history::{History, Source};
use super::lifecycle::{Attempt, Confirmed, Phase};
use super::plan::Plan;
use super::responses::{Asked, Responses, Running};
use super::server_event::{AudioDelta, Echo, ServerEvent, Status, VendorError};
use super::settings::AudioFormat;
use super::tools;

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

/// An item in which a response of an earlier session was retold.
#[derive(Debug)]
struct Retold {
    response: ResponseId,
    item_id: String,
    /// The item before it.
    after: Option<String>,
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

    /// Takes the place of an earlier session: goes on with what was said, and says it to the vendor. Nothing
    /// happens before the session is ready.
    pub(super) fn succeed(&mut self, history: History, vendors_own: u32) -> Actions<R> {
        self.history = history;
        self.vendors_own = vendors_own;
        self.phase.confirmed().map(|proof| self.retell(proof)).unwrap_or_default()
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

    /// The responses that began and will not end by themselves, for the end of the session.
    pub(super) fn abandon(&mut self) -> Vec<ResponseId> {
        self.responses.unfinished()
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
            ServerEvent::SpeechStopped => {
                self.caller_speaks = false;
                vec![Action::Tell(AgentEvent::CallerSpeechEnded)]
            }
            ServerEvent::Committed { item_id } => {
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

    fn created(&mut self, now: Duration, expires_at: Option<i64>) -> Actions<R> {
        if !matches!(self.phase, Phase::Opened { .. }) {
            return Vec::new();
        }
        self.expires_at = expires_at;
        vec![self.update(now, Attempt::Full)]
    }

    fn update(&mut self, now: Duration, attempt: Attempt) -> Action<R> {
        self.phase = Phase::Confirming { attempt, until: now + self.plan.settings.confirm_timeout };
        Action::Send(ClientEvent::session_update(&self.plan, self.format, attempt))
    }

    fn updated(&mut self, now: Duration, echo: &Echo) -> Actions<R> {
        let Phase::Confirming { attempt, .. } = self.phase else {
            // Nobody asked: it must not take back what was confirmed.
            let is_wanted = mismatch(&self.plan, self.format, echo).is_none();
            return if is_wanted { Vec::new() } else { vec![count(AgentCounter::VendorError)] };
        };
        match mismatch(&self.plan, self.format, echo) {
            None => self.ready(now),
            Some(field) if field.ends_with("format") && self.format == AudioFormat::Pcmu => {
                let mut actions = self.count_fallback();
                actions.push(self.update(now, Attempt::Full));
                actions
            }
            Some(field) => self.refused(now, attempt, &format!("session.updated differs in {field}")),
        }
    }

    fn ready(&mut self, now: Duration) -> Actions<R> {
        self.phase.confirm();
        let is_first = self.confirmed_format.replace(self.format).is_none();
        let mut actions = Vec::new();
        if is_first {
            if let Some(proof) = self.phase.confirmed() {
                actions.append(&mut self.retell(proof));
            }
            actions.push(Action::Decode(self.format));
            actions.push(Action::Tell(AgentEvent::Ready { detects_turns: true }));
        }
        actions.push(Action::Hear(self.format));
        actions.append(&mut self.catch_up(now));
        actions
    }

    /// What could not be done without the confirmation is done now.
    fn catch_up(&mut self, now: Duration) -> Actions<R> {
        let mut actions = Vec::new();
        for order in std::mem::take(&mut self.early) {
            actions.append(&mut self.order(now, order));
        }
        actions.append(&mut self.go_on(now));
        actions
    }

    /// The vendor does not take our settings: once more without what we can do without, then no more.
    fn refused(&mut self, now: Duration, attempt: Attempt, detail: &str) -> Actions<R> {
        match (attempt, self.confirmed_format) {
            (Attempt::Full, None) => vec![self.update(now, Attempt::Reduced)],
            (Attempt::Reduced, None) => lose(AgentLoss::Refused, detail),
            // It was confirmed before: what the vendor hears stays as it was until another session is there.
            (_, Some(heard)) => {
                self.phase.confirm();
                let mut actions = vec![Action::Hear(heard), Action::Replace(self.format)];
                actions.append(&mut self.catch_up(now));
                actions
            }
        }
    }

    fn count_fallback(&mut self) -> Actions<R> {
        self.format = AudioFormat::Pcm24;
        let is_first = !std::mem::replace(&mut self.fell_back, true);
        is_first.then(|| count(AgentCounter::FormatFallback)).into_iter().collect()
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

    fn truncate_retold(&mut self, proof: Confirmed, response: ResponseId, heard: Duration) -> Actions<R> {
        let Some(at) = self.retold.iter().position(|retold| retold.response == response) else {
            return Vec::new();
        };
        let Some(left) = self.history.agent_heard(response, heard) else { return Vec::new() };
        let Retold { item_id, after, .. } = self.retold.remove(at);
        let mut events = vec![ClientEvent::delete(proof, &item_id)];
        if !left.trim().is_empty() {
            let (after, agent) = (after.as_deref(), crate::engine::call::Speaker::Agent);
            events.push(ClientEvent::said_before(proof, &format!("{item_id}_cut"), after, agent, &left));
        }
        events.into_iter().map(Action::Send).collect()
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

    /// Says everything said so far to a vendor that has not heard it.
    fn retell(&mut self, proof: Confirmed) -> Actions<R> {
        let mut actions = Vec::new();
        let mut after: Option<String> = None;
        for (number, entry) in self.history.entries().enumerate() {
            let item_id = format!("before_{number}");
            let event = ClientEvent::said_before(proof, &item_id, after.as_deref(), entry.speaker(), &entry.text);
            actions.push(Action::Send(event));
            if let Source::Agent { response, .. } = entry.source {
                self.retold.push(Retold { response, item_id: item_id.clone(), after: after.take() });
            }
            after = Some(item_id);
        }
        actions
    }
}

/// The first field in which the vendor's settings are not ours.
fn mismatch(plan: &Plan, format: AudioFormat, echo: &Echo) -> Option<&'static str> {
    let is_format = |kind: Option<&str>, rate: Option<u32>| match format {
        AudioFormat::Pcmu => kind == Some("audio/pcmu"),
        AudioFormat::Pcm24 => kind == Some("audio/pcm") && rate.is_none_or(|rate| rate == 24_000),
    };
    let (input, output) = (&echo.audio.input, &echo.audio.output);
    let vendors_turn = Some(plan.settings.turns == TurnOwner::Vendor);
    let turns = input.turn_detection.as_ref();
    let checks = [
        ("type", echo.kind.as_deref() == Some("realtime")),
        ("audio.input.format", is_format(input.format.kind.as_deref(), input.format.rate)),
        ("audio.output.format", is_format(output.format.kind.as_deref(), output.format.rate)),
        ("audio.input.turn_detection.type", turns.and_then(|turns| turns.kind.as_deref()) == Some("server_vad")),
        ("audio.input.turn_detection.create_response", turns.and_then(|turns| turns.create_response) == vendors_turn),
        (
            "audio.input.turn_detection.interrupt_response",
            turns.and_then(|turns| turns.interrupt_response) == vendors_turn,
        ),
        (
            "audio.input.transcription.model",
            input.transcription.as_ref().and_then(|t| t.model.as_deref()) == Some(&plan.settings.transcription_model),
        ),
        ("instructions", echo.instructions.as_deref() == Some(&plan.instructions)),
    ];
    checks.into_iter().find(|(_, is_right)| !is_right).map(|(field, _)| field)
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

#[cfg(test)]
mod tests;
