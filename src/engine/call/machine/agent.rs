//! What the agent does: responses, tools, and being lost.

use std::time::Duration;

use crate::engine::ids::{PhoneNumber, ResponseId};
use crate::engine::time::CallTime;

use super::super::deadlines::Timer;
use super::super::event::{AgentLoss, Ask, Farewell, Note, Output, ResponseOutcome, Tool, ToolCall, ToolResult};
use super::super::hangup::HangupCause;
use super::super::heard::Origin;
use super::super::settings::TurnOwner;
use super::asking::again;
use super::ending::Ending;
use super::{Agent, CallMachine, ms};

/// How many lost agents one call replaces before it gives up; the count starts anew when an agent has finished a
/// response.
const RECONNECTS: u32 = 2;

impl CallMachine {
    pub(super) fn response_started(&mut self, response: ResponseId, out: &mut Vec<Output>) {
        if self.in_flight == Some(response) {
            return;
        }
        let may_begin_itself = response.is_vendors()
            && self.settings.turns == TurnOwner::Vendor
            && self.in_flight.is_none()
            && self.ending.is_none()
            && self.ledger.get(response).is_none();
        if !may_begin_itself {
            self.ignore();
            if response.is_vendors() {
                out.push(Output::CancelResponse(response)); // one of ours was cancelled when it was withdrawn
            }
            return;
        }
        self.ledger.open(response, Origin::Agent(Ask::Answer));
        self.in_flight = Some(response);
    }

    pub(super) fn agent_audio(&mut self, now: CallTime, response: ResponseId, length: Duration, out: &mut Vec<Output>) {
        let Some(entry) = self.ledger.get_mut(response).filter(|entry| entry.is_generating) else {
            return out.push(Output::Drop(response));
        };
        entry.received += length;
        let (is_agents, has_begun) = (entry.origin != Origin::Engine, entry.first_out.is_some());
        out.push(Output::Play(response));
        self.sound.comes(now, length, is_agents);
        if is_agents && self.ending.is_none() {
            self.deadlines.set(Timer::RanDry, self.sound.of_agent_until + ms(self.settings.silence.filler_after_ms));
        }
        let goes_on = self.owed.as_ref().is_some_and(|owed| owed.was_asked && owed.response == Some(response));
        if has_begun && goes_on {
            self.owe_nothing(); // it had run dry
        }
    }

    pub(super) fn agent_text(&mut self, response: ResponseId, text: &str) {
        match self.ledger.get_mut(response).filter(|entry| entry.is_generating) {
            None => self.ignore(), // words of a response that was interrupted, or withdrawn
            Some(entry) => entry.text.push_str(text),
        }
    }

    pub(super) fn response_ended(
        &mut self,
        now: CallTime,
        response: ResponseId,
        outcome: ResponseOutcome,
        out: &mut Vec<Output>,
    ) {
        if self.in_flight == Some(response) {
            self.in_flight = None;
            self.deadlines.clear(Timer::RanDry);
        }
        match self.ledger.get_mut(response).filter(|entry| entry.is_generating) {
            None => {}
            Some(entry) if entry.received.is_zero() => {
                let was_the_agents = entry.origin != Origin::Engine;
                self.ledger.settle(response);
                if was_the_agents && outcome == ResponseOutcome::Completed {
                    self.agent_turns_in_a_row += 1;
                    self.last_turn_was_silent = true;
                }
                if was_the_agents && outcome != ResponseOutcome::Cancelled {
                    self.ask_again();
                }
            }
            Some(entry) => {
                entry.is_generating = false;
                entry.is_whole = outcome == ResponseOutcome::Completed;
                let is_agents = entry.origin != Origin::Engine;
                out.push(Output::FinishPlayout(response));
                match outcome {
                    ResponseOutcome::Completed if is_agents => self.reconnects = 0,
                    ResponseOutcome::Failed if is_agents => self.is_cut_short(now),
                    _ => {}
                }
            }
        }
        self.ask_if_due(now, out);
        self.end_if_drained(now, out);
    }

    /// The agent stopped in the middle of a sentence: it owes the rest since its last sound.
    fn is_cut_short(&mut self, now: CallTime) {
        if self.owed.is_none() && self.ending.is_none() {
            self.owe(self.sound.of_agent_until.min(now), Ask::Again);
        }
    }

