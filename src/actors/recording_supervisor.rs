//! The one actor of a node that sees to recordings and to the words of calls.
//!
//! ```text
//!             trigger (webhook, interface, the end of a call)
//!                │ one row per call, whichever node hears it
//!   store ◀──────┘        ┌────────────┐ ──fetch──▶ RecordingSource ──▶ RecordingStore
//!     ──take, with lease─▶│ supervisor │ ──Transcribe──▶ worker × N
//!     ◀─hold──────────────│            │ ──settle──▶ store
//!     ◀─finish────────────└────────────┘ ──summarise──▶ …
//! ```
//!
//! It looks into the database every [`SupervisorSettings::look_every`], when it is nudged ([`Look`]), and when a step has ended, and
//! takes as many steps as it has places for: what waits, waits there. A step is done under a lease that is prolonged while it goes
//! on; where that fails for so long that another node may take the step, it is stopped here before. So one try is in flight at
//! any time, and what it came to is taken once. A node that dies leaves its leases to run out; at its start it takes what is due
//! like any other. What is done, and by which rules, says [`engine::recording::ledger`](crate::engine::recording::ledger).

mod desk;
mod keep;
mod setback;
mod step;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use actix_rt::ArbiterHandle;
use futures_util::future::LocalBoxFuture;

use crate::actors::metered::{MailboxFigures, Metered, MeteredActor};
use crate::actors::transcription_worker::{MakeTranscriber, TranscriptionWorker};
use crate::clock;
use crate::engine::ids::{BusinessId, CallSid};
use crate::engine::recording::Step;
use crate::engine::recording::ledger::{Rules, Setback};
use crate::engine::transcript::TranscriptSource;
use crate::providers::recording_source::RecordingSource;
use crate::providers::recording_store::RecordingStore;
use crate::store::Store;
use crate::store::recordings::{Finished, GivenUp, Lease, Room, Taken, WorkAnswer};
use crate::store::transcripts::{CallSummary, FinalTranscript};
use crate::telemetry::{Event, RecordingsEvent, Telemetry};

pub use desk::RecordingDesk;
use keep::Keep;
use step::Doing;

/// Every so many looks it is counted what waits.
const COUNT_EVERY: u64 = 20;
/// How many calls are settled from their turns at once: each takes one short transaction.
const SETTLE_PLACES: usize = 4;
/// How many calls are summed up at once.
const SUMMARISE_PLACES: usize = 4;

/// How recordings are seen to.
#[derive(Clone, Debug)]
pub struct SupervisorSettings {
    /// When a step is tried again, and what is done here at all.
    pub rules: Rules,
    /// How long a step may go on without its lease being prolonged.
    pub lease: Duration,
    /// Between two looks.
    pub look_every: Duration,
    /// How many recordings are fetched at once.
    pub downloads: usize,
    /// How many are read at once.
    pub transcriptions: usize,
    /// Where recordings lie while they are fetched or read: a folder of this process alone, on a local disk.
    pub work_dir: PathBuf,
}

/// Sums a call up. Dropping it ends the work.
pub type Summarise = Rc<dyn Fn(FinalTranscript, String) -> LocalBoxFuture<'static, Result<CallSummary, Setback>>>;

/// Says which language a business's calls are in, as a BCP 47 tag; those of nobody's, too.
pub type LanguageOf = Rc<dyn Fn(Option<&BusinessId>) -> String>;

/// What a supervisor does its work with; made on its own thread.
pub struct RecordingDoors {
    /// Where carriers' recordings come from; `None`: nobody is configured, and none is fetched here.
    pub source: Option<Rc<dyn RecordingSource>>,
    /// Where recordings are kept.
    pub files: Rc<dyn RecordingStore>,
    /// Who sums calls up, if anybody does.
    pub summarise: Option<Summarise>,
    /// The language of calls.
    pub language: LanguageOf,
}

/// What starting a supervisor needs.
pub struct SupervisorParts {
    /// Where the work is.
    pub store: Store,
    /// Makes what it is done with.
    pub doors: Box<dyn FnOnce() -> RecordingDoors + Send>,
    /// Makes a worker's recogniser; `None`: there is none.
    pub transcriber: Option<MakeTranscriber>,
    /// How it is done.
    pub settings: SupervisorSettings,
    /// This node's name.
    pub node: Arc<str>,
    /// Logs and figures.
    pub telemetry: Telemetry,
}

