//! All calls of a storm and the one tick that drives them.
//!
//! A wheel has a slot for each of the 20 ms of a frame; a call sits in a slot by chance, as independent callers
//! do. The tick is on an absolute clock: what it is late for, it makes up for, and how late it was is counted.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::chance::Chance;
use super::line::Line;
use super::stamp::Audio;
use super::stats::Stats;
use super::talk::{Clip, Talk};
use super::vendor::Vendor;
use crate::cli::demo::twilio::FakeTwilio;
use crate::clock;

/// Slots of the wheel, each a millisecond wide: one turn is a frame.
const SLOTS: u64 = 20;
/// How far apart ticks are.
const TICK: Duration = Duration::from_millis(1);

/// All calls of a storm.
pub struct Fleet {
    /// The carrier and its account.
    pub carrier: FakeTwilio,
    /// What it signs with.
    pub token: String,
    /// Where the server takes a call's audio.
    pub address: SocketAddr,
    /// Whether that is an AudioSocket.
    pub is_pbx: bool,
    /// What the callers do.
    pub talk: Talk,
    /// What they say.
    pub clip: Clip,
    /// How the vendor's audio travels.
    pub audio: Audio,
    /// The vendor, if it is in this process.
    pub vendor: Option<Rc<Vendor>>,
    /// What is counted.
    pub stats: Rc<RefCell<Stats>>,
    /// When everybody begins to hang up, and how long that takes.
    ends: Cell<Option<(Instant, Duration)>>,
    /// How many streams are open.
    pub live: Cell<usize>,
    /// How long all streams were open together.
    pub call_time: Cell<Duration>,
    /// Chance.
    pub chance: Chance,
    wheel: RefCell<[Vec<Rc<Line>>; SLOTS as usize]>,
}

impl Fleet {
    /// No call yet.
    pub fn new(
        (carrier, token, address): (FakeTwilio, String, SocketAddr),
        (talk, audio): (Talk, Audio),
        vendor: Option<Rc<Vendor>>,
        stats: Rc<RefCell<Stats>>,
        is_pbx: bool,
    ) -> Rc<Self> {
        Rc::new(Self {
            carrier,
            token,
            address,
            is_pbx,
            talk,
            clip: Clip::new(),
            audio,
            vendor,
            stats,
            ends: Cell::new(None),
            live: Cell::new(0),
            call_time: Cell::new(Duration::ZERO),
            chance: Chance::new(),
            wheel: RefCell::default(),
        })
    }

    /// From now on everybody hangs up, within this time.
    pub fn end(&self, within: Duration) {
        self.ends.set(Some((clock::now(), within)));
    }

    /// Whether no call may begin any more.
    pub fn is_ending(&self) -> bool {
        self.ends.get().is_some()
    }

    /// Whether a caller hangs up now who is this patient, 0 to 1.
    pub fn is_over_for(&self, patience: f64, now: Instant) -> bool {
        self.ends.get().is_some_and(|(begins, within)| begins + within.mul_f64(patience) <= now)
    }

    /// From now on this line is ticked.
    pub fn join(&self, line: &Rc<Line>) {
        let slot = self.chance.below(SLOTS) as usize;
        self.wheel.borrow_mut()[slot].push(Rc::clone(line));
        self.live.set(self.live.get() + 1);
    }

    /// A line that joined has ended.
    pub fn left(&self) {
        self.live.set(self.live.get().saturating_sub(1));
    }

    /// Ticks until the storm's runtime ends.
    pub async fn run(self: Rc<Self>) {
        let mut due = clock::now();
        let mut slot = 0;
        loop {
            due += TICK;
            tokio::time::sleep_until(due.into()).await;
            self.tick(due, slot);
            slot = (slot + 1) % SLOTS as usize;
        }
    }

    fn tick(&self, due: Instant, slot: usize) {
        let now = clock::now();
        self.stats.borrow_mut().lateness.record(now.saturating_duration_since(due));
        self.call_time.set(self.call_time.get() + TICK * self.live.get() as u32);
        // A line that joins meanwhile waits for the next turn.
        let mut lines = std::mem::take(&mut self.wheel.borrow_mut()[slot]);
        lines.retain(|line| line.tick(self, now));
        let mut wheel = self.wheel.borrow_mut();
        lines.append(&mut wheel[slot]);
        wheel[slot] = lines;
        drop(wheel);
        if let Some(vendor) = &self.vendor {
            vendor.tick(now);
        }
    }
}
