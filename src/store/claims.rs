//! A call's media token is used once, on whichever node.

use std::sync::{Arc, Mutex};

use super::error::{Fault, StoreError};
use super::link::Link;
use super::record::{MediaClaim, Record};
use super::shared::{Shared, locked};
use super::worker::{Silence, Worker};
use super::write::claim_media;

/// Claims media tokens in the database and, while it is away, among the calls of this node.
pub(super) struct Claims {
    database: Mutex<Worker<MediaClaim, Result<bool, Fault>>>,
}

impl Claims {
    /// Starts the thread that asks the database.
    pub fn start(shared: &Arc<Shared>) -> Result<Self, StoreError> {
        let mut link = Link::new(Arc::clone(shared));
        let database =
            Worker::start("store-claims", move |claim: MediaClaim| link.run(|conn| claim_media(conn, &claim)))?;
        Ok(Self { database: Mutex::new(database) })
    }

    /// Claims that an earlier process left in the spool count as made. To be called before the spool is emptied.
    pub fn remember(shared: &Shared) -> Result<(), StoreError> {
        for segment in shared.spool.sealed() {
            for record in shared.spool.read(&segment)?.records {
                if let Record::MediaClaim { claim } = record {
                    locked(&shared.claims).insert(&claim.call, ());
                }
            }
        }
        Ok(())
    }

    /// Whether this claim is the call's first.
    pub fn claim(&self, shared: &Shared, claim: MediaClaim) -> Result<bool, StoreError> {
        if !locked(&shared.claims).insert(&claim.call, ()) {
            return Ok(false);
        }
        let answer = match shared.is_up() {
            true => locked(&self.database).ask(claim.clone(), shared.settings.patience),
            false => Err(Silence::Busy),
        };
        let forget = |error| {
            locked(&shared.claims).remove(&claim.call);
            Err(error)
        };
        match answer {
            Ok(Ok(is_first)) => return Ok(is_first),
            Ok(Err(fault)) if fault.is_the_records() => return forget(fault.into()),
            Ok(Err(_)) => {}
            Err(Silence::Late) => shared.database_lost("it does not answer in time"),
            Err(Silence::Busy) => {}
        }
        match shared.keep_in_spool(&[Record::MediaClaim { claim: claim.clone() }]) {
            Ok(()) => Ok(true),
            Err(error) => forget(error),
        }
    }
}
