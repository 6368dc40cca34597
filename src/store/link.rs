//! A writer's own connection, mended when it breaks.

use std::sync::Arc;

use super::db::{Conn, Db};
use super::error::Fault;
use super::shared::Shared;

/// How often a transaction is tried that others were in the way of.
const ATTEMPTS: u32 = 6;

/// One connection, opened when it is first needed.
pub(super) struct Link {
    shared: Arc<Shared>,
    db: Option<Db>,
}

impl Link {
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared, db: None }
    }

    /// Does `work` in a transaction, unless the database is known to be away; finds out if it is.
    pub fn run<T>(&mut self, work: impl FnMut(&mut Conn) -> Result<T, Fault>) -> Result<T, Fault> {
        if !self.shared.is_up() {
            return Err(Fault::Away(self.shared.why_down()));
        }
        let done = self.run_anyway(work);
        if let Err(Fault::Closed(error) | Fault::Away(error)) = &done {
            self.shared.database_lost(error);
        }
        done
    }

    /// Does `work` in a transaction, whatever is known of the database.
    ///
    /// A connection that turns out to be closed is replaced once: servers and proxies close idle ones. One
    /// that failed in any other way than by the record's fault is dropped, also by a panic.
    pub fn run_anyway<T>(&mut self, mut work: impl FnMut(&mut Conn) -> Result<T, Fault>) -> Result<T, Fault> {
        let mut last = Fault::Contended("no attempt was made".to_owned());
        for _ in 0..ATTEMPTS {
            let (mut db, is_fresh) = match self.db.take() {
                Some(db) => (db, false),
                None => (self.shared.target.connect()?, true),
            };
            match db.transaction(&mut work) {
                Ok(done) => {
                    self.db = Some(db);
                    return Ok(done);
                }
                Err(fault) if fault.is_the_records() => {
                    self.db = Some(db);
                    return Err(fault);
                }
                Err(Fault::Contended(error)) => {
                    self.db = Some(db);
                    last = Fault::Contended(error);
                }
                Err(Fault::Closed(error)) if !is_fresh => last = Fault::Closed(error),
                Err(fault) => return Err(fault),
            }
        }
        Err(last)
    }
}
