//! Recordings whose time is over are deleted: at the carrier first, then here, and only then is forgotten where they were.
//!
//! | what | which | who looks |
//! |---|---|---|
//! | age | fetched longer ago than they are kept; those that could not be fetched, first heard of longer ago | one node for all |
//! | quota | of a business that has more than its share, the oldest, until it has no more | one node for all |
//! | partial files | what a crash left on this node's disk of recordings on their way | each node |
//! | unended uploads | what a crash left in the store of recordings on their way in | one node for all |
//!
//! Nothing is deleted of a call about which something is still to be done: its words may be made of it. What fails is tried
//! again with the next look; the rest of the list is not held up by it, unless the carrier or the store is away altogether. To
//! delete twice is to delete once, so it does no harm that two nodes may do it for a moment.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;

use crate::actors::metered::{MailboxFigures, Metered, MeteredActor};
use crate::clock;
use crate::engine::ids::BusinessId;
use crate::engine::recording::RecordingId;
use crate::providers::recording_source::{FetchError, RecordingSource};
use crate::providers::recording_store::{KeepError, RecordingStore};
use crate::store::recordings::Recording;
use crate::store::{Store, StoreError};
use crate::telemetry::{Event, Telemetry};

/// How many recordings are looked at in one go.
const AT_MOST: u32 = 100;
/// A node that is busy with something else for a moment keeps its duty.
const SHORTEST_DUTY: Duration = Duration::from_secs(10);
/// The name of the duty among those of all nodes.
const DUTY: &str = "keep_recordings";

/// How old an upload is that nobody goes on with: no recording is longer on its way into the store.
const UPLOAD_AFTER: Duration = Duration::from_secs(48 * 3_600);
/// Between two looks for such uploads: they are few, and who may not look for them is told so once a day.
const UPLOADS_EVERY: Duration = Duration::from_secs(24 * 3_600);

/// Deletes partial files that were last written before a time (microseconds since 1970-01-01 UTC): how many they were.
pub type SweepPartial = Arc<dyn Fn(i64) -> io::Result<usize> + Send + Sync>;

/// Where recordings are deleted.
pub struct RecordingPlaces {
    /// The carrier; `None` without its credentials.
    pub source: Option<Rc<dyn RecordingSource>>,
    /// Our own store.
    pub store: Rc<dyn RecordingStore>,
}

/// What the keeper works with.
#[derive(Clone)]
pub struct KeeperParts {
    /// Where it is written which recordings there are.
    pub store: Store,
    /// Logs and figures.
    pub telemetry: Telemetry,
    /// This node's name.
    pub node: Arc<str>,
    /// How long a recording is kept; `None`: for good.
    pub keep: Option<Duration>,
    /// How many bytes of each business are kept; `None`: all.
    pub quota: Option<u64>,
    /// Between two looks.
    pub every: Duration,
    /// What deletes this node's partial files.
    pub sweep_partial: SweepPartial,
    /// How old a partial file is that nobody writes to any more.
    pub partial_after: Duration,
}

/// Deletes recordings whose time is over.
pub struct RecordingKeeper {
    parts: KeeperParts,
    places: Rc<RecordingPlaces>,
    is_at_it: bool,
    /// When it looked for unended uploads.
    uploads_at: Option<Instant>,
}

impl RecordingKeeper {
    /// Starts the keeper on a thread of somebody's choice, where its places are made, too.
    pub fn start(
        parts: KeeperParts,
        places: impl FnOnce() -> RecordingPlaces + Send + 'static,
        arbiter: &ArbiterHandle,
    ) -> Addr<Self> {
        let meter = MailboxFigures::of::<Self>(&parts.telemetry);
        Metered::create_in(arbiter, meter, |_| {
            let places = Rc::new(places());
            Self { parts, places, is_at_it: false, uploads_at: None }
        })
    }

