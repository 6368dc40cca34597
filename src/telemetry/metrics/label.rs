//! What may be a label: closed lists of words.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use crate::engine::call::{AgentCounter, AgentLoss, FrameDrop, HangupCause};
use crate::engine::quality::Verdict;
use crate::telemetry::Refusal;

/// A closed list of words, each a value of one label.
pub(in crate::telemetry) trait Label: Copy + 'static {
    /// The label's name.
    const NAME: &'static str;
    /// Every value, so that each time series is there from the start, at 0.
    const ALL: &'static [Self];

    /// The value's word.
    fn word(self) -> &'static str;
}

impl Label for HangupCause {
    const NAME: &'static str = "cause";
    const ALL: &'static [Self] = &HangupCause::ALL;

    fn word(self) -> &'static str {
        self.as_str()
    }
}

impl Label for Verdict {
    const NAME: &'static str = "verdict";
    const ALL: &'static [Self] = &Verdict::ALL;

    fn word(self) -> &'static str {
        Verdict::word(self)
    }
}

macro_rules! label {
    ($type:ident, $name:literal, { $($variant:ident => $word:literal),+ $(,)? }) => {
        impl Label for $type {
            const NAME: &'static str = $name;
            const ALL: &'static [Self] = &[$(Self::$variant),+];

            fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }
    };
}

label!(Refusal, "reason", {
    BadSignature => "bad_signature",
    UnknownNumber => "unknown_number",
    OtherAccount => "other_account",
    StartTimeout => "start_timeout",
    BadToken => "bad_token",
    SecondSocket => "second_socket",
    UnknownUuid => "unknown_uuid",
    NoUuid => "no_uuid",
    MediaUnsupported => "media_unsupported",
    OtherOrigin => "other_origin",
    NotLoggedIn => "not_logged_in",
    TooManySockets => "too_many_sockets",
    TooManyConnects => "too_many_connects",
    Draining => "draining",
    Overloaded => "overloaded",
    Full => "full",
    BusinessFull => "business_full",
    OutboundFull => "outbound_full",
    CapacityUnknown => "capacity_unknown",
});
label!(FrameDrop, "reason", {
    MailboxFull => "mailbox_full",
    AgentBehind => "agent_behind",
    NoAgent => "no_agent",
});
label!(AgentLoss, "loss", {
    Refused => "refused",
    Unreachable => "unreachable",
    Dropped => "dropped",
    Stalled => "stalled",
});
label!(AgentCounter, "kind", {
    UnknownEvent => "unknown_event",
    VendorError => "vendor_error",
    StaleAudio => "stale_audio",
    FormatFallback => "format_fallback",
    Renewed => "renewed",
});

/// A word that stands in the code, and so is one of few.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word(pub(super) &'static str);

/// An HTTP method.
#[derive(Clone, Copy, Debug)]
pub(super) struct Method(pub(super) &'static str);

/// An HTTP status that we answer with.
#[derive(Clone, Copy, Debug)]
pub(super) struct StatusCode(pub(super) u16);

/// The names of voice agents: few, but not known to the compiler.
#[derive(Default)]
pub(super) struct AgentNames(Mutex<BTreeSet<String>>);

/// So many vendors there will never be; more names than that are no names.
const AGENTS: usize = 16;

impl AgentNames {
    /// The name, or `other` if there are too many of them.
    pub(super) fn bounded(&self, name: &str) -> String {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains(name) {
            if known.len() == AGENTS {
                return "other".to_owned();
            }
            known.insert(name.to_owned());
        }
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_never_end_share_one_series() {
        let names = AgentNames::default();
        let distinct: BTreeSet<String> = (0..1_000).map(|n| names.bounded(&format!("agent{n}"))).collect();
        assert_eq!(distinct.len(), AGENTS + 1);
        assert_eq!(names.bounded("agent3"), "agent3");
    }
}
