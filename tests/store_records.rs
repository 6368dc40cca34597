//! What is stored is what was told, once, whoever tells it and however often: on both databases.

#[path = "support/calls.rs"]
mod calls;
#[macro_use]
#[path = "support/databases.rs"]
mod databases;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/skip.rs"]
mod skip;

use std::sync::Barrier;

use calls::{call, change, end, event, life_of, turn};
use databases::{DEADLINE, Database, until};
use trunkline::engine::status::{CallRow, CallStatus, CarrierSource, StatusChange, fold};
use trunkline::store::{self, DatabaseState, StatusWriter, StoreError, StoreSettings};

on_both_databases! {
    a_call_that_nobody_told_of_is_not_there
    the_life_of_a_call_ends_in_one_row_and_its_history
    two_nodes_that_hear_the_same_events_in_any_order_store_the_same_row
    what_each_node_alone_has_heard_of_a_call_adds_up
    a_batch_says_of_each_change_whether_it_was_news
    a_change_can_be_stored_by_one_batch_in_any_company
    turns_events_and_the_end_of_a_call_are_read_back_as_they_were_told
    a_second_turn_of_the_same_number_is_ignored
    a_call_has_one_turn_writer
    how_a_call_ended_can_be_read_at_once
    a_media_token_is_used_once_on_whichever_node
    a_record_that_the_database_refuses_is_set_aside_and_the_others_are_kept
    two_nodes_may_start_at_once_on_an_empty_database
}

fn a_call_that_nobody_told_of_is_not_there(database: Database) {
    let (store, _writer) = database.open("a");
    assert_eq!(store.health().database, DatabaseState::Up);
    assert_eq!(store.ping(), Ok(()));
    assert_eq!(store.call(&call(1)), Ok(None));
    assert_eq!(store.turns(&call(1)), Ok(vec![]));
    assert_eq!(store.call_events(&call(1)), Ok(vec![]));
    assert_eq!(store.status_history(&call(1)), Ok(vec![]));
    assert_eq!(store.call_end(&call(1)), Ok(None));
}

fn the_life_of_a_call_ends_in_one_row_and_its_history(database: Database) {
    let (store, mut writer) = database.open("a");
    let life = life_of(&call(1));
    for change in life.iter().chain(&life) {
        writer.apply(std::slice::from_ref(change)).unwrap();
    }

    let row = store.call(&call(1)).unwrap().unwrap();
    assert_eq!(row, expected_row(&life));
    assert_eq!((row.status, row.duration_s), (CallStatus::Completed, 42));
    assert_eq!(row.business.unwrap().value.as_str(), "Reception", "the voice webhook looked the business up");

    let mut by_time = life;
    by_time.sort_by_key(|change| change.occurred_at);
    assert_eq!(store.status_history(&call(1)).unwrap(), by_time, "each event once");
}

fn two_nodes_that_hear_the_same_events_in_any_order_store_the_same_row(database: Database) {
    const CALLS: u32 = 12;
    let lives: Vec<StatusChange> = (1..=CALLS).flat_map(|n| life_of(&call(n))).collect();
    let told: Vec<Vec<Vec<StatusChange>>> = (1..=2)
        .map(|node| {
            let batch = |round: u64| [1, 3, 7, 60][(node + round) as usize % 4];
            let rounds = (0..6).map(|round| (shuffled(&lives, node * 1_000 + round), batch(round)));
            rounds.flat_map(|(told, batch)| told.chunks(batch).map(<[_]>::to_vec).collect::<Vec<_>>()).collect()
        })
        .collect();
    tell_at_once(&database, &told);

    let (store, _writer) = database.open("reader");
    for n in 1..=CALLS {
        let life = life_of(&call(n));
        assert_eq!(store.call(&call(n)).unwrap().unwrap(), expected_row(&life));
        assert_eq!(store.status_history(&call(n)).unwrap().len(), life.len());
    }
}

fn what_each_node_alone_has_heard_of_a_call_adds_up(database: Database) {
    const CALLS: u32 = 150;
    // Each event once, on one node only, and all nodes busy with the same call at the same time: a write that
    // were not locked would be lost for good.
    let node = |node: usize| (1..=CALLS).map(|n| vec![life_of(&call(n)).remove(node)]).collect();
    tell_at_once(&database, &(0..5).map(node).collect::<Vec<_>>());

    let (store, _writer) = database.open("reader");
    for n in 1..=CALLS {
        assert_eq!(store.call(&call(n)).unwrap().unwrap(), expected_row(&life_of(&call(n))), "call {n}");
    }
}

