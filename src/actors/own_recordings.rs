//! Recordings that were made here, from the end of their call until everybody can find them.
//!
//! The thread that writes a recording tells when nothing is added to it any more. Then its file is read once (is there sound,
//! how long, which checksum), moved into the store of recordings where that is another place, and told to the database as
//! fetched; whoever transcribes, plays or deletes recordings finds it there like any other. One after the other: a thousand
//! calls that end at once read one file at a time.
//!
//! What a process left behind that was killed is found at the next start, in the folder where recordings are made: such a file
//! is a valid WAV that lacks its last seconds.
//!
//! | what goes wrong | what then |
//! |---|---|
//! | the database or the store is away | all wait ([`PAUSES_S`]), for as long as it takes |
//! | the store does not take this file, or it can't be read | it waits behind the others, longer after each try ([`Backoff`]); after the last it is [`RecordingState::Unkept`] |
//! | somebody wants one that is unkept | it is [`RecordingState::Started`]; the node that has its file sees that with its next look, and tries again |
//! | the time of one that is unkept is over | its file is deleted with the next look |
//!
//! Meanwhile the file stays where it is; and the database knows that it is still to come ([`RecordingState::Started`]), so that its words
//! are waited for: from its call's end where it is moved or waits for others, else from the first try that failed.
//!
//! Where the store is another place, its file gets a second name, which is moved; the first goes only when the database has been
//! told. So whenever the process is killed, the next start finds the file, and does what was not done.

mod files;
mod looks;

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use actix_rt::task::spawn_blocking;
use actix_rt::time::sleep;

use crate::actors::metered::{MailboxFigures, Metered, MeteredActor};
use crate::actors::recording_starter::{RecordInstead, RecordingStarter};
use crate::clock;
use crate::engine::ids::CallSid;
use crate::engine::recording::ledger::Backoff;
use crate::engine::recording::{RecordingId, RecordingState, SoundFormat};
use crate::providers::recording_store::{KeepError, RecordingStore};
use crate::store::call_files::RecordingDone;
use crate::store::recordings::{KeptFile, RecordingReport};
use crate::store::{Store, StoreError};
use crate::telemetry::{Event, Telemetry};
use files::{look_at, removed, second_name};
use looks::{left_behind, settled};

/// How many seconds all wait after each time that the database or the store was away; the last pause again and again.
const PAUSES_S: [u64; 5] = [1, 5, 15, 60, 300];
/// What the keys of recordings begin with that were moved into the store.
const IN_THE_STORE: &str = "own/";

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
    /// How often one is tried that the store does not take, and with which pauses.
    pub retry: Backoff,
    /// Between two looks at those that were given up.
    pub look_every: Duration,
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
    /// How often the store did not take it.
    tries: u32,
    /// Not before this.
    not_before: Option<Instant>,
    /// Whether the database knows that it may still come.
    is_announced: bool,
}

impl From<RecordingDone> for Waiting {
    fn from(done: RecordingDone) -> Self {
        Self { done, report: None, tries: 0, not_before: None, is_announced: false }
    }
}

/// What came of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// The database knows all of it.
    Told,
    /// … and that its file stays here.
    Unkept,
    /// It is tried again, after a pause of its own.
    NotTaken,
    /// The database or the store is away.
    Away,
}

/// Tells of recordings that were made here.
pub struct OwnRecordings {
    parts: OwnRecordingParts,
    recordings: Rc<dyn RecordingStore>,
    /// What is done, and not told yet.
    waiting: VecDeque<Waiting>,
    /// What was given up, and has its file here.
    unkept: BTreeSet<CallSid>,
    is_busy: bool,
    is_looking: bool,
    /// Wakes it when the next one's pause is over.
    alarm: Option<SpawnHandle>,
    /// How often the database or the store was away since it was there.
    failures: usize,
}

