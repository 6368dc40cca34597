//! A thousand calls, a carrier that answers badly, and nodes that are killed every few seconds.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use trunkline::clock;
use trunkline::engine::ids::CallSid;
use trunkline::engine::recording::{RecordingState, Step};
use trunkline::engine::transcript::TranscriptSource;
use trunkline::store::recordings::Heard;
use trunkline::store::{CallEnd, Store};

use crate::calls::{call, end};
use crate::databases::{self, DEADLINE, Database, until};
use crate::node::{Node, Setting};
use crate::steps::announced;
use crate::world::{Answer, Tally, World};

const CALLS: u32 = 1_000;
/// Every so many calls the carrier never gives the recording.
const NEVER: u32 = 50;
const TRIGGERS: u32 = 3;
/// A node that a busy machine holds up for a sixth of it may still be at what another has taken.
const LEASE: Duration = Duration::from_secs(6);
const KILL_EVERY: Duration = Duration::from_secs(3);
/// How long it may take altogether: a busy machine takes a tenth of it.
const WITHIN: Duration = Duration::from_secs(150);

/// What the carrier and the recogniser answer: every fifth answer is bad, or comes late; some recordings never come.
fn answer(what: &str, times: u32) -> Answer {
    let number = u32::from_str_radix(&what[what.len() - 8..], 16).unwrap();
    if what.starts_with("RE") && number.is_multiple_of(NEVER) {
        return Answer::Trouble;
    }
    // A hash, so that each call meets another row of answers; the fourth is good, that no recording is given up by chance.
    let chance = (number * 31 + times * 17).wrapping_mul(2_654_435_761) >> 16;
    match (times, chance % 5, chance / 5 % 4) {
        (0..3, 0, 0) => Answer::Trouble,
        (0..3, 0, 1) => Answer::Slow,
        (0..3, 0, 2) => Answer::Truncated,
        (0..3, 0, _) => Answer::Lie,
        _ => Answer::Whole,
    }
}

on_both_databases! {
    a_thousand_calls_are_settled_once_though_nodes_are_killed
}

const CHILD: &str = "TRUNKLINE_TEST_RECORDING_NODE";

fn spawn(database: &Database, world: &World, name: &str) -> Child {
    let setting = format!("{}\n{}\n{name}\n{}", database.url, world.address, database.folder.path().display());
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crashes::a_node_that_works_until_it_is_killed", "--ignored", "--nocapture"])
        .env(CHILD, setting)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
#[ignore = "a part of another test, which starts it in a process of its own"]
fn a_node_that_works_until_it_is_killed() {
    let Some(setting) = std::env::var_os(CHILD) else { return };
    let setting = setting.into_string().unwrap();
    let [url, world, name, folder] = setting.split('\n').collect::<Vec<_>>()[..] else { panic!("{setting:?}") };
    let folder = std::path::Path::new(folder);
    let settings = trunkline::store::StoreSettings {
        patience: Duration::from_secs(2),
        ..trunkline::store::StoreSettings::new(url, folder.join("spool").join(name))
    };
    let (store, _) = crate::databases::open(settings);
    let setting = Setting { lease: LEASE, ..Setting::new(name, world.parse().unwrap(), folder) };
    let _node = Node::start(store, setting);
    loop {
        std::thread::park(); // until it is killed
    }
}

/// A node that is killed with its test, however that ends.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        self.0.kill().ok(); // it may be dead
        self.0.wait().ok();
    }
}

fn a_thousand_calls_are_settled_once_though_nodes_are_killed(database: Database) {
    let world = World::start(answer);
    let (store, _) = database.open("teller");
    until("the database answers", || store.ping().is_ok());
    let mut nodes = ["a", "b"].map(|name| Killed(spawn(&database, &world, name)));
    let telling = std::thread::spawn({
        let store = store.clone();
        move || tell(&store)
    });

    let began = clock::now();
    let (mut kills, mut killed_at) = (0, began);
    loop {
        std::thread::park_timeout(Duration::from_millis(100));
        if telling.is_finished() && open_calls(&store) == Some(0) {
            break;
        }
        assert!(clock::now() - began < WITHIN, "{:?} calls are open still", open_calls(&store));
        if clock::now() - killed_at > KILL_EVERY {
            let n = kills % 2;
            nodes[n].0.kill().unwrap();
            nodes[n].0.wait().unwrap();
            nodes[n] = Killed(spawn(&database, &world, ["a", "b"][n]));
            (kills, killed_at) = (kills + 1, clock::now());
        }
    }
    let known = telling.join().unwrap();
    check(&store, &world, known, kills);
}

