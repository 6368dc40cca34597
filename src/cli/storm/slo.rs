//! What a storm promises: limits by name, and whether they were kept.

use std::str::FromStr;

use serde::Serialize;
use thiserror::Error;

use super::report::{Holding, Run, Stage};
use super::spread::Percentiles;

/// What can be limited: name, unit, the limit unless another is given, and what it is measured by.
type Row = (&'static str, &'static str, Option<f64>, fn(&Run, &Stage) -> Option<f64>);

const ROWS: &[Row] = &[
    ("greeting_added_p50", "ms", Some(5.0), |_, stage| p50(stage.greeting_added)),
    ("greeting_added_p95", "ms", Some(22.0), |_, stage| p95(stage.greeting_added)),
    ("response_added_p50", "ms", Some(5.0), |_, stage| p50(stage.response_added)),
    ("response_added_p95", "ms", Some(22.0), |_, stage| p95(stage.response_added)),
    ("barge_in_added_p95", "ms", Some(5.0), |_, stage| p95(stage.barge_in_added)),
    ("gap_p99", "ms", Some(25.0), |_, stage| stage.gap.map(|gap| gap.p99)),
    ("underflows", "", Some(0.0), |_, stage| Some(stage.underflows as f64)),
    ("lost", "blocks", Some(0.0), |_, stage| Some(stage.lost as f64)),
    ("doubled", "blocks", Some(0.0), |_, stage| Some((stage.doubled + stage.stale) as f64)),
    ("unanswered", "", Some(0.0), |_, stage| Some(stage.unanswered as f64)),
    ("refused", "calls", Some(0.0), |_, stage| Some(stage.refused as f64)),
    ("errors", "", Some(0.0), |_, stage| Some(stage.errors.values().sum::<u64>() as f64)),
    ("webhook_p99", "ms", None, |_, stage| stage.webhook.map(|webhook| webhook.p99)),
    ("cpu_ms_per_call_second", "ms", None, |_, stage| stage.engine.map(|engine| engine.cpu_ms_per_call_second)),
    ("kib_per_call", "KiB", None, |run, _| run.kib_per_call),
    ("log_share", "%", Some(0.1), |_, stage| log_share(stage)),
    ("starts_lateness_moves", "ms", Some(2.0), |run, stage| moves(run, stage, |stage| stage.tick_lateness)),
    ("starts_gap_moves", "ms", Some(2.0), |run, stage| moves(run, stage, |stage| stage.gap)),
    ("leak_kib_per_call", "KiB", Some(0.1), |run, _| run.leak_kib_per_call),
    ("leaked_calls", "", Some(0.0), |run, _| leaked(run, |holding| holding.calls)),
    ("leaked_actors", "", Some(0.0), |run, _| leaked(run, |holding| holding.actors)),
    ("leaked_tasks", "", Some(0.0), |run, _| leaked(run, |holding| holding.tasks)),
    ("leaked_messages", "", Some(0.0), |run, _| leaked(run, |holding| holding.messages)),
    ("leaked_files", "", Some(0.0), |run, _| leaked(run, |holding| holding.process.fds as f64)),
    ("leaked_threads", "", Some(0.0), |run, _| leaked(run, |holding| holding.process.threads as f64)),
];

/// What writes the service's log.
const LOG_THREAD: &str = "log";

/// Of calls that go on: what is said when a call begins and ends is much only where calls are nothing but that.
fn log_share(stage: &Stage) -> Option<f64> {
    stage.threads.get(LOG_THREAD).copied().filter(|_| stage.starts_per_second == 0.0)
}

/// How much later the 99th percentile is than without short calls besides.
fn moves(run: &Run, stage: &Stage, of: fn(&Stage) -> Option<Percentiles>) -> Option<f64> {
    let calm = of(run.without_starts(stage)?)?;
    Some(((of(stage)?.p99 - calm.p99) * 100.0).round() / 100.0)
}

/// What was not given back, where the storm was one of calls that end.
fn leaked(run: &Run, of: fn(&Holding) -> f64) -> Option<f64> {
    let (before, after) = run.before_and_after.filter(|_| run.leak_kib_per_call.is_some())?;
    Some((of(&after) - of(&before)).max(0.0))
}

fn p50(spread: Option<Percentiles>) -> Option<f64> {
    spread.map(|spread| spread.p50)
}

fn p95(spread: Option<Percentiles>) -> Option<f64> {
    spread.map(|spread| spread.p95)
}

/// The limits of one storm.
#[derive(Clone, Debug, PartialEq)]
pub struct Slo(Vec<Option<f64>>);

/// A limit that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SloError {
    /// No such name.
    #[error("nothing called {0:?} can be limited; there are: {list}", list = names())]
    Name(String),
    /// Not `NAME=NUMBER`.
    #[error("{0:?} is not NAME=NUMBER, and neither none")]
    Limit(String),
}

