//! The database goes away, at the worst moment, and nothing is lost: on both databases.

#[path = "support/calls.rs"]
mod calls;
#[macro_use]
#[path = "support/databases.rs"]
mod databases;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/skip.rs"]
mod skip;

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use calls::{call, end, event, life_of, turn};
use databases::{DEADLINE, Database, open, until};
use trunkline::store::{DatabaseState, Observer, StoreError, StoreEvent, StoreSettings};

on_both_databases_alone! {
    what_is_told_while_the_database_is_away_is_stored_when_it_is_back
    a_store_that_starts_while_the_database_is_away_takes_everything
    what_waits_on_the_disk_survives_the_process
    an_outage_is_noticed_although_nobody_calls
}

on_both_databases! {
    a_database_that_answers_and_lets_nobody_write_holds_nobody_up
    whatever_was_acknowledged_is_there_after_kill_9
    a_bad_record_in_the_spool_holds_up_no_other
    what_could_not_be_written_from_the_spool_stays_there
    a_media_token_is_used_once_while_the_database_is_away
    a_disk_that_is_gone_and_back_is_noticed_although_nobody_writes
}

fn what_is_told_while_the_database_is_away_is_stored_when_it_is_back(database: Database) {
    let told = Arc::new(Mutex::new(vec![]));
    let list = Arc::clone(&told);
    let observer = Observer::new(move |event| list.lock().unwrap().push(format!("{event:?}")));
    let (store, mut writer) = open(StoreSettings { observer, ..impatient(&database, "a") });
    writer.apply(&life_of(&call(1))[..1]).unwrap();
    let mut turns = store.turn_writer(call(1)).unwrap();
    turns.turn(turn(1));
    assert!(store.flush(DEADLINE));

    let stall = database.go_away();
    let refused = writer.apply(&life_of(&call(1))[1..]).unwrap_err();
    assert!(refused.is_retryable(), "{refused}");
    assert!(matches!(store.health().database, DatabaseState::Down { .. }));
    assert!(matches!(store.call(&call(1)), Err(StoreError::Unavailable(_))));
    writer.spool().keep(&life_of(&call(1))).unwrap();
    for n in 2..=5 {
        turns.turn(turn(n));
        turns.event(event(n));
    }
    turns.end(end());
    assert!(store.flush(DEADLINE));
    assert_eq!(store.health().spool_records_waiting, 5 + 4 + 4 + 1);
    assert_eq!(store.call_end(&call(1)), Ok(Some(end())));

    database.come_back(stall);
    until("the spool is empty", || store.health().spool_records_waiting == 0 && store.health().is_ready());
    assert_eq!(store.turns(&call(1)).unwrap(), (1..=5).map(turn).collect::<Vec<_>>());
    assert_eq!(store.call_events(&call(1)).unwrap().len(), 4);
    assert_eq!(store.status_history(&call(1)).unwrap().len(), 5);
    assert_eq!(store.call(&call(1)).unwrap().unwrap().duration_s, 42);
    assert!(!writer.apply(&life_of(&call(1))).unwrap().iter().any(|stored| stored.changed));
    let (other_node, _writer) = database.open("b");
    assert_eq!(other_node.call_end(&call(1)), Ok(Some(end())));

    let told = told.lock().unwrap();
    let count = |word: &str| told.iter().filter(|event| event.starts_with(word)).count();
    assert_eq!((count("DatabaseLost"), count("DatabaseBack")), (1, 1), "said once each: {told:?}");
    assert_eq!((count("Spooled"), count("RecordLost"), count("RecordRejected")), (14, 0, 0), "{told:?}");
}

