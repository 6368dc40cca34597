//! Where a recording is cut before it is put into words.
//!
//! A recogniser that is given silence invents words for it, one that is given everything at once says nothing of when
//! what was said, and none takes hours. So each channel is cut into stretches of speech: at every pause, and where
//! somebody speaks for longer than a recogniser takes, at the quietest moment in reach. Silence is given to nobody.
//!
//! ```
//! use std::time::Duration;
//! use trunkline::engine::transcript::{Stretch, stretches};
//!
//! // Two seconds of silence, one of speech, two of silence: each level stands for 20 ms.
//! let levels: Vec<u16> = [(100, 0), (50, 2_000), (100, 0)].iter().flat_map(|&(n, level)| vec![level; n]).collect();
//! assert_eq!(stretches(&levels, Duration::from_secs(600)), [Stretch { start_ms: 1_800, end_ms: 3_200 }]);
//! ```

use std::time::Duration;

use crate::engine::audio::FRAME_MS;

/// A part of a recording, in milliseconds from its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Its first millisecond.
    pub start_ms: u32,
    /// The first one that is no longer part of it.
    pub end_ms: u32,
}

impl Stretch {
    /// How long it is.
    pub const fn length_ms(self) -> u32 {
        self.end_ms.saturating_sub(self.start_ms)
    }
}

/// Silence of this length ends a stretch: 1.5 s. Pauses within sentences are shorter, and while the other one speaks a
/// channel is silent for longer.
const PAUSE: usize = 1_500 / FRAME_MS as usize;
/// What is left of the silence before and after: 200 ms, in which soft beginnings and endings lie.
const MARGIN: usize = 200 / FRAME_MS as usize;
/// Sound that is shorter in all is a click: 100 ms. A "yes" takes 200.
const LEAST: usize = 100 / FRAME_MS as usize;
/// Below this a level is silence on any line: an rms of 50 is -56 dB below full scale.
const SILENCE: u16 = 50;
/// From this on it is speech on any line: the quietest callers have an rms of 230.
const SPEECH: u16 = 200;
/// What is looked at around a moment to find how quiet it is: 100 ms on either side, so that it is no plosive's gap.
const AROUND: usize = 100 / FRAME_MS as usize;

/// The stretches of speech in a channel, none longer than `longest` (at least a second). `levels` has the rms of each
/// 20 ms of it. In a line so loud that speech can't be told from it, everything is speech: nothing is lost.
pub fn stretches(levels: &[u16], longest: Duration) -> Vec<Stretch> {
    let longest = usize::try_from(longest.as_millis() / u128::from(FRAME_MS)).unwrap_or(usize::MAX).max(50);
    let spoken = spoken(levels);
    let pieces = spoken.into_iter().flat_map(|(start, end)| pieces(levels, start, end, longest));
    pieces.map(|(start, end)| Stretch { start_ms: ms(start), end_ms: ms(end) }).collect()
}

/// Where somebody speaks, with the margins: from where to before where.
fn spoken(levels: &[u16]) -> Vec<(usize, usize)> {
    let threshold = threshold(levels);
    let mut found: Vec<Run> = Vec::new();
    for (at, _) in levels.iter().enumerate().filter(|&(_, &level)| level >= threshold) {
        match found.last_mut() {
            Some(run) if at - run.end < PAUSE => *run = Run { end: at + 1, loud: run.loud + 1, ..*run },
            _ => found.push(Run { start: at, end: at + 1, loud: 1 }),
        }
    }
    let with_margins = |run: &Run| (run.start.saturating_sub(MARGIN), (run.end + MARGIN).min(levels.len()));
    found.iter().filter(|run| run.loud >= LEAST).map(with_margins).collect()
}

/// Speech without a pause.
#[derive(Clone, Copy)]
struct Run {
    start: usize,
    end: usize,
    /// How many of its levels are speech.
    loud: usize,
}

/// Three times the noise, which is what the quietest tenth of the channel is below; within what is silence on any line
/// and what is speech on any line.
fn threshold(levels: &[u16]) -> u16 {
    let mut sorted = levels.to_vec();
    let tenth = sorted.len() / 10;
    if sorted.is_empty() {
        return SPEECH;
    }
    let (_, &mut noise, _) = sorted.select_nth_unstable(tenth);
    noise.saturating_mul(3).clamp(SILENCE, SPEECH)
}

