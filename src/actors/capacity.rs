//! How many calls may be alive at once: a call that is taken holds a [`Slot`], and dropping the slot frees it, however the
//! call ends, a panic included. Nothing else is counted, so nothing can be counted wrongly.
//!
//! ```text
//!   voice webhook ── slot() ──▶ kept for the call ── media stream starts ──▶ in the call's own actor ── its end ──▶ free
//!                                     │ the call is over, goes on at another node, or never starts
//!                                     └──────────────────────────────────────────────────────────────────────▶ free
//! ```
//!
//! A node alone (SQLite) counts up to the limits. Nodes that share PostgreSQL lease slots ahead
//! ([`LeaseKeeper`](lease_keeper::LeaseKeeper)), and count up to what they hold; a node that has none left asks for more
//! while the caller waits, for as long as a database may take. Where it can't be known whether a slot is free, there is none.
//!
//! A call may start its media stream at another node than the one that answered its webhook. That node takes it in any
//! case, for a slot was granted; the first frees its own as soon as it sees in the database that the call went elsewhere, and
//! until then no third call can have it.

mod book;
pub mod lease_keeper;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::actors::lateness::Overload;
use crate::clock;
use crate::engine::capacity::{Scope, Wish};
use crate::engine::ids::{BusinessId, CallSid};
use crate::engine::status::CallDirection;
use crate::store::{Store, StoreError};
use crate::telemetry::Refusal;

use book::{Book, Full};

/// How many calls of a business may be alive at once; `None`: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BusinessLimits {
    /// All of its calls.
    pub calls: Option<u32>,
    /// Those that it places.
    pub outbound: Option<u32>,
}

/// Where the limits come from. Asked for each call: it must answer from memory.
pub trait CallLimits: Send + Sync {
    /// How many calls may be alive at once, over all nodes; `None`: no limit.
    fn all(&self) -> Option<u32>;
    /// The limits of one business.
    fn of(&self, business: &BusinessId) -> BusinessLimits;
    /// The businesses for whose calls slots are leased ahead.
    fn businesses(&self) -> Vec<BusinessId>;
}

/// Nodes that share the limits.
#[derive(Clone)]
pub struct Sharing {
    /// Where the leases are.
    pub store: Store,
    /// This node's name.
    pub node: Arc<str>,
    /// For how long a lease holds.
    pub length: Duration,
    /// How long a caller waits for a slot that must be asked for.
    pub patience: Duration,
}

/// Why a call is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoSlot {
    /// As many calls are alive as may be.
    All,
    /// As many of the business.
    Business,
    /// As many that the business placed.
    Outbound,
    /// This node has no slot left, and could not ask for more.
    Unknown,
}

impl NoSlot {
    /// How it is counted.
    pub const fn refusal(self) -> Refusal {
        match self {
            Self::All => Refusal::Full,
            Self::Business => Refusal::BusinessFull,
            Self::Outbound => Refusal::OutboundFull,
            Self::Unknown => Refusal::CapacityUnknown,
        }
    }

    /// As it stands in the call's history and in answers.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::All => "as many calls are alive as may be",
            Self::Business => "as many calls of the business are alive as may be",
            Self::Outbound => "as many calls that the business placed are alive as may be",
            Self::Unknown => "it can't be known whether a slot is free",
        }
    }
}

/// The right to one call that is alive. Dropping it frees it.
pub struct Slot {
    shared: Arc<Shared>,
    scopes: Vec<Scope>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.shared.book().free(&self.scopes);
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slot({:?})", self.scopes)
    }
}

/// Gives slots to calls. Cheap to clone; every clone counts in the same book.
#[derive(Clone)]
pub struct Capacity {
    shared: Arc<Shared>,
    limits: Arc<dyn CallLimits>,
    sharing: Option<Sharing>,
    /// One at a time asks for more: whoever waits behind finds what the first was given.
    asking: Arc<tokio::sync::Mutex<()>>,
}

/// The right to ask.
type Turn = tokio::sync::OwnedMutexGuard<()>;

/// What slots refer to.
struct Shared(Mutex<Book>);

impl Shared {
    /// No invariant of the book can be broken by a panic inside of it.
    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How it stands, for `/metrics`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CapacityFigures {
    /// Slots in use on this node, those that are kept for calls about to start included.
    pub used: u32,
    /// Of these, slots that are kept for calls about to start.
    pub kept: u32,
    /// How many calls this node may carry without asking again; the limit itself, where no node shares it.
    pub leased: u32,
    /// The limit; 0: none.
    pub max: u32,
    /// Businesses of which this node can take no further call at once.
    pub businesses_full: u32,
}

impl Capacity {
    /// A count up to these limits; for this node alone, or shared.
    pub fn new(limits: Arc<dyn CallLimits>, sharing: Option<Sharing>) -> Self {
        let shared = Arc::new(Shared(Mutex::new(Book::new(sharing.is_some()))));
        Self { shared, limits, sharing, asking: Arc::default() }
    }

    /// Whether the nodes of one database share the limits.
    pub fn is_shared(&self) -> bool {
        self.sharing.is_some()
    }

    /// Keeps a slot for a call that comes in, if one is free and the live calls are not late already; else how that is
    /// counted, and why, as the record has it.
    ///
    /// # Errors
    /// There is no room for the call.
    pub async fn find_room(
        &self,
        call: &CallSid,
        business: &BusinessId,
        direction: CallDirection,
        overload: &Overload,
    ) -> Result<(), (Refusal, &'static str)> {
        const TOO_BUSY: (Refusal, &str) = (Refusal::Overloaded, "live calls are served late, or soon would be");
        if overload.is_on() {
            return Err(TOO_BUSY);
        }
        let slot = self.slot(business, direction).await.map_err(|full| (full.refusal(), full.reason()))?;
        // Whoever finds no slot takes nobody's turn.
        if !overload.takes_one() {
            return Err(TOO_BUSY);
        }
        self.keep(call.clone(), slot);
        Ok(())
    }