fn a_store_that_starts_while_the_database_is_away_takes_everything(database: Database) {
    let stall = database.go_away();
    let (store, mut writer) = open(impatient(&database, "a"));
    assert!(matches!(store.health().database, DatabaseState::NotReady { .. }), "{store:?}");
    assert!(!store.health().is_ready());
    assert!(matches!(writer.apply(&life_of(&call(1))), Err(StoreError::Unavailable(_))));
    writer.spool().keep(&life_of(&call(1))).unwrap();
    store.turn_writer(call(1)).unwrap().turn(turn(1));
    assert!(store.flush(DEADLINE));

    database.come_back(stall);
    until("the schema is there and the spool empty", || {
        store.health().is_ready() && store.health().spool_records_waiting == 0
    });
    assert_eq!(store.call(&call(1)).unwrap().unwrap().duration_s, 42);
    assert_eq!(store.turns(&call(1)).unwrap(), [turn(1)]);
}

fn what_waits_on_the_disk_survives_the_process(database: Database) {
    drop(database.open("a"));
    let stall = database.go_away();
    for n in 1..=3 {
        // Three processes one after the other, and the database never there.
        let (store, writer) = open(impatient(&database, "a"));
        writer.spool().keep(&life_of(&call(n))).unwrap();
        store.turn_writer(call(n)).unwrap().turn(turn(n));
        assert!(store.flush(DEADLINE));
        assert_eq!(store.health().spool_records_waiting, u64::from(n) * 6);
    }
    database.come_back(stall);
    let (store, _writer) = database.open("a");
    until("the spool is empty", || store.health().spool_records_waiting == 0 && store.health().is_ready());
    for n in 1..=3 {
        assert_eq!(store.call(&call(n)).unwrap().unwrap().duration_s, 42);
        assert_eq!(store.turns(&call(n)).unwrap(), [turn(n)]);
    }
}

fn an_outage_is_noticed_although_nobody_calls(database: Database) {
    let ping_every = Duration::from_millis(20);
    let (store, _writer) = open(StoreSettings { ping_every, ..impatient(&database, "a") });
    assert!(store.health().is_ready());
    let stall = database.go_away();
    until("the outage is noticed", || !store.health().is_ready());
    database.come_back(stall);
    until("the database is back", || store.health().is_ready());
}

fn a_disk_that_is_gone_and_back_is_noticed_although_nobody_writes(database: Database) {
    let ping_every = Duration::from_millis(20);
    let (store, writer) = open(StoreSettings { ping_every, ..impatient(&database, "a") });
    let (spool, elsewhere) = (database.spool("a"), database.spool("elsewhere"));
    std::fs::rename(&spool, &elsewhere).unwrap();
    until("it is noticed", || store.health().spool_error.is_some() && !store.health().is_ready());
    assert!(writer.spool().keep(&life_of(&call(1))).is_err());
    std::fs::rename(&elsewhere, &spool).unwrap();
    until("the disk is back", || store.health().is_ready());

    let stall = database.stall();
    writer.spool().database_is_silent();
    std::fs::rename(&spool, &elsewhere).unwrap();
    until("it is noticed while the database is away", || store.health().spool_error.is_some());
    std::fs::rename(&elsewhere, &spool).unwrap();
    until("the disk is back", || store.health().spool_error.is_none());
    drop(stall);
    until("all is well", || store.health().is_ready());
}

fn a_database_that_answers_and_lets_nobody_write_holds_nobody_up(database: Database) {
    let (store, writer) = open(StoreSettings { busy_timeout: DEADLINE, ..impatient(&database, "a") });
    let stall = database.stall();
    let mut turns = store.turn_writer(call(1)).unwrap();
    for n in 1..=1_000 {
        turns.turn(turn(n));
    }
    assert!(store.flush(DEADLINE), "the journal waits for its patience, not for the database");
    assert_eq!(store.health().spool_records_waiting, 1_000);
    assert_eq!(store.health().records_lost, 0);
    assert!(!writer.spool().database_answers());

    drop(stall);
    until("the spool is empty", || store.health().spool_records_waiting == 0 && store.health().is_ready());
    assert_eq!(store.turns(&call(1)).unwrap().len(), 1_000);
}

