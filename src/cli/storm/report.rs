//! What a storm found out, for people and machines.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::figures::Figures;
use super::process::Cost;
use super::slo::Promise;
use super::spread::Percentiles;
use super::stamp::Audio;
use super::stats::Stats;
use super::vendor::VendorShape;

/// Above this share of its core the storm itself is what is measured.
pub const BUSIEST: f64 = 0.8;
/// When the storm's own ticks are later than this (p99, in milliseconds), the times of others are no better.
pub const LATE: f64 = 5.0;
/// … and than this, a whole frame, they are no times at all: somebody else used the storm's core.
pub const LATEST: f64 = 20.0;

/// Everything.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The program's version.
    pub version: &'static str,
    /// `release`, or `debug`, of which no figure means anything.
    pub build: &'static str,
    /// The commit of the checkout in which the program lies, or that the program was built before it.
    pub commit: String,
    /// How the storm was started.
    pub command: String,
    /// Where.
    pub machine: String,
    /// The processors that server and storm were held to.
    pub pinned: Option<(usize, usize)>,
    /// What the callers did.
    pub talk: String,
    /// How the vendor's audio travelled.
    pub audio: Audio,
    /// How the vendor behaved.
    pub vendor: VendorShape,
    /// What was stormed.
    pub runs: Vec<Run>,
    /// Whether the storm had time enough for what it measured.
    pub is_valid: bool,
    /// Whether it is valid and every limit was kept.
    pub is_kept: bool,
}

/// One server that was stormed.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Run {
    /// `engine` or `floor`.
    pub subject: &'static str,
    /// What was found with how many calls.
    pub stages: Vec<Stage>,
    /// How much memory a call takes: between the first stage (or no call at all) and the last.
    pub kib_per_call: Option<f64>,
    /// How much memory each call that is over has left behind.
    pub leak_kib_per_call: Option<f64>,
    /// The server before the first call, and some time after the last one.
    pub before_and_after: Option<(Holding, Holding)>,
    /// Each limit.
    pub promises: Vec<Promise>,
}

/// What the server holds while no call is alive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Holding {
    /// Memory, files, threads.
    #[serde(flatten)]
    pub process: Cost,
    /// Calls that have not ended, as it believes.
    pub calls: f64,
    /// Actors.
    pub actors: f64,
    /// Tasks besides, sessions with voice agents among them.
    pub tasks: f64,
    /// Messages in mailboxes.
    pub messages: f64,
}

impl Holding {
    /// Of a process and its own figures.
    pub fn new(process: Cost, figures: &Figures) -> Self {
        let [calls, actors, tasks, messages] =
            ["calls_live", "actors_alive", "tasks_alive", "mailbox_depth"].map(|name| figures.sum(name));
        Self { process, calls, actors, tasks, messages }
    }
}

/// What was found with so many calls at once. Times in milliseconds.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Stage {
    /// Calls at once.
    pub calls: usize,
    /// Short calls that began each second besides.
    pub starts_per_second: f64,
    /// How long they were held, in seconds.
    pub held_s: f64,
    /// How long all of them lasted together, in seconds.
    pub call_seconds: f64,
    /// The share of time, 0 to 1, in which the agent was heard.
    pub agent_share: f64,
    /// The voice webhook.
    pub webhook: Option<Percentiles>,
    /// `start` to first audio.
    pub greeting: Option<Percentiles>,
    /// … the vendor's first delta to first audio.
    pub greeting_added: Option<Percentiles>,
    /// The end of speech to first audio.
    pub response: Option<Percentiles>,
    /// … the vendor's first delta to first audio.
    pub response_added: Option<Percentiles>,
    /// `speech_stopped` to `response.create`, where the engine decides.
    pub decision: Option<Percentiles>,
    /// The beginning of speech to `clear`.
    pub barge_in: Option<Percentiles>,
    /// … the vendor's `speech_started` to `clear`.
    pub barge_in_added: Option<Percentiles>,
    /// Between two `media` inside a response.
    pub gap: Option<Percentiles>,
    /// The share of gaps above 25 ms.
    pub gap_above_25_ms: f64,
    /// The share of gaps above 40 ms.
    pub gap_above_40_ms: f64,
    /// Times at which the ear ran dry inside a response.
    pub underflows: u64,
    /// Blocks of 20 ms that never came.
    pub lost: u64,
    /// … that came twice.
    pub doubled: u64,
    /// … that came after they were cleared.
    pub stale: u64,
    /// … that the vendor did not say.
    pub foreign: u64,
    /// Turns that nobody answered within ten seconds.
    pub unanswered: u64,
    /// Interruptions that were over before the agent was silent.
    pub not_interrupted: u64,
    /// Calls whose stream was opened.
    pub started: u64,
    /// Calls that ended well.
    pub completed: u64,
    /// Calls that were refused.
    pub refused: u64,
    /// Messages that the server did not take at once.
    pub unread: u64,
    /// What the vendor did wrong on purpose.
    pub vendor_faults: u64,
    /// What went wrong otherwise.
    pub errors: BTreeMap<String, u64>,
    /// The server's process.
    pub engine: Option<EngineCost>,
    /// The share of its processor time, in percent, that each sort of thread took.
    pub threads: BTreeMap<String, f64>,
    /// How late the server's own ticks were, as it says.
    pub tick_lateness: Option<Percentiles>,
    /// The share of a core, 0 to 1, that the storm took.
    pub storm_cpu: f64,
    /// How late the storm's own ticks were.
    pub storm_lateness: Option<Percentiles>,
}

