//! Calls of a database, for whoever is not the service: nothing is written, migrated or locked, and the service may run
//! beside it.

use std::path::Path;
use std::time::Duration;

use diesel::prelude::*;

use super::db::{Conn, Db, both};
use super::error::{Fault, StoreError};
use super::reads::{CallRecord, record_of};
use super::recordings::{Recording, all_of};
use super::rows::{CallEndRow, CallsRow};
use super::schema::{call_ends, calls};
use super::target::Target;
use crate::engine::call::{CallStats, HangupCause};
use crate::engine::ids::CallSid;
use crate::engine::status::{CallRow, CallStatus};

/// A database whose calls are looked at.
pub struct CallPeek {
    /// `None` if there is no database yet.
    db: Option<Db>,
}

/// A call in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct PeekedCall {
    /// What carriers said, added up.
    pub row: CallRow,
    /// Its end; `None` while it goes on, and of a call that never had a media stream.
    pub end: Option<(HangupCause, CallStats)>,
}

impl CallPeek {
    /// Connects to the database at `url`. A file that does not exist is not made: there are no calls in it.
    ///
    /// # Errors
    /// A URL that can't be right, a database that does not answer within about `patience`.
    pub fn open(url: &str, patience: Duration) -> Result<Self, StoreError> {
        let path = url.trim().strip_prefix("sqlite:").map(|rest| rest.strip_prefix("//").unwrap_or(rest));
        if path.is_some_and(|path| !path.is_empty() && !Path::new(path).exists()) {
            return Ok(Self { db: None });
        }
        let db = Target::parse(url, patience, patience)?.connect().map_err(Fault::from)?;
        Ok(Self { db: Some(db) })
    }

    /// Everything about a call and its recordings, as it stood at one moment; `None` if nobody has told of it.
    ///
    /// # Errors
    /// What the database says.
    pub fn call(&mut self, call: &CallSid) -> Result<Option<(CallRecord, Vec<Recording>)>, StoreError> {
        self.ask(|conn| {
            let Some(record) = record_of(conn, call, None)? else { return Ok(None) };
            Ok(Some((record, all_of(conn, call)?)))
        })
    }

    /// The newest calls, the newest first, at most `limit`.
    ///
    /// # Errors
    /// What the database says.
    pub fn newest(&mut self, limit: u32) -> Result<Vec<PeekedCall>, StoreError> {
        self.ask(|conn| {
            let rows: Vec<CallsRow> = both!(conn, |c| calls::table
                .order((calls::created_at.desc(), calls::call_sid.desc()))
                .limit(limit.into())
                .select(CallsRow::as_select())
                .load(c))?;
            rows.into_iter().map(|row| with_end(conn, CallRow::try_from(row)?)).collect()
        })
    }

    /// The newest call that is over, as its carrier says or its own end does.
    ///
    /// # Errors
    /// What the database says.
    pub fn last_over(&mut self) -> Result<Option<CallSid>, StoreError> {
        let over: Vec<&str> = CallStatus::ALL.iter().filter(|status| status.is_final()).map(|s| s.as_str()).collect();
        self.ask(|conn| {
            let row: Option<CallsRow> = both!(conn, |c| calls::table
                .filter(
                    calls::status
                        .eq_any(&over)
                        .or(calls::call_sid.eq_any(call_ends::table.select(call_ends::call_sid))),
                )
                .order((calls::created_at.desc(), calls::call_sid.desc()))
                .select(CallsRow::as_select())
                .first(c)
                .optional())?;
            Ok(row.map(CallRow::try_from).transpose()?.map(|row| row.call_sid))
        })
    }

    /// Asks about one moment; nothing of a database that no service has used.
    fn ask<T: Default>(&mut self, question: impl FnOnce(&mut Conn) -> Result<T, Fault>) -> Result<T, StoreError> {
        let Some(db) = &mut self.db else { return Ok(T::default()) };
        match db.snapshot(question) {
            Err(Fault::Away(error)) if is_unused(&error) => Ok(T::default()),
            answer => Ok(answer?),
        }
    }
}

fn with_end(conn: &mut Conn, row: CallRow) -> Result<PeekedCall, Fault> {
    let sid = row.call_sid.as_str();
    let end = both!(conn, |c| call_ends::table.find(sid).select(CallEndRow::as_select()).first(c).optional())?;
    let end = end.map(CallEndRow::into_end).transpose()?.map(|end| (end.cause, end.stats));
    Ok(PeekedCall { row, end })
}

/// Whether the database has no such table, in its own words.
fn is_unused(error: &str) -> bool {
    error.contains("no such table: calls") || error.contains("relation \"calls\" does not exist")
}
