//! Time as the engine sees it: a point on the call's own clock.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// A point on a call's monotonic clock: microseconds since the call's media stream was accepted.
///
/// The engine never reads a clock; whoever feeds it says what time it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallTime(u64);

impl CallTime {
    /// The moment the call's clock started.
    pub const START: Self = Self(0);

    /// A point `micros` microseconds after the start.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// A point `millis` milliseconds after the start.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis * 1_000)
    }

    /// Microseconds since the start.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Whole milliseconds since the start; 49 days fit.
    pub const fn as_millis(self) -> u32 {
        (self.0 / 1_000) as u32
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for CallTime {
    type Output = Self;

    fn add(self, later: Duration) -> Self {
        Self(self.0.saturating_add(later.as_micros() as u64))
    }
}

impl Sub<Duration> for CallTime {
    type Output = Self;

    /// Never before the start.
    fn sub(self, earlier: Duration) -> Self {
        Self(self.0.saturating_sub(earlier.as_micros() as u64))
    }
}

impl fmt::Display for CallTime {
    /// Seconds with three decimals, as in `12.340 s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03} s", self.0 / 1_000_000, self.0 / 1_000 % 1_000)
    }
}
