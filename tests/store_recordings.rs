//! Who may do what about a call's recordings and words: one node at a time, each job once, on either database.

#[path = "support/calls.rs"]
mod calls;
#[macro_use]
#[path = "support/databases.rs"]
mod databases;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/skip.rs"]
mod skip;

use std::time::Duration;

use calls::{call, end, life_of, turn};
use databases::{DEADLINE, Database};
use trunkline::engine::business::Profile;
use trunkline::engine::call::Speaker;
use trunkline::engine::delivery::EventKind;
use trunkline::engine::ids::CallSid;
use trunkline::engine::recording::ledger::{Backoff, Rules, Setback};
use trunkline::engine::recording::{RecordingId, RecordingState, Step};
use trunkline::engine::transcript::{Segment, Transcript, TranscriptSource};
use trunkline::store::businesses::Editor;
use trunkline::store::recordings::{Finished, Heard, KeptFile, Lease, RecordingReport, Room, WorkAnswer};
use trunkline::store::transcripts::CallSummary;
use trunkline::store::{Store, StoreSettings};

const SECOND: i64 = 1_000_000;
/// Some time in November 2026, long after the calls of these tests.
const NOW: i64 = 1_795_521_600 * SECOND;
const LEASE: Duration = Duration::from_secs(30);

on_both_databases! {
    a_hundred_triggers_over_two_nodes_make_one_job
    a_recording_is_fetched_read_and_told_once
    the_words_are_told_though_another_recording_is_still_to_come
    a_recording_that_is_tried_again_holds_up_no_words
    a_recording_that_the_store_did_not_take_comes_when_somebody_wants_it
    an_answer_that_comes_too_late_changes_nothing
    a_lease_that_is_prolonged_is_not_taken_over
    the_end_of_a_call_settles_its_turns
    words_that_there_are_are_not_made_again
    a_job_that_fails_waits_and_is_given_up_with_its_reason
    what_there_is_no_room_for_stays_due
    a_step_that_nobody_survives_is_given_up_and_said_once
}

on_both_databases_alone! {
    a_trigger_is_kept_while_the_database_is_away
}

fn rules() -> Rules {
    let backoff = Backoff { first: Duration::from_secs(60), longest: Duration::from_secs(1_200), tries: 2 };
    Rules {
        fetch: backoff,
        transcribe: backoff,
        await_recording: Duration::from_secs(600),
        transcribes: true,
        summarises: true,
    }
}

const ROOM: Room = Room { fetch: 9, transcribe: 9, settle: 9, summarise: 9 };

fn re(n: u32) -> RecordingId {
    format!("RE{n:032x}").parse().unwrap()
}

fn announced(n: u32) -> RecordingReport {
    let url = Some("/2010-04-01/Accounts/AC0/Recordings/RE0".to_owned());
    RecordingReport { url, channels: Some(2), ..RecordingReport::new(re(n), call(n), RecordingState::Announced) }
}

fn open(database: &Database, node: &str) -> Store {
    let (store, _) = database.open(node);
    databases::until("the database answers", || store.ping().is_ok());
    store
}

fn take(store: &Store, node: &str, now: i64) -> Vec<Lease> {
    store.take_recording_work(node, now, LEASE, ROOM, &rules()).unwrap().leases
}

fn finish(store: &Store, lease: &Lease, answer: &WorkAnswer, now: i64) -> Finished {
    store.finish_recording_work(lease, answer, now, LEASE, Room::default(), &rules()).unwrap()
}

fn kept_file() -> KeptFile {
    let (key, content_type) = ("2026/11/RE.wav".to_owned(), "audio/wav".to_owned());
    KeptFile { key, content_type, bytes: 44, sha256: "00".repeat(32) }
}

fn fetched() -> WorkAnswer {
    WorkAnswer::Fetched { file: kept_file(), length: Some(Duration::from_millis(1_500)), channels: 1 }
}

