//! Whether new calls are taken: not while the ticks of live calls are late, or are about to be.
//!
//! A call's sound is sent on ticks, 20 ms apart. A processor that has too much to do runs them late, every call's at
//! once; one more call makes all others worse. So each thread that carries calls keeps an [`Admission`]: it is told how
//! late each tick was and how much processor time the thread has used, and closes when, in the last two seconds,
//!
//! * more than one tick in a hundred was later than the limit (the 99th percentile is above it). A single stall is no
//!   overload: late ticks must have come in half of that time. Whatever keeps the thread from running is seen by it; or
//! * the thread was at work for more than its share of the time. Lateness tells only when there is nothing left, and
//!   refusing those who still call takes something, too: what is kept for them keeps live calls in time.
//!
//! It opens again when the 99th percentile is below half of the limit and the thread at work for less than nine tenths of
//! its share, so that it does not flap; a [`Reopening`] says how many calls are taken then.
//!
//! ```
//! use std::time::Duration;
//! use trunkline::engine::admission::{Admission, Limits, WINDOW};
//!
//! let ms = Duration::from_millis;
//! let mut admission = Admission::new(Limits { lateness: ms(15), busy_percent: 75 });
//! for beat in 0..100 {
//!     admission.ticked(ms(30));
//!     admission.judge(ms(20) * beat, Duration::ZERO);
//! }
//! assert!(!admission.is_open());
//! admission.judge(ms(2_000) + WINDOW, Duration::ZERO);
//! assert!(admission.is_open(), "what was late is forgotten");
//! ```

mod reopening;

use std::time::Duration;

pub use reopening::{FIRST, Reopening};

/// How long a tick counts. Two seconds: a hundred ticks of a thread that carries no call, so that one in a hundred can
/// be told; and no longer, because calls that were refused for nothing are lost.
pub const WINDOW: Duration = Duration::from_secs(2);
/// In how many pieces the window moves on.
const SLOTS: usize = 8;
/// In how many of them some tick must have been too late.
const LATE_SLOTS: usize = SLOTS / 2;
const SLOT: Duration = Duration::from_millis(WINDOW.as_millis() as u64 / SLOTS as u64);

/// From when on calls are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The 99th percentile of lateness that is allowed. Zero: calls are always taken.
    pub lateness: Duration,
    /// How much of its time a thread may be at work, in percent; 100: all of it.
    pub busy_percent: u32,
}

/// One piece of the window.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    /// When it began, and the processor time that was used until then.
    since: (Duration, Duration),
    all: u32,
    /// Later than half of the limit.
    lateish: u32,
    /// Later than the limit.
    late: u32,
}

/// Whether one thread takes new calls, by the lateness of its ticks.
#[derive(Clone, Debug)]
pub struct Admission {
    limits: Limits,
    slots: [Slot; SLOTS],
    /// The number of the piece that is counted into, since time began.
    slot: u64,
    is_open: bool,
}

impl Admission {
    /// Takes calls within these limits.
    pub fn new(limits: Limits) -> Self {
        Self { limits, slots: [Slot::default(); SLOTS], slot: 0, is_open: true }
    }

    /// Counts a tick that came so much later than it was due.
    pub fn ticked(&mut self, late: Duration) {
        let slot = &mut self.slots[self.slot as usize % SLOTS];
        slot.all += 1;
        slot.lateish += u32::from(late > self.limits.lateness / 2);
        slot.late += u32::from(late > self.limits.lateness);
    }

    /// Judges the window that ends `now`, the time since any moment before the first tick, at which the thread has used
    /// so much processor time. Whether the answer to [`is_open`](Self::is_open) has changed by it. To be called once in
    /// some milliseconds.
    pub fn judge(&mut self, now: Duration, used: Duration) -> bool {
        let was_open = self.is_open;
        let slot = (now.as_millis() / SLOT.as_millis()) as u64;
        if !self.limits.lateness.is_zero() {
            let busy = self.busy_percent(slot, now, used);
            self.is_open = match was_open {
                true => !self.is_late() && busy <= self.limits.busy_percent,
                false => self.is_calm_at(slot) && busy * 10 <= self.limits.busy_percent * 9,
            };
        }
        for passed in (self.slot + 1..=slot).rev().take(SLOTS) {
            self.slots[passed as usize % SLOTS] = Slot { since: (now, used), ..Slot::default() };
        }
        self.slot = self.slot.max(slot);
        self.is_open != was_open
    }

    /// How much of the window's time the thread was at work. None of it, until there is a whole window, so that how a
    /// thread starts tells nothing.
    fn busy_percent(&self, slot: u64, now: Duration, used: Duration) -> u32 {
        let is_past = slot.saturating_sub(self.slot) >= SLOTS as u64;
        if now < WINDOW || is_past {
            return 0;
        }
        let (since, used_then) = self.slots[(slot + 1) as usize % SLOTS].since;
        let (passed, worked) = (now.saturating_sub(since), used.saturating_sub(used_then));
        u32::try_from(worked.as_micros() * 100 / passed.as_micros().max(1)).unwrap_or(u32::MAX)
    }