impl OwnRecordings {
    /// Starts it on a thread of somebody's choice.
    pub fn start(parts: OwnRecordingParts, arbiter: &ArbiterHandle) -> Addr<Self> {
        let meter = MailboxFigures::of::<Self>(&parts.telemetry);
        Metered::create_in(arbiter, meter, |_| {
            let recordings = (parts.recordings)();
            Self {
                parts,
                recordings,
                waiting: VecDeque::new(),
                unkept: BTreeSet::new(),
                is_busy: false,
                is_looking: false,
                alarm: None,
                failures: 0,
            }
        })
    }

    fn next(&mut self, ctx: &mut Metered<Self>) {
        if self.is_busy {
            return;
        }
        let now = clock::now();
        let is_due = |waiting: &Waiting| waiting.not_before.is_none_or(|at| at <= now);
        let Some(mut next) = self.waiting.iter().position(is_due).and_then(|first| self.waiting.remove(first)) else {
            return self.sleep(now, ctx);
        };
        self.is_busy = true;
        let (parts, recordings) = (self.parts.clone(), Rc::clone(&self.recordings));
        let pause = self.failures.checked_sub(1).map(|more| PAUSES_S[more.min(PAUSES_S.len() - 1)]);
        let told = async move {
            if let Some(pause) = pause {
                sleep(Duration::from_secs(pause)).await;
            }
            let outcome = parts.keep(&*recordings, &mut next).await;
            (next, outcome)
        };
        ctx.spawn(told.into_actor(self).map(|(next, outcome), this, ctx| {
            this.failures = if outcome == Outcome::Away { this.failures + 1 } else { 0 };
            match outcome {
                Outcome::Told => {}
                Outcome::Unkept => _ = this.unkept.insert(next.done.call),
                Outcome::NotTaken | Outcome::Away => this.waiting.push_back(next),
            }
            this.is_busy = false;
            this.next(ctx);
        }));
    }

    /// Nobody's time has come: until the first one's has.
    fn sleep(&mut self, now: Instant, ctx: &mut Metered<Self>) {
        if let Some(alarm) = self.alarm.take() {
            ctx.cancel_future(alarm);
        }
        if let Some(at) = self.waiting.iter().filter_map(|waiting| waiting.not_before).min() {
            self.alarm = Some(ctx.run_later(at.saturating_duration_since(now), Self::next));
        }
    }

    /// Looks what became of those that were given up: somebody may want one again, and the time of others is over.
    fn look(&mut self, ctx: &mut Metered<Self>) {
        if self.unkept.is_empty() || std::mem::replace(&mut self.is_looking, true) {
            return;
        }
        let (folder, store) = (self.parts.folder.clone(), self.parts.store.clone());
        let unkept: Vec<CallSid> = self.unkept.iter().cloned().collect();
        // A database that is away is asked again with the next look.
        let looked = spawn_blocking(move || settled(&folder, &store, unkept).unwrap_or_default());
        ctx.spawn(looked.into_actor(self).map(|settled, this, ctx| {
            this.is_looking = false;
            for (call, is_wanted) in settled.unwrap_or_default() {
                this.unkept.remove(&call);
                if is_wanted {
                    this.waiting.push_back(RecordingDone { call, error: None }.into());
                }
            }
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
            this.waiting.extend(found.untold.into_iter().map(Waiting::from));
            this.unkept.extend(found.unkept);
            this.next(ctx);
        }));
        ctx.run_interval(self.parts.look_every, Self::look);
    }
}

impl MeteredActor for OwnRecordings {
    const KIND: &'static str = "own_recordings";

    /// The recording that is to blame stays where it is until the next start; the others go on.
    fn panicked(&mut self, _message: &str, ctx: &mut Metered<Self>) {
        (self.is_busy, self.is_looking) = (false, false);
        self.next(ctx);
    }
}

impl Handler<OwnRecordingDone> for OwnRecordings {
    type Result = ();

