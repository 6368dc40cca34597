//! What one or two nodes do, on both databases.

use trunkline::clock;
use trunkline::engine::ids::CallSid;
use trunkline::engine::recording::{RecordingId, RecordingState, Step};
use trunkline::engine::transcript::TranscriptSource;
use trunkline::store::Store;
use trunkline::store::recordings::{Heard, RecordingReport};

use crate::calls::{call, end, turn};
use crate::databases::{self, DEADLINE, Database, until};
use crate::node::{Node, Setting};
use crate::world::{Answer, World};

on_both_databases! {
    a_hundred_triggers_over_two_nodes_fetch_once_and_transcribe_once
    a_carrier_that_refuses_is_not_asked_again_and_the_turns_are_the_words
    a_second_recording_waits_for_the_first
    what_a_stopping_node_gives_back_another_takes_at_once
    a_recogniser_that_is_away_for_a_while_loses_nothing
}

pub fn re(n: u32) -> RecordingId {
    format!("RE{n:032x}").parse().unwrap()
}

pub fn announced(recording: u32, call: &CallSid) -> RecordingReport {
    RecordingReport::new(re(recording), call.clone(), RecordingState::Announced)
}

fn open(database: &Database, node: &str) -> Store {
    let (store, _) = database.open(node);
    until("the database answers", || store.ping().is_ok());
    store
}

/// Has the call said and over, so that its words are due.
fn say(store: &Store, call: &CallSid, turns: u32) {
    let mut writer = store.turn_writer(call.clone()).unwrap();
    (1..=turns).for_each(|n| writer.turn(turn(n)));
    writer.end(end());
    assert!(store.flush(DEADLINE));
}

fn is_settled(store: &Store, call: &CallSid) -> bool {
    let work = store.recording_work_of(call).unwrap_or(None);
    work.is_some_and(|work| work.step == Step::Done)
}

fn a_hundred_triggers_over_two_nodes_fetch_once_and_transcribe_once(database: Database) {
    let world = World::start(|_, _| Answer::Slow);
    let stores = ["a", "b"].map(|name| open(&database, name));
    let nodes = [0, 1]
        .map(|n| Node::start(stores[n].clone(), Setting::new(["a", "b"][n], world.address, database.folder.path())));
    say(&stores[0], &call(1), 0);
    let heard: Vec<Option<Heard>> = std::thread::scope(|scope| {
        let trigger = |n: usize| {
            let (store, node) = (&stores[n % 2], &nodes[n % 2]);
            scope.spawn(move || {
                let at = clock::wall_micros();
                let heard = match n % 10 {
                    0 => store.want_recordings(&call(1), at).ok(),
                    1 => store.want_transcript(&call(1), at).ok(),
                    _ => store.hear_of_recording(&announced(1, &call(1)), at).unwrap(),
                };
                node.nudge();
                heard
            })
        };
        let triggers: Vec<_> = (0..100).map(trigger).collect();
        triggers.into_iter().map(|trigger| trigger.join().unwrap()).collect()
    });
    until("the call is settled", || is_settled(&stores[0], &call(1)));
    let tally = world.tally(call(1).as_str());
    println!("100 triggers on two nodes: {} downloads, {} transcriptions", tally.fetched, tally.read);
    assert_eq!((tally.fetches, tally.fetched, tally.reads, tally.read, tally.most_at_once), (1, 1, 1, 1, 1));
    assert!(heard.iter().filter(|heard| **heard == Some(Heard::Known)).count() > 50, "{heard:?}");
    let words = stores[1].transcript(&call(1)).unwrap().unwrap();
    assert_eq!((words.source, words.from), (TranscriptSource::Recording, Some(re(1))));
    assert_eq!(stores[1].call_summary(&call(1)).unwrap().unwrap().summary.as_deref(), Some("1 lines"));
    let settled = nodes.iter().map(|node| node.figure("transcripts_settled_total{source=\"recording\"}"));
    assert_eq!(settled.sum::<u64>(), 1);
}

