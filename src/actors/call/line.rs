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
    /// When it was spoken, by the carrier's stamps: milliseconds after the call began, or before it; `None` if the carrier
    /// doesn't say so.
    pub carrier_ms: Option<i64>,
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::engine::audio::Hz8k;

    #[test]
    fn what_waits_is_heard_in_order_and_counted_as_one_message() {
        let (line, ear, counts) = new();
        (1..=3).for_each(|n| assert!(line.offer(audio(n))));
        assert_eq!((heard(&ear), heard(&ear)), (vec![1, 2, 3], vec![]));
        line.offer(audio(4));
        assert_eq!(heard(&ear), [4]);
        assert_eq!(counts.told(), [2, 2, 2, 0], "queued, taken, handled, refused");
    }

    #[test]
    fn a_call_that_stands_still_refuses_what_is_too_much_and_each_is_counted() {
        let (line, ear, counts) = new();
        let taken = (0..FRAMES as u64 + 5).filter(|&n| line.offer(audio(n))).count();
        assert_eq!((taken, heard(&ear).len()), (FRAMES, FRAMES));
        assert_eq!(counts.told(), [1 + 5, 1, 1, 5]);
        assert!(line.offer(audio(0)), "there is room again");
    }

    #[test]
    fn what_came_before_the_call_began_is_heard_however_much_it_is() {
        let (line, ear, _) = new();
        line.begin_with((0..200).map(audio).collect());
        assert!(!line.offer(audio(200)), "the line is full");
        assert_eq!(heard(&ear), (0..200).collect::<Vec<_>>());
    }

    #[test]
    fn each_end_knows_that_the_other_is_gone() {
        let (line, ear, _) = new();
        assert!(!ear.has_ended());
        drop(line);
        assert!(ear.has_ended());

        let (line, ear, counts) = new();
        line.offer(audio(1));
        drop(ear);
        assert!(line.offer(audio(2)), "nobody hears it, and nobody refuses it");
        assert_eq!(counts.told(), [1, 0, 0, 1]);
    }

    fn new() -> (CallerLine<Hz8k>, CallerEar<Hz8k>, Arc<Counts>) {
        let counts = Arc::new(Counts::default());
        let (line, ear) = line(Arc::clone(&counts) as Arc<dyn Meter>);
        (line, ear, counts)
    }

    fn audio(n: u64) -> CallerAudio<Hz8k> {
        CallerAudio { frame: PcmFrame::silence(), carrier_ms: Some(n as i64) }
    }

    fn heard(ear: &CallerEar<Hz8k>) -> Vec<u64> {
        let mut heard = vec![];
        ear.listen(|_, audio| heard.extend(audio.carrier_ms.map(|millis| millis as u64)));
        heard
    }

    #[derive(Default)]
    struct Counts([AtomicU32; 4]);

    impl Counts {
        fn told(&self) -> [u32; 4] {
            self.0.each_ref().map(|count| count.load(Ordering::Relaxed))
        }

        fn count(&self, what: usize) {
            self.0[what].fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Meter for Counts {
        fn started(&self) {}

        fn ended(&self) {}

        fn enqueued(&self) {
            self.count(0);
        }

        fn dequeued(&self, _: Duration) {
            self.count(1);
        }

        fn handled(&self, _: Duration) {
            self.count(2);
        }

        fn refused(&self) {
            self.count(3);
        }

        fn panicked(&self, _: &str) {}
    }
}
