//! Where a session stands, as a type: what is not legal yet can't be made.
//!
//! ```text
//! Opened ── session.created ──▶ Confirming ── session.updated, as wanted ──▶ Ready
//!                                  │  ▲                                         │
//!                  refused, once ──┘  └──────── another audio format ───────────┘
//! ```
//!
//! Every message but `session.update` takes a [`Confirmed`], which only [`Phase::Ready`] holds.

use std::time::Duration;

/// The proof that the vendor's session is as we want it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Confirmed(());

/// Where a session stands. Times are on the session's own clock, which starts when its socket opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The socket is open; `session.created` must come by then.
    Opened {
        /// The latest moment.
        until: Duration,
    },
    /// `session.update` went out; `session.updated` must come by then.
    Confirming {
        /// How much was asked for.
        attempt: Attempt,
        /// The latest moment.
        until: Duration,
    },
    /// Anything may be sent.
    Ready(Confirmed),
}

/// How much a `session.update` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// Everything.
    Full,
    /// Everything but the voice: the vendor takes none once it has been heard (`cannot_update_voice`).
    AllButVoice,
    /// Only that without which the call can't be held.
    Reduced,
}

impl Phase {
    /// The vendor's echo was as wanted.
    pub(super) fn confirm(&mut self) {
        *self = Self::Ready(Confirmed(()));
    }

    /// The proof, where there is one.
    pub(super) fn confirmed(&self) -> Option<Confirmed> {
        match self {
            Self::Ready(proof) => Some(*proof),
            Self::Opened { .. } | Self::Confirming { .. } => None,
        }
    }
}
