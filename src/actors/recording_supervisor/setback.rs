//! What the failures of others mean for a step: whether trying again may help, when, and whether it was a try at all.

use std::time::Duration;

use crate::engine::recording::ledger::Setback;
use crate::providers::recording_source::FetchError;
use crate::providers::recording_store::KeepError;
use crate::providers::transcriber::TranscribeError;

/// When a disk is tried again that is full or fails. Somebody has to mend it, so that is no try.
const DISK_PAUSE: Duration = Duration::from_secs(60);

fn setback(reason: String, may_pass: bool, not_before: Option<Duration>) -> Setback {
    Setback { reason, may_pass, counts: true, not_before }
}

fn disk(reason: String) -> Setback {
    Setback { reason, may_pass: true, counts: false, not_before: Some(DISK_PAUSE) }
}

pub(super) fn of_fetch(error: &FetchError) -> Setback {
    let reason = error.to_string();
    match error {
        FetchError::LeftAlone(pause) => Setback { reason, may_pass: true, counts: false, not_before: Some(*pause) },
        FetchError::Carrier { retry_after, .. } => setback(reason, true, *retry_after),
        FetchError::Disk(_) => disk(reason),
        other => setback(reason, other.may_pass(), None),
    }
}

pub(super) fn of_keep(error: &KeepError) -> Setback {
    let reason = error.to_string();
    match error {
        KeepError::Disk(_) => disk(reason),
        // Wrong keys are mended by people, and what is in the store is not lost meanwhile.
        KeepError::Refused { .. } | KeepError::Absent | KeepError::Away(_) => setback(reason, true, None),
    }
}

pub(super) fn of_transcribe(error: &TranscribeError) -> Setback {
    let reason = error.to_string();
    match error {
        TranscribeError::Away { retry_after, .. } => setback(reason, true, *retry_after),
        TranscribeError::Disk(_) => disk(reason),
        other => setback(reason, other.may_pass(), None),
    }
}

/// A panic: that it comes again is likely, but the next try tells.
pub(super) fn of_panic() -> Setback {
    setback("a fault of ours".to_owned(), true, None)
}

/// It took too long.
pub(super) fn of_time(limit: Duration) -> Setback {
    setback(format!("it took longer than {} s", limit.as_secs()), true, None)
}