/// What the server cost while the calls were held.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct EngineCost {
    /// Processor time for each second of each call.
    pub cpu_ms_per_call_second: f64,
    /// The share of a core.
    pub cpu: f64,
    /// What it held at the end.
    #[serde(flatten)]
    pub end: Cost,
}

/// What was used between two moments.
#[derive(Clone, Debug, Default)]
pub struct Window {
    /// How long it was.
    pub length: Duration,
    /// How long all calls lasted together.
    pub call_time: Duration,
    /// The server's processor time, and what it held at the end.
    pub engine: Option<(Duration, Cost)>,
    /// The processor time of its threads.
    pub threads: BTreeMap<String, Duration>,
    /// How late its ticks were.
    pub tick_lateness: Option<Percentiles>,
    /// Our own processor time.
    pub storm: Duration,
}

impl Stage {
    /// From what was counted and measured.
    pub fn new(calls: usize, stats: &Stats, window: &Window) -> Self {
        let seconds = window.length.as_secs_f64().max(0.001);
        let call_seconds = window.call_time.as_secs_f64();
        let engine = window.engine.map(|(cpu, end)| EngineCost {
            cpu_ms_per_call_second: round(cpu.as_secs_f64() * 1_000.0 / call_seconds.max(0.001), 3),
            cpu: round(cpu.as_secs_f64() / seconds, 3),
            end,
        });
        let all = window.engine.map_or(0.0, |(cpu, _)| cpu.as_secs_f64()).max(1e-9);
        let share = |time: &Duration| round((time.as_secs_f64() / all * 100.0).min(100.0), 3);
        Self {
            calls,
            starts_per_second: 0.0,
            held_s: round(seconds, 1),
            call_seconds: round(call_seconds, 1),
            agent_share: round(stats.blocks_heard as f64 / stats.frames_sent.max(1) as f64, 2),
            webhook: stats.webhook.percentiles(),
            greeting: stats.greeting.percentiles(),
            greeting_added: stats.greeting_added.percentiles(),
            response: stats.response.percentiles(),
            response_added: stats.response_added.percentiles(),
            decision: stats.decision.percentiles(),
            barge_in: stats.barge_in.percentiles(),
            barge_in_added: stats.barge_in_added.percentiles(),
            gap: stats.gap.percentiles(),
            gap_above_25_ms: round(stats.gap.share_above(Duration::from_millis(25)), 6),
            gap_above_40_ms: round(stats.gap.share_above(Duration::from_millis(40)), 6),
            underflows: stats.underflows,
            lost: stats.lost,
            doubled: stats.doubled,
            stale: stats.stale,
            foreign: stats.foreign,
            unanswered: stats.unanswered,
            not_interrupted: stats.not_interrupted,
            started: stats.started,
            completed: stats.completed,
            refused: stats.refused,
            unread: stats.unread,
            vendor_faults: stats.vendor_faults,
            errors: stats.errors.clone(),
            engine,
            threads: window.threads.iter().map(|(name, time)| (name.clone(), share(time))).collect(),
            tick_lateness: window.tick_lateness,
            storm_cpu: round(window.storm.as_secs_f64() / seconds, 3),
            storm_lateness: stats.lateness.percentiles(),
        }
    }
}

