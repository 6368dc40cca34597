//! The machine: one `match` over what can happen, one small method for each.

use std::collections::VecDeque;
use std::time::Duration;

use crate::engine::ids::{Digit, Mark, ResponseId};
use crate::engine::time::CallTime;

use super::barge_in::{self, Decision, Floor};
use super::deadlines::{Deadlines, Timer};
use super::event::{
    AgentLoss, Ask, Detector, Farewell, Input, Note, Output, Phrase, ResponseOutcome, Tool, ToolCall, ToolResult,
};
use super::hangup::HangupCause;
use super::heard::{Entry, Ledger, Origin};
use super::settings::{CallSettings, TurnOwner};
use super::stats::CallStats;
use super::turn::{Speaker, Turn};

/// How many lost agents one call replaces before it gives up; the count starts anew when an agent speaks.
const RECONNECTS: u32 = 2;

/// The rules of one call.
#[derive(Clone, Debug)]
pub struct CallMachine {
    settings: CallSettings,
    phase: Phase,
    agent: Agent,
    reconnects: u32,
    ledger: Ledger,
    in_flight: Option<ResponseId>,
    owed: Option<Owed>,
    caller: Caller,
    ending: Option<Ending>,
    deadlines: Deadlines,
    answered_at: CallTime,
    last_barge_in: Option<CallTime>,
    playout_ended_at: Option<CallTime>,
    agent_turns_in_a_row: u32,
    reprompts: u32,
    responses: u32,
    stats: CallStats,
}

/// How far the call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Ringing,
    Talking,
    Ended,
}

/// The voice agent, as far as the call knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Agent {
    Absent,
    Connecting,
    Ready { detects_turns: bool },
}

/// Speech that the agent owes the caller.
#[derive(Clone, Debug)]
struct Owed {
    ask: Ask,
    since: CallTime,
    was_asked: bool,
    is_second_try: bool,
    step: Step,
}

/// The next step of the ladder that the agent's silence climbs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Filler,
    Retry,
    GiveUp,
}

/// The caller's side.
#[derive(Clone, Debug, Default)]
struct Caller {
    heard_by_us: Option<CallTime>,
    heard_by_vendor: Option<CallTime>,
    utterance: Option<CallTime>,
    interrupted_for_us: bool,
    awaiting_words: VecDeque<Said>,
}

