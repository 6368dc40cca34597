//! When the next frame may go out.

use std::time::Duration;

use crate::engine::audio::frame::{FRAME, FRAME_MS};
use crate::engine::time::CallTime;

/// Keeps the distance between what is sent and what is heard, by the call's clock.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    /// How far ahead of the ear we send, in whole frames: 1 to 10.
    lead_frames: u32,
    /// When everything that was sent will have been heard.
    heard_by: CallTime,
    /// When the last frame was due, or [`LEAST_GAP`] before it was sent if it was later than that; of a lead that goes out at
    /// once, when it was sent.
    last_due: Option<CallTime>,
    /// How many frames may still go out without a gap, at the start of a response.
    at_once: u32,
}

/// The least time between two frames, but for the lead. A frame later than this and earlier than 20 ms restores
/// lead without being a burst. It counts from when a frame was due, so that a thread whose ticks are all
/// late by one still sends as fast as the caller hears.
const LEAST_GAP: Duration = Duration::from_millis(15);
/// The largest lead: an interruption takes back no more.
const LARGEST_LEAD_MS: u32 = 200;

impl Pace {
    pub fn new(lead_ms: u32) -> Self {
        let lead_frames = (lead_ms.min(LARGEST_LEAD_MS) / FRAME_MS).max(1);
        Self { lead_frames, heard_by: CallTime::START, last_due: None, at_once: 0 }
    }

    /// A response starts: its lead may go out at once.
    pub fn begin(&mut self) {
        self.at_once = self.lead_frames;
    }

    /// When the next frame may go out.
    pub fn next_due(&self) -> CallTime {
        let by_lead = self.heard_by - FRAME * (self.lead_frames - 1);
        match self.last_due {
            Some(last) if self.at_once == 0 => by_lead.max(last + LEAST_GAP),
            _ => by_lead,
        }
    }

    /// A frame goes out, which was there at `ready`. Says whether the ear had run dry before.
    pub fn send(&mut self, now: CallTime, ready: CallTime) -> bool {
        let due = self.next_due().max(ready).min(now);
        // What is left of a lead after a delay of ours takes no late frame with it.
        self.last_due = Some(if self.at_once > 0 { now } else { due.max(now - LEAST_GAP) });
        let late = now.since(self.heard_by);
        // With a lead of one frame every timer tick is a little late: what the next gap makes good is no loss.
        let tolerance = if self.lead_frames == 1 { FRAME - LEAST_GAP } else { Duration::ZERO };
        let ran_dry = late > tolerance;
        if ran_dry {
            self.heard_by = now;
        }
        self.heard_by = self.heard_by + FRAME;
        self.at_once = self.at_once.saturating_sub(1);
        ran_dry
    }

    /// What was sent and not heard is thrown away at the carrier, too.
    pub fn clear(&mut self, now: CallTime) {
        self.heard_by = self.heard_by.min(now);
    }

    pub const fn heard_by(&self) -> CallTime {
        self.heard_by
    }

    /// How many frames were due at the ear, beyond what was sent, before now, or also at now.
    pub fn due_at_ear(&self, now: CallTime, and_at_now: bool) -> u64 {
        if now < self.heard_by {
            return 0;
        }
        let dry = now.since(self.heard_by).as_micros() as u64;
        let frame = FRAME.as_micros() as u64;
        if and_at_now { dry / frame + 1 } else { dry.div_ceil(frame) }
    }
}
