//! Chance, as cheap as it can be: where in the 20 ms a call begins, how late a delta is, which call fails.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// A source of numbers that nobody needs to be unable to guess.
#[derive(Debug)]
pub struct Chance(Cell<u64>);

impl Chance {
    /// Different in each run.
    pub fn new() -> Self {
        Self(Cell::new(RandomState::new().hash_one(()) | 1))
    }

    /// A number below `limit`.
    pub fn below(&self, limit: u64) -> u64 {
        // xorshift64 (Marsaglia, 2003).
        let mut x = self.0.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.0.set(x);
        (x >> 16) % limit.max(1)
    }

    /// A time up to `limit`.
    pub fn up_to(&self, limit: Duration) -> Duration {
        Duration::from_micros(self.below(limit.as_micros() as u64 + 1))
    }

    /// Whether something that happens in so many of 100 cases happens now.
    pub fn happens(&self, percent: f64) -> bool {
        self.below(1_000_000) < (percent * 10_000.0) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_is_even() {
        let chance = Chance::new();
        let mut slots = [0; 20];
        (0..20_000).for_each(|_| slots[chance.below(20) as usize] += 1);
        assert!(slots.iter().all(|count| (800..1_200).contains(count)), "{slots:?}");
        let happened = (0..10_000).filter(|_| chance.happens(10.0)).count();
        assert!((800..1_200).contains(&happened), "{happened}");
        assert!(!chance.happens(0.0) && chance.happens(100.0));
    }
}
