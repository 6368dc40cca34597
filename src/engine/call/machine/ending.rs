//! The end of the call: after the last words were heard, or at once.

use crate::engine::time::CallTime;

use super::super::deadlines::{Deadlines, Timer};
use super::super::event::{Farewell, Note, Output, Phrase};
use super::super::hangup::HangupCause;
use super::caller::Said;
use super::{Agent, CallMachine, Phase, ms};

/// The call is about to end, once everything said was heard.
#[derive(Clone, Debug)]
pub(super) struct Ending {
    pub(super) cause: HangupCause,
    pub(super) farewell: Farewell,
    /// Whether the caller can prevent it by speaking.
    pub(super) is_revocable: bool,
}

impl CallMachine {
    /// Nobody will answer the caller any more.
    pub(super) fn give_up(&mut self, now: CallTime, out: &mut Vec<Output>) {
        self.agent = Agent::Absent;
        self.deadlines.clear(Timer::AgentReady);
        self.close_generation(out);
        out.push(Output::CloseAgent);
        self.say(Phrase::Apology, out);
        let ending = Ending { cause: HangupCause::AgentUnavailable, farewell: Farewell::HangUp, is_revocable: false };
        self.end_after_last_words(now, ending, out);
    }

    pub(super) fn end_after_last_words(&mut self, now: CallTime, ending: Ending, out: &mut Vec<Output>) {
        self.owe_nothing();
        self.deadlines.clear(Timer::RanDry);
        self.ending = Some(ending);
        self.deadlines.set(Timer::Drain, now + ms(self.settings.limits.drain_ms));
        self.end_if_drained(now, out);
    }

    pub(super) fn end_if_drained(&mut self, now: CallTime, out: &mut Vec<Output>) {
        if self.in_flight.is_some() || !self.ledger.entries().is_empty() {
            return;
        }
        self.drained_long_enough(now, out);
    }

    pub(super) fn drained_long_enough(&mut self, now: CallTime, out: &mut Vec<Output>) {
        if let Some(Ending { cause, farewell, .. }) = self.ending.take() {
            self.end(now, cause, farewell, out);
        }
    }

    /// Nothing can be said on this stream any more. What the call was about to end with is done; else the carrier
    /// apologises.
    pub(super) fn stream_lost(&mut self, now: CallTime, out: &mut Vec<Output>) {
        let (cause, farewell) = match self.ending.take() {
            Some(ending) => (ending.cause, ending.farewell),
            None => (HangupCause::StreamLost, Farewell::Apologise),
        };
        self.end(now, cause, farewell, out);
    }

    pub(super) fn end(&mut self, now: CallTime, cause: HangupCause, farewell: Farewell, out: &mut Vec<Output>) {
        let was_answered = self.phase == Phase::Talking;
        while let Some(id) = self.ledger.entries().first().map(|entry| entry.id) {
            let Some(entry) = self.ledger.settle(id) else { break };
            let was_cut = entry.heard < entry.received;
            self.store_agent_turn(&entry, was_cut, out);
        }
        if let Some(started) = self.caller.utterance.take() {
            self.caller.awaiting_words.push_back(Said { started, ended: now, words_due: now, was_missed: false });
        }
        while let Some(said) = self.caller.awaiting_words.pop_front() {
            self.store_caller_turn(said, String::new(), None, out);
        }
        self.phase = Phase::Ended;
        self.deadlines = Deadlines::default();
        self.in_flight = None;
        if was_answered {
            self.stats.length = now.since(self.answered_at);
            out.push(Output::CloseAgent);
        }
        out.push(Output::Note(Note::Ended(cause)));
        out.push(Output::EndCall { cause, farewell });
    }
}
