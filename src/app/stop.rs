//! Stopping in order: no new calls, the live ones may end, the carrier is told what it still asks, everything is saved.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use actix::Addr;

use crate::actors::call_registry::{CallRegistry, Drain, EndAll, LiveCalls, OpenEnds};
use crate::actors::metered;
use crate::clock;
use crate::engine::call::HangupCause;
use crate::store::Store;
use crate::store::call_files::CallFiles;
use crate::telemetry::{Event, Telemetry};

use super::Remote;

/// How long calls may take to end after they were told to.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(2);
/// How long the carrier may then take to ask how to go on with them and to report their end: as long as a call waits for
/// that, and a moment for the request that hangs it up otherwise.
const LAST_QUESTIONS: Duration = Duration::from_secs(8);
/// How long what was said may take to reach the disk at the end.
const FLUSH_WITHIN: Duration = Duration::from_secs(10);

/// Cuts an orderly stop short, from another thread: no call is waited for any more.
#[derive(Clone, Default)]
pub struct Hurry(Arc<AtomicBool>);

impl Hurry {
    /// From now on.
    pub fn now(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_on(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What stopping needs.
pub(super) struct Stop {
    pub(super) thread: JoinHandle<()>,
    pub(super) remote: Remote,
    /// How long live calls may go on.
    pub(super) drain: Duration,
    pub(super) telemetry: Telemetry,
}

impl Stop {
    /// Stops; whether everything that was said is on the disk.
    pub(super) fn now(self, store: &Store, files: &CallFiles) -> bool {
        let Self { thread, remote, drain, telemetry } = self;
        telemetry.record(Event::ServiceStopping);
        remote.is_stopping.store(true, Ordering::Relaxed);
        let (drained, wait) = mpsc::channel();
        let last = remote.clone();
        remote.arbiter.spawn(async move {
            metered::order(&last.registry, Drain);
            let (hurried, patient) = (last.hurry.clone(), Hurry::default());
            wait_for_none(&last.registry, || LiveCalls, drain, &hurried).await;
            metered::order(&last.registry, EndAll(HangupCause::Draining));
            wait_for_none(&last.registry, || LiveCalls, LAST_WORDS, &patient).await;
            wait_for_none(&last.registry, || OpenEnds, LAST_QUESTIONS, &hurried).await;
            last.handle.stop(true).await;
            drained.send(()).ok(); // whoever waited is gone: nobody needs to know
        });
        wait.recv_timeout(drain + LAST_WORDS * 4 + LAST_QUESTIONS).ok(); // a service that hangs is left behind
        let saved = [("records", store.flush(FLUSH_WITHIN)), ("files", files.settle(FLUSH_WITHIN))];
        for (what, _) in saved.iter().filter(|(_, is_saved)| !is_saved) {
            telemetry.record(Event::NotAllSaved { what });
        }
        if thread.is_finished() || wait_for_thread(&thread) {
            thread.join().ok(); // a panic of that thread was reported when it happened
        }
        saved.iter().all(|(_, is_saved)| *is_saved)
    }
}

/// Whether the thread ends soon.
fn wait_for_thread(thread: &JoinHandle<()>) -> bool {
    for _ in 0..100 {
        if thread.is_finished() {
            return true;
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
    false
}

/// Until the directory counts none of these, or `limit` is over, or there is a hurry.
async fn wait_for_none<M>(registry: &Addr<CallRegistry>, how_many: impl Fn() -> M, limit: Duration, hurry: &Hurry)
where
    M: actix::Message<Result = usize> + Send + 'static,
    CallRegistry: actix::Handler<M>,
{
    let until = clock::now() + limit;
    while clock::now() < until && !hurry.is_on() {
        match metered::ask(registry, how_many(), Duration::from_secs(1)).await {
            Ok(0) | Err(_) => return,
            Ok(_) => actix_rt::time::sleep(Duration::from_millis(50)).await,
        }
    }
}
