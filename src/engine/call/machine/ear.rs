//! What the caller hears, and the turns that are stored of it.

use std::time::Duration;

use crate::engine::ids::{Mark, ResponseId};
use crate::engine::time::CallTime;

use super::super::deadlines::Timer;
use super::super::event::{Ask, Note, Output};
use super::super::heard::{Entry, Origin};
use super::super::turn::{Speaker, Turn};
use super::caller::Said;
use super::{CallMachine, ms};

/// Until when what has come so far can be heard. The playout's own clock decides when each frame goes out; to know
/// that an agent has fallen silent in a sentence, this is near enough.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sound {
    pub(super) of_agent_until: CallTime,
    until: CallTime,
}

impl Sound {
    /// A chunk comes, to be heard behind the others.
    pub(super) fn comes(&mut self, now: CallTime, length: Duration, is_agents: bool) {
        self.until = self.until.max(now) + length;
        if is_agents {
            self.of_agent_until = self.until;
        }
    }
}

impl CallMachine {
    /// Whether more of this response is to come, and all that has come was heard.
    pub(super) fn is_dry(&self, now: CallTime, entry: &Entry) -> bool {
        entry.is_generating && !entry.received.is_zero() && now >= self.sound.of_agent_until
    }

    /// Whether the caller hears this response now, or is about to.
    pub(super) fn is_sounding(&self, now: CallTime, entry: &Entry) -> bool {
        entry.is_audible() && !self.is_dry(now, entry)
    }

    pub(super) fn playout_started(&mut self, now: CallTime, response: ResponseId, out: &mut Vec<Output>) {
        let Some(entry) = self.ledger.get_mut(response).filter(|entry| entry.first_out.is_none()) else {
            return self.ignore();
        };
        entry.first_out = Some(now);
        let origin = entry.origin.clone();
        if let Origin::Agent(ask) = origin {
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
        let pays = |asked: Option<ResponseId>| asked.is_none_or(|asked| asked == response);
        let Some(owed) = self.owed.take_if(|owed| owed.was_asked && pays(owed.response)) else { return };
        self.deadlines.clear(Timer::OwedSpeech);
        let after = now.since(owed.since);
        if *ask != Ask::Greeting {
            self.stats.responses += 1;
            self.stats.response_total += after;
        }
        out.push(Output::Note(Note::FirstAudio(response, after)));
    }

    pub(super) fn mark_sent(&mut self, now: CallTime, mark: Mark) {
        match self.ledger.sent(mark) {
            false => self.ignore(),
            true => self.expect_mark(now),
        }
    }

    fn expect_mark(&mut self, now: CallTime) {
        self.deadlines.set(Timer::LostMark, now + ms(self.settings.limits.mark_wait_ms));
    }

    /// The carrier answers no mark any more. What was sent is settled by what it acknowledged, so that the
    /// conversation goes on.
    pub(super) fn marks_are_lost(&mut self, now: CallTime, out: &mut Vec<Output>) {
        let is_sent =
            |entry: &&Entry| !entry.is_generating && entry.first_out.is_some() && entry.sent >= entry.received;
        while let Some(lost) = self.ledger.entries().iter().find(is_sent).map(|entry| entry.id) {
            let Some(entry) = self.ledger.settle(lost) else { return };
            self.stats.unanswered_responses += 1;
            self.playout_ended_at = Some(now);
            self.store_agent_turn(&entry, false, out);
        }
        self.end_if_drained(now, out);
    }

    pub(super) fn mark_heard(&mut self, now: CallTime, mark: Mark, out: &mut Vec<Output>) {
        let Some(is_last) = self.ledger.heard(now, mark) else { return self.ignore() };
        self.expect_mark(now);
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
            self.last_turn_was_silent = false;
        }
        self.store_agent_turn(&entry, false, out);
        self.end_if_drained(now, out);
    }

    pub(super) fn store_agent_turn(&mut self, entry: &Entry, interrupted: bool, out: &mut Vec<Output>) {
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

    pub(super) fn store_caller_turn(
        &mut self,
        said: Said,
        text: String,
        confidence: Option<f32>,
        out: &mut Vec<Output>,
    ) {
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
}
