//! Actors' figures and panics, told to telemetry.

use std::sync::Arc;
use std::time::Duration;

use super::{Meter, MeteredActor};
use crate::telemetry::{Event, MailboxMeter, Telemetry};

/// The meter of a kind of actor in the service: counts mailboxes, records each panic as an event.
pub struct MailboxFigures {
    kind: &'static str,
    mailbox: Arc<MailboxMeter>,
    telemetry: Telemetry,
}

impl MailboxFigures {
    /// The meter of actors of kind `A`. Make one per kind and keep it: messages find it through a cache that
    /// each new one empties.
    pub fn of<A: MeteredActor>(telemetry: &Telemetry) -> Arc<dyn Meter> {
        Arc::new(Self { kind: A::KIND, mailbox: telemetry.mailbox(A::KIND), telemetry: telemetry.clone() })
    }
}

impl Meter for MailboxFigures {
    fn started(&self) {
        self.mailbox.actor_started();
    }

    fn ended(&self) {
        self.mailbox.actor_ended();
    }

    fn enqueued(&self) {
        self.mailbox.enqueued();
    }

    fn dequeued(&self, wait: Duration) {
        self.mailbox.dequeued(wait);
    }

    fn handled(&self, took: Duration) {
        self.mailbox.handled(took);
    }

    fn refused(&self) {
        self.mailbox.refused();
    }

    fn panicked(&self, message: &str) {
        self.telemetry.record(Event::PanicCaught { actor: self.kind, message });
    }
}
