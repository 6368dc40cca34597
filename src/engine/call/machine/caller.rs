//! What the caller does: speaks, interrupts, presses keys.

use std::collections::VecDeque;
use std::time::Duration;

use crate::engine::ids::Digit;
use crate::engine::time::CallTime;

use super::super::barge_in::{self, Decision, Floor};
use super::super::deadlines::Timer;
use super::super::event::{Ask, Detector, Note, Output};
use super::super::heard::{Entry, Origin};
use super::ear::Sound;
use super::{Agent, CallMachine, ms};

/// The caller's side.
#[derive(Clone, Debug, Default)]
pub(super) struct Caller {
    pub(super) heard_by_us: Option<CallTime>,
    /// Whether the vendor, whose turns count, has heard the end of what our detector still takes for speech.
    is_over_for_vendor: bool,
    pub(super) heard_by_vendor: Option<CallTime>,
    pub(super) utterance: Option<CallTime>,
    pub(super) interrupted_for_us: bool,
    pub(super) awaiting_words: VecDeque<Said>,
}

impl Caller {
    pub(super) fn is_speaking(&self) -> bool {
        self.heard_by_us.is_some() || self.heard_by_vendor.is_some()
    }

    fn heard_by(&mut self, detector: Detector) -> &mut Option<CallTime> {
        match detector {
            Detector::Own => &mut self.heard_by_us,
            Detector::Vendor => &mut self.heard_by_vendor,
        }
    }
}

/// An utterance whose words have not come yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said {
    pub(super) started: CallTime,
    pub(super) ended: CallTime,
    pub(super) words_due: CallTime,
    /// Whether it ended while no vendor listened: one that keeps what it missed hears it again.
    pub(super) was_missed: bool,
}

impl CallMachine {
    /// Whose detector opens and closes the caller's utterances.
    fn ears(&self) -> Detector {
        match self.agent {
            Agent::Ready { detects_turns: true } => Detector::Vendor,
            _ => Detector::Own,
        }
    }

    pub(super) fn caller_started(&mut self, now: CallTime, by: Detector, onset: CallTime, out: &mut Vec<Output>) {
        let heard = self.caller.heard_by(by);
        if heard.is_some() {
            return self.ignore();
        }
        *heard = Some(onset);
        if by == Detector::Own {
            self.caller.is_over_for_vendor = false;
        }
        if by == self.ears() {
            self.caller.utterance.get_or_insert(onset);
        }
        if by == Detector::Vendor {
            self.deadlines.set(Timer::Utterance, now + ms(self.settings.limits.max_utterance_ms) / 5);
        }
        self.weigh_barge_in(now, out);
    }

    pub(super) fn weigh_barge_in(&mut self, now: CallTime, out: &mut Vec<Output>) {
        self.deadlines.clear(Timer::BargeIn);
        let floor = self.floor();
        let onsets = [(Detector::Vendor, self.caller.heard_by_vendor), (Detector::Own, self.caller.heard_by_us)];
        let mut look_again: Option<CallTime> = None;
        for (detector, onset) in onsets {
            let Some(onset) = onset else { continue };
            if detector == Detector::Own && self.caller.is_over_for_vendor {
                continue; // it waits longer for the end: this is what is being answered
            }
            let settings = &self.settings.barge_in;
            match barge_in::decide(settings, now, detector, onset, floor, self.last_barge_in) {
                Decision::Interrupt => {
                    self.caller.interrupted_for_us = detector == Detector::Own;
                    return self.interrupt(now, onset, out);
                }
                Decision::WaitUntil(at) => look_again = Some(look_again.map_or(at, |other| other.min(at))),
                Decision::Ignore => {}
            }
        }
        if let Some(at) = look_again {
            self.deadlines.set(Timer::BargeIn, at);
        }
    }

    /// The vendor's detector has said no more since the caller began: a line that hums, or an end that got lost.
    /// If our own detector hears nothing either, nobody speaks.
    pub(super) fn utterance_goes_on(&mut self, now: CallTime, out: &mut Vec<Output>) {
        let Some(onset) = self.caller.heard_by_vendor else { return };
        let longest = onset + ms(self.settings.limits.max_utterance_ms);
        if self.caller.heard_by_us.is_some() && now < longest {
            return self.deadlines.set(Timer::Utterance, longest.min(now + Duration::from_secs(1)));
        }
        self.caller_ended(now, Detector::Vendor, now, out);
    }

