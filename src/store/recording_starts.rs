//! Which calls the carrier was asked to record: once each, by one node.

use diesel::prelude::*;

use crate::engine::ids::CallSid;

use super::Store;
use super::db::both;
use super::error::StoreError;
use super::schema::recording_starts;

/// One row of `recording_starts`.
#[derive(Debug, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = recording_starts)]
struct StartRow {
    call_sid: String,
    node: String,
    claimed_at: i64,
}

impl Store {
    /// Claims the start of the carrier's recording of a call for `node` at `at` (microseconds since 1970-01-01 UTC): whether
    /// it is the first to do so, on any node. The same claim, made again after an error, has the same answer. Blocks for as
    /// long as the database does.
    pub fn claim_recording(&self, call: &CallSid, node: &str, at: i64) -> Result<bool, StoreError> {
        let ours = StartRow { call_sid: call.to_string(), node: node.to_owned(), claimed_at: at };
        self.change(|conn| {
            let inserted = both!(&mut *conn, |c| diesel::insert_into(recording_starts::table)
                .values(&ours)
                .on_conflict_do_nothing()
                .execute(c))?;
            if inserted == 1 {
                return Ok(true);
            }
            let first: StartRow =
                both!(conn, |c| recording_starts::table.find(call.as_str()).select(StartRow::as_select()).first(c))?;
            Ok(first == ours)
        })
    }
}
