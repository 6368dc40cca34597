//! Responses: at most one in flight, each told from beginning to end, cut to what was heard.

use std::time::Duration;

use crate::engine::audio::Rate;
use crate::engine::call::{AgentCounter, AgentLoss, Ask, ResponseOutcome, TurnOwner};
use crate::engine::ids::ResponseId;
use crate::providers::voice_agent::{AgentEvent, AgentOrder};

use super::super::client_event::ClientEvent;
use super::super::lifecycle::Confirmed;
use super::super::responses::{Asked, Running};
use super::super::server_event::{AudioDelta, Status, VendorError};
use super::{Action, Actions, Session, count, lose};

impl<R: Rate> Session<R> {
    pub(super) fn respond(&mut self, now: Duration, proof: Confirmed, response: ResponseId, ask: Ask) -> Actions<R> {
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

    pub(super) fn cancel(&mut self, now: Duration, proof: Confirmed, response: ResponseId) -> Actions<R> {
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
    pub(super) fn truncate(&mut self, proof: Confirmed, response: ResponseId, heard: Duration) -> Actions<R> {
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

    pub(super) fn response_created(&mut self, now: Duration, vendor_id: &str, tag: Option<ResponseId>) -> Actions<R> {
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

    pub(super) fn audio(&mut self, now: Duration, delta: &AudioDelta<'_>) -> Actions<R> {
        self.responses.progress(&delta.response_id, now);
        self.has_spoken = true;
        let bytes = decoded_length(&delta.delta);
        match self.responses.add_audio(&delta.response_id, &delta.item_id, delta.content_index, bytes) {
            Some(response) => vec![Action::Play(response)],
            None => vec![count(AgentCounter::StaleAudio)],
        }
    }

    pub(super) fn transcript(&mut self, now: Duration, vendor_id: &str, delta: &str) -> Actions<R> {
        self.responses.progress(vendor_id, now);
        let Some(response) = self.responses.named(vendor_id).filter(|known| !known.is_over).map(|known| known.response)
        else {
            return Vec::new();
        };
        self.history.agent_said(response, delta);
        vec![Action::Tell(AgentEvent::Text { response, text: delta.to_owned() })]
    }

    pub(super) fn response_done(
        &mut self,
        now: Duration,
        vendor_id: &str,
        status: Status,
        error: &VendorError,
    ) -> Actions<R> {
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
    pub(super) fn go_on(&mut self, now: Duration) -> Actions<R> {
        let Some(proof) = self.phase.confirmed() else { return Vec::new() };
        let mut actions = self.answer_tools(proof);
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