    fn floor(&self) -> Floor {
        if self.ending.as_ref().is_some_and(|ending| !ending.is_revocable) {
            return Floor::Free; // the engine's last words; nobody would answer the caller
        }
        let is_greeting = |entry: &Entry| entry.origin == Origin::Agent(Ask::Greeting);
        let speaking = self.ledger.entries().iter().find(|entry| entry.first_out.is_some() && !entry.is_cleared);
        if let Some((entry, since)) = speaking.and_then(|entry| entry.first_out.map(|since| (entry, since))) {
            return Floor::Speaking { since, is_greeting: is_greeting(entry) };
        }
        match self.ledger.entries().first() {
            None => Floor::Free,
            Some(entry) if is_greeting(entry) => Floor::Free,
            Some(_) => Floor::Thinking,
        }
    }

    /// The caller has the floor: whatever was not heard is thrown away everywhere.
    fn interrupt(&mut self, now: CallTime, onset: CallTime, out: &mut Vec<Output>) {
        out.push(Output::ClearPlayout);
        if let Some(playing) = self.ledger.entries().iter().find(|entry| entry.first_out.is_some()) {
            let reaction = now.since(onset);
            out.push(Output::Note(Note::BargeIn { response: playing.id, heard: playing.heard, reaction }));
            self.stats.barge_ins += 1;
            self.stats.barge_in_slowest = self.stats.barge_in_slowest.max(Some(reaction));
            self.last_barge_in = Some(now);
            self.playout_ended_at = Some(now);
        }
        self.throw_away_unheard(out);
        self.owe_nothing();
        self.ending = None;
        self.deadlines.clear(Timer::Drain);
    }

    pub(super) fn throw_away_unheard(&mut self, out: &mut Vec<Output>) {
        self.sound = Sound::default();
        self.deadlines.clear(Timer::RanDry);
        while let Some(id) = self.ledger.entries().first().map(|entry| entry.id) {
            let Some(entry) = self.ledger.settle(id) else { return };
            let is_agents = entry.origin != Origin::Engine;
            if is_agents && entry.is_generating {
                out.push(Output::CancelResponse(id));
            }
            if is_agents && !entry.received.is_zero() {
                out.push(Output::Truncate { response: id, heard: entry.heard });
            }
            self.store_agent_turn(&entry, true, out);
        }
    }

    pub(super) fn caller_ended(&mut self, now: CallTime, by: Detector, ended: CallTime, out: &mut Vec<Output>) {
        let ears = self.ears();
        let Some(onset) = self.caller.heard_by(by).take() else { return self.ignore() };
        if !self.caller.is_speaking() {
            self.deadlines.clear(Timer::BargeIn);
        }
        if by == Detector::Vendor {
            self.deadlines.clear(Timer::Utterance);
        }
        if by != ears {
            return self.other_detector_ended(now, ended, out);
        }
        self.caller.is_over_for_vendor = by == Detector::Vendor && self.caller.heard_by_us.is_some();
        let Some(started) = self.caller.utterance.take() else { return };
        self.caller.interrupted_for_us = false;
        if by == Detector::Own && self.is_echo(onset, ended) {
            return self.ask_if_due(now, out);
        }
        self.expect_words(now, by, started, ended);
        self.caller_is_there();
        // Speech that did not stop the agent ("mhm", or a "hello?" before the greeting) needs no answer.
        if matches!(self.floor(), Floor::Free) && self.ledger.audible().is_none() {
            self.owe(ended, Ask::Answer);
        }
        self.ask_if_due(now, out);
    }

    /// The words of an utterance are to come. A vendor that catches up with what was said before it listened
    /// tells of an utterance that is known already.
    fn expect_words(&mut self, now: CallTime, by: Detector, started: CallTime, ended: CallTime) {
        let words_due = now + ms(self.settings.limits.transcript_wait_ms);
        let was_missed = by == Detector::Own;
        match self.caller.awaiting_words.iter_mut().find(|said| said.was_missed && !was_missed) {
            Some(said) => (said.words_due, said.was_missed) = (words_due, false),
            None => {
                let ended = ended.max(started);
                self.caller.awaiting_words.push_back(Said { started, ended, words_due, was_missed });
            }
        }
        self.await_words();
    }

