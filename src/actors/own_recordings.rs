//! Recordings that were made here, from the end of their call until everybody can find them.
//!
//! The thread that writes a recording tells when nothing is added to it any more. Then its file is read once (is there sound,
//! how long, which checksum), moved into the store of recordings where that is another place, and told to the database as
//! fetched; whoever transcribes, plays or deletes recordings finds it there like any other. One after the other: a thousand
//! calls that end at once read one file at a time.
//!
//! What a process left behind that was killed is found at the next start, in the folder where recordings are made: such a file
//! is a valid WAV that lacks its last seconds. A database or a store that is away is asked again after a pause, for as long as
//! it takes; until then the file stays where it is. One that can't be kept goes behind the others, so that it holds up none.
//!
//! Where the store is another place, its file gets a second name, which is moved; the first goes only when the database has been
//! told. So whenever the process is killed, the next start finds the file, and does what was not done.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix::prelude::*;
use actix_rt::task::spawn_blocking;
use actix_rt::time::sleep;
use sha2::{Digest, Sha256};

use crate::actors::metered::{MailboxFigures, Metered, MeteredActor};
use crate::actors::recording_starter::{RecordInstead, RecordingStarter};
use crate::clock;
use crate::engine::ids::CallSid;
use crate::engine::recording::{RecordingId, RecordingState, SoundFormat};
use crate::providers::recording_store::{KeepError, RecordingStore};
use crate::store::call_files::RecordingDone;
use crate::store::recordings::{KeptFile, Recording, RecordingReport};
use crate::store::{Store, StoreError};
use crate::telemetry::{Event, Telemetry};

/// How many seconds it waits after each failure; the last pause again and again.
const PAUSES_S: [u64; 5] = [1, 5, 15, 60, 300];
/// What the keys of recordings begin with that were moved into the store.
const IN_THE_STORE: &str = "own/";
/// How much of a file is read at once.
const PIECE: usize = 64 * 1_024;

/// Nothing is added to a call's recording any more.
#[derive(Message)]
#[rtype(result = "()")]
pub struct OwnRecordingDone(pub RecordingDone);

/// Where a recording that was made here is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeptWhere {
    /// Where it was made: that is the store's own directory.
    InPlace,
    /// Somewhere else: it is moved there.
    InTheStore,
}

/// What the actor works with.
#[derive(Clone)]
pub struct OwnRecordingParts {
    /// Where recordings are made.
    pub folder: PathBuf,
    /// Where they are kept.
    pub kept: KeptWhere,
    /// Makes the actor's view of the store of recordings, on its own thread.
    pub recordings: Arc<dyn Fn() -> Rc<dyn RecordingStore> + Send + Sync>,
    /// Where they are told.
    pub store: Store,
    /// Who has the carrier record a call whose own recording failed; `None`: nobody.
    pub instead: Option<Addr<RecordingStarter>>,
    /// Logs and figures.
    pub telemetry: Telemetry,
}

/// A recording that is done.
struct Waiting {
    done: RecordingDone,
    /// What is to be told of it, once it is where it is kept: its file is not here any more then.
    report: Option<RecordingReport>,
}

impl From<RecordingDone> for Waiting {
    fn from(done: RecordingDone) -> Self {
        Self { done, report: None }
    }
}

/// Tells of recordings that were made here.
pub struct OwnRecordings {
    parts: OwnRecordingParts,
    recordings: Rc<dyn RecordingStore>,
    /// What is done, and not told yet.
    waiting: VecDeque<Waiting>,
    is_busy: bool,
    /// How many could not be kept since one could.
    failures: usize,
}

impl OwnRecordings {
    /// Starts it on a thread of somebody's choice.
    pub fn start(parts: OwnRecordingParts, arbiter: &ArbiterHandle) -> Addr<Self> {
        let meter = MailboxFigures::of::<Self>(&parts.telemetry);
        Metered::create_in(arbiter, meter, |_| {
            let recordings = (parts.recordings)();
            Self { parts, recordings, waiting: VecDeque::new(), is_busy: false, failures: 0 }
        })
    }

    fn next(&mut self, ctx: &mut Metered<Self>) {
        if self.is_busy {
            return;
        }
        let Some(mut next) = self.waiting.pop_front() else { return };
        self.is_busy = true;
        let (parts, recordings) = (self.parts.clone(), Rc::clone(&self.recordings));
        let pause = self.failures.checked_sub(1).map(|more| PAUSES_S[more.min(PAUSES_S.len() - 1)]);
        let told = async move {
            if let Some(pause) = pause {
                sleep(Duration::from_secs(pause)).await;
            }
            let is_told = parts.keep(&*recordings, &mut next).await;
            (next, is_told)
        };
        ctx.spawn(told.into_actor(self).map(|(next, is_told), this, ctx| {
            if is_told {
                this.failures = 0;
            } else {
                this.failures += 1;
                this.waiting.push_back(next);
            }
            this.is_busy = false;
            this.next(ctx);
        }));
    }
}

