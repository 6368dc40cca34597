//! The actor that writes status: many changes per commit, each answered after its own, and none lost: on both
//! databases.

#[path = "support/calls.rs"]
mod calls;
#[macro_use]
#[path = "support/databases.rs"]
mod databases;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/skip.rs"]
mod skip;

use std::future::Future;
use std::time::Duration;

use actix::Addr;
use calls::{call, change, life_of};
use databases::{DEADLINE, Database, open, until};
use futures_util::FutureExt;
use futures_util::future::join_all;
use trunkline::actors::call_status::{
    ApplyStatus, COMPANY_WITHIN, CallStatusActor, CallStatusSettings, StatusOutcome, apply_status,
};
use trunkline::clock;
use trunkline::engine::status::{CallStatus, CarrierSource, StatusChange, fold};
use trunkline::store::{Store, StoreError, StoreSettings};
use trunkline::telemetry::Telemetry;

on_both_databases! {
    a_thousand_changes_at_once_are_each_answered_after_their_commit
    changes_of_one_call_are_stored_in_the_order_in_which_they_came
    a_refusal_waits_for_company_and_is_stored_with_it_or_alone
    a_change_is_kept_although_nobody_waits_for_it_any_more
    a_stalled_database_is_answered_for_by_the_disk
    no_database_and_no_disk_is_an_error_that_asks_for_another_try
}

fn a_thousand_changes_at_once_are_each_answered_after_their_commit(database: Database) {
    with_actor(&database, DEADLINE, async |store, call_status| {
        let changes: Vec<StatusChange> = (1..=200).flat_map(|n| life_of(&call(n))).collect();
        let outcomes = join_all(changes.iter().map(|change| apply_status(&call_status, change.clone()))).await;
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(StatusOutcome::Stored(_)))), "{outcomes:?}");
        for n in [1, 77, 200] {
            let expected = life_of(&call(n)).iter().fold(None, |row, change| Some(fold(row, change)));
            assert_eq!(store.call(&call(n)), Ok(expected));
        }
    });
}

fn changes_of_one_call_are_stored_in_the_order_in_which_they_came(database: Database) {
    use CallStatus as S;
    with_actor(&database, DEADLINE, async |_, call_status| {
        let told = [S::Queued, S::Initiated, S::Ringing, S::Initiated, S::InProgress, S::Completed, S::Ringing];
        let changes = told.iter().map(|status| change(&call(1), *status, CarrierSource::StatusCallback, 5));
        let outcomes = join_all(changes.map(|change| call_status.send(ApplyStatus(change)))).await;
        let stored: Vec<_> = outcomes
            .into_iter()
            .map(|outcome| match outcome.unwrap().unwrap() {
                StatusOutcome::Stored(stored) => (stored.status, stored.changed),
                StatusOutcome::Spooled => panic!("the database is there"),
            })
            .collect();
        let expected = [
            (S::Queued, true),
            (S::Initiated, true),
            (S::Ringing, true),
            (S::Ringing, false),
            (S::InProgress, true),
            (S::Completed, true),
            (S::Completed, false),
        ];
        assert_eq!(stored, expected);
    });
}

fn a_refusal_waits_for_company_and_is_stored_with_it_or_alone(database: Database) {
    let refusal = |n| change(&call(n), CallStatus::Rejected, CarrierSource::Refusal, 5);
    with_actor(&database, DEADLINE, async |store, call_status| {
        let begun = clock::now();
        let alone = apply_status(&call_status, refusal(1)).await;
        assert!(matches!(alone, Ok(StatusOutcome::Stored(_))), "{alone:?}");
        assert!(clock::now() - begun >= COMPANY_WITHIN, "it waited, for nobody came");

        // More of them than share a commit, and one whom others wait for.
        let mut changes: Vec<StatusChange> = (2..=200).map(refusal).collect();
        changes.push(change(&call(201), CallStatus::InProgress, CarrierSource::StatusCallback, 5));
        changes.push(change(&call(200), CallStatus::Completed, CarrierSource::StatusCallback, 6));
        let outcomes = join_all(changes.iter().map(|change| apply_status(&call_status, change.clone()))).await;
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(StatusOutcome::Stored(_)))), "{outcomes:?}");
        assert!((1..=201).all(|n| store.call(&call(n)).unwrap().is_some()));
    });
}

