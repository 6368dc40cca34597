//! What has become of a lead that was dialled: read from its job and its call, whoever told of them.
//!
//! A slot of the campaign is taken by each lead in an open state. It is free as soon as any of the ends is seen: the
//! carrier's status, the end of the media stream, the sweeper's finding; each of them alone is enough, and none counts twice.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::LeadState;
use crate::engine::outbound::{JobState, UnknownWord, words};
use crate::engine::status::CallStatus;

/// A carrier that has not answered by then is not going to; longer than a request to it may take.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);

/// How the call to a lead ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Somebody answered.
    Completed,
    /// The line was busy.
    Busy,
    /// Nobody answered.
    NoAnswer,
    /// Taken back before anyone answered.
    Canceled,
    /// Could not be connected.
    Failed,
    /// The carrier placed no call.
    NotPlaced,
    /// It was not found out in time whether there was a call.
    Unknown,
}

words!(Outcome {
    Completed => "completed",
    Busy => "busy",
    NoAnswer => "no-answer",
    Canceled => "canceled",
    Failed => "failed",
    NotPlaced => "not-placed",
    Unknown => "unknown",
});

impl Outcome {
    /// The state of a lead whose call ended so.
    pub const fn state(self) -> LeadState {
        match self {
            Self::Completed => LeadState::Completed,
            Self::Busy => LeadState::Failed,
            Self::NoAnswer => LeadState::Failed,
            Self::Canceled => LeadState::Failed,
            Self::Failed => LeadState::Failed,
            Self::NotPlaced => LeadState::Failed,
            Self::Unknown => LeadState::Failed,
        }
    }

    /// How a call with this final status ended; `None` of one that goes on.
    const fn of(status: CallStatus) -> Option<Self> {
        match status {
            CallStatus::Queued | CallStatus::Initiated | CallStatus::Ringing | CallStatus::InProgress => None,
            CallStatus::Completed => Some(Self::Completed),
            CallStatus::Busy => Some(Self::Busy),
            CallStatus::NoAnswer => Some(Self::NoAnswer),
            CallStatus::Canceled => Some(Self::Canceled),
            CallStatus::Failed => Some(Self::Failed),
            CallStatus::Rejected => Some(Self::Failed),
        }
    }
}

/// What is known of a lead's job and of its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// How far the job has come.
    pub job: JobState,
    /// How long ago the carrier was asked.
    pub since_dialled: Duration,
    /// How far the call has come, as far as anybody told.
    pub call: Option<CallStatus>,
    /// Whether its media stream was there and has ended.
    pub media_is_over: bool,
}

/// What is new of a lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeadNews {
    /// How far it has come.
    pub state: LeadState,
    /// How it ended, if it did.
    pub outcome: Option<Outcome>,
}

