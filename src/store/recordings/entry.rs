//! A call's entry as the tables hold it, and as the ledger knows it.

use diesel::prelude::*;
use diesel::result::OptionalEmptyChangesetExtension;

use crate::engine::ids::CallSid;
use crate::engine::recording::ledger::{Job, Known, Ledger, News, Retry, Words, over_without_record};
use crate::engine::recording::{RecordingState, Step};
use crate::engine::status::CallStatus;

use super::news::RecordingReport;
use super::rows::{RecordingRow, ToldLater};
use super::{Lease, Recording, WorkPlace, read};
use crate::store::db::{Conn, both};
use crate::store::error::Fault;
use crate::store::rows::{number, parsed, storable};
use crate::store::schema::{calls, recording_work, recordings};
use crate::store::transcripts;

/// One row of `recording_work`.
#[derive(Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = recording_work, primary_key(call_sid), treat_none_as_null = true)]
pub(super) struct WorkRow {
    pub call_sid: String,
    pub business: Option<String>,
    pub state: String,
    recording: Option<String>,
    tries: i64,
    takeovers: i64,
    next_at: i64,
    pub node: Option<String>,
    pub fence: i64,
    pub lease_until: i64,
    is_asked: bool,
    reason: Option<String>,
    over_at: Option<i64>,
    created_at: i64,
    pub settled_at: Option<i64>,
    pub told_at: Option<i64>,
    retry_at: i64,
}

impl WorkRow {
    /// What is known of it.
    pub fn into_place(self, conn: &mut Conn) -> Result<WorkPlace, Fault> {
        let of_recording: Option<i64> = match &self.recording {
            Some(id) => both!(conn, |c| recordings::table.find(id).select(recordings::tries).first(c).optional())?,
            None => None,
        };
        Ok(WorkPlace {
            step: parsed(&self.state, "recording_work.state")?,
            next_at: self.next_at,
            tries: number(of_recording.unwrap_or(self.tries), "recording_work.tries")?,
            takeovers: number(self.takeovers, "recording_work.takeovers")?,
            node: self.node,
            reason: self.reason,
            settled_at: self.settled_at,
        })
    }
}

/// An entry that nobody else may change until the transaction ends.
pub(super) struct Entry {
    pub call: CallSid,
    pub row: WorkRow,
    /// Its recordings, in the order of the ledger's.
    pub recordings: Vec<Recording>,
    pub ledger: Ledger,
}

impl Entry {
    /// The entry of a call; a new one if there is none.
    pub fn open(conn: &mut Conn, call: &CallSid, at: i64) -> Result<Self, Fault> {
        if let Some(entry) = Self::lock(conn, call, at)? {
            return Ok(entry);
        }
        Self::insert(conn, call, None, at, at)?; // unless somebody else does at this moment
        Self::lock(conn, call, at)?.ok_or(Fault::Corrupt("recording_work.call_sid"))
    }

    /// Inserts the row of a call; `false` if there is one.
    pub fn insert(conn: &mut Conn, call: &CallSid, over_at: Option<i64>, at: i64, next_at: i64) -> Result<bool, Fault> {
        let row = WorkRow {
            call_sid: call.to_string(),
            business: None,
            state: Step::Wait.as_str().to_owned(),
            recording: None,
            tries: 0,
            takeovers: 0,
            next_at,
            node: None,
            fence: 0,
            lease_until: 0,
            is_asked: false,
            reason: None,
            over_at,
            created_at: at,
            settled_at: None,
            told_at: None,
            retry_at: 0,
        };
        let inserted = both!(conn, |c| diesel::insert_into(recording_work::table)
            .values(&row)
            .on_conflict_do_nothing()
            .execute(c))?;
        Ok(inserted == 1)
    }

    /// The entry of a call, as it is at `now`; `None` if nothing was heard of it.
    pub fn lock(conn: &mut Conn, call: &CallSid, now: i64) -> Result<Option<Self>, Fault> {
        let row: Option<WorkRow> = match &mut *conn {
            // The transaction holds the one write lock that there is.
            Conn::Sqlite(c) => {
                recording_work::table.find(call.as_str()).select(WorkRow::as_select()).first(c).optional()?
            }
            #[cfg(feature = "postgres")]
            Conn::Postgres(c) => recording_work::table
                .find(call.as_str())
                .for_update()
                .select(WorkRow::as_select())
                .first(c)
                .optional()?,
        };
        row.map(|row| Self::read(conn, row, now)).transpose()
    }

