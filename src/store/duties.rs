//! What one node at a time does for all nodes of a database.

use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use super::Store;
use super::db::both;
use super::error::StoreError;

/// Takes a duty that is free, or keeps one's own. Both databases number parameters in the order of their first use.
const HOLD: &str = "\
    INSERT INTO duties (duty, node, held_until) VALUES ($1, $2, $3) \
    ON CONFLICT (duty) DO UPDATE SET node = excluded.node, held_until = excluded.held_until \
    WHERE duties.node = excluded.node OR duties.held_until < $4";

impl Store {
    /// Takes a duty for `node` until `length` after `now` (microseconds since 1970-01-01 UTC), unless another node holds
    /// it: whether it is this node's now. Whoever holds it takes it again before its time is over.
    ///
    /// The nodes' clocks are compared: one that is ahead by more than the rest of the time takes the duty while its holder
    /// is still at it. So a duty must do no harm when two nodes do it at once. Blocks for as long as the database does.
    pub fn hold_duty(&self, duty: &str, node: &str, now: i64, length: Duration) -> Result<bool, StoreError> {
        let until = now.saturating_add(i64::try_from(length.as_micros()).unwrap_or(i64::MAX));
        self.change(|conn| {
            let held = both!(&mut *conn, |c| diesel::sql_query(HOLD)
                .bind::<Text, _>(duty)
                .bind::<Text, _>(node)
                .bind::<BigInt, _>(until)
                .bind::<BigInt, _>(now)
                .execute(c))?;
            Ok(held == 1)
        })
    }
}
