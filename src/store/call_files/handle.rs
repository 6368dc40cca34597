//! What a call holds of its files.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::writer::Job;
use super::{Backlog, Queue};
use crate::engine::call::Speaker;
use crate::engine::ids::CallSid;
use crate::engine::time::CallTime;

/// A call's recording. Dropping it completes the file.
pub struct RecordingHandle {
    queue: Arc<Queue>,
    id: u64,
    fate: Arc<Fate>,
    length: Option<CallTime>,
}

impl RecordingHandle {
    pub(super) fn begin(queue: Arc<Queue>, id: u64, call: &CallSid, rate_hz: u32) -> Self {
        let fate = Arc::<Fate>::default();
        queue.order(Job::OpenRecording { id, call: call.clone(), rate_hz, fate: Arc::clone(&fate) });
        Self { queue, id, fate, length: None }
    }

    /// Keeps what one side sounded like from `at` on. Never waits: what doesn't fit into the queue is lost.
    pub fn push(&self, side: Speaker, at: CallTime, samples: &[i16]) {
        let has_room = !self.fate.has_failed() && {
            let job = Job::Samples { id: self.id, side, at, samples: samples.into() };
            self.queue.offer(samples.len() * 2, job)
        };
        if !has_room {
            self.fate.lose(1, &self.queue.backlog);
        }
    }

    /// How many pushes are not in the file.
    pub fn lost(&self) -> u64 {
        self.fate.lost.load(Ordering::Relaxed)
    }

    /// Whether the file was given up.
    pub fn has_failed(&self) -> bool {
        self.fate.has_failed()
    }

    /// Completes the file; both sides are silent up to `length`, the call's end.
    pub fn finish(mut self, length: CallTime) {
        self.length = Some(length);
    }
}

impl Drop for RecordingHandle {
    fn drop(&mut self) {
        self.queue.order(Job::FinishRecording { id: self.id, length: self.length });
    }
}

impl fmt::Debug for RecordingHandle {
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
