//! The way into a session: a queue between the call and its agent.
//!
//! It holds no more memory than what waits in it. A frame is hundreds of bytes, nearly always one of them waits, and
//! a general channel keeps blocks of 32 places for each call.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// How many places are kept for good once the queue is empty again.
const PLACES: usize = 8;

/// A queue for at most `most` items: the end where they go in, and the one where they come out.
pub(super) fn inbox<T>(most: usize) -> (Sender<T>, Receiver<T>) {
    let queue = Queue { items: VecDeque::new(), most, reader: None, is_over: false };
    let shared = Arc::new(Mutex::new(queue));
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

#[derive(Debug)]
struct Queue<T> {
    items: VecDeque<T>,
    most: usize,
    /// Who waits for the next item.
    reader: Option<Waker>,
    /// One of the two ends is gone.
    is_over: bool,
}

/// Where items go in. What was put in before it is dropped still comes out.
#[derive(Debug)]
pub(super) struct Sender<T>(Arc<Mutex<Queue<T>>>);

impl<T> Sender<T> {
    /// Puts an item in, if `spare` places are free besides its own. Never waits.
    pub(super) fn offer(&self, item: T, spare: usize) -> bool {
        let mut queue = lock(&self.0);
        if queue.is_over || queue.items.len() + spare >= queue.most {
            return false;
        }
        queue.items.push_back(item);
        let reader = queue.reader.take();
        drop(queue);
        if let Some(reader) = reader {
            reader.wake();
        }
        true
    }

    /// Whether nobody reads any more.
    pub(super) fn is_over(&self) -> bool {
        lock(&self.0).is_over
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let reader = {
            let mut queue = lock(&self.0);
            queue.is_over = true;
            queue.reader.take()
        };
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

/// Where items come out, in order.
#[derive(Debug)]
pub struct Receiver<T>(Arc<Mutex<Queue<T>>>);

impl<T> Receiver<T> {
    /// The next item; `None` when the other end is gone and nothing is left. Loses nothing when it is dropped half way.
    pub async fn recv(&mut self) -> Option<T> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// The same, for whoever is polled.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let mut queue = lock(&self.0);
        if let Some(item) = queue.items.pop_front() {
            if queue.items.is_empty() && queue.items.capacity() > PLACES {
                queue.items = VecDeque::new();
            }
            return Poll::Ready(Some(item));
        }
        if queue.is_over {
            return Poll::Ready(None);
        }
        match &mut queue.reader {
            Some(reader) => reader.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut queue = lock(&self.0);
        queue.is_over = true;
        queue.items = VecDeque::new();
    }
}

/// A panic beside the queue does not break it: each change of it is whole.
fn lock<T>(queue: &Mutex<Queue<T>>) -> MutexGuard<'_, Queue<T>> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn items_come_out_in_order_and_what_is_left_after_the_last_sender() {
        let (sender, mut receiver) = inbox(3);
        assert!(sender.offer(1, 0) && sender.offer(2, 0));
        assert_eq!(receiver.recv().await, Some(1));
        drop(sender);
        assert_eq!(receiver.recv().await, Some(2));
        assert_eq!(receiver.recv().await, None);
        assert_eq!(receiver.recv().await, None);
    }

    #[test]
    fn places_that_are_spared_are_not_taken() {
        let (sender, _receiver) = inbox(3);
        assert!(sender.offer(1, 1) && sender.offer(2, 1));
        assert!(!sender.offer(3, 1));
        assert!(sender.offer(3, 0));
        assert!(!sender.offer(4, 0));
    }

    #[test]
    fn nothing_goes_in_when_nobody_reads() {
        let (sender, receiver) = inbox(3);
        assert!(!sender.is_over());
        drop(receiver);
        assert!(sender.is_over());
        assert!(!sender.offer(1, 0));
    }

    #[tokio::test]
    async fn a_reader_that_waits_is_woken_by_an_item_and_by_the_end() {
        let (sender, mut receiver) = inbox(3);
        let reader = tokio::spawn(async move { (receiver.recv().await, receiver.recv().await) });
        tokio::task::yield_now().await;
        assert!(sender.offer(1, 0));
        tokio::task::yield_now().await;
        drop(sender);
        assert_eq!(reader.await.unwrap(), (Some(1), None));
    }

    #[tokio::test]
    async fn a_backlog_leaves_no_memory_behind() {
        let (sender, mut receiver) = inbox(1_000);
        for n in 0..1_000 {
            assert!(sender.offer([n; 100], 0));
        }
        for n in 0..1_000 {
            assert_eq!(receiver.recv().await, Some([n; 100]));
        }
        assert!(lock(&receiver.0).items.capacity() <= PLACES);
    }
}
