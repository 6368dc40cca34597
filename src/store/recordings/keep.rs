//! Which recordings have been kept for long enough, and that they are gone.

use diesel::dsl::{exists, not};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use crate::engine::ids::BusinessId;
use crate::engine::recording::{RecordingId, RecordingState, Step};

use super::Recording;
use super::rows::RecordingRow;
use crate::store::Store;
use crate::store::db::both;
use crate::store::error::{Fault, StoreError};
use crate::store::rows::parsed;
use crate::store::schema::{recording_work as work, recordings as table};

/// Those whose time may be over.
const KEPT: [&str; 3] =
    [RecordingState::Fetched.as_str(), RecordingState::Failed.as_str(), RecordingState::Unkept.as_str()];
/// Those of them that are not in the store: their time began when they were first heard of.
const NOT_HERE: [&str; 2] = [RecordingState::Failed.as_str(), RecordingState::Unkept.as_str()];

/// How much lies in the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeptRecordings {
    /// Recordings.
    pub count: u64,
    /// All together.
    pub bytes: u64,
}

#[derive(QueryableByName)]
struct Sum {
    #[diesel(sql_type = BigInt)]
    count: i64,
    #[diesel(sql_type = BigInt)]
    bytes: i64,
}

#[derive(QueryableByName)]
struct OfBusiness {
    #[diesel(sql_type = Text)]
    business: String,
    #[diesel(sql_type = BigInt)]
    bytes: i64,
}

/// A recording about which something is still to be done is never named here. Every method blocks for as long as the database
/// does; times are microseconds since 1970-01-01 UTC.
impl Store {
    /// Recordings that were fetched before `before`, or first heard of, where they could not be fetched; in an order that goes on
    /// behind `after`.
    pub fn recordings_past(
        &self,
        before: i64,
        after: Option<&RecordingId>,
        at_most: u32,
    ) -> Result<Vec<Recording>, StoreError> {
        let after = after.map(ToString::to_string).unwrap_or_default();
        self.ask(|conn| {
            let rows: Vec<RecordingRow> = both!(conn, |c| {
                let pending = work::table.filter(work::call_sid.eq(table::call_sid));
                let pending = pending.filter(work::state.ne(Step::Done.as_str()));
                let is_fetched = table::state.eq(RecordingState::Fetched.as_str());
                let is_not_here = table::state.eq_any(NOT_HERE);
                let is_past = is_fetched.and(table::fetched_at.lt(before).assume_not_null());
                table::table
                    .filter(is_past.or(is_not_here.and(table::created_at.lt(before))))
                    .filter(table::id.gt(&after))
                    .filter(not(exists(pending)))
                    .order(table::id)
                    .limit(at_most.into())
                    .select(RecordingRow::as_select())
                    .load(c)
            })?;
            rows.into_iter().map(RecordingRow::into_recording).collect()
        })
    }

    /// The recordings of a business that lie in the store, the oldest first, leaving out the first `skip`.
    pub fn oldest_recordings(
        &self,
        business: &BusinessId,
        skip: u32,
        at_most: u32,
    ) -> Result<Vec<Recording>, StoreError> {
        self.ask(|conn| {
            let rows: Vec<RecordingRow> = both!(conn, |c| {
                let pending = work::table.filter(work::call_sid.eq(table::call_sid));
                let pending = pending.filter(work::state.ne(Step::Done.as_str()));
                table::table
                    .filter(table::business.eq(business.as_str()))
                    .filter(table::state.eq(RecordingState::Fetched.as_str()))
                    .filter(not(exists(pending)))
                    .order((table::fetched_at, table::id))
                    .offset(skip.into())
                    .limit(at_most.into())
                    .select(RecordingRow::as_select())
                    .load(c)
            })?;
            rows.into_iter().map(RecordingRow::into_recording).collect()
        })
    }

    /// Businesses of which more than so many bytes lie in the store, and how many.
    pub fn businesses_above(&self, bytes: u64) -> Result<Vec<(BusinessId, u64)>, StoreError> {
        let limit = i64::try_from(bytes).unwrap_or(i64::MAX);
        let rows: Vec<OfBusiness> = self.ask(|conn| {
            Ok(both!(conn, |c| diesel::sql_query(
                "SELECT business, CAST(SUM(bytes) AS BIGINT) AS bytes FROM recordings \
                 WHERE business IS NOT NULL AND state = 'fetched' GROUP BY business HAVING SUM(bytes) > $1",
            )
            .bind::<BigInt, _>(limit)
            .load(c))?)
        })?;
        let read = |row: OfBusiness| Ok((parsed(&row.business, "recordings.business")?, row.bytes.unsigned_abs()));
        rows.into_iter().map(|row| read(row).map_err(|fault: Fault| fault.into())).collect()
    }

    /// How much lies in the store.
    pub fn kept_recordings(&self) -> Result<KeptRecordings, StoreError> {
        let sum: Sum = self.ask(|conn| {
            Ok(both!(conn, |c| diesel::sql_query(
                "SELECT COUNT(*) AS count, CAST(COALESCE(SUM(bytes), 0) AS BIGINT) AS bytes FROM recordings \
                 WHERE state = 'fetched'",
            )
            .get_result(c))?)
        })?;
        Ok(KeptRecordings { count: sum.count.unsigned_abs(), bytes: sum.bytes.unsigned_abs() })
    }

    /// Notes that a recording is gone, at the carrier and here, and forgets where it was. `false`: it was gone before, or
    /// somebody wants it again.
    pub fn expire_recording(&self, id: &RecordingId, at: i64) -> Result<bool, StoreError> {
        let id = id.to_string();
        self.change(|conn| {
            let to = (
                table::state.eq(RecordingState::Expired.as_str()),
                table::url.eq(None::<String>),
                table::store_key.eq(None::<String>),
                table::deleted_at.eq(Some(at)),
            );
            let kept = table::table.find(&id).filter(table::state.eq_any(KEPT));
            Ok(both!(conn, |c| diesel::update(kept).set(to).execute(c))? == 1)
        })
    }
}
