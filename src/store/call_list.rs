//! The list of calls, newest first, a page at a time.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use crate::engine::ids::{BusinessId, CallSid, PhoneNumber};
use crate::engine::quality::{Quality, Verdict, judge};
use crate::engine::status::{CallDirection, CallRow, CallStatus};

use super::Store;
use super::db::both;
use super::error::StoreError;
use super::record::CallEnd;
use super::rows::{CallEndRow, CallsRow};
use super::schema::{call_ends, calls};

/// How many calls are read at once while those of a verdict are sought.
const READ_AT_ONCE: usize = 500;
/// How many calls one question looks through for those of a verdict: some 50 ms of work.
const LOOKED_THROUGH: usize = 5_000;

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
    /// Judged so. A call without an end has no verdict.
    pub verdict: Option<Verdict>,
}

/// A call in the list.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedCall {
    /// What carriers said, added up.
    pub row: CallRow,
    /// How it ended; `None` while it goes on, and of a call that never had a media stream.
    pub end: Option<CallEnd>,
}

impl ListedCall {
    /// How good it was, by the rules of today: what is kept are the figures, never the judgement.
    pub fn quality(&self) -> Option<Quality> {
        self.end.as_ref().map(|end| judge(&end.stats, end.cause))
    }
}

/// A part of the list.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedCalls {
    /// The calls, the newest first.
    pub calls: Vec<ListedCall>,
    /// Behind which place the list goes on; `None` at its end.
    pub next: Option<CallPlace>,
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
    /// A call whose beginning becomes known later than the rest of it moves towards the end of the list. Where a verdict is
    /// wanted there may be fewer calls though the list goes on: one question looks through a few thousand of them.
    pub fn list_calls(
        &self,
        wanted: &CallFilter,
        behind: Option<&CallPlace>,
        most: usize,
    ) -> Result<ListedCalls, StoreError> {
        let mut calls = Vec::new();
        let mut place = behind.cloned();
        let mut looked = 0;
        loop {
            let rows = if wanted.verdict.is_some() { READ_AT_ONCE } else { most };
            let mut read = self.read_calls(wanted, place.as_ref(), rows + 1)?;
            let goes_on = read.len() > rows;
            read.truncate(rows);
            looked += read.len();
            let mut read = read.into_iter().peekable();
            while let Some(call) = read.next() {
                place = Some(CallPlace::from(&call.row));
                if wanted.verdict.is_none_or(|verdict| call.quality().is_some_and(|found| found.verdict == verdict)) {
                    calls.push(call);
                }
                if calls.len() == most {
                    let next = place.filter(|_| goes_on || read.peek().is_some());
                    return Ok(ListedCalls { calls, next });
                }
            }
            if !goes_on || looked >= LOOKED_THROUGH {
                return Ok(ListedCalls { calls, next: place.filter(|_| goes_on) });
            }
        }
    }

    /// Up to so many calls that stand in the list behind this place, whatever their verdict.
    fn read_calls(
        &self,
        wanted: &CallFilter,
        behind: Option<&CallPlace>,
        rows: usize,
    ) -> Result<Vec<ListedCall>, StoreError> {
        use calls::{call_sid, created_at};
        let found = self.ask(|conn| {
            both!(conn, |c| {
                let mut page = calls::table
                    .left_join(call_ends::table.on(call_ends::call_sid.eq(call_sid)))
                    .select((CallsRow::as_select(), Option::<CallEndRow>::as_select()))
                    .into_boxed();
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
            .map(|(row, end): (CallsRow, Option<CallEndRow>)| {
                Ok(ListedCall { row: row.try_into()?, end: end.map(CallEndRow::into_end).transpose()? })
            })
            .collect::<Result<Vec<_>, _>>()
        })?;
        // The end of a call of this node is known before it is written.
        let whole =
            |call: ListedCall| ListedCall { end: self.recent_call_end(&call.row.call_sid).or(call.end), ..call };
        Ok(found.into_iter().map(whole).collect())
    }

    /// The same calls without their ends, whatever their verdict.
    pub fn calls(
        &self,
        wanted: &CallFilter,
        behind: Option<&CallPlace>,
        rows: usize,
    ) -> Result<Vec<CallRow>, StoreError> {
        Ok(self.read_calls(wanted, behind, rows)?.into_iter().map(|call| call.row).collect())
    }
}
