//! How many recordings a second one node fetches and reads when nobody else takes any time, and what it needs while 500 wait,
//! on each database: `cargo bench --features postgres --bench recordings`.
//!
//! The carrier gives each recording at once, a file of one second; the store is a directory under the temporary folder: TMPDIR says
//! on which disk. The recogniser gives words at once. What is left is the supervisor, its workers, and three transactions for
//! each call: to take it, to keep its recording, to settle its words. Then, with a carrier that never answers, 500 calls are
//! waiting: those that there are places for are being fetched, the others lie in the database.

#[path = "../tests/support/calls.rs"]
mod calls;
#[macro_use]
#[path = "../tests/support/databases.rs"]
mod databases;
#[path = "../tests/support/postgres.rs"]
mod postgres;
#[path = "../tests/support/skip.rs"]
mod skip;

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::System;
use calls::{call, end};
use databases::Database;
use futures_util::future::{LocalBoxFuture, pending};
use trunkline::actors::metered;
use trunkline::actors::recording_supervisor::{
    GiveBack, RecordingDoors, RecordingSupervisor, SupervisorParts, SupervisorSettings,
};
use trunkline::clock;
use trunkline::engine::call::Speaker;
use trunkline::engine::ids::RecordingSid;
use trunkline::engine::recording::ledger::{Backoff, Rules};
use trunkline::engine::recording::{RecordingId, RecordingState, SoundFormat};
use trunkline::engine::transcript::{Segment, Transcript};
use trunkline::providers::recording_source::{FetchError, Fetched, RecordingSource, WantedRecording};
use trunkline::providers::recording_store::Directory;
use trunkline::providers::transcriber::{Sound, TranscribeError, Transcriber};
use trunkline::store::recordings::RecordingReport;
use trunkline::store::{self, Store, StoreSettings};
use trunkline::telemetry::Telemetry;

/// How many calls are measured, on each database.
const CALLS: u32 = 1_000;
/// How many wait while memory is looked at.
const WAITING: u32 = 500;
/// A second of two channels at 8 kHz.
const BYTES: usize = 32_044;

fn main() {
    measure("sqlite", &Database::sqlite());
    #[cfg(feature = "postgres")]
    if let Some(database) = Database::own_postgres() {
        measure("postgres", &database);
    }
    #[cfg(not(feature = "postgres"))]
    println!("postgres  not measured: this build does not have it (--features postgres)");
}

fn measure(name: &str, database: &Database) {
    let (store, _writer) =
        store::open(StoreSettings::new(&database.url, database.spool("bench"))).expect("a database that was just made");
    databases::until("the database answers", || store.ping().is_ok());
    announce(&store, 1..=CALLS);
    let began = clock::now();
    let took = run(&store, database.folder.path(), true, || {
        let is_settled = store.recording_work_counts().is_ok_and(|counts| counts.is_empty());
        is_settled.then(|| clock::now() - began)
    });
    let took = took.as_secs_f64();
    let each = f64::from(CALLS) / took;
    println!("{name:8}  {CALLS} calls in {took:.2} s: {each:.0} downloads and as many transcriptions a second");

    announce(&store, CALLS + 1..=CALLS + WAITING);
    let before = resident_kib();
    let until = clock::now() + Duration::from_secs(3);
    let during = run(&store, database.folder.path(), false, || (clock::now() > until).then(resident_kib));
    println!("{name:8}  {WAITING} waiting: {during} KiB resident, {before} KiB before");
}

/// Has these calls over, each with a recording that can be fetched.
fn announce(store: &Store, numbers: std::ops::RangeInclusive<u32>) {
    for n in numbers {
        store.turn_writer(call(n)).expect("the first one").end(end());
        let id: RecordingId = format!("RE{n:032x}").parse().expect("a recording's name");
        let report = RecordingReport::new(id, call(n), RecordingState::Announced);
        store.hear_of_recording(&report, clock::wall_micros()).expect("the database takes it");
    }
    assert!(store.flush(databases::DEADLINE));
}

/// Runs a node until `is_over` says something.
fn run<T>(store: &Store, folder: &Path, answers: bool, mut is_over: impl FnMut() -> Option<T>) -> T {
    let backoff = Backoff { first: Duration::from_secs(60), longest: Duration::from_secs(60), tries: 5 };
    let rules = Rules {
        fetch: backoff,
        transcribe: backoff,
        await_recording: Duration::from_secs(600),
        transcribes: true,
        summarises: false,
    };
    let settings = SupervisorSettings {
        rules,
        lease: Duration::from_secs(30),
        look_every: Duration::from_millis(100),
        downloads: 8,
        transcriptions: 4,
        work_dir: folder.join("work"),
    };
    let shelf = Directory::new(folder.join("shelf"));
    let parts = SupervisorParts {
        store: store.clone(),
        doors: Box::new(move || RecordingDoors {
            source: Some(Rc::new(Carrier { answers })),
            files: Rc::new(shelf),
            summarise: None,
            language: Rc::new(|_| "en-US".to_owned()),
        }),
        transcriber: Some(Arc::new(|| Box::new(Recogniser) as Box<dyn Transcriber>)),
        settings,
        node: "bench".into(),
        telemetry: Telemetry::silent(),
    };
    System::new().block_on(async {
        let here = actix::Arbiter::current();
        let supervisor = RecordingSupervisor::start(parts, &here, &here);
        let over = loop {
            actix_rt::time::sleep(Duration::from_millis(20)).await;
            if let Some(over) = is_over() {
                break over;
            }
        };
        metered::ask(&supervisor, GiveBack, databases::DEADLINE).await.expect("it runs");
        over
    })
}

struct Carrier {
    answers: bool,
}

impl RecordingSource for Carrier {
    fn fetch<'a>(&'a self, _: &'a WantedRecording, file: &'a Path) -> LocalBoxFuture<'a, Result<Fetched, FetchError>> {
        Box::pin(async move {
            if !self.answers {
                return pending().await;
            }
            std::fs::write(file, vec![0; BYTES])?;
            let length = Some(Duration::from_secs(1));
            Ok(Fetched { format: SoundFormat::Wav, bytes: BYTES as u64, sha256: [0; 32], length, channels: 2 })
        })
    }

    fn delete<'a>(&'a self, _: &'a RecordingSid) -> LocalBoxFuture<'a, Result<(), FetchError>> {
        Box::pin(async { Ok(()) })
    }
}

struct Recogniser;

impl Transcriber for Recogniser {
    fn transcribe<'a>(&'a self, _: &'a Sound<'a>) -> LocalBoxFuture<'a, Result<Transcript, TranscribeError>> {
        let text = "two loaves of bread and a cake please".to_owned();
        let (speaker, confidence) = (Some(Speaker::Caller), Some(0.9));
        let segments = vec![Segment { speaker, start_ms: 0, end_ms: 4_000, text, confidence }];
        Box::pin(async { Ok(Transcript { segments, model: "instant".to_owned() }) })
    }
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
