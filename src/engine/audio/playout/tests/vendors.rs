//! Whole calls with agents whose audio comes in their several ways, over many seeds, in virtual time.
//!
//! `cargo test --lib playout::tests::vendors -- --nocapture` prints the figures that the documentation states.

use super::*;

const SEEDS: u64 = 50;
const RESPONSES: u32 = 30;
const RESPONSE_MS: u64 = 6_000;

/// How one vendor delivers.
#[derive(Clone, Copy)]
struct Vendor {
    chunk_ms: u64,
    /// From one chunk to the next when nothing disturbs it, in microseconds.
    every_us: u64,
    /// How much later than that each chunk may come, each for itself.
    jitter_ms: u64,
    /// How long it may pause before each chunk, putting off all that follow.
    pause_ms: u64,
}

impl Vendor {
    /// Chunks of so many ms at so many per cent of the pace of speech.
    const fn new(chunk_ms: u64, pace_percent: u64) -> Self {
        Self { chunk_ms, every_us: chunk_ms * 100_000 / pace_percent, jitter_ms: 0, pause_ms: 0 }
    }
}

/// What came of all calls.
#[derive(Debug, Default)]
struct Figures {
    ms: u64,
    events: u64,
    most_events: u64,
    with_hole: u32,
    first_audio: Vec<u64>,
}

impl Figures {
    fn of(vendor: Vendor, settings: &PlayoutSettings) -> Self {
        let mut figures = Self::default();
        (1..=SEEDS).for_each(|seed| figures.add_call(vendor, settings, seed));
        figures.first_audio.sort_unstable();
        figures
    }

    fn add_call(&mut self, vendor: Vendor, settings: &PlayoutSettings, seed: u64) {
        let (mut line, mut random) = (Line::new(settings.clone()), Random(seed));
        for number in 1..=RESPONSES {
            let (events, frames) = (line.stats().underflow_events, line.frames.len());
            let first = say(&mut line, vendor, number, &mut random);
            self.first_audio.push(line.frames[frames].0 / 1_000 - first);
            self.with_hole += u32::from(line.stats().underflow_events > events);
        }
        assert_eq!(line.frames.len() as u64, u64::from(RESPONSES) * RESPONSE_MS / 20, "nothing is lost");
        self.ms += line.ms();
        self.events += line.stats().underflow_events;
        self.most_events = self.most_events.max(line.stats().underflow_events);
    }

    fn events_a_minute(&self) -> f64 {
        self.events as f64 * 60_000.0 / self.ms as f64
    }

    fn holes_percent(&self) -> f64 {
        f64::from(self.with_hole) * 100.0 / self.first_audio.len() as f64
    }

    fn first_audio_p95(&self) -> u64 {
        self.first_audio[self.first_audio.len() * 95 / 100]
    }

    fn print(&self, name: &str) {
        println!(
            "{name}: {:.2} underflows a minute, at most {} a call, {:.2} % of utterances with a hole, \
             held back {} ms (median), {} ms (p95)",
            self.events_a_minute(),
            self.most_events,
            self.holes_percent(),
            self.first_audio[self.first_audio.len() / 2],
            self.first_audio_p95(),
        );
    }
}

/// One response, half a second after the one before; gives when its first chunk came. Timers fire up to 3 ms late.
fn say(line: &mut Line, vendor: Vendor, number: u32, random: &mut Random) -> u64 {
    let mut due_us = (line.ms() + 500) * 1_000;
    let (mut arrives, mut first) = (0, None);
    for _ in 0..RESPONSE_MS / vendor.chunk_ms {
        due_us += random.below(vendor.pause_ms + 1) * 1_000;
        arrives = arrives.max(due_us / 1_000 + random.below(vendor.jitter_ms + 1));
        line.lateness_us = random.below(3_000);
        line.run_until(arrives);
        line.jump_to(arrives);
        first.get_or_insert(line.ms());
        line.push(number, vendor.chunk_ms as usize);
        due_us += vendor.every_us;
    }
    line.finish(number);
    line.run_until(line.ms() + RESPONSE_MS + 1_000);
    first.unwrap()
}

/// Each chunk comes up to 80 ms early or late.
#[test]
fn with_jitter_of_80_ms_less_than_one_underflow_a_minute_and_less_than_ten_a_call() {
    for chunk_ms in [20, 40, 60, 100, 200] {
        let vendor = Vendor { jitter_ms: 160, ..Vendor::new(chunk_ms, 100) };
        let figures = Figures::of(vendor, &PlayoutSettings::default());
        figures.print(&format!("{chunk_ms} ms of speech, ±80 ms"));
        assert!(figures.events_a_minute() < 1.0, "{chunk_ms} ms: {} a minute", figures.events_a_minute());
        assert!(figures.most_events < 10, "{chunk_ms} ms: {}", figures.most_events);
    }
}

