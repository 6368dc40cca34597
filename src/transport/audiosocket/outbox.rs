//! What the call says, on its way to the connection: one frame every 20 ms.
//!
//! Call and connection live on one thread. The call writes ahead by its lead; Asterisk plays what it gets when it gets it,
//! so frames wait here and leave one by one. A mark is passed once the 20 ms of the frame before it are over: so far the
//! caller has heard.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use tokio::sync::Notify;

use crate::actors::call::MediaPort;
use crate::engine::audio::{PcmFrame, Rate};
use crate::engine::ids::Mark;

/// How many frames wait before more are refused: 1.3 s.
const FRAMES: usize = 64;

/// Both ends of it.
pub(super) struct Outbox<R: Rate>(Rc<Shared<R>>);

struct Shared<R: Rate> {
    waiting: RefCell<Waiting<R>>,
    is_closed: Cell<bool>,
    closed: Notify,
}

struct Waiting<R: Rate> {
    queue: VecDeque<Item<R>>,
    frames: usize,
    /// Marks that are passed already: what they stood behind was cleared.
    passed: Vec<Mark>,
}

enum Item<R: Rate> {
    Frame(PcmFrame<R>),
    Mark(Mark),
}

impl<R: Rate> Clone for Outbox<R> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<R: Rate> Outbox<R> {
    pub(super) fn new() -> Self {
        let waiting = Waiting { queue: VecDeque::new(), frames: 0, passed: Vec::new() };
        Self(Rc::new(Shared { waiting: RefCell::new(waiting), is_closed: Cell::new(false), closed: Notify::new() }))
    }

    /// What the caller hears next, if the agent has something to say.
    pub(super) fn next_frame(&self) -> Option<PcmFrame<R>> {
        let mut waiting = self.0.waiting.borrow_mut();
        match waiting.queue.pop_front()? {
            Item::Frame(frame) => {
                waiting.frames -= 1;
                Some(frame)
            }
            mark @ Item::Mark(_) => {
                waiting.queue.push_front(mark);
                None
            }
        }
    }

    /// The next mark that the caller's ear has passed, if there is one.
    pub(super) fn next_mark(&self) -> Option<Mark> {
        let mut waiting = self.0.waiting.borrow_mut();
        if !waiting.passed.is_empty() {
            return Some(waiting.passed.remove(0));
        }
        match waiting.queue.front()? {
            Item::Mark(mark) => {
                let mark = *mark;
                waiting.queue.pop_front();
                Some(mark)
            }
            Item::Frame(_) => None,
        }
    }

    /// Whether the call wants to be closed.
    pub(super) fn is_closed(&self) -> bool {
        self.0.is_closed.get()
    }

    /// Waits until the call wants to be closed.
    pub(super) async fn closed(&self) {
        while !self.is_closed() {
            self.0.closed.notified().await;
        }
    }
}

impl<R: Rate> MediaPort<R> for Outbox<R> {
    fn frame(&self, frame: &PcmFrame<R>) -> bool {
        let mut waiting = self.0.waiting.borrow_mut();
        let is_room = waiting.frames < FRAMES;
        if is_room {
            waiting.frames += 1;
            waiting.queue.push_back(Item::Frame(*frame));
        }
        is_room
    }

    fn mark(&self, mark: Mark) {
        self.0.waiting.borrow_mut().queue.push_back(Item::Mark(mark));
    }

    fn clear(&self) {
        let mut waiting = self.0.waiting.borrow_mut();
        let cleared = std::mem::take(&mut waiting.queue);
        waiting.frames = 0;
        waiting.passed.extend(cleared.into_iter().filter_map(|item| match item {
            Item::Mark(mark) => Some(mark),
            Item::Frame(_) => None,
        }));
    }

    fn close(&self) {
        self.0.is_closed.set(true);
        self.0.closed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::audio::Hz8k;
    use crate::engine::ids::ResponseId;

    fn frame(n: i16) -> PcmFrame<Hz8k> {
        PcmFrame::from_samples(&[n; 160]).unwrap()
    }

    fn mark(position_ms: u32) -> Mark {
        Mark { response: ResponseId::from_engine(1), position_ms, is_last: false }
    }

    /// What leaves at the next tick: the marks, then the frame.
    fn tick(outbox: &Outbox<Hz8k>) -> (Vec<u32>, Option<i16>) {
        let marks = std::iter::from_fn(|| outbox.next_mark()).map(|mark| mark.position_ms).collect();
        (marks, outbox.next_frame().map(|frame| frame.samples()[0]))
    }

    #[test]
    fn a_mark_is_passed_when_the_frame_before_it_has_been_heard() {
        let outbox = Outbox::new();
        assert!(outbox.frame(&frame(1)));
        outbox.mark(mark(20));
        assert!(outbox.frame(&frame(2)));
        outbox.mark(mark(40));
        assert_eq!(tick(&outbox), (vec![], Some(1)));
        assert_eq!(tick(&outbox), (vec![20], Some(2)));
        assert_eq!(tick(&outbox), (vec![40], None));
        assert_eq!(tick(&outbox), (vec![], None));
    }

    #[test]
    fn nothing_of_what_was_cleared_is_heard_and_its_marks_come_back() {
        let outbox = Outbox::new();
        for n in 1..=5 {
            outbox.frame(&frame(n));
            outbox.mark(mark(n as u32 * 20));
        }
        assert_eq!(tick(&outbox), (vec![], Some(1)));
        outbox.clear();
        outbox.frame(&frame(9));
        assert_eq!(tick(&outbox), (vec![20, 40, 60, 80, 100], Some(9)));
    }

    #[test]
    fn a_connection_that_takes_nothing_makes_nothing_pile_up() {
        let outbox = Outbox::new();
        let taken = (0..1_000).filter(|_| outbox.frame(&frame(1))).count();
        assert_eq!(taken, FRAMES);
        outbox.clear();
        assert!(outbox.frame(&frame(1)), "there is room again");
    }
}
