//! The one actor that writes the status of calls.
//!
//! Changes that arrive while a transaction is being committed are collected and share the next one; each is
//! answered after its own commit, in order. If the database does not answer in time, they go to the spool on the
//! node's disk and are answered as soon as they are safe there: the fold makes it harmless if they reach the
//! database twice.
//!
//! A refusal waits a moment for company, [`COMPANY_WITHIN`], unless something else wants to be written: a node that has too
//! much to do refuses hundreds of calls a second, and a commit for each takes what its live calls need.
//!
//! ```text
//!             ApplyStatus
//!                 │
//!            ┌────▼────┐  one batch at a time   ┌──────────┐
//!            │ waiting │───────────────────────▶│ database │──▶ Stored
//!            └────┬────┘                        └────┬─────┘
//!                 │ known to be away                 │ late, or failed
//!            ┌────▼──────────────────────────────────▼──┐
//!            │ overflow ── one batch at a time ─▶ spool │──▶ Spooled
//!            └──────────────────────────────────────────┘
//! ```

use std::time::Duration;

use actix::prelude::*;
use tokio::sync::oneshot;

use crate::actors::metered::{MailboxFigures, Metered, MeteredActor};
use crate::engine::status::{CarrierSource, StatusChange};
use crate::store::{Observer, StatusSpool, StatusWriter, StoreError, StoreEvent, StoredStatus};
use crate::telemetry::{Event, Telemetry};

/// How long a refusal waits for others, to share their commit: at 500 refusals a second 25 do, and a caller who is told
/// after the commit that there is no room notices no such wait.
pub const COMPANY_WITHIN: Duration = Duration::from_millis(50);

/// Keep a status change. Answered once it can't be lost any more, or refused.
#[derive(Debug, Message)]
#[rtype(result = "Result<StatusOutcome, StoreError>")]
pub struct ApplyStatus(pub StatusChange);

/// Where a status change is safe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatusOutcome {
    /// In the database.
    Stored(StoredStatus),
    /// On this node's disk; it goes to the database as soon as that answers.
    Spooled,
}

/// How the actor treats a slow database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallStatusSettings {
    /// How long the database may take for a change before the change goes to the spool. 150 ms: the carrier's voice
    /// webhook has 350 ms in all.
    pub patience: Duration,
    /// How many changes share one transaction at most. 64: PostgreSQL commits as many well within that patience, also on a
    /// busy machine, and more of them in one made no more changes in a second.
    pub batch: usize,
}

impl Default for CallStatusSettings {
    fn default() -> Self {
        Self { patience: Duration::from_millis(150), batch: 64 }
    }
}

/// Asks for a change and waits for the answer. The change is kept even if whoever waits here is dropped, as a
/// webhook's future is when its client hangs up. To be called on an arbiter.
pub async fn apply_status(
    call_status: &Addr<CallStatusActor>,
    change: StatusChange,
) -> Result<StatusOutcome, StoreError> {
    match actix_rt::spawn(call_status.send(ApplyStatus(change))).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) | Err(_) => Err(StoreError::Stopping),
    }
}

/// Logs and counts what happens in the store.
pub fn observe_store(telemetry: Telemetry) -> Observer {
    Observer::new(move |event| match event {
        StoreEvent::Spooled { kind } => telemetry.record(Event::Spooled { kind }),
        StoreEvent::SpoolReplayed { records } => telemetry.record(Event::SpoolReplayed { records }),
        StoreEvent::SpoolFailed { error } => telemetry.record(Event::SpoolFailed { error }),
        StoreEvent::RecordRejected { error } => telemetry.record(Event::SpoolRejected { error }),
        StoreEvent::RecordLost { kind } => {
            telemetry.record(Event::SpoolFailed { error: &format!("queue and disk are full: a {kind} was dropped") });
        }
        StoreEvent::DatabaseLost { error } => telemetry.record(Event::DatabaseLost { error }),
        StoreEvent::DatabaseBack => telemetry.record(Event::DatabaseBack),
    })
}

/// Owns the [`StatusWriter`].
pub struct CallStatusActor {
    /// `None` while it is away, writing a batch.
    writer: Option<StatusWriter>,
    spool: StatusSpool,
    settings: CallStatusSettings,
    telemetry: Telemetry,
    /// For the next batch, oldest first.
    waiting: Vec<Waiting>,
    /// The batch that the writer is away with; empty once somebody lost patience with it.
    in_flight: Vec<Waiting>,
    /// When patience with that batch ends.
    patience: SpawnHandle,
    /// For the spool's next batch.
    overflow: Vec<Waiting>,
    is_spooling: bool,
    /// Whether refusals wait for company.
    is_gathering: bool,
}

/// A change, and who waits to hear of it.
struct Waiting {
    change: StatusChange,
    answer: oneshot::Sender<Result<StatusOutcome, StoreError>>,
}

impl Waiting {
    fn answer(self, answer: Result<StatusOutcome, StoreError>) {
        // Whoever asked may have stopped waiting; what was asked is done.
        self.answer.send(answer).ok();
    }
}

impl CallStatusActor {
    /// The actor that will be the only one to write status.
    pub fn start(writer: StatusWriter, settings: CallStatusSettings, telemetry: Telemetry) -> Addr<Self> {
        let meter = MailboxFigures::of::<Self>(&telemetry);
        Metered::start(Self::new(writer, settings, telemetry), meter)
    }

