//! How an agent's audio comes, and how long it has to be held back for that.

use std::time::Duration;

use crate::engine::audio::settings::PlayoutSettings;
use crate::engine::time::CallTime;

/// What the last responses of an agent would have needed to be heard without a hole, and how much that varies.
#[derive(Clone, Debug)]
pub(super) struct Rhythm {
    /// In microseconds; less than nothing for what came ahead of time.
    needs: [i64; RESPONSES],
    /// How many were learnt; the oldest is overwritten first.
    learnt: usize,
    /// Whether the chunks of any response came unsteadily.
    is_unsteady: bool,
    preroll: i64,
    low_water: Duration,
}

/// How many responses are remembered: with more an agent that has recovered would wait for long, with fewer
/// a seldom delay would be forgotten.
const RESPONSES: usize = 16;
/// So few responses of an unsteady agent don't show the worst that it does.
const FEW: usize = 5;
/// What is spared for timers that fire late. An agent that sends 20 ms at twice the pace of speech has so much to spare.
const MARGIN_US: i64 = 10_000;

impl Rhythm {
    pub fn new(settings: &PlayoutSettings) -> Self {
        Self {
            needs: [0; RESPONSES],
            learnt: 0,
            is_unsteady: false,
            preroll: i64::from(settings.preroll_ms) * 1_000,
            low_water: Duration::from_millis(settings.low_water_ms.into()),
        }
    }

    /// A response is over.
    pub fn learn(&mut self, arrivals: &Arrivals) {
        if arrivals.latest > NOTHING {
            self.needs[self.learnt % RESPONSES] = arrivals.need();
            self.learnt += 1;
            self.is_unsteady |= arrivals.rise > MARGIN_US;
        }
    }

    /// How long after its first audio a response begins; as long as may be while nothing is known. Where only one response
    /// needed anything, that was chance.
    pub fn hold_back(&self) -> Duration {
        let known = &self.needs[..self.learnt.min(RESPONSES)];
        let Some(&least) = known.iter().min() else { return Duration::from_micros(self.preroll as u64) };
        let (second, most) = two_greatest(known);
        if self.is_unsteady && self.learnt < FEW && most + MARGIN_US > -self.preroll {
            return Duration::from_micros(self.preroll as u64);
        }
        let is_chance = known.len() >= FEW && second + MARGIN_US <= 0;
        let most = if is_chance { second } else { most };
        let expected = most + (most - least) / 2 + MARGIN_US;
        Duration::from_micros(expected.clamp(0, self.preroll) as u64)
    }

    /// How long a response is held back after a hole: not at all if its agent runs ahead and just fell silent.
    pub fn low_water(&self, arrivals: &Arrivals) -> Duration {
        let preroll = Duration::from_micros(self.preroll as u64);
        match arrivals.latest > 0 {
            true => self.low_water.min(preroll),
            false => self.low_water.min(self.hold_back()),
        }
    }

    /// Whether audio that came like this needs not be held back any more: it is so far ahead of the caller that what
    /// comes next may come late, or, as the first of an unknown agent, comes at twice the pace of speech at least.
    pub fn is_ahead(&self, arrivals: &Arrivals) -> bool {
        let span = arrivals.last.since(arrivals.first).as_micros() as i64;
        let is_burst = self.learnt == 0 && arrivals.length >= self.preroll * 2 / 3 && span * 2 <= arrivals.length;
        is_burst || (arrivals.latest <= 0 && arrivals.earliest <= -self.preroll)
    }
}

/// The second and the first of these needs by size.
fn two_greatest(needs: &[i64]) -> (i64, i64) {
    needs.iter().fold((NOTHING, NOTHING), |(second, most), &need| match need > most {
        true => (most, need),
        false => (second.max(need), most),
    })
}

/// How late the latest chunk was when there is none to compare.
const NOTHING: i64 = i64::MIN;

/// When the chunks of one response came, beside when the caller would have heard them, had it begun with the first.
#[derive(Clone, Debug, Default)]
pub(super) struct Arrivals {
    pub first: CallTime,
    pub last: CallTime,
    chunks: u32,
    /// How much audio came, in microseconds, as all that follows.
    length: i64,
    /// By how much a chunk came too late at most, and at least; less than nothing is ahead of time.
    latest: i64,
    earliest: i64,
    /// How late the last chunk came, and by how much at most one was later than the one before.
    late: i64,
    rise: i64,
}

impl Arrivals {
    /// A chunk comes, so many microseconds long.
    pub fn add(&mut self, now: CallTime, length: i64, rhythm: &Rhythm) {
        if self.chunks == 0 {
            (self.first, self.latest) = (now, NOTHING);
        } else {
            let late = now.as_micros() as i64 - self.first.as_micros() as i64 - self.length;
            self.compare(late, rhythm.preroll * 2);
        }
        self.last = now;
        self.chunks += 1;
        self.length += length;
    }

    /// What is later than `outage` did not come unsteadily: it was out, and no pre-roll would have helped. What is so
    /// much ahead is no measure of how unsteady the first chunks may be, the only ones that count.
    fn compare(&mut self, late: i64, outage: i64) {
        if late > outage {
            return;
        }
        if self.chunks > 1 && late > -outage {
            self.rise = self.rise.max(late - self.late);
        }
        self.latest = self.latest.max(late);
        self.earliest = self.earliest.min(late);
        self.late = late;
    }

    /// How long it should have been held back, with half the unsteadiness that it showed.
    fn need(&self) -> i64 {
        self.latest.saturating_add(self.rise)
    }
}