impl Actor for OwnRecordings {
    type Context = Metered<Self>;

    /// Looks for what an earlier process left behind: files that nobody has written to since this one started.
    fn started(&mut self, ctx: &mut Metered<Self>) {
        let (folder, store, before) = (self.parts.folder.clone(), self.parts.store.clone(), clock::wall_micros());
        let kept = self.parts.kept;
        let found = async move { left_behind(&folder, kept, &store, before).await };
        ctx.spawn(found.into_actor(self).map(|found, this, ctx| {
            this.waiting.extend(found.into_iter().map(Waiting::from));
            this.next(ctx);
        }));
    }
}

impl MeteredActor for OwnRecordings {
    const KIND: &'static str = "own_recordings";

    /// The recording that is to blame stays where it is until the next start; the others go on.
    fn panicked(&mut self, _message: &str, ctx: &mut Metered<Self>) {
        self.is_busy = false;
        self.next(ctx);
    }
}

impl Handler<OwnRecordingDone> for OwnRecordings {
    type Result = ();

    fn handle(&mut self, OwnRecordingDone(done): OwnRecordingDone, ctx: &mut Metered<Self>) {
        if let (Some(instead), Some(_)) = (&self.parts.instead, &done.error) {
            crate::actors::metered::order(instead, RecordInstead(done.call.clone()));
        }
        self.waiting.push_back(done.into());
        self.next(ctx);
    }
}

impl OwnRecordingParts {
    /// Keeps one recording and tells of it; whether it did.
    async fn keep(&self, recordings: &dyn RecordingStore, next: &mut Waiting) -> bool {
        let kept = self.try_to_keep(recordings, next).await;
        let (result, error) = match &kept {
            Ok(result) => (*result, String::new()),
            Err(error) => ("delayed", error.to_string()),
        };
        self.telemetry.record(Event::OwnRecording { call: &next.done.call, result, error: &error });
        kept.is_ok()
    }

    async fn try_to_keep(&self, recordings: &dyn RecordingStore, next: &mut Waiting) -> Result<&'static str, NotKept> {
        let report = match next.report.take() {
            Some(report) => report,
            None => self.moved(recordings, &next.done).await?,
        };
        let report = next.report.insert(report).clone();
        let result = if report.file.is_some() { "kept" } else { "empty" };
        let (store, at) = (self.store.clone(), clock::wall_micros());
        let told = spawn_blocking(move || store.hear_of_recording(&report, at)).await;
        told.unwrap_or(Err(StoreError::Stopping))?;
        if self.kept == KeptWhere::InTheStore && result == "kept" {
            let path = self.path_of(&next.done.call);
            spawn_blocking(move || removed(&path)).await.unwrap_or_else(|_| Err(io::ErrorKind::Interrupted.into()))?;
        }
        Ok(result)
    }

    fn path_of(&self, call: &CallSid) -> PathBuf {
        self.folder.join(format!("{call}.wav"))
    }

    /// Looks at a recording and brings it to where it is kept: what is to be told of it.
    async fn moved(&self, recordings: &dyn RecordingStore, done: &RecordingDone) -> Result<RecordingReport, NotKept> {
        let path = self.path_of(&done.call);
        let file = path.clone();
        let seen =
            spawn_blocking(move || look_at(&file)).await.unwrap_or_else(|_| Err(io::ErrorKind::Interrupted.into()))?;
        let (id, call) = (RecordingId::Own(done.call.clone()), done.call.clone());
        let Some(sound) = seen else {
            let error = done.error.clone().unwrap_or_else(|| "it holds no sound".to_owned());
            let report = RecordingReport::new(id, call, RecordingState::Failed);
            return Ok(RecordingReport { error: Some(error), ..report });
        };
        let key = match self.kept {
            KeptWhere::InPlace => format!("{}.wav", done.call),
            KeptWhere::InTheStore => {
                let key = format!("{IN_THE_STORE}{}.wav", done.call);
                let named = spawn_blocking(move || second_name(&path)).await;
                let moving = named.unwrap_or_else(|_| Err(io::ErrorKind::Interrupted.into()))?;
                recordings.put(&key, &moving).await?;
                key
            }
        };
        Ok(RecordingReport {
            length_ms: Some(sound.length_ms),
            channels: Some(sound.channels.into()),
            file: Some(KeptFile {
                key,
                content_type: SoundFormat::Wav.content_type().to_owned(),
                bytes: sound.bytes,
                sha256: sound.sha256,
            }),
            error: done.error.clone(),
            ..RecordingReport::new(id, call, RecordingState::Fetched)
        })
    }
}