    fn new(writer: StatusWriter, settings: CallStatusSettings, telemetry: Telemetry) -> Self {
        Self {
            spool: writer.spool(),
            writer: Some(writer),
            settings,
            telemetry,
            waiting: Vec::new(),
            in_flight: Vec::new(),
            patience: SpawnHandle::default(),
            overflow: Vec::new(),
            is_spooling: false,
            is_gathering: false,
        }
    }

    /// Whether all that waits may wait for more.
    fn waits_for_company(&self) -> bool {
        let may_wait = |waiting: &Waiting| waiting.change.source == CarrierSource::Refusal;
        self.waiting.len() < self.settings.batch && self.waiting.iter().all(may_wait)
    }

    /// Sends off what waits, at once or when there was time for company.
    fn send_off_in_company(&mut self, ctx: &mut <Self as Actor>::Context) {
        if !self.waits_for_company() {
            return self.send_off(ctx);
        }
        if self.is_gathering || self.waiting.is_empty() {
            return;
        }
        self.is_gathering = true;
        ctx.run_later(COMPANY_WITHIN, |this, ctx| {
            this.is_gathering = false;
            this.send_off(ctx);
        });
    }

    /// Sends off what waits, to where it can go now.
    fn send_off(&mut self, ctx: &mut <Self as Actor>::Context) {
        if self.waiting.is_empty() {
            return;
        }
        if !self.spool.database_answers() {
            self.overflow.append(&mut self.waiting);
            return self.send_overflow(ctx);
        }
        let Some(writer) = self.writer.take() else {
            // A batch that somebody waits for ends, or its patience does. One that nobody waits for may take
            // for ever: nothing queues behind it.
            if self.in_flight.is_empty() {
                self.overflow.append(&mut self.waiting);
                self.send_overflow(ctx);
            }
            return;
        };
        let next = self.waiting.split_off(self.waiting.len().min(self.settings.batch));
        self.in_flight = std::mem::replace(&mut self.waiting, next);
        let changes = changes_of(&self.in_flight);
        let written = actix_rt::task::spawn_blocking(move || {
            let mut writer = writer;
            let results = writer.apply_each(&changes);
            (writer, results)
        });
        ctx.spawn(written.into_actor(self).map(|written, this, ctx| match written {
            Ok((writer, results)) => this.written(writer, results, ctx),
            // The writer is gone with its thread: the spool, which the store empties by itself, still works.
            Err(_) => this.lose_patience(ctx),
        }));
        self.patience = ctx.run_later(self.settings.patience, Self::lose_patience);
    }

    /// The batch is committed, or was refused.
    fn written(
        &mut self,
        writer: StatusWriter,
        results: Vec<Result<StoredStatus, StoreError>>,
        ctx: &mut <Self as Actor>::Context,
    ) {
        ctx.cancel_future(self.patience);
        self.writer = Some(writer);
        for (waiting, result) in std::mem::take(&mut self.in_flight).into_iter().zip(results) {
            match result {
                Ok(stored) => {
                    self.telemetry.record(Event::StatusStored { changed: stored.changed });
                    waiting.answer(Ok(StatusOutcome::Stored(stored)));
                }
                Err(error) if error.is_retryable() => self.overflow.push(waiting),
                Err(error) => {
                    if let StoreError::Quarantined(message) = &error {
                        self.telemetry.record(Event::PanicCaught { actor: "call_status", message });
                    }
                    waiting.answer(Err(error));
                }
            }
        }
        self.send_overflow(ctx);
        self.send_off_in_company(ctx);
    }

    /// The database took too long: what it was asked, and what waits behind it, goes to the spool.
    fn lose_patience(&mut self, ctx: &mut <Self as Actor>::Context) {
        self.spool.database_is_silent();
        self.overflow.append(&mut self.in_flight);
        self.overflow.append(&mut self.waiting);
        self.send_overflow(ctx);
    }

    fn send_overflow(&mut self, ctx: &mut <Self as Actor>::Context) {
        if self.is_spooling || self.overflow.is_empty() {
            return;
        }
        self.is_spooling = true;
        let batch = std::mem::take(&mut self.overflow);
        let changes = changes_of(&batch);
        let spool = self.spool.clone();
        let kept = actix_rt::task::spawn_blocking(move || spool.keep(&changes));
        ctx.spawn(kept.into_actor(self).map(|kept, this, ctx| {
            this.is_spooling = false;
            let answer = kept.unwrap_or(Err(StoreError::Stopping)).map(|()| StatusOutcome::Spooled);
            batch.into_iter().for_each(|waiting| waiting.answer(answer.clone()));
            this.send_overflow(ctx);
        }));
    }
}

fn changes_of(batch: &[Waiting]) -> Vec<StatusChange> {
    batch.iter().map(|waiting| waiting.change.clone()).collect()
}

impl Actor for CallStatusActor {
    type Context = Metered<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // Status changes are orders that wait in the mailbox for one turn of the loop, not longer.
        ctx.set_mailbox_capacity(1_024);
    }
}

impl MeteredActor for CallStatusActor {
    const KIND: &'static str = "call_status";

    /// What is being written goes on; what waits is sent off with the next change. The fold forgives repetition.
    fn panicked(&mut self, _message: &str, _ctx: &mut Metered<Self>) {}
}

impl Handler<ApplyStatus> for CallStatusActor {
    type Result = ResponseFuture<Result<StatusOutcome, StoreError>>;

    fn handle(&mut self, ApplyStatus(change): ApplyStatus, ctx: &mut Self::Context) -> Self::Result {
        let (answer, answered) = oneshot::channel();
        self.waiting.push(Waiting { change, answer });
        self.send_off_in_company(ctx);
        Box::pin(async move { answered.await.unwrap_or(Err(StoreError::Stopping)) })
    }
}
