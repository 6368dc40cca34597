//! A walk through the list of calls sees each call once, whatever is inserted meanwhile: on both databases.

#[path = "support/calls.rs"]
mod calls;
#[macro_use]
#[path = "support/databases.rs"]
mod databases;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/skip.rs"]
mod skip;

use std::collections::BTreeSet;

use calls::{call, change, end, event, life_of, turn};
use databases::Database;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use trunkline::engine::call::{CallStats, HangupCause};
use trunkline::engine::ids::CallSid;
use trunkline::engine::quality::{Verdict, judge};
use trunkline::engine::status::{CallStatus, CarrierSource, StatusChange};
use trunkline::store::{CallEnd, CallFilter, CallPlace, StatusWriter, Store};

on_both_databases! {
    a_walk_sees_each_call_once_whatever_is_inserted_meanwhile
    a_walk_through_a_filtered_list_sees_what_fits
    a_walk_through_the_calls_of_a_verdict_sees_those_and_no_others
    a_record_holds_everything_that_is_known_of_a_call
}

/// Calls begin at one of few moments, so that many begin at the same.
const MOMENTS: i64 = 8;

fn a_walk_sees_each_call_once_whatever_is_inserted_meanwhile(database: Database) {
    let (store, mut writer) = database.open("a");
    let mut first = 0;
    let plan = (
        prop::collection::vec(0..MOMENTS, 1..40),
        prop::collection::vec(prop::collection::vec(0..MOMENTS, 0..4), 0..12),
        1usize..8,
    );
    // Each case goes on with the calls of those before it.
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(16) });
    let cell = std::cell::RefCell::new((&mut writer, &mut first));
    runner
        .run(&plan, |(before, meanwhile, rows)| {
            let (writer, first) = &mut *cell.borrow_mut();
            insert(writer, first, &before);
            let known = all(&store);
            let mut meanwhile = meanwhile.into_iter();
            let mut seen: Vec<CallPlace> = Vec::new();
            loop {
                let page = store.calls(&CallFilter::default(), seen.last(), rows).unwrap();
                prop_assert!(page.len() <= rows);
                if page.is_empty() {
                    break;
                }
                seen.extend(page.iter().map(CallPlace::from));
                insert(writer, first, &meanwhile.next().unwrap_or_default());
            }
            let newest_first = seen.windows(2).all(|two| (two[0].0, two[0].1.as_str()) > (two[1].0, two[1].1.as_str()));
            prop_assert!(newest_first, "in order, so that none comes twice: {:?}", seen);
            let seen: BTreeSet<CallSid> = seen.into_iter().map(|place| place.1).collect();
            prop_assert!(known.is_subset(&seen), "what was there at the start is seen");
            Ok(())
        })
        .unwrap();
    assert!(first > 16, "calls were inserted");
}

/// Inserts a call for each of these moments.
fn insert(writer: &mut StatusWriter, first: &mut u32, moments: &[i64]) {
    let changes: Vec<StatusChange> = moments
        .iter()
        .map(|at| {
            *first += 1;
            // In an order of names that is not the order of times.
            let sid = call(first.wrapping_mul(0x9e37_79b9));
            change(&sid, CallStatus::Ringing, CarrierSource::VoiceWebhook, *at)
        })
        .collect();
    if !changes.is_empty() {
        writer.apply(&changes).unwrap();
    }
}

fn all(store: &Store) -> BTreeSet<CallSid> {
    let rows = store.calls(&CallFilter::default(), None, 100_000).unwrap();
    rows.into_iter().map(|row| row.call_sid).collect()
}