fn a_batch_says_of_each_change_whether_it_was_news(database: Database) {
    let (_store, mut writer) = database.open("a");
    let ringing = change(&call(1), CallStatus::Ringing, CarrierSource::StatusCallback, 10);
    let busy = change(&call(1), CallStatus::Busy, CarrierSource::StatusCallback, 20);
    let other = change(&call(2), CallStatus::Ringing, CarrierSource::StatusCallback, 5);
    let told = writer.apply(&[busy.clone(), other, ringing.clone(), busy.clone(), ringing]).unwrap();

    let answers: Vec<_> = told.iter().map(|stored| (stored.call_sid.clone(), stored.status, stored.changed)).collect();
    assert_eq!(
        answers,
        [
            (call(1), CallStatus::Busy, true),
            (call(2), CallStatus::Ringing, true),
            (call(1), CallStatus::Busy, true),
            (call(1), CallStatus::Busy, false),
            (call(1), CallStatus::Busy, false),
        ],
        "the third brings an earlier time, the others nothing"
    );
    assert!(!writer.apply(&[busy]).unwrap()[0].changed);
    assert_eq!(writer.apply(&[]), Ok(vec![]));
}

fn a_change_can_be_stored_by_one_batch_in_any_company(database: Database) {
    let (store, mut writer) = database.open("a");
    let changes: Vec<StatusChange> = (1..=300).flat_map(|n| life_of(&call(n))).collect();
    let told = writer.apply(&shuffled(&changes, 5)).unwrap();
    assert_eq!(told.len(), 1_500);
    assert_eq!(store.call(&call(300)).unwrap(), Some(expected_row(&life_of(&call(300)))));
    assert!(told.iter().filter(|stored| stored.call_sid == call(7)).any(|stored| stored.changed));
}

fn turns_events_and_the_end_of_a_call_are_read_back_as_they_were_told(database: Database) {
    let (store, _writer) = database.open("a");
    let mut turns = store.turn_writer(call(1)).unwrap();
    for n in 1..=4 {
        turns.turn(turn(n));
        turns.event(event(n));
    }
    turns.end(end());
    assert!(store.flush(DEADLINE));

    assert_eq!(store.turns(&call(1)).unwrap(), (1..=4).map(turn).collect::<Vec<_>>());
    assert_eq!(store.call_events(&call(1)).unwrap(), (1..=4).map(event).collect::<Vec<_>>());
    let (other_node, _writer) = database.open("b");
    assert_eq!(other_node.call_end(&call(1)).unwrap(), Some(end()));
    assert_eq!(store.health().journal_records_waiting, 0);
    assert_eq!(store.health().spool_records_waiting, 0);
}

fn a_second_turn_of_the_same_number_is_ignored(database: Database) {
    let (store, _writer) = database.open("a");
    for text in ["first", "second"] {
        let mut turns = store.turn_writer(call(1)).unwrap();
        turns.turn(trunkline::engine::call::Turn { text: text.to_owned(), ..turn(1) });
        turns.turn(trunkline::engine::call::Turn { text: "with a \0".to_owned(), ..turn(2) });
        assert!(store.flush(DEADLINE));
    }
    let texts: Vec<_> = store.turns(&call(1)).unwrap().into_iter().map(|turn| turn.text).collect();
    assert_eq!(texts, ["first", "with a \u{fffd}"]);
}

fn a_call_has_one_turn_writer(database: Database) {
    let (store, _writer) = database.open("a");
    let first = store.turn_writer(call(1)).unwrap();
    assert!(matches!(store.clone().turn_writer(call(1)), Err(StoreError::SecondTurnWriter(_))));
    assert!(store.turn_writer(call(2)).is_ok());
    drop(first);
    assert!(store.turn_writer(call(1)).is_ok());
}

fn how_a_call_ended_can_be_read_at_once(database: Database) {
    let (store, _writer) = database.open("a");
    let stall = database.stall();
    let mut turns = store.turn_writer(call(1)).unwrap();
    turns.end(end());
    assert_eq!(store.call_end(&call(1)), Ok(Some(end())), "the carrier asks before the row is there");
    drop(stall);
}

fn a_media_token_is_used_once_on_whichever_node(database: Database) {
    let (a, _writer_a) = database.open("a");
    let (b, _writer_b) = database.open("b");
    let start = Barrier::new(2);
    for n in 1..=20 {
        let wins = std::thread::scope(|scope| {
            let claim = |store, node| {
                let (store, start): (&store::Store, &Barrier) = (store, &start);
                scope.spawn(move || {
                    start.wait();
                    store.claim_media(&call(n), node, 5).unwrap()
                })
            };
            let (first, second) = (claim(&a, "a"), claim(&b, "b"));
            u32::from(first.join().unwrap()) + u32::from(second.join().unwrap())
        });
        assert_eq!(wins, 1, "call {n}");
        assert_eq!((a.claim_media(&call(n), "a", 6), b.claim_media(&call(n), "b", 6)), (Ok(false), Ok(false)));
    }
}