fn names() -> String {
    ROWS.iter().map(|row| row.0).collect::<Vec<_>>().join(", ")
}

impl Default for Slo {
    fn default() -> Self {
        Self(ROWS.iter().map(|row| row.2).collect())
    }
}

impl FromStr for Slo {
    type Err = SloError;

    /// `none` takes all limits away, `NAME=NUMBER` sets one, from left to right.
    fn from_str(text: &str) -> Result<Self, SloError> {
        let mut slo = Self::default();
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            if word == "none" {
                slo.0.fill(None);
                continue;
            }
            let (name, limit) = word.split_once('=').ok_or_else(|| SloError::Limit(word.to_owned()))?;
            let limit: f64 = limit.parse().map_err(|_| SloError::Limit(word.to_owned()))?;
            let row = ROWS.iter().position(|row| row.0 == name).ok_or_else(|| SloError::Name(name.to_owned()))?;
            slo.0[row] = Some(limit);
        }
        Ok(slo)
    }
}

/// One limit and what became of it in one stage.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Promise {
    /// How many calls there were.
    pub calls: usize,
    /// What was limited.
    pub name: &'static str,
    /// In what.
    pub unit: &'static str,
    /// To how much.
    pub limit: f64,
    /// What was measured; `None` if nothing was.
    pub measured: Option<f64>,
    /// Whether the limit was kept. What was not measured was not broken.
    pub is_kept: bool,
}

impl Slo {
    /// Holds every stage of a run against the limits.
    pub fn judge(&self, run: &Run) -> Vec<Promise> {
        let of_stage = |stage: &Stage| {
            let limits = ROWS.iter().zip(&self.0).filter_map(|(row, limit)| Some((row, (*limit)?)));
            let judged = limits.map(|(&(name, unit, _, measure), limit)| {
                let measured = measure(run, stage);
                let is_kept = measured.is_none_or(|measured| measured <= limit);
                Promise { calls: stage.calls, name, unit, limit, measured, is_kept }
            });
            judged.collect::<Vec<_>>()
        };
        run.stages.iter().flat_map(of_stage).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(gap_p99: f64) -> Run {
        let gap = Percentiles { count: 9, p50: 20.0, p95: 21.0, p99: gap_p99, max: 30.0 };
        Run { stages: vec![Stage { calls: 10, gap: Some(gap), ..Stage::default() }], ..Run::default() }
    }

    #[test]
    fn a_limit_is_kept_or_broken_and_what_is_not_measured_is_neither() {
        let of = |slo: &str, gap| {
            let promises = slo.parse::<Slo>().unwrap().judge(&run(gap));
            promises.iter().find(|promise| promise.name == "gap_p99").map(|promise| promise.is_kept)
        };
        assert_eq!((of("", 25.0), of("", 25.1)), (Some(true), Some(false)));
        assert_eq!(
            (of("gap_p99=26", 25.1), of("none", 99.0), of("none,gap_p99=10", 99.0)),
            (Some(true), None, Some(false))
        );
        let greeting =
            Slo::default().judge(&run(20.0)).into_iter().find(|promise| promise.name == "greeting_added_p95");
        assert_eq!(greeting.map(|promise| (promise.measured, promise.is_kept)), Some((None, true)));
    }

    fn measured(run: &Run, name: &str) -> Vec<Option<f64>> {
        let promises = Slo::default().judge(run).into_iter().filter(|promise| promise.name == name);
        promises.map(|promise| promise.measured).collect()
    }

    #[test]
    fn what_is_not_given_back_is_leaked_where_calls_ended() {
        let before = Holding { actors: 2.0, tasks: 5.0, ..Holding::default() };
        let after = Holding { actors: 3.0, tasks: 4.0, ..Holding::default() };
        let run = Run { before_and_after: Some((before, after)), ..run(20.0) };
        assert_eq!(measured(&run, "leaked_actors"), [None]);
        let run = Run { leak_kib_per_call: Some(0.0), ..run };
        assert_eq!(
            (measured(&run, "leaked_actors"), measured(&run, "leaked_tasks")),
            (vec![Some(1.0)], vec![Some(0.0)])
        );
    }

    #[test]
    fn what_starts_move_is_taken_from_the_stage_without_them() {
        let mut run = run(20.0);
        run.stages.push(Stage { starts_per_second: 50.0, ..run.stages[0].clone() });
        run.stages[1].gap.as_mut().unwrap().p99 = 21.5;
        assert_eq!(measured(&run, "starts_gap_moves"), [None, Some(1.5)]);
        assert_eq!(measured(&run, "starts_lateness_moves"), [None, None]);
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(matches!("gaps=3".parse::<Slo>(), Err(SloError::Name(_))));
        assert!(matches!("gap_p99".parse::<Slo>(), Err(SloError::Limit(_))));
        assert!(matches!("gap_p99=x".parse::<Slo>(), Err(SloError::Limit(_))));
    }
}
