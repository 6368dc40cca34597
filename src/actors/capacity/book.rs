//! The count itself: plain values behind one lock, which nobody holds while anything is waited for.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use crate::engine::capacity::{Scope, Wish};
use crate::engine::ids::{BusinessId, CallSid};
use crate::store::Leased;

use super::{BusinessLimits, CapacityFigures, NoSlot, Slot};

/// How long a call is remembered that needs no slot kept any more: longer than a slot is held for a call of which nobody
/// knows whether it was placed.
const REMEMBER: Duration = Duration::from_secs(310);

/// What this node holds of one scope.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    used: u32,
    lease: Option<Lease>,
    /// Whether the database should hear of it soon: something changed that other nodes could use.
    is_changed: bool,
}

#[derive(Clone, Copy, Debug)]
struct Lease {
    slots: u32,
    until: Instant,
}

/// A slot for a call whose media stream has not started.
struct Kept {
    slot: Slot,
    since: Instant,
}

/// Slots in use, slots leased, and slots kept.
pub(super) struct Book {
    is_shared: bool,
    /// How many nodes share the limits, as of the last lease.
    nodes: u32,
    counts: HashMap<Scope, Count>,
    kept: HashMap<CallSid, Kept>,
    settled: Settled,
}

/// The calls whose media stream has started here or that are over: whoever brings a slot for one of them comes too late.
///
/// By their [number](CallSid::number), since these are all calls of a minute and a half.
#[derive(Default)]
struct Settled {
    calls: HashSet<u128>,
    order: VecDeque<(Instant, u128)>,
}

impl Settled {
    fn insert(&mut self, call: &CallSid, now: Instant) {
        while let Some((_, old)) = self.order.pop_front_if(|(at, _)| now.saturating_duration_since(*at) > REMEMBER) {
            self.calls.remove(&old);
        }
        if self.calls.insert(call.number()) {
            self.order.push_back((now, call.number()));
        }
    }

    fn contains(&self, call: &CallSid) -> bool {
        self.calls.contains(&call.number())
    }
}

/// No slot is free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Full {
    scope: Scope,
    /// Whether the limit itself is not reached here, so that there may be one to lease.
    pub may_ask: bool,
}

impl Full {
    pub(super) fn why(&self) -> NoSlot {
        match self.scope {
            Scope::All => NoSlot::All,
            Scope::Business(_) => NoSlot::Business,
            Scope::Outbound(_) => NoSlot::Outbound,
        }
    }
}

impl Book {
    pub(super) fn new(is_shared: bool) -> Self {
        Self { is_shared, nodes: 1, counts: HashMap::new(), kept: HashMap::new(), settled: Settled::default() }
    }

    /// How many calls of a scope this node may carry now.
    fn room(&self, scope: &Scope, limit: Option<u32>, now: Instant) -> u32 {
        match limit {
            None => u32::MAX,
            Some(limit) if !self.is_shared => limit,
            Some(limit) => self.held(scope, now).min(limit),
        }
    }

    /// How many slots of a scope are leased.
    fn held(&self, scope: &Scope, now: Instant) -> u32 {
        let lease = self.counts.get(scope).and_then(|count| count.lease);
        lease.filter(|lease| now < lease.until).map_or(0, |lease| lease.slots)
    }

    fn used(&self, scope: &Scope) -> u32 {
        self.counts.get(scope).map_or(0, |count| count.used)
    }

    /// Takes one slot in every scope, or in none.
    pub(super) fn try_take(&mut self, wanted: &[(Scope, Option<u32>)], now: Instant) -> Result<(), Full> {
        for (scope, limit) in wanted {
            let used = self.used(scope);
            if used >= self.room(scope, *limit, now) {
                let may_ask = self.is_shared && limit.is_some_and(|limit| used < limit);
                return Err(Full { scope: scope.clone(), may_ask });
            }
        }
        for (scope, _) in wanted {
            self.counts.entry(scope.clone()).or_default().used += 1;
        }
        Ok(())
    }

    /// Counts one call more in every scope, whatever the limits.
    pub(super) fn add(&mut self, scopes: &[Scope]) {
        for scope in scopes {
            let count = self.counts.entry(scope.clone()).or_default();
            count.used += 1;
            count.is_changed = true;
        }
    }

    pub(super) fn free(&mut self, scopes: &[Scope]) {
        for scope in scopes {
            let Some(count) = self.counts.get_mut(scope) else { continue };
            count.used = count.used.saturating_sub(1);
            count.is_changed = true;
            if count.used == 0 && count.lease.is_none() {
                self.counts.remove(scope);
            }
        }
    }

    pub(super) fn keep(&mut self, call: CallSid, slot: Slot, now: Instant) -> Option<Slot> {
        if self.kept.contains_key(&call) || self.settled.contains(&call) {
            return Some(slot);
        }
        self.kept.insert(call, Kept { slot, since: now });
        None
    }