/// There may be something to do.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Look;

/// Stop what is being done, and give it back, so that another node can take it at once.
#[derive(Message)]
#[rtype(result = "()")]
pub struct GiveBack;

/// Sees to recordings.
pub struct RecordingSupervisor {
    store: Store,
    doors: Rc<RecordingDoors>,
    /// Those that are not at work.
    workers: Vec<Addr<TranscriptionWorker>>,
    settings: SupervisorSettings,
    node: Arc<str>,
    telemetry: Telemetry,
    held: BTreeMap<CallSid, Held>,
    looks: u64,
    is_looking: bool,
    /// Somebody nudged while it looked.
    is_nudged: bool,
    is_holding: bool,
    is_stopping: bool,
}

/// A step that is being done.
struct Held {
    lease: Lease,
    /// When another node may take it, by this node's own clock.
    until: Instant,
    since: Instant,
    /// Who reads the recording.
    worker: Option<Addr<TranscriptionWorker>>,
    doing: SpawnHandle,
}

impl RecordingSupervisor {
    /// Starts it on another thread, and its workers on `workers`.
    pub fn start(parts: SupervisorParts, arbiter: &ArbiterHandle, workers: &ArbiterHandle) -> Addr<Self> {
        let SupervisorParts { store, doors, transcriber, mut settings, node, telemetry } = parts;
        let meter = MailboxFigures::of::<Self>(&telemetry);
        let count = if transcriber.is_some() { settings.transcriptions } else { 0 };
        let start = |make: &MakeTranscriber| TranscriptionWorker::start(Arc::clone(make), &telemetry, workers);
        let workers: Vec<_> = (0..count).filter_map(|_| transcriber.as_ref().map(start)).collect();
        settings.rules.transcribes = !workers.is_empty();
        Metered::create_in(arbiter, meter, move |_| {
            let doors = Rc::new(doors());
            settings.rules.summarises = doors.summarise.is_some();
            Self {
                store,
                doors,
                workers,
                settings,
                node,
                telemetry,
                held: BTreeMap::new(),
                looks: 0,
                is_looking: false,
                is_nudged: false,
                is_holding: false,
                is_stopping: false,
            }
        })
    }

    /// What there is a place for.
    fn room(&self) -> Room {
        if self.is_stopping {
            return Room::default();
        }
        let busy = |step: Step| self.held.values().filter(|held| held.lease.job.step == step).count();
        let downloads = if self.doors.source.is_some() { self.settings.downloads } else { 0 };
        Room {
            fetch: downloads.saturating_sub(busy(Step::Fetch)),
            transcribe: self.workers.len(),
            settle: SETTLE_PLACES.saturating_sub(busy(Step::Settle)),
            summarise: SUMMARISE_PLACES.saturating_sub(busy(Step::Summarise)),
        }
    }

    fn look(&mut self, ctx: &mut Metered<Self>) {
        if self.is_stopping {
            return;
        }
        if std::mem::replace(&mut self.is_looking, true) {
            self.is_nudged = true;
            return;
        }
        let (store, node, room) = (self.store.clone(), Arc::clone(&self.node), self.room());
        let (lease, rules) = (self.settings.lease, self.settings.rules);
        let is_count_due = self.looks.is_multiple_of(COUNT_EVERY);
        self.looks += 1;
        let began = clock::now();
        let look = move || {
            let taken = store.take_recording_work(&node, clock::wall_micros(), lease, room, &rules);
            let counts = if is_count_due { store.recording_work_counts().ok() } else { None };
            (taken, counts)
        };
        let looked = actix_rt::task::spawn_blocking(look);
        ctx.spawn(looked.into_actor(self).map(move |looked, this, ctx| {
            this.is_looking = false;
            let Ok((taken, counts)) = looked else { return }; // the pool is gone, or a panic took the look
            counts.iter().for_each(|counts| this.tell_counts(counts));
            let has_taken = taken.as_ref().is_ok_and(|taken| !taken.leases.is_empty());
            match taken {
                Ok(Taken { leases, given_up }) => {
                    given_up.iter().for_each(|given_up| this.tell_given_up(given_up));
                    match this.is_stopping {
                        // It was told to stop meanwhile.
                        true => drop(actix_rt::task::spawn_blocking(this.giving_back(leases))),
                        false => leases.into_iter().for_each(|lease| this.begin(lease, began, ctx)),
                    }
                }
                // That it is away is told by the store.
                Err(error) if error.is_retryable() => {}
                Err(error) => this.tell(RecordingsEvent::NotRead { error: &error.to_string() }),
            }
            if std::mem::take(&mut this.is_nudged) || has_taken {
                this.look(ctx);
            }
        }));
    }

