//! One response's audio in the queue.

use std::collections::VecDeque;
use std::time::Duration;

use crate::engine::audio::frame::PcmFrame;
use crate::engine::audio::rate::Rate;
use crate::engine::ids::{Mark, ResponseId};
use crate::engine::time::CallTime;

use super::duration;

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
    /// When audio came first and last.
    first_arrival: CallTime,
    pub last_arrival: CallTime,
    /// Since when there has been a frame to send.
    pub ready: CallTime,
    /// Samples that came, kept or not.
    received: u64,
    /// Whether a chunk came later than real time.
    fell_behind: bool,
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
            first_arrival: CallTime::START,
            last_arrival: CallTime::START,
            ready: CallTime::START,
            received: 0,
            fell_behind: false,
            next_mark_ms: mark_every_ms,
        }
    }

    /// Takes note of a chunk, and says what it proves about the agent: that it runs ahead of real time by at least
    /// `proof`, that it doesn't, or nothing.
    pub fn arrive<R: Rate>(&mut self, now: CallTime, samples: usize, proof: Duration) -> Option<bool> {
        let is_first = self.received == 0;
        if is_first {
            self.first_arrival = now;
        }
        self.last_arrival = now;
        if self.samples.len() < R::FRAME_SAMPLES {
            self.ready = now;
        }
        let heard_by = self.first_arrival + duration::<R>(self.received);
        self.received += samples as u64;
        self.fell_behind |= !is_first && heard_by < now;
        if self.fell_behind {
            return Some(false);
        }
        (!is_first && heard_by >= now + proof).then_some(true)
    }

    /// When it may start to play, as far as is known.
    pub fn start_at<R: Rate>(&self, preroll: Duration, runs_ahead: bool) -> Option<CallTime> {
        if self.is_finished {
            return Some(CallTime::START);
        }
        if !self.has_frame::<R>() {
            return None;
        }
        let is_filled = runs_ahead || duration::<R>(self.samples.len() as u64) >= preroll;
        Some(if is_filled { CallTime::START } else { self.first_arrival + preroll * 2 })
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
