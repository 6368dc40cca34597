//! How good a call was: its figures become a score, a verdict, and findings that say what to do.
//!
//! The score begins at 100. Each [`Fault`] that the figures show takes points away, never below 0:
//!
//! | fault | shown by | points | reason |
//! |---|---|---|---|
//! | `internal-fault` | the call ended by a fault of ours | 80 | the caller was cut off, and nobody but us could help it |
//! | `wrong-audio` | the call ended since the carrier's audio was of another kind | 80 | nobody could understand anything |
//! | `agent-unavailable` | the call ended since there was no agent | 80 | nobody answered the caller |
//! | `stream-lost` | the call ended since the media stream broke | 40 | the caller was cut off, after some conversation |
//! | `agent-lost` | the agent was lost, and the call went on | 15 each, 45 at most | a pause of seconds each time |
//! | `no-caller-audio` | no frame from the caller in 3 s or more | 60 | there is no conversation |
//! | `no-agent-audio` | no frame to the caller in 5 s or more | 60 | there is no conversation |
//! | `caller-silent` | the detector judged 10 s or more and found no speech | 30 | the caller said nothing, or could not be heard |
//! | `caller-audio-dropped` | 1 % of the caller's frames dropped; 5 % | 10; 30 | a lost word; lost sentences |
//! | `choppy` | 1 % of the agent's frames missing; 5 % | 10; 30 | to be heard; hard to follow |
//! | `slow-first-audio` | first audio 3 s after the answer; 6 s | 10; 30 | callers say "hello?"; callers hang up |
//! | `slow-answers` | answers after 2 s in the mean; 4 s | 15; 35 | a pause that is noticed; callers speak into it |
//! | `slow-barge-in` | the slowest interruption took 500 ms; 1 s | 10; 25 | both speak at once; the agent seems deaf |
//! | `media-faults` | 1 message on the media socket made no sense; 10 | 5; 20 | a hiccup; a carrier that speaks otherwise |
//!
//! The verdict follows from the score: see [`Verdict`].
//!
//! The score counts every fault, so that a worse figure never gives a better score. The findings leave out what
//! another finding explains: an agent that was unavailable was also silent, and only the first is worth a remedy.

mod fault;
#[cfg(test)]
mod tests;

use crate::engine::call::{CallStats, HangupCause};

pub use fault::{Fault, Severity};

/// What a score means to a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Below 25: there was no conversation.
    Critical,
    /// From 25: the caller suffered.
    Poor,
    /// From 50: the caller noticed.
    Fair,
    /// From 75: a fault that few callers mind.
    Good,
    /// From 90.
    Excellent,
}

impl Verdict {
    /// Every verdict, the worst first.
    pub const ALL: [Self; 5] = [Self::Critical, Self::Poor, Self::Fair, Self::Good, Self::Excellent];

    /// The verdict on a score of 0 to 100.
    pub const fn of(score: u8) -> Self {
        match score {
            90.. => Self::Excellent,
            75.. => Self::Good,
            50.. => Self::Fair,
            25.. => Self::Poor,
            _ => Self::Critical,
        }
    }

    /// Its name, in capitals.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Excellent => "EXCELLENT",
            Self::Good => "GOOD",
            Self::Fair => "FAIR",
            Self::Poor => "POOR",
            Self::Critical => "CRITICAL",
        }
    }
}

/// One thing that went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is.
    pub fault: Fault,
    /// Points that it took, 1 to 100.
    pub points: u8,
    /// The figures it rests on, for a person.
    pub figures: String,
}

/// How good a call was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quality {
    /// 0 to 100.
    pub score: u8,
    /// What that means.
    pub verdict: Verdict,
    /// What went wrong and is explained by nothing else: in the order of [`Fault::ALL`].
    pub findings: Vec<Finding>,
}

/// Judges a call that is over by its final figures and the cause of its end.
pub fn judge(stats: &CallStats, cause: HangupCause) -> Quality {
    let shown: Vec<Finding> = Fault::ALL.into_iter().filter_map(|fault| fault.find(stats, cause)).collect();
    let lost: u32 = shown.iter().map(|finding| u32::from(finding.points)).sum();
    let score = u8::try_from(100_u32.saturating_sub(lost)).unwrap_or(0);
    let is_explained = |finding: &Finding| shown.iter().any(|other| other.fault.explains().contains(&finding.fault));
    let findings = shown.iter().filter(|finding| !is_explained(finding)).cloned().collect();
    Quality { score, verdict: Verdict::of(score), findings }
}