fn a_record_that_the_database_refuses_is_set_aside_and_the_others_are_kept(database: Database) {
    let (store, _writer) = database.open("a");
    let mut turns = store.turn_writer(call(1)).unwrap();
    // Turns count from 1; the database holds us to it.
    for number in [1, 0, 2] {
        turns.turn(turn(number));
    }
    assert!(store.flush(DEADLINE));

    let kept: Vec<_> = store.turns(&call(1)).unwrap().into_iter().map(|turn| turn.number).collect();
    assert_eq!(kept, [1, 2]);
    let health = store.health();
    assert_eq!((health.records_rejected, health.records_lost, health.spool_records_waiting), (1, 0, 0));
    assert!(health.is_ready(), "one bad record is no reason to turn red");
    let rejected = rejected(&database, "a");
    assert!(rejected.contains("\"number\":0") && rejected.lines().count() == 1, "{rejected}");
}

fn two_nodes_may_start_at_once_on_an_empty_database(database: Database) {
    let start = Barrier::new(4);
    std::thread::scope(|scope| {
        for node in ["a", "b", "c", "d"] {
            let (start, settings) = (&start, database.settings(node));
            scope.spawn(move || {
                start.wait();
                let (store, mut writer) = store::open(settings).unwrap();
                until("the schema is there", || store.health().is_ready());
                writer.apply(&life_of(&call(1))).unwrap();
            });
        }
    });
}

#[test]
fn a_row_that_makes_no_sense_is_an_error_that_names_the_column() {
    use diesel::{Connection, connection::SimpleConnection};
    let database = Database::sqlite();
    let (store, mut writer) = database.open("a");
    writer.apply(&life_of(&call(1))).unwrap();
    let mut conn = diesel::SqliteConnection::establish(database.url.strip_prefix("sqlite:").unwrap()).unwrap();
    conn.batch_execute("UPDATE calls SET status = 'vanished'").unwrap();

    let corrupt = StoreError::Corrupt { field: "calls.status" };
    assert_eq!(store.call(&call(1)), Err(corrupt.clone()));
    let changes: Vec<_> = life_of(&call(1)).into_iter().take(1).chain(life_of(&call(2))).collect();
    let answers = writer.apply_each(&changes);
    assert_eq!(answers[0], Err(corrupt), "set aside, and the others are stored");
    assert!(answers[1..].iter().all(Result::is_ok), "{answers:?}");
    assert!(rejected(&database, "a").contains(call(1).as_str()));
}

#[test]
fn a_url_that_can_t_be_right_is_said_at_start() {
    let folder = tempfile::tempdir().unwrap();
    let open = |url: &str| store::open(StoreSettings::new(url, folder.path().join("spool"))).map(|_| ()).unwrap_err();

    assert!(matches!(open("mysql://host/calls"), StoreError::UnknownScheme { .. }));
    std::fs::write(folder.path().join("text.db"), "not a database, but long enough to be looked at".repeat(100))
        .unwrap();
    let wrong = open(&format!("sqlite:{}", folder.path().join("text.db").display()));
    assert!(matches!(wrong, StoreError::BadUrl(_)), "{wrong}");
    let wrong = open(&format!("sqlite:{}", folder.path().display()));
    assert!(matches!(wrong, StoreError::BadUrl(_)), "{wrong}");
    #[cfg(not(feature = "postgres"))]
    assert_eq!(open("postgres://app@localhost/calls"), StoreError::PostgresNotBuilt);
}

#[cfg(feature = "postgres")]
#[test]
fn a_postgres_url_that_can_t_be_right_is_said_at_start() {
    let Some(server) = postgres::Postgres::shared() else { return };
    let folder = tempfile::tempdir().unwrap();
    let open = |url: &str| store::open(StoreSettings::new(url, folder.path().join("spool"))).map(|_| ()).unwrap_err();
    for url in [
        server.url("no_such_database"),
        server.url("postgres").replace("app@", "nobody_we_know@"),
        "postgres://app@localhost:port/calls".to_owned(),
        "postgres://app@localhost/calls?no_such_option=1".to_owned(),
        "postgres:calls".to_owned(),
    ] {
        let wrong = open(&url);
        assert!(matches!(wrong, StoreError::BadUrl(_)), "{url}: {wrong}");
    }
}

/// Every node applies its own batches, one after the other; all nodes at the same time.
fn tell_at_once(database: &Database, told: &[Vec<Vec<StatusChange>>]) {
    let start = Barrier::new(told.len());
    std::thread::scope(|scope| {
        for (node, batches) in told.iter().enumerate() {
            let (_, mut writer): (_, StatusWriter) = database.open(&format!("node {node}"));
            let start = &start;
            scope.spawn(move || {
                start.wait();
                for batch in batches {
                    writer.apply(batch).unwrap();
                }
            });
        }
    });
}

fn expected_row(life: &[StatusChange]) -> CallRow {
    life.iter().fold(None, |row, change| Some(fold(row, change))).unwrap()
}

fn rejected(database: &Database, node: &str) -> String {
    let files = std::fs::read_dir(database.spool(node).join("rejected")).unwrap();
    files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect()
}

/// The items in an order that the seed decides.
fn shuffled(changes: &[StatusChange], seed: u64) -> Vec<StatusChange> {
    let mut changes = changes.to_vec();
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for last in (1..changes.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        changes.swap(last, (state % (last as u64 + 1)) as usize);
    }
    changes
}
