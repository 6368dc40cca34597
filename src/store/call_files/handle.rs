//! What a call holds of its files.

use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::sound::{Batch, record};
use super::writer::Job;
use super::{Backlog, Queue};
use crate::engine::audio::{PcmFrame, Rate};
use crate::engine::call::Speaker;
use crate::engine::ids::CallSid;
use crate::engine::time::CallTime;

/// A call's recording at rate `R`. Dropping it completes the file.
pub struct RecordingHandle<R: Rate> {
    queue: Arc<Queue>,
    id: u64,
    fate: Arc<Fate>,
    /// What was not handed over yet: a message for each frame would wake the writing thread as often.
    batch: RefCell<Batch>,
    length: Option<CallTime>,
    rate: PhantomData<R>,
}

impl<R: Rate> RecordingHandle<R> {
    pub(super) fn begin(queue: Arc<Queue>, id: u64, call: &CallSid) -> Self {
        let fate = Arc::<Fate>::default();
        queue.order(Job::OpenRecording { id, call: call.clone(), fate: Arc::clone(&fate), record: record::<R> });
        Self { queue, id, fate, batch: RefCell::default(), length: None, rate: PhantomData }
    }

    /// Keeps a frame of one side, which was on the wire at `at`; it is handed over with the next 200 ms. Never waits:
    /// what doesn't fit into the queue is lost, and the recording silent there.
    ///
    /// For the caller, `at` is best the carrier's own timestamp: arrival that jitters by more than 20 ms is heard
    /// as a gap and makes the recording that much longer than the call.
    pub fn push(&self, side: Speaker, at: CallTime, frame: &PcmFrame<R>) {
        if self.fate.has_failed() {
            return self.fate.lose(1, &self.queue.backlog);
        }
        let mut batch = self.batch.borrow_mut();
        batch.push(side, at, frame);
        if batch.is_full() {
            self.hand_over(&mut batch);
        }
    }

    /// At `at` the carrier was told to throw away what the caller had not heard yet.
    pub fn agent_cleared(&self, at: CallTime) {
        self.hand_over(&mut self.batch.borrow_mut());
        self.queue.order(Job::AgentCleared { id: self.id, at });
    }

    fn hand_over(&self, batch: &mut Batch) {
        let batch = std::mem::take(batch);
        let (frames, bytes) = (batch.frames(), batch.bytes());
        if frames > 0 && !self.queue.offer(bytes, Job::Sound { id: self.id, batch }) {
            self.fate.lose(frames, &self.queue.backlog);
        }
    }

    /// How many frames were refused: by a full queue, or since the file was given up.
    pub fn lost(&self) -> u64 {
        self.fate.lost.load(Ordering::Relaxed)
    }

    /// Whether the file was given up.
    pub fn has_failed(&self) -> bool {
        self.fate.has_failed()
    }

    /// Completes the file, so that it is as long as the call. Merely dropped, it ends with the last frame.
    pub fn finish(mut self, length: CallTime) {
        self.length = Some(length);
    }
}

impl<R: Rate> Drop for RecordingHandle<R> {
    fn drop(&mut self) {
        self.hand_over(&mut self.batch.borrow_mut());
        self.queue.order(Job::FinishRecording { id: self.id, length: self.length });
    }
}

impl<R: Rate> fmt::Debug for RecordingHandle<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordingHandle({})", self.id)
    }
}

/// A call's journal. Dropping it completes the file.
pub struct JournalHandle {
    queue: Arc<Queue>,
    id: u64,
    fate: Arc<Fate>,
}

impl JournalHandle {
    pub(super) fn begin(queue: Arc<Queue>, id: u64, call: &CallSid) -> Self {
        let fate = Arc::<Fate>::default();
        queue.order(Job::OpenJournal { id, call: call.clone(), fate: Arc::clone(&fate) });
        Self { queue, id, fate }
    }

    /// Appends one line. A line break inside of it becomes a space.
    pub fn line(&self, text: String) {
        let has_room = !self.fate.has_failed() && self.queue.offer(text.len(), Job::Line { id: self.id, text });
        if !has_room {
            self.fate.lose(1, &self.queue.backlog);
        }
    }

    /// How many lines are not in the file.
    pub fn lost(&self) -> u64 {
        self.fate.lost.load(Ordering::Relaxed)
    }
}

impl Drop for JournalHandle {
    fn drop(&mut self) {
        self.queue.order(Job::FinishJournal { id: self.id });
    }
}

impl fmt::Debug for JournalHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JournalHandle({})", self.id)
    }
}

/// How a file fares, as both ends see it.
#[derive(Default)]
pub(super) struct Fate {
    failed: AtomicBool,
    lost: AtomicU64,
}

impl Fate {
    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    pub(super) fn fail(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }

    /// Counts pushes that are in no file: for this one and for all.
    pub(super) fn lose(&self, pushes: u64, all: &Backlog) {
        self.lost.fetch_add(pushes, Ordering::Relaxed);
        all.lose(pushes);
    }
}
