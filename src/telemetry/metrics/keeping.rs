//! Figures of recordings that are kept, and deleted when their time is over.

use prometheus::{IntCounter, IntGauge};

use super::family::{ByWord, Register};
use crate::telemetry::Event;

/// What becomes of recordings that are kept.
pub(super) struct Keeping {
    deleted: ByWord,
    not_deleted: ByWord,
    recordings: IntGauge,
    bytes: IntGauge,
    partial_swept: IntCounter,
    partial_not_swept: IntCounter,
}

impl Keeping {
    pub(super) fn new(r: &Register<'_>) -> Self {
        Self {
            deleted: r.by_word("recordings_deleted_total", "why", "Recordings deleted, for their age or a quota."),
            not_deleted: r.by_word(
                "recordings_not_deleted_total",
                "place",
                "Times that a recording whose time was over could not be deleted, by where.",
            ),
            recordings: r.gauge("recordings_kept", "Recordings in the store, on all nodes."),
            bytes: r.gauge("recordings_kept_bytes", "… and their bytes."),
            partial_swept: r.counter(
                "partial_recordings_swept_total",
                "Files deleted that a crash left of recordings on their way.",
            ),
            partial_not_swept: r.counter(
                "partial_recordings_not_swept_total",
                "Times that such files could not be looked for, or not be deleted.",
            ),
        }
    }

    /// Counts an event, if it is about that.
    pub(super) fn count(&self, event: &Event<'_>) {
        match *event {
            Event::RecordingDeleted { why } => self.deleted.of(why).inc(),
            Event::RecordingNotDeleted { place, .. } => self.not_deleted.of(place).inc(),
            Event::RecordingsKept { count, bytes } => {
                self.recordings.set(i64::try_from(count).unwrap_or(i64::MAX));
                self.bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
            }
            Event::PartialFilesSwept { count } => self.partial_swept.inc_by(count as u64),
            Event::PartialFilesNotSwept { .. } => self.partial_not_swept.inc(),
            _ => {}
        }
    }
}
