//! The thread that keeps the database ready: connects, migrates, notices that it is back, and empties the
//! spool into it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

use diesel::prelude::*;

use super::db::both;
use super::error::{Fault, StoreError};
use super::link::Link;
use super::migrate::migrate;
use super::record::Record;
use super::schema::{
    call_ends, call_events, calls, media_claims, recording_work, recordings, status_events, turns, webhook_deliveries,
};
use super::settings::StoreEvent;
use super::shared::{Shared, Wake};
use super::target::ConnectFault;
use super::write::{isolating, words, write_records};

/// The first pause between two attempts; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// A database that is back is noticed within this time.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How many records of the spool share one transaction.
const REPLAY_BATCH: usize = 256;

/// Starts the keeper, and waits for its first attempt, but not longer than a connection may take. A database
/// that is away then is no error: calls are answered, and records wait in the spool.
pub(super) fn start(shared: &Arc<Shared>) -> Result<(), StoreError> {
    let (tell, told) = mpsc::sync_channel(1);
    let keeper = Keeper { shared: Arc::clone(shared), link: Link::new(Arc::clone(shared)), is_migrated: false };
    let thread = spawn("store-keeper", move || keeper.run(&tell))?;
    match told.recv_timeout(shared.settings.connect_timeout + Duration::from_secs(1)) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => {
            // It ends with these words; the spool is free once it has. Had it panicked, there would be none.
            thread.join().ok();
            Err(error)
        }
        Err(RecvTimeoutError::Timeout) => {
            shared.database_lost("no answer to the first connection yet");
            Ok(())
        }
        Err(RecvTimeoutError::Disconnected) => Err(StoreError::Stopping),
    }
}

/// Starts a thread of the store.
pub(super) fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StoreError> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
        .map_err(|error| StoreError::Unavailable(format!("the thread {name} can't be started: {error}")))
}

struct Keeper {
    shared: Arc<Shared>,
    link: Link,
    is_migrated: bool,
}

