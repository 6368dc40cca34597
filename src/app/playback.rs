//! Where recordings are kept, for those who make them here and those who play them.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::Arbiter;

use crate::actors::metered::order;
use crate::actors::own_recordings::{KeptWhere, OwnRecordingDone, OwnRecordingParts, OwnRecordings};
use crate::actors::recording_starter::RecordingStarter;
use crate::actors::shelf::{MakeShelf, Shelf};
use crate::config::{Config, OnRecordingFailure, RecordingsPlace};
use crate::providers::recording_store::RecordingStore;
use crate::store::Store;
use crate::store::call_files::CallFiles;
use crate::telemetry::Telemetry;

use super::recording_places::Recordings;
use super::recordings::fetch_backoff;

/// Between two looks whether somebody wants a recording again that the store did not take: as long as a person waits for what a
/// command does.
const LOOK_EVERY: Duration = Duration::from_secs(15);

/// Makes a thread's view of the store of recordings.
pub(super) type MakeStore = Arc<dyn Fn() -> Rc<dyn RecordingStore> + Send + Sync>;

/// The store of recordings that is configured, and whether that is where recordings are made.
pub(super) fn kept_where(config: &Config, places: &Recordings) -> (MakeStore, KeptWhere) {
    let is_where_made = config.recordings_place() == RecordingsPlace::Directory(config.data_dir.join("recordings"));
    let kept = if is_where_made { KeptWhere::InPlace } else { KeptWhere::InTheStore };
    let places = places.clone();
    (Arc::new(move || places.store()), kept)
}

/// The store of recordings that is configured, for this thread.
pub fn recording_store(config: &Config) -> anyhow::Result<Rc<dyn RecordingStore>> {
    Ok(Recordings::new(config)?.store())
}

/// Makes the shelf of each thread that serves requests.
pub(super) fn shelves(places: Recordings) -> MakeShelf {
    Arc::new(move || Shelf::of(places.store()))
}

/// Starts telling of recordings that are made here.
pub(super) fn keep_own_recordings(
    (recordings, kept): (MakeStore, KeptWhere),
    config: &Config,
    files: &CallFiles,
    store: &Store,
    recorder: &actix::Addr<RecordingStarter>,
    telemetry: &Telemetry,
    beside: &Arbiter,
) {
    let parts = OwnRecordingParts {
        folder: files.recordings_dir(),
        kept,
        recordings,
        store: store.clone(),
        retry: fetch_backoff(config),
        look_every: LOOK_EVERY,
        instead: (config.recording.on_failure == OnRecordingFailure::Carrier).then(|| recorder.clone()),
        telemetry: telemetry.clone(),
    };
    let own = OwnRecordings::start(parts, &beside.handle());
    files.on_recording(move |done| order(&own, OwnRecordingDone(done)));
}