    /// Our detector interrupted the agent, or heard the caller before the vendor listened, but the vendor, whose
    /// turns count, heard nothing: without this, both sides would wait for each other.
    fn other_detector_ended(&mut self, now: CallTime, ended: CallTime, out: &mut Vec<Output>) {
        let nobody_else_hears = self.caller.heard_by_vendor.is_none();
        if let Some(started) = self.caller.utterance.take_if(|_| nobody_else_hears) {
            self.expect_words(now, Detector::Own, started, ended);
            self.caller_is_there();
            self.ask_if_due(now, out);
        }
        let nobody_else_heard = nobody_else_hears && self.owed.is_none();
        // One that was interrupted is not in the ledger any more; a vendor that stalls never ends it.
        let nobody_speaks = self.in_flight.is_none_or(|response| self.ledger.get(response).is_none());
        if std::mem::take(&mut self.caller.interrupted_for_us) && nobody_else_heard && nobody_speaks {
            self.owe(ended, Ask::Answer);
            self.ask_if_due(now, out);
        }
    }

    fn is_echo(&self, onset: CallTime, ended: CallTime) -> bool {
        let settings = &self.settings.barge_in;
        let Some(quiet_since) = self.playout_ended_at else { return false };
        onset.since(quiet_since) < ms(settings.post_playout_protection_ms)
            && ended.since(onset) < ms(settings.min_speech_ms)
            && self.last_barge_in != self.playout_ended_at
    }

    fn caller_is_there(&mut self) {
        self.agent_turns_in_a_row = 0;
        self.reprompts = 0;
    }

    /// What the lost agent heard the next one does not know: the words that were to come won't, and an utterance
    /// that it alone heard has no end.
    pub(super) fn vendor_stops_listening(&mut self, now: CallTime) {
        self.caller.heard_by_vendor = None;
        for said in &mut self.caller.awaiting_words {
            said.words_due = now;
        }
        if self.caller.heard_by_us.is_none()
            && let Some(started) = self.caller.utterance.take()
        {
            self.caller.awaiting_words.push_back(Said { started, ended: now, words_due: now, was_missed: false });
            self.owe(now, Ask::Again);
        }
        self.await_words();
    }

    pub(super) fn await_words(&mut self) {
        match self.caller.awaiting_words.front() {
            Some(said) => self.deadlines.set(Timer::Transcript, said.words_due),
            None => self.deadlines.clear(Timer::Transcript),
        }
    }

    pub(super) fn caller_text(&mut self, now: CallTime, text: String, confidence: Option<f32>, out: &mut Vec<Output>) {
        if text.trim().is_empty() && self.ears() == Detector::Own {
            return; // an agent that knows no words; the turn is stored without
        }
        let said = self.caller.awaiting_words.pop_front();
        self.await_words();
        if text.trim().is_empty() {
            return; // a noise that the recogniser found no words in
        }
        let said = said.unwrap_or(Said { started: now, ended: now, words_due: now, was_missed: false });
        self.store_caller_turn(said, text, confidence, out);
    }

    pub(super) fn message_taken(&mut self, now: CallTime, length: Duration, out: &mut Vec<Output>) {
        let said = self.caller.awaiting_words.pop_front();
        self.await_words();
        // A caller who hangs up while speaking leaves an utterance that never ended.
        let cut_off = self.caller.utterance.take_if(|_| said.is_none());
        let started = cut_off.unwrap_or(now - length);
        let said = said.unwrap_or(Said { started, ended: now, words_due: now, was_missed: false });
        let text = format!("(spoken message of {}.{} s)", length.as_secs(), length.subsec_millis() / 100);
        self.store_caller_turn(said, text, None, out);
    }

    pub(super) fn dtmf_pressed(&mut self, now: CallTime, digit: Digit, out: &mut Vec<Output>) {
        if self.ending.as_ref().is_some_and(|ending| !ending.is_revocable) {
            return self.ignore();
        }
        out.push(Output::Note(Note::Dtmf));
        out.push(Output::PassDtmf(digit));
        self.caller_is_there();
        self.deadlines.set(Timer::DtmfPause, now + ms(self.settings.limits.dtmf_pause_ms));
        if !self.ledger.entries().is_empty() && self.floor() != Floor::Free {
            self.interrupt(now, now, out); // a key is never an echo
        }
    }
}