impl Stage {
    /// Whether the storm had the time that it needed.
    pub fn is_valid(&self) -> bool {
        self.storm_cpu <= BUSIEST && self.storm_lateness.is_none_or(|lateness| lateness.p99 <= LATEST)
    }

    /// Adds what was counted after the calls were held, while they ended.
    pub fn add_end(&mut self, stats: &Stats) {
        self.completed += stats.completed;
        self.refused += stats.refused;
        self.lost += stats.lost;
        self.doubled += stats.doubled;
        self.stale += stats.stale;
        for (error, count) in &stats.errors {
            *self.errors.entry(error.clone()).or_default() += count;
        }
    }
}

impl Run {
    /// Memory for each call: between the first stage and the last, or between nothing and the only one.
    pub fn slope(&self, before: Option<Cost>) -> Option<f64> {
        let last = self.stages.last().and_then(|stage| Some((stage.calls, stage.engine?.end.rss_kib)))?;
        let first = match self.stages.first() {
            Some(first) if first.calls < last.0 => (first.calls, first.engine?.end.rss_kib),
            _ => (0, before?.rss_kib),
        };
        (last.0 > first.0).then(|| round((last.1 as f64 - first.1 as f64) / (last.0 - first.0) as f64, 1))
    }

    /// The stage before `stage` that differs from it only by having no short calls besides.
    pub fn without_starts(&self, stage: &Stage) -> Option<&Stage> {
        let is_calm = |other: &&Stage| other.calls == stage.calls && other.starts_per_second == 0.0;
        self.stages.iter().find(is_calm).filter(|_| stage.starts_per_second > 0.0)
    }
}

/// The slope of the line through the points that is nearest to them.
pub fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let across: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    let along: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    (points.len() >= 3 && along > 0.0).then(|| round(across / along, 3))
}

fn round(value: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_that_had_no_time_is_not_valid() {
        let stage = |storm_cpu, p99| {
            let storm_lateness = Some(Percentiles { p99, ..Percentiles::default() });
            Stage { storm_cpu, storm_lateness, ..Stage::default() }
        };
        let valid = [(0.8, 20.0), (0.81, 1.0), (0.1, 20.1)].map(|(cpu, late)| stage(cpu, late).is_valid());
        assert_eq!(valid, [true, false, false]);
    }

    #[test]
    fn a_slope_is_found_through_noise() {
        let points: Vec<_> = (0..100).map(|x| (f64::from(x), 5.0 + 0.25 * f64::from(x) + f64::from(x % 2))).collect();
        let found = slope(&points).unwrap();
        assert!((found - 0.25).abs() < 0.01, "{found}");
        assert_eq!(slope(&points[..2]), None);
        assert_eq!(slope(&[(1.0, 1.0), (1.0, 2.0), (1.0, 3.0)]), None);
    }

    #[test]
    fn memory_for_each_call_is_taken_between_the_stages() {
        let stage = |calls, rss_kib| {
            let end = Cost { rss_kib, ..Cost::default() };
            Stage { calls, engine: Some(EngineCost { end, ..EngineCost::default() }), ..Stage::default() }
        };
        let before = Some(Cost { rss_kib: 10_000, ..Cost::default() });
        let one = Run { stages: vec![stage(50, 20_000)], ..Run::default() };
        let two = Run { stages: vec![stage(50, 20_000), stage(400, 72_500)], ..Run::default() };
        assert_eq!((one.slope(before), one.slope(None), two.slope(None)), (Some(200.0), None, Some(150.0)));
    }

    #[test]
    fn cost_is_for_each_second_of_each_call() {
        let second = Duration::from_secs(1);
        let engine = Some((second * 2, Cost::default()));
        let threads = BTreeMap::from([("log".to_owned(), second / 100)]);
        let window = Window {
            length: second * 10,
            call_time: second * 1_000,
            engine,
            threads,
            storm: second,
            ..Window::default()
        };
        let stage = Stage::new(100, &Stats::default(), &window);
        let engine = stage.engine.unwrap();
        assert_eq!((engine.cpu_ms_per_call_second, engine.cpu, stage.storm_cpu), (2.0, 0.2, 0.1));
        assert_eq!(stage.threads["log"], 0.5);
    }
}