    /// What belongs to a row that is locked.
    pub fn read(conn: &mut Conn, mut row: WorkRow, now: i64) -> Result<Self, Fault> {
        let call: CallSid = parsed(&row.call_sid, "recording_work.call_sid")?;
        let recordings = read::all_of(conn, &call)?;
        let carrier: Option<(String, Option<i64>, Option<String>)> = both!(&mut *conn, |c| calls::table
            .find(call.as_str())
            .select((calls::status, calls::ended_at, calls::business))
            .first(c)
            .optional())?;
        if let Some((_, _, business)) = &carrier {
            row.business = row.business.or_else(|| business.clone());
        }
        let carrier: Option<(CallStatus, Option<i64>)> = match carrier {
            Some((word, ended_at, _)) => Some((parsed(&word, "calls.status")?, ended_at)),
            None => None,
        };
        let known = |recording: &Recording| Known {
            id: recording.id.clone(),
            state: recording.state,
            is_read: recording.read_at.is_some(),
            retry: recording.retry,
        };
        let ledger = Ledger {
            recordings: recordings.iter().map(known).collect(),
            step: parsed(&row.state, "recording_work.state")?,
            recording: row.recording.as_deref().map(|id| parsed(id, "recording_work.recording")).transpose()?,
            retry: Retry { tries: number(row.tries, "recording_work.tries")?, at: row.retry_at },
            takeovers: number(row.takeovers, "recording_work.takeovers")?,
            next_at: row.next_at,
            opened_at: row.created_at,
            over_at: row.over_at.or_else(|| over_without_record(carrier, row.created_at, now)),
            words: Words::from(transcripts::source_of(conn, &call)?),
            is_asked: row.is_asked,
            is_summed_up: transcripts::is_summed_up(conn, &call)?,
            reason: row.reason.clone(),
        };
        Ok(Self { call, row, recordings, ledger })
    }

    /// Whether somebody is at it.
    pub fn is_held(&self, now: i64) -> bool {
        self.row.lease_until > now
    }

    /// Takes in what is heard; whether it was new.
    pub fn hear(&mut self, at: i64, news: &News) -> bool {
        let is_held = self.is_held(at);
        self.ledger.hear(at, is_held, news)
    }

    /// Keeps what was told of a recording, whose state is in the ledger by now.
    pub fn keep_report(&self, conn: &mut Conn, report: &RecordingReport, at: i64) -> Result<(), Fault> {
        if self.recordings.iter().any(|known| known.id == report.id) {
            let (id, to) = (report.id.to_string(), ToldLater::from(report));
            // What it says nothing of stays as it is; a report of nothing is no change.
            both!(&mut *conn, |c| diesel::update(recordings::table.find(&id))
                .set(&to)
                .execute(c)
                .optional_empty_changeset())?;
            if report.state == RecordingState::Fetched {
                // Why it was not here before says nothing any more.
                let to = (recordings::fetched_at.eq(at), recordings::error.eq(report.error.as_deref().map(storable)));
                both!(conn, |c| diesel::update(recordings::table.find(&id)).set(to).execute(c))?;
            }
        } else {
            let mut row = RecordingRow::new(&report.id, &self.call, self.row.business.clone(), report.state, at);
            row.told(report);
            row.fetched_at = (report.state == RecordingState::Fetched).then_some(at);
            both!(conn, |c| diesel::insert_into(recordings::table).values(&row).execute(c))?;
        }
        Ok(())
    }

    /// Writes the entry back: what is to be done, and how far its recordings have come.
    pub fn save(&mut self, conn: &mut Conn) -> Result<(), Fault> {
        let ledger = &self.ledger;
        let row = &mut self.row;
        row.state = ledger.step.as_str().to_owned();
        row.recording = ledger.recording.as_ref().map(ToString::to_string);
        (row.tries, row.retry_at) = (ledger.retry.tries.into(), ledger.retry.at);
        row.takeovers = ledger.takeovers.into();
        row.next_at = ledger.next_at;
        row.is_asked = ledger.is_asked;
        row.reason = ledger.reason.as_deref().map(storable);
        row.over_at = ledger.over_at;
        both!(&mut *conn, |c| diesel::update(recording_work::table.find(&row.call_sid)).set(&*row).execute(c))?;
        for (before, now) in self.recordings.iter().zip(&self.ledger.recordings) {
            let id = now.id.to_string();
            if before.state != now.state {
                let to = recordings::state.eq(now.state.as_str());
                both!(&mut *conn, |c| diesel::update(recordings::table.find(&id)).set(to).execute(c))?;
            }
            if before.retry != now.retry {
                let to = (recordings::tries.eq(i64::from(now.retry.tries)), recordings::retry_at.eq(now.retry.at));
                both!(&mut *conn, |c| diesel::update(recordings::table.find(&id)).set(to).execute(c))?;
            }
            if before.read_at.is_some() && !now.is_read {
                let to = recordings::read_at.eq(None::<i64>);
                both!(&mut *conn, |c| diesel::update(recordings::table.find(&id)).set(to).execute(c))?;
            }
            if before.business.is_none() && self.row.business.is_some() {
                let to = recordings::business.eq(&self.row.business);
                both!(&mut *conn, |c| diesel::update(recordings::table.find(&id)).set(to).execute(c))?;
            }
        }
        Ok(())
    }

    /// The right to do a job that was taken.
    pub fn lease(&self, job: Job, is_taken_over: bool) -> Lease {
        let recording = self.recordings.iter().find(|recording| Some(&recording.id) == job.recording.as_ref()).cloned();
        let business = self.row.business.as_deref().and_then(|id| id.parse().ok());
        Lease { call: self.call.clone(), business, fence: self.row.fence, job, recording, is_taken_over }
    }

    /// Writes down what was decided about the words.
    pub fn decide(&self, conn: &mut Conn, at: i64, decision: &str, reason: &str) -> Result<(), Fault> {
        transcripts::decide(conn, &self.call, at, decision, reason)
    }
}
