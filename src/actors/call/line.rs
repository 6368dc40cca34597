//! The caller's frames on their way from the socket to the call.
//!
//! Socket and call live on one thread, so a frame needs no envelope: it is laid into a queue that both hold, and
//! the call is woken once, however many frames wait. The queue is bounded like a mailbox, and counted like one:
//! what the call takes at a time counts as one message, a refused frame as one that was refused.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use crate::actors::metered::Meter;
use crate::clock;
use crate::engine::audio::{PcmFrame, Rate};

/// How many frames wait for a call at most: 1.3 s, so that only a call that stands still refuses any.
const FRAMES: usize = 64;

/// 20 ms of the caller's audio.
#[derive(Clone, Copy, Debug)]
pub struct CallerAudio<R: Rate> {
    /// The sound.
    pub frame: PcmFrame<R>,
    /// Where it stands in the carrier's stream, in milliseconds, if the carrier says so.
    pub carrier_ms: Option<u64>,
}

/// The socket's end.
pub struct CallerLine<R: Rate>(Rc<RefCell<Queue<R>>>);

/// The call's end.
pub(super) struct CallerEar<R: Rate>(Rc<RefCell<Queue<R>>>);

struct Queue<R: Rate> {
    frames: VecDeque<CallerAudio<R>>,
    /// Since when something waits.
    since: Instant,
    waker: Option<Waker>,
    is_fed: bool,
    is_heard: bool,
    meter: Arc<dyn Meter>,
}

/// Both ends of a new line.
pub(super) fn line<R: Rate>(meter: Arc<dyn Meter>) -> (CallerLine<R>, CallerEar<R>) {
    let queue = Queue {
        frames: VecDeque::with_capacity(4),
        since: clock::now(),
        waker: None,
        is_fed: true,
        is_heard: true,
        meter,
    };
    let queue = Rc::new(RefCell::new(queue));
    (CallerLine(Rc::clone(&queue)), CallerEar(queue))
}

impl<R: Rate> CallerLine<R> {
    /// Gives the call a frame: whether there was room. A call that is over takes everything and hears nothing.
    pub fn offer(&self, audio: CallerAudio<R>) -> bool {
        let mut queue = self.0.borrow_mut();
        if !queue.is_heard {
            return true;
        }
        if queue.frames.len() >= FRAMES {
            queue.meter.enqueued();
            queue.meter.refused();
            return false;
        }
        queue.keep(audio);
        true
    }

    /// Gives the call the frames that came before it began, however many they are.
    pub fn begin_with(&self, early: Vec<CallerAudio<R>>) {
        let mut queue = self.0.borrow_mut();
        if queue.is_heard {
            early.into_iter().for_each(|audio| queue.keep(audio));
        }
    }
}

impl<R: Rate> Drop for CallerLine<R> {
    /// The socket is gone, and the call should know, even if nobody tells it.
    fn drop(&mut self) {
        let mut queue = self.0.borrow_mut();
        queue.is_fed = false;
        if let Some(waker) = &queue.waker {
            waker.wake_by_ref();
        }
    }
}

impl<R: Rate> Queue<R> {
    fn keep(&mut self, audio: CallerAudio<R>) {
        if self.frames.is_empty() {
            self.meter.enqueued();
            self.since = clock::now();
            if let Some(waker) = &self.waker {
                waker.wake_by_ref();
            }
        }
        self.frames.push_back(audio);
    }
}

impl<R: Rate> CallerEar<R> {
    /// Whoever is to be woken by the next frame.
    pub(super) fn wakes(&self, waker: &Waker) {
        let mut queue = self.0.borrow_mut();
        if !queue.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            queue.waker = Some(waker.clone());
        }
    }

    /// Takes what waits and hands each frame, with the time, to `hear`.
    pub(super) fn listen(&self, mut hear: impl FnMut(Instant, CallerAudio<R>)) {
        let Some(began) = self.begin() else { return };
        while let Some(audio) = self.next() {
            hear(began, audio);
        }
        self.0.borrow().meter.handled(clock::now().duration_since(began));
    }

    /// Whether the socket is gone.
    pub(super) fn has_ended(&self) -> bool {
        !self.0.borrow().is_fed
    }

    fn begin(&self) -> Option<Instant> {
        let queue = self.0.borrow();
        if queue.frames.is_empty() {
            return None;
        }
        let now = clock::now();
        queue.meter.dequeued(now.duration_since(queue.since));
        Some(now)
    }

    /// The queue is free while the frame is heard: what is heard may make the socket say something.
    fn next(&self) -> Option<CallerAudio<R>> {
        let mut queue = self.0.borrow_mut();
        let next = queue.frames.pop_front();
        if next.is_none() && queue.frames.capacity() > FRAMES {
            queue.frames.shrink_to(4);
        }
        next
    }
}

impl<R: Rate> Drop for CallerEar<R> {
    /// The call is over: what waits is not handled, what comes is not kept.
    fn drop(&mut self) {
        let mut queue = self.0.borrow_mut();
        if !queue.frames.is_empty() {
            queue.meter.refused();
        }
        queue.is_heard = false;
        queue.frames = VecDeque::new();
        queue.waker = None;
    }
}

impl<R: Rate> fmt::Debug for CallerLine<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CallerLine({} waiting)", self.0.borrow().frames.len())
    }
}
