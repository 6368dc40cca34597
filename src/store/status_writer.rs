//! The only value that can write a call's status.

use std::sync::Arc;

use crate::engine::status::StatusChange;

use super::error::{Fault, StoreError};
use super::link::Link;
use super::record::Record;
use super::shared::Shared;
use super::write::{StoredStatus, isolating, merge_statuses};

/// Writes status changes. There is one per store, and it can't be copied: whoever holds it is the writer.
///
/// Every method may block for as long as the database does; call it where blocking is allowed.
pub struct StatusWriter {
    shared: Arc<Shared>,
    link: Link,
}

impl StatusWriter {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { link: Link::new(Arc::clone(&shared)), shared }
    }

    /// Folds changes into their calls' rows and keeps each as history, all in one transaction. The answers
    /// are in the order of the changes; they hold once this returns.
    ///
    /// # Errors
    /// Nothing is written then.
    pub fn apply(&mut self, changes: &[StatusChange]) -> Result<Vec<StoredStatus>, StoreError> {
        Ok(self.merge(changes)?)
    }

    /// The same, but a change that is itself to blame for a failure is set aside, and the others are written.
    /// One answer per change, in their order.
    pub fn apply_each(&mut self, changes: &[StatusChange]) -> Vec<Result<StoredStatus, StoreError>> {
        let results = isolating(changes, |changes| self.merge(changes));
        changes.iter().zip(results).map(|(change, result)| result.map_err(|fault| self.judge(change, fault))).collect()
    }

    /// Where changes go while the database does not answer.
    pub fn spool(&self) -> StatusSpool {
        StatusSpool { shared: Arc::clone(&self.shared) }
    }

    fn merge(&mut self, changes: &[StatusChange]) -> Result<Vec<StoredStatus>, Fault> {
        let changes: Vec<&StatusChange> = changes.iter().collect();
        self.link.run(|conn| merge_statuses(conn, &changes))
    }

    fn judge(&self, change: &StatusChange, fault: Fault) -> StoreError {
        let is_the_records = fault.is_the_records();
        let error = StoreError::from(fault);
        if is_the_records {
            // If it can't be set aside either, that is counted there, and the sender is refused all the same.
            self.shared.set_aside(&Record::Status { change: change.clone() }, &error.to_string()).ok();
        }
        error
    }
}

/// Keeps status changes on the disk for as long as the database is away. Only the holder of the
/// [`StatusWriter`] can get one.
#[derive(Clone)]
pub struct StatusSpool {
    shared: Arc<Shared>,
}

impl StatusSpool {
    /// Whether it is worth asking the database.
    pub fn database_answers(&self) -> bool {
        self.shared.is_up()
    }

    /// The database has been silent for longer than its caller's patience: nobody asks it again until the
    /// store's own thread has found it well.
    pub fn database_is_silent(&self) {
        self.shared.database_lost("it does not answer in time");
    }

    /// Keeps changes; they are on the disk when this returns, and go to the database as soon as it answers.
    /// A change that is in the database already does no harm there. Blocks for as long as the disk does.
    pub fn keep(&self, changes: &[StatusChange]) -> Result<(), StoreError> {
        let records: Vec<Record> = changes.iter().map(|change| Record::Status { change: change.clone() }).collect();
        self.shared.keep_in_spool(&records)
    }
}
