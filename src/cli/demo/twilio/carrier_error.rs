//! Why a call did not come about.

use std::time::Duration;

use thiserror::Error;

use super::http::HttpError;
use super::twiml::{TwimlError, Verb};

/// Why a call did not come about, or did not go as it was wanted.
#[derive(Debug, Error)]
pub enum CarrierError {
    /// A URL that the carrier can't use.
    #[error("{what} {url:?} can't be used: {why}")]
    Url {
        /// Which URL.
        what: &'static str,
        /// As it was given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// A request that was not answered at all.
    #[error("{what}: {error}")]
    Http {
        /// Which request.
        what: &'static str,
        /// What happened.
        error: HttpError,
    },
    /// A request that was answered with something else than TwiML.
    #[error("{what} was answered with HTTP {status} and content type {content_type:?}")]
    Answer {
        /// Which request.
        what: &'static str,
        /// The HTTP status.
        status: u16,
        /// The content type.
        content_type: String,
    },
    /// TwiML that the carrier does not accept.
    #[error("{what} was answered with bad TwiML: {error}")]
    Twiml {
        /// Which request.
        what: &'static str,
        /// What is wrong.
        error: TwimlError,
    },
    /// The call was answered, but not with a media stream.
    #[error("the call was not connected; the instructions are {0:?}")]
    NotConnected(Vec<Verb>),
    /// The WebSocket upgrade was refused.
    #[error("31920: the upgrade was refused with HTTP {0}")]
    UpgradeRefused(u16),
    /// The WebSocket could not be opened for another reason.
    #[error("31921: the media stream could not be opened: {0}")]
    Upgrade(String),
    /// The stream ended before what was waited for.
    #[error("the stream ended while waiting for {waiting_for}")]
    StreamEnded {
        /// What was waited for.
        waiting_for: &'static str,
    },
    /// What was waited for did not come.
    #[error("waited {} ms for {waiting_for}", within.as_millis())]
    TimedOut {
        /// What was waited for.
        waiting_for: &'static str,
        /// How long.
        within: Duration,
    },
}
