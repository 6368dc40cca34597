//! What is to be done about the recordings and the words of one call: each recording fetched once, the words settled once.
//!
//! ```text
//!   news ──hear──▶ ┌────────┐ ──take──▶ job: one at a time, by whoever holds the entry
//!                  │ Ledger │
//!                  └────────┘ ◀─answer─ what came of it
//! ```
//!
//! The next step is never remembered as a plan: it follows from what is there, so that news in any order, on any node, lead to
//! the same ([`Ledger::take`] looks again each time).
//!
//! | what is there, in this order | step |
//! |---|---|
//! | words without a summary, where summaries are made | [`Step::Summarise`] |
//! | a recording that is complete at the carrier, or must be by now, the first heard of first | [`Step::Fetch`] |
//! | a recording in the store that nobody has read, while words are wanted and the call is over | [`Step::Transcribe`] |
//! | no words, and a recording that may still come, or a call that goes on | [`Step::Wait`] |
//! | no words, and nothing left that could give any | [`Step::Settle`], from the turns |
//! | words, and a recording that was begun and may still come | [`Step::Wait`] |
//! | everything | [`Step::Done`] |
//!
//! A step that fails is tried again after a pause that doubles ([`Backoff`]), and given up after so many tries. What is tried again
//! later holds up nothing that can be done before: each recording, and the words, count their tries for themselves ([`Retry`]), and
//! the first step is taken whose time has come. Whoever dies while he tries gives no answer; that is counted apart, and a step that
//! nobody survives is given up, too. Times are microseconds since 1970-01-01 UTC.

mod plan;

use std::time::Duration;

use super::{RecordingId, RecordingState, Step};
use crate::engine::status::CallStatus;
use crate::engine::transcript::TranscriptSource;
use plan::Planned;

/// How long a recording of which nobody has told is waited for after the call's end. 30 s: the carrier tells within seconds.
pub const GRACE: Duration = Duration::from_secs(30);
/// How long a call's own record is waited for after the carrier said that the call is over. 60 s: it is written within seconds,
/// but a node that died writes it when it is back.
pub const RECORD_WITHIN: Duration = Duration::from_secs(60);
/// How many may die at one step before it is given up. 10: a job that kills its process is known by then, and that one and the same job
/// meets so many crashes that it has no part in is next to impossible.
pub const MOST_TAKEOVERS: u32 = 10;

/// When a step that failed is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The pause after the first try; it doubles with each.
    pub first: Duration,
    /// … up to this.
    pub longest: Duration,
    /// How many tries there are.
    pub tries: u32,
}

impl Backoff {
    /// The pause after so many tries have failed, 1 at least.
    pub fn pause(&self, tries: u32) -> Duration {
        let doubled = 2u32.saturating_pow(tries.saturating_sub(1));
        self.first.saturating_mul(doubled).min(self.longest)
    }
}

/// How often something was tried, and when it is to be tried again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retry {
    /// How often it failed.
    pub tries: u32,
    /// Not before this; 0: at once.
    pub at: i64,
}

/// What is done here at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// When a carrier is asked again that did not give a recording.
    pub fetch: Backoff,
    /// When a recogniser, or who sums up, is tried again.
    pub transcribe: Backoff,
    /// How long a recording that was started is waited for after the call's end.
    pub await_recording: Duration,
    /// Whether there is a recogniser.
    pub transcribes: bool,
    /// Whether calls are summed up.
    pub summarises: bool,
}

/// A recording, as far as the ledger cares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its name.
    pub id: RecordingId,
    /// How far it has come.
    pub state: RecordingState,
    /// Whether words were made of it, or given up.
    pub is_read: bool,
    /// How often it was tried to fetch it or, once it is here, to read it.
    pub retry: Retry,
}

/// Whether a call's words are settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// Not yet.
    Open,
    /// There are none. A new recording may give some.
    Failed,
    /// They are, and nothing replaces them.
    Settled,
}

impl From<Option<TranscriptSource>> for Words {
    fn from(source: Option<TranscriptSource>) -> Self {
        match source {
            None => Self::Open,
            Some(TranscriptSource::Failed) => Self::Failed,
            Some(TranscriptSource::Realtime | TranscriptSource::Recording) => Self::Settled,
        }
    }
}

/// What is heard of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// Of a recording of it, from whoever makes it.
    Recording(RecordingId, RecordingState),
    /// The call is over, and what was said on it is stored.
    Over(i64),
    /// Somebody wants its recordings now, also those that were given up.
    Fetch,
    /// Somebody wants its words now, though there seemed to be none.
    Transcribe,
}

/// What a step came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is done: the recording is in the store, the summary is made.
    Done,
    /// The recording was read, or the turns; with this, the words stand so.
    Read(Words),
    /// It failed.
    Failed(Setback),
    /// It was not tried.
    GivenBack,
}

