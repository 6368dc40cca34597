//! Figures of the REST interface of an Asterisk.

use prometheus::{IntCounter, IntGauge};

use super::family::Register;

pub(super) struct Asterisk {
    pub connected: IntGauge,
    losses: IntCounter,
    pub failures: IntCounter,
}

impl Asterisk {
    pub(super) fn new(r: &Register<'_>) -> Self {
        Self {
            connected: r.gauge("ari_connected", "1 while Asterisk's events come by ARI."),
            losses: r.counter("ari_losses_total", "Times that the events' socket was lost, or could not be opened."),
            failures: r.counter("ari_failures_total", "Times that Asterisk did not do what it was asked by ARI."),
        }
    }

    pub(super) fn lost(&self) {
        self.connected.set(0);
        self.losses.inc();
    }
}
