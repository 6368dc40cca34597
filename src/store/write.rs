//! Writes records, in SQL. Every statement leaves alone what is there already, so that a batch can be written
//! again after a crash, a lost answer, or on another node.

use std::collections::{BTreeMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use diesel::prelude::*;

use crate::engine::ids::CallSid;
use crate::engine::status::{CallRow, CallStatus, StatusChange, fold};

use super::db::{Conn, both};
use super::deliveries::{completed, tell};
use super::error::Fault;
use super::record::{MediaClaim, Record};
use super::recordings::{hear_of_ends, hear_report};
use super::rows::{CallEndRow, CallEventRow, CallsRow, MediaClaimRow, StatusEventRow, TurnRow};
use super::schema::{call_ends, call_events, calls, media_claims, status_events, turns};

/// A status change that is committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredStatus {
    /// Which call.
    pub call_sid: CallSid,
    /// The call's status with this change.
    pub status: CallStatus,
    /// Whether the change said anything new.
    pub changed: bool,
}

/// Inserts rows that are not there yet. PostgreSQL gets them in one statement; for SQLite, which is in the same
/// process, one each costs no more.
macro_rules! insert_missing {
    ($conn:expr, $table:path, $rows:expr) => {
        match $conn {
            Conn::Sqlite(c) => {
                for row in &$rows {
                    diesel::insert_into($table).values(row).on_conflict_do_nothing().execute(c)?;
                }
            }
            #[cfg(feature = "postgres")]
            Conn::Postgres(c) => {
                if !$rows.is_empty() {
                    diesel::insert_into($table).values(&$rows).on_conflict_do_nothing().execute(c)?;
                }
            }
        }
    };
}

/// Writes records of every kind. To be called in a transaction.
pub(super) fn write_records(conn: &mut Conn, records: &[Record]) -> Result<(), Fault> {
    let (mut changes, mut turn_rows, mut event_rows) = (vec![], vec![], vec![]);
    let (mut end_rows, mut claim_rows) = (vec![], vec![]);
    let (mut ends, mut reports) = (vec![], vec![]);
    for record in records {
        match record {
            Record::Status { change } => changes.push(change),
            Record::Turn { call, turn } => turn_rows.push(TurnRow::new(call, turn)),
            Record::Event { call, seq, event } => event_rows.push(CallEventRow::new(call, *seq, event)),
            Record::End { call, end } => {
                end_rows.push(CallEndRow::new(call, end)?);
                ends.push((call, end.ended_at));
            }
            Record::MediaClaim { claim } => claim_rows.push(MediaClaimRow::from(claim)),
            Record::Recording { report, at } => reports.push((report, at)),
        }
    }
    merge_statuses(conn, &changes)?;
    insert_missing!(conn, turns::table, turn_rows);
    insert_missing!(conn, call_events::table, event_rows);
    insert_missing!(conn, call_ends::table, end_rows);
    insert_missing!(conn, media_claims::table, claim_rows);
    // In the order of their call sids, as the calls' rows, so that nobody waits in a circle.
    ends.sort();
    reports.sort_by_key(|(report, _)| &report.call);
    hear_of_ends(conn, &ends)?;
    reports.iter().try_for_each(|(report, at)| hear_report(conn, report, **at).map(drop))
}

/// Folds changes into their calls' rows and keeps each as history. To be called in a transaction.
///
/// Rows are inserted and locked in the order of their call sids, so that two nodes with the same calls in
/// hand wait for each other and never in a circle.
pub(super) fn merge_statuses(conn: &mut Conn, changes: &[&StatusChange]) -> Result<Vec<StoredStatus>, Fault> {
    let mut said: BTreeMap<&CallSid, CallRow> = BTreeMap::new();
    for change in changes {
        let row = fold(said.remove(&change.call_sid), change);
        said.insert(&change.call_sid, row);
    }
    let rows: Vec<CallsRow> = said.values().map(CallsRow::from).collect();
    let new = insert_new_calls(conn, &rows)?;
    let before = lock_calls(conn, rows.iter().map(|row| &row.call_sid).filter(|sid| !new.contains(*sid)))?;

    let mut after = before.clone();
    let mut stored = Vec::with_capacity(changes.len());
    for change in changes {
        let sid = change.call_sid.as_str();
        let known = after.remove(sid);
        let row = fold(known.clone(), change);
        let changed = known.as_ref() != Some(&row);
        stored.push(StoredStatus { call_sid: change.call_sid.clone(), status: row.status, changed });
        after.insert(sid.to_owned(), row);
    }
    for (sid, row) in &before {
        if let Some(changed) = after.get(sid).filter(|now| *now != row) {
            let row = CallsRow::from(changed);
            both!(&mut *conn, |c| diesel::update(calls::table.find(sid)).set(&row).execute(c))?;
        }
    }
    tell(conn, &completed(&before, &after))?;
    let history = changes.iter().map(|change| StatusEventRow::new(change)).collect::<Result<Vec<_>, _>>()?;
    insert_missing!(conn, status_events::table, history);
    Ok(stored)
}