fn a_walk_through_a_filtered_list_sees_what_fits(database: Database) {
    let (store, mut writer) = database.open("a");
    for number in 1..=30 {
        writer.apply(&life_of(&call(number))).unwrap();
    }
    writer.apply(&[change(&call(99), CallStatus::Busy, CarrierSource::StatusCallback, 5)]).unwrap();
    let reception = CallFilter {
        business: Some("Reception".parse().unwrap()),
        status: Some(CallStatus::Completed),
        number: Some("+15005550001".parse().unwrap()),
        since: Some(1_000_000),
        until: Some(1_000_001),
        ..CallFilter::default()
    };
    let mut seen: Vec<CallPlace> = Vec::new();
    while let page = store.calls(&reception, seen.last(), 7).unwrap()
        && !page.is_empty()
    {
        seen.extend(page.iter().map(CallPlace::from));
    }
    let expected: Vec<CallSid> = (1..=30).rev().map(call).collect();
    assert_eq!(seen.into_iter().map(|place| place.1).collect::<Vec<_>>(), expected);
    let nobodys = CallFilter { business: Some("Elsewhere".parse().unwrap()), ..CallFilter::default() };
    assert_eq!(store.calls(&nobodys, None, 10), Ok(vec![]));
}

fn a_walk_through_the_calls_of_a_verdict_sees_those_and_no_others(database: Database) {
    let (store, mut writer) = database.open("a");
    let mut judged: Vec<(CallSid, Option<Verdict>)> = Vec::new();
    for number in 1..=40 {
        let sid = call(number);
        writer.apply(&life_of(&sid)).unwrap();
        // Every third went well, every third did not, and every third is not over.
        let cause = match number % 3 {
            0 => Some(HangupCause::CallerHungUp),
            1 => Some(HangupCause::InternalFault),
            _ => None,
        };
        let verdict = cause.map(|cause| {
            let end = CallEnd { cause, stats: CallStats::default(), ..end() };
            let verdict = judge(&end.stats, cause).verdict;
            store.turn_writer(sid.clone()).unwrap().end(end);
            verdict
        });
        judged.push((sid, verdict));
    }
    assert!(store.flush(databases::DEADLINE));
    let found: BTreeSet<Verdict> = judged.iter().filter_map(|(_, verdict)| *verdict).collect();
    assert_eq!(found.len(), 2, "{found:?}");
    for wanted in Verdict::ALL.map(Some).into_iter().chain([None]) {
        let filter = CallFilter { verdict: wanted, ..CallFilter::default() };
        let (mut seen, mut place) = (Vec::new(), None);
        loop {
            let page = store.list_calls(&filter, place.as_ref(), 4).unwrap();
            assert!(page.calls.len() <= 4);
            seen.extend(page.calls.into_iter().map(|call| call.row.call_sid));
            place = page.next;
            if place.is_none() {
                break;
            }
        }
        let fits = |verdict: &Option<Verdict>| wanted.is_none() || *verdict == wanted;
        let expected: Vec<_> =
            judged.iter().rev().filter(|(_, verdict)| fits(verdict)).map(|(sid, _)| sid.clone()).collect();
        assert_eq!(seen, expected, "{wanted:?}");
    }
}

fn a_record_holds_everything_that_is_known_of_a_call(database: Database) {
    let (store, mut writer) = database.open("a");
    assert_eq!(store.call_record(&call(1)), Ok(None));
    writer.apply(&life_of(&call(1))).unwrap();
    let mut turns = store.turn_writer(call(1)).unwrap();
    for number in 1..4 {
        turns.turn(turn(number));
        turns.event(event(number));
    }
    turns.end(end());
    assert!(store.flush(databases::DEADLINE));
    let record = store.call_record(&call(1)).unwrap().unwrap();
    assert_eq!(Some(&record.row), store.call(&call(1)).unwrap().as_ref());
    assert_eq!(record.turns, store.turns(&call(1)).unwrap());
    assert_eq!(record.events, store.call_events(&call(1)).unwrap());
    assert_eq!(record.history, store.status_history(&call(1)).unwrap());
    assert_eq!((record.turns.len(), record.events.len(), record.end), (3, 3, Some(end())));
}