/// Why a recording is not told of yet.
#[derive(Debug, thiserror::Error)]
enum NotKept {
    #[error("it can't be read: {0}")]
    Disk(#[from] io::Error),
    #[error("it can't be kept: {0}")]
    Store(#[from] KeepError),
    #[error("it can't be told: {0}")]
    Database(#[from] StoreError),
}

/// Gives a file another name beside its own, under which it can be moved: the name of a file that is not looked for. Where the file
/// system knows no second names, it is a copy.
fn second_name(path: &Path) -> io::Result<PathBuf> {
    let moving = path.with_extension("moving");
    removed(&moving)?;
    match fs::hard_link(path, &moving) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => fs::copy(path, &moving).map(|_| ())?,
        other => other?,
    }
    Ok(moving)
}

/// Deletes a file; one that is gone is no error.
fn removed(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// What a recording is, by its content.
#[derive(Debug, PartialEq, Eq)]
struct Sound {
    bytes: u64,
    sha256: String,
    length_ms: u32,
    channels: u16,
}

/// Reads a recording to its end and sees to it that it is on the disk; `None` if there is no sound.
fn look_at(path: &Path) -> io::Result<Option<Sound>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let Ok(wav) = hound::WavReader::new(io::BufReader::new(&mut file)) else { return Ok(None) };
    let (spec, samples) = (wav.spec(), wav.duration());
    if samples == 0 || spec.sample_rate == 0 {
        return Ok(None);
    }
    drop(wav);
    file.sync_all()?;
    let (mut hash, mut bytes, mut piece) = (Sha256::new(), 0, vec![0; PIECE]);
    io::Seek::rewind(&mut file)?;
    loop {
        match file.read(&mut piece)? {
            0 => break,
            read => {
                hash.update(&piece[..read]);
                bytes += read as u64;
            }
        }
    }
    let length_ms = u64::from(samples) * 1_000 / u64::from(spec.sample_rate);
    let sha256 = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let length_ms = u32::try_from(length_ms).unwrap_or(u32::MAX);
    Ok(Some(Sound { bytes, sha256, length_ms, channels: spec.channels }))
}

/// The recordings in the folder that nobody knows of, the oldest first; asked until the database answers.
async fn left_behind(folder: &Path, kept: KeptWhere, store: &Store, before: i64) -> Vec<RecordingDone> {
    let mut pauses = PAUSES_S.into_iter();
    loop {
        let (folder, store) = (folder.to_owned(), store.clone());
        // Else it can't be told either; and the store says by itself that it is away.
        if let Ok(Ok(found)) = spawn_blocking(move || untold(&folder, kept, &store, before)).await {
            return found;
        }
        let pause = pauses.next().unwrap_or(PAUSES_S[PAUSES_S.len() - 1]);
        sleep(Duration::from_secs(pause)).await;
    }
}

/// Those that nobody knows of. What was moved and told, and has its first name still, loses it.
fn untold(folder: &Path, kept: KeptWhere, store: &Store, before: i64) -> Result<Vec<RecordingDone>, StoreError> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(Vec::new()) };
    let written_at =
        |modified: SystemTime| modified.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64);
    let mut files: Vec<(i64, CallSid)> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let call = entry.file_name().to_str()?.strip_suffix(".wav")?.parse().ok()?;
            Some((written_at(entry.metadata().ok()?.modified().ok()?), call))
        })
        .filter(|(at, _)| *at < before)
        .collect();
    files.sort();
    let mut untold = Vec::new();
    for (_, call) in files {
        match store.recording(&RecordingId::Own(call.clone()))? {
            None => {
                let error = Some("the service was killed before it told of this recording".to_owned());
                untold.push(RecordingDone { call, error });
            }
            Some(told) if kept == KeptWhere::InTheStore && is_elsewhere(&told) => {
                // What can't be deleted now is found again by the next start.
                removed(&folder.join(format!("{call}.wav"))).ok();
            }
            Some(_) => {}
        }
    }
    Ok(untold)
}

/// Whether a recording was moved into the store, or was deleted there since.
fn is_elsewhere(told: &Recording) -> bool {
    match &told.file {
        Some(file) => file.key.starts_with(IN_THE_STORE),
        None => told.state == RecordingState::Expired,
    }
}

#[cfg(test)]
mod tests;
