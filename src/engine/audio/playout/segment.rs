//! One response's audio in the queue.

use std::collections::VecDeque;

use crate::engine::audio::frame::PcmFrame;
use crate::engine::audio::rate::Rate;
use crate::engine::ids::{Mark, ResponseId};
use crate::engine::time::CallTime;

use super::duration;
use super::rhythm::{Arrivals, Rhythm};

#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub response: ResponseId,
    pub samples: VecDeque<i16>,
    /// Whether it plays: its pre-roll is filled.
    pub is_started: bool,
    /// Whether no more audio will come.
    pub is_finished: bool,
    /// Samples that were sent.
    pub played: u64,
    pub arrivals: Arrivals,
    /// Since when there has been a frame to send.
    pub ready: CallTime,
    /// After a hole: when the response goes on at the latest.
    goes_on_at: Option<CallTime>,
    next_mark_ms: u32,
}

impl Segment {
    pub fn new<R: Rate>(response: ResponseId, mark_every_ms: u32) -> Self {
        Self {
            response,
            // A second: what dribbles in never makes the queue grow.
            samples: VecDeque::with_capacity(R::HZ as usize),
            is_started: false,
            is_finished: false,
            played: 0,
            arrivals: Arrivals::default(),
            ready: CallTime::START,
            goes_on_at: None,
            next_mark_ms: mark_every_ms,
        }
    }

    /// Takes note of a chunk, before it is queued; behind a hole it is held back for a while.
    pub fn arrive<R: Rate>(&mut self, now: CallTime, samples: usize, rhythm: &Rhythm, behind_hole: bool) {
        self.arrivals.add(now, samples as i64 * 1_000_000 / i64::from(R::HZ), rhythm);
        if self.samples.len() < R::FRAME_SAMPLES {
            self.ready = now;
        }
        if behind_hole {
            let low_water = rhythm.low_water(&self.arrivals);
            self.goes_on_at.get_or_insert(now + low_water);
        }
    }

    /// When it may start to play, or to go on after a hole, as far as is known.
    pub fn plays_at<R: Rate>(&self, rhythm: &Rhythm) -> Option<CallTime> {
        if self.is_finished {
            return Some(CallTime::START);
        }
        if !self.has_frame::<R>() {
            return None;
        }
        Some(match self.is_started {
            true => self.goes_on_at.unwrap_or(CallTime::START),
            false if rhythm.is_ahead(&self.arrivals) => CallTime::START,
            false => self.arrivals.first + rhythm.hold_back(),
        })
    }

    /// It begins to play. What was held back until now was not ready before, or some of it would count as late.
    pub fn start(&mut self, now: CallTime) {
        self.is_started = true;
        self.ready = now;
    }

    /// It goes on, after a hole if it was held back for one.
    pub fn goes_on(&mut self, now: CallTime) {
        if self.goes_on_at.take().is_some() {
            self.ready = now;
        }
    }

    /// Whether it waits for audio, or for more of it after a hole.
    pub fn is_dry<R: Rate>(&self) -> bool {
        !self.is_finished && (!self.has_frame::<R>() || self.goes_on_at.is_some())
    }

    /// Whether a frame can be made: a whole one, or the padded last one.
    pub fn has_frame<R: Rate>(&self) -> bool {
        self.samples.len() >= R::FRAME_SAMPLES || (self.is_finished && !self.samples.is_empty())
    }

    /// Whether all of it was sent.
    pub fn is_over(&self) -> bool {
        self.is_finished && self.samples.is_empty()
    }

    /// The next frame, padded with silence if it is the last, and how many samples of the response are in it.
    pub fn take_frame<R: Rate>(&mut self) -> (PcmFrame<R>, u64) {
        let mut frame = PcmFrame::silence();
        let length = self.samples.len().min(R::FRAME_SAMPLES);
        let (first, second) = self.samples.as_slices();
        let first = &first[..first.len().min(length)];
        let second = &second[..length - first.len()];
        frame.samples_mut()[..first.len()].copy_from_slice(first);
        frame.samples_mut()[first.len()..length].copy_from_slice(second);
        self.samples.drain(..length);
        self.played += length as u64;
        (frame, length as u64)
    }

    /// The mark that is due behind the last frame, if one is.
    pub fn mark<R: Rate>(&mut self, every_ms: u32) -> Option<Mark> {
        let position_ms = self.position_ms::<R>();
        if position_ms < self.next_mark_ms {
            return None;
        }
        while self.next_mark_ms <= position_ms {
            self.next_mark_ms += every_ms;
        }
        Some(Mark { response: self.response, position_ms, is_last: false })
    }

    pub fn last_mark<R: Rate>(&self) -> Mark {
        Mark { response: self.response, position_ms: self.position_ms::<R>(), is_last: true }
    }

    fn position_ms<R: Rate>(&self) -> u32 {
        duration::<R>(self.played).as_millis() as u32
    }
}
