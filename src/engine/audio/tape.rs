//! Two channels laid side by side by the call's clock: what the caller said and what the caller was sent.
//!
//! Frames come with the time at which they were on the wire. A frame that follows the one before it within 20 ms
//! is laid right behind it, so that neither a timer's jitter nor a frame sent ahead is heard as a click: audio that
//! goes out ahead of the ear lies where it is heard. A longer pause becomes silence. Nothing is dropped but what
//! the caller provably did not hear, and the caller's silence while what was said lies later than it was spoken, as after a
//! stall of the network that took longer than the tape waits.

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::time::Duration;

use crate::engine::time::CallTime;

use super::frame::PcmFrame;
use super::rate::Rate;

/// The stereo tape of one call, left the caller, right the agent. It holds back the last second, in which frames
/// may still come in late, and gives out what lies before.
///
/// Times are the call's own clock; a carrier's timestamps must have been checked before.
#[derive(Clone, Debug)]
pub struct WireTape<R: Rate> {
    caller: Track,
    agent: Track,
    /// Where the tape was given out to, in samples.
    taken: u64,
    rate: PhantomData<R>,
}

/// What follows within this time follows directly.
const TOLERANCE: Duration = Duration::from_millis(20);
/// How much later than it was spoken a frame of the caller may lie before silence is left out to make up for it.
const LATE: Duration = Duration::from_millis(40);
/// The loudest sample of what is silence for that: less than the least of what is heard on a telephone line.
const SILENCE: u16 = 64;
/// How much of the caller may lie behind the end of the call: half a frame that was on its way.
const OVERHANG: Duration = Duration::from_millis(10);
/// How long a channel is waited for. Longer stalls than this become silence, and their frames lie later.
const SETTLED_AFTER: Duration = Duration::from_secs(1);

impl<R: Rate> WireTape<R> {
    /// An empty tape, which begins at [`CallTime::START`].
    pub const fn new() -> Self {
        Self { caller: Track::new(), agent: Track::new(), taken: 0, rate: PhantomData }
    }

    /// Lays down a frame of the caller, whose first sample was spoken at `at`.
    pub fn caller(&mut self, at: CallTime, frame: &PcmFrame<R>) {
        let (at_sample, samples) = (position::<R>(at), frame.samples());
        let is_late = self.caller.end > at_sample + position_of::<R>(LATE);
        if !is_late || samples.iter().any(|sample| sample.unsigned_abs() > SILENCE) {
            self.caller.lay(at_sample, position_of::<R>(TOLERANCE), samples);
        }
        self.settle(at);
    }

    /// Lays down a frame of the agent that was sent at `at`.
    pub fn agent(&mut self, at: CallTime, frame: &PcmFrame<R>) {
        self.agent.lay(position::<R>(at), position_of::<R>(TOLERANCE), frame.samples());
        self.settle(at);
    }

    /// At `at` the carrier was told to throw away what the caller had not heard yet.
    pub fn agent_cleared(&mut self, at: CallTime) {
        self.agent.cut(position::<R>(at).max(self.taken));
    }

    /// Appends the part of the tape that nothing can change any more to `interleaved`: left, right, left, right.
    pub fn take(&mut self, interleaved: &mut Vec<i16>) {
        let settled = self.caller.samples.len().min(self.agent.samples.len());
        let pairs = self.caller.samples.drain(..settled).zip(self.agent.samples.drain(..settled));
        interleaved.extend(pairs.flat_map(|(left, right)| [left, right]));
        self.taken += settled as u64;
    }

    /// The call is over after `length`: both channels end there, with silence or, where the agent's audio was on its
    /// way to an ear that had gone, by a cut. Of the caller half a frame is left behind that. [`WireTape::take`] gives out the
    /// rest.
    pub fn finish(&mut self, length: CallTime) {
        self.caller.cut(position::<R>(length + OVERHANG).max(self.taken));
        let end = position::<R>(length).max(self.caller.end).max(self.taken);
        self.caller.fill_to(end);
        self.agent.cut(end);
        self.agent.fill_to(end);
    }

    /// How long the part is that was given out.
    pub fn taken(&self) -> Duration {
        Duration::from_micros(self.taken * 1_000_000 / u64::from(R::HZ))
    }

    fn settle(&mut self, now: CallTime) {
        let settled = position::<R>(now - SETTLED_AFTER);
        self.caller.fill_to(settled);
        self.agent.fill_to(settled);
    }
}