    fn handle(&mut self, OwnRecordingDone(done): OwnRecordingDone, ctx: &mut Metered<Self>) {
        if let (Some(instead), Some(_)) = (&self.parts.instead, &done.error) {
            crate::actors::metered::order(instead, RecordInstead(done.call.clone()));
        }
        // Where that may take longer than its words would be waited for otherwise.
        if self.is_busy || self.parts.kept == KeptWhere::InTheStore {
            let (parts, call) = (self.parts.clone(), done.call.clone());
            let report = RecordingReport::new(RecordingId::Own(call.clone()), call, RecordingState::Started);
            // What can't be told now is told with what comes of it.
            ctx.spawn(async move { parts.tell(report).await }.into_actor(self).map(|_, _, _| ()));
        }
        self.waiting.push_back(done.into());
        self.next(ctx);
    }
}

impl OwnRecordingParts {
    /// Keeps one recording and tells of it, or that it can't be kept.
    async fn keep(&self, recordings: &dyn RecordingStore, next: &mut Waiting) -> Outcome {
        let error = match self.try_to_keep(recordings, next).await {
            Ok(outcome) => return outcome,
            Err(error) => error,
        };
        let mut outcome = Outcome::Away;
        if !error.is_away() {
            next.tries += 1;
            if next.tries >= self.retry.tries {
                let report = self.report(next, RecordingState::Unkept, &error);
                next.report = Some(report);
                // Where that can't be told now, it is told later.
                return self.try_to_keep(recordings, next).await.unwrap_or(Outcome::Away);
            }
            next.not_before = Some(clock::now() + self.retry.pause(next.tries));
            outcome = Outcome::NotTaken;
        }
        self.telemetry.record(Event::OwnRecording {
            call: &next.done.call,
            result: "delayed",
            error: &error.to_string(),
        });
        if !next.is_announced && !matches!(error, NotKept::Database(_)) {
            // Where that can't be told either, it is tried with the next failure.
            next.is_announced = self.tell(self.report(next, RecordingState::Started, &error)).await.is_ok();
        }
        outcome
    }

    fn report(&self, next: &Waiting, state: RecordingState, error: &NotKept) -> RecordingReport {
        let call = next.done.call.clone();
        let report = RecordingReport::new(RecordingId::Own(call.clone()), call, state);
        RecordingReport { error: Some(error.to_string()), ..report }
    }

    async fn tell(&self, report: RecordingReport) -> Result<(), StoreError> {
        let (store, at) = (self.store.clone(), clock::wall_micros());
        let told = spawn_blocking(move || store.hear_of_recording(&report, at)).await;
        told.unwrap_or(Err(StoreError::Stopping)).map(|_| ())
    }

    async fn try_to_keep(&self, recordings: &dyn RecordingStore, next: &mut Waiting) -> Result<Outcome, NotKept> {
        let report = match next.report.take() {
            Some(report) => report,
            None => self.moved(recordings, &next.done).await?,
        };
        let report = next.report.insert(report).clone();
        let (result, outcome) = match report.state {
            RecordingState::Unkept => ("unkept", Outcome::Unkept),
            _ if report.file.is_some() => ("kept", Outcome::Told),
            _ => ("empty", Outcome::Told),
        };
        let error = report.error.clone().filter(|_| outcome == Outcome::Unkept).unwrap_or_default();
        self.tell(report).await?;
        self.telemetry.record(Event::OwnRecording { call: &next.done.call, result, error: &error });
        if self.kept == KeptWhere::InTheStore && result == "kept" {
            let path = self.path_of(&next.done.call);
            // What can't be deleted now is found again by the next start.
            spawn_blocking(move || removed(&path).ok()).await.ok();
        }
        Ok(outcome)
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

impl NotKept {
    /// Whether that says nothing of this recording: any other would have met the same.
    const fn is_away(&self) -> bool {
        matches!(self, Self::Database(_) | Self::Store(KeepError::Away(_)))
    }
}

#[cfg(test)]
mod tests;
