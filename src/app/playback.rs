//! Where recordings are kept, for those who make them here and those who play them.

use std::rc::Rc;
use std::sync::Arc;

use actix::Arbiter;

use crate::actors::metered::order;
use crate::actors::own_recordings::{KeptWhere, OwnRecordingDone, OwnRecordingParts, OwnRecordings};
use crate::actors::recording_starter::RecordingStarter;
use crate::actors::shelf::{MakeShelf, Shelf};
use crate::config::{Config, OnRecordingFailure};
use crate::providers::recording_store::{Directory, RecordingStore};
use crate::store::Store;
use crate::store::call_files::CallFiles;
use crate::telemetry::Telemetry;

/// Makes a thread's view of the store of recordings.
pub(super) type MakeStore = Arc<dyn Fn() -> Rc<dyn RecordingStore> + Send + Sync>;

/// The store of recordings that is configured, and whether that is where recordings are made.
fn maker(config: &Config) -> (MakeStore, KeptWhere) {
    let folder = config.data_dir.join("recordings");
    (Arc::new(move || Rc::new(Directory::new(&folder))), KeptWhere::InPlace)
}

/// The store of recordings that is configured, for this thread.
pub fn recording_store(config: &Config) -> anyhow::Result<Rc<dyn RecordingStore>> {
    Ok(maker(config).0())
}

/// Makes the shelf of each thread that serves requests.
pub(super) fn shelves(config: &Config) -> MakeShelf {
    let (make, _) = maker(config);
    Arc::new(move || Shelf::of(make()))
}

/// Starts telling of recordings that are made here.
pub(super) fn keep_own_recordings(
    config: &Config,
    files: &CallFiles,
    store: &Store,
    recorder: &actix::Addr<RecordingStarter>,
    telemetry: &Telemetry,
    beside: &Arbiter,
) {
    let (recordings, kept) = maker(config);
    let parts = OwnRecordingParts {
        folder: files.recordings_dir(),
        kept,
        recordings,
        store: store.clone(),
        instead: (config.recording.on_failure == OnRecordingFailure::Carrier).then(|| recorder.clone()),
        telemetry: telemetry.clone(),
    };
    let own = OwnRecordings::start(parts, &beside.handle());
    files.on_recording(move |done| order(&own, OwnRecordingDone(done)));
}
