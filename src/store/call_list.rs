//! The list of calls, newest first, a page at a time.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use crate::engine::ids::{BusinessId, CallSid, PhoneNumber};
use crate::engine::status::{CallDirection, CallRow, CallStatus};

use super::Store;
use super::db::both;
use super::error::StoreError;
use super::rows::CallsRow;
use super::schema::calls;

/// Which calls are wanted: those that fit everything that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallFilter {
    /// Whose.
    pub business: Option<BusinessId>,
    /// As far as this, and no farther.
    pub status: Option<CallStatus>,
    /// Who called whom.
    pub direction: Option<CallDirection>,
    /// From or to this number.
    pub number: Option<PhoneNumber>,
    /// Of this time or later: microseconds since 1970-01-01 UTC.
    pub since: Option<i64>,
    /// Of an earlier time than this: microseconds since 1970-01-01 UTC.
    pub until: Option<i64>,
}

/// A call's place in the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallPlace(pub i64, pub CallSid);

impl From<&CallRow> for CallPlace {
    fn from(row: &CallRow) -> Self {
        Self(row.created_at, row.call_sid.clone())
    }
}

impl Store {
    /// Up to so many calls, the newest first, that stand in the list behind this place.
    ///
    /// A call whose beginning becomes known later than the rest of it moves towards the end of the list.
    pub fn calls(
        &self,
        wanted: &CallFilter,
        behind: Option<&CallPlace>,
        rows: usize,
    ) -> Result<Vec<CallRow>, StoreError> {
        use calls::{call_sid, created_at};
        self.ask(|conn| {
            both!(conn, |c| {
                let mut page = calls::table.select(CallsRow::as_select()).into_boxed();
                if let Some(business) = &wanted.business {
                    page = page.filter(calls::business.eq(business.as_str()));
                }
                if let Some(status) = wanted.status {
                    page = page.filter(calls::status.eq(status.as_str()));
                }
                if let Some(direction) = wanted.direction {
                    page = page.filter(calls::direction.eq(direction.as_str()));
                }
                if let Some(number) = &wanted.number {
                    let number = number.as_str();
                    page = page.filter(calls::from_party.eq(number).or(calls::to_party.eq(number)));
                }
                if let Some(since) = wanted.since {
                    page = page.filter(created_at.ge(since));
                }
                if let Some(until) = wanted.until {
                    page = page.filter(created_at.lt(until));
                }
                if let Some(CallPlace(time, sid)) = behind {
                    // The first part says nothing more, but it is what an index can use.
                    page = page.filter(created_at.le(time)).filter(created_at.lt(time).or(call_sid.lt(sid.as_str())));
                }
                page.order((created_at.desc(), call_sid.desc())).limit(rows as i64).load(c)
            })?
            .into_iter()
            .map(CallRow::try_from)
            .collect()
        })
    }
}
