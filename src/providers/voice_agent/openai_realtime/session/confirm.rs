//! Getting the vendor to agree: `session.update`, its echo, its refusal.

use std::time::Duration;

use crate::engine::audio::Rate;
use crate::engine::call::{AgentCounter, AgentLoss, TurnOwner};
use crate::providers::voice_agent::AgentEvent;

use super::super::client_event::ClientEvent;
use super::super::lifecycle::{Attempt, Phase};
use super::super::plan::Plan;
use super::super::server_event::Echo;
use super::super::settings::AudioFormat;
use super::{Action, Actions, Session, count, lose};

impl<R: Rate> Session<R> {
    pub(super) fn created(&mut self, now: Duration, expires_at: Option<i64>) -> Actions<R> {
        if !matches!(self.phase, Phase::Opened { .. }) {
            return Vec::new();
        }
        self.expires_at = expires_at;
        vec![self.update(now, Attempt::Full)]
    }

    pub(super) fn update(&mut self, now: Duration, attempt: Attempt) -> Action<R> {
        let attempt = if attempt == Attempt::Full && self.has_spoken { Attempt::AllButVoice } else { attempt };
        self.phase = Phase::Confirming { attempt, until: now + self.plan.settings.confirm_timeout };
        Action::Send(ClientEvent::session_update(&self.plan, self.format, attempt))
    }

    pub(super) fn updated(&mut self, now: Duration, echo: &Echo) -> Actions<R> {
        let Phase::Confirming { attempt, .. } = self.phase else {
            // Nobody asked: it must not take back what was confirmed.
            let is_wanted = mismatch(&self.plan, self.format, echo).is_none();
            return if is_wanted { Vec::new() } else { vec![count(AgentCounter::VendorError)] };
        };
        match mismatch(&self.plan, self.format, echo) {
            None => self.ready(now),
            Some(field) if field.ends_with("format") && self.format == AudioFormat::Pcmu => {
                let mut actions = self.count_fallback();
                actions.push(self.update(now, Attempt::Full));
                actions
            }
            Some(field) => self.refused(now, attempt, &format!("session.updated differs in {field}")),
        }
    }

    fn ready(&mut self, now: Duration) -> Actions<R> {
        self.phase.confirm();
        let is_first = self.confirmed_format.replace(self.format).is_none();
        let mut actions = Vec::new();
        if is_first {
            if let Some(proof) = self.phase.confirmed() {
                actions.append(&mut self.retell(proof));
            }
            actions.push(Action::Decode(self.format));
            actions.push(Action::Tell(AgentEvent::Ready { detects_turns: true }));
        }
        actions.push(Action::Hear(self.format));
        actions.append(&mut self.catch_up(now));
        actions
    }

    /// What could not be done without the confirmation is done now.
    fn catch_up(&mut self, now: Duration) -> Actions<R> {
        let mut actions = Vec::new();
        for order in std::mem::take(&mut self.early) {
            actions.append(&mut self.order(now, order));
        }
        actions.append(&mut self.go_on(now));
        actions
    }

    /// The vendor does not take our settings: once more without what we can do without, then no more.
    pub(super) fn refused(&mut self, now: Duration, attempt: Attempt, detail: &str) -> Actions<R> {
        match (attempt, self.confirmed_format) {
            (Attempt::Full | Attempt::AllButVoice, None) => vec![self.update(now, Attempt::Reduced)],
            (Attempt::Reduced, None) => lose(AgentLoss::Refused, detail),
            // It was confirmed before: what the vendor hears stays as it was until another session is there.
            (_, Some(heard)) => {
                self.phase.confirm();
                let mut actions = vec![Action::Hear(heard), Action::Replace(self.format)];
                actions.append(&mut self.catch_up(now));
                actions
            }
        }
    }

    pub(super) fn count_fallback(&mut self) -> Actions<R> {
        self.format = AudioFormat::Pcm24;
        let is_first = !std::mem::replace(&mut self.fell_back, true);
        is_first.then(|| count(AgentCounter::FormatFallback)).into_iter().collect()
    }
}

/// The first field in which the vendor's settings are not ours.
fn mismatch(plan: &Plan, format: AudioFormat, echo: &Echo) -> Option<&'static str> {
    let is_format = |kind: Option<&str>, rate: Option<u32>| match format {
        AudioFormat::Pcmu => kind == Some("audio/pcmu"),
        AudioFormat::Pcm24 => kind == Some("audio/pcm") && rate.is_none_or(|rate| rate == 24_000),
    };
    let (input, output) = (&echo.audio.input, &echo.audio.output);
    let vendors_turn = Some(plan.settings.turns == TurnOwner::Vendor);
    let turns = input.turn_detection.as_ref();
    let checks = [
        ("type", echo.kind.as_deref() == Some("realtime")),
        ("audio.input.format", is_format(input.format.kind.as_deref(), input.format.rate)),
        ("audio.output.format", is_format(output.format.kind.as_deref(), output.format.rate)),
        ("audio.input.turn_detection.type", turns.and_then(|turns| turns.kind.as_deref()) == Some("server_vad")),
        ("audio.input.turn_detection.create_response", turns.and_then(|turns| turns.create_response) == vendors_turn),
        (
            "audio.input.turn_detection.interrupt_response",
            turns.and_then(|turns| turns.interrupt_response) == vendors_turn,
        ),
        ("audio.input.transcription", input.transcription.is_some() == plan.settings.writes_down()),
        // The vendor may normalise the text; what it must not do is to go on with its own.
        (
            "instructions",
            plan.instructions.as_str().is_empty() || echo.instructions.as_ref().is_some_and(|echo| !echo.is_empty()),
        ),
    ];
    checks.into_iter().find(|(_, is_right)| !is_right).map(|(field, _)| field)
}
