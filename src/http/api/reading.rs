//! Questions to the database, each with an end.
//!
//! A handler never waits longer than `api.read_timeout_ms`. A question that a stalled database keeps goes on in its own
//! thread and keeps its place, so that such questions can't use up the threads and connections that calls need.

use std::sync::Arc;
use std::time::Duration;

use actix_web::rt::time::timeout;
use actix_web::web;
use tokio::sync::Semaphore;

use crate::store::{Store, StoreError};

use super::Api;
use super::problem::Problem;

/// The places for questions.
#[derive(Clone)]
pub(super) struct Reads(Arc<Semaphore>);

impl Reads {
    /// One place less than there are connections: the last is for the calls.
    pub fn new(connections: u32) -> Self {
        Self(Arc::new(Semaphore::new(connections.saturating_sub(1).max(1) as usize)))
    }
}

impl Api {
    /// Asks the database, where blocking is allowed, and waits for the answer.
    ///
    /// # Errors
    /// 503 if the database does not answer, or not in time.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Problem> {
        let (store, places) = (self.store.clone(), self.reads.clone());
        let limit = Duration::from_millis(self.settings.read_timeout_ms.into());
        let answer = timeout(limit, async move {
            let place = places.0.acquire_owned().await.map_err(|_| StoreError::Stopping)?;
            let asked = web::block(move || {
                let answer = question(&store);
                drop(place);
                answer
            });
            asked.await.unwrap_or(Err(StoreError::Stopping))
        });
        match answer.await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(Problem::unavailable("the database did not answer in time; try again in a moment")),
        }
    }
}
