//! The agent's audio on its way to the caller: queued, paced, marked, and thrown away when the caller interrupts.
//!
//! A voice agent sends faster than anybody listens, or in fits and starts. The playout sends one frame every
//! 20 ms by the call's clock, and keeps just [`lead_ms`](PlayoutSettings::lead_ms) of audio between us and the
//! caller's ear: so much smooths the network, and no more has to be taken back at an interruption.
//!
//! ```
//! use trunkline::engine::audio::{Hz8k, Playout, PlayoutSettings, Step};
//! use trunkline::engine::ids::ResponseId;
//! use trunkline::engine::time::CallTime;
//!
//! let mut playout = Playout::<Hz8k>::new(&PlayoutSettings { lead_ms: 60, ..PlayoutSettings::default() });
//! let (now, response) = (CallTime::from_millis(5_000), ResponseId::from_engine(1));
//! playout.push(now, response, &[1_000; 8_000]);
//! let mut frames = 0;
//! while let Some(step) = playout.poll(now) {
//!     frames += u32::from(matches!(step, Step::Frame { .. }));
//! }
//! assert_eq!(frames, 3, "the lead at once");
//! assert_eq!(playout.next_due(), Some(CallTime::from_millis(5_020)), "then one every 20 ms");
//! ```
//!
//! The rules:
//!
//! * **Order.** Responses play one after the other, in the order of their first audio. Only a response that has
//!   run dry and stays so for 200 ms lets one that is ready go first, and goes on after it: a filler
//!   does not wait for the very thing whose absence it fills.
//! * **Start.** A response is held back, from its first audio on, for as long as the agent's last 16 responses
//!   would have needed to be heard without a hole, with a margin that grows with their unsteadiness; `preroll_ms` at
//!   most, and that long while nothing is known. An agent that runs ahead of the caller needs nothing, also where
//!   one of those responses was late: that was chance. A response
//!   starts at once when all of it has come, when it is `preroll_ms` ahead of the caller and no chunk was late, or,
//!   while nothing is known, when two thirds of `preroll_ms` came at twice the pace of speech or faster.
//! * **Pace.** At the start of a response up to `lead_ms` go out at once, then a frame each 20 ms on a grid that
//!   does not drift. After a delay of ours the frame that is late takes at most one with it, and others go out at
//!   least 15 ms apart until the lead is restored; if the caller's ear ran dry, the grid begins anew. Never a burst.
//! * **Underflow.** A frame that was due at the caller's ear inside a response (started, not said to be finished)
//!   when there was none. Runs of them are events. Audio that comes then is held back for `low_water_ms`, so that one
//!   long hole takes the place of many short ones; for an agent that runs ahead and was out for a while it plays at once.
//! * **Marks.** After every `mark_every_ms` of a response, and after its last frame; a response without any audio
//!   has its last mark, too, at 0. Positions count the response's own audio, not the silence that pads its last frame.
//! * **Bound.** What would wait longer than `max_queue_ms` is dropped, and counted.

mod pace;
mod rhythm;
mod segment;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use crate::engine::ids::{Mark, ResponseId};
use crate::engine::time::CallTime;

use super::frame::{FRAME_MS, PcmFrame};
use super::rate::Rate;
use super::settings::PlayoutSettings;
use pace::Pace;
use rhythm::Rhythm;
use segment::Segment;

/// What is to be sent next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step<R: Rate> {
    /// A frame of a response.
    Frame {
        /// Whose.
        response: ResponseId,
        /// The sound.
        frame: PcmFrame<R>,
    },
    /// A mark behind the frame before it.
    Mark(Mark),
}

/// What an interruption threw away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cleared {
    /// Frames that will not be sent; a begun one counts.
    pub frames: u32,
    /// Audio that was sent and not heard yet: the carrier is to throw it away.
    pub unheard: Duration,
}

/// What a playout counts. `received = played + dropped + late + cleared` samples, plus what still waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlayoutStats {
    /// Frames sent.
    pub frames: u64,
    /// Runs of missing frames inside a response.
    pub underflow_events: u64,
    /// Frames that were due inside a response, and missing.
    pub underflow_frames: u64,
    /// Times at which the caller's ear ran dry while audio waited here: we were late, not the agent.
    pub stalls: u64,
    /// Samples that were pushed.
    pub received_samples: u64,
    /// … and sent.
    pub played_samples: u64,
    /// … and dropped because the queue was full.
    pub dropped_samples: u64,
    /// … and dropped because their response was said to be finished.
    pub late_samples: u64,
    /// … and thrown away by a clear.
    pub cleared_samples: u64,
}

