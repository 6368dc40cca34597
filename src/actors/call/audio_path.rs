//! What one call does with sound: hears the caller's speech, plays the agent's.

use std::time::Duration;

use crate::engine::audio::{CallRate, Edge, Endpointer, PcmFrame, Playout, Resampler, Vad};
use crate::engine::call::CallStats;
use crate::engine::time::CallTime;

use super::plan::SoundSettings;

/// How far the carrier's stamps may be from our clock before they are not believed.
const BELIEVED: Duration = Duration::from_secs(2);

/// The carrier's own time on the call's clock: what it stamped stands where it was spoken, however the network
/// delayed it.
///
/// A stamp counts from the beginning of the call, as far as that is known; the frame that was delayed least says how the two
/// clocks stand to each other, so that one which is held up on its way moves nothing.
#[derive(Default)]
pub(super) struct CarrierTime {
    /// Where the carrier's zero lies on our clock, in microseconds: at its beginning or before.
    zero: i64,
}

impl CarrierTime {
    /// When the frame that the carrier stamped `millis` was spoken; `now` where the stamp makes no sense, `None` if that was
    /// before the call began.
    pub(super) fn at(&mut self, now: CallTime, millis: i64) -> Option<CallTime> {
        if millis < 0 {
            return None;
        }
        let (now_us, stamp) = (now.as_micros() as i64, millis.saturating_mul(1_000));
        let at = self.zero.saturating_add(stamp);
        if at.abs_diff(now_us) > BELIEVED.as_micros() as u64 {
            return Some(now);
        }
        self.zero = self.zero.min(now_us - stamp);
        Some(CallTime::from_micros(at.clamp(0, now_us) as u64))
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
        self.vad.agent_plays(frame);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ms(millis: u64) -> CallTime {
        CallTime::from_millis(millis)
    }

    #[test]
    fn a_frame_stands_where_it_was_spoken_though_it_came_late() {
        let mut time = CarrierTime::default();
        assert_eq!(time.at(ms(100), 0), Some(ms(0)), "the first was held up, and so were those behind it");
        assert_eq!(time.at(ms(100), 20), Some(ms(20)));
        assert_eq!(time.at(ms(130), 120), Some(ms(120)));
    }

    #[test]
    fn a_carrier_whose_clock_began_before_ours_is_never_ahead_of_now() {
        let mut time = CarrierTime::default();
        assert_eq!(time.at(ms(10), 60), Some(ms(10)));
        assert_eq!(time.at(ms(40), 80), Some(ms(30)), "50 ms is how far the clocks are apart");
        assert_eq!(time.at(ms(50), 100), Some(ms(50)));
    }

    #[test]
    fn what_was_spoken_before_the_call_began_has_no_place_in_it() {
        let mut time = CarrierTime::default();
        assert_eq!([-60, -40, -20].map(|millis| time.at(ms(1), millis)), [None; 3]);
        assert_eq!(time.at(ms(25), 0), Some(ms(0)));
    }

    #[test]
    fn a_stamp_that_makes_no_sense_moves_nothing() {
        let mut time = CarrierTime::default();
        assert_eq!(time.at(ms(20), 0), Some(ms(0)));
        assert_eq!(time.at(ms(40), 1_000_000_000_000), Some(ms(40)));
        assert_eq!(time.at(ms(60), i64::MAX), Some(ms(60)));
        assert_eq!(time.at(ms(60), i64::MIN), None);
        assert_eq!(time.at(ms(70), 60), Some(ms(60)));
    }

    proptest! {
        #[test]
        fn no_frame_lies_ahead_of_now_whatever_is_stamped(frames in proptest::collection::vec((0u64..10_000, any::<i64>()), 0..50)) {
            let mut time = CarrierTime::default();
            for (now, millis) in frames {
                prop_assert!(time.at(ms(now), millis).is_none_or(|at| at <= ms(now)));
            }
        }
    }
}
