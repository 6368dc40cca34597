//! What happens to recordings and to the words of calls.

use std::time::Duration;

use crate::engine::ids::CallSid;

/// Something was done about a recording, or the words of a call. A step is `fetching`, `transcribing`, `settling`,
/// `summarising` or `waiting`.
#[derive(Clone, Copy, Debug)]
pub enum RecordingsEvent<'a> {
    /// Somebody told of a recording, or wants one or its words.
    Triggered {
        /// `new`, `known`: it joins what is being done, or done; `spooled`: it waits for the database.
        result: &'static str,
    },
    /// A step is begun.
    Begun {
        /// Which.
        step: &'static str,
        /// Whether somebody had begun it before and gave no answer.
        is_taken_over: bool,
    },
    /// It has ended well.
    Done {
        /// Which.
        step: &'static str,
        /// How long it took.
        took: Duration,
    },
    /// It failed, and is tried again or not.
    Failed {
        /// Which.
        step: &'static str,
    },
    /// It is tried no more.
    GivenUp {
        /// Of which call.
        call: &'a CallSid,
        /// Which.
        step: &'static str,
        /// Why.
        error: &'a str,
    },
    /// Whoever has the recordings, or reads them, doesn't let us.
    Refused {
        /// Which step needs it.
        step: &'static str,
        /// What it said.
        error: &'a str,
    },
    /// A step was stopped, for the lease on it could not be kept.
    LeaseLost,
    /// A step came to something after another node had taken it: that was not taken.
    AnsweredTooLate,
    /// The words of a call are settled.
    Settled {
        /// `realtime`, `recording`, `failed`.
        source: &'static str,
    },
    /// So many calls stand before a step, on all nodes.
    Waiting {
        /// Which.
        step: &'static str,
        /// How many.
        count: u64,
    },
    /// The table of this work can't be used, though the database answers.
    NotRead {
        /// What the store said.
        error: &'a str,
    },
}
