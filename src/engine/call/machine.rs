//! The machine: one `match` over what can happen, one small method for each.
//!
//! The methods stand where their side of the call is: [`asking`] the agent to speak, what the [`agent`] does,
//! what the [`caller`] does and [hears](ear), whose [`timers`] have run out, and how the call [ends](ending).

mod agent;
mod asking;
mod caller;
mod ear;
mod ending;
mod timers;

use std::time::Duration;

use crate::engine::ids::ResponseId;
use crate::engine::time::CallTime;

use super::deadlines::{Deadlines, Timer};
use super::event::{Ask, Farewell, Input, Note, Output};
use super::hangup::HangupCause;
use super::heard::Ledger;
use super::settings::CallSettings;
use super::stats::CallStats;

use asking::Owed;
use caller::Caller;
use ear::Sound;
use ending::Ending;

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
    sound: Sound,
    agent_turns_in_a_row: u32,
    last_turn_was_silent: bool,
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
            sound: Sound::default(),
            agent_turns_in_a_row: 0,
            last_turn_was_silent: false,
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
            (_, Input::StreamLost) => self.stream_lost(now, out),
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
            Input::AgentAudio { response, length } => self.agent_audio(now, response, length, out),
            Input::AgentText { response, text } => self.agent_text(response, &text),
            Input::ResponseEnded { response, outcome } => self.response_ended(now, response, outcome, out),
            Input::CallerSpeechStarted { by, ago } => self.caller_started(now, by, now - ago, out),
            Input::CallerSpeechEnded { by, ago } => self.caller_ended(now, by, now - ago, out),
            Input::CallerText { text, confidence } => self.caller_text(now, text, confidence, out),
            Input::MessageTaken { length } => self.message_taken(now, length, out),
            Input::ToolCalled(call) => self.tool_called(now, call, out),
            Input::DtmfPressed(digit) => self.dtmf_pressed(now, digit, out),
            Input::PlayoutStarted(response) => self.playout_started(now, response, out),
            Input::MarkSent(mark) => self.mark_sent(now, mark),
            Input::MarkHeard(mark) => self.mark_heard(now, mark, out),
            Input::Deadline => self.expire(now, out),
            Input::Answered | Input::MediaClosed | Input::StreamLost | Input::HangUp(_) => self.ignore(),
        }
    }

    fn ignore(&mut self) {
        self.stats.ignored_inputs += 1;
    }

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
}

fn ms(value: u32) -> Duration {
    Duration::from_millis(value.into())
}

#[cfg(test)]
pub(super) mod tests;
