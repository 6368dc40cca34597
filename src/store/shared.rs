//! What the parts of the store share: whether the database answers, and the spool for when it doesn't.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;

use crate::engine::ids::CallSid;

use super::error::StoreError;
use super::health::DatabaseState;
use super::record::{CallEnd, Record};
use super::settings::{StoreEvent, StoreSettings};
use super::spool::Spool;
use super::target::Target;

/// How many claims are remembered: more calls than a node begins while their tokens are valid.
const REMEMBERED_CLAIMS: usize = 65_536;
/// How many ends of calls are remembered: the carrier asks within seconds, and by then they are in the database.
const REMEMBERED_ENDS: usize = 1_024;

/// Shared by the writers, the readers and the keeper.
pub(super) struct Shared {
    pub settings: StoreSettings,
    pub target: Arc<Target>,
    pub spool: Spool,
    /// The calls whose media token was used here: whoever asks a second time is refused even while the
    /// database is away.
    pub claims: Mutex<Recent<()>>,
    /// The ends of the calls of this node: the carrier asks how to go on before the row is committed.
    pub ends: Mutex<Recent<CallEnd>>,
    /// The calls that have a turn writer.
    pub turn_writers: Mutex<HashSet<CallSid>>,
    pub journal_waiting: AtomicU64,
    database: Mutex<DatabaseState>,
    is_up: AtomicBool,
    keeper: Mutex<Signal>,
    wake: Condvar,
    spool_error: Mutex<Option<String>>,
    rejected: AtomicU64,
    lost: AtomicU64,
}

/// Why the keeper woke up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wake {
    /// There may be something to do.
    Work,
    /// Nothing has happened for long.
    Idle,
    /// The store is being closed.
    Stop,
}

#[derive(Default)]
struct Signal {
    has_work: bool,
    is_stopping: bool,
    /// Somebody says that the database is away, and the keeper has not found out yet.
    is_suspected: bool,
}

impl Shared {
    pub fn new(settings: StoreSettings, target: Target, spool: Spool) -> Self {
        Self {
            settings,
            target: Arc::new(target),
            spool,
            claims: Mutex::new(Recent::new(REMEMBERED_CLAIMS)),
            ends: Mutex::new(Recent::new(REMEMBERED_ENDS)),
            turn_writers: Mutex::default(),
            journal_waiting: AtomicU64::new(0),
            database: Mutex::new(DatabaseState::NotReady { error: "not connected yet".to_owned() }),
            is_up: AtomicBool::new(false),
            keeper: Mutex::default(),
            wake: Condvar::new(),
            spool_error: Mutex::default(),
            rejected: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        }
    }

    /// Whether it is worth asking the database.
    pub fn is_up(&self) -> bool {
        self.is_up.load(Ordering::Acquire)
    }

    pub fn database(&self) -> DatabaseState {
        locked(&self.database).clone()
    }

    /// Why the database is not to be asked.
    pub fn why_down(&self) -> String {
        match self.database() {
            DatabaseState::NotReady { error } => error,
            DatabaseState::Up => "it was away a moment ago".to_owned(),
            DatabaseState::Down { error } => error,
        }
    }

    /// The database did not answer. Said once, until it is back.
    pub fn database_lost(&self, error: &str) {
        {
            let mut database = locked(&self.database);
            match &mut *database {
                DatabaseState::Up => *database = DatabaseState::Down { error: error.to_owned() },
                DatabaseState::NotReady { error: known } | DatabaseState::Down { error: known } => {
                    error.clone_into(known);
                    return;
                }
            }
            self.is_up.store(false, Ordering::Release);
        }
        locked(&self.keeper).is_suspected = true;
        self.settings.observer.tell(StoreEvent::DatabaseLost { error });
        self.wake_keeper();
    }

    /// The database answers. Only the keeper says so.
    pub fn database_answers(&self) {
        {
            let mut database = locked(&self.database);
            *database = DatabaseState::Up;
            self.is_up.store(true, Ordering::Release);
        }
        self.has_found_out();
    }

    /// The keeper has asked the database, and knows whether it is there.
    pub fn has_found_out(&self) {
        locked(&self.keeper).is_suspected = false;
        self.wake.notify_all();
    }

    /// Whether it is worth asking the database. Where somebody has just lost patience with it, that is known once the
    /// keeper has asked it: a busy machine is late now and then, and nobody who has time is sent away for that.
    pub fn is_up_after_all(&self) -> bool {
        if self.is_up() {
            return true;
        }
        let longest = self.settings.connect_timeout;
        let is_open = |signal: &mut Signal| signal.is_suspected && !signal.is_stopping;
        drop(self.wake.wait_timeout_while(locked(&self.keeper), longest, is_open));
        self.is_up()
    }

    /// Keeps records on the disk until the database takes them.
    pub fn keep_in_spool(&self, records: &[Record]) -> Result<(), StoreError> {
        let kept = self.spool.append(records);
        self.note_spool(&kept);
        kept?;
        for record in records {
            self.settings.observer.tell(StoreEvent::Spooled { kind: record.kind() });
        }
        self.wake_keeper();
        Ok(())
    }

