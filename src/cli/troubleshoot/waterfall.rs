//! The turns of a call beneath each other, on one scale of time.

use crate::engine::call::{Speaker, Turn};
use crate::store::CallEventRecord;

/// How many columns the whole call has.
const COLUMNS: usize = 38;
/// How much later than its first frame was sent a response may be heard, as its marks tell, in milliseconds.
const HEARD_WITHIN: u32 = 1_000;

/// For each turn of the agent how long the caller waited for it, in milliseconds, from the moment at which it was due;
/// `None` of the caller's turns, and where nothing tells.
pub(super) fn waits(turns: &[Turn], events: &[CallEventRecord]) -> Vec<Option<u64>> {
    let begun: Vec<(u32, u64)> = events
        .iter()
        .filter(|event| event.what == "first_audio")
        .filter_map(|event| Some((event.call_ms, event.ids.get("after_ms")?.as_u64()?)))
        .collect();
    let wait_of = |turn: &Turn| {
        let is_its = |(at, _): &&(u32, u64)| at.abs_diff(turn.started_ms) <= HEARD_WITHIN;
        let nearest = begun.iter().filter(is_its).min_by_key(|(at, _)| at.abs_diff(turn.started_ms));
        nearest.filter(|_| turn.speaker == Speaker::Agent).map(|(_, after)| *after)
    };
    turns.iter().map(wait_of).collect()
}

/// `.` while the caller waits for the turn, `#` while it is heard; in a call of this length.
pub(super) fn bar(turn: &Turn, wait: Option<u64>, length_ms: u64) -> String {
    let column = |ms: u64| (ms.min(length_ms) * COLUMNS as u64 / length_ms.max(1)) as usize;
    let (from, to) = (column(turn.started_ms.into()), column(turn.ended_ms.into()));
    let due = column(u64::from(turn.started_ms).saturating_sub(wait.unwrap_or(0)));
    // What is short is still to be seen.
    let (from, to) = (from.min(COLUMNS - 1), to.max(from.min(COLUMNS - 1) + 1));
    let mark = |at: usize| match at {
        at if (from..to).contains(&at) => '#',
        at if (due..from).contains(&at) => '.',
        _ => ' ',
    };
    (0..COLUMNS).map(mark).collect()
}
