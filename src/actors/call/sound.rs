//! The call and its sound: what the caller says is judged and passed on, what the agent says is paced and sent.

use std::time::Instant;

use crate::actors::live_feed::LiveNews;
use crate::actors::metered::Metered;
use crate::engine::audio::{CallRate, Edge, PcmFrame, Step};
use crate::engine::call::{Detector, FrameDrop, Input, ResponseOutcome, Speaker};
use crate::engine::ids::ResponseId;
use crate::engine::time::CallTime;
use crate::providers::voice_agent::{AgentOrder, Chunk};
use crate::telemetry::Event;

use super::{CallActor, CallerAudio};

impl<R: CallRate> CallActor<R> {
    pub(super) fn hear(&mut self, at: Instant, audio: CallerAudio<R>, ctx: &mut Metered<Self>) {
        let CallerAudio { frame, carrier_ms } = audio;
        let now = self.clock.when(at);
        let at = carrier_ms.map_or(Some(now), |millis| self.carrier_time.at(now, millis));
        self.last_frame_at = now;
        self.stats.caller_frames += 1;
        if let (Some(recording), Some(at)) = (&self.plan.files.recording, at) {
            recording.push(Speaker::Caller, at, &frame);
        }
        match &self.agent {
            Some(agent) if agent.hear(frame) => self.stats.forwarded_frames += 1,
            Some(_) => self.drop_frame(FrameDrop::AgentBehind),
            None => self.drop_frame(FrameDrop::NoAgent),
        }
        let Some(edge) = self.audio.hear(&frame, &mut self.stats) else { return };
        let by = Detector::Own;
        let (speaking, input) = match edge {
            Edge::Started => (true, Input::CallerSpeechStarted { by, ago: self.audio.endpointer.onset_age() }),
            Edge::Ended => (false, Input::CallerSpeechEnded { by, ago: self.audio.endpointer.silence_age() }),
        };
        self.tell_watchers(LiveNews::Speech { speaker: Speaker::Caller, speaking });
        self.order_agent(AgentOrder::CallerSpeech { speaking });
        self.tell(input, ctx);
    }

    fn drop_frame(&mut self, why: FrameDrop) {
        self.stats.dropped_frames += 1;
        self.plan.telemetry.record(Event::FrameDropped { why });
    }

    pub(super) fn play(&mut self, now: CallTime, response: ResponseId, chunk: Option<&Chunk<R>>) {
        if let Some(chunk) = chunk {
            self.audio.playout.push(now, response, &chunk.samples);
        }
    }

    /// One of the engine's own sentences arrives at once and whole.
    pub(super) fn say(&mut self, response: ResponseId, phrase: Chunk<R>) {
        let length = phrase.length();
        self.told.push_back((Input::AgentAudio { response, length }, Some(phrase)));
        self.told.push_back((Input::ResponseEnded { response, outcome: ResponseOutcome::Completed }, None));
    }

    pub(super) fn clear_playout(&mut self, now: CallTime) {
        self.audio.playout.clear(now);
        self.playing = None;
        self.plan.media.clear();
        if let Some(recording) = &self.plan.files.recording {
            recording.agent_cleared(now);
        }
    }

    /// Sends whatever is due now to the caller.
    pub(super) fn play_out(&mut self, ctx: &mut Metered<Self>) {
        let now = self.clock.now();
        while let Some(step) = self.audio.playout.poll(now) {
            match step {
                Step::Frame { response, frame } => self.send_frame(now, response, &frame),
                Step::Mark(mark) => {
                    self.plan.media.mark(mark);
                    self.told.push_back((Input::MarkSent(mark), None));
                }
            }
        }
        self.tell_all(ctx);
    }

    fn send_frame(&mut self, now: CallTime, response: ResponseId, frame: &PcmFrame<R>) {
        if self.playing != Some(response) {
            self.playing = Some(response);
            self.tell_watchers(LiveNews::Speech { speaker: Speaker::Agent, speaking: true });
            self.told.push_back((Input::PlayoutStarted(response), None));
        }
        self.stats.agent_frames += 1;
        self.unread_frames = if self.plan.media.frame(frame) { 0 } else { self.unread_frames + 1 };
        self.audio.agent_plays(frame);
        if let Some(recording) = &self.plan.files.recording {
            recording.push(Speaker::Agent, now, frame);
        }
    }
}
