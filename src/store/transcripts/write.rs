//! What settles the words of a call. To be called in the transaction that holds the entry of the call.

use diesel::prelude::*;

use crate::engine::ids::CallSid;
use crate::engine::transcript::TranscriptSource;

use super::rows::{DecisionRow, SummaryRow, TranscriptRow, source};
use super::{CallSummary, FinalTranscript, TranscriptDecision};
use crate::store::db::{Conn, both};
use crate::store::error::Fault;
use crate::store::schema::{call_summaries, transcript_decisions, transcripts};

/// Where the words of a call come from, if they are settled.
pub(in crate::store) fn source_of(conn: &mut Conn, call: &CallSid) -> Result<Option<TranscriptSource>, Fault> {
    let word: Option<String> = both!(conn, |c| transcripts::table
        .find(call.as_str())
        .select(transcripts::transcript_source)
        .first(c)
        .optional())?;
    word.map(|word| source(&word)).transpose()
}

/// Whether a summary was made, or given up.
pub(in crate::store) fn is_summed_up(conn: &mut Conn, call: &CallSid) -> Result<bool, Fault> {
    let found: Option<i64> =
        both!(conn, |c| call_summaries::table.find(call.as_str()).select(call_summaries::at).first(c).optional())?;
    Ok(found.is_some())
}

/// Keeps the words of a call. Words that there are stay; only that there were none is replaced.
pub(in crate::store) fn keep(conn: &mut Conn, words: &FinalTranscript) -> Result<(), Fault> {
    let row = TranscriptRow::new(words)?;
    let inserted = both!(&mut *conn, |c| diesel::insert_into(transcripts::table)
        .values(&row)
        .on_conflict_do_nothing()
        .execute(c))?;
    if inserted == 0 {
        let none = transcripts::transcript_source.eq(TranscriptSource::Failed.as_str());
        both!(&mut *conn, |c| {
            diesel::update(transcripts::table.find(words.call.as_str()).filter(none)).set(&row).execute(c)
        })?;
    }
    decide(conn, &words.call, words.decided_at, words.source.as_str(), &words.reason)
}

/// Keeps a summary, or that there is none; the first word stays.
pub(in crate::store) fn keep_summary(conn: &mut Conn, call: &CallSid, made: &CallSummary) -> Result<(), Fault> {
    let row = SummaryRow::new(call, made);
    both!(conn, |c| diesel::insert_into(call_summaries::table).values(&row).on_conflict_do_nothing().execute(c))?;
    Ok(())
}

/// Writes down what was decided about the words of a call.
pub(in crate::store) fn decide(
    conn: &mut Conn,
    call: &CallSid,
    at: i64,
    decision: &str,
    reason: &str,
) -> Result<(), Fault> {
    use transcript_decisions::{call_sid, seq, table};
    let last: Option<i64> =
        both!(&mut *conn, |c| table.filter(call_sid.eq(call.as_str())).select(diesel::dsl::max(seq)).first(c))?;
    let made = TranscriptDecision { at, decision: decision.to_owned(), reason: reason.to_owned() };
    let row = DecisionRow::new(call, last.unwrap_or(0) + 1, &made);
    both!(conn, |c| diesel::insert_into(table).values(&row).execute(c))?;
    Ok(())
}
