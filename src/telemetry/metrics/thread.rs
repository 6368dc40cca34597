//! Threads that carry calls: how late their ticks are, and how many tasks live on them.

use std::fmt;
use std::time::Duration;

use prometheus::local::LocalHistogram;
use prometheus::{Histogram, IntGauge};

/// From what a timer's step of 1 ms makes to what everybody hears. Close together where limits are set.
pub(super) const LATENESS_SECONDS: &[f64] =
    &[0.001, 0.002, 0.003, 0.004, 0.005, 0.007, 0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.06, 0.1, 0.2, 0.5, 1.0];

/// The figures of one thread. Ticks are counted without an atomic operation until they are [flushed](Self::flush).
pub struct ThreadMeter {
    ticks: LocalHistogram,
    all_tasks: IntGauge,
    tasks: i64,
}

impl ThreadMeter {
    pub(super) fn new(ticks: &Histogram, all_tasks: &IntGauge) -> Self {
        Self { ticks: ticks.local(), all_tasks: all_tasks.clone(), tasks: 0 }
    }

    /// A tick came so much later than it was due.
    pub fn ticked(&self, late: Duration) {
        self.ticks.observe(super::seconds(late));
    }

    /// Makes the ticks that were counted visible.
    pub fn flush(&self) {
        self.ticks.flush();
    }

    /// So many tasks live on this thread now.
    pub fn tasks_alive(&mut self, tasks: usize) {
        let tasks = tasks as i64;
        self.all_tasks.add(tasks - self.tasks);
        self.tasks = tasks;
    }
}

impl Drop for ThreadMeter {
    /// Tasks end with their thread.
    fn drop(&mut self) {
        self.all_tasks.sub(self.tasks);
    }
}

impl fmt::Debug for ThreadMeter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ThreadMeter({} tasks)", self.tasks)
    }
}