    fn begin_round(&mut self, ctx: &mut Metered<Self>) {
        if std::mem::replace(&mut self.is_at_it, true) {
            return; // the last one is not over
        }
        let (parts, places) = (self.parts.clone(), Rc::clone(&self.places));
        let now = clock::now();
        let sweeps_store = self.uploads_at.is_none_or(|at| now.duration_since(at) >= UPLOADS_EVERY);
        if sweeps_store {
            self.uploads_at = Some(now);
        }
        let round = Round { parts, places, asks_duty: true, swept: Cell::default() };
        let round = async move { round.run(sweeps_store).await };
        ctx.spawn(round.into_actor(self).map(|(), this, _| this.is_at_it = false));
    }
}

impl Actor for RecordingKeeper {
    type Context = Metered<Self>;

    fn started(&mut self, ctx: &mut Metered<Self>) {
        // What a crash left is in the way from the start.
        self.begin_round(ctx);
        ctx.run_interval(self.parts.every, Self::begin_round);
    }
}

impl MeteredActor for RecordingKeeper {
    const KIND: &'static str = "recording_keeper";

    /// It begins anew with the next round: all that it knows is in the database.
    fn panicked(&mut self, _message: &str, _ctx: &mut Metered<Self>) {
        self.is_at_it = false;
    }
}

/// What one look did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Recordings that are gone.
    pub deleted: u64,
    /// … and that could not be deleted.
    pub failed: u64,
    /// Whether it saw everything, and did not end early because the database, the carrier or the store is away.
    pub is_whole: bool,
}

/// Looks once, now, whichever node has the duty: it does no harm that two do it for a moment. Partial files are another's.
pub async fn sweep_now(parts: KeeperParts, places: RecordingPlaces) -> Swept {
    let round = Round { parts, places: Rc::new(places), asks_duty: false, swept: Cell::default() };
    round.sweep_store().await;
    let is_whole = round.delete_what_is_over().await.is_ok();
    Swept { is_whole, ..round.swept.get() }
}

/// One look at everything.
struct Round {
    parts: KeeperParts,
    places: Rc<RecordingPlaces>,
    /// Whether it is only this node's to do while it has the duty.
    asks_duty: bool,
    swept: Cell<Swept>,
}

/// Why a round ends early. It was told.
struct Stop;

/// The database tells by itself that it can't be read.
impl From<StoreError> for Stop {
    fn from(_: StoreError) -> Self {
        Self
    }
}

impl Round {
    async fn run(self, sweeps_store: bool) {
        self.sweep_partial().await;
        if sweeps_store {
            self.sweep_store().await;
        }
        // Whatever ends it, the next one looks again.
        let (Ok(()) | Err(Stop)) = self.delete_what_is_over().await;
    }

    async fn sweep_partial(&self) {
        let sweep = Arc::clone(&self.parts.sweep_partial);
        let before = clock::wall_micros() - micros(self.parts.partial_after);
        let swept = actix_rt::task::spawn_blocking(move || sweep(before)).await;
        match swept.unwrap_or_else(|lost| Err(io::Error::other(lost))) {
            Ok(count) => self.parts.telemetry.record(Event::PartialFilesSwept { count }),
            Err(error) => self.parts.telemetry.record(Event::PartialFilesNotSwept { error: &error.to_string() }),
        }
    }

    async fn sweep_store(&self) {
        if self.on_duty(|_| Ok(())).await.is_err() {
            return; // another node does it
        }
        match self.places.store.sweep(clock::wall_micros() - micros(UPLOAD_AFTER)).await {
            Ok(count) => self.parts.telemetry.record(Event::PartialFilesSwept { count }),
            Err(error) => self.parts.telemetry.record(Event::PartialFilesNotSwept { error: &error.to_string() }),
        }
    }