    /// Sets aside what the database will never take.
    pub fn set_aside(&self, what: &impl Serialize, why: &str) -> Result<(), StoreError> {
        let kept = self.spool.set_aside(what, why);
        self.note_spool(&kept);
        kept?;
        self.rejected.fetch_add(1, Ordering::Relaxed);
        self.settings.observer.tell(StoreEvent::RecordRejected { error: why });
        Ok(())
    }

    /// A record could be kept nowhere.
    pub fn record_lost(&self, kind: &'static str) {
        self.lost.fetch_add(1, Ordering::Relaxed);
        self.settings.observer.tell(StoreEvent::RecordLost { kind });
    }

    /// Remembers whether the spool can be used.
    pub fn note_spool<T>(&self, result: &Result<T, StoreError>) {
        let error = result.as_ref().err().map(ToString::to_string);
        if let Some(error) = &error {
            self.settings.observer.tell(StoreEvent::SpoolFailed { error });
        }
        *locked(&self.spool_error) = error;
    }

    /// Finds out whether the spool can be used, so that a disk that is full is known before it is needed, and one
    /// that no longer is doesn't keep calls away.
    pub fn probe_spool(&self) {
        let error = self.spool.probe().err().map(|error| error.to_string());
        let mut known = locked(&self.spool_error);
        if let Some(error) = error.as_ref().filter(|_| known.is_none()) {
            self.settings.observer.tell(StoreEvent::SpoolFailed { error });
        }
        *known = error;
    }

    pub fn spool_error(&self) -> Option<String> {
        locked(&self.spool_error).clone()
    }

    pub fn rejected(&self) -> u64 {
        self.rejected.load(Ordering::Relaxed)
    }

    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// There is something for the keeper to do.
    pub fn wake_keeper(&self) {
        locked(&self.keeper).has_work = true;
        self.wake.notify_all();
    }

    /// The store is being closed.
    pub fn stop(&self) {
        locked(&self.keeper).is_stopping = true;
        self.wake.notify_all();
    }

    pub fn is_stopping(&self) -> bool {
        locked(&self.keeper).is_stopping
    }

    /// Waits until there is work, but not longer than told.
    pub fn wait_for_work(&self, longest: Duration) -> Wake {
        let (mut signal, waited) = self
            .wake
            .wait_timeout_while(locked(&self.keeper), longest, |signal| !signal.has_work && !signal.is_stopping)
            .unwrap_or_else(PoisonError::into_inner);
        signal.has_work = false;
        match (signal.is_stopping, waited.timed_out()) {
            (true, _) => Wake::Stop,
            (false, true) => Wake::Idle,
            (false, false) => Wake::Work,
        }
    }

    /// Waits for as long as told; `false` when the store is being closed.
    pub fn pause(&self, length: Duration) -> bool {
        let (signal, _) = self
            .wake
            .wait_timeout_while(locked(&self.keeper), length, |signal| !signal.is_stopping)
            .unwrap_or_else(PoisonError::into_inner);
        !signal.is_stopping
    }
}

/// What was said of the last so many calls, which are kept as numbers: there are many.
pub(super) struct Recent<T> {
    values: HashMap<u128, T>,
    order: VecDeque<u128>,
    capacity: usize,
}

impl<T> Recent<T> {
    fn new(capacity: usize) -> Self {
        Self { values: HashMap::new(), order: VecDeque::new(), capacity }
    }

    /// Remembers the first value of a call; `false` if there is one.
    pub fn insert(&mut self, call: &CallSid, value: T) -> bool {
        let call = call.number();
        if self.values.contains_key(&call) {
            return false;
        }
        if self.order.len() >= self.capacity
            && let Some(oldest) = self.order.pop_front()
        {
            self.values.remove(&oldest);
        }
        self.order.push_back(call);
        self.values.insert(call, value);
        true
    }

    pub fn get(&self, call: &CallSid) -> Option<&T> {
        self.values.get(&call.number())
    }

    pub fn remove(&mut self, call: &CallSid) {
        let call = call.number();
        self.values.remove(&call);
        self.order.retain(|other| *other != call);
    }
}

/// The lock's content; no invariant of ours can be broken by a panic inside of it.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_calls_are_forgotten_and_the_first_word_stays() {
        let call = |n: u8| format!("CA{n:032x}").parse::<CallSid>().unwrap();
        let mut recent = Recent::new(2);
        assert!(recent.insert(&call(1), "a"));
        assert!(!recent.insert(&call(1), "b"));
        assert_eq!(recent.get(&call(1)), Some(&"a"));
        assert!(recent.insert(&call(2), "c"));
        assert!(recent.insert(&call(3), "d"));
        assert_eq!(recent.get(&call(1)), None);
        recent.remove(&call(2));
        assert!(recent.insert(&call(2), "e"));
    }
}
