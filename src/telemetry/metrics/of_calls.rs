//! Figures that each call brings at its end.

use prometheus::IntCounter;

use super::family::Register;
use crate::engine::call::CallStats;

/// Sums over all calls that have ended.
pub(super) struct OfCalls {
    caller_frames: IntCounter,
    forwarded_frames: IntCounter,
    agent_frames: IntCounter,
    underflow_events: IntCounter,
    underflow_frames: IntCounter,
    vad_frames: IntCounter,
    vad_speech_frames: IntCounter,
    turns: IntCounter,
    responses: IntCounter,
    ignored_inputs: IntCounter,
}

impl OfCalls {
    pub(super) fn new(r: &Register<'_>) -> Self {
        Self {
            caller_frames: r.counter("caller_frames_total", "Frames of 20 ms that came from callers, of ended calls."),
            forwarded_frames: r.counter("forwarded_frames_total", "… of which agents got so many."),
            agent_frames: r.counter("agent_frames_total", "Frames of 20 ms that were sent to callers, of ended calls."),
            underflow_events: r.counter("underflow_events_total", "Times that a response ran dry while it was played."),
            underflow_frames: r.counter("underflow_frames_total", "Frames of 20 ms that were missing then."),
            vad_frames: r.counter("vad_frames_total", "Frames that the voice activity detector judged."),
            vad_speech_frames: r.counter("vad_speech_frames_total", "… of which it took so many for speech."),
            turns: r.counter("turns_total", "Turns stored, of both sides."),
            responses: r.counter("responses_total", "Answers that were heard."),
            ignored_inputs: r
                .counter("ignored_inputs_total", "Inputs of call machines that made no sense when they came."),
        }
    }

    pub(super) fn add(&self, stats: &CallStats) {
        self.caller_frames.inc_by(stats.caller_frames);
        self.forwarded_frames.inc_by(stats.forwarded_frames);
        self.agent_frames.inc_by(stats.agent_frames);
        self.underflow_events.inc_by(stats.underflow_events);
        self.underflow_frames.inc_by(stats.underflow_frames);
        self.vad_frames.inc_by(stats.vad_frames);
        self.vad_speech_frames.inc_by(stats.vad_speech_frames);
        self.turns.inc_by(stats.turns.into());
        self.responses.inc_by(stats.responses.into());
        self.ignored_inputs.inc_by(stats.ignored_inputs);
    }
}
