//! Which of a call's recordings is played, and what is said where none can be.

use std::time::Duration;

use crate::engine::recording::{MadeBy, RecordingState};
use crate::engine::status::CallRow;
use crate::store::recordings::{KeptFile, Recording};

/// How long after the end of a call its recording may not be heard of yet: the carrier takes some seconds, and our own is
/// completed in one.
const HEARD_OF_WITHIN: Duration = Duration::from_secs(15);
/// When it is worth asking again: a call goes on for a while …
const WHILE_IT_GOES_ON: Duration = Duration::from_secs(10);
/// … and what is complete is fetched in seconds.
const WHILE_IT_IS_FETCHED: Duration = Duration::from_secs(5);
/// … or heard of.
const WHILE_IT_IS_NEW: Duration = Duration::from_secs(2);

/// What there is to play.
#[derive(Debug, PartialEq)]
pub(super) enum Choice {
    /// This one, which is kept there.
    Play(Box<Recording>, KeptFile),
    /// It will come; ask again after this time.
    NotYet { why: &'static str, after: Duration },
    /// It was deleted when its time was over.
    Expired,
    /// It could not be fetched.
    Lost(String),
    /// There is none.
    None,
}

/// Chooses among a call's recordings at `now`, in microseconds since 1970-01-01 UTC.
pub(super) fn choose(row: &CallRow, mut recordings: Vec<Recording>, now: i64) -> Choice {
    // The carrier's first, and of those the earliest: it begins with the call.
    recordings.sort_by_key(|recording| (recording.id.made_by() == MadeBy::Own, recording.created_at));
    let has = |state| recordings.iter().any(|recording| recording.state == state);
    let kept = recordings.iter().find_map(|recording| {
        let file = recording.file.clone().filter(|_| recording.state == RecordingState::Fetched)?;
        Some((recording.clone(), file))
    });
    if let Some((recording, file)) = kept {
        return Choice::Play(Box::new(recording), file);
    }
    if !row.status.is_final() {
        return Choice::NotYet { why: "the call goes on", after: WHILE_IT_GOES_ON };
    }
    if has(RecordingState::Announced) || has(RecordingState::Started) {
        return Choice::NotYet { why: "the recording is not fetched yet", after: WHILE_IT_IS_FETCHED };
    }
    if has(RecordingState::Expired) {
        return Choice::Expired;
    }
    let is_lost = |recording: &Recording| matches!(recording.state, RecordingState::Failed | RecordingState::Unkept);
    let failed = recordings.into_iter().find(is_lost);
    if let Some(failed) = failed {
        return Choice::Lost(failed.error.unwrap_or_else(|| "it was given up".to_owned()));
    }
    let ended_at = row.ended_at.unwrap_or(row.updated_at);
    match now.saturating_sub(ended_at) < HEARD_OF_WITHIN.as_micros() as i64 {
        true => Choice::NotYet { why: "the call has just ended", after: WHILE_IT_IS_NEW },
        false => Choice::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::recording::RecordingId;
    use crate::engine::recording::ledger::Retry;
    use crate::engine::status::{CallStatus, CarrierSource, StatusChange, fold};

    const CALL: &str = "CA0123456789abcdef0123456789abcdef";
    const LATER: i64 = 100_000_000;

    fn row(status: CallStatus) -> CallRow {
        fold(None, &StatusChange::new(CALL.parse().unwrap(), status, CarrierSource::StatusCallback, 1_000_000))
    }

    fn recording(id: &str, state: RecordingState) -> Recording {
        let id: RecordingId = id.parse().unwrap();
        let file = (state == RecordingState::Fetched).then(|| KeptFile {
            key: format!("{id}.wav"),
            content_type: "audio/wav".to_owned(),
            bytes: 44,
            sha256: "00".repeat(32),
        });
        Recording {
            id,
            call: CALL.parse().unwrap(),
            business: None,
            url: None,
            state,
            file,
            length_ms: None,
            channels: None,
            error: None,
            created_at: 0,
            fetched_at: None,
            read_at: None,
            deleted_at: None,
            retry: Retry::default(),
        }
    }

    const THEIRS: &str = "RE0123456789abcdef0123456789abcdef";

    fn choice(recordings: &[(&str, RecordingState)]) -> Choice {
        let recordings = recordings.iter().map(|(id, state)| recording(id, *state)).collect();
        choose(&row(CallStatus::Completed), recordings, LATER)
    }

    #[test]
    fn the_carriers_recording_is_played_before_our_own() {
        use RecordingState::{Announced, Expired, Failed, Fetched};
        for (recordings, played) in [
            (vec![(CALL, Fetched), (THEIRS, Fetched)], THEIRS),
            (vec![(CALL, Fetched), (THEIRS, Announced)], CALL),
            (vec![(THEIRS, Failed), (CALL, Fetched)], CALL),
            (vec![(THEIRS, Expired), (CALL, Fetched)], CALL),
        ] {
            let Choice::Play(recording, file) = choice(&recordings) else { panic!("{recordings:?}") };
            assert_eq!((recording.id.to_string(), file.key), (played.to_owned(), format!("{played}.wav")));
        }
    }

    #[test]
    fn what_can_still_come_is_worth_waiting_for() {
        use RecordingState::{Announced, Failed, Started};
        assert!(matches!(choice(&[(THEIRS, Started)]), Choice::NotYet { .. }));
        assert!(matches!(choice(&[(CALL, Failed), (THEIRS, Announced)]), Choice::NotYet { .. }));
        let going_on = choose(&row(CallStatus::InProgress), vec![], LATER);
        assert_eq!(going_on, Choice::NotYet { why: "the call goes on", after: WHILE_IT_GOES_ON });
        let just_over = choose(&row(CallStatus::Completed), vec![], 2_000_000);
        assert_eq!(just_over, Choice::NotYet { why: "the call has just ended", after: WHILE_IT_IS_NEW });
    }

    #[test]
    fn what_will_not_come_is_told_with_its_reason() {
        use RecordingState::{Absent, Expired, Failed, Unkept};
        assert_eq!(choice(&[]), Choice::None);
        assert_eq!(choice(&[(THEIRS, Absent)]), Choice::None);
        assert_eq!(choice(&[(THEIRS, Failed), (CALL, Expired)]), Choice::Expired);
        assert_eq!(choice(&[(THEIRS, Failed)]), Choice::Lost("it was given up".to_owned()));
        assert_eq!(choice(&[(CALL, Unkept)]), Choice::Lost("it was given up".to_owned()));
    }
}
