//! Mailboxes: how much waits in them, for how long, and how long handling takes, for each kind of actor.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use super::family::Register;

/// From a wake-up that nothing delayed to a mailbox that is stuck.
const WAIT_SECONDS: &[f64] = &[0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0];
/// 1 ms is what nothing on a call's thread may exceed.
const HANDLING_SECONDS: &[f64] = &[0.000_01, 0.000_05, 0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 1.0];

/// The figures of the mailboxes of one kind of actor, all actors of the kind together.
///
/// Every message is told once by [`enqueued`](Self::enqueued), then by [`dequeued`](Self::dequeued) when its handling
/// begins, or by [`refused`](Self::refused) if it never does. A handling ends with [`handled`](Self::handled), or in a
/// panic, which is an event of its own. All of them are a few atomic operations.
pub struct MailboxMeter {
    alive: IntGauge,
    depth: IntGauge,
    handled: IntCounter,
    refused: IntCounter,
    wait: Histogram,
    handling: Histogram,
}

impl MailboxMeter {
    /// An actor of the kind began.
    pub fn actor_started(&self) {
        self.alive.inc();
    }

    /// … and is gone.
    pub fn actor_ended(&self) {
        self.alive.dec();
    }

    /// A message was put in.
    pub fn enqueued(&self) {
        self.depth.inc();
    }

    /// A message was taken out to be handled, after waiting so long.
    pub fn dequeued(&self, wait: Duration) {
        self.depth.dec();
        self.wait.observe(super::seconds(wait));
    }

    /// A message was handled, which took so long.
    pub fn handled(&self, took: Duration) {
        self.handled.inc();
        self.handling.observe(super::seconds(took));
    }

    /// A message that was put in will not be handled: the mailbox was full, or its actor is gone.
    pub fn refused(&self) {
        self.depth.dec();
        self.refused.inc();
    }

    /// How many messages wait now.
    pub fn depth(&self) -> i64 {
        self.depth.get()
    }
}

impl fmt::Debug for MailboxMeter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MailboxMeter(depth {})", self.depth())
    }
}

/// The meters by kind of actor.
pub(super) struct Mailboxes {
    alive: IntGaugeVec,
    depth: IntGaugeVec,
    handled: IntCounterVec,
    refused: IntCounterVec,
    wait: HistogramVec,
    handling: HistogramVec,
    meters: Mutex<BTreeMap<&'static str, Arc<MailboxMeter>>>,
}

impl Mailboxes {
    pub(super) fn new(r: &Register<'_>) -> Self {
        let by = &["actor"];
        let handling = "How long handling a message took.";
        Self {
            alive: r.gauges("actors_alive", "Actors that have begun and are not gone.", by),
            depth: r.gauges("mailbox_depth", "Messages that wait in mailboxes.", by),
            handled: r.counters("mailbox_handled_total", "Messages handled.", by),
            refused: r.counters(
                "mailbox_refused_total",
                "Messages that were not handled: mailbox full, or actor gone.",
                by,
            ),
            wait: r.histograms("mailbox_wait_seconds", "How long messages waited in mailboxes.", by, WAIT_SECONDS),
            handling: r.histograms("mailbox_handling_seconds", handling, by, HANDLING_SECONDS),
            meters: Mutex::default(),
        }
    }

    pub(super) fn meter(&self, kind: &'static str) -> Arc<MailboxMeter> {
        let mut meters = self.meters.lock().unwrap_or_else(PoisonError::into_inner);
        let meter = meters.entry(kind).or_insert_with(|| {
            let of = &[kind];
            Arc::new(MailboxMeter {
                alive: self.alive.with_label_values(of),
                depth: self.depth.with_label_values(of),
                handled: self.handled.with_label_values(of),
                refused: self.refused.with_label_values(of),
                wait: self.wait.with_label_values(of),
                handling: self.handling.with_label_values(of),
            })
        });
        Arc::clone(meter)
    }
}
