//! Jobs of unknown outcome: the carrier was asked to place a call and did not say whether it did, or the node that asked
//! died before it was told. The carrier is asked which calls there are between the two numbers since then.
//!
//! | it knows | the job is |
//! |---|---|
//! | one call that belongs to no other job, and there is no other job it could belong to | placed, with that call |
//! | no such call, [`Patience::give_up`] after the dialling | not placed |
//! | more than one | as before: the job id in a webhook's address will tell |
//!
//! Nothing is ever dialled here. One node at a time does this, on a thread that carries no audio.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;

use super::{Dialler, placement};
use crate::actors::call_status::apply_status;
use crate::actors::metered::{MailboxFigures, Metered, MeteredActor};
use crate::clock;
use crate::engine::outbound::OutboundJob;
use crate::engine::status::CallDirection;
use crate::providers::carrier::{CallsSought, CarrierCall};
use crate::store::{JobNews, StoreError};
use crate::telemetry::Event;

/// How many jobs are asked about each time.
const AT_MOST: u32 = 50;
/// By how much the carrier's clock, which says when a call was made, may differ from ours.
const CLOCK_SKEW: Duration = Duration::from_secs(60);
/// The name of the duty among those of all nodes.
const DUTY: &str = "resolve_outbound_calls";

/// How long a job may stay unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Between two looks, and from the dialling to the first question: webhooks usually tell before.
    pub every: Duration,
    /// From the dialling until a call of which the carrier knows nothing is taken for one that never was.
    pub give_up: Duration,
}

/// Asks the carrier about jobs of unknown outcome.
pub struct Resolver {
    dialler: Dialler,
    node: Arc<str>,
    patience: Patience,
    is_busy: bool,
}

impl Resolver {
    /// Starts the resolver on a thread of somebody's choice.
    pub fn start(dialler: Dialler, node: Arc<str>, patience: Patience, arbiter: &ArbiterHandle) -> Addr<Self> {
        let meter = MailboxFigures::of::<Self>(&dialler.telemetry);
        Metered::create_in(arbiter, meter, move |_| Self { dialler, node, patience, is_busy: false })
    }

    fn look(&mut self, ctx: &mut Metered<Self>) {
        if std::mem::replace(&mut self.is_busy, true) {
            return;
        }
        let (dialler, node, patience) = (self.dialler.clone(), Arc::clone(&self.node), self.patience);
        let round = async move { round(&dialler, node, patience).await };
        ctx.spawn(round.into_actor(self).map(|(), this, _| this.is_busy = false));
    }
}

impl Actor for Resolver {
    type Context = Metered<Self>;

    fn started(&mut self, ctx: &mut Metered<Self>) {
        ctx.run_interval(self.patience.every, Self::look);
    }
}

impl MeteredActor for Resolver {
    const KIND: &'static str = "outbound_resolver";

    /// It begins anew with the next look: all that it knows is in the database.
    fn panicked(&mut self, _message: &str, _ctx: &mut Metered<Self>) {
        self.is_busy = false;
    }
}

async fn round(dialler: &Dialler, node: Arc<str>, patience: Patience) {
    let now = clock::wall_micros();
    let before = now - patience.every.as_micros() as i64;
    let length = (patience.every * 3).max(Duration::from_secs(10));
    let unknown = dialler.blocking(move |store| match store.hold_duty(DUTY, &node, now, length)? {
        true => store.jobs_of_unknown_outcome(before, AT_MOST),
        false => Ok(Vec::new()),
    });
    let Ok(unknown) = unknown.await else { return }; // the store has told that it can't be read
    for job in &unknown {
        let Some(dialled_at) = job.dialled_at else { continue };
        let since = dialled_at - CLOCK_SKEW.as_micros() as i64;
        let sought = CallsSought { to: job.order.to.clone(), from: job.order.from.clone(), since };
        let found = match dialler.carrier().calls(&sought).await {
            Ok(found) => found,
            Err(error) => {
                dialler.telemetry.record(Event::CallNotPlaced { error: &error.to_string() });
                return;
            }
        };
        let Ok((is_only_job, free)) = compared(dialler, job, found).await else { return };
        let news = match free.as_slice() {
            [call] if is_only_job => JobNews::Placed(call.call_sid.clone()),
            [] if now - dialled_at > patience.give_up.as_micros() as i64 => {
                JobNews::NotPlaced("the carrier knows of no such call".to_owned())
            }
            _ => continue,
        };
        settle(dialler, job, news).await;
    }
}

/// Whether no other job can have made the calls that were found, and those of them that we may have placed and that belong
/// to no job.
async fn compared(
    dialler: &Dialler,
    job: &OutboundJob,
    found: Vec<CarrierCall>,
) -> Result<(bool, Vec<CarrierCall>), StoreError> {
    let ours = found.into_iter().filter(|call| call.direction == Some(CallDirection::Outbound));
    let ours: Vec<CarrierCall> = ours.filter(|call| call.parent_call_sid.is_none()).collect();
    let job = job.clone();
    dialler
        .blocking(move |store| {
            // In this order: a job that settles in between has its call then, and leaves none for this one.
            let is_only_job = !store.is_like_another_open_job(&job)?;
            let mut free = Vec::new();
            for call in ours {
                if store.outbound_job_of_call(&call.call_sid)?.is_none() {
                    free.push(call);
                }
            }
            Ok((is_only_job, free))
        })
        .await
}

async fn settle(dialler: &Dialler, job: &OutboundJob, news: JobNews) {
    if let JobNews::Placed(call) = &news
        && let Err(error) = apply_status(&dialler.status, placement(&job.order, call)).await
    {
        dialler.telemetry.record(Event::StatusNotStored { error: &error.to_string() });
    }
    let id = job.job.clone();
    // What could not be kept is asked for again.
    if let Err(error) = dialler.blocking(move |store| store.settle_job(&id, &news)).await {
        dialler.telemetry.record(Event::StatusNotStored { error: &error.to_string() });
    }
}
