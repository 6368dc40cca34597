//! What can be asked about the words of calls.

use diesel::prelude::*;

use crate::engine::ids::CallSid;

use super::rows::{DecisionRow, SummaryRow, TranscriptRow};
use super::{CallSummary, FinalTranscript, TranscriptDecision};
use crate::store::Store;
use crate::store::db::{Conn, both};
use crate::store::error::{Fault, StoreError};
use crate::store::schema::{call_summaries, transcript_decisions, transcripts};

/// Every question blocks for as long as the database does.
impl Store {
    /// The words of a call; `None` until they are settled.
    pub fn transcript(&self, call: &CallSid) -> Result<Option<FinalTranscript>, StoreError> {
        self.ask(|conn| transcript_of(conn, call))
    }

    /// What was decided about the words of a call, in order.
    pub fn transcript_decisions(&self, call: &CallSid) -> Result<Vec<TranscriptDecision>, StoreError> {
        use transcript_decisions::{call_sid, seq, table};
        self.ask(|conn| {
            let rows: Vec<DecisionRow> = both!(conn, |c| table
                .filter(call_sid.eq(call.as_str()))
                .order(seq)
                .select(DecisionRow::as_select())
                .load(c))?;
            Ok(rows.into_iter().map(DecisionRow::into_decision).collect())
        })
    }

    /// What was made of a call's words; `None` while nobody has tried, or is to.
    pub fn call_summary(&self, call: &CallSid) -> Result<Option<CallSummary>, StoreError> {
        self.ask(|conn| summary_of(conn, call))
    }
}

pub(in crate::store) fn transcript_of(conn: &mut Conn, call: &CallSid) -> Result<Option<FinalTranscript>, Fault> {
    use transcripts::table;
    both!(conn, |c| table.find(call.as_str()).select(TranscriptRow::as_select()).first(c).optional())?
        .map(TranscriptRow::into_transcript)
        .transpose()
}

pub(in crate::store) fn summary_of(conn: &mut Conn, call: &CallSid) -> Result<Option<CallSummary>, Fault> {
    use call_summaries::table;
    both!(conn, |c| table.find(call.as_str()).select(SummaryRow::as_select()).first(c).optional())?
        .map(SummaryRow::into_summary)
        .transpose()
}