impl<R: Rate> Default for WireTape<R> {
    fn default() -> Self {
        Self::new()
    }
}

/// One channel.
#[derive(Clone, Debug)]
struct Track {
    /// What was laid down and not given out.
    samples: VecDeque<i16>,
    /// Where the next sample goes, counted from the beginning of the call.
    end: u64,
}

impl Track {
    const fn new() -> Self {
        Self { samples: VecDeque::new(), end: 0 }
    }

    fn lay(&mut self, at: u64, tolerance: u64, samples: &[i16]) {
        if at > self.end + tolerance {
            self.fill_to(at);
        }
        self.samples.extend(samples);
        self.end += samples.len() as u64;
    }

    fn fill_to(&mut self, end: u64) {
        let silence = end.saturating_sub(self.end);
        self.samples.resize(self.samples.len() + silence as usize, 0);
        self.end += silence;
    }

    fn cut(&mut self, end: u64) {
        let surplus = self.end.saturating_sub(end);
        self.samples.truncate(self.samples.len() - surplus as usize);
        self.end -= surplus;
    }
}

fn position<R: Rate>(at: CallTime) -> u64 {
    at.as_micros() * u64::from(R::HZ) / 1_000_000
}

fn position_of<R: Rate>(length: Duration) -> u64 {
    length.as_micros() as u64 * u64::from(R::HZ) / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::audio::Hz8k;
    use proptest::prelude::*;

    #[test]
    fn both_channels_lie_where_they_were_on_the_wire() {
        let mut tape = Tape::new();
        tape.caller(0, 1);
        tape.caller(20, 2);
        tape.agent(500, 7);
        tape.caller(1_000, 3);
        let (caller, agent) = tape.finish(2_000);
        assert_eq!(spans(&caller), [(0, 20, 1), (20, 40, 2), (1_000, 1_020, 3)]);
        assert_eq!(spans(&agent), [(500, 520, 7)]);
        assert_eq!((caller.len(), agent.len()), (16_000, 16_000));
    }

    #[test]
    fn what_is_sent_ahead_lies_where_it_is_heard() {
        let mut tape = Tape::new();
        for (at, frame) in [(100, 1), (100, 2), (100, 3), (120, 4), (140, 5)] {
            tape.agent(at, frame);
        }
        let expected = [(100, 120, 1), (120, 140, 2), (140, 160, 3), (160, 180, 4), (180, 200, 5)];
        assert_eq!(spans(&tape.finish(1_000).1), expected);
    }

    #[test]
    fn jitter_leaves_no_holes() {
        let mut tape = Tape::new();
        for (frame, at) in [0, 35, 44, 61, 99, 101].into_iter().enumerate() {
            tape.caller(at, frame as i16 + 1);
        }
        let caller = tape.finish(120).0;
        assert_eq!(caller.len(), 960);
        assert!(!caller.contains(&0));
    }

    #[test]
    fn what_came_too_late_catches_up_in_the_callers_next_silence() {
        let mut tape = Tape::new();
        tape.agent(3_000, 7); // what lies before 2 s is given out: there the caller is silent
        for frame in 0..200 {
            let loudness = if frame < 100 { 1_000 } else { 10 };
            tape.caller(frame * 20, loudness);
        }
        tape.caller(4_000, 2_000);
        let caller = tape.finish(4_100).0;
        assert_eq!(caller.len(), 4_100 * 8);
        assert_eq!(
            caller.iter().filter(|&&sample| sample == 1_000).count(),
            100 * 160,
            "of what was said nothing is lost"
        );
        let begin = caller.iter().position(|&sample| sample == 2_000).unwrap() / 8;
        assert!((4_000..=4_040).contains(&begin), "{begin} ms");
    }

    #[test]
    fn a_tape_is_as_long_as_its_call_though_the_carriers_clock_runs_ahead() {
        let mut tape = Tape::new();
        for frame in 0..100 {
            tape.caller(frame * 20, 1_000);
        }
        let caller = tape.finish(1_500).0;
        assert_eq!(caller.len(), 1_510 * 8);
    }

    #[test]
    fn what_was_cleared_before_it_was_heard_is_not_on_the_tape() {
        let mut tape = Tape::new();
        for _ in 0..3 {
            tape.agent(100, 1);
        }
        tape.tape.agent_cleared(CallTime::from_millis(130));
        tape.agent(400, 2);
        assert_eq!(spans(&tape.finish(1_000).1), [(100, 130, 1), (400, 420, 2)]);
    }

    #[test]
    fn what_was_on_its_way_when_the_caller_left_is_cut() {
        let mut tape = Tape::new();
        for _ in 0..5 {
            tape.agent(900, 1);
        }
        assert_eq!(spans(&tape.finish(950).1), [(900, 950, 1)]);
    }

    #[test]
    fn a_channel_that_is_silent_holds_the_other_back_for_a_second_at_most() {
        let mut tape = Tape::new();
        for frame in 0..500 {
            tape.caller(frame * 20, 1);
            tape.tape.take(&mut tape.taken);
            assert!(tape.tape.caller.samples.len() <= 8_160);
        }
        assert!(tape.tape.taken() >= Duration::from_millis(8_960));
    }

    #[test]
    fn frames_that_come_after_a_long_stall_lie_later_and_are_not_lost() {
        let mut tape = Tape::new();
        tape.agent(5_000, 1);
        for frame in 0..50 {
            tape.caller(frame * 20, 2_000);
        }
        let caller = tape.finish(6_000).0;
        assert_eq!(caller.iter().filter(|&&sample| sample == 2_000).count(), 8_000);
        assert_eq!(caller.len(), 48_000);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn nothing_is_lost_and_everything_lies_within_20_ms_of_its_time(
            caller in pauses(),
            agent in pauses(),
            after in 0..3_000u64,
        ) {
            // Frames in each channel follow one another after a pause; those without one carry up to 10 ms of jitter.
            let mut frames: Vec<(u64, bool, i16)> = vec![];
            for (is_caller, pauses) in [(true, &caller), (false, &agent)] {
                let mut at = 0;
                for (number, &(pause, jitter)) in pauses.iter().enumerate() {
                    at += pause;
                    frames.push((at + jitter, is_caller, number as i16 + 1));
                    at += 20;
                }
            }
            frames.sort_unstable();
            let mut tape = Tape::new();
            for &(at, is_caller, number) in &frames {
                if is_caller { tape.caller(at, number) } else { tape.agent(at, number) }
                tape.tape.take(&mut tape.taken);
            }
            let length = frames.last().map_or(0, |&(at, ..)| at) + 20 + after;
            let (left, right) = tape.finish(length);
            prop_assert_eq!(left.len(), right.len());
            prop_assert!((left.len() as u64 / 8).abs_diff(length) <= 20);
            for &(at, is_caller, number) in &frames {
                let channel = if is_caller { &left } else { &right };
                let begin = channel.iter().position(|&sample| sample == number);
                prop_assert!(begin.is_some_and(|begin| (begin as u64 / 8).abs_diff(at) <= 20), "frame {} at {}", number, at);
                let there = channel.iter().filter(|&&sample| sample == number).count() as u64;
                // The last frame of the agent may be cut where the call ends.
                prop_assert!(there == 160 || (!is_caller && begin.is_some_and(|begin| begin as u64 + there == length * 8)));
            }
        }
    }

    fn pauses() -> impl Strategy<Value = Vec<(u64, u64)>> {
        prop::collection::vec((prop_oneof![4 => Just(0u64), 1 => 0..800u64], 0..10u64), 0..60)
    }

    struct Tape {
        tape: WireTape<Hz8k>,
        taken: Vec<i16>,
    }

    impl Tape {
        fn new() -> Self {
            Self { tape: WireTape::new(), taken: vec![] }
        }

        fn caller(&mut self, ms: u64, value: i16) {
            self.tape.caller(CallTime::from_millis(ms), &frame(value));
        }

        fn agent(&mut self, ms: u64, value: i16) {
            self.tape.agent(CallTime::from_millis(ms), &frame(value));
        }

        fn finish(mut self, ms: u64) -> (Vec<i16>, Vec<i16>) {
            self.tape.finish(CallTime::from_millis(ms));
            self.tape.take(&mut self.taken);
            self.taken.as_chunks::<2>().0.iter().map(|&[left, right]| (left, right)).unzip()
        }
    }

    fn frame(value: i16) -> PcmFrame<Hz8k> {
        PcmFrame::from_samples(&[value; 160]).unwrap()
    }

    /// Where each sound begins and ends, in milliseconds, and its value.
    fn spans(channel: &[i16]) -> Vec<(usize, usize, i16)> {
        let mut spans = vec![];
        let mut begin = 0;
        for part in channel.chunk_by(|a, b| a == b) {
            if part[0] != 0 {
                spans.push((begin / 8, (begin + part.len()) / 8, part[0]));
            }
            begin += part.len();
        }
        spans
    }
}
