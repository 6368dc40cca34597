//! What holds whatever is heard in whatever order.

use proptest::prelude::*;

use super::*;

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
    let own_state = proptest::sample::select(vec![
        RecordingState::Started,
        RecordingState::Fetched,
        RecordingState::Failed,
        RecordingState::Unkept,
    ]);
    prop_oneof![
        3 => (1u8..4, state).prop_map(|(n, state)| Deed::Hear(News::Recording(re(n), state))),
        1 => own_state.prop_map(|state| Deed::Hear(News::Recording(own(), state))),
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
            let mut tries = world.entry.recordings.iter().map(|known| known.retry.tries).chain([world.entry.retry.tries]);
            prop_assert!(tries.all(|tries| tries < rules().fetch.tries) && world.entry.takeovers <= MOST_TAKEOVERS);
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