fn whatever_was_acknowledged_is_there_after_kill_9(database: Database) {
    drop(database.open("a"));
    let stall = database.stall();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_process_that_keeps_changes_until_it_is_killed", "--ignored", "--nocapture"])
        .env(CHILD_SPOOL, database.spool("a"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut kept = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap)
        .filter_map(|line| line.strip_prefix("kept ").and_then(|n| n.parse::<u32>().ok()));
    kept.find(|n| *n >= 25).expect("the child keeps more than that");
    child.kill().unwrap();
    let acknowledged = kept.last().unwrap_or(25);
    child.wait().unwrap();
    drop(stall);

    let (store, _writer) = database.open("a");
    until("the spool is empty", || store.health().spool_records_waiting == 0 && store.health().is_ready());
    for n in 1..=acknowledged {
        assert_eq!(store.call(&call(n)).unwrap().map(|row| row.duration_s), Some(42), "call {n} of {acknowledged}");
    }
    assert_eq!(store.health().records_rejected, 0, "a torn line is not a record");
}

const CHILD_SPOOL: &str = "TRUNKLINE_TEST_CHILD_SPOOL";

#[test]
#[ignore = "a part of another test, which starts it in a process of its own"]
fn a_process_that_keeps_changes_until_it_is_killed() {
    let Some(spool) = std::env::var_os(CHILD_SPOOL) else { return };
    // Another database, which is locked: everything stays in the spool.
    let away = Database::sqlite();
    let _stall = away.stall();
    let (_store, writer) = open(StoreSettings { spool_dir: spool.into(), ..impatient(&away, "unused") });
    for n in 1.. {
        writer.spool().keep(&life_of(&call(n))).unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "kept {n}").unwrap();
        out.flush().unwrap();
    }
}

fn a_bad_record_in_the_spool_holds_up_no_other(database: Database) {
    let (store, writer) = open(StoreSettings { busy_timeout: DEADLINE, ..impatient(&database, "a") });
    let stall = database.stall();
    let mut turns = store.turn_writer(call(1)).unwrap();
    for number in [1, 0, 2] {
        turns.turn(turn(number));
    }
    assert!(store.flush(DEADLINE));
    writer.spool().keep(&life_of(&call(1))).unwrap();
    drop(stall);

    until("the spool is empty", || store.health().spool_records_waiting == 0 && store.health().is_ready());
    assert_eq!(store.turns(&call(1)).unwrap(), [turn(1), turn(2)]);
    assert_eq!(store.call(&call(1)).unwrap().unwrap().duration_s, 42);
    assert!(store.health().records_rejected >= 1);
    let rejected: String = std::fs::read_dir(database.spool("a").join("rejected"))
        .unwrap()
        .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    assert!(rejected.lines().all(|line| line.contains("\"number\":0")) && !rejected.is_empty(), "{rejected}");
}

fn what_could_not_be_written_from_the_spool_stays_there(database: Database) {
    let (store, writer) = open(impatient(&database, "a"));
    let stall = database.stall();
    writer.spool().database_is_silent();
    for n in 1..=600 {
        writer.spool().keep(&life_of(&call(n))[3..4]).unwrap();
    }
    drop((store, writer));

    // The next process finds a database that answers, and then does not take what is waiting.
    let (tell, told) = std::sync::mpsc::channel();
    let observer = Observer::new(move |event| {
        if let StoreEvent::DatabaseLost { .. } = event {
            tell.send(()).unwrap();
        }
    });
    let (store, _writer) = open(StoreSettings { observer, ..impatient(&database, "a") });
    told.recv_timeout(DEADLINE).expect("the attempt fails");
    assert_eq!(store.health().spool_records_waiting, 600);
    drop(stall);
    until("the spool is empty", || store.health().spool_records_waiting == 0 && store.health().is_ready());
    assert!((1..=600).all(|n| store.call(&call(n)).unwrap().is_some()));
}

