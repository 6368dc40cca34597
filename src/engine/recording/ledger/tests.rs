//! The table of the ledger.

mod whatever_happens;

use std::time::Duration;

use super::*;

const S: i64 = 1_000_000;
const T0: i64 = 1_000 * S;

fn rules() -> Rules {
    let s = Duration::from_secs;
    let backoff = Backoff { first: s(60), longest: s(1_200), tries: 5 };
    Rules { fetch: backoff, transcribe: backoff, await_recording: s(600), transcribes: true, summarises: true }
}

fn re(n: u8) -> RecordingId {
    format!("RE{n:032x}").parse().unwrap()
}

fn own() -> RecordingId {
    RecordingId::Own(format!("CA{:032x}", 1).parse().unwrap())
}

fn announced(n: u8) -> News {
    News::Recording(re(n), RecordingState::Announced)
}

fn fails() -> Answer {
    let reason = "no".to_owned();
    Answer::Failed(Setback { reason, may_pass: true, counts: true, not_before: None })
}

fn refused() -> Answer {
    let reason = "refused".to_owned();
    Answer::Failed(Setback { reason, may_pass: false, counts: true, not_before: None })
}

fn job(step: Step, recording: Option<RecordingId>) -> Option<Job> {
    Some(Job { step, recording })
}

/// An entry whose call is over and has one recording that is complete.
fn with_recording() -> Ledger {
    let mut entry = Ledger::open(T0);
    assert!(entry.hear(T0, false, &News::Over(T0)));
    assert!(entry.hear(T0, false, &announced(1)));
    entry
}

#[test]
fn a_recording_is_fetched_then_read_then_summed_up() {
    let mut entry = with_recording();
    assert_eq!(entry.take(T0, false, &rules()), job(Step::Fetch, Some(re(1))));
    entry.answer(T0, Answer::Done, &rules());
    assert_eq!(entry.take(T0, false, &rules()), job(Step::Transcribe, Some(re(1))));
    entry.answer(T0, Answer::Read(Words::Settled), &rules());
    assert_eq!(entry.take(T0, false, &rules()), job(Step::Summarise, None));
    entry.answer(T0, Answer::Done, &rules());
    assert_eq!((entry.step, entry.take(T0, false, &rules())), (Step::Done, None));
}

#[test]
fn a_hundred_triggers_change_nothing_after_the_first() {
    let mut entry = with_recording();
    let before = entry.clone();
    assert!((0..100).all(|_| !entry.hear(T0, true, &announced(1))));
    assert_eq!(entry, before);
    entry.take(T0, false, &rules());
    entry.answer(T0, Answer::Done, &rules());
    assert!(!entry.hear(T0, false, &announced(1)), "it is here");
    assert_eq!(entry.step, Step::Transcribe);
}

#[test]
fn a_second_recording_waits_for_the_first_and_is_fetched_though_the_words_are_settled() {
    let mut entry = with_recording();
    entry.take(T0, false, &rules());
    assert!(entry.hear(T0, true, &announced(2)));
    entry.answer(T0, fails(), &rules());
    assert_eq!(entry.take(T0, false, &rules()), None, "the first is tried again before");
    assert_eq!(entry.take(T0 + 60 * S, false, &rules()), job(Step::Fetch, Some(re(1))));
    entry.answer(T0 + 60 * S, Answer::Done, &rules());
    entry.answer(T0 + 60 * S, Answer::Read(Words::Settled), &rules());
    assert_eq!(entry.take(T0 + 60 * S, false, &rules()), job(Step::Summarise, None), "it waits for no recording");
    entry.answer(T0 + 60 * S, Answer::Done, &rules());
    assert_eq!(entry.take(T0 + 60 * S, false, &rules()), job(Step::Fetch, Some(re(2))));
    entry.answer(T0 + 60 * S, Answer::Done, &rules());
    assert_eq!(entry.step, Step::Done, "nobody pays for words that there are");
}