    pub(super) fn is_kept(&self, call: &CallSid) -> bool {
        self.kept.contains_key(call)
    }

    /// The slot that was kept for a call, which needs none from now on: it has started here, or is over.
    pub(super) fn settle(&mut self, call: &CallSid, now: Instant) -> Option<Slot> {
        self.settled.insert(call, now);
        self.take(call)
    }

    fn take(&mut self, call: &CallSid) -> Option<Slot> {
        self.kept.remove(call).map(|kept| kept.slot)
    }

    /// The calls for which a slot has been kept for longer than `age`.
    pub(super) fn kept_for(&self, age: Duration, now: Instant) -> Vec<CallSid> {
        let is_old = |kept: &Kept| now.saturating_duration_since(kept.since) > age;
        self.kept.iter().filter(|(_, kept)| is_old(kept)).map(|(call, _)| call.clone()).collect()
    }

    /// The call goes on at another node: its slot is that node's now, so this one may not give it to the next call before it
    /// has asked.
    pub(super) fn hand_over(&mut self, call: &CallSid) -> Option<Slot> {
        let slot = self.take(call)?;
        for scope in &slot.scopes {
            if let Some(lease) = self.counts.get_mut(scope).and_then(|count| count.lease.as_mut()) {
                lease.slots = lease.slots.saturating_sub(1);
            }
        }
        Some(slot)
    }

    /// Wishes for one slot more where there is none to give; where there is, nothing is asked for.
    pub(super) fn wishes_for(&self, wanted: &[(Scope, Option<u32>)], now: Instant) -> Vec<Wish> {
        let full = wanted.iter().filter(|(scope, limit)| self.used(scope) >= self.room(scope, *limit, now));
        full.filter_map(|(scope, limit)| {
            let used = self.used(scope);
            Some(Wish { scope: scope.clone(), limit: (*limit)?, used, needed: used + 1, held: self.held(scope, now) })
        })
        .collect()
    }

    /// Wishes for every scope of which the database should hear: those that changed, and, if `all` are due, the others.
    ///
    /// What is to be given back is not counted up to from now on, so that the database never holds less than that.
    pub(super) fn wishes(&mut self, limits: &[(Scope, u32)], all: bool, now: Instant) -> Vec<Wish> {
        let nodes = self.nodes;
        let mut wishes = Vec::new();
        for (scope, limit) in limits {
            let count = self.counts.entry(scope.clone()).or_default();
            let lease = count.lease.as_mut().filter(|lease| now < lease.until);
            if !(all || count.is_changed || lease.is_none()) {
                continue;
            }
            let mut wish = Wish { scope: scope.clone(), limit: *limit, used: count.used, needed: count.used, held: 0 };
            if let Some(lease) = lease {
                lease.slots = lease.slots.min(wish.wanted(nodes).max(wish.used));
                wish.held = lease.slots;
            }
            count.is_changed = false;
            wishes.push(wish);
        }
        wishes
    }

    /// The scopes of placed calls that this node has anything to do with, each with its limit.
    pub(super) fn outbound_in_use(&self, limit: impl Fn(&BusinessId) -> Option<u32>) -> Vec<(Scope, u32)> {
        let known = self.counts.keys().filter_map(|scope| match scope {
            Scope::Outbound(business) => Some((scope.clone(), limit(business)?)),
            Scope::All | Scope::Business(_) => None,
        });
        known.collect()
    }

    /// The database has granted these slots.
    pub(super) fn leased(&mut self, wishes: &[Wish], leased: &Leased, until: Instant) {
        self.nodes = leased.nodes;
        for (wish, slots) in wishes.iter().zip(&leased.granted) {
            let count = self.counts.entry(wish.scope.clone()).or_default();
            count.lease = Some(Lease { slots: *slots, until });
        }
    }

    /// What was wished for was not granted: it is to be asked for again.
    pub(super) fn not_leased(&mut self, wishes: &[Wish]) {
        for wish in wishes {
            if let Some(count) = self.counts.get_mut(&wish.scope) {
                count.is_changed = true;
            }
        }
    }

    pub(super) fn figures(
        &self,
        all: Option<u32>,
        of: impl Fn(&BusinessId) -> BusinessLimits,
        now: Instant,
    ) -> CapacityFigures {
        let is_full = |scope: &Scope| match scope {
            Scope::Business(business) => of(business).calls.is_some_and(|limit| {
                let used = self.used(scope);
                used >= limit || (used > 0 && used >= self.room(scope, Some(limit), now))
            }),
            Scope::All | Scope::Outbound(_) => false,
        };
        CapacityFigures {
            used: self.used(&Scope::All),
            kept: u32::try_from(self.kept.len()).unwrap_or(u32::MAX),
            leased: all.map_or(0, |_| self.room(&Scope::All, all, now)),
            max: all.unwrap_or(0),
            businesses_full: u32::try_from(self.counts.keys().filter(|scope| is_full(scope)).count())
                .unwrap_or(u32::MAX),
        }
    }
}
