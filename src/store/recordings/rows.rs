//! Recordings as the table holds them.

use diesel::prelude::*;

use crate::engine::ids::CallSid;
use crate::engine::recording::ledger::Retry;
use crate::engine::recording::{RecordingId, RecordingState};

use super::{KeptFile, Recording, RecordingReport};
use crate::store::error::Fault;
use crate::store::rows::{number, parsed, storable};
use crate::store::schema::recordings;

/// What is said of a recording that was known before.
#[derive(AsChangeset)]
#[diesel(table_name = recordings)]
pub(super) struct ToldLater {
    url: Option<String>,
    length_ms: Option<i64>,
    channels: Option<i64>,
    error: Option<String>,
    store_key: Option<String>,
    content_type: Option<String>,
    bytes: Option<i64>,
    sha256: Option<String>,
}

impl From<&RecordingReport> for ToldLater {
    fn from(report: &RecordingReport) -> Self {
        Self {
            url: report.url.as_deref().map(storable),
            length_ms: report.length_ms.map(Into::into),
            channels: report.channels.map(Into::into),
            error: report.error.as_deref().map(storable),
            store_key: report.file.as_ref().map(|file| storable(&file.key)),
            content_type: report.file.as_ref().map(|file| storable(&file.content_type)),
            bytes: report.file.as_ref().map(|file| i64::try_from(file.bytes).unwrap_or(i64::MAX)),
            sha256: report.file.as_ref().map(|file| storable(&file.sha256)),
        }
    }
}

/// One row of `recordings`.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = recordings)]
pub(super) struct RecordingRow {
    pub id: String,
    call_sid: String,
    business: Option<String>,
    made_by: String,
    url: Option<String>,
    state: String,
    store_key: Option<String>,
    content_type: Option<String>,
    bytes: Option<i64>,
    sha256: Option<String>,
    length_ms: Option<i64>,
    channels: Option<i64>,
    error: Option<String>,
    pub created_at: i64,
    pub fetched_at: Option<i64>,
    read_at: Option<i64>,
    deleted_at: Option<i64>,
    tries: i64,
    retry_at: i64,
}

impl RecordingRow {
    /// A recording of which nothing is known but its name.
    pub fn new(id: &RecordingId, call: &CallSid, business: Option<String>, state: RecordingState, at: i64) -> Self {
        Self {
            id: id.to_string(),
            call_sid: call.to_string(),
            business,
            made_by: id.made_by().as_str().to_owned(),
            url: None,
            state: state.as_str().to_owned(),
            store_key: None,
            content_type: None,
            bytes: None,
            sha256: None,
            length_ms: None,
            channels: None,
            error: None,
            created_at: at,
            fetched_at: None,
            read_at: None,
            deleted_at: None,
            tries: 0,
            retry_at: 0,
        }
    }

    /// Takes in what is told of it.
    pub fn told(&mut self, report: &RecordingReport) {
        self.url = report.url.as_deref().map(storable);
        self.length_ms = report.length_ms.map(Into::into);
        self.channels = report.channels.map(Into::into);
        self.error = report.error.as_deref().map(storable);
        if let Some(file) = &report.file {
            self.store_key = Some(storable(&file.key));
            self.content_type = Some(storable(&file.content_type));
            self.bytes = Some(i64::try_from(file.bytes).unwrap_or(i64::MAX));
            self.sha256 = Some(storable(&file.sha256));
        }
    }

    pub fn into_recording(self) -> Result<Recording, Fault> {
        let file = match self.store_key {
            Some(key) => Some(KeptFile {
                key,
                content_type: self.content_type.unwrap_or_default(),
                bytes: u64::try_from(self.bytes.unwrap_or_default()).map_err(|_| Fault::Corrupt("recordings.bytes"))?,
                sha256: self.sha256.unwrap_or_default(),
            }),
            None => None,
        };
        let small = |stored: Option<i64>, field| stored.map(|stored| number(stored, field)).transpose();
        Ok(Recording {
            id: parsed(&self.id, "recordings.id")?,
            call: parsed(&self.call_sid, "recordings.call_sid")?,
            business: self.business.map(|id| parsed(&id, "recordings.business")).transpose()?,
            url: self.url,
            state: parsed(&self.state, "recordings.state")?,
            file,
            length_ms: small(self.length_ms, "recordings.length_ms")?,
            channels: small(self.channels, "recordings.channels")?,
            error: self.error,
            created_at: self.created_at,
            fetched_at: self.fetched_at,
            read_at: self.read_at,
            deleted_at: self.deleted_at,
            retry: Retry { tries: number(self.tries, "recordings.tries")?, at: self.retry_at },
        })
    }
}
