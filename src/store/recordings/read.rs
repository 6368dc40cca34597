//! What can be asked about recordings.

use diesel::prelude::*;

use crate::engine::ids::CallSid;
use crate::engine::recording::RecordingId;

use super::Recording;
use super::rows::RecordingRow;
use crate::store::Store;
use crate::store::db::{Conn, both};
use crate::store::error::{Fault, StoreError};
use crate::store::schema::recordings as table;

/// Every question blocks for as long as the database does.
impl Store {
    /// One recording.
    pub fn recording(&self, id: &RecordingId) -> Result<Option<Recording>, StoreError> {
        let id = id.to_string();
        self.ask(|conn| {
            both!(conn, |c| table::table.find(&id).select(RecordingRow::as_select()).first(c).optional())?
                .map(RecordingRow::into_recording)
                .transpose()
        })
    }

    /// The recordings of a call, in the order in which they were heard of.
    pub fn recordings_of(&self, call: &CallSid) -> Result<Vec<Recording>, StoreError> {
        self.ask(|conn| all_of(conn, call))
    }
}

/// The recordings of a call, in the order in which they were heard of.
pub(in crate::store) fn all_of(conn: &mut Conn, call: &CallSid) -> Result<Vec<Recording>, Fault> {
    both!(conn, |c| table::table
        .filter(table::call_sid.eq(call.as_str()))
        .order((table::created_at, table::id))
        .select(RecordingRow::as_select())
        .load(c))?
    .into_iter()
    .map(RecordingRow::into_recording)
    .collect()
}
