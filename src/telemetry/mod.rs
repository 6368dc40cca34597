//! What the service says about itself: one list of events that log and count.
//!
//! Whoever has something to tell records an [`Event`]; nobody else writes a log line or touches a metric. A good
//! call is two lines at `info`, its begin and its end; everything else of it is counted. What goes wrong is said once
//! in [`EVERY`] for each kind of fault and counted each time. No line holds a telephone number, a prompt or words of a
//! conversation: events don't carry them, and free text of others is redacted.
//!
//! Lines go to standard error through a queue that never blocks; what does not fit is dropped and counted. Metrics are
//! rendered in Prometheus's text format 0.0.4, all named `trunkline_…`, none labelled with what grows: no call, number
//! or business is ever a label.
#![warn(missing_docs)]

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

mod event;
mod log;
mod metrics;
#[cfg(test)]
mod tests;

pub use event::{Event, RecordingsEvent, Refusal};
pub use log::{LogFormat, LogGuard, LogLevel};
pub use metrics::{CONTENT_TYPE, MailboxMeter, ThreadMeter};

use log::{Captured, Limiter};
use metrics::Metrics;

/// How often the same kind of fault is said again, while it goes on.
pub const EVERY: Duration = Duration::from_secs(5);

/// Where events go. Cheap to clone; every clone logs to and counts in the same place.
#[derive(Clone)]
pub struct Telemetry(Arc<Inner>);

struct Inner {
    log: slog::Logger,
    metrics: Metrics,
    limiter: Limiter,
    /// The monotonic clock; without one, each kind of fault is said once and never again.
    now: Option<fn() -> Instant>,
    database_lost: AtomicBool,
    captured: Option<Captured>,
}

impl Telemetry {
    /// Telemetry that logs to standard error. `now` is the monotonic clock.
    ///
    /// Lines are written by a thread of their own; the guard must live until the end of the process, because
    /// dropping it writes what still waits.
    pub fn start(level: LogLevel, format: LogFormat, now: fn() -> Instant) -> (Self, LogGuard) {
        let metrics = Metrics::new();
        let (logger, guard) = log::to_stderr(level, format, metrics.log_lines_dropped.clone());
        (Self::with(logger, metrics, Some(now), None), guard)
    }

    /// Telemetry that counts and logs nothing.
    pub fn silent() -> Self {
        Self::with(slog::Logger::root(slog::Discard, slog::o!()), Metrics::new(), None, None)
    }

    /// Telemetry that counts, and keeps its lines of every level for [`Telemetry::logged`]. Its clock stands still: each
    /// kind of fault is said once.
    pub fn for_tests() -> Self {
        let captured = Captured::default();
        Self::with(slog::Logger::root(captured.clone(), slog::o!()), Metrics::new(), None, Some(captured))
    }

    fn with(log: slog::Logger, metrics: Metrics, now: Option<fn() -> Instant>, captured: Option<Captured>) -> Self {
        let (limiter, database_lost) = (Limiter::new(EVERY), AtomicBool::new(false));
        Self(Arc::new(Inner { log, metrics, limiter, now, database_lost, captured }))
    }

    /// Logs and counts an event. Never blocks, never fails.
    pub fn record(&self, event: Event<'_>) {
        self.0.metrics.count(&event);
        self.0.say(&event);
    }

    /// The meter of the mailboxes of this kind of actor; the same for every caller.
    pub fn mailbox(&self, kind: &'static str) -> Arc<MailboxMeter> {
        self.0.metrics.mailbox(kind)
    }

    /// The meter of a thread that carries calls; each makes its own.
    pub fn thread_meter(&self) -> ThreadMeter {
        self.0.metrics.thread_meter()
    }

    /// The metrics in Prometheus's text format 0.0.4, to be served as [`CONTENT_TYPE`].
    pub fn render(&self) -> String {
        self.0.metrics.render()
    }

    /// The lines logged so far, each as `LEVEL message key=value …`; of telemetry [for tests](Telemetry::for_tests).
    pub fn logged(&self) -> Vec<String> {
        self.0.captured.as_ref().map(Captured::lines).unwrap_or_default()
    }
}

impl Inner {
    /// `Some` with the number of lines that were held back since the last one, if this kind of fault is due again.
    fn is_due(&self, fault: &'static str, kind: &'static str) -> Option<u64> {
        let due = self.limiter.admit((fault, kind), self.now.map(|now| now()));
        if due.is_none() {
            self.metrics.log_lines_held_back.inc();
        }
        due
    }

    /// Whether the database was not known to be lost before.
    fn loses_database(&self) -> bool {
        !self.database_lost.swap(true, Ordering::Relaxed)
    }

    /// Whether the database was known to be lost before.
    fn regains_database(&self) -> bool {
        self.database_lost.swap(false, Ordering::Relaxed)
    }
}

impl Default for Telemetry {
    /// [`Telemetry::silent`].
    fn default() -> Self {
        Self::silent()
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Telemetry")
    }
}