/// Why a step failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setback {
    /// In words.
    pub reason: String,
    /// Whether trying again may help.
    pub may_pass: bool,
    /// Whether it was a try: not if nobody was asked.
    pub counts: bool,
    /// How long it makes no sense to try again.
    pub not_before: Option<Duration>,
}

/// What is to be done now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// What; never [`Step::Wait`] or [`Step::Done`].
    pub step: Step,
    /// With which recording, for [`Step::Fetch`] and [`Step::Transcribe`].
    pub recording: Option<RecordingId>,
}

/// One call's entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    /// Its recordings, in the order in which they were heard of.
    pub recordings: Vec<Known>,
    /// What is to be done next.
    pub step: Step,
    /// With which recording.
    pub recording: Option<RecordingId>,
    /// How often it was tried to settle the words or, once they are, to sum them up.
    pub retry: Retry,
    /// How often whoever tried this step gave no answer.
    pub takeovers: u32,
    /// When it is to be done.
    pub next_at: i64,
    /// When something was first heard of the call.
    pub opened_at: i64,
    /// When the call was over; `None` while it goes on.
    pub over_at: Option<i64>,
    /// Whether its words are settled.
    pub words: Words,
    /// Whether somebody asked for words though there seemed to be none.
    pub is_asked: bool,
    /// Whether a summary was made, or given up.
    pub is_summed_up: bool,
    /// Why the last try failed, or what was given up.
    pub reason: Option<String>,
}

impl Ledger {
    /// The entry of a call of which something is heard for the first time.
    pub const fn open(now: i64) -> Self {
        Self {
            recordings: Vec::new(),
            step: Step::Wait,
            recording: None,
            retry: Retry { tries: 0, at: 0 },
            takeovers: 0,
            next_at: now,
            opened_at: now,
            over_at: None,
            words: Words::Open,
            is_asked: false,
            is_summed_up: false,
            reason: None,
        }
    }

    /// Takes in what is heard; whether it was new. While somebody is at it (`is_held`) he goes on, and looks again when he is done.
    pub fn hear(&mut self, now: i64, is_held: bool, news: &News) -> bool {
        let is_new = match news {
            News::Recording(id, state) => self.hear_of_recording(id, *state),
            News::Over(at) => self.over_at.replace(self.over_at.unwrap_or(*at)).is_none(),
            News::Fetch => self.revive(),
            News::Transcribe => self.ask_for_words(),
        };
        if is_held {
            return is_new;
        }
        // Not one that somebody may be at, whose lease has just run out: his answer may still come.
        let is_idle = matches!(self.step, Step::Wait | Step::Done) || self.next_at > now;
        if is_new && is_idle {
            (self.step, self.recording, self.next_at) = (Step::Wait, None, now);
        }
        if matches!(news, News::Fetch | News::Transcribe) && self.step != Step::Done {
            self.recordings.iter_mut().for_each(|known| known.retry.at = known.retry.at.min(now));
            self.retry.at = self.retry.at.min(now);
            self.next_at = now;
        }
        is_new
    }

    fn hear_of_recording(&mut self, id: &RecordingId, state: RecordingState) -> bool {
        use RecordingState::{Absent, Announced, Failed, Fetched, Started, Unkept};
        let Some(known) = self.recordings.iter_mut().find(|known| known.id == *id) else {
            self.recordings.push(Known { id: id.clone(), state, is_read: false, retry: Retry::default() });
            return true;
        };
        let is_later = match id {
            RecordingId::Carrier(_) => {
                matches!((known.state, state), (Started, Announced | Failed | Absent) | (Absent, Announced))
            }
            RecordingId::Own(_) => {
                matches!((known.state, state), (Started, Fetched | Failed | Unkept) | (Unkept, Fetched))
            }
        };
        if is_later {
            (known.state, known.retry) = (state, Retry::default());
        }
        is_later
    }

    /// Whether there is a recording that is here, or that somebody could be asked for.
    pub fn is_fetchable(&self) -> bool {
        self.recordings.iter().any(|known| match (&known.id, known.state) {
            (_, RecordingState::Absent | RecordingState::Expired) => false,
            (RecordingId::Own(_), state) => state != RecordingState::Failed,
            (RecordingId::Carrier(_), _) => true,
        })
    }

    /// What was given up is wanted again. One that was made here and holds nothing can be had from nowhere; one that the store did not
    /// take is brought there by the node that has it.
    fn revive(&mut self) -> bool {
        let mut is_any = false;
        for known in &mut self.recordings {
            let again = match (&known.id, known.state) {
                (RecordingId::Carrier(_), RecordingState::Failed) => RecordingState::Announced,
                (RecordingId::Own(_), RecordingState::Unkept) => RecordingState::Started,
                _ => continue,
            };
            (known.state, known.retry, is_any) = (again, Retry::default(), true);
        }
        is_any
    }

    fn ask_for_words(&mut self) -> bool {
        if self.words == Words::Settled || self.is_asked {
            return false;
        }
        for known in &mut self.recordings {
            if std::mem::take(&mut known.is_read) {
                known.retry = Retry::default();
            }
        }
        self.is_asked = true;
        true
    }

