//! Transcripts, decisions and summaries as the tables hold them.

use diesel::prelude::*;

use crate::engine::ids::CallSid;
use crate::engine::transcript::TranscriptSource;

use super::{CallSummary, FinalTranscript, TranscriptDecision};
use crate::store::error::Fault;
use crate::store::rows::{json, parsed, storable};
use crate::store::schema::{call_summaries, transcript_decisions, transcripts};

/// One row of `transcripts`.
#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = transcripts, primary_key(call_sid), treat_none_as_null = true)]
pub(super) struct TranscriptRow {
    call_sid: String,
    final_transcript: String,
    transcript_source: String,
    segments_json: String,
    model: Option<String>,
    decided_at: i64,
    reason: String,
    transcribed_from: Option<String>,
}

impl TranscriptRow {
    pub fn new(words: &FinalTranscript) -> Result<Self, Fault> {
        Ok(Self {
            call_sid: words.call.to_string(),
            final_transcript: storable(&words.text),
            transcript_source: words.source.as_str().to_owned(),
            segments_json: json(&words.segments)?.replace("\\u0000", "\u{fffd}"),
            model: words.model.as_deref().map(storable),
            decided_at: words.decided_at,
            reason: storable(&words.reason),
            transcribed_from: words.from.as_ref().map(ToString::to_string),
        })
    }

    pub fn into_transcript(self) -> Result<FinalTranscript, Fault> {
        Ok(FinalTranscript {
            call: parsed(&self.call_sid, "transcripts.call_sid")?,
            text: self.final_transcript,
            source: source(&self.transcript_source)?,
            segments: serde_json::from_str(&self.segments_json)
                .map_err(|_| Fault::Corrupt("transcripts.segments_json"))?,
            model: self.model,
            decided_at: self.decided_at,
            reason: self.reason,
            from: self.transcribed_from.map(|id| parsed(&id, "transcripts.transcribed_from")).transpose()?,
        })
    }
}

pub(super) fn source(word: &str) -> Result<TranscriptSource, Fault> {
    let all = [TranscriptSource::Realtime, TranscriptSource::Recording, TranscriptSource::Failed];
    all.into_iter().find(|source| source.as_str() == word).ok_or(Fault::Corrupt("transcripts.transcript_source"))
}

/// One row of `transcript_decisions`.
#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = transcript_decisions)]
pub(super) struct DecisionRow {
    pub call_sid: String,
    pub seq: i64,
    at: i64,
    decision: String,
    reason: String,
}

impl DecisionRow {
    pub fn new(call: &CallSid, seq: i64, made: &TranscriptDecision) -> Self {
        Self {
            call_sid: call.to_string(),
            seq,
            at: made.at,
            decision: storable(&made.decision),
            reason: storable(&made.reason),
        }
    }

    pub fn into_decision(self) -> TranscriptDecision {
        TranscriptDecision { at: self.at, decision: self.decision, reason: self.reason }
    }
}

/// One row of `call_summaries`.
#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = call_summaries)]
pub(super) struct SummaryRow {
    call_sid: String,
    summary: Option<String>,
    fields_json: Option<String>,
    model: Option<String>,
    state: String,
    error: Option<String>,
    at: i64,
}

impl SummaryRow {
    pub fn new(call: &CallSid, made: &CallSummary) -> Self {
        Self {
            call_sid: call.to_string(),
            summary: made.summary.as_deref().map(storable),
            fields_json: made.fields.as_ref().map(|fields| fields.to_string().replace("\\u0000", "\u{fffd}")),
            model: made.model.as_deref().map(storable),
            state: if made.summary.is_some() { "made" } else { "failed" }.to_owned(),
            error: made.error.as_deref().map(storable),
            at: made.at,
        }
    }

    pub fn into_summary(self) -> Result<CallSummary, Fault> {
        let fields = self.fields_json.map(|text| serde_json::from_str(&text));
        Ok(CallSummary {
            summary: self.summary,
            fields: fields.transpose().map_err(|_| Fault::Corrupt("call_summaries.fields_json"))?,
            model: self.model,
            error: self.error,
            at: self.at,
        })
    }
}
