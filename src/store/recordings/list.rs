//! Recordings of all calls, for whoever looks after them.

use diesel::prelude::*;

use crate::engine::ids::BusinessId;
use crate::engine::recording::{RecordingId, RecordingState};

use super::Recording;
use super::rows::RecordingRow;
use crate::store::Store;
use crate::store::db::both;
use crate::store::error::StoreError;
use crate::store::schema::recordings as table;

/// Which recordings are wanted: those that fit everything that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordingFilter {
    /// Whose.
    pub business: Option<BusinessId>,
    /// As far as this, and no farther.
    pub state: Option<RecordingState>,
}

/// The table, with what fits the filter.
macro_rules! fitting {
    ($filter:expr) => {{
        let mut query = table::table.into_boxed();
        if let Some(business) = &$filter.business {
            query = query.filter(table::business.eq(business.as_str()));
        }
        if let Some(state) = $filter.state {
            query = query.filter(table::state.eq(state.as_str()));
        }
        query
    }};
}

/// Every question blocks for as long as the database does.
impl Store {
    /// Up to so many recordings, those that were heard of last first.
    pub fn newest_recordings(&self, wanted: &RecordingFilter, at_most: u32) -> Result<Vec<Recording>, StoreError> {
        self.ask(|conn| {
            both!(conn, |c| fitting!(wanted)
                .order((table::created_at.desc(), table::id.desc()))
                .limit(at_most.into())
                .select(RecordingRow::as_select())
                .load(c))?
            .into_iter()
            .map(RecordingRow::into_recording)
            .collect()
        })
    }

    /// Up to so many recordings in the order of their names, behind this one: for going through all of them, whatever is
    /// added meanwhile.
    pub fn recordings_behind(
        &self,
        wanted: &RecordingFilter,
        behind: Option<&RecordingId>,
        at_most: u32,
    ) -> Result<Vec<Recording>, StoreError> {
        let behind = behind.map(ToString::to_string).unwrap_or_default();
        self.ask(|conn| {
            both!(conn, |c| fitting!(wanted)
                .filter(table::id.gt(&behind))
                .order(table::id)
                .limit(at_most.into())
                .select(RecordingRow::as_select())
                .load(c))?
            .into_iter()
            .map(RecordingRow::into_recording)
            .collect()
        })
    }

    /// How many recordings there are.
    pub fn count_recordings(&self, wanted: &RecordingFilter) -> Result<u64, StoreError> {
        let count: i64 = self.ask(|conn| Ok(both!(conn, |c| fitting!(wanted).count().get_result(c))?))?;
        Ok(count.unsigned_abs())
    }
}
