//! The table of the ledger, and what holds whatever is heard in whatever order.

use std::time::Duration;

use proptest::prelude::*;

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
    assert_eq!(entry.take(T0 + 60 * S, false, &rules()), job(Step::Fetch, Some(re(2))));
    entry.answer(T0 + 60 * S, Answer::Done, &rules());
    assert_eq!(entry.step, Step::Summarise, "nobody pays for words that there are");
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
    assert_eq!((entry.tries, entry.next_at), (0, T0 + 7 * S));
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
        assert!(!entry.has_told_all());
        assert_eq!(entry.take(T0, false, &rules()).unwrap().step, expected);
        let answer = if expected == Step::Transcribe { Answer::Read(Words::Settled) } else { Answer::Done };
        entry.answer(T0, answer, &rules());
    }
    assert_eq!((entry.step, entry.next_at), (Step::Wait, T0 + 600 * S));
    assert!(entry.has_told_all(), "nobody waits for it to be told of the words");
    assert_eq!(entry.take(T0 + 599 * S, false, &rules()), None);
    assert_eq!(entry.take(T0 + 600 * S, false, &rules()), job(Step::Fetch, Some(re(2))));
    entry.answer(T0 + 600 * S, Answer::Done, &rules());
    assert_eq!(entry.step, Step::Done, "nobody pays for words that there are");
}

#[test]
fn a_recording_of_our_own_that_failed_is_fetched_from_nowhere_whoever_wants_it() {
    let mut entry = Ledger::open(T0);
    let own = RecordingId::Own(format!("CA{:032x}", 1).parse().unwrap());
    entry.hear(T0, false, &News::Recording(own.clone(), RecordingState::Failed));
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

/// What may happen next to an entry, in a world of several nodes that die.
#[derive(Clone, Debug)]
enum Deed {
    Hear(News),
    Take,
    Done,
    Fail(bool),
    Crash,
    Later,
}

fn any_deed() -> impl Strategy<Value = Deed> {
    let state = proptest::sample::select(vec![
        RecordingState::Started,
        RecordingState::Announced,
        RecordingState::Announced,
        RecordingState::Failed,
        RecordingState::Absent,
    ]);
    prop_oneof![
        3 => (1u8..4, state).prop_map(|(n, state)| Deed::Hear(News::Recording(re(n), state))),
        1 => Just(Deed::Hear(News::Over(T0))),
        1 => Just(Deed::Hear(News::Fetch)),
        1 => Just(Deed::Hear(News::Transcribe)),
        6 => Just(Deed::Take),
        4 => Just(Deed::Done),
        2 => any::<bool>().prop_map(Deed::Fail),
        1 => Just(Deed::Crash),
        2 => Just(Deed::Later),
    ]
}

/// A world with one entry, and who holds it.
struct World {
    entry: Ledger,
    now: i64,
    held: Option<Job>,
    is_abandoned: bool,
    fetched: Vec<RecordingId>,
    settled: u32,
    jobs: u32,
}

impl World {
    fn new() -> Self {
        let entry = Ledger::open(T0);
        Self { entry, now: T0, held: None, is_abandoned: false, fetched: vec![], settled: 0, jobs: 0 }
    }

    fn do_it(&mut self, deed: &Deed) {
        match deed {
            Deed::Hear(news) => {
                self.entry.hear(self.now, self.held.is_some() || self.is_abandoned, news);
            }
            Deed::Take if self.held.is_none() => {
                self.held = self.entry.take(self.now, std::mem::take(&mut self.is_abandoned), &rules());
                self.jobs += u32::from(self.held.is_some());
            }
            Deed::Done => self.finish(true, true),
            Deed::Fail(may_pass) => self.finish(false, *may_pass),
            Deed::Crash => self.is_abandoned |= self.held.take().is_some(),
            Deed::Later => self.now += 3_000 * S,
            Deed::Take => {}
        }
    }

    fn finish(&mut self, is_done: bool, may_pass: bool) {
        let Some(job) = self.held.take() else { return };
        let answer = match (is_done, job.step) {
            (false, _) => Answer::Failed(Setback { reason: String::new(), may_pass, counts: true, not_before: None }),
            (true, Step::Transcribe | Step::Settle) => {
                assert_ne!(self.entry.words, Words::Settled, "words are settled twice");
                self.settled += 1;
                Answer::Read(Words::Settled)
            }
            (true, Step::Fetch) => {
                let id = job.recording.clone().unwrap();
                assert!(!self.fetched.contains(&id), "{id} is fetched twice");
                self.fetched.push(id);
                Answer::Done
            }
            (true, _) => Answer::Done,
        };
        self.entry.answer(self.now, answer, &rules());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn whatever_happens_each_recording_is_fetched_once_the_words_settle_once_and_the_work_ends(
        deeds in proptest::collection::vec(any_deed(), 0..80),
    ) {
        let mut world = World::new();
        for deed in &deeds {
            world.do_it(deed);
            prop_assert!(world.entry.tries <= rules().fetch.tries && world.entry.takeovers <= MOST_TAKEOVERS);
        }
        // From now on nobody dies, and everything goes well.
        world.do_it(&Deed::Hear(News::Over(T0)));
        let before = world.jobs;
        for _ in 0..40 {
            [Deed::Take, Deed::Done, Deed::Later].iter().for_each(|deed| world.do_it(deed));
        }
        prop_assert_eq!(world.entry.step, Step::Done);
        prop_assert!(world.settled <= 1 && world.entry.words != Words::Open);
        prop_assert!(world.jobs - before <= 9, "no job comes back that was done");
        let open = world.entry.recordings.iter().filter(|known| known.state == RecordingState::Announced);
        prop_assert_eq!(open.count(), 0);
    }

    #[test]
    fn news_of_different_recordings_lead_to_the_same_whatever_comes_first(
        news in proptest::sample::subsequence(
            vec![announced(1), announced(2), News::Over(T0), News::Recording(re(3), RecordingState::Started)], 0..=4,
        ).prop_shuffle(),
        again in any::<bool>(),
    ) {
        let (mut one, mut other) = (Ledger::open(T0), Ledger::open(T0));
        news.iter().for_each(|news| assert!(one.hear(T0, false, news)));
        news.iter().rev().for_each(|news| assert!(other.hear(T0, false, news)));
        if again {
            news.iter().for_each(|news| assert!(!other.hear(T0, false, news)));
        }
        one.recordings.sort_by(|a, b| a.id.cmp(&b.id));
        other.recordings.sort_by(|a, b| a.id.cmp(&b.id));
        prop_assert_eq!(one.take(T0, false, &rules()), other.take(T0, false, &rules()));
        prop_assert_eq!(one, other);
    }
}
