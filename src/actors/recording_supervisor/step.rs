//! One step, from its lease to what it comes to. Dropping it ends the work; a file that it leaves is overwritten or swept later.

use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use actix::Addr;
use futures_util::FutureExt;
use tokio::sync::oneshot;

use super::{RecordingDoors, setback};
use crate::actors::transcription_worker::{Transcribe, TranscriptionWorker};
use crate::clock;
use crate::engine::recording::ledger::Setback;
use crate::engine::recording::{RecordingId, Step};
use crate::providers::recording_source::{FetchError, WantedRecording};
use crate::providers::recording_store::KeepError;
use crate::providers::transcriber::TranscribeError;
use crate::store::recordings::{KeptFile, Lease, Recording, WorkAnswer};
use crate::store::{Store, StoreError};
use crate::telemetry::{Event, RecordingsEvent, Telemetry};

/// No download takes longer. The carrier, the store and the disk are given less by their own settings; this is for what none of
/// them bounds, and longer than `recordings.fetch_timeout_s` can be.
const FETCH_WITHIN: Duration = Duration::from_secs(25 * 3_600);
/// Nor does a recognition. Each piece has a limit of its own, `transcription.timeout_s`; a program that reads hours of sound, one piece
/// after the other, takes about as many.
const TRANSCRIBE_WITHIN: Duration = Duration::from_secs(25 * 3_600);
/// No summary, and no words of turns, take longer.
const SUMMARISE_WITHIN: Duration = Duration::from_secs(300);
/// When a database is asked again that could not be asked in the middle of a step.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// What a step is done with.
pub(super) struct Doing {
    pub doors: Rc<RecordingDoors>,
    pub store: Store,
    pub work_dir: PathBuf,
    pub telemetry: Telemetry,
    /// Who reads, for that step.
    pub worker: Option<Addr<TranscriptionWorker>>,
}

type Outcome = Result<WorkAnswer, Setback>;