/// The queue of one call's agent audio.
#[derive(Clone, Debug)]
pub struct Playout<R: Rate> {
    segments: VecDeque<Segment>,
    /// The mark behind the frame that was sent last.
    mark: Option<Mark>,
    pace: Pace,
    rhythm: Rhythm,
    /// How many frames the present run of missing ones has.
    missing: u64,
    /// The last responses that are over, so that a late word of their end begins nothing.
    over: VecDeque<ResponseId>,
    stats: PlayoutStats,
    mark_every_ms: u32,
    max_queue_samples: usize,
    rate: std::marker::PhantomData<R>,
}

/// How long a response may be dry before one that is ready goes first.
const GIVE_WAY: Duration = Duration::from_millis(200);
/// How many ended responses are remembered: more than can be under way between two machines.
const REMEMBERED: usize = 8;

impl<R: Rate> Playout<R> {
    /// An empty queue.
    pub fn new(settings: &PlayoutSettings) -> Self {
        Self {
            segments: VecDeque::new(),
            mark: None,
            pace: Pace::new(settings.lead_ms),
            rhythm: Rhythm::new(settings),
            missing: 0,
            over: VecDeque::with_capacity(REMEMBERED),
            stats: PlayoutStats::default(),
            mark_every_ms: settings.mark_every_ms.max(FRAME_MS),
            max_queue_samples: (u64::from(settings.max_queue_ms) * u64::from(R::HZ) / 1_000) as usize,
            rate: std::marker::PhantomData,
        }
    }

    /// Queues a chunk of a response's audio, of any length.
    ///
    /// Audio of a response that was said to be finished is dropped while it waits, and counted. Whether a response
    /// may still speak after its end or a clear is the caller's business.
    pub fn push(&mut self, now: CallTime, response: ResponseId, samples: &[i16]) {
        if samples.is_empty() {
            return;
        }
        self.count_missing(now, false);
        self.stats.received_samples += samples.len() as u64;
        let room = self.max_queue_samples.saturating_sub(self.queued_samples());
        let index = self.segment(response);
        let behind_hole = index == 0 && self.missing > 0;
        let segment = &mut self.segments[index];
        if segment.is_finished {
            self.stats.late_samples += samples.len() as u64;
            return;
        }
        let kept = &samples[..room.min(samples.len())];
        segment.arrive::<R>(now, samples.len(), &self.rhythm, behind_hole);
        segment.samples.extend(kept);
        self.stats.dropped_samples += (samples.len() - kept.len()) as u64;
    }

    /// Says that no more audio of a response will come: its rest is padded to a whole frame and its last mark sent.
    ///
    /// For a response that never had audio the last mark comes in its turn; a second time, and for one that is
    /// over or was cleared a moment ago, it says nothing.
    pub fn finish(&mut self, now: CallTime, response: ResponseId) {
        self.count_missing(now, false);
        let is_known = self.segments.iter().any(|segment| segment.response == response);
        if is_known || !self.over.contains(&response) {
            let index = self.segment(response);
            self.segments[index].is_finished = true;
        }
    }

    /// Throws away everything that waits, begun frames and marks too. Nothing of it ever comes out.
    pub fn clear(&mut self, now: CallTime) -> Cleared {
        self.count_missing(now, false);
        let mut cleared = Cleared { frames: 0, unheard: self.ahead(now) };
        while let Some(segment) = self.segments.pop_front() {
            cleared.frames += segment.samples.len().div_ceil(R::FRAME_SAMPLES) as u32;
            self.stats.cleared_samples += segment.samples.len() as u64;
            self.remember(&segment);
        }
        self.mark = None;
        self.missing = 0;
        self.pace.clear(now);
        cleared
    }

    /// The next thing to send now, if any. To be asked until it answers `None`, at every
    /// [`Playout::next_due`] and after every push and finish.
    pub fn poll(&mut self, now: CallTime) -> Option<Step<R>> {
        if let Some(mark) = self.mark.take() {
            return Some(Step::Mark(mark));
        }
        self.give_way(now);
        let front = self.segments.front_mut()?;
        let plays_at = front.plays_at::<R>(&self.rhythm);
        if !front.is_started {
            if now < plays_at? {
                return None;
            }
            front.start(now);
            self.pace.begin();
        }
        if front.is_over() {
            return self.end_front().map(Step::Mark);
        }
        let plays = plays_at.is_some_and(|at| at <= now);
        self.count_missing(now, !plays);
        if !plays {
            return None;
        }
        (self.pace.next_due() <= now).then(|| self.send(now)).flatten()
    }