/// Claims a call's media token: whether this claim, or this same claim made before, is the one that counts.
pub(super) fn claim_media(conn: &mut Conn, claim: &MediaClaim) -> Result<bool, Fault> {
    let ours = MediaClaimRow::from(claim);
    let inserted = both!(&mut *conn, |c| diesel::insert_into(media_claims::table)
        .values(&ours)
        .on_conflict_do_nothing()
        .execute(c))?;
    if inserted == 1 {
        return Ok(true);
    }
    let first: MediaClaimRow =
        both!(conn, |c| media_claims::table.find(claim.call.as_str()).select(MediaClaimRow::as_select()).first(c))?;
    Ok(first == ours)
}

/// Runs `write` on all items at once and, if one of them is to blame for its failure, on each alone, so that
/// the others are written all the same. A panic is the item's fault. When the database goes away in between,
/// the items that are left fail with it.
pub(super) fn isolating<I, T>(
    items: &[I],
    mut write: impl FnMut(&[I]) -> Result<Vec<T>, Fault>,
) -> Vec<Result<T, Fault>> {
    let mut attempt = |items: &[I]| {
        catch_unwind(AssertUnwindSafe(|| write(items))).unwrap_or_else(|panic| Err(Fault::Panicked(words(&*panic))))
    };
    match attempt(items) {
        Ok(written) => return written.into_iter().map(Ok).collect(),
        Err(fault) if !fault.is_the_records() => return items.iter().map(|_| Err(fault.clone())).collect(),
        Err(fault) if items.len() == 1 => return vec![Err(fault)],
        Err(_) => {}
    }
    let mut away: Option<Fault> = None;
    items
        .iter()
        .map(|item| {
            if let Some(fault) = &away {
                return Err(fault.clone());
            }
            let result = attempt(std::slice::from_ref(item))
                .and_then(|mut written| written.pop().ok_or_else(|| Fault::Away("no answer to a write".to_owned())));
            if let Err(fault) = &result
                && !fault.is_the_records()
            {
                away = Some(fault.clone());
            }
            result
        })
        .collect()
}

/// What a panic said.
pub(super) fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let said = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    said.unwrap_or("a panic without words").to_owned()
}

/// Inserts rows of calls that are not there yet, and says which those were.
fn insert_new_calls(conn: &mut Conn, rows: &[CallsRow]) -> Result<HashSet<String>, Fault> {
    let mut new = HashSet::new();
    match conn {
        Conn::Sqlite(c) => {
            for row in rows {
                let inserted = diesel::insert_into(calls::table).values(row).on_conflict_do_nothing().execute(c)?;
                if inserted == 1 {
                    new.insert(row.call_sid.clone());
                }
            }
        }
        #[cfg(feature = "postgres")]
        Conn::Postgres(c) => {
            if !rows.is_empty() {
                let inserted: Vec<String> = diesel::insert_into(calls::table)
                    .values(rows)
                    .on_conflict_do_nothing()
                    .returning(calls::call_sid)
                    .get_results(c)?;
                new.extend(inserted);
            }
        }
    }
    Ok(new)
}

/// The rows of these calls, which nobody else may change until the transaction ends.
fn lock_calls<'a>(conn: &mut Conn, sids: impl Iterator<Item = &'a String>) -> Result<BTreeMap<String, CallRow>, Fault> {
    let rows: Vec<CallsRow> = match conn {
        // The transaction holds the one write lock that there is.
        Conn::Sqlite(c) => sids
            .map(|sid| calls::table.find(sid).select(CallsRow::as_select()).first(c))
            .collect::<QueryResult<Vec<_>>>()?,
        #[cfg(feature = "postgres")]
        Conn::Postgres(c) => {
            let sids: Vec<&String> = sids.collect();
            match sids.is_empty() {
                true => vec![],
                false => calls::table
                    .filter(calls::call_sid.eq_any(sids))
                    .order(calls::call_sid)
                    .for_update()
                    .select(CallsRow::as_select())
                    .load(c)?,
            }
        }
    };
    rows.into_iter().map(|row| Ok((row.call_sid.clone(), CallRow::try_from(row)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_item_does_not_hold_up_the_others() {
        let results = isolating(&[1, 2, 3, 4], |items: &[i32]| {
            assert!(!items.contains(&3), "three is a fault of ours");
            match items.contains(&2) {
                true => Err(Fault::Data("two is not wanted".to_owned())),
                false => Ok(items.to_vec()),
            }
        });
        assert_eq!(results[0], Ok(1));
        assert_eq!(results[1], Err(Fault::Data("two is not wanted".to_owned())));
        assert_eq!(results[2], Err(Fault::Panicked("three is a fault of ours".to_owned())));
        assert_eq!(results[3], Ok(4));
    }

    #[test]
    fn when_the_database_goes_away_nobody_is_blamed() {
        let away = || Fault::Away("gone".to_owned());
        let mut asked = 0;
        let results = isolating(&[1, 2, 3], |items: &[i32]| {
            asked += 1;
            match (asked, items) {
                (1, _) => Err(Fault::Data("one of them".to_owned())),
                (_, [1]) => Ok(vec![1]),
                _ => Err(away()),
            }
        });
        assert_eq!(results, [Ok(1), Err(away()), Err(away())]);
        assert_eq!(asked, 3, "the third is not tried");
    }
}