fn words() -> WorkAnswer {
    let segment = |start_ms, text: &str| Segment {
        speaker: Some(Speaker::Caller),
        start_ms,
        end_ms: start_ms + 4_000,
        text: text.to_owned(),
        confidence: None,
    };
    let segments = vec![segment(0, "I should like to order two loaves of bread"), segment(5_000, "and that is all")];
    WorkAnswer::Transcribed(Transcript { segments, model: "test".to_owned() })
}

fn summed_up() -> WorkAnswer {
    let summary = Some("Two loaves were ordered.".to_owned());
    WorkAnswer::SummedUp(CallSummary { summary, fields: None, model: None, error: None, at: NOW })
}

fn a_hundred_triggers_over_two_nodes_make_one_job(database: Database) {
    let nodes = [open(&database, "a"), open(&database, "b")];
    let heard: Vec<Heard> = std::thread::scope(|scope| {
        let hear = |n: usize| {
            let store = &nodes[n % 2];
            scope.spawn(move || {
                loop {
                    // On the disk is heard as well, but not counted here.
                    if let Ok(Some(heard)) = store.hear_of_recording(&announced(1), NOW) {
                        return heard;
                    }
                }
            })
        };
        let threads: Vec<_> = (0..100).map(hear).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(heard.iter().filter(|heard| **heard == Heard::New).count(), 1);

    let taken: Vec<Lease> = std::thread::scope(|scope| {
        let threads: Vec<_> = nodes.iter().map(|store| scope.spawn(|| take(store, "n", NOW))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(taken.len(), 1);
    assert_eq!((taken[0].job.step, &taken[0].job.recording), (Step::Fetch, &Some(re(1))));
    assert_eq!(taken[0].recording.as_ref().unwrap().url, announced(1).url);
}

fn a_recording_is_fetched_read_and_told_once(database: Database) {
    let (store, mut status) = database.open("a");
    let (business, url) = ("Reception".parse().unwrap(), Some("https://bakery.example/hooks".to_owned()));
    let profile = Profile { webhook_url: url, ..Profile::named("Reception") };
    store.business_writer().create(&business, &profile, Editor { by: "test", at: 1 }).unwrap();
    status.apply(&life_of(&call(1))).unwrap();
    store.hear_of_recording(&announced(1), NOW).unwrap();

    let late = NOW + 100 * SECOND;
    let mut lease = take(&store, "a", late).pop().unwrap();
    assert_eq!(lease.business.as_ref(), Some(&business));
    for (step, answer) in [(Step::Fetch, fetched()), (Step::Transcribe, words()), (Step::Summarise, summed_up())] {
        assert_eq!(lease.job.step, step);
        let finished = store.finish_recording_work(&lease, &answer, late, LEASE, ROOM, &rules()).unwrap();
        let Finished::Kept { next, .. } = finished else { panic!("{finished:?}") };
        match next {
            Some(next) => lease = *next,
            None => assert_eq!(step, Step::Summarise),
        }
    }
    let recording = store.recordings_of(&call(1)).unwrap().pop().unwrap();
    assert_eq!((recording.state, recording.length_ms), (RecordingState::Fetched, Some(1_500)));
    assert_eq!(recording.channels, Some(1), "as its content has it, whatever the carrier told");
    assert_eq!(recording.file.unwrap().bytes, 44);
    let transcript = store.transcript(&call(1)).unwrap().unwrap();
    assert_eq!(
        (transcript.source, transcript.from, transcript.segments.len()),
        (TranscriptSource::Recording, Some(re(1)), 2)
    );
    assert!(transcript.text.starts_with("Caller: I should like"));
    assert_eq!(store.call_summary(&call(1)).unwrap().unwrap().summary.as_deref(), Some("Two loaves were ordered."));
    let told = || {
        let all = store.deliveries(&business, None, None, 9).unwrap();
        all.iter().filter(|told| told.kind == EventKind::CallTranscribed).count()
    };
    assert_eq!(told(), 1);
    assert_eq!(store.hear_of_recording(&announced(1), late), Ok(Some(Heard::Known)));
    assert_eq!(take(&store, "a", late + 9_000 * SECOND), []);

    // A second recording is fetched, and neither read nor told.
    let second = RecordingReport::new(re(2), call(1), RecordingState::Announced);
    assert_eq!(store.hear_of_recording(&second, late), Ok(Some(Heard::New)));
    let lease = take(&store, "a", late).pop().unwrap();
    finish(&store, &lease, &fetched(), late);
    assert_eq!(take(&store, "a", late), []);
    assert_eq!((store.recordings_of(&call(1)).unwrap().len(), told()), (2, 1));
}

fn the_words_are_told_though_another_recording_is_still_to_come(database: Database) {
    let (store, mut status) = database.open("a");
    let (business, url) = ("Reception".parse().unwrap(), Some("https://bakery.example/hooks".to_owned()));
    let profile = Profile { webhook_url: url, ..Profile::named("Reception") };
    store.business_writer().create(&business, &profile, Editor { by: "test", at: 1 }).unwrap();
    status.apply(&life_of(&call(1))).unwrap();
    // The call of these changes is over after 44 s.
    store.hear_of_recording(&announced(1), 40 * SECOND).unwrap();
    store.hear_of_recording(&RecordingReport::new(re(2), call(1), RecordingState::Started), 40 * SECOND).unwrap();
    let told = || {
        let all = store.deliveries(&business, None, None, 9).unwrap();
        all.iter().filter(|told| told.kind == EventKind::CallTranscribed).count()
    };
    let late = 144 * SECOND;
    let mut lease = take(&store, "a", late).pop().unwrap();
    for answer in [fetched(), words()] {
        let finished = store.finish_recording_work(&lease, &answer, late, LEASE, ROOM, &rules()).unwrap();
        let Finished::Kept { next: Some(next), .. } = finished else { panic!("{finished:?}") };
        lease = *next;
    }
    assert_eq!((lease.job.step, told()), (Step::Summarise, 0));
    finish(&store, &lease, &summed_up(), late);
    // What is left to do is only to see whether the second one comes.
    assert_eq!(told(), 1);
    let work = store.recording_work_of(&call(1)).unwrap().unwrap();
    assert_eq!((work.step, work.settled_at), (Step::Wait, None));
    let lease = take(&store, "a", work.next_at).pop().unwrap();
    assert_eq!((lease.job.step, lease.job.recording.clone()), (Step::Fetch, Some(re(2))));
    finish(&store, &lease, &fetched(), work.next_at);
    let work = store.recording_work_of(&call(1)).unwrap().unwrap();
    assert_eq!((work.step, told()), (Step::Done, 1));
    assert!(work.settled_at.is_some());
}

fn a_recording_that_is_tried_again_holds_up_no_words(database: Database) {
    let (store, mut status) = database.open("a");
    let (business, url) = ("Reception".parse().unwrap(), Some("https://bakery.example/hooks".to_owned()));
    let profile = Profile { webhook_url: url, ..Profile::named("Reception") };
    store.business_writer().create(&business, &profile, Editor { by: "test", at: 1 }).unwrap();
    status.apply(&life_of(&call(1))).unwrap();
    let own = RecordingReport {
        file: Some(kept_file()),
        ..RecordingReport::new(RecordingId::Own(call(1)), call(1), RecordingState::Fetched)
    };
    store.hear_of_recording(&announced(1), 40 * SECOND).unwrap();
    store.hear_of_recording(&own, 41 * SECOND).unwrap();
    let told = || {
        let all = store.deliveries(&business, None, None, 9).unwrap();
        all.iter().filter(|told| told.kind == EventKind::CallTranscribed).count()
    };
    let reason = "the carrier answered 503".to_owned();
    let failed = WorkAnswer::Failed(Setback { reason, may_pass: true, counts: true, not_before: None });
    let late = 144 * SECOND;
    let mut lease = take(&store, "a", late).pop().unwrap();
    let mut steps = Vec::new();
    for answer in [failed, words(), summed_up()] {
        steps.push((lease.job.step, lease.job.recording.clone()));
        match store.finish_recording_work(&lease, &answer, late, LEASE, ROOM, &rules()).unwrap() {
            Finished::Kept { next: Some(next), .. } => lease = *next,
            last => assert!(matches!(last, Finished::Kept { next: None, .. }) && steps.len() == 3, "{last:?}"),
        }
    }
    let expected =
        [(Step::Fetch, Some(re(1))), (Step::Transcribe, Some(RecordingId::Own(call(1)))), (Step::Summarise, None)];
    assert_eq!((steps.as_slice(), told()), (&expected[..], 1));
    // The carrier is asked again when its time has come, with the tries that it had.
    let work = store.recording_work_of(&call(1)).unwrap().unwrap();
    assert_eq!((work.step, work.tries, work.next_at), (Step::Fetch, 1, late + 60 * SECOND));
    assert_eq!(take(&store, "a", late + 59 * SECOND), []);
    let lease = take(&store, "a", work.next_at).pop().unwrap();
    finish(&store, &lease, &fetched(), work.next_at);
    let work = store.recording_work_of(&call(1)).unwrap().unwrap();
    assert_eq!((work.step, told()), (Step::Done, 1));
}

fn a_recording_that_the_store_did_not_take_comes_when_somebody_wants_it(database: Database) {
    let store = open(&database, "a");
    let id = RecordingId::Own(call(1));
    let report = |state| RecordingReport::new(id.clone(), call(1), state);
    let hear = |report: RecordingReport| store.hear_of_recording(&report, NOW).unwrap();
    let error = Some("it can't be kept".to_owned());
    assert_eq!(hear(RecordingReport { error: error.clone(), ..report(RecordingState::Started) }), Some(Heard::New));
    assert_eq!(hear(RecordingReport { error: error.clone(), ..report(RecordingState::Unkept) }), Some(Heard::New));
    let told = store.recording(&id).unwrap().unwrap();
    assert_eq!((told.state, told.error), (RecordingState::Unkept, error));
    assert_eq!(store.want_recordings(&call(1), NOW), Ok(Heard::New));
    assert_eq!(store.want_recordings(&call(1), NOW), Ok(Heard::Known));
    assert_eq!(store.recording(&id).unwrap().unwrap().state, RecordingState::Started);
    hear(RecordingReport { file: Some(kept_file()), length_ms: Some(1_500), ..report(RecordingState::Fetched) });
    let told = store.recording(&id).unwrap().unwrap();
    assert_eq!((told.state, told.file, told.error), (RecordingState::Fetched, Some(kept_file()), None));
    assert_eq!((told.fetched_at, told.length_ms), (Some(NOW), Some(1_500)));
    // One that nobody brings any more goes like one that could not be fetched.
    let other = RecordingId::Own(call(2));
    let unkept = RecordingReport::new(other.clone(), call(2), RecordingState::Unkept);
    store.hear_of_recording(&unkept, NOW).unwrap();
    while let Some(lease) = take(&store, "a", NOW + 900 * SECOND).pop() {
        let answer = if lease.job.step == Step::Transcribe { words() } else { WorkAnswer::TakeTurns };
        let answer = if lease.job.step == Step::Summarise { summed_up() } else { answer };
        finish(&store, &lease, &answer, NOW + 900 * SECOND);
    }
    let past = store.recordings_past(NOW + SECOND, None, 9).unwrap();
    assert!(past.iter().any(|past| past.id == other));
    assert!(store.expire_recording(&other, NOW + SECOND).unwrap());
}

fn an_answer_that_comes_too_late_changes_nothing(database: Database) {
    let store = open(&database, "a");
    store.hear_of_recording(&announced(1), NOW).unwrap();
    let first = take(&store, "a", NOW).pop().unwrap();
    assert_eq!(take(&store, "b", NOW + 30 * SECOND), [], "it is held");
    let late = NOW + 31 * SECOND;
    let second = take(&store, "b", late).pop().unwrap();
    assert!(second.is_taken_over && !first.is_taken_over);
    assert_eq!(finish(&store, &first, &fetched(), late), Finished::TooLate);
    assert_eq!(store.recording(&re(1)).unwrap().unwrap().state, RecordingState::Announced);
    assert!(store.hold_recording_work(&[(call(1), first.fence)], late, LEASE).unwrap().is_empty());
    assert!(matches!(finish(&store, &second, &fetched(), late), Finished::Kept { .. }));
    assert_eq!(finish(&store, &second, &fetched(), late), Finished::TooLate, "once");
}

fn a_lease_that_is_prolonged_is_not_taken_over(database: Database) {
    let store = open(&database, "a");
    store.hear_of_recording(&announced(1), NOW).unwrap();
    let lease = take(&store, "a", NOW).pop().unwrap();
    let held = store.hold_recording_work(&[(call(1), lease.fence), (call(2), 1)], NOW + 20 * SECOND, LEASE).unwrap();
    assert_eq!(held.into_iter().collect::<Vec<_>>(), [call(1)]);
    assert_eq!(take(&store, "b", NOW + 40 * SECOND), []);
    assert_eq!(store.recording_work_of(&call(1)).unwrap().unwrap().node.as_deref(), Some("a"));
    finish(&store, &lease, &WorkAnswer::GivenBack, NOW + 40 * SECOND);
    let again = take(&store, "b", NOW + 40 * SECOND).pop().unwrap();
    assert!(!again.is_taken_over, "it was given back");
}

fn say(store: &Store, call: &CallSid, turns: u32) {
    let mut writer = store.turn_writer(call.clone()).unwrap();
    (1..=turns).for_each(|n| writer.turn(turn(n)));
    writer.end(end());
    assert!(store.flush(DEADLINE));
}

fn the_end_of_a_call_settles_its_turns(database: Database) {
    let store = open(&database, "a");
    say(&store, &call(1), 3);
    say(&store, &call(2), 0);
    let leases = take(&store, "a", NOW);
    assert_eq!(leases.iter().map(|lease| lease.job.step).collect::<Vec<_>>(), [Step::Settle, Step::Settle]);
    for lease in &leases {
        finish(&store, lease, &WorkAnswer::TakeTurns, NOW);
    }
    let source = |n| store.transcript(&call(n)).unwrap().unwrap().source;
    assert_eq!((source(1), source(2)), (TranscriptSource::Realtime, TranscriptSource::Failed));
    let decisions = store.transcript_decisions(&call(1)).unwrap();
    assert_eq!(decisions.len(), 1);
    assert_eq!(decisions[0].decision, "realtime");
    assert_eq!(take(&store, "a", NOW).len(), 1, "the one with words is summed up");

    // The call that seemed to have no words gets some when a recording comes after all.
    assert_eq!(store.hear_of_recording(&announced(2), NOW), Ok(Some(Heard::New)));
    let lease = take(&store, "a", NOW).pop().unwrap();
    let finished = store.finish_recording_work(&lease, &fetched(), NOW, LEASE, ROOM, &rules()).unwrap();
    let Finished::Kept { next: Some(next), .. } = finished else { panic!("{finished:?}") };
    finish(&store, &next, &words(), NOW);
    assert_eq!(source(2), TranscriptSource::Recording);
}

fn words_that_there_are_are_not_made_again(database: Database) {
    let store = open(&database, "a");
    assert_eq!(store.want_recordings(&call(1), NOW), Ok(Heard::NoRecording));
    say(&store, &call(1), 2);
    let lease = take(&store, "a", NOW).pop().unwrap();
    finish(&store, &lease, &WorkAnswer::TakeTurns, NOW);
    assert_eq!(store.want_transcript(&call(1), NOW), Ok(Heard::HasWords));
    assert_eq!(store.transcript_decisions(&call(1)).unwrap().pop().unwrap().decision, "skipped");
}

fn a_job_that_fails_waits_and_is_given_up_with_its_reason(database: Database) {
    let store = open(&database, "a");
    store.hear_of_recording(&announced(1), NOW).unwrap();
    let reason = "the carrier answered 503".to_owned();
    let failed = WorkAnswer::Failed(Setback { reason, may_pass: true, counts: true, not_before: None });
    let lease = take(&store, "a", NOW).pop().unwrap();
    assert!(matches!(finish(&store, &lease, &failed, NOW), Finished::Kept { is_given_up: false, .. }));
    let work = store.recording_work_of(&call(1)).unwrap().unwrap();
    assert_eq!((work.step, work.tries, work.next_at), (Step::Fetch, 1, NOW + 60 * SECOND));
    assert_eq!(take(&store, "a", NOW + 59 * SECOND), []);

    let later = NOW + 60 * SECOND;
    let lease = take(&store, "a", later).pop().unwrap();
    assert!(matches!(finish(&store, &lease, &failed, later), Finished::Kept { is_given_up: true, .. }));
    let recording = store.recording(&re(1)).unwrap().unwrap();
    assert_eq!(
        (recording.state, recording.error.as_deref()),
        (RecordingState::Failed, Some("the carrier answered 503"))
    );
    let decision = store.transcript_decisions(&call(1)).unwrap().pop().unwrap();
    assert_eq!((decision.decision.as_str(), decision.reason.as_str()), ("not_fetched", "the carrier answered 503"));

    // Somebody wants it all the same.
    assert_eq!(store.want_recordings(&call(1), later), Ok(Heard::New));
    assert_eq!(take(&store, "a", later).pop().unwrap().job.step, Step::Fetch);
}

fn what_there_is_no_room_for_stays_due(database: Database) {
    let store = open(&database, "a");
    (1..=5).for_each(|n| assert_eq!(store.hear_of_recording(&announced(n), NOW), Ok(Some(Heard::New))));
    let room = Room { fetch: 2, ..Room::default() };
    let taken = |room| store.take_recording_work("a", NOW, LEASE, room, &rules()).unwrap().leases;
    let first = taken(room);
    assert_eq!((first.len(), taken(Room::default()).len(), taken(room).len(), taken(room).len()), (2, 0, 2, 1));
    assert_eq!(store.recording_work_counts().unwrap(), [(Step::Fetch, 5)]);
    assert!(first.iter().all(|lease| !lease.is_taken_over));
}

fn a_step_that_nobody_survives_is_given_up_and_said_once(database: Database) {
    let store = open(&database, "a");
    store.hear_of_recording(&announced(1), NOW).unwrap();
    let taken = |n: i64| {
        store.take_recording_work("a", NOW + n * 31 * SECOND, LEASE, Room { settle: 0, ..ROOM }, &rules()).unwrap()
    };
    let begun = (0..=10).map(taken).filter(|taken| !taken.leases.is_empty() && taken.given_up.is_empty()).count();
    assert_eq!(begun, 11, "whoever took it died");
    let last = taken(11);
    assert!(last.leases.is_empty(), "there is no room for what comes next: {last:?}");
    let [given_up] = last.given_up.as_slice() else { panic!("{last:?}") };
    assert_eq!((&given_up.call, given_up.step), (&call(1), Step::Fetch));
    assert!(given_up.reason.contains("without an answer"), "{given_up:?}");
    assert_eq!(store.recording(&re(1)).unwrap().unwrap().state, RecordingState::Failed);
    assert_eq!(taken(12).given_up, []);
}

fn a_trigger_is_kept_while_the_database_is_away(database: Database) {
    let settings = StoreSettings {
        connect_timeout: Duration::from_millis(200),
        busy_timeout: Duration::from_millis(200),
        ping_every: Duration::from_millis(100),
        ..database.settings("a")
    };
    let (store, _) = databases::open(settings);
    databases::until("the database answers", || store.ping().is_ok());
    let stall = database.go_away();
    assert_eq!(store.hear_of_recording(&announced(1), NOW), Ok(None), "it is on the disk");
    database.come_back(stall);
    databases::until("it is heard", || matches!(store.recording(&re(1)), Ok(Some(_))));
    assert_eq!(take(&store, "a", NOW).len(), 1);
}