    fn tell_given_up(&self, GivenUp { call, step, reason }: &GivenUp) {
        if *step == Step::Settle {
            self.tell(RecordingsEvent::Settled { source: TranscriptSource::Failed.as_str() });
        }
        self.tell(RecordingsEvent::GivenUp { call, step: step.as_str(), error: reason });
    }

    fn tell_counts(&self, counts: &[(Step, u64)]) {
        for step in Step::ALL.iter().filter(|step| **step != Step::Done) {
            let count = counts.iter().find(|(counted, _)| counted == step).map_or(0, |(_, count)| *count);
            self.tell(RecordingsEvent::Waiting { step: step.as_str(), count });
        }
    }

    /// Does a step whose lease was taken at `since` or later.
    fn begin(&mut self, lease: Lease, since: Instant, ctx: &mut Metered<Self>) {
        // Its lease ran out unnoticed; it is not to go on beside the new one.
        self.drop_step(&lease.call, ctx);
        let step = lease.job.step;
        self.tell(RecordingsEvent::Begun { step: step.as_str(), is_taken_over: lease.is_taken_over });
        let worker = if step == Step::Transcribe { self.workers.pop() } else { None };
        let doing = Doing {
            doors: Rc::clone(&self.doors),
            store: self.store.clone(),
            work_dir: self.settings.work_dir.clone(),
            telemetry: self.telemetry.clone(),
            worker: worker.clone(),
        };
        let (job, call) = (lease.clone(), lease.call.clone());
        let answered = async move { doing.step(&job).await };
        let doing = ctx.spawn(answered.into_actor(self).map({
            let call = call.clone();
            move |answer, this, ctx| this.answered(&call, answer, ctx)
        }));
        let until = since + self.settings.lease;
        self.held.insert(call, Held { lease, until, since: clock::now(), worker, doing });
    }

    /// A step came to something: that is kept, and the call's next step is done.
    fn answered(&mut self, call: &CallSid, answer: WorkAnswer, ctx: &mut Metered<Self>) {
        let Some(held) = self.held.get_mut(call) else { return };
        // The worker is free for another recording while this one's words are kept.
        self.workers.extend(held.worker.take());
        let (lease, until, took) = (held.lease.clone(), held.until, clock::now().duration_since(held.since));
        let step = lease.job.step.as_str();
        match &answer {
            WorkAnswer::Failed(_) => self.tell(RecordingsEvent::Failed { step }),
            WorkAnswer::GivenBack => {}
            _ => self.tell(RecordingsEvent::Done { step, took }),
        }
        // A place that is held is free for the call's next step.
        let mut room = self.room();
        if lease.job.step != Step::Transcribe
            && let Some(places) = room.of(lease.job.step)
        {
            *places += 1;
        }
        let (length, rules) = (self.settings.lease, self.settings.rules);
        let keep = Keep { store: self.store.clone(), lease, answer, length, room, rules };
        let began = clock::now();
        let kept = async move { keep.until(until).await };
        let doing = ctx.spawn(kept.into_actor(self).map({
            let call = call.clone();
            move |(keep, kept), this, ctx| {
                this.held.remove(&call);
                this.kept(&keep, kept, began, ctx);
                this.look(ctx);
            }
        }));
        if let Some(held) = self.held.get_mut(call) {
            held.doing = doing;
        }
    }

    fn kept(&mut self, keep: &Keep, kept: Option<Finished>, began: Instant, ctx: &mut Metered<Self>) {
        let step = keep.lease.job.step.as_str();
        match kept {
            None => self.tell(RecordingsEvent::LeaseLost),
            Some(Finished::TooLate) => self.tell(RecordingsEvent::AnsweredTooLate),
            Some(Finished::Kept { next, settled, is_given_up }) => {
                if let Some(source) = settled {
                    self.tell(RecordingsEvent::Settled { source: source.as_str() });
                }
                if let (true, WorkAnswer::Failed(setback)) = (is_given_up, &keep.answer) {
                    let (call, error) = (&keep.lease.call, setback.reason.as_str());
                    self.tell(RecordingsEvent::GivenUp { call, step, error });
                }
                if let Some(next) = next {
                    self.begin(*next, began, ctx);
                }
            }
        }
    }

