//! Renews a node's leases, gives back what it does not need, frees slots of calls that never started here, and says that the
//! node is alive, without which others take its slots for those of a dead one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;

use super::{Capacity, CapacityFigures, Sharing};
use crate::actors::metered::{MailboxFigures, Metered, MeteredActor};
use crate::clock;
use crate::engine::capacity::Scope;
use crate::store::nodes::NodeBeat;
use crate::telemetry::{Event, Telemetry};

/// Between two looks. 2 s: a slot that one node frees is another's within 5.
const EVERY: Duration = Duration::from_secs(2);
/// So many times within its length a lease is renewed, so that a database that comes back in time is in time.
const RENEWALS: u32 = 4;
/// A call whose media stream has not started by then may have started it at another node.
const MAY_BE_ELSEWHERE: Duration = Duration::from_secs(2);

/// Keeps the leases of this node.
pub struct LeaseKeeper {
    capacity: Capacity,
    kept_for: Duration,
    telemetry: Telemetry,
    /// When every lease was last renewed.
    renewed_at: Option<Instant>,
    /// `None` while it is at work, and for good if a panic took it; the next look makes another.
    beat: Option<NodeBeat>,
    is_busy: bool,
}

impl LeaseKeeper {
    /// Starts the keeper on a thread of somebody's choice. A slot is kept for `kept_for` for a call that does not start.
    pub fn start(capacity: Capacity, kept_for: Duration, telemetry: Telemetry, arbiter: &ArbiterHandle) -> Addr<Self> {
        let meter = MailboxFigures::of::<Self>(&telemetry);
        let keeper = move |_: &mut Metered<Self>| Self {
            capacity,
            kept_for,
            telemetry,
            renewed_at: None,
            beat: None,
            is_busy: false,
        };
        Metered::create_in(arbiter, meter, keeper)
    }

    fn look(&mut self, ctx: &mut Metered<Self>) {
        let now = clock::now();
        for call in self.capacity.shared.book().kept_for(self.kept_for, now) {
            self.capacity.over(&call);
        }
        let CapacityFigures { used, kept, leased, max, businesses_full } = self.capacity.figures();
        self.telemetry.record(Event::Capacity { used, kept, leased, max, businesses_full });
        let Some(sharing) = self.capacity.sharing.clone() else { return };
        if std::mem::replace(&mut self.is_busy, true) {
            return;
        }
        let is_due = self.renewed_at.is_none_or(|at| now.duration_since(at) >= sharing.length / RENEWALS);
        let capacity = self.capacity.clone();
        let beat = self.beat.take().unwrap_or_else(|| sharing.store.node_beat(Arc::clone(&sharing.node)));
        let round = async move {
            let beat = say_alive(beat).await;
            free_what_is_elsewhere(&capacity, &sharing).await;
            (renew(&capacity, &sharing, is_due).await, beat)
        };
        ctx.spawn(round.into_actor(self).map(move |(is_renewed, beat), this, _| {
            this.is_busy = false;
            this.beat = beat;
            if is_due && is_renewed {
                this.renewed_at = Some(now);
            }
        }));
    }
}

impl Actor for LeaseKeeper {
    type Context = Metered<Self>;

    fn started(&mut self, ctx: &mut Metered<Self>) {
        self.look(ctx);
        ctx.run_interval(EVERY, Self::look);
    }
}

impl MeteredActor for LeaseKeeper {
    const KIND: &'static str = "lease_keeper";

    /// It goes on with the next look: what it knows is in the book and in the database.
    fn panicked(&mut self, _message: &str, _ctx: &mut Metered<Self>) {
        self.is_busy = false;
    }
}

/// Writes down that this node is alive. While the database is away nobody can, and nobody misses it.
async fn say_alive(mut beat: NodeBeat) -> Option<NodeBeat> {
    let said = actix_rt::task::spawn_blocking(move || {
        beat.beat().ok(); // the store has told what is wrong with it
        beat
    });
    said.await.ok()
}

/// Frees the slots that are kept for calls which are over, or go on at another node. While the database is away they stay.
async fn free_what_is_elsewhere(capacity: &Capacity, sharing: &Sharing) {
    let kept = capacity.shared.book().kept_for(MAY_BE_ELSEWHERE, clock::now());
    if kept.is_empty() {
        return;
    }
    let (store, node) = (sharing.store.clone(), sharing.node.clone());
    let gone = actix_rt::task::spawn_blocking(move || store.calls_gone_elsewhere(&node, &kept)).await;
    for call in gone.ok().and_then(Result::ok).unwrap_or_default() {
        let slot = capacity.shared.book().hand_over(&call);
        drop(slot); // outside of the book's lock, which it needs
    }
}

/// Leases what is needed and a share to spare: whether it was granted.
async fn renew(capacity: &Capacity, sharing: &Sharing, all: bool) -> bool {
    let turn = capacity.asking.clone().lock_owned().await;
    let limits = limits(capacity);
    let wishes = capacity.shared.book().wishes(&limits, all, clock::now());
    let is_granted = capacity.lease(sharing, wishes.clone(), turn).await.is_ok();
    if !is_granted {
        capacity.shared.book().not_leased(&wishes);
    }
    is_granted
}

/// Every scope that has a limit. Slots of calls that a business places are leased when they are placed: that needs the
/// database in any case.
fn limits(capacity: &Capacity) -> Vec<(Scope, u32)> {
    let mut limits: Vec<(Scope, u32)> = capacity.limits.all().map(|limit| (Scope::All, limit)).into_iter().collect();
    for business in capacity.limits.businesses() {
        let of_business = capacity.limits.of(&business);
        limits.extend(of_business.calls.map(|limit| (Scope::Business(business.clone()), limit)));
    }
    limits.extend(capacity.shared.book().outbound_in_use(|business| capacity.limits.of(business).outbound));
    limits
}