impl Doing {
    pub async fn step(&self, lease: &Lease) -> WorkAnswer {
        let step = lease.job.step;
        let limit = match step {
            Step::Fetch => FETCH_WITHIN,
            Step::Transcribe => TRANSCRIBE_WITHIN,
            Step::Wait | Step::Settle | Step::Summarise | Step::Done => SUMMARISE_WITHIN,
        };
        let work = async {
            match step {
                Step::Fetch => self.fetch(lease).await,
                Step::Transcribe => self.transcribe(lease).await,
                Step::Summarise => self.summarise(lease).await,
                Step::Settle => Ok(WorkAnswer::TakeTurns),
                Step::Wait | Step::Done => Ok(WorkAnswer::GivenBack),
            }
        };
        let work = actix_rt::time::timeout(limit, AssertUnwindSafe(work).catch_unwind());
        let outcome = match work.await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => {
                self.telemetry.record(Event::PanicCaught { actor: "recording_supervisor", message: "in a step" });
                Err(setback::of_panic())
            }
            Err(_) => Err(setback::of_time(limit)),
        };
        outcome.unwrap_or_else(WorkAnswer::Failed)
    }

    async fn fetch(&self, lease: &Lease) -> Outcome {
        let (Some(source), Some(Recording { id: RecordingId::Carrier(sid), url, created_at, .. })) =
            (&self.doors.source, &lease.recording)
        else {
            return Ok(WorkAnswer::GivenBack);
        };
        let (store, call) = (self.store.clone(), lease.call.clone());
        let row = ask(move || store.call(&call)).await?;
        let wanted = WantedRecording {
            call: lease.call.clone(),
            parent: row.and_then(|row| row.parent_call_sid).map(|parent| parent.value),
            recording: sid.clone(),
            url: url.clone(),
        };
        let file = self.free_file(lease).await?;
        let fetched = source.fetch(&wanted, &file.0).await.map_err(|error| {
            if !error.may_pass() {
                self.refused(Step::Fetch, &error.to_string());
            }
            setback::of_fetch(&error)
        })?;
        let key = RecordingId::Carrier(sid.clone()).store_key(*created_at, fetched.format);
        self.doors.files.put(&key, &file.0).await.map_err(|error| self.not_kept(Step::Fetch, &error))?;
        let sha256 = fetched.sha256.iter().map(|byte| format!("{byte:02x}")).collect();
        let content_type = fetched.format.content_type().to_owned();
        let file = KeptFile { key, content_type, bytes: fetched.bytes, sha256 };
        Ok(WorkAnswer::Fetched { file, length: fetched.length, channels: fetched.channels })
    }

    async fn transcribe(&self, lease: &Lease) -> Outcome {
        let (Some(worker), Some(recording)) = (&self.worker, &lease.recording) else {
            return Ok(WorkAnswer::GivenBack);
        };
        let Some(kept) = &recording.file else {
            return Err(self.not_kept(Step::Transcribe, &KeepError::Absent));
        };
        let file = self.free_file(lease).await?;
        self.doors.files.copy_to(&kept.key, &file.0).await.map_err(|error| self.not_kept(Step::Transcribe, &error))?;
        let (_wanted, until_dropped) = oneshot::channel();
        let language = (self.doors.language)(lease.business.as_ref());
        let job = Transcribe { file: file.0.clone(), language, wanted: until_dropped };
        match worker.send(job).await {
            Ok(Ok(transcript)) => Ok(WorkAnswer::Transcribed(transcript)),
            Ok(Err(error)) => {
                if matches!(error, TranscribeError::Refused(_)) {
                    self.refused(Step::Transcribe, &error.to_string());
                }
                Err(setback::of_transcribe(&error))
            }
            Err(_) => Err(setback::of_panic()),
        }
    }

    async fn summarise(&self, lease: &Lease) -> Outcome {
        let Some(summarise) = &self.doors.summarise else { return Ok(WorkAnswer::GivenBack) };
        let (store, call) = (self.store.clone(), lease.call.clone());
        let words = ask(move || store.transcript(&call)).await?;
        let Some(words) = words else { return Ok(WorkAnswer::GivenBack) };
        let language = (self.doors.language)(lease.business.as_ref());
        let mut summary = summarise(words, language).await?;
        summary.at = clock::wall_micros();
        Ok(WorkAnswer::SummedUp(summary))
    }

    /// A path that is free, and freed again when it is dropped.
    async fn free_file(&self, lease: &Lease) -> Result<FileOf, Setback> {
        let name = lease.job.recording.as_ref().map_or_else(|| lease.call.to_string(), ToString::to_string);
        let path = self.work_dir.join(format!("{name}.{}", lease.fence));
        let (dir, stale) = (self.work_dir.clone(), path.clone());
        let made = actix_rt::task::spawn_blocking(move || {
            std::fs::create_dir_all(&dir)?;
            match std::fs::remove_file(&stale) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            }
        });
        let made = made.await.unwrap_or_else(|_| Err(std::io::Error::other("the service is stopping")));
        made.map_err(|error| setback::of_fetch(&FetchError::Disk(error)))?;
        Ok(FileOf(path))
    }

    fn not_kept(&self, step: Step, error: &KeepError) -> Setback {
        if matches!(error, KeepError::Refused { .. }) {
            self.refused(step, &error.to_string());
        }
        setback::of_keep(error)
    }

    fn refused(&self, step: Step, error: &str) {
        self.telemetry.record(Event::Recordings(RecordingsEvent::Refused { step: step.as_str(), error }));
    }
}

/// A file that goes when the step is over, however that is.
struct FileOf(PathBuf);

impl Drop for FileOf {
    fn drop(&mut self) {
        let path: &Path = &self.0;
        // It may have been moved, or never made; one that can't be removed is swept at the next start.
        std::fs::remove_file(path).ok();
    }
}

/// Asks the database where that may block. That it can't be asked is no try.
async fn ask<T: Send + 'static>(
    question: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Setback> {
    let away = |reason| Setback { reason, may_pass: true, counts: false, not_before: Some(ASK_AGAIN_AFTER) };
    match actix_rt::task::spawn_blocking(question).await {
        Ok(answer) => answer.map_err(|error| away(error.to_string())),
        Err(_) => Err(away("the service is stopping".to_owned())),
    }
}
