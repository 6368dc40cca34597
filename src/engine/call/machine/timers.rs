//! Timers that have run out, and the silence of both sides.

use crate::engine::time::CallTime;

use super::super::deadlines::Timer;
use super::super::event::{AgentLoss, Ask, Farewell, Note, Output, Phrase};
use super::super::hangup::HangupCause;
use super::super::heard::Origin;
use super::asking::{Step, again};
use super::ending::Ending;
use super::{Agent, CallMachine, Phase, ms};

impl CallMachine {
    pub(super) fn expire(&mut self, now: CallTime, out: &mut Vec<Output>) {
        while let Some(timer) = self.deadlines.take_due(now) {
            match timer {
                Timer::AgentReady => self.agent_not_ready(now, out),
                Timer::OwedSpeech => self.speech_is_owed(now, out),
                Timer::RanDry => self.ran_dry(now),
                Timer::CallerSilent => self.caller_is_silent(now, out),
                Timer::BargeIn => self.weigh_barge_in(now, out),
                Timer::Transcript => self.words_did_not_come(now, out),
                Timer::DtmfPause => self.keys_are_entered(now, out),
                Timer::LostMark => self.marks_are_lost(now, out),
                Timer::Utterance => self.utterance_goes_on(now, out),
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
        let sounding = || self.ledger.entries().iter().filter(|entry| self.is_sounding(now, entry));
        let (is_quiet, is_heard) =
            (sounding().next().is_none(), sounding().any(|entry| entry.origin != Origin::Engine));
        let Some(owed) = self.owed.as_mut() else { return };
        let silence = &self.settings.silence;
        if is_heard {
            (owed.since, owed.step) = (now, Step::Filler); // nobody is silent yet: what is owed comes behind this
            return self.deadlines.set(Timer::OwedSpeech, now + ms(silence.filler_after_ms));
        }
        let (since, step) = (owed.since, owed.step);
        out.push(Output::Note(Note::AgentOwesSpeech));
        match step {
            Step::Filler => {
                owed.step = Step::Retry;
                self.deadlines.set(Timer::OwedSpeech, since + ms(silence.retry_after_ms));
                if !self.caller.is_speaking() && is_quiet {
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
        // One that was interrupted has had its cancel.
        let stuck = self.in_flight.filter(|response| self.ledger.get(*response).is_some());
        out.extend(stuck.map(Output::CancelResponse));
        self.close_generation(out);
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
        let ending = Ending { cause: HangupCause::CallerSilent, farewell: Farewell::HangUp, is_revocable: true };
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
        if let Some(owed) = &mut self.owed {
            owed.is_unheard = true;
        }
        self.ask_if_due(now, out);
    }

    fn time_is_up(&mut self, now: CallTime, out: &mut Vec<Output>) {
        out.push(Output::Note(Note::MaximumLength));
        out.push(Output::ClearPlayout);
        self.throw_away_unheard(out);
        self.say(Phrase::TimeIsUp, out);
        let ending = Ending { cause: HangupCause::MaximumLength, farewell: Farewell::HangUp, is_revocable: false };
        self.end_after_last_words(now, ending, out);
    }

    /// Both sides are silent and nobody owes anything: from here on the caller's silence is measured.
    pub(super) fn watch_for_silence(&mut self, now: CallTime) {
        if self.ledger.entries().is_empty() {
            self.deadlines.clear(Timer::LostMark);
        }
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
}
