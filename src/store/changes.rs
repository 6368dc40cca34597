//! What is changed at once or not at all, by whoever waits for it: unlike the records of calls, it never goes to the spool.

use super::Store;
use super::db::Conn;
use super::error::{Fault, StoreError};

/// How often a transaction is tried that others were in the way of.
const ATTEMPTS: u32 = 4;

impl Store {
    /// Does `work` in a transaction. Blocks for as long as the database does.
    pub(super) fn change<T>(&self, mut work: impl FnMut(&mut Conn) -> Result<T, Fault>) -> Result<T, StoreError> {
        if !self.shared.is_up() {
            return Err(StoreError::Unavailable(self.shared.why_down()));
        }
        let mut db = self.readers.get().map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let mut outcome = db.transaction(&mut work);
        for _ in 1..ATTEMPTS {
            match &outcome {
                Err(Fault::Contended(_)) => outcome = db.transaction(&mut work),
                _ => break,
            }
        }
        if let Err(Fault::Closed(error) | Fault::Away(error)) = &outcome {
            self.shared.database_lost(error);
        }
        Ok(outcome?)
    }
}
