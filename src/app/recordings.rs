//! Who sees to recordings and to the words of calls, on this node.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{Addr, ArbiterHandle};
use anyhow::Context;

use super::{recording_places, transcripts};
use crate::actors::business_keeper::Businesses;
use crate::actors::recording_supervisor::{RecordingDoors, RecordingSupervisor, SupervisorParts, SupervisorSettings};
use crate::config::Config;
use crate::engine::business::Profile;
use crate::engine::ids::BusinessId;
use crate::engine::recording::ledger::{Backoff, Rules};
use crate::store::Store;
use crate::telemetry::Telemetry;

/// Between two looks for work that nobody told of: another node's, or what is tried again.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often a recogniser is tried that is away: with the longest pause, three hours.
const TRANSCRIBE_TRIES: u32 = 12;

/// Starts the supervisor and its workers beside the calls.
pub(super) fn start(
    config: &Arc<Config>,
    places: &recording_places::Recordings,
    businesses: &Businesses,
    store: &Store,
    node: &Arc<str>,
    telemetry: &Telemetry,
    beside: &ArbiterHandle,
) -> anyhow::Result<Addr<RecordingSupervisor>> {
    let work_dir = config.incoming_recordings_dir();
    clear(&work_dir).with_context(|| format!("recordings: {}", work_dir.display()))?;
    let set = &config.recordings;
    let seconds = |set: u32| Duration::from_secs(set.into());
    let fetch = fetch_backoff(config);
    let transcribe = Backoff { tries: fetch.tries.max(TRANSCRIBE_TRIES), ..fetch };
    // Whether there is a recogniser, and who sums up, is found out where they are made.
    let rules =
        Rules { fetch, transcribe, await_recording: seconds(set.await_s), transcribes: false, summarises: false };
    let settings = SupervisorSettings {
        rules,
        lease: seconds(set.lease_s),
        look_every: LOOK_EVERY,
        downloads: set.downloads as usize,
        transcriptions: config.transcription.workers as usize,
        work_dir,
    };
    let (own, places, businesses) = (Arc::clone(config), places.clone(), businesses.clone());
    let parts = SupervisorParts {
        store: store.clone(),
        doors: Box::new(move || RecordingDoors {
            source: places.source(),
            files: places.store(),
            summarise: transcripts::summariser(&own),
            language: Rc::new(move |business| language(&businesses, business)),
        }),
        transcriber: transcripts::recogniser(config)?,
        settings,
        node: Arc::clone(node),
        telemetry: telemetry.clone(),
    };
    Ok(RecordingSupervisor::start(parts, beside, beside))
}

/// How often a recording is tried to be fetched or, if it was made here, to be brought into the store.
pub(super) fn fetch_backoff(config: &Config) -> Backoff {
    let set = &config.recordings;
    let seconds = |set: u32| Duration::from_secs(set.into());
    Backoff { first: seconds(set.first_retry_s), longest: seconds(set.longest_retry_s), tries: set.tries }
}

fn language(businesses: &Businesses, business: Option<&BusinessId>) -> String {
    let known = business.and_then(|id| businesses.now().get(id).map(|business| business.profile.language.clone()));
    known.unwrap_or_else(|| Profile::named("").language)
}

/// Removes what a crash left of files that were being fetched or read: nobody knows their names any more.
fn clear(dir: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
