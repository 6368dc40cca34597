//! The one actor of a node that sends outgoing webhooks.
//!
//! ```text
//!   outbox ──claim──▶ ┌────────┐ ──▶ Receiver, some at once, two of one business at most
//!          ◀─settle── │ sender │ ◀── HTTP status
//!                     └────────┘
//! ```
//!
//! It looks into the outbox every [`LOOK_EVERY`] and whenever a try has ended, settles what came of tries, and claims
//! what is due and fits. A claim is a lease: a node that dies leaves it, and another sends the event again. While the
//! database is away nothing is sent, and what came of tries is kept until it is back.

mod attempt;

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;

use crate::actors::metered::{MailboxFigures, Metered, MeteredActor};
use crate::clock;
use crate::engine::delivery::{Places, Retries, Room};
use crate::providers::webhook_receiver::Receiver;
use crate::store::deliveries::{Brief, Claim, Delivery, DeliveryWriter, Outcome, Settled};
use crate::store::{CallRecord, Store, StoreError};
use crate::telemetry::{Event, Telemetry};

use attempt::{Attempt, Prepared};

/// How often the outbox is looked into. 500 ms: an event is sent within a second, for one question that reads one row.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Every so many looks it is counted what waits, …
const COUNT_EVERY: u64 = 20;
/// … and every so many old deliveries are forgotten: an hour.
const FORGET_EVERY: u64 = 7_200;
/// How much longer than a try a claim lasts, for what is done before and after it.
const LEASE_MARGIN: Duration = Duration::from_secs(30);

/// How webhooks are sent.
#[derive(Clone, Copy, Debug)]
pub struct SenderSettings {
    /// When a try is followed by another.
    pub retries: Retries,
    /// How long a try takes at most.
    pub time_limit: Duration,
    /// How many are sent at once.
    pub places: usize,
    /// How many of them are one business's.
    pub per_business: usize,
    /// The longest body.
    pub max_body_bytes: usize,
    /// How long what was settled is kept.
    pub keep: Duration,
}

/// Makes the body of an event; with what was said on the call, or without.
pub type MakeBody = Arc<dyn Fn(&Delivery, Option<&CallRecord>, bool) -> Vec<u8> + Send + Sync>;

/// Sends what businesses are to be told.
pub struct WebhookSender {
    /// `None` while it is away, and for good if a panic took it; the next look makes another.
    writer: Option<DeliveryWriter>,
    store: Store,
    receiver: Rc<dyn Receiver>,
    body: MakeBody,
    settings: SenderSettings,
    /// Who is being sent to, and who may be.
    places: Places,
    /// What came of tries, to be kept by the next look.
    settled: Vec<Settled>,
    looks: u64,
    is_looking: bool,
    telemetry: Telemetry,
}

/// What a look into the outbox brought.
struct Seen {
    /// What could not be kept.
    unsettled: Vec<Settled>,
    claimed: Vec<(Delivery, Result<Brief, StoreError>)>,
    waiting: Option<i64>,
    error: Option<StoreError>,
}

impl WebhookSender {
    /// Starts sending, on this thread.
    pub fn start(
        store: Store,
        receiver: Rc<dyn Receiver>,
        body: MakeBody,
        settings: SenderSettings,
        telemetry: Telemetry,
    ) -> Addr<Self> {
        let meter = MailboxFigures::of::<Self>(&telemetry);
        let sender = Self {
            writer: None,
            store,
            receiver,
            body,
            settings,
            places: Places { all: settings.places, per_business: settings.per_business, ..Places::default() },
            settled: Vec::new(),
            looks: 0,
            is_looking: false,
            telemetry,
        };
        Metered::start(sender, meter)
    }

    fn look(&mut self, ctx: &mut Metered<Self>) {
        if std::mem::replace(&mut self.is_looking, true) {
            return;
        }
        let look = self.next_look();
        let looked = actix_rt::task::spawn_blocking(look);
        ctx.spawn(looked.into_actor(self).map(|looked, this, ctx| {
            this.is_looking = false;
            match looked {
                Ok((writer, seen)) => {
                    this.writer = Some(writer);
                    this.seen(seen, ctx);
                }
                // A panic took the writer: what it had claimed is due again when the lease ends.
                Err(error) if error.is_panic() => {
                    this.telemetry.record(Event::WebhooksNotRead { error: "a panic in the outbox" });
                }
                Err(_) => {} // the blocking pool is gone, and so will we be
            }
        }));
    }

