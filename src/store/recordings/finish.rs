//! What comes of a job: files, words, summaries, all in the transaction that also moves the entry on.

use std::time::Duration;

use diesel::prelude::*;

use crate::engine::delivery::EventKind;
use crate::engine::recording::ledger::{Answer, Ledger, Rules, Setback, Words};
use crate::engine::recording::{RecordingId, RecordingState, Step, choose};
use crate::engine::transcript::{Transcript, TranscriptSource};

use super::entry::Entry;
use super::work::later;
use super::{KeptFile, Lease, Room};
use crate::store::Store;
use crate::store::db::{Conn, both};
use crate::store::deliveries::{News, tell};
use crate::store::error::{Fault, StoreError};
use crate::store::reads::turns_of;
use crate::store::rows::storable;
use crate::store::schema::recordings;
use crate::store::transcripts::{self, CallSummary, FinalTranscript};

/// What came of a job.
#[derive(Clone, Debug, PartialEq)]
pub enum WorkAnswer {
    /// The recording is in the store.
    Fetched {
        /// Where.
        file: KeptFile,
        /// How long it is, if its content says so.
        length: Option<Duration>,
        /// How many channels it has, by its content.
        channels: u16,
    },
    /// The recording was read.
    Transcribed(Transcript),
    /// The turns are to be taken.
    TakeTurns,
    /// The call was summed up.
    SummedUp(CallSummary),
    /// It failed.
    Failed(Setback),
    /// It was not tried.
    GivenBack,
}

/// What the answer changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finished {
    /// Nothing: somebody else holds the entry by now, and does the job.
    TooLate,
    /// It is kept.
    Kept {
        /// The next job of the call, under the same lease, if there was room for it and it is due.
        next: Option<Box<Lease>>,
        /// Where the words come from, if it settled them.
        settled: Option<TranscriptSource>,
        /// Whether the step was given up by it.
        is_given_up: bool,
    },
}

/// Blocks for as long as the database does.
impl Store {
    /// Keeps what came of a job at `now`, once: an answer under a lease that was taken over changes nothing. If there is `room`
    /// for what comes next, the lease goes on for that, until `length` after `now`.
    pub fn finish_recording_work(
        &self,
        lease: &Lease,
        answer: &WorkAnswer,
        now: i64,
        length: Duration,
        mut room: Room,
        rules: &Rules,
    ) -> Result<Finished, StoreError> {
        self.change(|conn| {
            let entry = Entry::lock(conn, &lease.call, now)?;
            let Some(mut entry) = entry.filter(|entry| entry.row.fence == lease.fence && entry.row.lease_until > 0)
            else {
                return Ok(Finished::TooLate);
            };
            let before = entry.ledger.clone();
            let (answer, mut settled) = write_answer(conn, &mut entry, answer, now)?;
            entry.ledger.answer(now, answer, rules);
            let given_up = write_what_was_given_up(conn, &mut entry, &before, now)?;
            if before.step == Step::Settle && given_up {
                settled = Some(TranscriptSource::Failed);
            }
            let next = entry.ledger.take(now, false, rules).filter(|job| room.take(job.step));
            entry.row.lease_until = if next.is_some() { later(now, length) } else { 0 };
            if next.is_none() {
                entry.row.node = None;
            }
            entry.finish_if_done(conn, now, rules)?;
            entry.save(conn)?;
            // What was just fetched has a key by now.
            let next = match next {
                Some(job) => {
                    entry.recordings = super::read::all_of(conn, &entry.call)?;
                    Some(Box::new(entry.lease(job, false)))
                }
                None => None,
            };
            Ok(Finished::Kept { next, settled, is_given_up: given_up })
        })
    }
}

/// Writes what came of the job, and says it as the ledger wants to hear it.
fn write_answer(
    conn: &mut Conn,
    entry: &mut Entry,
    answer: &WorkAnswer,
    now: i64,
) -> Result<(Answer, Option<TranscriptSource>), Fault> {
    Ok(match answer {
        WorkAnswer::Fetched { file, length, channels } => {
            keep_file(conn, entry, file, *length, *channels, now)?;
            (Answer::Done, None)
        }
        WorkAnswer::Transcribed(transcript) => settle(conn, entry, Some(transcript), now)?,
        WorkAnswer::TakeTurns => settle(conn, entry, None, now)?,
        WorkAnswer::SummedUp(summary) => {
            transcripts::keep_summary(conn, &entry.call, summary)?;
            (Answer::Done, None)
        }
        WorkAnswer::Failed(setback) => {
            if let Some(id) = &entry.ledger.recording {
                keep_error(conn, id, &setback.reason)?;
            }
            (Answer::Failed(setback.clone()), None)
        }
        WorkAnswer::GivenBack => (Answer::GivenBack, None),
    })
}