    /// A slot for a call of this business, if one is free.
    ///
    /// Waits for the database only if this node holds none that is free. To be called on an arbiter.
    pub async fn slot(&self, business: &BusinessId, direction: CallDirection) -> Result<Slot, NoSlot> {
        let wanted = self.scopes(business, direction);
        let full = match self.try_take(&wanted) {
            Ok(slot) => return Ok(slot),
            Err(full) => full,
        };
        let Some(sharing) = self.sharing.as_ref().filter(|_| full.may_ask) else { return Err(full.why()) };
        let asked = async {
            let turn = Arc::clone(&self.asking).lock_owned().await;
            match self.try_take(&wanted) {
                Ok(slot) => return Ok(slot),
                Err(full) if !full.may_ask => return Err(full.why()),
                Err(_) => {}
            }
            let wishes = self.shared.book().wishes_for(&wanted, clock::now());
            match self.lease(sharing, wishes, turn).await {
                Ok(()) => self.try_take(&wanted).map_err(|full| full.why()),
                Err(_) => Err(NoSlot::Unknown), // the store has told what is wrong with it
            }
        };
        tokio::time::timeout(sharing.patience, asked).await.unwrap_or(Err(NoSlot::Unknown))
    }

    /// A slot for a call that was taken already, at another node: it is counted here, whatever the limits.
    pub fn adopt(&self, business: &BusinessId, direction: CallDirection) -> Slot {
        let scopes = self.scopes(business, direction).into_iter().map(|(scope, _)| scope).collect::<Vec<_>>();
        self.shared.book().add(&scopes);
        Slot { shared: Arc::clone(&self.shared), scopes }
    }

    /// Keeps a slot for a call whose media stream has not started yet. One that has a slot already keeps that one; one that
    /// has started here or is over needs none, however late the carrier says that it has placed it.
    pub fn keep(&self, call: CallSid, slot: Slot) {
        // The other is dropped outside of the book's lock, which it needs.
        let spare = self.shared.book().keep(call, slot, clock::now());
        drop(spare);
    }

    /// Whether a slot is kept for this call.
    pub fn is_kept(&self, call: &CallSid) -> bool {
        self.shared.book().is_kept(call)
    }

    /// The media stream of a call has started here: its slot, kept here or granted at another node.
    pub fn start(&self, call: &CallSid, business: &BusinessId, direction: CallDirection) -> Slot {
        let kept = self.shared.book().settle(call, clock::now());
        kept.unwrap_or_else(|| self.adopt(business, direction))
    }

    /// A call is over: a slot that was kept for it is free.
    pub fn over(&self, call: &CallSid) {
        let kept = self.shared.book().settle(call, clock::now());
        drop(kept);
    }

    /// How it stands.
    pub fn figures(&self) -> CapacityFigures {
        self.shared.book().figures(self.limits.all(), |business| self.limits.of(business), clock::now())
    }

    /// Gives every leased slot back, at the end of this node: the others need not wait until the leases run out.
    pub async fn give_back(&self) {
        let Some(Sharing { store, node, patience, .. }) = self.sharing.clone() else { return };
        let returned = actix_rt::task::spawn_blocking(move || store.return_slots(&node));
        // Without the database the leases run out by themselves.
        tokio::time::timeout(patience, returned).await.ok();
    }

    /// The scopes in which a call counts, each with its limit.
    fn scopes(&self, business: &BusinessId, direction: CallDirection) -> Vec<(Scope, Option<u32>)> {
        let of_business = self.limits.of(business);
        let mut scopes = vec![(Scope::All, self.limits.all()), (Scope::Business(business.clone()), of_business.calls)];
        if direction == CallDirection::Outbound {
            scopes.push((Scope::Outbound(business.clone()), of_business.outbound));
        }
        scopes
    }

    fn try_take(&self, wanted: &[(Scope, Option<u32>)]) -> Result<Slot, Full> {
        self.shared.book().try_take(wanted, clock::now())?;
        let scopes = wanted.iter().map(|(scope, _)| scope.clone()).collect();
        Ok(Slot { shared: Arc::clone(&self.shared), scopes })
    }
}

/// A lease counts for a little less than the database says, which began to count later.
fn held_for(length: Duration) -> Duration {
    length - length / 20
}

impl Capacity {
    /// Leases what is wished for, and writes it into the book. Whoever has the turn is alone with the database until that
    /// is done, so that answers are written down in the order in which they were given.
    async fn lease(&self, sharing: &Sharing, wishes: Vec<Wish>, turn: Turn) -> Result<(), StoreError> {
        if wishes.is_empty() {
            return Ok(());
        }
        let until = clock::now() + held_for(sharing.length);
        let (shared, sharing) = (Arc::clone(&self.shared), sharing.clone());
        // Whoever waits may lose patience; what was leased is written down all the same.
        let leased = actix_rt::task::spawn_blocking(move || {
            let _turn = turn;
            let leased = sharing.store.lease_slots(&sharing.node, sharing.length, &wishes)?;
            shared.book().leased(&wishes, &leased, until);
            Ok(())
        });
        leased.await.unwrap_or(Err(StoreError::Stopping))
    }
}