    /// What is to be done where blocking is allowed.
    fn next_look(&mut self) -> impl FnOnce() -> (DeliveryWriter, Seen) + Send + 'static {
        let store = self.store.clone();
        let mut writer = self.writer.take().unwrap_or_else(|| store.delivery_writer());
        let settled = std::mem::take(&mut self.settled);
        let (is_count_due, is_forget_due) =
            (self.looks.is_multiple_of(COUNT_EVERY), self.looks.is_multiple_of(FORGET_EVERY));
        self.looks += 1;
        let now = clock::wall_micros();
        let claim = Claim { now, lease: self.settings.time_limit + LEASE_MARGIN, places: self.places.clone() };
        let forget_before = is_forget_due.then(|| now.saturating_sub(self.settings.keep.as_micros() as i64));
        move || {
            let mut seen = Seen { unsettled: settled, claimed: Vec::new(), waiting: None, error: None };
            seen.error = look(&store, &mut writer, &claim, forget_before, &mut seen).err();
            if is_count_due && seen.error.is_none() {
                seen.waiting = store.waiting_deliveries().ok(); // the next count may come through
            }
            (writer, seen)
        }
    }

    fn seen(&mut self, seen: Seen, ctx: &mut Metered<Self>) {
        self.settled.extend(seen.unsettled);
        if let Some(count) = seen.waiting {
            self.telemetry.record(Event::WebhooksWaiting { count });
        }
        match seen.error {
            // That it is away is told by the store.
            Some(error) if !error.is_retryable() => {
                self.telemetry.record(Event::WebhooksNotRead { error: &error.to_string() });
            }
            Some(_) | None => {}
        }
        let (now, mut has_settled) = (clock::wall_micros(), false);
        for (delivery, brief) in seen.claimed {
            match attempt::prepare(&delivery, brief, &self.body, &self.settings, now) {
                Prepared::Send(post) => self.send(Attempt { delivery, post }, ctx),
                Prepared::Settle(outcome) => {
                    has_settled = true;
                    self.tell(&delivery, &outcome);
                    self.settled.push(Settled { id: delivery.id, tries: delivery.tries, outcome });
                }
            }
        }
        if has_settled {
            self.look(ctx);
        }
    }

    fn send(&mut self, attempt: Attempt, ctx: &mut Metered<Self>) {
        let Attempt { delivery, post } = attempt;
        self.places.take(&delivery.business);
        let (receiver, began) = (Rc::clone(&self.receiver), clock::now());
        let answered = async move { receiver.post(post).await };
        ctx.spawn(answered.into_actor(self).map(move |answer, this, ctx| {
            this.answered(delivery, &answer, began);
            this.look(ctx);
        }));
    }

    fn answered(&mut self, delivery: Delivery, answer: &attempt::Answer, began: Instant) {
        self.places.answered(&delivery.business, attempt::failure(answer).is_none());
        let outcome = attempt::judge(&delivery, answer, &self.settings.retries, clock::wall_micros());
        match attempt::failure(answer) {
            None => {
                let took = clock::now().duration_since(began);
                self.telemetry.record(Event::WebhookDelivered { kind: delivery.kind.as_str(), took });
            }
            Some(why) => self.telemetry.record(Event::WebhookFailed { why }),
        }
        self.tell(&delivery, &outcome);
        self.settled.push(Settled { id: delivery.id, tries: delivery.tries, outcome });
    }

    /// Says that nobody will be told.
    fn tell(&self, delivery: &Delivery, outcome: &Outcome) {
        if let Outcome::Over { error, .. } = outcome {
            let (business, event) = (&delivery.business, delivery.id.as_str());
            self.telemetry.record(Event::WebhookGivenUp { business, event, error });
        }
    }
}

/// Keeps what came of tries, forgets what is old, and claims what is due.
fn look(
    store: &Store,
    writer: &mut DeliveryWriter,
    claim: &Claim,
    forget_before: Option<i64>,
    seen: &mut Seen,
) -> Result<(), StoreError> {
    if !seen.unsettled.is_empty() {
        writer.settle(&seen.unsettled, claim.now)?;
        seen.unsettled.clear();
    }
    if let Some(before) = forget_before {
        writer.forget(before)?;
    }
    if claim.places.room() != Room::None && store.has_due_deliveries(claim.now)? {
        let brief = |delivery: Delivery| {
            let brief = store.delivery_brief(&delivery, claim.now);
            (delivery, brief)
        };
        seen.claimed = writer.claim(claim)?.into_iter().map(brief).collect();
    }
    Ok(())
}

impl Actor for WebhookSender {
    type Context = Metered<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(LOOK_EVERY, Self::look);
    }
}

impl MeteredActor for WebhookSender {
    const KIND: &'static str = "webhook_sender";

    /// What was being sent is due again when its lease ends; how many places that takes is not known any more.
    fn panicked(&mut self, _message: &str, _ctx: &mut Metered<Self>) {
        self.is_looking = false;
        self.places.busy.clear();
    }
}
