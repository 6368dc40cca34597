//! Keeps what a step came to.

use std::time::{Duration, Instant};

use crate::clock;
use crate::engine::recording::ledger::Rules;
use crate::store::recordings::{Finished, Lease, Room, WorkAnswer};
use crate::store::{Store, StoreError};

/// What a step came to, and how that is kept.
pub(super) struct Keep {
    pub store: Store,
    pub lease: Lease,
    pub answer: WorkAnswer,
    pub length: Duration,
    pub room: Room,
    pub rules: Rules,
}

/// When a database that did not take an answer is asked again.
const KEEP_AGAIN_AFTER: Duration = Duration::from_millis(500);

impl Keep {
    /// Keeps it, for as long as the lease is ours: a database that is away may be back before. `None`: it was not, and the
    /// step is done again by whoever takes it then.
    pub async fn until(self, until: Instant) -> (Self, Option<Finished>) {
        loop {
            let (store, lease, answer) = (self.store.clone(), self.lease.clone(), self.answer.clone());
            let (length, room, rules) = (self.length, self.room, self.rules);
            let keep = move || store.finish_recording_work(&lease, &answer, clock::wall_micros(), length, room, &rules);
            match actix_rt::task::spawn_blocking(keep).await {
                Ok(Ok(kept)) => return (self, Some(kept)),
                Ok(Err(error)) if error.is_retryable() && clock::now() < until => {}
                Ok(Err(StoreError::Stopping)) | Err(_) => return (self, None),
                Ok(Err(_)) => return (self, None),
            }
            actix_rt::time::sleep(KEEP_AGAIN_AFTER).await;
        }
    }
}
