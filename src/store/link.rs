//! A writer's own connection, mended when it breaks.

use std::sync::Arc;

use super::db::{Conn, Db};
use super::error::Fault;
use super::shared::Shared;

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
    /// that failed by the database's fault is dropped, and one in whose use there was a panic.
    pub fn run_anyway<T>(&mut self, mut work: impl FnMut(&mut Conn) -> Result<T, Fault>) -> Result<T, Fault> {
        loop {
            let (mut db, is_fresh) = match self.db.take() {
                Some(db) => (db, false),
                None => (self.shared.target.connect()?, true),
            };
            match db.transaction(&mut work) {
                Ok(done) => {
                    self.db = Some(db);
                    return Ok(done);
                }
                Err(Fault::Closed(_)) if !is_fresh => {}
                Err(fault @ (Fault::Closed(_) | Fault::Away(_))) => return Err(fault),
                Err(fault) => {
                    self.db = Some(db);
                    return Err(fault);
                }
            }
        }
    }
}
