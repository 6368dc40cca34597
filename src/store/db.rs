//! One connection to either database, and the transaction that both understand.

use std::sync::{Arc, Mutex, PoisonError};

use diesel::connection::{AnsiTransactionManager, TransactionManager};
#[cfg(feature = "postgres")]
use diesel::pg::PgConnection;
use diesel::sqlite::SqliteConnection;

use super::error::Fault;

/// Writes a query once for both databases: `both!(conn, |c| query.execute(c))`.
///
/// The body is compiled once per database, so that what Diesel offers to only one kind of connection at a
/// time (upserts, `RETURNING`) works on both.
macro_rules! both {
    ($conn:expr, |$c:ident| $body:expr) => {
        match $conn {
            $crate::store::db::Conn::Sqlite($c) => $body,
            #[cfg(feature = "postgres")]
            $crate::store::db::Conn::Postgres($c) => $body,
        }
    };
}
pub(super) use both;

/// How often a transaction is tried that others were in the way of.
const ATTEMPTS: u32 = 6;
/// How often one is tried that a lock was kept from for as long as one is waited for.
const ATTEMPTS_AT_A_LOCK: u32 = 2;

/// A connection, by database.
pub(super) enum Conn {
    Sqlite(SqliteConnection),
    #[cfg(feature = "postgres")]
    Postgres(PgConnection),
}

/// A connection, and what keeps its writers apart.
pub(super) struct Db {
    pub conn: Conn,
    /// SQLite has one writer at a time and makes the others poll for their turn with growing pauses; within
    /// one process they wait here instead, and are woken.
    pub gate: Option<Arc<Mutex<()>>>,
}

impl Db {
    /// Does `work` wholly or not at all; again, where others were in the way of it.
    ///
    /// On SQLite it takes the write lock at once: a transaction that reads first and wants to write later is
    /// refused as locked, whatever its patience.
    pub fn transaction<T>(&mut self, mut work: impl FnMut(&mut Conn) -> Result<T, Fault>) -> Result<T, Fault> {
        let gate = self.gate.clone();
        let _turn = gate.as_ref().map(|gate| gate.lock().unwrap_or_else(PoisonError::into_inner));
        let mut attempts = 0;
        loop {
            attempts += 1;
            match self.within(["BEGIN IMMEDIATE", "BEGIN"], &mut work) {
                Err(Fault::Contended(_)) if attempts < ATTEMPTS => {}
                Err(Fault::Locked(_)) if attempts < ATTEMPTS_AT_A_LOCK => {}
                done => return done,
            }
        }
    }

    /// Asks several questions of the same moment, whatever is written meanwhile.
    pub fn snapshot<T>(&mut self, questions: impl FnOnce(&mut Conn) -> Result<T, Fault>) -> Result<T, Fault> {
        self.within(["BEGIN DEFERRED", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"], questions)
    }

    /// `begin` is the statement for SQLite, and for PostgreSQL.
    fn within<T>(&mut self, begin: [&str; 2], work: impl FnOnce(&mut Conn) -> Result<T, Fault>) -> Result<T, Fault> {
        match &mut self.conn {
            Conn::Sqlite(c) => AnsiTransactionManager::begin_transaction_sql(c, begin[0])?,
            #[cfg(feature = "postgres")]
            Conn::Postgres(c) => AnsiTransactionManager::begin_transaction_sql(c, begin[1])?,
        }
        match work(&mut self.conn) {
            Ok(done) => {
                both!(&mut self.conn, |c| AnsiTransactionManager::commit_transaction(c))?;
                Ok(done)
            }
            Err(fault) => match both!(&mut self.conn, |c| AnsiTransactionManager::rollback_transaction(c)) {
                Ok(()) => Err(fault),
                // A record that is at fault stays at fault; but a connection that can't roll back is no use.
                Err(error) if fault.is_the_records() => Err(Fault::Closed(error.to_string())),
                Err(_) => Err(fault),
            },
        }
    }
}
