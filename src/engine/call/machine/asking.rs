//! Asking the agent to speak: what it owes the caller, and the one place that asks.

use crate::engine::ids::ResponseId;
use crate::engine::time::CallTime;

use super::super::deadlines::Timer;
use super::super::event::{Ask, Note, Output, Phrase};
use super::super::heard::Origin;
use super::super::settings::TurnOwner;
use super::{Agent, CallMachine, ms};

/// Speech that the agent owes the caller.
#[derive(Clone, Debug)]
pub(super) struct Owed {
    pub(super) ask: Ask,
    pub(super) since: CallTime,
    pub(super) was_asked: bool,
    /// The response that was asked for; `None` where the vendor is to begin one by itself.
    pub(super) response: Option<ResponseId>,
    pub(super) is_second_try: bool,
    /// Whether no vendor's detector hears what asks for it: keys, or what a lost agent has heard.
    pub(super) is_unheard: bool,
    pub(super) step: Step,
}

/// The next step of the ladder that the agent's silence climbs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Filler,
    Retry,
    GiveUp,
}

impl CallMachine {
    /// From `since` on, the agent owes speech.
    pub(super) fn owe(&mut self, since: CallTime, ask: Ask) {
        if self.owed.as_ref().is_some_and(|owed| owed.ask == Ask::Greeting) {
            return; // the greeting answers whatever the caller said into the quiet
        }
        let step = Step::Filler;
        let (was_asked, is_second_try, is_unheard) = (false, false, false);
        self.owed = Some(Owed { ask, since, was_asked, response: None, is_second_try, is_unheard, step });
        self.deadlines.set(Timer::OwedSpeech, since + ms(self.settings.silence.filler_after_ms));
    }

    /// A response turned to a tool that it may not use: what was owed before is owed since then, and asked for anew.
    pub(super) fn owe_still(&mut self, now: CallTime) {
        match self.owed.as_mut().filter(|owed| owed.ask != Ask::Greeting) {
            Some(owed) => (owed.ask, owed.was_asked, owed.response) = (Ask::Answer, false, None),
            None => self.owe(now, Ask::Answer),
        }
    }

    pub(super) fn owe_nothing(&mut self) {
        self.owed = None;
        self.deadlines.clear(Timer::OwedSpeech);
    }

    /// The one place that asks for a response.
    pub(super) fn ask_if_due(&mut self, _now: CallTime, out: &mut Vec<Output>) {
        let Agent::Ready { detects_turns } = self.agent else { return };
        let must_wait = self.in_flight.is_some()
            || self.ending.is_some()
            || self.caller.utterance.is_some()
            || self.deadlines.is_set(Timer::DtmfPause);
        let Some(owed) = self.owed.as_mut().filter(|owed| !owed.was_asked && !must_wait) else { return };
        (owed.was_asked, owed.response) = (true, None);
        let is_vendors = self.settings.turns == TurnOwner::Vendor && !owed.is_unheard;
        if detects_turns && is_vendors && owed.ask == Ask::Answer {
            return; // the vendor begins this one by itself
        }
        if self.agent_turns_in_a_row >= self.settings.limits.max_agent_turns {
            // It is the caller's turn; but one who heard nothing yet waits, and the ladder goes on.
            if !self.last_turn_was_silent {
                self.owe_nothing();
            }
            return;
        }
        let ask = owed.ask.clone();
        let response = self.new_response(Origin::Agent(ask.clone()));
        if let Some(owed) = &mut self.owed {
            owed.response = Some(response);
        }
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
    pub(super) fn say(&mut self, phrase: Phrase, out: &mut Vec<Output>) {
        let response = self.new_response(Origin::Engine);
        if let Some(entry) = self.ledger.get_mut(response) {
            entry.text = phrase.text().to_owned();
        }
        out.push(Output::Say { response, phrase });
    }
}

/// What a second request for the same asks: a greeting stays one until it was heard.
pub(super) fn again(ask: &Ask) -> Ask {
    match ask {
        Ask::Greeting => Ask::Greeting,
        Ask::Answer | Ask::Reprompt | Ask::Again => Ask::Again,
    }
}