impl Caller {
    fn is_speaking(&self) -> bool {
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
struct Said {
    started: CallTime,
    ended: CallTime,
    words_due: CallTime,
}

/// The call is about to end, once everything said was heard.
#[derive(Clone, Debug)]
struct Ending {
    cause: HangupCause,
    farewell: Farewell,
    /// Whether the caller can prevent it by speaking.
    is_revocable: bool,
}

impl CallMachine {
    /// A call that was not answered yet.
    pub fn new(settings: CallSettings) -> Self {
        Self {
            settings,
            phase: Phase::Ringing,
            agent: Agent::Absent,
            reconnects: 0,
            ledger: Ledger::default(),
            in_flight: None,
            owed: None,
            caller: Caller::default(),
            ending: None,
            deadlines: Deadlines::default(),
            answered_at: CallTime::START,
            last_barge_in: None,
            playout_ended_at: None,
            agent_turns_in_a_row: 0,
            reprompts: 0,
            responses: 0,
            stats: CallStats::default(),
        }
    }

    /// Tells the machine what happened; appends what is to be done to `out`. Every input is legal at every
    /// time; one that makes no sense is counted in [`CallStats::ignored_inputs`].
    pub fn handle(&mut self, now: CallTime, input: Input, out: &mut Vec<Output>) {
        match (self.phase, input) {
            (Phase::Ended, _) => {}
            (_, Input::MediaClosed) => self.end(now, HangupCause::CallerHungUp, Farewell::HangUp, out),
            (_, Input::HangUp(cause)) => self.end(now, cause, Farewell::HangUp, out),
            (Phase::Ringing, Input::Answered) => self.answered(now, out),
            (Phase::Ringing, _) => self.ignore(),
            (Phase::Talking, input) => self.talk(now, input, out),
        }
        self.watch_for_silence(now);
    }

    /// When the machine wants [`Input::Deadline`].
    pub fn next_deadline(&self) -> Option<CallTime> {
        self.deadlines.next()
    }

    /// The figures of the conversation so far; those of the audio path are its owner's.
    pub fn stats(&self) -> &CallStats {
        &self.stats
    }

    /// Whether `EndCall` has been said.
    pub fn has_ended(&self) -> bool {
        self.phase == Phase::Ended
    }

    fn talk(&mut self, now: CallTime, input: Input, out: &mut Vec<Output>) {
        match input {
            Input::AgentReady { detects_turns } => self.agent_ready(now, detects_turns, out),
            Input::AgentLost(loss) => self.agent_lost(now, loss, out),
            Input::ResponseStarted(response) => self.response_started(response, out),
            Input::AgentAudio { response, length } => self.agent_audio(response, length, out),
            Input::AgentText { response, text } => self.agent_text(response, &text),
            Input::ResponseEnded { response, outcome } => self.response_ended(now, response, outcome, out),
            Input::CallerSpeechStarted { by, ago } => self.caller_started(now, by, now - ago, out),
            Input::CallerSpeechEnded { by, ago } => self.caller_ended(now, by, now - ago, out),
            Input::CallerText { text, confidence } => self.caller_text(now, text, confidence, out),
            Input::MessageTaken { length } => self.message_taken(now, length, out),
            Input::ToolCalled(call) => self.tool_called(now, call, out),
            Input::DtmfPressed(digit) => self.dtmf_pressed(now, digit, out),
            Input::PlayoutStarted(response) => self.playout_started(now, response, out),
            Input::MarkSent(mark) => self.mark_sent(mark),
            Input::MarkHeard(mark) => self.mark_heard(now, mark, out),
            Input::Deadline => self.expire(now, out),
            Input::Answered | Input::MediaClosed | Input::HangUp(_) => self.ignore(),
        }
    }

    fn ignore(&mut self) {
        self.stats.ignored_inputs += 1;
    }

    // === the beginning

    fn answered(&mut self, now: CallTime, out: &mut Vec<Output>) {
        self.phase = Phase::Talking;
        self.answered_at = now;
        self.deadlines.set(Timer::MaxCall, now + ms(self.settings.limits.max_call_ms));
        out.push(Output::Note(Note::Answered));
        self.connect(now, out);
        self.owe(now, Ask::Greeting);
    }

    fn connect(&mut self, now: CallTime, out: &mut Vec<Output>) {
        self.agent = Agent::Connecting;
        self.deadlines.set(Timer::AgentReady, now + ms(self.settings.silence.agent_ready_within_ms));
        out.push(Output::ConnectAgent);
    }

    fn agent_ready(&mut self, now: CallTime, detects_turns: bool, out: &mut Vec<Output>) {
        if self.agent != Agent::Connecting {
            return self.ignore();
        }
        self.agent = Agent::Ready { detects_turns };
        self.deadlines.clear(Timer::AgentReady);
        out.push(Output::Note(Note::AgentReady));
        self.ask_if_due(now, out);
    }

    // === asking the agent

    /// From `since` on, the agent owes speech.
    fn owe(&mut self, since: CallTime, ask: Ask) {
        let greets_first = self.owed.as_ref().is_some_and(|owed| owed.ask == Ask::Greeting && !owed.was_asked);
        if greets_first {
            return; // the greeting answers whatever the caller said into the quiet
        }
        self.owed = Some(Owed { ask, since, was_asked: false, is_second_try: false, step: Step::Filler });
        self.deadlines.set(Timer::OwedSpeech, since + ms(self.settings.silence.filler_after_ms));
    }

    fn owe_nothing(&mut self) {
        self.owed = None;
        self.deadlines.clear(Timer::OwedSpeech);
    }

    /// The one place that asks for a response.
    fn ask_if_due(&mut self, _now: CallTime, out: &mut Vec<Output>) {
        let Agent::Ready { detects_turns } = self.agent else { return };
        let must_wait = self.in_flight.is_some()
            || self.ending.is_some()
            || self.caller.utterance.is_some()
            || self.deadlines.is_set(Timer::DtmfPause);
        let Some(owed) = self.owed.as_mut().filter(|owed| !owed.was_asked && !must_wait) else { return };
        owed.was_asked = true;
        if detects_turns && self.settings.turns == TurnOwner::Vendor && owed.ask == Ask::Answer {
            return; // the vendor begins this one by itself
        }
        if self.agent_turns_in_a_row >= self.settings.limits.max_agent_turns {
            return self.owe_nothing();
        }
        let ask = owed.ask.clone();
        let response = self.new_response(Origin::Agent(ask.clone()));
        self.in_flight = Some(response);
        out.push(Output::AskAgent { response, ask: ask.clone() });
        out.push(Output::Note(Note::Asked(response, ask)));
    }

    fn new_response(&mut self, origin: Origin) -> ResponseId {
        self.responses += 1;
        let response = ResponseId::from_engine(self.responses);
        self.ledger.open(response, origin);
        response
    }

    /// Speaks one of the engine's own sentences.
    fn say(&mut self, phrase: Phrase, out: &mut Vec<Output>) {
        let response = self.new_response(Origin::Engine);
        if let Some(entry) = self.ledger.get_mut(response) {
            entry.text = phrase.text().to_owned();
        }
        out.push(Output::Say { response, phrase });
    }

    // === what the agent does

    fn response_started(&mut self, response: ResponseId, out: &mut Vec<Output>) {
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

    fn agent_audio(&mut self, response: ResponseId, length: Duration, out: &mut Vec<Output>) {
        match self.ledger.get_mut(response).filter(|entry| entry.is_generating) {
            None => out.push(Output::Drop(response)),
            Some(entry) => {
                entry.received += length;
                out.push(Output::Play(response));
            }
        }
    }

    fn agent_text(&mut self, response: ResponseId, text: &str) {
        match self.ledger.get_mut(response) {
            None => self.ignore(), // words of a response that was interrupted
            Some(entry) => entry.text.push_str(text),
        }
    }

    fn response_ended(
        &mut self,
        now: CallTime,
        response: ResponseId,
        outcome: ResponseOutcome,
        out: &mut Vec<Output>,
    ) {
        if self.in_flight == Some(response) {
            self.in_flight = None;
        }
        match self.ledger.get_mut(response).filter(|entry| entry.is_generating) {
            None => {}
            Some(entry) if entry.received.is_zero() => {
                let was_the_agents = entry.origin != Origin::Engine;
                self.ledger.settle(response);
                if was_the_agents && outcome != ResponseOutcome::Cancelled {
                    self.ask_again();
                }
            }
            Some(entry) => {
                entry.is_generating = false;
                out.push(Output::FinishPlayout(response));
            }
        }
        self.ask_if_due(now, out);
        self.end_if_drained(now, out);
    }

    /// A response brought no sound: it is asked for once more at once; after that the ladder goes on.
    fn ask_again(&mut self) {
        if let Some(owed) = self.owed.as_mut().filter(|owed| owed.was_asked && !owed.is_second_try) {
            owed.was_asked = false;
            owed.is_second_try = true;
            owed.ask = again(&owed.ask);
        }
    }

    fn agent_lost(&mut self, now: CallTime, loss: AgentLoss, out: &mut Vec<Output>) {
        self.agent = Agent::Absent;
        self.deadlines.clear(Timer::AgentReady);
        self.stats.agent_losses += 1;
        out.push(Output::Note(Note::AgentLost(loss)));
        let was_cut_short = self.close_generation(out);
        if self.ending.is_some() {
            return self.end_if_drained(now, out);
        }
        match &mut self.owed {
            Some(owed) => owed.was_asked = false,
            None if was_cut_short => self.owe(now, Ask::Again),
            None => {}
        }
        self.caller.heard_by_vendor = None;
        if loss == AgentLoss::Refused || self.reconnects >= RECONNECTS {
            return self.give_up(now, out);
        }
        self.reconnects += 1;
        out.push(Output::Note(Note::AgentReconnecting));
        self.connect(now, out);
    }

    /// No agent will send anything more of what is being generated. Whether a response was cut short by that.
    fn close_generation(&mut self, out: &mut Vec<Output>) -> bool {
        self.in_flight = None;
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

    fn tool_called(&mut self, now: CallTime, call: ToolCall, out: &mut Vec<Output>) {
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
                self.owe(now, Ask::Answer);
                self.ask_if_due(now, out);
            }
        }
    }

    fn transfer_target(
        &self,
        wanted: Option<crate::engine::ids::PhoneNumber>,
    ) -> Result<(HangupCause, Farewell), String> {
        let Some(own) = &self.settings.transfer_to else {
            return Err("calls can't be transferred here; offer to take a message".to_owned());
        };
        match wanted {
            Some(other) if other != *own => Err("only the business's own number can be dialled".to_owned()),
            _ => Ok((HangupCause::Transferred, Farewell::Dial(own.clone()))),
        }
    }

    // === what the caller does

    /// Whose detector opens and closes the caller's utterances.
    fn ears(&self) -> Detector {
        match self.agent {
            Agent::Ready { detects_turns: true } => Detector::Vendor,
            _ => Detector::Own,
        }
    }

    fn caller_started(&mut self, now: CallTime, by: Detector, onset: CallTime, out: &mut Vec<Output>) {
        let heard = self.caller.heard_by(by);
        if heard.is_some() {
            return self.ignore();
        }
        *heard = Some(onset);
        if by == self.ears() {
            self.caller.utterance.get_or_insert(onset);
        }
        self.weigh_barge_in(now, out);
    }

    fn weigh_barge_in(&mut self, now: CallTime, out: &mut Vec<Output>) {
        self.deadlines.clear(Timer::BargeIn);
        let floor = self.floor();
        let onsets = [(Detector::Vendor, self.caller.heard_by_vendor), (Detector::Own, self.caller.heard_by_us)];
        let mut look_again: Option<CallTime> = None;
        for (detector, onset) in onsets {
            let Some(onset) = onset else { continue };
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

    fn throw_away_unheard(&mut self, out: &mut Vec<Output>) {
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

    fn caller_ended(&mut self, now: CallTime, by: Detector, ended: CallTime, out: &mut Vec<Output>) {
        let ears = self.ears();
        let Some(onset) = self.caller.heard_by(by).take() else { return self.ignore() };
        if !self.caller.is_speaking() {
            self.deadlines.clear(Timer::BargeIn);
        }
        if by != ears {
            return self.other_detector_ended(now, ended, out);
        }
        let Some(started) = self.caller.utterance.take() else { return };
        self.caller.interrupted_for_us = false;
        if by == Detector::Own && self.is_echo(onset, ended) {
            return self.ask_if_due(now, out);
        }
        let words_due = now + ms(self.settings.limits.transcript_wait_ms);
        self.caller.awaiting_words.push_back(Said { started, ended: ended.max(started), words_due });
        self.await_words();
        self.caller_is_there();
        // Speech that did not stop the agent ("mhm", or a "hello?" before the greeting) needs no answer.
        if matches!(self.floor(), Floor::Free) && self.ledger.audible().is_none() {
            self.owe(ended, Ask::Answer);
        }
        self.ask_if_due(now, out);
    }

    /// Our detector interrupted the agent, but the vendor, whose turns count, heard nothing: without this,
    /// both sides would wait for each other.
    fn other_detector_ended(&mut self, now: CallTime, ended: CallTime, out: &mut Vec<Output>) {
        let nobody_else_heard = self.caller.heard_by_vendor.is_none() && self.owed.is_none();
        if std::mem::take(&mut self.caller.interrupted_for_us) && nobody_else_heard && self.in_flight.is_none() {
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

    fn await_words(&mut self) {
        match self.caller.awaiting_words.front() {
            Some(said) => self.deadlines.set(Timer::Transcript, said.words_due),
            None => self.deadlines.clear(Timer::Transcript),
        }
    }

    fn caller_text(&mut self, now: CallTime, text: String, confidence: Option<f32>, out: &mut Vec<Output>) {
        if text.trim().is_empty() && self.ears() == Detector::Own {
            return; // an agent that knows no words; the turn is stored without
        }
        let said = self.caller.awaiting_words.pop_front();
        self.await_words();
        if text.trim().is_empty() {
            return; // a noise that the recogniser found no words in
        }
        let said = said.unwrap_or(Said { started: now, ended: now, words_due: now });
        self.store_caller_turn(said, text, confidence, out);
    }

    fn message_taken(&mut self, now: CallTime, length: Duration, out: &mut Vec<Output>) {
        let said = self.caller.awaiting_words.pop_front();
        self.await_words();
        // A caller who hangs up while speaking leaves an utterance that never ended.
        let cut_off = self.caller.utterance.take_if(|_| said.is_none());
        let started = cut_off.unwrap_or(now - length);
        let said = said.unwrap_or(Said { started, ended: now, words_due: now });
        let text = format!("(spoken message of {}.{} s)", length.as_secs(), length.subsec_millis() / 100);
        self.store_caller_turn(said, text, None, out);
    }

    fn dtmf_pressed(&mut self, now: CallTime, digit: Digit, out: &mut Vec<Output>) {
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

    // === what the caller hears

    fn playout_started(&mut self, now: CallTime, response: ResponseId, out: &mut Vec<Output>) {
        let Some(entry) = self.ledger.get_mut(response).filter(|entry| entry.first_out.is_none()) else {
            return self.ignore();
        };
        entry.first_out = Some(now);
        let origin = entry.origin.clone();
        if let Origin::Agent(ask) = origin {
            self.reconnects = 0;
            self.first_audio(now, response, &ask, out);
        }
        if self.caller.is_speaking() {
            self.weigh_barge_in(now, out);
        }
    }

    fn first_audio(&mut self, now: CallTime, response: ResponseId, ask: &Ask, out: &mut Vec<Output>) {
        if self.stats.first_audio.is_none() {
            self.stats.first_audio = Some(now.since(self.answered_at));
        }
        let Some(owed) = self.owed.take() else { return };
        self.deadlines.clear(Timer::OwedSpeech);
        let after = now.since(owed.since);
        if *ask != Ask::Greeting {
            self.stats.responses += 1;
            self.stats.response_total += after;
        }
        out.push(Output::Note(Note::FirstAudio(response, after)));
    }

    fn mark_sent(&mut self, mark: Mark) {
        if !self.ledger.sent(mark) {
            self.ignore();
        }
    }

    fn mark_heard(&mut self, now: CallTime, mark: Mark, out: &mut Vec<Output>) {
        let Some(is_last) = self.ledger.heard(now, mark) else { return self.ignore() };
        if self.ending.is_some() {
            self.deadlines.set(Timer::Drain, now + ms(self.settings.limits.drain_ms));
        }
        let is_over = is_last && self.ledger.get(mark.response).is_some_and(|entry| !entry.is_generating);
        if !is_over {
            return;
        }
        let Some(mut entry) = self.ledger.settle(mark.response) else { return };
        entry.heard = entry.received; // the last mark stands behind the last frame
        self.playout_ended_at = Some(now);
        if entry.origin != Origin::Engine {
            self.agent_turns_in_a_row += 1;
        }
        self.store_agent_turn(&entry, false, out);
        self.end_if_drained(now, out);
    }

    // === turns

    fn store_agent_turn(&mut self, entry: &Entry, interrupted: bool, out: &mut Vec<Output>) {
        let Some(started) = entry.first_out else { return }; // nothing of it went out: it was never said
        let ended = entry.last_heard_at.unwrap_or(started);
        self.stats.turns += 1;
        out.push(Output::StoreTurn(Turn {
            number: self.stats.turns,
            speaker: Speaker::Agent,
            text: entry.text.trim().to_owned(),
            heard_text: entry.heard_text().trim().to_owned(),
            confidence: None,
            started_ms: started.as_millis(),
            ended_ms: ended.as_millis(),
            interrupted,
        }));
    }

    fn store_caller_turn(&mut self, said: Said, text: String, confidence: Option<f32>, out: &mut Vec<Output>) {
        self.stats.turns += 1;
        out.push(Output::StoreTurn(Turn {
            number: self.stats.turns,
            speaker: Speaker::Caller,
            heard_text: text.clone(),
            text,
            confidence,
            started_ms: said.started.as_millis(),
            ended_ms: said.ended.as_millis(),
            interrupted: false,
        }));
    }

    // === deadlines

    fn expire(&mut self, now: CallTime, out: &mut Vec<Output>) {
        while let Some(timer) = self.deadlines.take_due(now) {
            match timer {
                Timer::AgentReady => self.agent_not_ready(now, out),
                Timer::OwedSpeech => self.speech_is_owed(now, out),
                Timer::CallerSilent => self.caller_is_silent(now, out),
                Timer::BargeIn => self.weigh_barge_in(now, out),
                Timer::Transcript => self.words_did_not_come(now, out),
                Timer::DtmfPause => self.keys_are_entered(now, out),
                Timer::Drain => self.drained_long_enough(now, out),
                Timer::MaxCall => self.time_is_up(now, out),
            }
            if self.phase == Phase::Ended {
                return;
            }
        }
    }

    fn agent_not_ready(&mut self, now: CallTime, out: &mut Vec<Output>) {
        out.push(Output::Note(Note::AgentLost(AgentLoss::Unreachable)));
        self.stats.agent_losses += 1;
        self.give_up(now, out);
    }

    fn speech_is_owed(&mut self, now: CallTime, out: &mut Vec<Output>) {
        let Some(owed) = self.owed.as_mut() else { return };
        let (since, step) = (owed.since, owed.step);
        let silence = &self.settings.silence;
        out.push(Output::Note(Note::AgentOwesSpeech));
        match step {
            Step::Filler => {
                owed.step = Step::Retry;
                self.deadlines.set(Timer::OwedSpeech, since + ms(silence.retry_after_ms));
                if !self.caller.is_speaking() && self.ledger.audible().is_none() {
                    self.say(Phrase::Filler, out);
                }
            }
            Step::Retry => {
                owed.step = Step::GiveUp;
                self.deadlines.set(Timer::OwedSpeech, since + ms(silence.give_up_after_ms));
                self.retry(now, out);
            }
            Step::GiveUp => self.give_up(now, out),
        }
    }

    /// The request brought nothing: it is withdrawn and made once more.
    fn retry(&mut self, now: CallTime, out: &mut Vec<Output>) {
        let stuck = self.in_flight.take();
        if let Some(entry) = stuck.and_then(|response| self.ledger.settle(response)) {
            out.push(Output::CancelResponse(entry.id)); // one that was interrupted has had its cancel
        }
        if let Some(owed) = &mut self.owed {
            owed.was_asked = false;
            owed.is_second_try = true;
            owed.ask = again(&owed.ask);
        }
        self.ask_if_due(now, out);
    }

    fn caller_is_silent(&mut self, now: CallTime, out: &mut Vec<Output>) {
        out.push(Output::Note(Note::CallerSilent));
        if self.reprompts < self.settings.silence.caller_reprompts {
            self.reprompts += 1;
            self.owe(now, Ask::Reprompt);
            return self.ask_if_due(now, out);
        }
        self.say(Phrase::SilentGoodbye, out);
        let ending =
            Ending { cause: HangupCause::CallerSilent, farewell: Farewell::HangUp, is_revocable: true };
        self.end_after_last_words(now, ending, out);
    }

    fn words_did_not_come(&mut self, now: CallTime, out: &mut Vec<Output>) {
        while let Some(said) = self.caller.awaiting_words.front().copied().filter(|said| said.words_due <= now) {
            self.caller.awaiting_words.pop_front();
            self.store_caller_turn(said, String::new(), None, out);
        }
        self.await_words();
    }

    fn keys_are_entered(&mut self, now: CallTime, out: &mut Vec<Output>) {
        self.owe(now, Ask::Answer);
        self.ask_if_due(now, out);
    }

    fn time_is_up(&mut self, now: CallTime, out: &mut Vec<Output>) {
        out.push(Output::Note(Note::MaximumLength));
        out.push(Output::ClearPlayout);
        self.throw_away_unheard(out);
        self.say(Phrase::TimeIsUp, out);
        let ending =
            Ending { cause: HangupCause::MaximumLength, farewell: Farewell::HangUp, is_revocable: false };
        self.end_after_last_words(now, ending, out);
    }

    /// Both sides are silent and nobody owes anything: from here on the caller's silence is measured.
    fn watch_for_silence(&mut self, now: CallTime) {
        let is_idle = self.phase == Phase::Talking
            && matches!(self.agent, Agent::Ready { .. })
            && self.ending.is_none()
            && self.owed.is_none()
            && self.in_flight.is_none()
            && self.ledger.entries().is_empty()
            && !self.caller.is_speaking()
            && !self.deadlines.is_set(Timer::DtmfPause);
        match is_idle {
            false => self.deadlines.clear(Timer::CallerSilent),
            true if self.deadlines.is_set(Timer::CallerSilent) => {}
            true => {
                let after = ms(self.settings.silence.caller_reprompt_after_ms);
                self.deadlines.set(Timer::CallerSilent, now + after);
            }
        }
    }

    // === the end

    /// Nobody will answer the caller any more.
    fn give_up(&mut self, now: CallTime, out: &mut Vec<Output>) {
        self.agent = Agent::Absent;
        self.deadlines.clear(Timer::AgentReady);
        self.close_generation(out);
        out.push(Output::CloseAgent);
        self.say(Phrase::Apology, out);
        let ending =
            Ending { cause: HangupCause::AgentUnavailable, farewell: Farewell::HangUp, is_revocable: false };
        self.end_after_last_words(now, ending, out);
    }

    fn end_after_last_words(&mut self, now: CallTime, ending: Ending, out: &mut Vec<Output>) {
        self.owe_nothing();
        self.ending = Some(ending);
        self.deadlines.set(Timer::Drain, now + ms(self.settings.limits.drain_ms));
        self.end_if_drained(now, out);
    }

    fn end_if_drained(&mut self, now: CallTime, out: &mut Vec<Output>) {
        if self.in_flight.is_some() || !self.ledger.entries().is_empty() {
            return;
        }
        self.drained_long_enough(now, out);
    }

    fn drained_long_enough(&mut self, now: CallTime, out: &mut Vec<Output>) {
        if let Some(Ending { cause, farewell, .. }) = self.ending.take() {
            self.end(now, cause, farewell, out);
        }
    }

    fn end(&mut self, now: CallTime, cause: HangupCause, farewell: Farewell, out: &mut Vec<Output>) {
        let was_answered = self.phase == Phase::Talking;
        while let Some(id) = self.ledger.entries().first().map(|entry| entry.id) {
            let Some(entry) = self.ledger.settle(id) else { break };
            let was_cut = entry.heard < entry.received;
            self.store_agent_turn(&entry, was_cut, out);
        }
        if let Some(started) = self.caller.utterance.take() {
            self.caller.awaiting_words.push_back(Said { started, ended: now, words_due: now });
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

/// What a second request for the same asks: a greeting stays one until it was heard.
fn again(ask: &Ask) -> Ask {
    match ask {
        Ask::Greeting => Ask::Greeting,
        Ask::Answer | Ask::Reprompt | Ask::Again => Ask::Again,
    }
}

fn ms(value: u32) -> Duration {
    Duration::from_millis(value.into())
}

#[cfg(test)]
pub(super) mod tests;