/// A run in pieces of at most `longest`, cut at the quietest moments of the last two fifths.
fn pieces(levels: &[u16], start: usize, end: usize, longest: usize) -> Vec<(usize, usize)> {
    let mut pieces = Vec::new();
    let mut start = start;
    while end - start > longest {
        let cut = (start + longest * 3 / 5..=start + longest).rev().min_by_key(|&at| loudness(levels, at));
        let cut = cut.unwrap_or(start + longest);
        pieces.push((start, cut));
        start = cut;
    }
    pieces.push((start, end));
    pieces
}

fn loudness(levels: &[u16], at: usize) -> u32 {
    let around = at.saturating_sub(AROUND)..(at + AROUND).min(levels.len());
    levels[around].iter().map(|&level| u32::from(level)).sum()
}

fn ms(frames: usize) -> u32 {
    u32::try_from(frames).unwrap_or(u32::MAX).saturating_mul(FRAME_MS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LONG: Duration = Duration::from_secs(600);

    #[test]
    fn pauses_cut_and_breaths_do_not() {
        let levels = line(&[(1_000, 0), (800, 2_000), (1_400, 0), (800, 2_000), (1_600, 0), (400, 900), (1_000, 0)]);
        let cut = stretches(&levels, LONG);
        assert_eq!(cut, [stretch(800, 4_200), stretch(5_400, 6_200)]);
        assert_eq!(cut[0].length_ms(), 3_400);
    }

    #[test]
    fn silence_and_clicks_are_given_to_nobody() {
        assert_eq!(stretches(&[], LONG), []);
        assert_eq!(stretches(&line(&[(60_000, 0)]), LONG), []);
        assert_eq!(stretches(&line(&[(60_000, 40)]), LONG), []);
        assert_eq!(stretches(&line(&[(5_000, 0), (60, 20_000), (5_000, 0), (80, 9_000), (9_000, 3)]), LONG), []);
    }

    #[test]
    fn a_quiet_caller_is_heard_and_hiss_is_not() {
        let hissing = line(&[(4_000, 60), (2_000, 240), (4_000, 60)]);
        assert_eq!(stretches(&hissing, LONG), [stretch(3_800, 6_200)]);
        let loud_line = line(&[(4_000, 600), (2_000, 2_400)]);
        assert_eq!(stretches(&loud_line, LONG), [stretch(0, 6_000)], "what can't be told apart is kept whole");
    }

    #[test]
    fn who_speaks_without_end_is_cut_at_the_quietest_moment() {
        let levels = line(&[(7_500, 3_000), (300, 400), (8_000, 3_000), (200, 300), (4_000, 3_000)]);
        let cut = stretches(&levels, Duration::from_secs(10));
        assert_eq!(cut, [stretch(0, 7_700), stretch(7_700, 15_900), stretch(15_900, 20_000)]);
    }

    proptest! {
        #[test]
        fn stretches_follow_one_another_and_none_is_too_long(parts in parts(), longest_s in 1..30u64) {
            let levels = line(&parts);
            let longest = Duration::from_secs(longest_s);
            let mut end = 0;
            for stretch in stretches(&levels, longest) {
                prop_assert!(stretch.start_ms >= end && stretch.end_ms > stretch.start_ms);
                prop_assert!(u128::from(stretch.length_ms()) <= longest.as_millis());
                end = stretch.end_ms;
            }
            prop_assert!(end <= ms(levels.len()));
        }

        #[test]
        fn every_loud_sound_that_is_no_click_lies_in_one(parts in parts()) {
            let levels = line(&parts);
            let cut = stretches(&levels, LONG);
            let mut at = 0;
            for (length, level) in parts {
                let (start, end) = (at, at + length);
                at = end;
                if level >= 200 && length >= 100 {
                    prop_assert!(cut.iter().any(|stretch| stretch.start_ms <= start && end <= stretch.end_ms));
                }
            }
        }
    }

    fn parts() -> impl Strategy<Value = Vec<(u32, u16)>> {
        let length = (1..400u32).prop_map(|frames| frames * FRAME_MS);
        prop::collection::vec((length, prop_oneof![Just(0u16), 0..32_000u16]), 0..40)
    }

    fn line(parts: &[(u32, u16)]) -> Vec<u16> {
        parts.iter().flat_map(|&(length, level)| vec![level; (length / FRAME_MS) as usize]).collect()
    }

    fn stretch(start_ms: u32, end_ms: u32) -> Stretch {
        Stretch { start_ms, end_ms }
    }
}