/// Has a thousand calls over, and tells of each one's recording three times: how many of these joined what was known.
fn tell(store: &Store) -> u32 {
    let mut known = 0;
    for n in 1..=CALLS {
        let mut writer = store.turn_writer(call(n)).unwrap();
        writer.end(CallEnd { ended_at: clock::wall_micros(), ..end() });
        drop(writer);
        for _ in 0..TRIGGERS {
            loop {
                match store.hear_of_recording(&announced(n, &call(n)), clock::wall_micros()) {
                    Ok(heard) => {
                        known += u32::from(heard != Some(Heard::New));
                        break;
                    }
                    Err(error) => assert!(error.is_retryable(), "{error}"),
                }
            }
        }
    }
    assert!(store.flush(DEADLINE));
    known
}

/// How many calls are not settled yet; `None` while nobody can say.
fn open_calls(store: &Store) -> Option<u64> {
    let counts = store.recording_work_counts().ok()?;
    Some(counts.iter().filter(|(step, _)| *step != Step::Done).map(|(_, count)| count).sum())
}

fn check(store: &Store, world: &World, known: u32, kills: usize) {
    let tallies = world.tallies();
    let sum = |count: fn(&Tally) -> u32| tallies.iter().map(count).sum::<u32>();
    let most_at_once = tallies.iter().map(|tally| tally.most_at_once).max().unwrap_or(0);
    let mut sources = [0, 0];
    for n in 1..=CALLS {
        sources[usize::from(settled(store, &call(n), n) == TranscriptSource::Failed)] += 1;
    }
    println!(
        "{CALLS} calls, {kills} nodes killed: {} settled from the recording, {} without words; {} downloads asked, {} came whole, \
         {} transcriptions asked, {} came whole; {} tries cut off by a kill and done again; {known} of {} triggers joined what \
         was known; at most {most_at_once} try of a call at once",
        sources[0],
        sources[1],
        sum(|t| t.fetches),
        sum(|t| t.fetched),
        sum(|t| t.reads),
        sum(|t| t.read),
        sum(|t| t.let_go),
        CALLS * TRIGGERS,
    );
    assert_eq!(sources, [CALLS - CALLS / NEVER, CALLS / NEVER]);
    assert_eq!(most_at_once, 1);
    assert!(kills > 0 && known >= CALLS * (TRIGGERS - 1));
    let again = sum(|t| t.fetched.saturating_sub(1) + t.read.saturating_sub(1));
    // What came whole and was not kept, for the node died in between, came once more.
    assert!(again <= kills as u32 * 24, "{again} came twice");
}

/// A call's words, settled once, from a recording that was fetched.
fn settled(store: &Store, call: &CallSid, n: u32) -> TranscriptSource {
    let words = store.transcript(call).unwrap().unwrap_or_else(|| panic!("call {n} has no words"));
    let decisions = store.transcript_decisions(call).unwrap();
    let is_final = |word: &str| matches!(word, "recording" | "realtime" | "failed");
    let finals = decisions.iter().filter(|made| is_final(&made.decision)).count();
    assert_eq!(finals, 1, "call {n}: {decisions:?}");
    let recording = store.recordings_of(call).unwrap().pop().unwrap();
    match words.source {
        TranscriptSource::Recording => {
            assert_eq!(recording.state, RecordingState::Fetched);
            assert!(words.text.contains(call.as_str()), "call {n} has another's words");
        }
        _ => assert_eq!((recording.state, n % NEVER), (RecordingState::Failed, 0), "call {n}: {decisions:?}"),
    }
    words.source
}
