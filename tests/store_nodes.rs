//! Two nodes on one database: whatever either is told, in whatever order, however often and however it is batched, the
//! row is the same sum.

#[path = "support/calls.rs"]
mod calls;
#[macro_use]
#[path = "support/databases.rs"]
mod databases;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/skip.rs"]
mod skip;

use std::cell::Cell;
use std::sync::Mutex;

use calls::{call, change};
use databases::Database;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use trunkline::engine::ids::CallSid;
use trunkline::engine::status::{AnsweredBy, CallDirection, CallStatus, CarrierSource, StatusChange, fold};
use trunkline::store::{StatusWriter, Store};

on_both_databases! {
    any_order_and_repetition_over_two_nodes_gives_one_row
}

/// Everything that is said about a call that we placed, which was answered by a machine, and about the leg that its
/// transfer made: with words of ours, of the carrier's webhooks, and of its answer to our question.
fn told_of(parent: &CallSid, leg: &CallSid) -> Vec<StatusChange> {
    use {CallStatus as S, CarrierSource as C};
    let outbound = Some(CallDirection::Outbound);
    let callback = |status, number: u32, second: i64| StatusChange {
        sequence: Some(number),
        direction: outbound,
        ..change(parent, status, C::StatusCallback, second * 1_000_000)
    };
    let found = |by| StatusChange {
        answered_by: Some(by),
        machine_detection_ms: Some(3_100),
        ..change(parent, S::InProgress, C::AmdCallback, 12_000_000)
    };
    vec![
        StatusChange {
            business: Some("Reception".parse().unwrap()),
            from: Some("+15005550006".parse().unwrap()),
            to: Some("+15005550001".parse().unwrap()),
            ..change(parent, S::Queued, C::Placement, 1_000_000)
        },
        callback(S::Initiated, 0, 2),
        callback(S::Ringing, 1, 3),
        callback(S::InProgress, 2, 9),
        StatusChange { direction: outbound, ..change(parent, S::InProgress, C::VoiceWebhook, 9_500_000) },
        change(parent, S::InProgress, C::StreamStart, 10_000_000),
        found(AnsweredBy::Unknown),
        found(AnsweredBy::MachineEndBeep),
        change(parent, S::InProgress, C::StreamEnded, 40_000_000),
        StatusChange { duration_s: Some(33), ..callback(S::Completed, 3, 42) },
        StatusChange { duration_s: Some(32), ..change(parent, S::Failed, C::Sweeper, 43_000_000) },
        StatusChange {
            parent_call_sid: Some(parent.clone()),
            ..change(leg, S::NoAnswer, C::StatusCallback, 41_000_000)
        },
        StatusChange {
            parent_call_sid: Some(parent.clone()),
            reason: Some("SIP 486".to_owned()),
            ..change(leg, S::Busy, C::StatusCallback, 41_500_000)
        },
    ]
}

fn any_order_and_repetition_over_two_nodes_gives_one_row(database: Database) {
    let nodes = ["a", "b"].map(|node| database.open(node));
    let stores: [Store; 2] = [nodes[0].0.clone(), nodes[1].0.clone()];
    let writers = nodes.map(|(_, writer)| Mutex::new(writer));
    let next = Cell::new(1_000_u32);
    let count = told_of(&call(1), &call(2)).len();
    let order = Just((0..count).collect::<Vec<usize>>()).prop_shuffle();
    let again = proptest::collection::vec(0..count, 0..8);
    // Who is told (one, the other, both), and how many changes share a transaction.
    let split = proptest::collection::vec(0..3_usize, count + 8);
    let cases = (order, again, split, 1..5_usize);
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() });
    let outcome = runner.run(&cases, |(mut order, again, split, batch)| {
        let (parent, leg) = (call(next.get()), call(next.get() + 1));
        next.set(next.get() + 2);
        let told = told_of(&parent, &leg);
        order.extend(again);
        let of_node = |not: usize| -> Vec<StatusChange> {
            let mine = order.iter().zip(&split).filter(|(_, who)| **who != not);
            mine.map(|(which, _)| told[*which].clone()).collect()
        };
        let (here, there) = (of_node(1), of_node(0));
        std::thread::scope(|scope| {
            scope.spawn(|| tell(&mut writers[0].lock().unwrap(), &here, batch));
            scope.spawn(|| tell(&mut writers[1].lock().unwrap(), &there, batch));
        });
        for sid in [&parent, &leg] {
            let about = || told.iter().filter(|change| change.call_sid == *sid);
            let expected = about().fold(None, |row, change| Some(fold(row, change)));
            for store in &stores {
                prop_assert_eq!(store.call(sid).unwrap(), expected.clone());
            }
            let mut keys: Vec<String> = about().map(StatusChange::history_key).collect();
            let history = stores[0].status_history(sid).unwrap();
            let mut kept: Vec<String> = history.iter().map(StatusChange::history_key).collect();
            keys.sort();
            keys.dedup();
            kept.sort();
            prop_assert_eq!(kept, keys, "each event is kept once");
        }
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

fn tell(writer: &mut StatusWriter, changes: &[StatusChange], batch: usize) {
    for batch in changes.chunks(batch) {
        writer.apply(batch).unwrap();
    }
}
