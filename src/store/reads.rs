//! What can be asked, named after what the asker wants.

use diesel::prelude::*;

use crate::engine::call::Turn;
use crate::engine::ids::CallSid;
use crate::engine::status::{CallRow, CallStatus, StatusChange};

use super::Store;
use super::db::{Conn, Db, both};
use super::error::{Fault, StoreError};
use super::record::{CallEnd, CallEventRecord};
use super::rows::{CallEndRow, CallEventRow, CallsRow, StatusEventRow, TurnRow};
use super::schema::{call_ends, call_events, calls, status_events, turns};
use super::shared::locked;
use super::transcripts::{CallSummary, FinalTranscript, summary_of, transcript_of};

/// Everything that is known of one call.
#[derive(Clone, Debug, PartialEq)]
pub struct CallRecord {
    /// What carriers said, added up.
    pub row: CallRow,
    /// How it ended; `None` while it goes on, and of a call that never had a media stream.
    pub end: Option<CallEnd>,
    /// What was said, in order.
    pub turns: Vec<Turn>,
    /// The words that are kept; `None` until they are settled.
    pub transcript: Option<FinalTranscript>,
    /// What was made of them; `None` while nobody has tried.
    pub summary: Option<CallSummary>,
    /// What carriers said, by the time at which it happened.
    pub history: Vec<StatusChange>,
    /// The timeline, in order.
    pub events: Vec<CallEventRecord>,
}

/// Every question blocks for as long as the database does: ask where blocking is allowed, never on an arbiter.
impl Store {
    /// What is known of a call; `None` if nobody has told of it.
    pub fn call(&self, call: &CallSid) -> Result<Option<CallRow>, StoreError> {
        self.ask(|conn| row_of(conn, call))
    }

    /// The calls of which nobody has told an end, though they began before `before` (microseconds since 1970-01-01
    /// UTC): the oldest first, at most `limit`.
    pub fn calls_still_open(&self, before: i64, limit: u32) -> Result<Vec<CallRow>, StoreError> {
        let open: Vec<&str> = CallStatus::ALL.iter().filter(|status| !status.is_final()).map(|s| s.as_str()).collect();
        self.ask(|conn| {
            both!(conn, |c| calls::table
                .filter(calls::status.eq_any(&open))
                .filter(calls::created_at.lt(before))
                .order((calls::created_at, calls::call_sid))
                .limit(limit.into())
                .select(CallsRow::as_select())
                .load(c))?
            .into_iter()
            .map(CallRow::try_from)
            .collect()
        })
    }

    /// What was said on a call, in order.
    pub fn turns(&self, call: &CallSid) -> Result<Vec<Turn>, StoreError> {
        self.ask(|conn| turns_of(conn, call))
    }

    /// A call's timeline, in order.
    pub fn call_events(&self, call: &CallSid) -> Result<Vec<CallEventRecord>, StoreError> {
        self.ask(|conn| events_of(conn, call))
    }

    /// Everything that carriers said about a call, each once, by the time at which it happened.
    pub fn status_history(&self, call: &CallSid) -> Result<Vec<StatusChange>, StoreError> {
        self.ask(|conn| history_of(conn, call))
    }

    /// Everything about a call, as it stood at one moment; `None` if nobody has told of it.
    pub fn call_record(&self, call: &CallSid) -> Result<Option<CallRecord>, StoreError> {
        let recent_end = self.recent_call_end(call);
        self.ask_of(|db| db.snapshot(|conn| record_of(conn, call, recent_end)))
    }

    /// How a call ended; `None` while it goes on. A call of this node is answered from memory, also before its
    /// row is committed and while the database is away.
    pub fn call_end(&self, call: &CallSid) -> Result<Option<CallEnd>, StoreError> {
        if let Some(end) = self.recent_call_end(call) {
            return Ok(Some(end));
        }
        self.ask(|conn| end_of(conn, call))
    }

    /// How a call of this node ended, from memory. Never blocks.
    pub fn recent_call_end(&self, call: &CallSid) -> Option<CallEnd> {
        locked(&self.shared.ends).get(call).cloned()
    }

    /// Asks the database for nothing.
    pub fn ping(&self) -> Result<(), StoreError> {
        self.ask(|conn| Ok(both!(conn, |c| diesel::sql_query("SELECT 1").execute(c)).map(drop)?))
    }

    /// Asks the database a question.
    pub(super) fn ask<T>(&self, question: impl FnOnce(&mut Conn) -> Result<T, Fault>) -> Result<T, StoreError> {
        self.ask_of(|db| question(&mut db.conn))
    }

    /// The same of a whole connection.
    pub(super) fn ask_of<T>(&self, question: impl FnOnce(&mut Db) -> Result<T, Fault>) -> Result<T, StoreError> {
        if !self.shared.is_up_after_all() {
            return Err(StoreError::Unavailable(self.shared.why_down()));
        }
        let mut db = self.readers.get().map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let answer = question(&mut db);
        if let Err(Fault::Closed(error) | Fault::Away(error)) = &answer {
            self.shared.database_lost(error);
        }
        Ok(answer?)
    }
}

/// Everything about a call; its end from memory, if it is there.
pub(super) fn record_of(
    conn: &mut Conn,
    call: &CallSid,
    recent_end: Option<CallEnd>,
) -> Result<Option<CallRecord>, Fault> {
    let Some(row) = row_of(conn, call)? else { return Ok(None) };
    let (turns, history, events) = (turns_of(conn, call)?, history_of(conn, call)?, events_of(conn, call)?);
    let end = match recent_end {
        Some(end) => Some(end),
        None => end_of(conn, call)?,
    };
    let (transcript, summary) = (transcript_of(conn, call)?, summary_of(conn, call)?);
    Ok(Some(CallRecord { row, end, turns, transcript, summary, history, events }))
}

fn row_of(conn: &mut Conn, call: &CallSid) -> Result<Option<CallRow>, Fault> {
    both!(conn, |c| calls::table.find(call.as_str()).select(CallsRow::as_select()).first(c).optional())?
        .map(CallRow::try_from)
        .transpose()
}

fn end_of(conn: &mut Conn, call: &CallSid) -> Result<Option<CallEnd>, Fault> {
    both!(conn, |c| call_ends::table.find(call.as_str()).select(CallEndRow::as_select()).first(c).optional())?
        .map(CallEndRow::into_end)
        .transpose()
}

pub(super) fn turns_of(conn: &mut Conn, call: &CallSid) -> Result<Vec<Turn>, Fault> {
    both!(conn, |c| turns::table
        .filter(turns::call_sid.eq(call.as_str()))
        .order(turns::number)
        .select(TurnRow::as_select())
        .load(c))?
    .into_iter()
    .map(TurnRow::into_turn)
    .collect()
}

fn events_of(conn: &mut Conn, call: &CallSid) -> Result<Vec<CallEventRecord>, Fault> {
    both!(conn, |c| call_events::table
        .filter(call_events::call_sid.eq(call.as_str()))
        .order(call_events::seq)
        .select(CallEventRow::as_select())
        .load(c))?
    .into_iter()
    .map(CallEventRow::into_event)
    .collect()
}

fn history_of(conn: &mut Conn, call: &CallSid) -> Result<Vec<StatusChange>, Fault> {
    both!(conn, |c| status_events::table
        .filter(status_events::call_sid.eq(call.as_str()))
        .order((status_events::occurred_at, status_events::event_key))
        .select(StatusEventRow::as_select())
        .load(c))?
    .into_iter()
    .map(StatusEventRow::into_change)
    .collect()
}
