//! How late the ticks of each thread that carries calls are, and whether it takes more of them.
//!
//! Two kinds of ticks are counted, all on the thread they belong to, each by a few plain additions: those on which a
//! call's sound is sent ([`ticked`]), and a beat every 20 ms, so that lateness is known even while no agent speaks
//! ([`watch`]). The beat is on an absolute clock: a thread that stood still counts each beat that it missed. With each
//! beat the thread's [`Admission`] is judged; what all of them say is one [`Overload`] for the whole process, which is asked
//! about each new call.

use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::clock;
use crate::engine::admission::{Admission, Limits, Reopening};
use crate::telemetry::{Event, Telemetry, ThreadMeter};

/// How far apart beats are: as the ticks of a call.
const BEAT: Duration = Duration::from_millis(20);

/// Whether the process takes new calls: not while any of its threads is late, since nobody knows yet which of them
/// the call would come to, and only some of them in the seconds after.
#[derive(Debug)]
pub struct Overload {
    began: Instant,
    late_threads: AtomicUsize,
    reopening: Mutex<Reopening>,
}

impl Default for Overload {
    fn default() -> Self {
        Self { began: clock::now(), late_threads: AtomicUsize::new(0), reopening: Mutex::default() }
    }
}

impl Overload {
    /// That of a process in which so many threads are late.
    #[cfg(test)]
    pub(super) fn of_late_threads(count: usize) -> Self {
        Self { late_threads: AtomicUsize::new(count), ..Self::default() }
    }

    /// Whether live calls are served late.
    pub fn is_on(&self) -> bool {
        self.late_threads.load(Ordering::Relaxed) > 0
    }

    /// Whether a call that comes now is taken. One that is counts: to be asked once for each call.
    pub fn takes_one(&self) -> bool {
        !self.is_on() && self.reopening().takes_one(clock::now() - self.began)
    }

    fn thread_is_late(&self) {
        self.late_threads.fetch_add(1, Ordering::Relaxed);
    }

    fn thread_is_in_time(&self) {
        self.reopening().opened(clock::now() - self.began);
        self.late_threads.fetch_sub(1, Ordering::Relaxed);
    }

    /// Two plain times, which a panic can't leave wrong.
    fn reopening(&self) -> MutexGuard<'_, Reopening> {
        self.reopening.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

thread_local! {
    /// Of the thread's beat; none on a thread that is not watched.
    static THREAD: RefCell<Option<Thread>> = const { RefCell::new(None) };
}

/// Counts a tick of this thread on which a call's sound was due at `due`.
pub fn ticked(due: Instant) {
    THREAD.with_borrow_mut(|thread| {
        if let Some(thread) = thread {
            thread.ticked(clock::now().saturating_duration_since(due));
        }
    });
}

/// Watches this thread as long as its event loop runs. New calls are refused by `overload` while the 99th percentile of
/// lateness is above `limit`; zero refuses none.
pub fn watch(limits: Limits, overload: Arc<Overload>, telemetry: &Telemetry) {
    let began = clock::now();
    THREAD.set(Some(Thread {
        began,
        admission: Admission::new(limits),
        meter: telemetry.thread_meter(),
        overload,
        telemetry: telemetry.clone(),
    }));
    actix_rt::spawn(async move {
        let mut due = began;
        loop {
            due += BEAT;
            tokio::time::sleep_until(due.into()).await;
            ticked(due);
            THREAD.with_borrow_mut(|thread| thread.iter_mut().for_each(Thread::beat));
        }
    });
}

struct Thread {
    began: Instant,
    admission: Admission,
    meter: ThreadMeter,
    overload: Arc<Overload>,
    telemetry: Telemetry,
}

impl Thread {
    fn ticked(&mut self, late: Duration) {
        self.admission.ticked(late);
        self.meter.ticked(late);
    }

    fn beat(&mut self) {
        self.meter.flush();
        self.meter.tasks_alive(tokio::runtime::Handle::current().metrics().num_alive_tasks());
        if !self.admission.judge(clock::now() - self.began, clock::thread_time()) {
            return;
        }
        if self.admission.is_open() {
            self.overload.thread_is_in_time();
            self.telemetry.record(Event::ThreadInTime);
        } else {
            self.overload.thread_is_late();
            self.telemetry.record(Event::ThreadLate);
        }
    }
}

impl Drop for Thread {
    /// A thread that ends late is late no more.
    fn drop(&mut self) {
        if !self.admission.is_open() {
            self.overload.thread_is_in_time();
            self.telemetry.record(Event::ThreadInTime);
        }
    }
}
