//! The only file that reads the time; a provider that waits asks tokio's timers what their clock shows.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

use crate::engine::time::CallTime;

/// The monotonic clock of one call; it starts when it is made.
#[derive(Clone, Copy, Debug)]
pub struct CallClock(Instant);

impl CallClock {
    /// A clock that starts now.
    pub fn start() -> Self {
        Self(now())
    }

    /// What the clock shows.
    pub fn now(&self) -> CallTime {
        self.when(now())
    }

    /// What the clock showed, or will show, at `moment`; [`CallTime::START`] for what was before.
    pub fn when(&self, moment: Instant) -> CallTime {
        CallTime::from_micros(moment.duration_since(self.0).as_micros() as u64)
    }

    /// The moment at which the clock will show `time`.
    pub fn at(&self, time: CallTime) -> Instant {
        self.0 + Duration::from_micros(time.as_micros())
    }
}

/// The monotonic clock.
#[allow(clippy::disallowed_methods, reason = "this is the file that reads the time")]
pub fn now() -> Instant {
    Instant::now()
}

/// Wall-clock time as microseconds since 1970-01-01 UTC, as the database stores it.
#[allow(clippy::disallowed_methods, reason = "this is the file that reads the time")]
pub fn wall_micros() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64)
}

/// The processor time that this thread has used.
pub fn thread_time() -> Duration {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(used.tv_sec.unsigned_abs(), used.tv_nsec.unsigned_abs() as u32)
}
