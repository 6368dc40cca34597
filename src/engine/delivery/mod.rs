//! Outgoing webhooks: what a business is told of, under which name, when it is tried again, and how it is signed.
//!
//! An event is told at least once. Each try of it carries the same [`EventId`], which is made of what happened, so that
//! every node and every repetition gives the same. A try that fails is followed by another after [`Retries::pause`], until
//! [`Retries::give_up_after`] the first.
//!
//! ```
//! use trunkline::engine::delivery::{EventId, EventKind};
//!
//! let id = EventId::of(EventKind::CallCompleted, "CA00000000000000000000000000000001");
//! assert_eq!(id, EventId::of(EventKind::CallCompleted, "CA00000000000000000000000000000001"));
//! assert_ne!(id, EventId::of(EventKind::CallTranscribed, "CA00000000000000000000000000000001"));
//! ```

mod places;
mod signature;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use sha2::{Digest, Sha256};

pub use places::{Places, Room};
pub use signature::{Secret, SignatureFault, header, verify};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventKind {
    /// A call is over, whatever came of it.
    CallCompleted,
    /// The words of a call are settled, and there are some.
    CallTranscribed,
    /// A campaign has tried everybody.
    CampaignCompleted,
    /// Nothing: somebody wants to know whether webhooks arrive.
    Test,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::CallCompleted, Self::CallTranscribed, Self::CampaignCompleted, Self::Test];

    /// Its word, as it is stored and sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CallCompleted => "call.completed",
            Self::CallTranscribed => "call.transcribed",
            Self::CampaignCompleted => "campaign.completed",
            Self::Test => "webhook.test",
        }
    }

    /// Whether its body is made of a call's record when it is sent.
    pub const fn is_of_a_call(self) -> bool {
        match self {
            Self::CallCompleted | Self::CallTranscribed => true,
            Self::CampaignCompleted | Self::Test => false,
        }
    }
}

/// What has become of telling an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeliveryState {
    /// It is to be sent, or sent again.
    Waiting,
    /// The receiver took it.
    Delivered,
    /// The receiver did not take it for as long as it was tried.
    GivenUp,
    /// It is not tried any more: the receiver said 410, or there is nobody to tell.
    Stopped,
}

impl DeliveryState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Waiting, Self::Delivered, Self::GivenUp, Self::Stopped];

    /// Its word, as it is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::GivenUp => "given_up",
            Self::Stopped => "stopped",
        }
    }
}

/// A word that is none of those expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no such word")]
pub struct UnknownWord;

impl FromStr for EventKind {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(UnknownWord)
    }
}

impl FromStr for DeliveryState {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(UnknownWord)
    }
}

/// The name of an event: `evt_` and 32 hexadecimal digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(String);

const PREFIX: &str = "evt_";

impl EventId {
    /// The name of the event of this kind about this thing: a call's sid, a campaign's id.
    pub fn of(kind: EventKind, subject: &str) -> Self {
        let digest = Sha256::digest(format!("{}\n{subject}", kind.as_str()).as_bytes());
        Self(format!("{PREFIX}{}", signature::hex(&digest[..16])))
    }

    /// As it is stored and sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EventId {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        let digits = text.strip_prefix(PREFIX).ok_or(UnknownWord)?;
        let is_hex = digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if digits.len() == 32 && is_hex { Ok(Self(text.to_owned())) } else { Err(UnknownWord) }
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// When an event is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retries {
    /// After the first try that failed; it doubles with each.
    pub first_pause: Duration,
    /// … up to this.
    pub longest_pause: Duration,
    /// From the first try on.
    pub give_up_after: Duration,
}

impl Retries {
    /// The pause after so many tries have failed, 1 at least.
    pub fn pause(&self, tries: u32) -> Duration {
        let doubled = 2u32.saturating_pow(tries.saturating_sub(1));
        self.first_pause.saturating_mul(doubled).min(self.longest_pause)
    }

    /// When an event is tried again that was tried first at `first`, and so many times until `now`; `None`: it is given
    /// up. Times are microseconds since 1970-01-01 UTC.
    pub fn next(&self, first: i64, tries: u32, now: i64) -> Option<i64> {
        let micros = |length: Duration| i64::try_from(length.as_micros()).unwrap_or(i64::MAX);
        let next = now.saturating_add(micros(self.pause(tries)));
        (next <= first.saturating_add(micros(self.give_up_after))).then_some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn usual() -> Retries {
        let s = Duration::from_secs;
        Retries { first_pause: s(10), longest_pause: s(3_600), give_up_after: s(86_400) }
    }

    #[test]
    fn a_failing_receiver_is_asked_again_for_a_day_and_then_left_alone() {
        let (mut now, mut tries, mut pauses) = (0, 1, Vec::new());
        while let Some(next) = usual().next(0, tries, now) {
            pauses.push((next - now) / 1_000_000);
            (now, tries) = (next, tries + 1);
        }
        assert_eq!(pauses[..10], [10, 20, 40, 80, 160, 320, 640, 1_280, 2_560, 3_600]);
        assert_eq!(tries, 32, "tries in all");
        assert!(now > 23 * 3_600 * 1_000_000, "the last one is within an hour of the day's end");
    }

    #[test]
    fn words_are_read_back_as_they_were_written() {
        assert!(EventKind::ALL.into_iter().all(|kind| kind.as_str().parse() == Ok(kind)));
        assert!(DeliveryState::ALL.into_iter().all(|state| state.as_str().parse() == Ok(state)));
        let id = EventId::of(EventKind::Test, "x");
        assert_eq!(id.as_str().parse(), Ok(id.clone()));
        for wrong in ["", "evt_", "evt_0", &id.as_str().to_uppercase(), &id.as_str()[1..]] {
            assert_eq!(wrong.parse::<EventId>(), Err(UnknownWord), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_pause_is_longer_than_the_longest_nor_shorter_than_the_first(tries in 1u32..) {
            let pause = usual().pause(tries);
            prop_assert!(pause >= usual().first_pause && pause <= usual().longest_pause);
        }
    }
}