    /// Prolongs the leases of what is being done, and stops what another node may take by now.
    fn hold(&mut self, ctx: &mut Metered<Self>) {
        let now = clock::now();
        // A moment before, for its end takes one.
        let margin = self.settings.lease / 6;
        let late: Vec<CallSid> =
            self.held.values().filter(|held| held.until <= now + margin).map(|held| held.lease.call.clone()).collect();
        for call in late {
            self.drop_step(&call, ctx);
        }
        if self.held.is_empty() || std::mem::replace(&mut self.is_holding, true) {
            return;
        }
        let leases: Vec<(CallSid, i64)> =
            self.held.values().map(|held| (held.lease.call.clone(), held.lease.fence)).collect();
        let (store, length) = (self.store.clone(), self.settings.lease);
        let asked = leases.clone();
        let held =
            actix_rt::task::spawn_blocking(move || store.hold_recording_work(&asked, clock::wall_micros(), length));
        ctx.spawn(held.into_actor(self).map(move |held, this, ctx| {
            this.is_holding = false;
            // Without an answer the leases are as old as they were.
            if let Ok(Ok(held)) = held {
                this.prolonged(&leases, &held, now + length, ctx);
            }
        }));
    }

    fn prolonged(
        &mut self,
        asked: &[(CallSid, i64)],
        held: &BTreeSet<CallSid>,
        until: Instant,
        ctx: &mut Metered<Self>,
    ) {
        for (call, fence) in asked {
            let Some(ours) = self.held.get_mut(call).filter(|ours| ours.lease.fence == *fence) else { continue };
            if held.contains(call) {
                ours.until = until;
            } else {
                self.drop_step(call, ctx);
            }
        }
    }

    /// Stops a step whose lease is not ours any more, or will not be.
    fn drop_step(&mut self, call: &CallSid, ctx: &mut Metered<Self>) {
        let Some(held) = self.held.remove(call) else { return };
        ctx.cancel_future(held.doing);
        self.workers.extend(held.worker);
        self.tell(RecordingsEvent::LeaseLost);
    }

    /// Gives back what was not tried, so that another node can take it at once. Blocks.
    fn giving_back(&self, leases: Vec<Lease>) -> impl FnOnce() + Send + 'static {
        let (store, length, rules) = (self.store.clone(), self.settings.lease, self.settings.rules);
        move || {
            for lease in &leases {
                let now = clock::wall_micros();
                // Without the database the lease runs out by itself.
                store.finish_recording_work(lease, &WorkAnswer::GivenBack, now, length, Room::default(), &rules).ok();
            }
        }
    }

    fn tell(&self, event: RecordingsEvent<'_>) {
        self.telemetry.record(Event::Recordings(event));
    }
}

impl Actor for RecordingSupervisor {
    type Context = Metered<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.look(ctx);
        ctx.run_interval(self.settings.look_every, Self::look);
        ctx.run_interval(self.settings.lease / 6, Self::hold);
    }
}

impl MeteredActor for RecordingSupervisor {
    const KIND: &'static str = "recording_supervisor";

    /// What is being done goes on; what was lost with the panic is taken again when its lease has run out.
    fn panicked(&mut self, _message: &str, _ctx: &mut Metered<Self>) {
        (self.is_looking, self.is_holding) = (false, false);
    }
}

impl Handler<Look> for RecordingSupervisor {
    type Result = ();

    fn handle(&mut self, _: Look, ctx: &mut Metered<Self>) {
        self.look(ctx);
    }
}

impl Handler<GiveBack> for RecordingSupervisor {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, _: GiveBack, ctx: &mut Metered<Self>) -> Self::Result {
        self.is_stopping = true;
        let held = std::mem::take(&mut self.held);
        let leases: Vec<Lease> = held
            .into_values()
            .map(|held| {
                ctx.cancel_future(held.doing);
                held.lease
            })
            .collect();
        let given = actix_rt::task::spawn_blocking(self.giving_back(leases));
        Box::pin(given.into_actor(self).map(|_, _, _| ()))
    }
}