fn a_carrier_that_refuses_is_not_asked_again_and_the_turns_are_the_words(database: Database) {
    let world = World::start(|_, _| Answer::Refused);
    let store = open(&database, "a");
    say(&store, &call(1), 2);
    store.hear_of_recording(&announced(1, &call(1)), clock::wall_micros()).unwrap();
    let node = Node::start(store.clone(), Setting::new("a", world.address, database.folder.path()));
    until("the call is settled", || is_settled(&store, &call(1)));
    assert_eq!(world.tally(call(1).as_str()).fetches, 1);
    assert_eq!(store.transcript(&call(1)).unwrap().unwrap().source, TranscriptSource::Realtime);
    let recording = store.recording(&re(1)).unwrap().unwrap();
    assert_eq!(recording.state, RecordingState::Failed);
    assert!(recording.error.unwrap().contains("401"));
    assert_eq!(node.figure("recording_refusals_total{step=\"fetching\"}"), 1);
    assert_eq!(node.figure("recording_steps_given_up_total{step=\"fetching\"}"), 1);
}

fn a_second_recording_waits_for_the_first(database: Database) {
    let world = World::start(|what, times| match (what == re(1).to_string(), times) {
        (true, 0) => Answer::Trouble,
        _ => Answer::Slow,
    });
    let store = open(&database, "a");
    say(&store, &call(1), 0);
    let _node = Node::start(store.clone(), Setting::new("a", world.address, database.folder.path()));
    for n in [1, 2] {
        store.hear_of_recording(&announced(n, &call(1)), clock::wall_micros()).unwrap();
    }
    let all_here = || {
        let recordings = store.recordings_of(&call(1)).unwrap_or_default();
        recordings.iter().filter(|recording| recording.state == RecordingState::Fetched).count() == 2
    };
    until("both are here", || all_here() && is_settled(&store, &call(1)));
    let tally = world.tally(call(1).as_str());
    assert_eq!((tally.fetches, tally.fetched, tally.read, tally.most_at_once), (3, 2, 1, 1));
    let from = store.transcript(&call(1)).unwrap().unwrap().from;
    assert_eq!(from, Some(re(1)), "the first one's words are kept");
}

fn what_a_stopping_node_gives_back_another_takes_at_once(database: Database) {
    let world = World::start(|what, times| match (what.starts_with("RE"), times) {
        (true, 0) => Answer::Silence,
        _ => Answer::Whole,
    });
    let [first, second] = ["a", "b"].map(|name| open(&database, name));
    say(&first, &call(1), 0);
    let stopping = Node::start(first.clone(), Setting::new("a", world.address, database.folder.path()));
    first.hear_of_recording(&announced(1, &call(1)), clock::wall_micros()).unwrap();
    until("it is being fetched", || world.tally(call(1).as_str()).at_once == 1);
    stopping.give_back();
    let other = Node::start(second.clone(), Setting::new("b", world.address, database.folder.path()));
    until("the call is settled", || is_settled(&second, &call(1)));
    let tally = world.tally(call(1).as_str());
    assert_eq!((tally.fetched, tally.let_go, tally.most_at_once), (1, 1, 1));
    assert_eq!(other.figure("recording_steps_taken_over_total{step=\"fetching\"}"), 0, "it was given back");
}

fn a_recogniser_that_is_away_for_a_while_loses_nothing(database: Database) {
    let world = World::start(|what, times| match (what.starts_with("CA"), times) {
        (true, 0..3) => Answer::Trouble,
        _ => Answer::Whole,
    });
    let store = open(&database, "a");
    let _node = Node::start(store.clone(), Setting::new("a", world.address, database.folder.path()));
    for n in 1..=10 {
        say(&store, &call(n), 0);
        store.hear_of_recording(&announced(n, &call(n)), clock::wall_micros()).unwrap();
    }
    until("all are settled", || (1..=10).all(|n| is_settled(&store, &call(n))));
    for n in 1..=10 {
        let tally = world.tally(call(n).as_str());
        assert_eq!((tally.fetched, tally.reads, tally.read), (1, 4, 1));
        assert_eq!(store.transcript(&call(n)).unwrap().unwrap().source, TranscriptSource::Recording);
    }
}
