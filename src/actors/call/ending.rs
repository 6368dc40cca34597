//! The end of the call: told once to everybody, whoever ended it; and what is kept of it on the way.

use std::time::Duration;

use actix::fut::{ActorFutureExt as _, WrapFuture as _};
use actix::{ActorContext as _, AsyncContext as _, ContextFutureSpawner as _};

use crate::actors::metered::Metered;
use crate::clock;
use crate::engine::audio::CallRate;
use crate::engine::call::{CallStats, Farewell, HangupCause, Input, Note, Turn};
use crate::engine::ids::ResponseId;
use crate::engine::time::CallTime;
use crate::telemetry::Event;

use super::hang_up::END_SEEN_WITHIN;
use super::{CallActor, Said, StreamEnd, timeline};

/// How long the agent may take to hand over what it holds, after the caller has left.
const LAST_WORDS_WITHIN: Duration = Duration::from_millis(300);
/// So many frames in a row that the carrier's socket did not take mean that nobody reads it: 5 s.
const UNREAD_FRAMES: u32 = 250;

impl<R: CallRate> CallActor<R> {
    pub(super) fn store_turn(&mut self, turn: Turn) {
        self.plan.media.said(Said::Turn(&turn));
        let words = turn.heard_text.trim();
        if !words.is_empty() {
            self.history.push((turn.speaker, words.to_owned()));
        }
        if let Some(record) = &mut self.plan.record {
            record.turn(turn);
        }
    }

    pub(super) fn note(&mut self, now: CallTime, note: Note) {
        let telemetry = &self.plan.telemetry;
        match &note {
            Note::BargeIn { reaction, .. } => telemetry.record(Event::BargeIn { reaction: *reaction }),
            Note::FirstAudio(response, after) => {
                let of = if *response == ResponseId::from_engine(1) { "greeting" } else { "answer" };
                telemetry.record(Event::FirstAudio { of, after: *after });
            }
            _ => {}
        }
        if let Some(record) = &mut self.plan.record {
            record.event(timeline::record(now, clock::wall_micros(), &note));
        }
    }

    /// The call is over: once, whoever ended it.
    pub(super) fn end(&mut self, now: CallTime, cause: HangupCause, farewell: Farewell, ctx: &mut Metered<Self>) {
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        self.audio.playout.clear(now);
        let stats = self.final_stats();
        let call = self.plan.call.clone();
        if let Some(reservation) = self.plan.reservation.take() {
            reservation.ended(farewell.clone());
        }
        self.plan.telemetry.record(Event::CallEnded { call: &call, cause, stats: &stats });
        // On record before the carrier can ask for it, here or on another node.
        if let Some(mut record) = self.plan.record.take() {
            record.end(timeline::end(cause, farewell.clone(), stats, clock::wall_micros()));
        }
        self.plan.media.ended(cause);
        self.plan.media.close();
        drop(self.plan.slot.take());
        if let Some(recording) = self.plan.files.recording.take() {
            recording.finish(now);
        }
        self.plan.files.journal = None;
        let is_the_carriers = cause == HangupCause::CallerHungUp || matches!(farewell, Farewell::Dial(_));
        if is_the_carriers {
            return ctx.stop(); // it ended the call, or carries it on: there is nothing to hang up
        }
        ctx.run_later(END_SEEN_WITHIN, |call, ctx| {
            let Some(token) = call.hang_up.take() else { return ctx.stop() };
            // Stays until the carrier has answered, so that a service which stops knows that it is not done.
            token.hang_up().into_actor(call).map(|(), _, ctx| ctx.stop()).spawn(ctx);
        });
    }

    fn final_stats(&self) -> CallStats {
        let heard = self.audio.playout.stats();
        CallStats {
            caller_frames: self.stats.caller_frames,
            forwarded_frames: self.stats.forwarded_frames,
            dropped_frames: self.stats.dropped_frames,
            agent_frames: self.stats.agent_frames,
            underflow_events: heard.underflow_events,
            underflow_frames: heard.underflow_frames,
            vad_frames: self.stats.vad_frames,
            vad_speech_frames: self.stats.vad_speech_frames,
            media_faults: self.stats.media_faults,
            ..self.machine.stats().clone()
        }
    }

    /// The caller's frames stopped, or the carrier no longer reads ours: the stream is as good as lost.
    pub(super) fn watch(&mut self, ctx: &mut Metered<Self>) {
        if self.is_over {
            return;
        }
        let is_quiet = self.clock.now().since(self.last_frame_at) > self.plan.idle_timeout;
        if is_quiet || self.unread_frames > UNREAD_FRAMES {
            self.plan.media.close();
            self.stream_is_over(StreamEnd::Lost, ctx);
        }
    }

    /// Nobody is heard any more. The agent may hold a message that was cut off by that: it has a moment to hand it
    /// over before the call ends. The carrier's word that the caller has left may come after a stream that broke.
    pub(super) fn stream_is_over(&mut self, end: StreamEnd, ctx: &mut Metered<Self>) {
        if self.is_over {
            return;
        }
        let is_first = self.leaving.is_none();
        if is_first || end == StreamEnd::CallerLeft {
            self.leaving = Some(end);
        }
        if !is_first {
            return;
        }
        if self.agent.take().is_none() {
            return self.leave(ctx);
        }
        ctx.run_later(LAST_WORDS_WITHIN, |call, ctx| call.leave(ctx));
    }

    /// The moment is over.
    pub(super) fn leave(&mut self, ctx: &mut Metered<Self>) {
        let input = match self.leaving {
            Some(StreamEnd::Lost) => Input::StreamLost,
            Some(StreamEnd::CallerLeft) | None => Input::MediaClosed,
        };
        self.tell(input, ctx);
    }
}
