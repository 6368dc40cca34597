//! Two processes on one PostgreSQL: whatever the carrier says, in whatever order, twice, and to whichever of the two, each
//! call has one row, and the right one.
#![cfg(feature = "postgres")]

#[path = "support/databases.rs"]
mod databases;
#[path = "support/http_service.rs"]
mod http_service;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/program.rs"]
mod program;
#[path = "support/service.rs"]
mod service;

use std::path::Path;

use databases::Database;
use futures_util::StreamExt;
use futures_util::stream;
use http_service::{Caller, Request, ask};
use program::{Running, trunkline};
use service::{CALLED, CALLER, PUBLIC_URL};
use trunkline::engine::ids::CallSid;
use trunkline::engine::status::{AnsweredBy, CallRow, CallStatus};

const CALLS: usize = 500;
const TOKEN: &str = "f0e1d2c3b4a5968778695a4b3c2d1e0f";
/// How many webhooks are under way at once.
const AT_ONCE: usize = 24;

fn process(data_dir: &Path, database: &Database) -> Running {
    trunkline(&["serve"])
        .env("TRUNKLINE__DATA_DIR", data_dir.to_str().unwrap())
        .env("TRUNKLINE__HTTP__LISTEN", "127.0.0.1:0")
        .env("TRUNKLINE__HTTP__PUBLIC_URL", PUBLIC_URL)
        // Nobody answers there: no test must ever reach the real one.
        .env("TRUNKLINE__TWILIO__API_URL", "http://127.0.0.1:9")
        .env("TWILIO_AUTH_TOKEN", TOKEN)
        .env("DATABASE_URL", &database.url)
        .listens()
}

/// How the `n`th call ends, and how long it lasted.
fn end_of(n: usize) -> (CallStatus, u32) {
    let ends =
        [CallStatus::Completed, CallStatus::Busy, CallStatus::NoAnswer, CallStatus::Failed, CallStatus::Canceled];
    let end = ends[n % ends.len()];
    (end, if end == CallStatus::Completed { 1 + n as u32 } else { 0 })
}

/// Everything that the carrier says of the `n`th call.
fn life_of(caller: &Caller, n: usize) -> Vec<Request> {
    let (end, seconds) = end_of(n);
    let at = |second: u32| format!("Tue, 03 Nov 2020 10:{:02}:{:02} +0000", 10 + second / 60, second % 60);
    let told = |status: &str, number: &str, second: u32, more: &[(&str, &str)]| {
        let at = at(second);
        let own = [("SequenceNumber", number), ("Timestamp", at.as_str()), ("CallbackSource", "call-progress-events")];
        let fields = caller.fields(status, &[&own, more].concat());
        Request::form("/twilio/status", &fields).with("I-Twilio-Idempotency-Token", &format!("{status}-{number}"))
    };
    let seconds = seconds.to_string();
    let mut life = vec![
        told("queued", "0", 0, &[]),
        told("initiated", "1", 1, &[]),
        told("ringing", "2", 2, &[]),
        told(end.as_str(), "4", 50, &[("CallDuration", &seconds), ("Duration", "1")]),
    ];
    if end == CallStatus::Completed {
        life.push(told("in-progress", "3", 9, &[]));
        life.push(caller.amd(if n.is_multiple_of(2) { "human" } else { "machine_end_beep" }, "3100"));
    }
    life
}

/// The same for everybody, whatever chance would say: the order in which webhooks come, and to whom.
fn shuffled<T>(mut all: Vec<T>) -> Vec<T> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for n in (1..all.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        all.swap(n, (state % (n as u64 + 1)) as usize);
    }
    all
}

fn assert_right(row: &CallRow, n: usize) {
    let (end, seconds) = end_of(n);
    assert_eq!((row.status, row.duration_s), (end, seconds), "{row:?}");
    assert_eq!(row.from.as_ref().unwrap().value.as_str(), CALLER);
    assert_eq!(row.to.as_ref().unwrap().value.as_str(), CALLED);
    assert_eq!(row.ended_at, Some(1_604_398_250_000_000), "10:10:50, by the carrier's clock");
    assert_eq!(row.created_at, 1_604_398_200_000_000);
    let found = row.answered_by.as_ref().map(|found| found.value);
    let expected = match (end, n % 2) {
        (CallStatus::Completed, 0) => Some(AnsweredBy::Human),
        (CallStatus::Completed, _) => Some(AnsweredBy::MachineEndBeep),
        _ => None,
    };
    assert_eq!(found, expected);
}

#[test]
fn five_hundred_calls_told_twice_in_any_order_to_either_process_are_five_hundred_right_rows() {
    let Some(database) = Database::shared_postgres() else { return };
    let folder = tempfile::tempdir().unwrap();
    let nodes = ["a", "b"].map(|node| process(&folder.path().join(node), &database));
    let callers: Vec<Caller> = (0..CALLS).map(|_| Caller::new()).collect();
    let once = callers.iter().enumerate().flat_map(|(n, caller)| life_of(caller, n));
    let twice: Vec<Request> = once.flat_map(|request| [request.clone(), request]).collect();
    let told = shuffled(twice);
    let count = told.len();

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let answers = stream::iter(told.into_iter().enumerate()).map(|(n, request)| {
            let (address, request) = (nodes[n % 2].address, request.signed(TOKEN, PUBLIC_URL));
            async move { ask(address, &request).await.status }
        });
        let answers: Vec<u16> = answers.buffer_unordered(AT_ONCE).collect().await;
        assert_eq!(answers, vec![204; count]);
    });

    let (store, _writer) = database.open("reader");
    // What a slow disk sent to a spool is on its way.
    databases::until("nothing waits in a spool", || {
        nodes.iter().all(|node| node.get("/ready").1.contains("\"0 records wait"))
    });
    for (n, caller) in callers.iter().enumerate() {
        let sid: CallSid = caller.sid();
        assert_right(&store.call(&sid).unwrap().expect("each call has a row"), n);
        let kept = store.status_history(&sid).unwrap().len();
        assert_eq!(kept, life_of(caller, n).len(), "each event once");
    }
    let rows = store.calls(&trunkline::store::CallFilter::default(), None, 1_000).unwrap().len();
    assert_eq!(rows, CALLS, "and no other row");
}
