//! The sum of everything that was said about one call.

use serde::{Deserialize, Serialize};

use crate::engine::ids::{BusinessId, CallSid};

use super::{AnsweredBy, CallDirection, CallStatus, Party, StatusChange};

/// A value that is set once, and the rank of who set it. The smaller of two is kept, rank first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Sourced<T> {
    /// [`CarrierSource::rank`](super::CarrierSource::rank) of who said it.
    pub rank: u8,
    /// What was said.
    pub value: T,
}

/// What is known of one call. Every field is plain, so that it can be a row of a table.
///
/// Times are microseconds since 1970-01-01 UTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRow {
    /// Which call.
    pub call_sid: CallSid,
    /// The farthest that it has come.
    pub status: CallStatus,
    /// How long it lasted, in seconds; 0 until the carrier says so.
    pub duration_s: u32,
    /// Who called whom.
    pub direction: Option<Sourced<CallDirection>>,
    /// The call whose `<Dial>` made this one.
    pub parent_call_sid: Option<Sourced<CallSid>>,
    /// Whose call it is.
    pub business: Option<Sourced<BusinessId>>,
    /// The calling party.
    pub from: Option<Sourced<Party>>,
    /// The called party.
    pub to: Option<Sourced<Party>>,
    /// Who or what answered a call that we placed, if that was to be found out.
    pub answered_by: Option<Sourced<AnsweredBy>>,
    /// How long it took to find that out, in milliseconds.
    pub machine_detection_ms: Option<u32>,
    /// The earliest time of which anything is known.
    pub created_at: i64,
    /// The earliest time at which somebody had answered.
    pub answered_at: Option<i64>,
    /// The earliest time at which it was over.
    pub ended_at: Option<i64>,
    /// The latest time of which anything is known.
    pub updated_at: i64,
}

impl From<&StatusChange> for CallRow {
    /// The row of a call of which nothing else is known.
    fn from(change: &StatusChange) -> Self {
        let rank = change.source.rank();
        let at = change.occurred_at;
        Self {
            call_sid: change.call_sid.clone(),
            status: change.status,
            duration_s: change.duration_s.unwrap_or(0),
            direction: sourced(rank, &change.direction),
            parent_call_sid: sourced(rank, &change.parent_call_sid),
            business: sourced(rank, &change.business),
            from: sourced(rank, &change.from),
            to: sourced(rank, &change.to),
            answered_by: sourced(rank, &change.answered_by),
            machine_detection_ms: change.machine_detection_ms,
            created_at: at,
            answered_at: (change.status == CallStatus::InProgress).then_some(at),
            ended_at: change.status.is_final().then_some(at),
            updated_at: at,
        }
    }
}

/// The row after one more change; it is the row before, if the change says nothing new.
///
/// # Panics
/// In debug builds, if the change is about another call than the row.
pub fn fold(row: Option<CallRow>, change: &StatusChange) -> CallRow {
    let said = CallRow::from(change);
    match row {
        None => said,
        Some(row) => merge(row, said),
    }
}

/// One row of two about the same call. `merge(a, b) = merge(b, a)`, `merge(a, merge(b, c)) = merge(merge(a,
/// b), c)`, `merge(a, a) = a`.
///
/// # Panics
/// In debug builds, if the rows are about two calls.
pub fn merge(a: CallRow, b: CallRow) -> CallRow {
    debug_assert_eq!(a.call_sid, b.call_sid, "two calls have two rows");
    CallRow {
        call_sid: a.call_sid,
        status: a.status.max(b.status),
        duration_s: a.duration_s.max(b.duration_s),
        direction: smaller(a.direction, b.direction),
        parent_call_sid: smaller(a.parent_call_sid, b.parent_call_sid),
        business: smaller(a.business, b.business),
        from: smaller(a.from, b.from),
        to: smaller(a.to, b.to),
        answered_by: better_known(a.answered_by, b.answered_by),
        machine_detection_ms: smaller(a.machine_detection_ms, b.machine_detection_ms),
        created_at: a.created_at.min(b.created_at),
        answered_at: smaller(a.answered_at, b.answered_at),
        ended_at: smaller(a.ended_at, b.ended_at),
        updated_at: a.updated_at.max(b.updated_at),
    }
}

fn sourced<T: Clone>(rank: u8, value: &Option<T>) -> Option<Sourced<T>> {
    value.clone().map(|value| Sourced { rank, value })
}

/// The smaller of two that were said, or the only one.
fn smaller<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// The same for what may have been said to be unknown, which is no more than nothing.
fn better_known(a: Option<Sourced<AnsweredBy>>, b: Option<Sourced<AnsweredBy>>) -> Option<Sourced<AnsweredBy>> {
    let is_unknown = |found: &Sourced<AnsweredBy>| found.value == AnsweredBy::Unknown;
    let keyed = |found: Sourced<AnsweredBy>| (is_unknown(&found), found);
    smaller(a.map(keyed), b.map(keyed)).map(|(_, found)| found)
}
