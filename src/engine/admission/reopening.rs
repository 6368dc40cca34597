//! How calls are taken again after an overload: one by one at first.
//!
//! While calls were refused, those who were refused have called again and again; were all of them taken in the moment in
//! which the threads are in time, the threads would be later than before, a second after. So the first second takes
//! [`FIRST`] calls, evenly spaced, and each [`WINDOW`] that the threads stay in time doubles that, until it bounds nothing.
//!
//! ```
//! use std::time::Duration;
//! use trunkline::engine::admission::{Reopening, WINDOW};
//!
//! let mut reopening = Reopening::default();
//! assert!((0..1_000).all(|_| reopening.takes_one(Duration::ZERO)), "nothing was closed yet");
//! reopening.opened(Duration::from_secs(60));
//! let calls = (0..1_000).filter(|millis| reopening.takes_one(Duration::from_secs(60) + Duration::from_millis(*millis)));
//! assert_eq!(calls.count(), 10);
//! assert!((0..1_000).all(|_| reopening.takes_one(Duration::from_secs(60) + 10 * WINDOW)));
//! ```

use std::time::Duration;

use super::WINDOW;

/// How many calls the first second takes: a hundredth of what a core carries, which makes nobody late.
pub const FIRST: u32 = 10;
/// How often that is doubled before it bounds nothing any more: more than a thousand calls a second begin nowhere.
const DOUBLED: u32 = 7;

/// Which calls are taken in the time after an overload. Times are those since any one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reopening {
    /// When it opened, and when the next call may be taken; `None` once nothing is bounded.
    since: Option<(Duration, Duration)>,
}

impl Reopening {
    /// The threads are in time again, from `now` on.
    pub fn opened(&mut self, now: Duration) {
        self.since = Some((now, now));
    }

    /// Whether a call that comes `now` is taken. One that is counts.
    pub fn takes_one(&mut self, now: Duration) -> bool {
        let Some((opened, next)) = self.since else { return true };
        let windows = now.saturating_sub(opened).as_millis() / WINDOW.as_millis();
        if windows >= u128::from(DOUBLED) {
            self.since = None;
            return true;
        }
        if now < next {
            return false;
        }
        let apart = Duration::from_secs(1) / (FIRST << windows);
        self.since = Some((opened, now + apart));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// How many of a thousand callers a second are taken in each window after it opened.
    fn taken_in_windows(count: u32) -> Vec<usize> {
        let opened = Duration::from_secs(100);
        let mut reopening = Reopening::default();
        reopening.opened(opened);
        let window = |window: u32| {
            let callers = (0..2_000).map(move |millis| opened + WINDOW * window + Duration::from_millis(millis));
            callers.filter(|now| reopening.takes_one(*now)).count()
        };
        (0..count).map(window).collect()
    }

    #[test]
    fn each_window_takes_twice_as_many_as_the_one_before() {
        assert_eq!(taken_in_windows(4), [20, 40, 80, 154], "the callers are a millisecond apart");
        assert_eq!(taken_in_windows(8)[7], 2_000);
    }

    #[test]
    fn who_opens_again_begins_anew() {
        let mut reopening = Reopening::default();
        reopening.opened(Duration::ZERO);
        let later = WINDOW * 3;
        reopening.opened(later);
        let taken = (0..1_000).filter(|millis| reopening.takes_one(later + Duration::from_millis(*millis))).count();
        assert_eq!(taken, FIRST as usize);
    }

    proptest! {
        #[test]
        fn whatever_comes_no_second_takes_more_than_its_window_allows(
            gaps in prop::collection::vec(0u64..400, 1..500),
        ) {
            let mut reopening = Reopening::default();
            reopening.opened(Duration::ZERO);
            let mut now = Duration::ZERO;
            let mut taken = Vec::new();
            for gap in gaps {
                now += Duration::from_millis(gap);
                if now < WINDOW && reopening.takes_one(now) {
                    taken.push(now);
                }
            }
            prop_assert!(taken.windows(2).all(|two| two[1] - two[0] >= Duration::from_millis(100)), "{taken:?}");
        }

        #[test]
        fn a_caller_alone_is_always_taken(pauses in prop::collection::vec(100u64..5_000, 1..50)) {
            let mut reopening = Reopening::default();
            reopening.opened(Duration::ZERO);
            let mut now = Duration::ZERO;
            for pause in pauses {
                now += Duration::from_millis(pause);
                prop_assert!(reopening.takes_one(now));
            }
        }
    }
}
