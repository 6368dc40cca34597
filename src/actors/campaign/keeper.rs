//! Takes campaigns that have work and that no node holds, and starts an actor for each.

use std::sync::atomic::Ordering;
use std::time::Duration;

use actix::prelude::*;

use super::{Campaign, CampaignParts};
use crate::actors::metered::{MailboxFigures, Metered, MeteredActor};
use crate::clock;
use crate::store::campaigns::CampaignLease;

/// Between two looks: a campaign that was asked for begins within that, and one whose node died goes on within that and the
/// lease.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How many campaigns are taken each time.
const AT_MOST: u32 = 8;

/// Looks for campaigns that nobody runs.
pub struct CampaignKeeper {
    parts: CampaignParts,
    is_busy: bool,
}

impl CampaignKeeper {
    /// Starts the keeper on a thread of somebody's choice, where the campaigns run too.
    pub fn start(parts: CampaignParts, arbiter: &ArbiterHandle) -> Addr<Self> {
        let meter = MailboxFigures::of::<Self>(&parts.telemetry);
        Metered::create_in(arbiter, meter, move |_| Self { parts, is_busy: false })
    }

    fn look(&mut self, ctx: &mut Metered<Self>) {
        if self.is_busy || self.parts.is_stopping.load(Ordering::Relaxed) {
            return;
        }
        self.is_busy = true;
        let parts = self.parts.clone();
        let look = async move { take(&parts).await };
        ctx.spawn(look.into_actor(self).map(|taken, this, _| {
            this.is_busy = false;
            for lease in taken {
                Campaign::start(this.parts.clone(), lease);
            }
        }));
    }
}

impl Actor for CampaignKeeper {
    type Context = Metered<Self>;

    fn started(&mut self, ctx: &mut Metered<Self>) {
        self.look(ctx);
        ctx.run_interval(LOOK_EVERY, Self::look);
    }
}

impl MeteredActor for CampaignKeeper {
    const KIND: &'static str = "campaign_keeper";

    /// It begins anew with the next look: all that it knows is in the database.
    fn panicked(&mut self, _message: &str, _ctx: &mut Metered<Self>) {
        self.is_busy = false;
    }
}

/// The campaigns that this node has just taken; none while the database is away, which the store tells.
async fn take(parts: &CampaignParts) -> Vec<CampaignLease> {
    let (node, length) = (parts.node.clone(), parts.times.lease);
    let taken = parts.blocking(move |store| store.take_campaigns(&node, clock::wall_micros(), length, AT_MOST)).await;
    taken.unwrap_or_default()
}