/// Each chunk comes up to 150 ms later than the pace of the agent says; the agent makes up for it.
#[test]
fn at_one_and_a_half_times_the_pace_of_speech_pauses_of_150_ms_are_heard_in_two_of_a_hundred_utterances_at_most() {
    for chunk_ms in [20, 40, 60, 100, 200, 300] {
        let vendor = Vendor { jitter_ms: 150, ..Vendor::new(chunk_ms, 150) };
        let figures = Figures::of(vendor, &PlayoutSettings::default());
        figures.print(&format!("{chunk_ms} ms of speech at 1.5 times its pace, up to 150 ms late"));
        assert!(figures.holes_percent() <= 2.0, "{chunk_ms} ms: {} %", figures.holes_percent());
    }
}

/// Each pause puts off all that follows: only chunks that are longer than what is lost so leave something to make up with.
#[test]
fn pauses_that_add_up_are_bridged_while_the_agent_still_outruns_the_caller() {
    for (chunk_ms, most_percent) in [(400, 2.0), (500, 2.0), (600, 2.0)] {
        let vendor = Vendor { pause_ms: 150, ..Vendor::new(chunk_ms, 150) };
        let figures = Figures::of(vendor, &PlayoutSettings::default());
        figures.print(&format!("{chunk_ms} ms of speech at 1.5 times its pace, pauses that add up"));
        assert!(figures.holes_percent() <= most_percent, "{chunk_ms} ms: {} %", figures.holes_percent());
    }
}

/// An agent at twice the pace of speech or more begins as soon as two thirds of the pre-roll have come, the first
/// time, and at once ever after.
#[test]
fn one_that_runs_ahead_begins_at_once() {
    for (chunk_ms, pace_percent) in [(20, 200), (20, 500), (50, 300), (50, 2_000), (100, 200), (100, 500), (250, 300)] {
        let vendor = Vendor::new(chunk_ms, pace_percent);
        let mut line = Line::new(PlayoutSettings::default());
        let held_back = |number| {
            let sent = line.frames.len();
            let first = say(&mut line, vendor, number, &mut Random(1));
            line.frames[sent].0 / 1_000 - first
        };
        let held_back: Vec<u64> = (1..=20).map(held_back).collect();
        let two_thirds_take = (100u64.div_ceil(chunk_ms) - 1) * vendor.every_us / 1_000;
        assert!(held_back[0] <= two_thirds_take + 3, "{chunk_ms} ms at {pace_percent} %: {held_back:?}");
        assert!(held_back[1..].iter().all(|&ms| ms <= 3), "{chunk_ms} ms at {pace_percent} %: {held_back:?}");
        assert_eq!(line.stats().underflow_events, 0);
    }
}

/// One delay in the middle of a call is chance. An agent that was late again waits, but only until it is as far ahead of the
/// caller as any pre-roll.
#[test]
fn one_that_runs_ahead_and_was_late_once_begins_at_once_all_the_same() {
    for (chunk_ms, pace_percent) in [(20, 300), (50, 500), (100, 500), (100, 1_000), (250, 300)] {
        let usual = Vendor::new(chunk_ms, pace_percent);
        let held_back = |late: &[u32]| {
            let mut line = Line::new(PlayoutSettings::default());
            let mut held_back = |number| {
                let slow = Vendor { every_us: (chunk_ms + 80) * 1_000, ..usual };
                let sent = line.frames.len();
                let first = say(&mut line, if late.contains(&number) { slow } else { usual }, number, &mut Random(1));
                line.frames[sent].0 / 1_000 - first
            };
            (1..=20).map(&mut held_back).collect::<Vec<_>>()
        };
        let once = held_back(&[8]);
        assert!(once[1..].iter().all(|&ms| ms <= 3), "{chunk_ms} ms at {pace_percent} %: {once:?}");
        let chunks = (150 + chunk_ms).div_ceil(chunk_ms - usual.every_us / 1_000);
        let most = 3 + (chunks * usual.every_us / 1_000).min(150);
        let twice = held_back(&[8, 12]);
        assert!(twice[1..].iter().all(|&ms| ms <= most), "{chunk_ms} ms at {pace_percent} %: {twice:?}");
    }
}

/// An agent that is slower than speech can't be heard without holes; what is collected after each makes them few.
#[test]
fn one_slower_than_speech_has_few_long_holes_instead_of_many_short_ones() {
    for chunk_ms in [20, 100] {
        let of = |low_water_ms| {
            let settings = PlayoutSettings { low_water_ms, ..PlayoutSettings::default() };
            let figures = Figures::of(Vendor::new(chunk_ms, 90), &settings);
            figures.print(&format!("{chunk_ms} ms at 0.9 times the pace of speech, low water {low_water_ms} ms"));
            figures.events
        };
        assert!(of(60) * 5 < of(0));
    }
}
