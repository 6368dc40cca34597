//! One campaign, run by the node that holds its lease: it calls the next lead as soon as the campaign's pace, the business's
//! limit and the hours allow, and follows every call until it has ended.
//!
//! Each round renews the lease, looks at the open leads (whoever told of them, on whichever node), asks
//! [`Pace`](crate::engine::campaign::Pace) for the next step, and takes it. A round comes at least every second while a call is
//! open, so that the slot of a call that has ended is free within a second or two; and once in each heartbeat otherwise.
//!
//! A lead is claimed, and the dialling written down, in one commit before the carrier is asked. What becomes of it is found out
//! by the dialler: by the carrier's answer, by the job's id in the first webhook's address, or by asking the carrier. A
//! node that dies leaves the lease to run out; whoever takes it goes on from what is written.

pub mod keeper;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix::prelude::*;

use crate::actors::dialler::Dialler;
use crate::actors::metered::{MailboxFigures, Metered, MeteredActor};
use crate::clock;
use crate::engine::campaign::Step;
use crate::store::campaigns::{Advance, CampaignLease};
use crate::store::{Store, StoreError};
use crate::telemetry::{Event, Telemetry};

/// Between two looks at open calls.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct CampaignTimes {
    /// How long a node holds a campaign without renewing.
    pub lease: Duration,
    /// How often it renews, at least.
    pub heartbeat: Duration,
    /// After which a lead of unknown outcome is given up.
    pub unknown: Duration,
}

/// What running campaigns needs.
#[derive(Clone)]
pub struct CampaignParts {
    /// Where campaigns are.
    pub store: Store,
    /// Who dials.
    pub dialler: Dialler,
    /// Logs and figures.
    pub telemetry: Telemetry,
    /// This node's name.
    pub node: Arc<str>,
    /// How long things may take.
    pub times: CampaignTimes,
    /// Whether the service takes no new calls any more.
    pub is_stopping: Arc<AtomicBool>,
}

/// Runs one campaign for as long as this node holds it.
pub struct Campaign {
    parts: CampaignParts,
    lease: Arc<CampaignLease>,
}

impl Campaign {
    /// Runs a campaign on this thread.
    fn start(parts: CampaignParts, lease: CampaignLease) -> Addr<Self> {
        let meter = MailboxFigures::of::<Self>(&parts.telemetry);
        Metered::start(Self { parts, lease: Arc::new(lease) }, meter)
    }

    fn round(&mut self, ctx: &mut Metered<Self>) {
        let (parts, lease) = (self.parts.clone(), Arc::clone(&self.lease));
        let round = async move { parts.round(&lease).await };
        ctx.spawn(round.into_actor(self).map(|next, this, ctx| match next {
            ControlFlow::Continue(wait) => {
                ctx.run_later(wait, Self::round);
            }
            ControlFlow::Break(why) => {
                let campaign = &this.lease.campaign().id;
                this.parts.telemetry.record(Event::CampaignLeft { campaign, why });
                ctx.stop();
            }
        }));
    }
}

impl Actor for Campaign {
    type Context = Metered<Self>;

    fn started(&mut self, ctx: &mut Metered<Self>) {
        let campaign = &self.lease.campaign().id;
        let is_taken_over = self.lease.is_taken_over();
        self.parts.telemetry.record(Event::CampaignTaken { campaign, is_taken_over });
        self.round(ctx);
    }
}

impl MeteredActor for Campaign {
    const KIND: &'static str = "campaign";

    /// The lease runs out, and some node begins anew from what is written.
    fn panicked(&mut self, _message: &str, ctx: &mut Metered<Self>) {
        let campaign = &self.lease.campaign().id;
        self.parts.telemetry.record(Event::CampaignLeft { campaign, why: "failed" });
        ctx.stop();
    }
}

/// When the next round is, or why there is none.
type Next = ControlFlow<&'static str, Duration>;

impl CampaignParts {
    async fn round(&self, lease: &Arc<CampaignLease>) -> Next {
        if self.is_stopping.load(Ordering::Relaxed) {
            let held = Arc::clone(lease);
            // Without the database the lease runs out by itself.
            self.blocking(move |store| store.release_campaign(&held)).await.ok();
            return ControlFlow::Break("stopping");
        }
        let (held, times) = (Arc::clone(lease), self.times);
        let advanced =
            self.blocking(move |store| store.advance_campaign(&held, clock::wall_micros(), times.lease, times.unknown));
        let advance = match advanced.await {
            Ok(Some(advance)) => advance,
            Ok(None) => return ControlFlow::Break("lost"),
            Err(_) => return ControlFlow::Continue(LOOK_EVERY), // the store has told; nothing is dialled meanwhile
        };
        self.note_ends(&advance);
        if advance.is_over {
            return ControlFlow::Break(advance.standing.state.as_str());
        }
        self.step(lease, &advance).await
    }

    /// A call that has ended holds no slot, wherever its webhook went.
    fn note_ends(&self, advance: &Advance) {
        for end in &advance.ended {
            if let Some(call) = &end.call_sid {
                self.dialler.capacity().over(call);
            }
            self.telemetry.record(Event::LeadSettled { outcome: end.outcome.as_str() });
        }
    }

    async fn step(&self, lease: &Arc<CampaignLease>, advance: &Advance) -> Next {
        let now = clock::wall_micros();
        let order = &lease.campaign().order;
        let look = if advance.standing.open > 0 { LOOK_EVERY } else { self.times.heartbeat };
        ControlFlow::Continue(match order.pace().next(now, &advance.standing) {
            Step::Dial => match self.dial(lease).await {
                // One more look tells what the pace says then.
                true => order.spacing.min(LOOK_EVERY),
                false => LOOK_EVERY,
            },
            Step::WaitUntil(at) => look.min(Duration::from_micros(u64::try_from(at - now).unwrap_or(0))),
            Step::WaitForEnd => look,
            Step::Over => look,
        })
    }

    /// Dials the next lead, if there is a slot for its call: whether it did.
    async fn dial(&self, lease: &Arc<CampaignLease>) -> bool {
        let business = &lease.campaign().order.business;
        // The slot first: a lead that is claimed is dialled.
        let Ok(slot) = self.dialler.slot(business).await else { return false };
        let held = Arc::clone(lease);
        let claimed = self.blocking(move |store| store.dial_next_lead(&held, clock::wall_micros())).await;
        let Ok(Some(job)) = claimed else { return false };
        self.telemetry.record(Event::LeadDialled);
        self.dialler.place_begun(job, slot);
        true
    }

    async fn blocking<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = self.store.clone();
        actix_rt::task::spawn_blocking(move || question(&store)).await.unwrap_or(Err(StoreError::Stopping))
    }
}
