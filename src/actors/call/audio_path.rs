//! What one call does with sound: hears the caller's speech, plays the agent's.

use std::time::Duration;

use crate::engine::audio::{CallRate, Edge, Endpointer, Level, PcmFrame, Playout, Resampler, Vad};
use crate::engine::call::CallStats;
use crate::engine::time::CallTime;

use super::plan::SoundSettings;

/// How far the carrier's stamps may be from our clock before they are not believed.
const BELIEVED: Duration = Duration::from_secs(2);

/// The carrier's own time on the call's clock: what it stamped stands where it was spoken, however the network
/// delayed it.
#[derive(Default)]
pub(super) struct CarrierTime(Option<CallTime>);

impl CarrierTime {
    /// When the frame that the carrier stamped `millis` was spoken; `now` where the stamp makes no sense.
    pub(super) fn at(&mut self, now: CallTime, millis: u64) -> CallTime {
        let offset = Duration::from_millis(millis);
        let start = *self.0.get_or_insert(now - offset);
        let at = start + offset;
        if at.since(now).max(now.since(at)) > BELIEVED { now } else { at }
    }
}

/// The detector, the endpointer and the playout queue of one call.
pub(super) struct AudioPath<R: CallRate> {
    /// From the call's rate to the detector's; between equal rates nothing is converted.
    to_judged: Resampler<R, R::Judged>,
    vad: Vad<R::Judged>,
    pub(super) endpointer: Endpointer,
    pub(super) playout: Playout<R>,
}

impl<R: CallRate> AudioPath<R> {
    pub(super) fn new(settings: &SoundSettings) -> Self {
        Self {
            to_judged: Resampler::new(),
            vad: Vad::new(&settings.vad),
            endpointer: Endpointer::new(&settings.endpoint),
            playout: Playout::new(&settings.playout),
        }
    }

    /// Judges a frame of the caller; whether an utterance begins or ends with it.
    pub(super) fn hear(&mut self, frame: &PcmFrame<R>, stats: &mut CallStats) -> Option<Edge> {
        let voice = self.vad.judge(&self.to_judged.process_frame(frame));
        stats.vad_frames += 1;
        stats.vad_speech_frames += u64::from(voice.is_speech);
        self.endpointer.hear(&voice)
    }

    /// Tells the detector what the caller is about to hear, whose echo is not the caller's speech.
    pub(super) fn agent_plays(&mut self, frame: &PcmFrame<R>) {
        self.vad.agent_plays(Level::of(frame).rms);
    }
}