/// What is new of a lead in an open state, if anything is. A call of which it is not known whether it is there is given up
/// after `patience`.
pub fn follow(state: LeadState, seen: &Sighting, patience: Duration) -> Option<LeadNews> {
    let ended = |outcome: Outcome| LeadNews { state: outcome.state(), outcome: Some(outcome) };
    let open = |state: LeadState| LeadNews { state, outcome: None };
    if !LeadState::OPEN.contains(&state) {
        return None;
    }
    let is_given_up = seen.since_dialled > patience.max(ANSWERED_WITHIN);
    let news = match (seen.job, seen.call.and_then(Outcome::of)) {
        (JobState::Placed, Some(outcome)) => ended(outcome),
        (JobState::Placed, None) if seen.media_is_over => ended(Outcome::Completed),
        (JobState::Placed, None) => open(LeadState::Calling),
        (JobState::NotPlaced, _) => ended(Outcome::NotPlaced),
        (JobState::Unknown | JobState::Dialling | JobState::Waiting, _) if is_given_up => ended(Outcome::Unknown),
        (JobState::Unknown, _) => open(LeadState::Unknown),
        (JobState::Dialling | JobState::Waiting, _) if seen.since_dialled > ANSWERED_WITHIN => {
            open(LeadState::Unknown) // the node that asked has died
        }
        (JobState::Dialling | JobState::Waiting, _) => open(LeadState::Dialing),
    };
    (news.state != state).then_some(news)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(300);

    fn seen(job: JobState, seconds: u64) -> Sighting {
        Sighting { job, since_dialled: Duration::from_secs(seconds), call: None, media_is_over: false }
    }

    #[test]
    fn a_lead_follows_its_job_and_its_call() {
        use JobState::{Dialling, NotPlaced, Placed, Unknown};
        let call = |status| Sighting { call: Some(status), ..seen(Placed, 9) };
        let news = |state, outcome| Some(LeadNews { state, outcome });
        let end = |outcome: Outcome| news(outcome.state(), Some(outcome));
        for (state, seen, expected) in [
            (LeadState::Dialing, seen(Dialling, 1), None),
            (LeadState::Dialing, seen(Dialling, 31), news(LeadState::Unknown, None)),
            (LeadState::Dialing, seen(Unknown, 10), news(LeadState::Unknown, None)),
            (LeadState::Unknown, seen(Dialling, 299), None),
            (LeadState::Unknown, seen(Unknown, 301), end(Outcome::Unknown)),
            (LeadState::Unknown, seen(Placed, 400), news(LeadState::Calling, None)),
            (LeadState::Unknown, seen(NotPlaced, 120), end(Outcome::NotPlaced)),
            (LeadState::Dialing, seen(NotPlaced, 1), end(Outcome::NotPlaced)),
            (LeadState::Dialing, call(CallStatus::Ringing), news(LeadState::Calling, None)),
            (LeadState::Calling, call(CallStatus::InProgress), None),
            (LeadState::Calling, call(CallStatus::Completed), end(Outcome::Completed)),
            (LeadState::Dialing, call(CallStatus::Busy), end(Outcome::Busy)),
            (LeadState::Calling, call(CallStatus::NoAnswer), end(Outcome::NoAnswer)),
            (
                LeadState::Calling,
                Sighting { media_is_over: true, ..call(CallStatus::InProgress) },
                end(Outcome::Completed),
            ),
            (LeadState::Completed, call(CallStatus::Busy), None),
            (LeadState::Failed, seen(Placed, 500), None),
            (LeadState::Queued, seen(Placed, 5), None),
        ] {
            assert_eq!(follow(state, &seen, PATIENCE), expected, "{state} {seen:?}");
        }
    }

    fn any_sighting() -> impl Strategy<Value = Sighting> {
        let job = proptest::sample::select(JobState::ALL);
        let call = proptest::option::of(proptest::sample::select(&CallStatus::ALL[..]));
        (job, 0..1_000u64, call, any::<bool>()).prop_map(|(job, seconds, call, media_is_over)| Sighting {
            call,
            media_is_over,
            ..seen(job, seconds)
        })
    }

    proptest! {
        /// Whatever is seen in whatever order: a lead ends once, and stays as it ended.
        #[test]
        fn a_lead_ends_once_and_has_an_outcome_exactly_then(
            sightings in proptest::collection::vec(any_sighting(), 0..20),
        ) {
            let (mut state, mut ends) = (LeadState::Dialing, 0);
            for seen in &sightings {
                let Some(news) = follow(state, seen, PATIENCE) else { continue };
                prop_assert_eq!(news.outcome.is_some(), !LeadState::OPEN.contains(&news.state));
                ends += usize::from(news.outcome.is_some());
                state = news.state;
            }
            prop_assert!(ends <= 1);
            prop_assert_ne!(state, LeadState::Queued);
        }

        /// However little is ever told, a lead of unknown outcome does not hold its slot for ever.
        #[test]
        fn what_nobody_tells_is_given_up(job in proptest::sample::select(JobState::ALL), state in 0..3usize) {
            prop_assume!(job != JobState::Placed);
            let news = follow(LeadState::OPEN[state], &seen(job, 301), PATIENCE);
            prop_assert!(news.is_some_and(|news| news.outcome.is_some()));
        }
    }
}