impl Keeper {
    fn run(mut self, tell: &mpsc::SyncSender<Result<(), StoreError>>) {
        let first = self.open();
        let is_wrong = first.as_ref().is_err_and(|error| !error.is_retryable());
        if let Err(error) = &first
            && !is_wrong
        {
            self.shared.database_lost(&error.to_string());
            self.shared.settings.observer.tell(StoreEvent::DatabaseLost { error: &error.to_string() });
        }
        let has_told = tell.try_send(if is_wrong { first } else { Ok(()) });
        if is_wrong && has_told.is_ok() {
            return; // whoever opened the store is told, and nobody else will ask for it
        }
        let mut pause = FIRST_PAUSE;
        while !self.shared.is_stopping() {
            match self.step() {
                Ok(true) => pause = FIRST_PAUSE,
                Ok(false) => {
                    pause = FIRST_PAUSE;
                    match self.shared.wait_for_work(self.shared.settings.ping_every) {
                        Wake::Work => {}
                        Wake::Idle => {
                            self.ping();
                            self.shared.probe_spool();
                        }
                        Wake::Stop => return,
                    }
                }
                Err(error) => {
                    if !matches!(error, StoreError::Spool(_)) {
                        self.shared.database_lost(&error.to_string());
                        self.shared.has_found_out();
                        self.shared.probe_spool();
                    }
                    if !self.shared.pause(pause) {
                        return;
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Does the one thing that is due; whether there was any.
    fn step(&mut self) -> Result<bool, StoreError> {
        // A panic here is a fault of ours; the spool keeps everything, and the next attempt is a new one.
        catch_unwind(AssertUnwindSafe(|| {
            if !self.is_migrated {
                self.open()?;
                self.shared.settings.observer.tell(StoreEvent::DatabaseBack);
                return Ok(true);
            }
            if !self.shared.is_up() {
                self.probe()?;
                // What waits in the spool is the last proof: a full disk, or a row that somebody holds.
                self.replay_segment()?;
                self.shared.database_answers();
                self.shared.settings.observer.tell(StoreEvent::DatabaseBack);
                return Ok(true);
            }
            self.replay_segment()
        }))
        .unwrap_or_else(|panic| Err(StoreError::Quarantined(words(&*panic))))
    }

    fn open(&mut self) -> Result<(), StoreError> {
        let mut db = self.shared.target.connect().map_err(|fault| match fault {
            ConnectFault::Wrong(error) => StoreError::BadUrl(error),
            ConnectFault::Away(error) => StoreError::Unavailable(error),
        })?;
        migrate(&mut db).map_err(|fault| match fault {
            Fault::Closed(error) | Fault::Away(error) | Fault::Contended(error) | Fault::Locked(error) => {
                StoreError::Unavailable(error)
            }
            Fault::Data(error) | Fault::Panicked(error) => StoreError::Migration(error),
            Fault::Corrupt(field) => StoreError::Migration(field.to_owned()),
        })?;
        self.is_migrated = true;
        self.shared.database_answers();
        Ok(())
    }

    /// Finds out whether the database still answers, so that a quiet night's outage is known before the first
    /// call of the morning.
    fn ping(&mut self) {
        let answer = self.link.run(|conn| Ok(both!(conn, |c| diesel::sql_query("SELECT 1").execute(c)).map(drop)?));
        // A failure is told to everybody by the link.
        answer.ok();
    }

    /// Whether every table of calls could be written to now: a server that only answers (it is read-only, or somebody
    /// holds a table's lock) is of no use. No row has an empty call sid or id.
    fn probe(&mut self) -> Result<(), Fault> {
        self.link.run_anyway(|conn| {
            both!(conn, |c| {
                diesel::delete(calls::table.filter(calls::call_sid.eq(""))).execute(c)?;
                diesel::delete(status_events::table.filter(status_events::call_sid.eq(""))).execute(c)?;
                diesel::delete(turns::table.filter(turns::call_sid.eq(""))).execute(c)?;
                diesel::delete(call_events::table.filter(call_events::call_sid.eq(""))).execute(c)?;
                diesel::delete(call_ends::table.filter(call_ends::call_sid.eq(""))).execute(c)?;
                diesel::delete(media_claims::table.filter(media_claims::call_sid.eq(""))).execute(c)?;
                diesel::delete(webhook_deliveries::table.filter(webhook_deliveries::id.eq(""))).execute(c)?;
                diesel::delete(recording_work::table.filter(recording_work::call_sid.eq(""))).execute(c)?;
                diesel::delete(recordings::table.filter(recordings::id.eq(""))).execute(c)?;
            });
            Ok(())
        })
    }

    /// Writes the oldest segment to the database and removes it; `false` if there is none.
    fn replay_segment(&mut self) -> Result<bool, StoreError> {
        let Some(segment) = self.shared.spool.oldest() else { return Ok(false) };
        let contents = self.shared.spool.read(&segment);
        self.shared.note_spool(&contents);
        let contents = contents?;
        for line in &contents.unreadable {
            self.shared.set_aside(line, "not a record that can be read")?;
        }
        for batch in contents.records.chunks(REPLAY_BATCH) {
            write_all(&self.shared, batch, |batch| self.link.run_anyway(|conn| write_records(conn, batch)))?;
        }
        let removed = self.shared.spool.remove(&segment);
        self.shared.note_spool(&removed);
        removed?;
        self.shared.settings.observer.tell(StoreEvent::SpoolReplayed { records: contents.records.len() as u64 });
        Ok(true)
    }
}

/// Writes records; those that are themselves to blame for a failure are set aside. An error means that the
/// database is away, and that all of them are to be written again.
pub(super) fn write_all(
    shared: &Shared,
    records: &[Record],
    mut write: impl FnMut(&[Record]) -> Result<(), Fault>,
) -> Result<(), StoreError> {
    let results = isolating(records, |records| write(records).map(|()| vec![(); records.len()]));
    if let Some(Err(fault)) = results.iter().find(|result| matches!(result, Err(fault) if !fault.is_the_records())) {
        return Err(fault.clone().into());
    }
    for (record, result) in records.iter().zip(results) {
        if let Err(fault) = result {
            shared.set_aside(record, &StoreError::from(fault).to_string())?;
        }
    }
    Ok(())
}