#[test]
fn a_recording_that_is_tried_again_holds_up_neither_the_words_of_another_nor_their_summary() {
    let mut entry = with_recording();
    let own = own();
    entry.hear(T0, false, &News::Recording(own.clone(), RecordingState::Fetched));
    assert_eq!(entry.take(T0, false, &rules()), job(Step::Fetch, Some(re(1))));
    entry.answer(T0, fails(), &rules());
    assert_eq!(entry.take(T0, false, &rules()), job(Step::Transcribe, Some(own)));
    entry.answer(T0 + S, Answer::Read(Words::Settled), &rules());
    assert_eq!(entry.take(T0 + S, false, &rules()), job(Step::Summarise, None));
    entry.answer(T0 + 2 * S, Answer::Done, &rules());
    assert!(entry.has_told_all(&rules()));
    assert_eq!((entry.step, entry.next_at, entry.recordings[0].retry.tries), (Step::Fetch, T0 + 60 * S, 1));
    assert_eq!(entry.take(T0 + 59 * S, false, &rules()), None);
    assert_eq!(entry.take(T0 + 60 * S, false, &rules()), job(Step::Fetch, Some(re(1))), "nor is it forgotten");
    entry.answer(T0 + 60 * S, fails(), &rules());
    assert_eq!(entry.next_at, T0 + 180 * S, "with the pauses that it had");
}

#[test]
fn a_summary_that_is_tried_again_holds_up_no_recording_and_keeps_its_tries() {
    let mut entry = with_recording();
    entry.take(T0, false, &rules());
    entry.answer(T0, Answer::Done, &rules());
    entry.answer(T0, Answer::Read(Words::Settled), &rules());
    assert_eq!(entry.take(T0, false, &rules()), job(Step::Summarise, None));
    entry.answer(T0, fails(), &rules());
    assert_eq!((entry.step, entry.next_at), (Step::Summarise, T0 + 60 * S));
    assert!(entry.hear(T0 + S, false, &announced(2)));
    assert_eq!(entry.take(T0 + S, false, &rules()), job(Step::Fetch, Some(re(2))));
    entry.answer(T0 + S, Answer::Done, &rules());
    assert_eq!((entry.step, entry.next_at, entry.retry.tries), (Step::Summarise, T0 + 60 * S, 1));
    assert!(!entry.has_told_all(&rules()));
}

#[test]
fn what_comes_while_a_step_is_done_under_a_lease_that_ran_out_does_not_make_its_answer_another_steps() {
    let mut entry = with_recording();
    entry.take(T0, false, &rules());
    assert!(entry.hear(T0 + 100 * S, false, &announced(2)));
    entry.answer(T0 + 100 * S, Answer::Done, &rules());
    assert_eq!(entry.recordings[0].state, RecordingState::Fetched);
}

#[test]
fn a_recording_of_our_own_that_the_store_does_not_take_is_waited_for_and_then_given_up() {
    let mut entry = Ledger::open(T0);
    entry.hear(T0, false, &News::Over(T0));
    entry.hear(T0, false, &News::Recording(own(), RecordingState::Started));
    assert_eq!(entry.take(T0 + 599 * S, false, &rules()), None, "its words may come");
    let mut patient = entry.clone();
    assert_eq!(patient.take(T0 + 600 * S, false, &rules()), job(Step::Settle, None), "no carrier can be asked for it");
    assert!(entry.hear(T0 + 599 * S, false, &News::Recording(own(), RecordingState::Unkept)));
    assert_eq!(entry.take(T0 + 599 * S, false, &rules()), job(Step::Settle, None));
    entry.answer(T0 + 599 * S, Answer::Read(Words::Failed), &rules());
    assert_eq!(entry.step, Step::Done);
    assert!(entry.hear(T0 + 700 * S, false, &News::Fetch) && entry.is_fetchable());
    assert_eq!(entry.recordings[0].state, RecordingState::Started, "whoever has it is to bring it");
    assert_eq!((entry.take(T0 + 700 * S, false, &rules()), entry.step), (None, Step::Done));
    assert!(entry.hear(T0 + 701 * S, false, &News::Recording(own(), RecordingState::Fetched)));
    assert_eq!(entry.take(T0 + 701 * S, false, &rules()), job(Step::Transcribe, Some(own())));
}

#[test]
fn a_failing_carrier_is_asked_five_times_with_pauses_that_double() {
    let mut entry = with_recording();
    let (mut now, mut pauses) = (T0, Vec::new());
    while entry.take(now, false, &rules()).is_some_and(|job| job.step == Step::Fetch) {
        entry.answer(now, fails(), &rules());
        pauses.push((entry.next_at - now) / S);
        now = entry.next_at;
    }
    assert_eq!(pauses, [60, 120, 240, 480, 0]);
    assert_eq!((entry.recordings[0].state, entry.step), (RecordingState::Failed, Step::Settle));
    let longest: Vec<u64> = (1..8).map(|tries| rules().fetch.pause(tries).as_secs()).collect();
    assert_eq!(longest, [60, 120, 240, 480, 960, 1_200, 1_200]);
}

