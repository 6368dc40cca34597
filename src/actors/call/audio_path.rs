//! What one call does with sound: hears the caller's speech, plays the agent's.

use crate::engine::audio::{Edge, Endpointer, Level, PcmFrame, Playout, Vad, VadRate};
use crate::engine::call::CallStats;

use super::plan::SoundSettings;

/// The detector, the endpointer and the playout queue of one call.
pub(super) struct AudioPath<R: VadRate> {
    vad: Vad<R>,
    pub endpointer: Endpointer,
    pub playout: Playout<R>,
}

impl<R: VadRate> AudioPath<R> {
    pub fn new(settings: &SoundSettings) -> Self {
        Self {
            vad: Vad::new(&settings.vad),
            endpointer: Endpointer::new(&settings.endpoint),
            playout: Playout::new(&settings.playout),
        }
    }

    /// Judges a frame of the caller; whether an utterance begins or ends with it.
    pub fn hear(&mut self, frame: &PcmFrame<R>, stats: &mut CallStats) -> Option<Edge> {
        let voice = self.vad.judge(frame);
        stats.vad_frames += 1;
        stats.vad_speech_frames += u64::from(voice.is_speech);
        self.endpointer.hear(&voice)
    }

    /// Tells the detector what the caller is about to hear, whose echo is not the caller's speech.
    pub fn agent_plays(&mut self, frame: &PcmFrame<R>) {
        self.vad.agent_plays(Level::of(frame).rms);
    }
}
