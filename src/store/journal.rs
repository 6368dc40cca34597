//! Turns, timeline and ends of calls, written behind the calls' backs.
//!
//! ```text
//! TurnWriter ──┐ bounded queue   ┌──────────────┐ batch, patience ┌──────────────┐
//! TurnWriter ──┼────────────────▶│ store-journal│────────────────▶│ store-batches│──▶ database
//! TurnWriter ──┘ never waits     └──────┬───────┘                 └──────────────┘
//!                                       └ late, failed or known to be away ──▶ spool
//! ```
//!
//! The thread in the middle never waits for the database longer than its patience, so the queue fills up only
//! if the disk stalls too. Then the records that don't fit are dropped, and counted.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::time::Duration;

use crate::engine::call::Turn;
use crate::engine::ids::CallSid;

use super::error::StoreError;
use super::keeper::{spawn, write_all};
use super::link::Link;
use super::record::{CallEnd, CallEventRecord, Record};
use super::shared::{Shared, locked};
use super::worker::{Silence, Worker};
use super::write::write_records;

/// How many records share one transaction.
const BATCH: usize = 256;
/// How long records wait for others that share their commit, since a commit costs more than all that is in it.
///
/// 50 ms: a hundred calls then share twenty commits a second. Nobody waits for these records: what the carrier asks
/// for is answered from memory until then. A process that is killed loses so much more.
const COMMIT_WINDOW: Duration = Duration::from_millis(50);
/// How long to wait when neither the database nor the disk takes a batch.
const PAUSE: Duration = Duration::from_millis(250);
/// How long a flush waits before it looks again whether a full queue has room.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(10);

/// Writes one call's turns, timeline and end. Only the call's own actor holds it.
///
/// No method blocks or fails: what can't be stored at once waits, in memory and then on the disk.
pub struct TurnWriter {
    call: CallSid,
    next_seq: u32,
    queue: SyncSender<Item>,
    shared: Arc<Shared>,
}

impl TurnWriter {
    /// The call's.
    pub const fn call(&self) -> &CallSid {
        &self.call
    }

    /// Keeps a turn. A second one of the same number is ignored.
    pub fn turn(&mut self, turn: Turn) {
        self.put(Record::Turn { call: self.call.clone(), turn });
    }

    /// Appends to the call's timeline.
    pub fn event(&mut self, event: CallEventRecord) {
        let seq = self.next_seq;
        self.next_seq = seq.saturating_add(1);
        self.put(Record::Event { call: self.call.clone(), seq, event });
    }

    /// Keeps how the call ended. The first word stays; it can be read at once on this node.
    pub fn end(&mut self, end: CallEnd) {
        if locked(&self.shared.ends).insert(&self.call, end.clone()) {
            self.put(Record::End { call: self.call.clone(), end });
        }
    }

    fn put(&self, record: Record) {
        let kind = record.kind();
        self.shared.journal_waiting.fetch_add(1, Ordering::Relaxed);
        if self.queue.try_send(Item::Record(Box::new(record))).is_err() {
            self.shared.journal_waiting.fetch_sub(1, Ordering::Relaxed);
            self.shared.record_lost(kind);
        }
    }
}

impl Drop for TurnWriter {
    fn drop(&mut self) {
        locked(&self.shared.turn_writers).remove(&self.call);
    }
}

/// The queue of all calls.
pub(super) struct Journal {
    queue: SyncSender<Item>,
}

enum Item {
    Record(Box<Record>),
    /// Everything before it is stored, in the database or on the disk.
    Flush(SyncSender<()>),
}

impl Journal {
    pub fn start(shared: &Arc<Shared>) -> Result<Self, StoreError> {
        let (queue, items) = mpsc::sync_channel(shared.settings.journal_queue);
        let mut link = Link::new(Arc::clone(shared));
        let for_batches = Arc::clone(shared);
        let database = Worker::start("store-batches", move |batch: Arc<Vec<Record>>| {
            write_all(&for_batches, &batch, |records| link.run(|conn| write_records(conn, records)))
        })?;
        let shared = Arc::clone(shared);
        spawn("store-journal", move || Drain { shared, database }.run(&items))?;
        Ok(Self { queue })
    }

    /// The one writer of a call's turns.
    pub fn turn_writer(&self, shared: &Arc<Shared>, call: CallSid) -> Result<TurnWriter, StoreError> {
        if !locked(&shared.turn_writers).insert(call.clone()) {
            return Err(StoreError::SecondTurnWriter(call.to_string()));
        }
        Ok(TurnWriter { call, next_seq: 1, queue: self.queue.clone(), shared: Arc::clone(shared) })
    }

    /// Waits until everything that was put before is stored; `false` if that takes longer than `patience`.
    pub fn flush(&self, patience: Duration) -> bool {
        let (tell, told) = mpsc::sync_channel(1);
        let (mut item, mut left) = (Item::Flush(tell), patience);
        // A full queue is no reason to give up: the thread behind it makes room as soon as anything takes a batch.
        while let Err(TrySendError::Full(unsent)) = self.queue.try_send(item) {
            if left.is_zero() {
                return false;
            }
            let pause = LOOK_AGAIN_AFTER.min(left);
            std::thread::park_timeout(pause);
            (item, left) = (unsent, left - pause);
        }
        told.recv_timeout(left).is_ok()
    }
}

struct Drain {
    shared: Arc<Shared>,
    database: Worker<Arc<Vec<Record>>, Result<(), StoreError>>,
}

impl Drain {
    /// Ends when the store and every turn writer are gone and the queue is empty.
    fn run(mut self, items: &Receiver<Item>) {
        let mut is_behind = false;
        while let Ok(first) = items.recv() {
            if !is_behind && matches!(first, Item::Record(_)) {
                self.shared.pause(COMMIT_WINDOW);
            }
            let mut batch = Vec::new();
            let mut flushes = Vec::new();
            for item in std::iter::once(first).chain(items.try_iter()) {
                match item {
                    Item::Record(record) => batch.push(*record),
                    Item::Flush(tell) => flushes.push(tell),
                }
                if batch.len() >= BATCH || !flushes.is_empty() {
                    break;
                }
            }
            is_behind = batch.len() >= BATCH;
            let count = batch.len() as u64;
            if count > 0 {
                self.store(Arc::new(batch));
                self.shared.journal_waiting.fetch_sub(count, Ordering::Relaxed);
            }
            for tell in flushes {
                // Whoever asked may have stopped waiting.
                tell.try_send(()).ok();
            }
        }
    }

    fn store(&mut self, batch: Arc<Vec<Record>>) {
        while !self.is_in_database(&batch) && self.shared.keep_in_spool(&batch).is_err() {
            if !self.shared.pause(PAUSE) {
                batch.iter().for_each(|record| self.shared.record_lost(record.kind()));
                return;
            }
        }
    }

    fn is_in_database(&mut self, batch: &Arc<Vec<Record>>) -> bool {
        if !self.shared.is_up() {
            return false;
        }
        match self.database.ask(Arc::clone(batch), self.shared.settings.patience) {
            Ok(written) => written.is_ok(),
            Err(Silence::Late) => {
                self.shared.database_lost("it does not answer in time");
                false
            }
            Err(Silence::Busy) => false,
        }
    }
}