#[test]
fn one_who_is_refused_is_not_asked_again_until_somebody_wants_it() {
    let mut entry = with_recording();
    entry.take(T0, false, &rules());
    entry.answer(T0, refused(), &rules());
    assert_eq!((entry.recordings[0].state, entry.step), (RecordingState::Failed, Step::Settle));
    assert!(!entry.hear(T0, false, &announced(1)));
    entry.answer(T0, Answer::Read(Words::Settled), &rules());
    entry.answer(T0, Answer::Done, &rules());
    assert_eq!(entry.step, Step::Done);
    assert!(entry.hear(T0, false, &News::Fetch));
    assert_eq!(entry.take(T0, false, &rules()), job(Step::Fetch, Some(re(1))));
}

#[test]
fn a_host_that_is_left_alone_costs_no_try() {
    let mut entry = with_recording();
    entry.take(T0, false, &rules());
    let not_before = Some(Duration::from_secs(7));
    entry.answer(
        T0,
        Answer::Failed(Setback { reason: String::new(), may_pass: true, counts: false, not_before }),
        &rules(),
    );
    assert_eq!((entry.recordings[0].retry.tries, entry.next_at), (0, T0 + 7 * S));
    assert!(!entry.hear(T0, false, &News::Fetch), "it is announced already");
    assert_eq!(entry.next_at, T0, "but whoever wants it now has it now");
}

#[test]
fn without_a_recording_the_turns_are_settled_after_a_moment() {
    let mut entry = Ledger::open(T0);
    entry.hear(T0, false, &News::Over(T0));
    assert_eq!(entry.take(T0, false, &rules()), None);
    assert_eq!((entry.step, entry.next_at), (Step::Wait, T0 + 30 * S));
    assert_eq!(entry.take(T0 + 30 * S, false, &rules()), job(Step::Settle, None));
    entry.answer(T0 + 30 * S, Answer::Read(Words::Failed), &rules());
    assert_eq!(entry.step, Step::Done);
    assert!(entry.hear(T0 + 40 * S, false, &announced(1)), "it comes late, and words are wanted still");
    assert_eq!(entry.take(T0 + 40 * S, false, &rules()), job(Step::Fetch, Some(re(1))));
}

#[test]
fn a_recording_that_was_started_is_waited_for() {
    let mut entry = Ledger::open(T0);
    entry.hear(T0, false, &News::Recording(re(1), RecordingState::Started));
    assert_eq!(entry.take(T0 + 5_000 * S, false, &rules()), None, "the call goes on");
    let over = T0 + 5_001 * S;
    entry.hear(over, false, &News::Over(over));
    assert_eq!(entry.take(over, false, &rules()), None);
    assert_eq!(entry.next_at, over + 600 * S);
}

#[test]
fn a_carrier_that_does_not_say_that_its_recording_is_complete_is_asked_for_it() {
    let mut entry = Ledger::open(T0);
    entry.hear(T0, false, &News::Recording(re(1), RecordingState::Started));
    entry.hear(T0, false, &News::Over(T0));
    let (mut now, mut asked) = (T0 + 600 * S, 0);
    while entry.take(now, false, &rules()).is_some_and(|job| job.step == Step::Fetch) {
        entry.answer(now, fails(), &rules());
        (now, asked) = (entry.next_at, asked + 1);
    }
    assert_eq!((asked, entry.recordings[0].state, entry.step), (5, RecordingState::Failed, Step::Settle));
}

#[test]
fn a_recording_that_was_begun_is_asked_for_though_another_has_settled_the_words() {
    let mut entry = with_recording();
    entry.hear(T0, false, &News::Recording(re(2), RecordingState::Started));
    for expected in [Step::Fetch, Step::Transcribe, Step::Summarise] {
        assert!(!entry.has_told_all(&rules()));
        assert_eq!(entry.take(T0, false, &rules()).unwrap().step, expected);
        let answer = if expected == Step::Transcribe { Answer::Read(Words::Settled) } else { Answer::Done };
        entry.answer(T0, answer, &rules());
    }
    assert_eq!((entry.step, entry.next_at), (Step::Wait, T0 + 600 * S));
    assert!(entry.has_told_all(&rules()), "nobody waits for it to be told of the words");
    assert_eq!(entry.take(T0 + 599 * S, false, &rules()), None);
    assert_eq!(entry.take(T0 + 600 * S, false, &rules()), job(Step::Fetch, Some(re(2))));
    entry.answer(T0 + 600 * S, Answer::Done, &rules());
    assert_eq!(entry.step, Step::Done, "nobody pays for words that there are");
}

