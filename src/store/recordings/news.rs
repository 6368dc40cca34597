//! What is heard of recordings and calls: each piece of news changes the call's entry in one transaction, whoever hears it, and
//! however often.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use crate::engine::ids::CallSid;
use crate::engine::recording::ledger::{GRACE, News, Words};
use crate::engine::recording::{RecordingId, RecordingState};

use super::KeptFile;
use super::entry::Entry;
use crate::store::Store;
use crate::store::db::{Conn, both};
use crate::store::error::{Fault, StoreError};
use crate::store::record::Record;
use crate::store::schema::recording_work;

/// What is told of a recording, by whoever makes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingReport {
    /// Which.
    pub id: RecordingId,
    /// Of which call.
    pub call: CallSid,
    /// [`RecordingState::Started`], [`RecordingState::Announced`], [`RecordingState::Failed`] or [`RecordingState::Absent`] from
    /// a carrier; [`RecordingState::Fetched`] for one that was made here and is in the store.
    pub state: RecordingState,
    /// Where the carrier says it lies.
    #[serde(default)]
    pub url: Option<String>,
    /// How long it is.
    #[serde(default)]
    pub length_ms: Option<u32>,
    /// How many channels it has.
    #[serde(default)]
    pub channels: Option<u32>,
    /// Where it is kept, if it is.
    #[serde(default)]
    pub file: Option<KeptFile>,
    /// Why there is none.
    #[serde(default)]
    pub error: Option<String>,
}

impl RecordingReport {
    /// That there is a recording, and how far it has come.
    pub const fn new(id: RecordingId, call: CallSid, state: RecordingState) -> Self {
        Self { id, call, state, url: None, length_ms: None, channels: None, file: None, error: None }
    }
}

/// What came of news, or of somebody's wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It makes work.
    New,
    /// It is known, and what it asks for is being done, or done.
    Known,
    /// The call has no recordings that could be fetched.
    NoRecording,
    /// The call has words already.
    HasWords,
}

/// Every method blocks for as long as the database does. Times are microseconds since 1970-01-01 UTC.
impl Store {
    /// Keeps what is told of a recording, in the database or, while that is away, on the disk: [`Heard::New`] or
    /// [`Heard::Known`]; `None`: it is on the disk, and will be heard later.
    pub fn hear_of_recording(&self, report: &RecordingReport, at: i64) -> Result<Option<Heard>, StoreError> {
        match self.change(|conn| hear_report(conn, report, at)) {
            Ok(heard) => Ok(Some(heard)),
            Err(error) if error.is_retryable() => {
                let record = Record::Recording { report: Box::new(report.clone()), at };
                self.shared.keep_in_spool(&[record]).map(|()| None)
            }
            Err(error) => Err(error),
        }
    }

    /// Somebody wants the recordings of a call fetched, also those that were given up.
    pub fn want_recordings(&self, call: &CallSid, at: i64) -> Result<Heard, StoreError> {
        self.change(|conn| {
            let mut entry = Entry::open(conn, call, at)?;
            if !entry.ledger.is_fetchable() {
                return Ok(Heard::NoRecording);
            }
            let is_new = entry.hear(at, &News::Fetch);
            entry.save(conn)?;
            Ok(if is_new { Heard::New } else { Heard::Known })
        })
    }

    /// Somebody wants the words of a call, though there seemed to be none. Words that there are stay; that is written down.
    pub fn want_transcript(&self, call: &CallSid, at: i64) -> Result<Heard, StoreError> {
        self.change(|conn| {
            let mut entry = Entry::open(conn, call, at)?;
            if entry.ledger.words == Words::Settled {
                entry.decide(conn, at, "skipped", "somebody asked, and there are words already")?;
                return Ok(Heard::HasWords);
            }
            let is_new = entry.hear(at, &News::Transcribe);
            entry.save(conn)?;
            Ok(if is_new { Heard::New } else { Heard::Known })
        })
    }
}

/// To be called in a transaction.
pub(in crate::store) fn hear_report(conn: &mut Conn, report: &RecordingReport, at: i64) -> Result<Heard, Fault> {
    let mut entry = Entry::open(conn, &report.call, at)?;
    let is_new = entry.hear(at, &News::Recording(report.id.clone(), report.state));
    if is_new {
        entry.keep_report(conn, report, at)?;
        entry.save(conn)?;
    }
    Ok(if is_new { Heard::New } else { Heard::Known })
}

/// Opens the entries of calls that are over, so that what was said on them is settled; those that are open are told so. To be
/// called in the transaction that keeps the calls' ends.
pub(in crate::store) fn hear_of_ends(conn: &mut Conn, ends: &[(&CallSid, i64)]) -> Result<(), Fault> {
    if ends.is_empty() {
        return Ok(());
    }
    let calls: Vec<&str> = ends.iter().map(|(call, _)| call.as_str()).collect();
    let known: Vec<(String, Option<i64>)> = both!(&mut *conn, |c| recording_work::table
        .filter(recording_work::call_sid.eq_any(&calls))
        .select((recording_work::call_sid, recording_work::over_at))
        .load(c))?;
    for (call, at) in ends {
        match known.iter().find(|(sid, _)| sid == call.as_str()) {
            Some((_, Some(_))) => {} // it was told before
            Some((_, None)) => tell_end(conn, call, *at)?,
            None => {
                let (at, until) = (*at, at.saturating_add(GRACE.as_micros() as i64));
                // Somebody else may open it at this moment.
                if !Entry::insert(conn, call, Some(at), at, until)? {
                    tell_end(conn, call, at)?;
                }
            }
        }
    }
    Ok(())
}

fn tell_end(conn: &mut Conn, call: &CallSid, at: i64) -> Result<(), Fault> {
    let mut entry = Entry::open(conn, call, at)?;
    if entry.hear(at, &News::Over(at)) {
        entry.save(conn)?;
    }
    Ok(())
}
