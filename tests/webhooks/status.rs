//! What the carrier says about a call adds up to one row, in whatever order and however often it is said.

use futures_util::future::join_all;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use trunkline::engine::status::CallRow;

use crate::databases::Database;
use crate::http_service::{Asked, Caller, Request};
use crate::service::{CALLED, CALLER, Service};
use crate::{databases, service};

on_both_databases! {
    webhooks_in_any_order_and_number_end_in_the_same_row
    two_nodes_that_are_told_of_one_call_agree
    every_word_for_a_status_is_taken_and_a_leg_of_a_call_that_nobody_knows_has_a_row
    what_is_told_all_at_once_is_all_there
}

/// Everything that is said about an answered call, by the three routes that say something.
fn life_of(caller: &Caller) -> Vec<Request> {
    let numbered = |status: &str, number: &str, more: &[(&str, &str)]| {
        let request = caller.status(status, &[&[("SequenceNumber", number)], more].concat());
        request.with("I-Twilio-Idempotency-Token", &format!("{status}-{number}"))
    };
    vec![
        caller.voice(),
        numbered("initiated", "0", &[]),
        numbered("ringing", "1", &[]),
        numbered("in-progress", "2", &[]),
        caller.stream_ended("in-progress"),
        numbered("completed", "3", &[("CallDuration", "42"), ("Duration", "1")]),
        numbered("completed", "3", &[("CallDuration", "41")]),
        numbered("busy", "4", &[("SipResponseCode", "486")]),
        caller.stream_ended("completed"),
        caller.amd("machine_start", "3100"),
    ]
}

/// What must be the same, whatever came when.
fn without_times(row: CallRow) -> CallRow {
    let nobody = "CA00000000000000000000000000000000".parse().unwrap();
    CallRow { call_sid: nobody, created_at: 0, answered_at: None, ended_at: None, updated_at: 0, ..row }
}

async fn tell(service: &Service, requests: &[Request]) {
    for request in requests {
        let answer = service.webhook(request.clone()).await;
        assert!(matches!(answer.status, 200 | 204), "{answer:?}");
    }
}

