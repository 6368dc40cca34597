//! Why the carrier did not do what it was asked, and what may be done about it.

use std::time::Duration;

use thiserror::Error;

/// Why the carrier did not do what it was asked. No text holds a telephone number.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CarrierError {
    /// There was no connection: nothing was asked, so nothing was done.
    #[error("the carrier can't be reached: {0}")]
    Unreachable(String),
    /// It was asked, and no whole answer came in time: it may have done it, or do it yet.
    #[error("the carrier was asked and did not answer: {0}")]
    NoAnswer(String),
    /// The credentials are wrong, or may not do this.
    #[error("the carrier refused the account's credentials (HTTP {0})")]
    Unauthorised(u16),
    /// It knows no such call or number, in this account.
    #[error("the carrier does not know it")]
    NotFound,
    /// The call is over: it can't be changed any more.
    #[error("the call is over")]
    Over,
    /// Too many requests; nothing was done.
    #[error("the carrier takes no more requests at the moment (HTTP 429)")]
    TooMany {
        /// For how long, if it says so.
        retry_after: Option<Duration>,
    },
    /// A fault of its own: it may have done it.
    #[error("the carrier has a fault (HTTP {0})")]
    Faulty(u16),
    /// It will not do it: the request is wrong.
    #[error("the carrier refused (HTTP {status}, error {code})")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The carrier's own number for the reason; 0 if it gave none.
        code: u32,
    },
    /// It says that it was done, in words that can't be read.
    #[error("the carrier's answer can't be read: {0}")]
    Unreadable(&'static str),
}

impl CarrierError {
    /// Whether the same request could succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::NoAnswer(_) => true,
            Self::Unauthorised(_) => false,
            Self::NotFound => false,
            Self::Over => false,
            Self::TooMany { .. } => true,
            Self::Faulty(_) => true,
            Self::Refused { .. } => false,
            Self::Unreadable(_) => false,
        }
    }

    /// Whether what was asked for may have been done all the same, or may be done yet.
    pub fn outcome_is_unknown(&self) -> bool {
        match self {
            Self::Unreachable(_) => false,
            Self::NoAnswer(_) => true,
            Self::Unauthorised(_) => false,
            Self::NotFound => false,
            Self::Over => false,
            Self::TooMany { .. } => false,
            Self::Faulty(_) => true,
            Self::Refused { .. } => false,
            Self::Unreadable(_) => true,
        }
    }

    /// How long the carrier wants to be left alone, if it said so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooMany { retry_after } => *retry_after,
            _ => None,
        }
    }
}