fn a_media_token_is_used_once_while_the_database_is_away(database: Database) {
    let settings = || StoreSettings { busy_timeout: DEADLINE, ..impatient(&database, "a") };
    let (store, writer) = open(settings());
    assert_eq!(store.claim_media(&call(1), "a", 1), Ok(true));
    let stall = database.stall();
    assert_eq!(store.claim_media(&call(2), "a", 2), Ok(true), "a caller is answered all the same");
    assert_eq!(store.claim_media(&call(2), "a", 3), Ok(false));
    assert_eq!(store.claim_media(&call(1), "a", 4), Ok(false), "what was claimed before is remembered");
    drop(stall);
    until("the spool is empty", || store.health().spool_records_waiting == 0 && store.health().is_ready());
    drop((store, writer));

    let (other_node, _writer) = database.open("b");
    assert_eq!(other_node.claim_media(&call(2), "b", 5), Ok(false));
    assert_eq!(other_node.claim_media(&call(3), "b", 5), Ok(true));
}

/// A store that gives up on the database soon.
fn impatient(database: &Database, node: &str) -> StoreSettings {
    StoreSettings {
        busy_timeout: Duration::from_millis(200),
        patience: Duration::from_secs(1),
        connect_timeout: Duration::from_millis(500),
        ..database.settings(node)
    }
}

#[test]
fn a_flush_waits_for_room_in_a_full_queue_instead_of_giving_up() {
    let database = Database::sqlite();
    let (store, writer) = open(StoreSettings { journal_queue: 4, ..impatient(&database, "a") });
    let stall = database.stall();
    std::fs::remove_dir_all(database.spool("a")).unwrap();
    assert!(matches!(writer.spool().keep(&life_of(&call(1))), Err(StoreError::Spool(_))));
    let mut turns = store.turn_writer(call(1)).unwrap();
    (1..=400).for_each(|n| turns.turn(turn(n)));
    assert!(!store.flush(Duration::from_millis(50)), "neither the database nor the disk takes anything");

    let flushing = std::thread::spawn({
        let store = store.clone();
        move || store.flush(DEADLINE)
    });
    std::fs::create_dir_all(database.spool("a")).unwrap();
    assert!(flushing.join().unwrap(), "the queue was full, and then it was not");
    drop(stall);
}

#[test]
fn a_full_queue_and_a_broken_disk_drop_records_and_say_so() {
    let database = Database::sqlite();
    let lost = Arc::new(Mutex::new(0));
    let count = Arc::clone(&lost);
    let observer = Observer::new(move |event| {
        if matches!(event, StoreEvent::RecordLost { .. }) {
            *count.lock().unwrap() += 1;
        }
    });
    let (store, writer) = open(StoreSettings { observer, journal_queue: 4, ..impatient(&database, "a") });
    let stall = database.stall();
    std::fs::remove_dir_all(database.spool("a")).unwrap();
    assert!(matches!(writer.spool().keep(&life_of(&call(1))), Err(StoreError::Spool(_))));
    assert!(store.health().spool_error.is_some() && !store.health().is_ready());

    let mut turns = store.turn_writer(call(1)).unwrap();
    for n in 1..=400 {
        turns.turn(turn(n));
    }
    assert!(store.health().records_lost >= 100, "memory is bounded, and what does not fit is counted: {store:?}");
    assert_eq!(*lost.lock().unwrap(), store.health().records_lost);

    std::fs::create_dir_all(database.spool("a")).unwrap();
    until("the disk takes records again", || store.health().spool_error.is_none());
    drop(stall);
    until("the spool is empty", || store.health().spool_records_waiting == 0 && store.health().is_ready());
    assert!(store.flush(DEADLINE));
    let kept = store.turns(&call(1)).unwrap().len() as u64;
    assert_eq!(kept + store.health().records_lost, 400, "kept or counted, each of them");
}