fn keep_file(
    conn: &mut Conn,
    entry: &Entry,
    file: &KeptFile,
    length: Option<Duration>,
    channels: u16,
    now: i64,
) -> Result<(), Fault> {
    let Some(id) = entry.ledger.recording.as_ref().map(ToString::to_string) else { return Ok(()) };
    let to = (
        recordings::store_key.eq(storable(&file.key)),
        recordings::content_type.eq(storable(&file.content_type)),
        recordings::bytes.eq(i64::try_from(file.bytes).unwrap_or(i64::MAX)),
        recordings::sha256.eq(storable(&file.sha256)),
        // Of what was fetched: where the carrier has both voices apart no more, it has told of two channels all the same.
        recordings::channels.eq(i64::from(channels)),
        recordings::fetched_at.eq(now),
        recordings::error.eq(None::<String>),
    );
    both!(&mut *conn, |c| diesel::update(recordings::table.find(&id)).set(to).execute(c))?;
    if let Some(length) = length {
        let to = recordings::length_ms.eq(i64::try_from(length.as_millis()).unwrap_or(i64::MAX));
        both!(conn, |c| diesel::update(recordings::table.find(&id)).set(to).execute(c))?;
    }
    Ok(())
}

fn keep_error(conn: &mut Conn, id: &RecordingId, reason: &str) -> Result<(), Fault> {
    let to = recordings::error.eq(storable(reason));
    both!(conn, |c| diesel::update(recordings::table.find(id.to_string())).set(to).execute(c))?;
    Ok(())
}

/// Chooses the words and keeps them, unless another recording may still give some.
fn settle(
    conn: &mut Conn,
    entry: &Entry,
    transcript: Option<&Transcript>,
    now: i64,
) -> Result<(Answer, Option<TranscriptSource>), Fault> {
    let turns = turns_of(conn, &entry.call)?;
    let choice = choose(&turns, transcript);
    if let Some(id) = entry.ledger.recording.as_ref().filter(|_| transcript.is_some()) {
        let to = (recordings::read_at.eq(now), recordings::error.eq(None::<String>));
        both!(&mut *conn, |c| diesel::update(recordings::table.find(id.to_string())).set(to).execute(c))?;
    }
    if transcript.is_some() && !choice.has_recorded_words {
        entry.decide(conn, now, "no_words", "the recording gave no words")?;
        return Ok((Answer::Read(Words::Open), None));
    }
    let is_recorded = choice.source == TranscriptSource::Recording;
    let words = FinalTranscript {
        call: entry.call.clone(),
        text: choice.text,
        source: choice.source,
        segments: choice.segments,
        model: transcript.filter(|_| is_recorded).map(|transcript| transcript.model.clone()),
        decided_at: now,
        reason: choice.reason,
        from: entry.ledger.recording.clone().filter(|_| is_recorded),
    };
    transcripts::keep(conn, &words)?;
    Ok((Answer::Read(Words::from(Some(words.source))), Some(words.source)))
}

/// Writes what the ledger gave up since `before`; whether it did.
pub(super) fn write_what_was_given_up(
    conn: &mut Conn,
    entry: &mut Entry,
    before: &Ledger,
    now: i64,
) -> Result<bool, Fault> {
    let after = entry.ledger.clone();
    let reason = after.reason.clone().unwrap_or_default();
    let mut is_any = false;
    for (was, is) in before.recordings.iter().zip(&after.recordings) {
        if was.state != RecordingState::Failed && is.state == RecordingState::Failed {
            keep_error(conn, &is.id, &reason)?;
            entry.decide(conn, now, "not_fetched", &reason)?;
            is_any = true;
        }
        // One that was read has its time by now.
        if !was.is_read && is.is_read && before.step == Step::Transcribe && after.reason.is_some() {
            let to = (recordings::read_at.eq(now), recordings::error.eq(storable(&reason)));
            both!(&mut *conn, |c| diesel::update(recordings::table.find(is.id.to_string())).set(to).execute(c))?;
            entry.decide(conn, now, "not_transcribed", &reason)?;
            is_any = true;
        }
    }
    let has_words_row = before.words != Words::Open;
    if before.step == Step::Settle && after.words == Words::Failed && after.reason.is_some() && !has_words_row {
        let words = FinalTranscript {
            call: entry.call.clone(),
            text: String::new(),
            source: TranscriptSource::Failed,
            segments: vec![],
            model: None,
            decided_at: now,
            reason: reason.clone(),
            from: None,
        };
        transcripts::keep(conn, &words)?;
        is_any = true;
    }
    if !before.is_summed_up && after.is_summed_up && after.reason.is_some() {
        let error = Some(reason);
        let none = CallSummary { summary: None, fields: None, model: None, error, at: now };
        transcripts::keep_summary(conn, &entry.call, &none)?;
        is_any = true;
    }
    Ok(is_any)
}

impl Entry {
    /// Notes that nothing is left to do, and has the business told of the words, each once. The words may be there before: a
    /// recording that is still to come, or is tried again, changes nothing about them.
    pub(super) fn finish_if_done(&mut self, conn: &mut Conn, now: i64, rules: &Rules) -> Result<(), Fault> {
        if self.ledger.step == Step::Done {
            self.row.settled_at = self.row.settled_at.or(Some(now));
        }
        let Some(business) = self.row.business.as_deref() else { return Ok(()) };
        if self.ledger.has_told_all(rules) && self.row.told_at.is_none() {
            let kind = EventKind::CallTranscribed;
            tell(conn, &[News { kind, business, subject: self.call.as_str(), body: None, at: now }])?;
            self.row.told_at = Some(now);
        }
        Ok(())
    }
}