    /// Whether new calls are taken.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    fn is_late(&self) -> bool {
        let late: u64 = self.slots.iter().map(|slot| u64::from(slot.late)).sum();
        let late_slots = self.slots.iter().filter(|slot| slot.late > 0).count();
        late_slots >= LATE_SLOTS && late * 100 > self.all()
    }

    /// What lies further back than the window counts no more, even if it was not judged meanwhile.
    fn is_calm_at(&self, now: u64) -> bool {
        let is_past = now.saturating_sub(self.slot) >= SLOTS as u64;
        let lateish: u64 = self.slots.iter().map(|slot| u64::from(slot.lateish)).sum();
        is_past || lateish * 100 <= self.all()
    }

    fn all(&self) -> u64 {
        self.slots.iter().map(|slot| u64::from(slot.all)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NEVER: [u64; 0] = [];

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// A thread whose ticks, 20 ms apart, are as late as told; whether it is open after each.
    struct Thread {
        admission: Admission,
        now: Duration,
        /// How much of its time it is at work, and the processor time that it has used.
        busy_percent: u32,
        used: Duration,
    }

    impl Thread {
        fn new(limit: u64) -> Self {
            let admission = Admission::new(Limits { lateness: ms(limit), busy_percent: 75 });
            Self { admission, now: Duration::ZERO, busy_percent: 10, used: Duration::ZERO }
        }

        /// The times, in milliseconds from here, at which it closed or opened.
        fn ticks(&mut self, late: impl Fn(u64) -> u64, count: u64) -> Vec<u64> {
            let mut changed = Vec::new();
            for tick in 0..count {
                self.now += ms(20);
                self.used += ms(20) * self.busy_percent / 100;
                self.admission.ticked(ms(late(tick)));
                if self.admission.judge(self.now, self.used) {
                    changed.push((tick + 1) * 20);
                }
            }
            changed
        }
    }

    #[test]
    fn ticks_that_stay_late_close_it_within_a_second_and_it_opens_two_seconds_after_the_last() {
        let mut thread = Thread::new(15);
        assert_eq!(thread.ticks(|_| 1, 500), NEVER);
        let closed = thread.ticks(|_| 16, 100);
        assert!(closed.len() == 1 && (500..=1_000).contains(&closed[0]), "{closed:?}");
        let opened = thread.ticks(|_| 1, 200);
        assert!(opened.len() == 1 && (1_750..=2_000).contains(&opened[0]), "{opened:?}");
    }

    #[test]
    fn a_single_stall_however_long_closes_nothing() {
        for stall in [100, 1_000, 10_000] {
            let mut thread = Thread::new(15);
            thread.ticks(|_| 1, 100);
            // The ticks that were missed come at once, each by 20 ms less late than the one before.
            thread.now += ms(stall);
            (0..stall / 20).for_each(|missed| thread.admission.ticked(ms(stall - 20 * missed)));
            assert_eq!(thread.ticks(|_| 1, 500), NEVER, "{stall}");
        }
    }

    #[test]
    fn one_late_tick_in_a_hundred_is_allowed_and_two_are_not() {
        assert_eq!(Thread::new(15).ticks(|tick| if tick % 100 == 0 { 40 } else { 1 }, 2_000), NEVER);
        assert!(!Thread::new(15).ticks(|tick| if tick % 20 == 0 { 40 } else { 1 }, 2_000).is_empty());
    }

    #[test]
    fn between_half_the_limit_and_the_limit_it_stays_as_it_is() {
        let mut thread = Thread::new(15);
        assert_eq!(thread.ticks(|tick| 8 + tick % 8, 500), NEVER, "open");
        thread.ticks(|_| 16, 100);
        assert_eq!(thread.ticks(|tick| 8 + tick % 8, 500), NEVER, "closed");
        assert!(!thread.admission.is_open());
    }

    #[test]
    fn with_a_limit_of_zero_it_never_closes() {
        let mut thread = Thread::new(0);
        thread.busy_percent = 100;
        assert_eq!(thread.ticks(|_| 10_000, 1_000), NEVER);
    }

    #[test]
    fn a_thread_that_works_for_more_than_its_share_is_closed_in_two_seconds_and_opened_below_nine_tenths() {
        let mut thread = Thread::new(15);
        thread.busy_percent = 75;
        assert_eq!(thread.ticks(|_| 1, 500), NEVER, "its share is allowed");
        thread.busy_percent = 90;
        let closed = thread.ticks(|_| 1, 200);
        assert!(closed.len() == 1 && closed[0] <= 2_000, "{closed:?}");
        thread.busy_percent = 70;
        assert_eq!(thread.ticks(|_| 1, 500), NEVER, "it stays closed");
        thread.busy_percent = 60;
        let opened = thread.ticks(|_| 1, 200);
        assert!(opened.len() == 1 && opened[0] <= 2_000, "{opened:?}");
    }

    #[test]
    fn how_a_thread_starts_closes_nothing() {
        let mut thread = Thread::new(15);
        thread.busy_percent = 100;
        assert_eq!(thread.ticks(|_| 1, 50), NEVER);
        thread.busy_percent = 10;
        assert_eq!(thread.ticks(|_| 1, 500), NEVER);
    }

    proptest! {
        #[test]
        fn ticks_in_time_keep_it_open_and_late_ones_never_do(limit in 1u64..100, late in 1u64..200) {
            let mut thread = Thread::new(limit);
            thread.ticks(|_| late, 150);
            prop_assert_eq!(thread.admission.is_open(), late <= limit);
        }

        #[test]
        fn time_may_leap_and_whatever_came_before_is_forgotten(leaps in prop::collection::vec(0u64..5_000, 1..50)) {
            let mut thread = Thread::new(15);
            for leap in leaps {
                thread.now += ms(leap);
                thread.ticks(|_| 99, 7);
            }
            thread.now += WINDOW;
            thread.ticks(|_| 0, 1);
            thread.ticks(|_| 0, 1);
            prop_assert!(thread.admission.is_open());
        }
    }
}
