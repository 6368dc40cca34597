//! How the store is: what `/ready` and the metrics show.

/// Whether the database answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseState {
    /// It has not answered since the start, or its schema is not up to date yet.
    NotReady {
        /// What stands in the way.
        error: String,
    },
    /// It answers.
    Up,
    /// It has stopped answering.
    Down {
        /// What it said last.
        error: String,
    },
}

/// How the store is, read from memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreHealth {
    /// `sqlite` or `postgres`.
    pub backend: &'static str,
    /// Whether the database answers.
    pub database: DatabaseState,
    /// How many records wait on the disk for the database.
    pub spool_records_waiting: u64,
    /// Why the spool can't be used; `None` once it can again.
    pub spool_error: Option<String>,
    /// How many turns, events and ends wait in memory.
    pub journal_records_waiting: u64,
    /// How many records were set aside since the start, because the database will never take them.
    pub records_rejected: u64,
    /// How many records were dropped since the start, because neither the database nor the disk took any.
    pub records_lost: u64,
}

impl StoreHealth {
    /// Whether the database answers and the spool can be written.
    pub fn is_ready(&self) -> bool {
        self.database == DatabaseState::Up && self.spool_error.is_none()
    }
}
