//! When the next call of a campaign may be placed.

use std::time::Duration;

use super::{CampaignState, Hours};

/// How fast a campaign may call.
#[derive(Clone, Copy, Debug)]
pub struct Pace<'a> {
    /// How many of its calls may be alive at once.
    pub concurrency: u32,
    /// From one dialling to the next, at least.
    pub spacing: Duration,
    /// When calls may be placed.
    pub hours: &'a Hours,
}

/// How a campaign stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// How far it has come.
    pub state: CampaignState,
    /// Whether anybody waits to be called.
    pub has_queued: bool,
    /// How many leads have, or may have, a call.
    pub open: u32,
    /// When the last call was dialled: microseconds since 1970-01-01 UTC.
    pub last_dial_at: Option<i64>,
}

impl Standing {
    /// Whether nothing is left to do, unless somebody steers.
    pub fn is_over(&self) -> bool {
        !self.may_dial() && self.open == 0
    }

    fn may_dial(&self) -> bool {
        self.state == CampaignState::Running && self.has_queued
    }
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Call the next lead.
    Dial,
    /// Nothing before this time (microseconds since 1970-01-01 UTC); [`i64::MAX`]: the hours never come.
    WaitUntil(i64),
    /// Nothing before a call has ended.
    WaitForEnd,
    /// Nothing any more, unless somebody steers.
    Over,
}

impl Pace<'_> {
    /// The next step at `now`, in microseconds since 1970-01-01 UTC.
    pub fn next(&self, now: i64, standing: &Standing) -> Step {
        match standing.may_dial() {
            _ if standing.is_over() => Step::Over,
            false => Step::WaitForEnd,
            true if standing.open >= self.concurrency => Step::WaitForEnd,
            true => self.when(now, standing.last_dial_at),
        }
    }

    fn when(&self, now: i64, last_dial_at: Option<i64>) -> Step {
        let spacing = i64::try_from(self.spacing.as_micros()).unwrap_or(i64::MAX);
        // Another node may have dialled, by a clock that is ahead of ours.
        let last = last_dial_at.map_or(i64::MIN, |last| last.min(now));
        match self.hours.opens_at(last.saturating_add(spacing).max(now)) {
            Some(at) if at <= now => Step::Dial,
            Some(at) => Step::WaitUntil(at),
            None => Step::WaitUntil(i64::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const SECOND: i64 = 1_000_000;
    /// Tuesday, 24 November 2026, 12:00 UTC.
    const NOON: i64 = 1_795_521_600 * SECOND;

    fn hours(windows: &[&str]) -> Hours {
        let windows = windows.iter().map(|text| text.parse().unwrap()).collect();
        Hours::new("UTC".parse().unwrap(), windows)
    }

    fn standing(state: CampaignState, has_queued: bool, open: u32, last_dial_at: Option<i64>) -> Standing {
        Standing { state, has_queued, open, last_dial_at }
    }

    #[test]
    fn the_next_call_waits_for_a_slot_for_the_spacing_and_for_the_hours() {
        use CampaignState::{Cancelled, Completed, Paused, Pending, Running};
        let (always, evenings) = (Hours::always(), hours(&["tue 18:00-20:00"]));
        let spaced = Pace { concurrency: 3, spacing: Duration::from_millis(500), hours: &always };
        let evening = Pace { hours: &evenings, ..spaced };
        for (pace, standing, step) in [
            (spaced, standing(Running, true, 0, None), Step::Dial),
            (spaced, standing(Running, true, 2, Some(NOON - SECOND)), Step::Dial),
            (spaced, standing(Running, true, 2, Some(NOON - 500_000)), Step::Dial),
            (spaced, standing(Running, true, 2, Some(NOON - 499_999)), Step::WaitUntil(NOON + 1)),
            (spaced, standing(Running, true, 0, Some(NOON + 60 * SECOND)), Step::WaitUntil(NOON + 500_000)),
            (spaced, standing(Running, true, 3, None), Step::WaitForEnd),
            (spaced, standing(Running, true, 7, None), Step::WaitForEnd),
            (spaced, standing(Running, false, 1, None), Step::WaitForEnd),
            (spaced, standing(Running, false, 0, None), Step::Over),
            (spaced, standing(Pending, true, 0, None), Step::Over),
            (spaced, standing(Paused, true, 0, None), Step::Over),
            (spaced, standing(Paused, true, 1, None), Step::WaitForEnd),
            (spaced, standing(Cancelled, true, 0, None), Step::Over),
            (spaced, standing(Cancelled, false, 2, None), Step::WaitForEnd),
            (spaced, standing(Completed, false, 0, None), Step::Over),
            (evening, standing(Running, true, 0, None), Step::WaitUntil(NOON + 6 * 3_600 * SECOND)),
            (evening, standing(Running, true, 3, None), Step::WaitForEnd),
        ] {
            assert_eq!(pace.next(NOON, &standing), step, "{standing:?}");
        }
    }

    /// A campaign in virtual time: `calls` lasts as long as each lead's call does.
    struct Run<'a> {
        pace: Pace<'a>,
        now: i64,
        queue: Vec<(usize, i64)>,
        open: Vec<i64>,
        dialled: Vec<(usize, i64)>,
    }

    impl Run<'_> {
        fn standing(&self) -> Standing {
            let last_dial_at = self.dialled.last().map(|(_, at)| *at);
            standing(CampaignState::Running, !self.queue.is_empty(), self.open.len() as u32, last_dial_at)
        }

        /// Whether it goes on.
        fn step(&mut self) -> bool {
            match self.pace.next(self.now, &self.standing()) {
                Step::Dial => {
                    let (lead, length) = self.queue.remove(0);
                    self.open.push(self.now + length);
                    self.dialled.push((lead, self.now));
                }
                Step::WaitUntil(at) => {
                    assert!(at > self.now && at < i64::MAX, "waits for what comes");
                    self.now = at;
                }
                Step::WaitForEnd => self.now = *self.open.iter().min().expect("there is a call that can end"),
                Step::Over => return false,
            }
            let now = self.now;
            self.open.retain(|end| *end > now);
            true
        }
    }

    proptest! {
        #[test]
        fn everybody_is_called_once_within_the_hours_never_too_many_at_once_and_never_too_fast(
            lengths in proptest::collection::vec(1..900i64, 1..60),
            concurrency in 1..6u32,
            spacing_ms in 0..90_000u64,
            windows in proptest::sample::subsequence(
                vec!["mon-fri 09:00-12:00", "tue 11:30-14:00", "sat 23:00-24:00", "sun 00:00-00:10"], 0..=4),
        ) {
            let hours = hours(&windows);
            let spacing = Duration::from_millis(spacing_ms);
            let queue: Vec<(usize, i64)> = lengths.iter().map(|s| s * SECOND).enumerate().collect();
            let pace = Pace { concurrency, spacing, hours: &hours };
            let mut run = Run { pace, now: NOON, queue, open: vec![], dialled: vec![] };
            let mut steps = 0;
            while run.step() {
                steps += 1;
                prop_assert!(run.open.len() <= concurrency as usize);
                prop_assert!(steps < 1_000, "it comes to an end");
            }
            let called: BTreeSet<usize> = run.dialled.iter().map(|(lead, _)| *lead).collect();
            prop_assert_eq!((called.len(), run.dialled.len()), (lengths.len(), lengths.len()));
            for pair in run.dialled.windows(2) {
                prop_assert!(pair[1].1 - pair[0].1 >= spacing.as_micros() as i64);
            }
            for (_, at) in &run.dialled {
                prop_assert_eq!(hours.opens_at(*at), Some(*at));
            }
        }
    }
}