#[test]
fn a_recording_of_our_own_that_failed_is_fetched_from_nowhere_whoever_wants_it() {
    let mut entry = Ledger::open(T0);
    entry.hear(T0, false, &News::Recording(own(), RecordingState::Failed));
    entry.hear(T0, false, &News::Over(T0));
    assert!(!entry.hear(T0, false, &News::Fetch));
    assert!(!entry.is_fetchable());
    assert_eq!(entry.take(T0, false, &rules()), job(Step::Settle, None));
}

#[test]
fn nothing_is_settled_while_the_call_goes_on() {
    let mut entry = Ledger::open(T0);
    entry.hear(T0, false, &announced(1));
    assert_eq!(entry.take(T0, false, &rules()), job(Step::Fetch, Some(re(1))));
    entry.answer(T0, Answer::Done, &rules());
    assert_eq!(entry.step, Step::Wait);
    assert!(entry.hear(T0 + S, false, &News::Over(T0 + S)));
    assert_eq!(entry.take(T0 + S, false, &rules()), job(Step::Transcribe, Some(re(1))));
}

#[test]
fn a_recording_without_words_leaves_the_turns() {
    let mut entry = with_recording();
    entry.take(T0, false, &rules());
    entry.answer(T0, Answer::Done, &rules());
    entry.answer(T0, Answer::Read(Words::Open), &rules());
    assert_eq!(entry.take(T0, false, &rules()), job(Step::Settle, None));
}

#[test]
fn somebody_who_asks_for_words_has_recordings_read_again_only_where_there_are_none() {
    let mut entry = with_recording();
    entry.take(T0, false, &rules());
    entry.answer(T0, Answer::Done, &rules());
    entry.answer(T0, refused(), &rules());
    entry.answer(T0, Answer::Read(Words::Failed), &rules());
    assert_eq!(entry.step, Step::Done);
    assert!(entry.hear(T0, false, &News::Transcribe));
    assert!(!entry.hear(T0, false, &News::Transcribe), "it was asked already");
    assert_eq!(entry.take(T0, false, &rules()), job(Step::Transcribe, Some(re(1))));
    entry.answer(T0, Answer::Read(Words::Settled), &rules());
    assert!(!entry.hear(T0, false, &News::Transcribe), "there are words");
    assert_eq!(entry.step, Step::Summarise);
}

#[test]
fn somebody_who_asks_for_words_too_early_does_not_have_the_recording_passed_over() {
    let mut entry = Ledger::open(T0);
    entry.hear(T0, false, &News::Recording(re(1), RecordingState::Started));
    assert!(entry.hear(T0, false, &News::Transcribe), "while the call goes on");
    entry.hear(T0 + S, false, &News::Over(T0 + S));
    assert_eq!(entry.take(T0 + S, false, &rules()), None);
    assert_eq!((entry.step, entry.next_at), (Step::Wait, T0 + 601 * S));
    entry.hear(T0 + 3 * S, false, &announced(1));
    assert_eq!(entry.take(T0 + 3 * S, false, &rules()), job(Step::Fetch, Some(re(1))));
    entry.answer(T0 + 3 * S, Answer::Done, &rules());
    assert_eq!(entry.take(T0 + 3 * S, false, &rules()), job(Step::Transcribe, Some(re(1))));
}

#[test]
fn a_job_that_kills_whoever_takes_it_is_given_up() {
    let mut entry = with_recording();
    assert!(entry.take(T0, false, &rules()).is_some());
    for _ in 0..MOST_TAKEOVERS {
        assert_eq!(entry.take(T0, true, &rules()), job(Step::Fetch, Some(re(1))));
    }
    assert_eq!(entry.take(T0, true, &rules()), job(Step::Settle, None));
    assert_eq!(entry.recordings[0].state, RecordingState::Failed);
}

#[test]
fn a_call_without_a_record_of_its_own_is_over_when_its_carrier_says_so() {
    let over = |carrier, now| over_without_record(carrier, T0, now);
    let late = T0 + 60 * S;
    assert_eq!(over(None, T0), None);
    assert_eq!(over(None, late), Some(T0));
    assert_eq!(over(Some((CallStatus::InProgress, None)), late), None);
    assert_eq!(over(Some((CallStatus::Completed, Some(T0 + S))), late), None);
    assert_eq!(over(Some((CallStatus::Completed, Some(T0 + S))), late + S), Some(T0 + S));
}