    /// Whoever takes the entry is told what to do; `None`: nothing, now. If it was held by somebody who gave no answer
    /// (`was_held`), that is counted.
    pub fn take(&mut self, now: i64, was_held: bool, rules: &Rules) -> Option<Job> {
        if was_held {
            self.takeovers = self.takeovers.saturating_add(1);
            if self.takeovers > MOST_TAKEOVERS {
                self.give_up(format!("{} tries in a row ended without an answer", self.takeovers));
            }
        }
        self.plan(now, rules);
        let is_due = self.next_at <= now && !matches!(self.step, Step::Wait | Step::Done);
        is_due.then(|| Job { step: self.step, recording: self.recording.clone() })
    }

    /// Takes in what came of the job, and plans what is next.
    pub fn answer(&mut self, now: i64, answer: Answer, rules: &Rules) {
        match answer {
            Answer::Done => {
                match self.step {
                    Step::Fetch => self.mark(RecordingState::Fetched),
                    Step::Summarise => (self.is_summed_up, self.retry) = (true, Retry::default()),
                    Step::Wait | Step::Transcribe | Step::Settle | Step::Done => {}
                }
                self.reason = None;
            }
            Answer::Read(words) => {
                self.mark_read();
                if self.step == Step::Settle || words == Words::Settled {
                    (self.words, self.is_asked, self.retry) = (words, false, Retry::default());
                }
                self.reason = None;
            }
            Answer::Failed(setback) => self.failed(now, setback, rules),
            Answer::GivenBack => self.next_at = now,
        }
        self.plan(now, rules);
    }

    fn failed(&mut self, now: i64, setback: Setback, rules: &Rules) {
        let backoff = if self.step == Step::Fetch { rules.fetch } else { rules.transcribe };
        let mut retry = self.retry_of_step().copied().unwrap_or_default();
        retry.tries = retry.tries.saturating_add(u32::from(setback.counts));
        // An answer is an answer: whoever gave it survived the job.
        self.takeovers = 0;
        if !setback.may_pass || retry.tries >= backoff.tries {
            return self.give_up(setback.reason);
        }
        let pause = if setback.counts { backoff.pause(retry.tries) } else { Duration::ZERO };
        retry.at = later(now, pause.max(setback.not_before.unwrap_or_default()));
        if let Some(of_step) = self.retry_of_step() {
            *of_step = retry;
        }
        self.reason = Some(setback.reason);
    }

    /// The tries of the present step.
    fn retry_of_step(&mut self) -> Option<&mut Retry> {
        match self.step {
            Step::Fetch | Step::Transcribe => self.known().map(|known| &mut known.retry),
            Step::Settle | Step::Summarise => Some(&mut self.retry),
            Step::Wait | Step::Done => None,
        }
    }

    /// The recording of the present step.
    fn known(&mut self) -> Option<&mut Known> {
        self.recordings.iter_mut().find(|known| Some(&known.id) == self.recording.as_ref())
    }

    /// The step is not tried any more; what it was for goes on without it.
    fn give_up(&mut self, reason: String) {
        match self.step {
            Step::Fetch => self.mark(RecordingState::Failed),
            Step::Transcribe => self.mark_read(),
            Step::Settle => (self.words, self.is_asked, self.retry) = (Words::Failed, false, Retry::default()),
            Step::Summarise => (self.is_summed_up, self.retry) = (true, Retry::default()),
            Step::Wait | Step::Done => {}
        }
        self.reason = Some(reason);
    }

    fn mark(&mut self, state: RecordingState) {
        if let Some(known) = self.known() {
            (known.state, known.retry) = (state, Retry::default());
        }
    }

    fn mark_read(&mut self) {
        if let Some(known) = self.known() {
            (known.is_read, known.retry) = (true, Retry::default());
        }
    }

    /// Finds the next step. One that stays the same and is due keeps its place among those that are.
    fn plan(&mut self, now: i64, rules: &Rules) {
        let Planned { step, recording, at } = self.next(now, rules);
        let is_same = step == self.step && recording == self.recording;
        if !is_same {
            self.takeovers = 0;
        }
        if !is_same || at > now || self.next_at > now {
            self.next_at = at.max(now);
        }
        (self.step, self.recording) = (step, recording);
    }
}

/// When a call was over that tells of no end of its own: `carrier` is what its carrier said, if anybody knows the call.
///
/// A call that nobody knows is over from the first that is heard of it. `None`: it goes on, or its own record may still come.
pub fn over_without_record(carrier: Option<(CallStatus, Option<i64>)>, opened_at: i64, now: i64) -> Option<i64> {
    let ended_at = match carrier {
        None => opened_at,
        Some((status, ended_at)) if status.is_final() => ended_at.unwrap_or(opened_at),
        Some(_) => return None,
    };
    (now >= later(ended_at, RECORD_WITHIN)).then_some(ended_at)
}

fn later(from: i64, by: Duration) -> i64 {
    from.saturating_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests;
