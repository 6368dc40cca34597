//! One session with the vendor, without its socket: what it says goes in, what is to be done comes out.
//!
//! Times are on the session's own clock. Whoever drives it gives it every message in order, every order of
//! the call, and calls [`Session::expire`] when [`Session::deadline`] has come.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::audio::Rate;
use crate::engine::call::{AgentCounter, AgentLoss, Ask, ResponseOutcome};
use crate::engine::ids::ResponseId;
use crate::engine::prompt::SPEECH_RECOGNITION;
use crate::providers::voice_agent::{AgentEvent, AgentOrder};

use super::client_event::{ClientEvent, UPDATE_ID, create_id};
use super::history::History;
use super::lifecycle::{Attempt, Phase};
use super::plan::Plan;
use super::responses::Responses;
use super::server_event::{ServerEvent, VendorError};
use super::settings::AudioFormat;

mod confirm;
mod responses;
mod retell;
#[cfg(test)]
mod tests;
mod tool_calls;

use retell::Retold;
use tool_calls::OpenCall;

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
    plan: Arc<Plan>,
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
    /// Whether the vendor's voice was heard in this session.
    has_spoken: bool,
    tool_calls: Vec<OpenCall>,
    /// From the caller's onset until the utterance has its place in the conversation.
    caller_speaks: bool,
    history: History,
    retold: Vec<Retold>,
    rate: std::marker::PhantomData<R>,
}

type Actions<R> = Vec<Action<R>>;

impl<R: Rate> Session<R> {
    /// A session whose socket has just opened.
    pub(super) fn new(plan: Arc<Plan>, format: AudioFormat, history: History, vendors_own: u32) -> Self {
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
            has_spoken: false,
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
                if self.plan.settings.writes_down() {
                    self.history.caller_began(item_id);
                }
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
        // Where nothing was said, the model may write down what it was told; the caller did not say it.
        let text = if text.trim() == SPEECH_RECOGNITION { "" } else { text };
        self.history.caller_said(item_id, text);
        vec![Action::Tell(AgentEvent::CallerText { text: text.to_owned(), confidence })]
    }
}

fn count<R: Rate>(counter: AgentCounter) -> Action<R> {
    Action::Tell(AgentEvent::Counted(counter))
}

fn lose<R: Rate>(loss: AgentLoss, detail: &str) -> Actions<R> {
    vec![Action::Lose { loss, detail: detail.to_owned() }]
}
