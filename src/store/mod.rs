//! The database; nobody else knows SQL.
//!
//! [`open`] gives two values. The [`Store`] answers questions and hands out one [`TurnWriter`] per call; the
//! [`StatusWriter`] is the only thing that can write a call's status, there is one, and it can't be copied.
//!
//! Nothing here needs the database to be there: what can't be written waits in the spool on the node's own
//! disk and is written later, in order, exactly as if it had been written at once, since writing anything twice
//! leaves what writing it once leaves. Times are microseconds since 1970-01-01 UTC. Methods block unless they
//! say otherwise; they belong on a blocking pool, never on an arbiter's thread.
//!
//! ```no_run
//! use trunkline::store::{self, StoreSettings};
//!
//! let (store, status_writer) = store::open(StoreSettings::new("sqlite:data/trunkline.db", "data/spool"))?;
//! # let call = "CA00000000000000000000000000000001".parse().unwrap();
//! assert_eq!(store.call(&call)?, None);
//! # drop(status_writer);
//! # Ok::<(), store::StoreError>(())
//! ```
#![warn(missing_docs)]

pub mod businesses;
pub mod call_files;
mod call_list;
mod call_peek;
pub mod campaigns;
mod claims;
mod db;
pub mod deliveries;
mod duties;
mod error;
mod health;
mod journal;
mod keeper;
mod leases;
mod link;
mod migrate;
pub mod nodes;
mod outbound;
mod reads;
mod record;
mod recording_starts;
pub mod recordings;
mod rows;
mod schema;
mod settings;
mod shared;
mod spool;
mod status_writer;
mod target;
mod tokens;
pub mod transcripts;
mod worker;
mod write;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use diesel::r2d2::{NopErrorHandler, Pool};

use crate::engine::ids::CallSid;

use claims::Claims;
use journal::Journal;
use record::MediaClaim;
use shared::Shared;
use spool::Spool;
use target::{Manager, Target};

pub use call_list::{CallFilter, CallPlace};
pub use call_peek::{CallPeek, PeekedCall};
pub use error::StoreError;
pub use health::{DatabaseState, StoreHealth};
pub use journal::TurnWriter;
pub use leases::Leased;
pub use outbound::JobNews;
pub use reads::CallRecord;
pub use record::{CallEnd, CallEventRecord};
pub use settings::{Observer, StoreEvent, StoreSettings};
pub use status_writer::{StatusSpool, StatusWriter};
pub use tokens::{ApiToken, TokenScope};
pub use write::StoredStatus;

/// Opens the database and brings its schema up to date.
///
/// A database that is away is no error: the store opens unready, [`Store::health`] says so, and the schema is
/// brought up to date as soon as the database answers.
///
/// # Errors
/// A URL that can't be right, a server that refuses us, a schema that can't be migrated, a spool directory
/// that can't be used or belongs to another process.
pub fn open(settings: StoreSettings) -> Result<(Store, StatusWriter), StoreError> {
    let target = Target::parse(&settings.url, settings.connect_timeout, settings.busy_timeout)?;
    let spool = Spool::open(&settings.spool_dir, settings.spool_segment_bytes)?;
    let shared = Arc::new(Shared::new(settings, target, spool));
    Claims::remember(&shared)?;
    keeper::start(&shared)?;
    let claims = Claims::start(&shared)?;
    let journal = Journal::start(&shared)?;
    let readers = Pool::builder()
        .max_size(shared.settings.read_connections)
        .min_idle(Some(0))
        .connection_timeout(shared.settings.connect_timeout)
        .error_handler(Box::new(NopErrorHandler))
        .build_unchecked(Manager(Arc::clone(&shared.target)));
    let open = Arc::new(Open { shared: Arc::clone(&shared), claims, journal });
    let status_writer = StatusWriter::new(Arc::clone(&shared));
    Ok((Store { shared, readers, open }, status_writer))
}

/// Answers questions about calls, and hands out the writers of their turns. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
    readers: Pool<Manager>,
    open: Arc<Open>,
}

/// What ends when the last [`Store`] is dropped.
struct Open {
    shared: Arc<Shared>,
    claims: Claims,
    journal: Journal,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

impl Store {
    /// The writer of a call's turns, timeline and end. Never blocks.
    ///
    /// # Errors
    /// The call has one already.
    pub fn turn_writer(&self, call: CallSid) -> Result<TurnWriter, StoreError> {
        self.open.journal.turn_writer(&self.shared, call)
    }

    /// Claims a call's media token for the socket that has just presented it, at `at` (microseconds since
    /// 1970-01-01 UTC) on the node called `node`: whether it is the first to do so, on any node. While the
    /// database is away the claim holds on this node alone.
    ///
    /// Claims are made one after the other: each takes no longer than the settings' patience, and one sync of the
    /// spool if the database is away, but many at once wait for those before them.
    pub fn claim_media(&self, call: &CallSid, node: &str, at: i64) -> Result<bool, StoreError> {
        self.open.claims.claim(&self.shared, MediaClaim { call: call.clone(), node: node.to_owned(), at })
    }

    /// How the store is. Never blocks.
    pub fn health(&self) -> StoreHealth {
        StoreHealth {
            backend: self.shared.target.name(),
            database: self.shared.database(),
            spool_records_waiting: self.shared.spool.waiting(),
            spool_error: self.shared.spool_error(),
            journal_records_waiting: self.shared.journal_waiting.load(Ordering::Relaxed),
            records_rejected: self.shared.rejected(),
            records_lost: self.shared.lost(),
        }
    }

    /// Waits until every turn, event and end given to a [`TurnWriter`] so far is in the database or on the disk;
    /// `false` if that takes longer than `patience`.
    pub fn flush(&self, patience: Duration) -> bool {
        self.open.journal.flush(patience)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("health", &self.health()).finish()
    }
}
