//! One line for each kind of fault in a while.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A kind of fault: what happened, and of which sort. Both come from the code, so there are few.
pub(in crate::telemetry) type Key = (&'static str, &'static str);

/// Lets the first fault of each kind through, and then one for each period.
pub(in crate::telemetry) struct Limiter {
    period: Duration,
    kinds: Mutex<HashMap<Key, Kind>>,
}

struct Kind {
    last: Option<Instant>,
    held_back: u64,
}

impl Limiter {
    pub(in crate::telemetry) fn new(period: Duration) -> Self {
        Self { period, kinds: Mutex::new(HashMap::new()) }
    }

    /// How many were held back before this one, if it may be said now. Where time is not known, only the first may.
    pub(in crate::telemetry) fn admit(&self, key: Key, now: Option<Instant>) -> Option<u64> {
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(kind) = kinds.get_mut(&key) else {
            kinds.insert(key, Kind { last: now, held_back: 0 });
            return Some(0);
        };
        let is_due = now.zip(kind.last).is_some_and(|(now, last)| now.saturating_duration_since(last) >= self.period);
        if !is_due {
            kind.held_back += 1;
            return None;
        }
        kind.last = now;
        Some(std::mem::take(&mut kind.held_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_said_at_once_and_then_once_in_each_period_with_the_number_held_back() {
        let limiter = Limiter::new(Duration::from_secs(5));
        let start = some_instant();
        let at = |millis| Some(start + Duration::from_millis(millis));
        assert_eq!(limiter.admit(("lost", "a"), at(0)), Some(0));
        assert_eq!(limiter.admit(("lost", "a"), at(1)), None);
        assert_eq!(limiter.admit(("lost", "b"), at(1)), Some(0), "another kind has its own time");
        assert_eq!(limiter.admit(("lost", "a"), at(4_999)), None);
        assert_eq!(limiter.admit(("lost", "a"), at(5_000)), Some(2));
        assert_eq!(limiter.admit(("lost", "a"), at(9_999)), None);
    }

    #[allow(clippy::disallowed_methods, reason = "instants are only made by clocks; this one is counted from")]
    fn some_instant() -> Instant {
        Instant::now()
    }

    #[test]
    fn without_a_clock_only_the_first_is_said() {
        let limiter = Limiter::new(Duration::ZERO);
        assert_eq!(limiter.admit(("lost", "a"), None), Some(0));
        assert_eq!(limiter.admit(("lost", "a"), None), None);
    }
}