    /// When to poll next, if nothing is pushed before; what lies in the past is due at once. `None`: not before
    /// something is pushed or finished.
    pub fn next_due(&self) -> Option<CallTime> {
        if self.mark.is_some() {
            return Some(CallTime::START);
        }
        let front = self.segments.front()?;
        if front.is_over() {
            return Some(CallTime::START);
        }
        if !front.has_frame::<R>() {
            return self.ready_behind_front().map(|_| self.give_way_at(front));
        }
        Some(front.plays_at::<R>(&self.rhythm)?.max(self.pace.next_due()))
    }

    /// Whether nothing waits: neither audio, nor a mark, nor a response whose end was not told.
    pub fn is_idle(&self) -> bool {
        self.segments.is_empty() && self.mark.is_none()
    }

    /// How much audio waits.
    pub fn queued(&self) -> Duration {
        duration::<R>(self.queued_samples() as u64)
    }

    /// How much of what was sent the caller can't have heard yet, by the call's clock.
    pub fn ahead(&self, now: CallTime) -> Duration {
        self.pace.heard_by().since(now)
    }

    /// What was counted up to the last call.
    pub const fn stats(&self) -> PlayoutStats {
        self.stats
    }

    fn send(&mut self, now: CallTime) -> Option<Step<R>> {
        let front = self.segments.front_mut()?;
        front.goes_on(now);
        let (is_first, ready) = (front.played == 0, front.ready);
        let (frame, samples) = front.take_frame::<R>();
        let response = front.response;
        let ran_dry = self.pace.send(now, ready);
        self.stats.stalls += u64::from(ran_dry && !is_first && self.missing == 0);
        self.stats.frames += 1;
        self.stats.played_samples += samples;
        self.missing = 0;
        self.mark = if front.is_over() { self.end_front() } else { front.mark::<R>(self.mark_every_ms) };
        Some(Step::Frame { response, frame })
    }

    /// Takes the response in front off the queue, and gives its last mark.
    fn end_front(&mut self) -> Option<Mark> {
        let segment = self.segments.pop_front()?;
        self.missing = 0;
        self.remember(&segment);
        Some(segment.last_mark::<R>())
    }

    /// Counts the frames that were due at the caller's ear before now (or at now), and missing.
    fn count_missing(&mut self, now: CallTime, and_at_now: bool) {
        let Some(front) = self.segments.front() else { return };
        if !front.is_started || !front.is_dry::<R>() {
            return;
        }
        let missing = self.pace.due_at_ear(now, and_at_now);
        if missing > self.missing {
            self.stats.underflow_events += u64::from(self.missing == 0);
            self.stats.underflow_frames += missing - self.missing;
            self.missing = missing;
        }
    }

    fn give_way(&mut self, now: CallTime) {
        let Some(front) = self.segments.front() else { return };
        if front.has_frame::<R>() || front.is_finished || now < self.give_way_at(front) {
            return;
        }
        let Some(ready) = self.ready_behind_front() else { return };
        self.count_missing(now, false);
        self.missing = 0;
        self.segments[0].is_started = false;
        if let Some(segment) = self.segments.remove(ready) {
            self.segments.push_front(segment);
        }
    }

    fn give_way_at(&self, front: &Segment) -> CallTime {
        self.pace.heard_by().max(front.arrivals.last) + GIVE_WAY
    }

    fn ready_behind_front(&self) -> Option<usize> {
        let is_ready = |segment: &Segment| segment.has_frame::<R>() || segment.is_finished;
        (1..self.segments.len()).find(|&index| is_ready(&self.segments[index]))
    }

    /// The place of a response, a new one behind all others if it has none.
    fn segment(&mut self, response: ResponseId) -> usize {
        let known = self.segments.iter().position(|segment| segment.response == response);
        known.unwrap_or_else(|| {
            self.over.retain(|&over| over != response);
            self.segments.push_back(Segment::new::<R>(response, self.mark_every_ms));
            self.segments.len() - 1
        })
    }

    /// A response is over: its name is remembered, and how its audio came.
    fn remember(&mut self, segment: &Segment) {
        self.rhythm.learn(&segment.arrivals);
        if self.over.len() == REMEMBERED {
            self.over.pop_front();
        }
        self.over.push_back(segment.response);
    }

    fn queued_samples(&self) -> usize {
        self.segments.iter().map(|segment| segment.samples.len()).sum()
    }
}

/// How long so many samples last.
fn duration<R: Rate>(samples: u64) -> Duration {
    Duration::from_micros(samples * 1_000_000 / u64::from(R::HZ))
}
