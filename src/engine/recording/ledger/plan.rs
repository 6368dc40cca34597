//! Which step is next: it follows from what is there.

use std::time::Duration;

use super::{GRACE, Known, Ledger, Rules, Words, later};
use crate::engine::recording::{RecordingId, RecordingState, Step};

/// When a call that goes on is looked at again, should nobody tell of its end.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// A step that could be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Planned {
    pub step: Step,
    pub recording: Option<RecordingId>,
    /// Not before this.
    pub at: i64,
}

impl Planned {
    /// To look again then, and never at this very moment.
    fn wait(now: i64, until: i64) -> Self {
        Self { step: Step::Wait, recording: None, at: until.max(now.saturating_add(1)) }
    }
}

impl Ledger {
    /// The first step whose time has come; if there is none, the one whose time comes first.
    pub(super) fn next(&self, now: i64, rules: &Rules) -> Planned {
        let mut open = Vec::new();
        if self.is_to_sum_up(rules) {
            open.push(Planned { step: Step::Summarise, recording: None, at: self.retry.at });
        }
        self.plan_recordings(now, rules, &mut open);
        let gives_words = open.iter().any(|planned| planned.step != Step::Summarise);
        if !gives_words {
            open.extend(self.plan_words(now, rules));
        }
        let due = open.iter().position(|planned| planned.at <= now);
        let soonest = || (0..open.len()).min_by_key(|n| open[*n].at);
        match due.or_else(soonest) {
            Some(chosen) => open.swap_remove(chosen),
            None => Planned { step: Step::Done, recording: None, at: now },
        }
    }

    /// The first recording to be fetched, and the first to be read, in the order in which they were heard of. The second of either
    /// kind waits for the first.
    fn plan_recordings(&self, now: i64, rules: &Rules, open: &mut Vec<Planned>) {
        let (mut fetches, mut reads) = (false, false);
        for known in &self.recordings {
            let planned = |step| Planned { step, recording: Some(known.id.clone()), at: known.retry.at };
            match (&known.id, known.state) {
                (RecordingId::Carrier(_), RecordingState::Announced) if !fetches => {
                    fetches = true;
                    open.push(planned(Step::Fetch));
                }
                (RecordingId::Carrier(_), RecordingState::Started) if !fetches && self.is_overdue(now, rules) => {
                    fetches = true;
                    open.push(planned(Step::Fetch));
                }
                (_, RecordingState::Fetched) if !reads && self.is_to_read(known, rules) => {
                    reads = true;
                    open.push(match self.over_at {
                        Some(_) => planned(Step::Transcribe),
                        None => Planned::wait(now, later(now, LOOK_AGAIN)),
                    });
                }
                _ => {}
            }
        }
    }

    /// What is to be done where no recording is to be fetched or read.
    fn plan_words(&self, now: i64, rules: &Rules) -> Option<Planned> {
        let look_again = Planned::wait(now, later(now, LOOK_AGAIN));
        if self.words == Words::Open || (self.words == Words::Failed && self.is_asked) {
            let Some(over_at) = self.over_at else { return Some(look_again) };
            let until = later(over_at, self.patience(rules));
            let settle = Planned { step: Step::Settle, recording: None, at: self.retry.at };
            return Some(if now < until { Planned::wait(now, until) } else { settle });
        }
        // One that is begun is fetched, though nobody waits for its words: should the carrier not tell, it is asked.
        let is_begun =
            |known: &Known| known.state == RecordingState::Started && matches!(known.id, RecordingId::Carrier(_));
        self.recordings.iter().any(is_begun).then(|| match self.over_at {
            Some(over_at) => Planned::wait(now, later(over_at, rules.await_recording)),
            None => look_again,
        })
    }

    fn is_to_read(&self, known: &Known, rules: &Rules) -> bool {
        rules.transcribes && !known.is_read && self.words != Words::Settled
    }

    fn is_to_sum_up(&self, rules: &Rules) -> bool {
        self.words == Words::Settled && rules.summarises && !self.is_summed_up
    }

    /// Whether nothing more is done about the words: they are settled, and summed up where that is done. Recordings may still be to
    /// be fetched.
    pub fn has_told_all(&self, rules: &Rules) -> bool {
        self.words == Words::Settled && !self.is_to_sum_up(rules)
    }

    /// Whether the carrier should have said by now that a recording is complete. That it did not come to us doesn't mean that
    /// it did not say so: the carrier is asked.
    fn is_overdue(&self, now: i64, rules: &Rules) -> bool {
        self.over_at.is_some_and(|over_at| now >= later(over_at, rules.await_recording))
    }

    /// How long after the call's end its words can still come from a recording.
    fn patience(&self, rules: &Rules) -> Duration {
        if self.recordings.iter().any(|known| known.state == RecordingState::Started) {
            rules.await_recording
        } else if self.recordings.is_empty() {
            GRACE
        } else {
            Duration::ZERO
        }
    }
}
