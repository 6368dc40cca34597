//! Where a kind of actor reports, and how an envelope finds it.
//!
//! actix packs an envelope knowing only the types of actor and message, so the meter of a kind is looked up
//! here: by the actix system of the sending thread, so that two servers in one process don't share figures.
//! A thread outside of any system (the database's) finds the meter that was registered last.

use std::any::TypeId;
use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use actix_rt::System;

use super::MeteredActor;

/// The figures of one kind of actor and their mailboxes. Called on the sender's and the actor's thread, several times
/// per message: must be quick.
///
/// Every message is told by `enqueued`, then by `dequeued` when its handling begins or by `refused` if it never
/// does. A handling ends with `handled` or `panicked`; a question whose asker has gone, with neither.
pub trait Meter: Send + Sync + 'static {
    /// An actor begins.
    fn started(&self);
    /// … and is gone, with everything that it held.
    fn ended(&self);
    /// A message was put in.
    fn enqueued(&self);
    /// A message was taken out, after waiting this long.
    fn dequeued(&self, wait: Duration);
    /// A handler ran this long.
    fn handled(&self, took: Duration);
    /// A message that was put in will not be handled: the mailbox is full, or its actor has stopped.
    fn refused(&self);
    /// A panic was caught. The one place that is told of each of them, `started` and `stopped` included.
    fn panicked(&self, message: &str);
}

/// Counts nothing.
#[derive(Clone, Copy, Debug)]
pub struct Unmetered;

impl Meter for Unmetered {
    fn started(&self) {}
    fn ended(&self) {}
    fn enqueued(&self) {}
    fn dequeued(&self, _: Duration) {}
    fn handled(&self, _: Duration) {}
    fn refused(&self) {}
    fn panicked(&self, _: &str) {}
}

/// Makes `meter` the one that new messages to actors of kind `A` report to, in this thread's system.
pub(super) fn register<A: MeteredActor>(meter: &Arc<dyn Meter>) {
    let (kind, system) = (TypeId::of::<A>(), current_system());
    if registered(kind, system).is_some_and(|known| Arc::ptr_eq(&known, meter)) {
        return;
    }
    let mut entries = ENTRIES.write().unwrap_or_else(PoisonError::into_inner);
    entries.retain(|entry| entry.kind != kind || entry.system != system);
    entries.push(Entry { kind, system, meter: Arc::clone(meter) });
    GENERATION.fetch_add(1, Ordering::Release);
}

/// The meter of `A` for whoever sends from this thread.
pub(super) fn of<A: MeteredActor>() -> Arc<dyn Meter> {
    let kind = TypeId::of::<A>();
    let generation = GENERATION.load(Ordering::Acquire);
    SEEN.with_borrow_mut(|seen| {
        if seen.generation != generation {
            *seen = Seen { generation, meters: Vec::new() };
        }
        if let Some((_, meter)) = seen.meters.iter().find(|(known, _)| *known == kind) {
            return Arc::clone(meter);
        }
        let meter = look_up(kind, current_system());
        seen.meters.push((kind, Arc::clone(&meter)));
        meter
    })
}

struct Entry {
    kind: TypeId,
    system: Option<usize>,
    meter: Arc<dyn Meter>,
}

static ENTRIES: RwLock<Vec<Entry>> = RwLock::new(Vec::new());
/// Changes whenever [`ENTRIES`] does.
static GENERATION: AtomicU64 = AtomicU64::new(0);

/// What this thread has looked up. Valid for one generation: a lock per message would cost more than the rest.
struct Seen {
    generation: u64,
    meters: Vec<(TypeId, Arc<dyn Meter>)>,
}

thread_local! {
    static SEEN: RefCell<Seen> = const { RefCell::new(Seen { generation: 0, meters: Vec::new() }) };
}

fn registered(kind: TypeId, system: Option<usize>) -> Option<Arc<dyn Meter>> {
    let entries = ENTRIES.read().unwrap_or_else(PoisonError::into_inner);
    entries.iter().find(|entry| entry.kind == kind && entry.system == system).map(|entry| Arc::clone(&entry.meter))
}

fn look_up(kind: TypeId, system: Option<usize>) -> Arc<dyn Meter> {
    if let Some(meter) = registered(kind, system) {
        return meter;
    }
    let entries = ENTRIES.read().unwrap_or_else(PoisonError::into_inner);
    let last = entries.iter().rev().find(|entry| entry.kind == kind);
    last.map_or_else(|| Arc::new(Unmetered) as Arc<dyn Meter>, |entry| Arc::clone(&entry.meter))
}

fn current_system() -> Option<usize> {
    System::try_current().map(|system| system.id())
}