    /// The response in flight has brought sound and then no more: from its last sound on the agent owes the rest.
    pub(super) fn ran_dry(&mut self, now: CallTime) {
        let stuck = self.in_flight.and_then(|response| self.ledger.get(response));
        let Some(response) = stuck.filter(|entry| self.is_dry(now, entry)).map(|entry| entry.id) else { return };
        if self.owed.is_some() || self.ending.is_some() {
            return;
        }
        self.owe(self.sound.of_agent_until, Ask::Again);
        if let Some(owed) = &mut self.owed {
            (owed.was_asked, owed.response) = (true, Some(response));
        }
    }

    /// A response brought no sound: it is asked for once more at once; after that the ladder goes on.
    fn ask_again(&mut self) {
        if let Some(owed) = self.owed.as_mut().filter(|owed| owed.was_asked && !owed.is_second_try) {
            owed.was_asked = false;
            owed.is_second_try = true;
            owed.ask = again(&owed.ask);
        }
    }

    pub(super) fn agent_lost(&mut self, now: CallTime, loss: AgentLoss, out: &mut Vec<Output>) {
        self.agent = Agent::Absent;
        self.deadlines.clear(Timer::AgentReady);
        self.stats.agent_losses += 1;
        out.push(Output::Note(Note::AgentLost(loss)));
        if self.close_generation(out) {
            self.is_cut_short(now);
        }
        if self.ending.is_some() {
            return self.end_if_drained(now, out);
        }
        self.vendor_stops_listening(now);
        if let Some(owed) = &mut self.owed {
            (owed.was_asked, owed.is_unheard) = (false, true);
        }
        if loss == AgentLoss::Refused || self.reconnects >= RECONNECTS {
            return self.give_up(now, out);
        }
        self.reconnects += 1;
        out.push(Output::Note(Note::AgentReconnecting));
        self.connect(now, out);
    }

    /// No agent will send anything more of what is being generated. Whether a response was cut short by that.
    pub(super) fn close_generation(&mut self, out: &mut Vec<Output>) -> bool {
        self.in_flight = None;
        self.deadlines.clear(Timer::RanDry);
        let generating: Vec<ResponseId> = self
            .ledger
            .entries()
            .iter()
            .filter(|entry| entry.is_generating && entry.origin != Origin::Engine)
            .map(|entry| entry.id)
            .collect();
        let mut was_cut_short = false;
        for response in generating {
            match self.ledger.get_mut(response) {
                Some(entry) if !entry.received.is_zero() => {
                    entry.is_generating = false;
                    was_cut_short = true;
                    out.push(Output::FinishPlayout(response));
                }
                _ => drop(self.ledger.settle(response)),
            }
        }
        was_cut_short
    }

    pub(super) fn tool_called(&mut self, now: CallTime, call: ToolCall, out: &mut Vec<Output>) {
        let (name, result) = match call.tool {
            Tool::HangUp => ("hang_up", Ok((HangupCause::AgentHungUp, Farewell::HangUp))),
            Tool::Transfer(wanted) => ("transfer", self.transfer_target(wanted)),
            Tool::Unusable { complaint } => ("unusable", Err(complaint)),
        };
        out.push(Output::Note(Note::ToolCalled(name)));
        match result {
            Ok((cause, farewell)) => {
                out.push(Output::AnswerTool { call_id: call.call_id, result: ToolResult::Done });
                self.end_after_last_words(now, Ending { cause, farewell, is_revocable: true }, out);
            }
            Err(complaint) => {
                out.push(Output::AnswerTool { call_id: call.call_id, result: ToolResult::Refused(complaint) });
                self.owe_still(now);
                self.ask_if_due(now, out);
            }
        }
    }

    fn transfer_target(&self, wanted: Option<PhoneNumber>) -> Result<(HangupCause, Farewell), String> {
        let Some(own) = &self.settings.transfer_to else {
            return Err("calls can't be transferred here; offer to take a message".to_owned());
        };
        match wanted {
            Some(other) if other != *own => Err("only the business's own number can be dialled".to_owned()),
            _ => Ok((HangupCause::Transferred, Farewell::Dial(own.clone()))),
        }
    }
}