fn on(database: &Database, node: &str) -> Service {
    service(|config| {
        config.database.url = Some(database.url.parse().unwrap());
        config.spool.dir = database.spool(node);
    })
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn webhooks_in_any_order_and_number_end_in_the_same_row(database: Database) {
    let (service, runtime) = (on(&database, "a"), runtime());
    let caller = Caller::new();
    runtime.block_on(tell(&service, &life_of(&caller)));
    let in_order = service.store().call(&caller.sid()).unwrap().unwrap();
    assert_eq!((in_order.status.as_str(), in_order.duration_s), ("completed", 42));
    assert_eq!(in_order.from.as_ref().unwrap().value.as_str(), CALLER);
    assert_eq!(in_order.to.as_ref().unwrap().value.as_str(), CALLED);
    assert_eq!(in_order.answered_by.as_ref().unwrap().value.as_str(), "machine_start");
    assert_eq!(in_order.machine_detection_ms, Some(3_100));
    let expected = without_times(in_order.clone());
    let ended_at = in_order.ended_at;

    // Each at least once, some again.
    let order = Just((0..10).collect::<Vec<usize>>()).prop_shuffle();
    let again = proptest::collection::vec(0..10_usize, 0..6);
    let orders = (order, again, any::<u64>()).prop_map(|(mut order, again, places)| {
        for (n, which) in again.into_iter().enumerate() {
            let place = (places >> (n * 8)) as usize % (order.len() + 1);
            order.insert(place, which);
        }
        order
    });
    let mut runner = TestRunner::default();
    let calls: Vec<(Vec<usize>, Caller)> =
        (0..40).map(|_| (orders.new_tree(&mut runner).unwrap().current(), Caller::new())).collect();
    // Each call's own webhooks come one after the other; the calls are told all at once, since some answers take a second.
    runtime.block_on(join_all(calls.iter().map(async |(order, caller)| {
        let life = life_of(caller);
        let requests: Vec<Request> = order.iter().map(|which| life[*which].clone()).collect();
        tell(&service, &requests).await;
    })));
    for (order, caller) in &calls {
        let row = service.store().call(&caller.sid()).unwrap().unwrap();
        assert_eq!(row.ended_at, ended_at, "the carrier's time, not ours: {order:?}");
        assert_eq!(without_times(row), expected, "{order:?}");
        let history = service.store().status_history(&caller.sid()).unwrap();
        assert_eq!(history.len(), 9, "each event once: {order:?} {history:?}");
    }
}

fn two_nodes_that_are_told_of_one_call_agree(database: Database) {
    let (nodes, runtime) = ([on(&database, "a"), on(&database, "b")], runtime());
    let callers: Vec<Caller> = (0..12).map(|_| Caller::new()).collect();
    let told = callers.iter().flat_map(|caller| life_of(caller).into_iter().enumerate()).map(async |(n, request)| {
        // Both are told some, and some are told to both.
        for node in nodes.iter().skip(n % 3 % 2).take(1 + n % 2) {
            tell(node, std::slice::from_ref(&request)).await;
        }
    });
    runtime.block_on(join_all(told));
    let rows = callers.iter().map(|caller| {
        let rows = nodes.iter().map(|node| node.store().call(&caller.sid()).unwrap().unwrap()).collect::<Vec<_>>();
        assert_eq!(rows[0], rows[1]);
        without_times(rows[0].clone())
    });
    let rows: Vec<CallRow> = rows.collect();
    assert!(
        rows.iter().all(|row| *row == rows[0] && row.status.as_str() == "completed" && row.duration_s == 42),
        "{rows:?}"
    );
}

fn what_is_told_all_at_once_is_all_there(database: Database) {
    let (service, runtime) = (on(&database, "a"), runtime());
    let callers: Vec<Caller> = (0..200).map(|_| Caller::new()).collect();
    let told = callers.iter().map(async |caller| {
        let duration = [("CallDuration", "7")];
        let answer = service.webhook(caller.status("completed", &duration)).await;
        assert_eq!(answer.status, 204, "{answer:?}");
        assert_eq!(
            service.store().call(&caller.sid()).unwrap().map(|row| row.duration_s),
            Some(7),
            "answered, so stored"
        );
    });
    runtime.block_on(join_all(told));
    assert_eq!(service.figure("status_changes_total{result=\"changed\"}"), 200.0);
    assert_eq!(service.store().health().spool_records_waiting, 0);
}

fn every_word_for_a_status_is_taken_and_a_leg_of_a_call_that_nobody_knows_has_a_row(database: Database) {
    let (service, runtime) = (on(&database, "a"), runtime());
    let words = [
        ("queued", "queued"),
        ("initiated", "initiated"),
        ("ringing", "ringing"),
        ("in-progress", "in-progress"),
        ("in_progress", "in-progress"),
        ("answered", "in-progress"),
        ("completed", "completed"),
        ("busy", "busy"),
        ("no-answer", "no-answer"),
        ("no_answer", "no-answer"),
        ("failed", "failed"),
        ("canceled", "canceled"),
        ("cancelled", "canceled"),
    ];
    for (word, status) in words {
        let caller = Caller::new();
        runtime.block_on(tell(&service, &[caller.status(word, &[])]));
        assert_eq!(service.store().call(&caller.sid()).unwrap().unwrap().status.as_str(), status, "{word}");
    }
    let (parent, leg) = (Caller::new(), Caller::new());
    let more = [("ParentCallSid", parent.call_sid.as_str()), ("SequenceNumber", "0")];
    runtime.block_on(tell(&service, &[leg.status("no-answer", &more)]));
    let row = service.store().call(&leg.sid()).unwrap().unwrap();
    assert_eq!(row.parent_call_sid.unwrap().value, parent.sid());
    assert_eq!(service.store().call(&parent.sid()).unwrap(), None, "of the other leg nobody has told");
}
