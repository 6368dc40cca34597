//! How something is spread: a histogram of times, from which percentiles are read.

use std::time::Duration;

use serde::Serialize;

/// Below so many microseconds each has a place of its own.
const EXACT: u64 = 128;
/// Places between two powers of two: what is read is at most 1.6 % below what was recorded.
const STEPS: u32 = 64;

/// Times, counted into places that grow with the time.
#[derive(Clone, Debug, Default)]
pub struct Spread {
    places: Vec<u64>,
    count: u64,
    max: Duration,
}

/// What a reader wants to know of a spread. Milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Percentiles {
    /// How many there were.
    pub count: u64,
    /// Half of them were at most this.
    pub p50: f64,
    /// 95 of 100 were at most this.
    pub p95: f64,
    /// 99 of 100 were at most this.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

impl Spread {
    /// Counts one.
    pub fn record(&mut self, time: Duration) {
        let place = place(time.as_micros() as u64);
        if self.places.len() <= place {
            self.places.resize(place + 1, 0);
        }
        self.places[place] += 1;
        self.count += 1;
        self.max = self.max.max(time);
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The least time that `share` (0 to 1) of all don't exceed.
    pub fn quantile(&self, share: f64) -> Duration {
        let wanted = ((self.count as f64 * share).ceil() as u64).clamp(1, self.count.max(1));
        let mut seen = 0;
        for (place, count) in self.places.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return Duration::from_micros(value(place)).min(self.max);
            }
        }
        self.max
    }

    /// The share, 0 to 1, of those above `limit`.
    pub fn share_above(&self, limit: Duration) -> f64 {
        let first = place(limit.as_micros() as u64) + 1;
        let above: u64 = self.places.iter().skip(first).sum();
        above as f64 / self.count.max(1) as f64
    }

    /// The usual percentiles; `None` if nothing was counted.
    pub fn percentiles(&self) -> Option<Percentiles> {
        let ms = |time: Duration| (time.as_secs_f64() * 1e5).round() / 100.0;
        let at = |share| ms(self.quantile(share));
        (self.count > 0).then(|| Percentiles {
            count: self.count,
            p50: at(0.5),
            p95: at(0.95),
            p99: at(0.99),
            max: ms(self.max),
        })
    }
}

fn place(micros: u64) -> usize {
    if micros < EXACT {
        return micros as usize;
    }
    let power = 63 - micros.leading_zeros();
    let step = (micros >> (power - 6)) as u32 - STEPS;
    (EXACT as u32 + (power - 7) * STEPS + step) as usize
}

/// The least time of a place.
fn value(place: usize) -> u64 {
    let place = place as u64;
    if place < EXACT {
        return place;
    }
    let (power, step) = ((place - EXACT) / u64::from(STEPS), (place - EXACT) % u64::from(STEPS));
    (u64::from(STEPS) + step) << (power + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn percentiles_of_a_hundred_known_times() {
        let mut spread = Spread::default();
        assert_eq!(spread.percentiles(), None);
        (1..=100).for_each(|ms| spread.record(Duration::from_millis(ms)));
        let Percentiles { count, p50, p95, p99, max } = spread.percentiles().unwrap();
        assert_eq!((count, max), (100, 100.0));
        for (read, wanted) in [(p50, 50.0), (p95, 95.0), (p99, 99.0)] {
            assert!((wanted * 0.984..=wanted).contains(&read), "{read} for {wanted}");
        }
        assert_eq!(spread.share_above(Duration::from_millis(90)), 0.10);
        assert_eq!(spread.share_above(Duration::from_millis(200)), 0.0);
    }

    proptest! {
        #[test]
        fn a_place_holds_its_times_and_no_other(micros in 0u64..1 << 40) {
            let at = place(micros);
            prop_assert!(value(at) <= micros && micros < value(at + 1));
            prop_assert!(micros - value(at) <= micros / 64);
        }
    }
}
