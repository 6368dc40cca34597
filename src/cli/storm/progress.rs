//! A line each second, so that a long storm is not a silent one.

use std::time::Instant;

use super::report::Stage;
use crate::cli::out::Out;
use crate::clock;

/// Where progress is told.
pub struct Progress {
    out: Out,
    began: Instant,
}

impl Progress {
    /// On standard error.
    pub fn new() -> Self {
        Self { out: Out::stderr(), began: clock::now() }
    }

    /// A sentence.
    pub fn say(&mut self, what: &str) {
        self.out.line(what);
    }

    /// How it stands. Cost is of the last second, the rest since the stage began.
    pub fn tell(&mut self, subject: &str, live: usize, stage: &Stage) {
        let seconds = (clock::now() - self.began).as_secs();
        let (gap, underflows) = (stage.gap.map_or(0.0, |gap| gap.p99), stage.underflows);
        let errors: u64 = stage.errors.values().sum();
        let engine = stage.engine.map_or(String::new(), |engine| {
            format!(", {:.2} CPU-ms/call-s, {} MiB", engine.cpu_ms_per_call_second, engine.end.rss_kib / 1_024)
        });
        self.out.line(format_args!(
            "{seconds:>4} s  {subject}: {live} calls, {} over, gap p99 {gap:.1} ms, underflows {underflows}, \
             errors {errors}{engine}, storm {:.0} %",
            stage.completed,
            stage.storm_cpu * 100.0
        ));
    }
}