    async fn delete_what_is_over(&self) -> Result<(), Stop> {
        if let Some(keep) = self.parts.keep {
            let before = clock::wall_micros() - micros(keep);
            let mut after: Option<RecordingId> = None;
            loop {
                let from = after.clone();
                let past = self.on_duty(move |store| store.recordings_past(before, from.as_ref(), AT_MOST)).await?;
                let Some(last) = past.last() else { break };
                after = Some(last.id.clone());
                for recording in &past {
                    self.delete(recording, "age").await?;
                }
            }
        }
        if let Some(quota) = self.parts.quota {
            for (business, bytes) in self.on_duty(move |store| store.businesses_above(quota)).await? {
                self.shrink(business, bytes, quota).await?;
            }
        }
        let kept = self.on_duty(|store| store.kept_recordings()).await?;
        self.parts.telemetry.record(Event::RecordingsKept { count: kept.count, bytes: kept.bytes });
        Ok(())
    }

    /// Deletes the oldest recordings of a business, until it has no more than its share.
    async fn shrink(&self, business: BusinessId, mut bytes: u64, quota: u64) -> Result<(), Stop> {
        let mut skip = 0;
        while bytes > quota {
            let of = business.clone();
            let oldest = self.on_duty(move |store| store.oldest_recordings(&of, skip, AT_MOST)).await?;
            if oldest.is_empty() {
                break; // the rest is in use
            }
            for recording in &oldest {
                if bytes <= quota {
                    break;
                }
                match self.delete(recording, "quota").await? {
                    true => bytes = bytes.saturating_sub(recording.file.as_ref().map_or(0, |file| file.bytes)),
                    false => skip += 1,
                }
            }
        }
        Ok(())
    }

    /// Deletes one recording everywhere; whether it is gone.
    async fn delete(&self, recording: &Recording, why: &'static str) -> Result<bool, Stop> {
        let count = |deleted, failed| {
            let so_far = self.swept.get();
            self.swept.set(Swept { deleted: so_far.deleted + deleted, failed: so_far.failed + failed, ..so_far });
        };
        let failed = |place, error: &dyn std::fmt::Display| {
            count(0, 1);
            let error = error.to_string();
            self.parts.telemetry.record(Event::RecordingNotDeleted { call: &recording.call, place, error: &error });
        };
        if let RecordingId::Carrier(sid) = &recording.id {
            let Some(source) = &self.places.source else {
                failed("carrier", &"its credentials are not set");
                return Ok(false);
            };
            match source.delete(sid).await {
                Ok(()) | Err(FetchError::NotThere) => {}
                Err(error) => {
                    failed("carrier", &error);
                    // What it says of one recording holds up no other; a host that goes on failing is left alone.
                    return if matches!(error, FetchError::Carrier { .. }) { Ok(false) } else { Err(Stop) };
                }
            }
        }
        if let Some(file) = &recording.file {
            match self.places.store.delete(&file.key).await {
                Ok(()) | Err(KeepError::Absent) => {}
                Err(error) => {
                    failed("store", &error);
                    // What it says of one recording holds up no other.
                    return if matches!(error, KeepError::Away(_)) { Err(Stop) } else { Ok(false) };
                }
            }
        }
        let (id, at) = (recording.id.clone(), clock::wall_micros());
        if self.on_duty(move |store| store.expire_recording(&id, at)).await? {
            count(1, 0);
            self.parts.telemetry.record(Event::RecordingDeleted { why });
        }
        Ok(true)
    }

    /// Asks the database, if looking after recordings is this node's duty.
    async fn on_duty<T, F>(&self, ask: F) -> Result<T, Stop>
    where
        T: Send + 'static,
        F: FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    {
        let (store, node) = (self.parts.store.clone(), Arc::clone(&self.parts.node));
        let length = (self.parts.every * 3).max(SHORTEST_DUTY);
        let (now, asks_duty) = (clock::wall_micros(), self.asks_duty);
        let asked =
            actix_rt::task::spawn_blocking(move || match !asks_duty || store.hold_duty(DUTY, &node, now, length)? {
                true => ask(&store).map(Some),
                false => Ok(None),
            });
        asked.await.unwrap_or(Err(StoreError::Stopping))?.ok_or(Stop)
    }
}

/// Microseconds, as the database counts.
fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}
