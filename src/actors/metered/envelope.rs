//! A message in the mailbox, with the time at which it was queued.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use actix::dev::{Envelope, EnvelopeProxy, MessageResponse, OneshotSender, ToEnvelope};
use actix::{Handler, Message};

use super::guard::panic_message;
use super::{Meter, Metered, MeteredActor, meter};
use crate::clock;

impl<A, M> ToEnvelope<A, M> for Metered<A>
where
    A: MeteredActor + Handler<M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    fn pack(message: M, answer: Option<OneshotSender<M::Result>>) -> Envelope<A> {
        let ticket = Ticket::queued(meter::of::<A>());
        Envelope::with_proxy(Box::new(MeteredEnvelope { contents: Some((message, answer)), ticket }))
    }
}

struct MeteredEnvelope<M: Message> {
    contents: Option<(M, Option<OneshotSender<M::Result>>)>,
    ticket: Ticket,
}

impl<A, M> EnvelopeProxy<A> for MeteredEnvelope<M>
where
    A: MeteredActor + Handler<M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    fn handle(&mut self, actor: &mut A, context: &mut Metered<A>) {
        let Some((message, answer)) = self.contents.take() else { return };
        let began = self.ticket.leave();
        // As actix does it: a question whose asker has gone is not handled.
        if answer.as_ref().is_some_and(|answer| answer.is_closed()) {
            return;
        }
        let run = AssertUnwindSafe(|| actor.handle(message, context).handle(context, answer));
        match catch_unwind(run) {
            Ok(()) => self.ticket.meter.handled(clock::now().duration_since(began)),
            Err(panic) => context.tell_panic(actor, &panic_message(&*panic)),
        }
    }
}

/// Counts one message into the mailbox and, however it leaves, out of it once.
struct Ticket {
    meter: Arc<dyn Meter>,
    queued: Instant,
    has_left: bool,
}

impl Ticket {
    fn queued(meter: Arc<dyn Meter>) -> Self {
        meter.enqueued();
        Self { meter, queued: clock::now(), has_left: false }
    }

    /// Counts the message out; returns the time.
    fn leave(&mut self) -> Instant {
        let now = clock::now();
        self.has_left = true;
        self.meter.dequeued(now.duration_since(self.queued));
        now
    }
}

impl Drop for Ticket {
    /// A mailbox that closes throws its envelopes away unhandled.
    fn drop(&mut self) {
        if !self.has_left {
            self.meter.refused();
        }
    }
}
