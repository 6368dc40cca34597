//! What the caller says, kept as sound.

use std::collections::VecDeque;
use std::time::Duration;

use crate::engine::audio::{FRAME, Level, PcmFrame, Rate};

/// What is kept from before the detector noticed speech, in frames: 300 ms, which covers its 60 ms and the
/// soft consonant before them.
const PREROLL_FRAMES: usize = 15;
/// What is kept after the last sound of an utterance, in frames: 300 ms, the fading of the last syllable.
const AFTER_FRAMES: usize = 15;
/// The most that is kept between two replies: 120 s, 2 MB at 8 kHz. An utterance is cut long before.
const MOST_FRAMES: usize = 6_000;

/// Keeps what the caller says between two replies.
#[derive(Debug)]
pub(super) struct Ears<R: Rate> {
    /// The latest frames outside of an utterance.
    before: VecDeque<PcmFrame<R>>,
    /// The utterance that goes on.
    utterance: Option<Vec<PcmFrame<R>>>,
    /// The utterances since the last reply.
    heard: Heard,
}

/// What was heard since the last reply.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// The sound of the utterances, one after the other.
    pub samples: Vec<i16>,
    /// How long the caller spoke: from the first loud frame of each utterance to its last.
    pub spoken: Duration,
}

impl<R: Rate> Ears<R> {
    pub(super) fn new() -> Self {
        Self { before: VecDeque::with_capacity(PREROLL_FRAMES), utterance: None, heard: Heard::default() }
    }

    /// Takes the caller's next 20 ms.
    pub(super) fn hear(&mut self, frame: PcmFrame<R>) {
        if let Some(utterance) = &mut self.utterance {
            if self.heard.samples.len() / R::FRAME_SAMPLES + utterance.len() < MOST_FRAMES {
                utterance.push(frame);
            }
            return;
        }
        if self.before.len() == PREROLL_FRAMES {
            self.before.pop_front();
        }
        self.before.push_back(frame);
    }

    /// An utterance began. Nothing new while one goes on.
    pub(super) fn begin(&mut self) {
        if self.utterance.is_none() {
            self.utterance = Some(self.before.drain(..).collect());
        }
    }

    /// The utterance is over: how long the caller has spoken since the last reply. `None` if there was none.
    pub(super) fn end(&mut self) -> Option<Duration> {
        let utterance = self.utterance.take()?;
        let levels: Vec<u32> = utterance.iter().map(|frame| Level::of(frame).rms).collect();
        // An eighth of the loudest frame (-18 dB) parts speech from the line's noise, whatever the volume.
        let loud = (levels.iter().copied().max().unwrap_or(0) / 8).max(1);
        let first = levels.iter().position(|&level| level >= loud);
        let last = levels.iter().rposition(|&level| level >= loud);
        if let (Some(first), Some(last)) = (first, last) {
            self.heard.spoken += FRAME * (last - first + 1) as u32;
            for frame in utterance.iter().take(last + 1 + AFTER_FRAMES) {
                self.heard.samples.extend_from_slice(frame.samples());
            }
        }
        Some(self.heard.spoken)
    }

    /// What was heard since the last reply; from now on nothing was.
    pub(super) fn take(&mut self) -> Heard {
        std::mem::take(&mut self.heard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::audio::{FRAME_MS, Hz8k};

    fn frame(level: i16) -> PcmFrame<Hz8k> {
        PcmFrame::from_samples(&[level; 160]).unwrap()
    }

    fn hear(ears: &mut Ears<Hz8k>, level: i16, ms: u32) {
        (0..ms / FRAME_MS).for_each(|_| ears.hear(frame(level)));
    }

    #[test]
    fn a_message_holds_what_came_just_before_and_not_the_silence_after() {
        let mut ears = Ears::new();
        hear(&mut ears, 7, 2_000);
        hear(&mut ears, 5_000, 60);
        ears.begin();
        hear(&mut ears, 5_000, 940);
        hear(&mut ears, 7, 600);
        assert_eq!(ears.end(), Some(Duration::from_secs(1)));

        let heard = ears.take();
        assert_eq!(heard.samples.len(), 8 * (240 + 1_000 + 300));
        assert_eq!(heard.samples[0], 7, "240 ms of what came before");
        assert_eq!(ears.take().samples.len(), 0, "it is given once");
    }

    #[test]
    fn two_utterances_before_a_reply_are_one_message() {
        let mut ears = Ears::new();
        for _ in 0..2 {
            ears.begin();
            hear(&mut ears, 3_000, 400);
            hear(&mut ears, 0, 600);
            ears.end();
        }
        assert_eq!(ears.take().spoken, Duration::from_millis(800));
    }

    #[test]
    fn speech_that_ends_without_having_begun_is_nothing() {
        let mut ears = Ears::<Hz8k>::new();
        hear(&mut ears, 3_000, 400);
        assert_eq!(ears.end(), None);
    }

    #[test]
    fn an_endless_utterance_fills_no_memory() {
        let mut ears = Ears::new();
        ears.begin();
        hear(&mut ears, 3_000, 200_000);
        assert_eq!(ears.end(), Some(Duration::from_secs(120)));
        ears.begin();
        hear(&mut ears, 3_000, 1_000);
        assert_eq!(ears.end(), Some(Duration::from_secs(120)), "full is full");
    }

    #[test]
    fn digital_silence_is_no_speech() {
        let mut ears = Ears::new();
        ears.begin();
        hear(&mut ears, 0, 1_000);
        assert_eq!(ears.end(), Some(Duration::ZERO));
    }
}
