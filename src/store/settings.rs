//! What the store is opened with, and what it tells about itself.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Everything that the store is opened with.
#[derive(Clone, Debug)]
pub struct StoreSettings {
    /// `sqlite:path` or `postgres://user:password@host/name`.
    pub url: String,
    /// Where records wait while the database is away: a directory of this process alone, on a local disk.
    pub spool_dir: PathBuf,
    /// How many connections readers share.
    pub read_connections: u32,
    /// How long to wait for a connection.
    pub connect_timeout: Duration,
    /// How long a statement waits for a lock that another connection holds.
    pub busy_timeout: Duration,
    /// How long a batch of turns and events, or a claim, may take before it goes to the spool instead.
    pub patience: Duration,
    /// How long database and spool may go without being used before it is tried whether they can be.
    pub ping_every: Duration,
    /// How many turns and events may wait to be written.
    pub journal_queue: usize,
    /// The size at which a spool file is closed and the next one begun.
    pub spool_segment_bytes: u64,
    /// Who is told what happens.
    pub observer: Observer,
}

impl StoreSettings {
    /// The defaults, for this database and this spool.
    ///
    /// 4 reading connections: one per core of a usual machine. 2 s to connect: beyond it the server is as good
    /// as away. 5 s for a lock: longer than any transaction of ours. 150 ms of patience: the carrier's voice
    /// webhook has 350 ms in all. 5 s between pings: a probe of `/ready` comes about as often. 8,192 waiting records: more than a second of 1,000 busy calls. 8 MiB per
    /// spool file: read back whole.
    pub fn new(url: impl Into<String>, spool_dir: impl Into<PathBuf>) -> Self {
        Self {
            url: url.into(),
            spool_dir: spool_dir.into(),
            read_connections: 4,
            connect_timeout: Duration::from_secs(2),
            busy_timeout: Duration::from_secs(5),
            patience: Duration::from_millis(150),
            ping_every: Duration::from_secs(5),
            journal_queue: 8_192,
            spool_segment_bytes: 8 << 20,
            observer: Observer::default(),
        }
    }
}

/// What happens in the store, for whoever logs and counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreEvent<'a> {
    /// A record could not go to the database at once; it is on the disk.
    Spooled {
        /// `status`, `turn`, `event`, `end`, `media_claim`, `recording`.
        kind: &'static str,
    },
    /// So many records of the spool are in the database.
    SpoolReplayed {
        /// How many.
        records: u64,
    },
    /// The spool can't be written or read.
    SpoolFailed {
        /// What the system said.
        error: &'a str,
    },
    /// A record that the database will never take was set aside.
    RecordRejected {
        /// What the database said.
        error: &'a str,
    },
    /// A record was dropped: neither the database nor the disk took any for so long that the queue is full.
    RecordLost {
        /// `turn`, `event`, `end`.
        kind: &'static str,
    },
    /// The database does not answer.
    DatabaseLost {
        /// What it said.
        error: &'a str,
    },
    /// The database answers, for the first time or again.
    DatabaseBack,
}

/// Who is told. Called on any thread, an arbiter's too: it must not block.
#[derive(Clone)]
pub struct Observer(Arc<dyn Fn(StoreEvent<'_>) + Send + Sync>);

impl Observer {
    /// Tells `tell`.
    pub fn new(tell: impl Fn(StoreEvent<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    pub(super) fn tell(&self, event: StoreEvent<'_>) {
        (self.0)(event);
    }
}

impl Default for Observer {
    /// Tells nobody.
    fn default() -> Self {
        Self::new(|_| {})
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}