fn a_change_is_kept_although_nobody_waits_for_it_any_more(database: Database) {
    with_actor(&database, DEADLINE, async |store, call_status| {
        for n in 1..=20 {
            let asking = apply_status(&call_status, life_of(&call(n)).remove(0));
            // One poll, as of a webhook whose client hangs up at once.
            assert_eq!(asking.now_or_never(), None, "it can't be stored yet");
        }
        eventually("the changes are stored", || (1..=20).all(|n| store.call(&call(n)).unwrap().is_some())).await;
    });
}

fn a_stalled_database_is_answered_for_by_the_disk(database: Database) {
    let patience = Duration::from_millis(150);
    with_actor(&database, patience, async |store, call_status| {
        let stall = database.stall();
        let begun = clock::now();
        let changes: Vec<StatusChange> = (1..=40).flat_map(|n| life_of(&call(n))).collect();
        let outcomes = join_all(changes.iter().map(|change| apply_status(&call_status, change.clone()))).await;
        assert_eq!(outcomes, vec![Ok(StatusOutcome::Spooled); changes.len()]);
        let took = clock::now() - begun;
        assert!(took >= patience && took < Duration::from_secs(10), "{took:?}: the stall lasts for ever");

        // The writer is still stuck in its first batch: nothing waits for it.
        let later = apply_status(&call_status, life_of(&call(41)).remove(3)).await;
        assert_eq!(later, Ok(StatusOutcome::Spooled));
        assert_eq!(store.health().spool_records_waiting, changes.len() as u64 + 1);

        drop(stall);
        eventually("everything is in the database", || {
            store.health().spool_records_waiting == 0 && store.health().is_ready()
        })
        .await;
        let expected = life_of(&call(40)).iter().fold(None, |row, change| Some(fold(row, change)));
        assert_eq!(store.call(&call(40)), Ok(expected));
        assert_eq!(store.call(&call(41)).unwrap().unwrap().duration_s, 42);
    });
}

fn no_database_and_no_disk_is_an_error_that_asks_for_another_try(database: Database) {
    with_actor(&database, Duration::from_millis(150), async |store, call_status| {
        let stall = database.stall();
        std::fs::remove_dir_all(database.spool("a")).unwrap();
        let asked = (1..=3).map(|n| apply_status(&call_status, life_of(&call(n)).remove(0)));
        for outcome in join_all(asked).await {
            let error = outcome.unwrap_err();
            assert!(matches!(&error, StoreError::Spool(_)) && error.is_retryable(), "{error}");
        }
        assert!(!store.health().is_ready());
        drop(stall);
        eventually("the database is back", || store.ping().is_ok()).await;
    });
}

/// Starts the actor on a store whose statements wait long for a lock, and runs `test` beside it.
fn with_actor<F: Future<Output = ()>>(
    database: &Database,
    patience: Duration,
    test: impl FnOnce(Store, Addr<CallStatusActor>) -> F,
) {
    actix::System::new().block_on(async {
        let (store, writer) = open(StoreSettings { busy_timeout: DEADLINE, ..database.settings("a") });
        let settings = CallStatusSettings { patience, ..CallStatusSettings::default() };
        let call_status = CallStatusActor::start(writer, settings, Telemetry::default());
        test(store, call_status).await;
    });
}

async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let end = clock::now() + DEADLINE;
    while !holds() {
        assert!(clock::now() < end, "never happened: {what}");
        actix_rt::time::sleep(Duration::from_millis(2)).await;
    }
}

#[test]
fn nothing_here_needs_the_database_to_be_there_at_start() {
    let database = Database::sqlite();
    let stall = database.stall();
    with_actor(&database, DEADLINE, async |store, call_status| {
        let outcome = apply_status(&call_status, life_of(&call(1)).remove(3)).await;
        assert_eq!(outcome, Ok(StatusOutcome::Spooled));
        drop(stall);
        until("it is stored", || store.call(&call(1)).is_ok_and(|row| row.is_some()));
    });
}
