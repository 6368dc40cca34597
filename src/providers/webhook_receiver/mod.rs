//! The receivers of outgoing webhooks: servers of strangers, whose addresses others typed in.
//!
//! So nothing about them is trusted. Where a request may go is decided by [`Reach`], on the address that is really
//! connected to; redirects are not followed, the answer's body is not read, and all of it has an end in time.

mod client;
mod networks;
mod reach;

use futures_util::future::LocalBoxFuture;
use thiserror::Error;

pub use client::HttpReceiver;
pub use networks::{BadNetwork, Network};
pub use reach::{Allowed, BadAllowed, Reach};

/// One webhook, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    /// Where to.
    pub url: String,
    /// `Trunkline-Event-Id`.
    pub event_id: String,
    /// `Trunkline-Signature`.
    pub signature: String,
    /// JSON.
    pub body: Vec<u8>,
}

/// Takes webhooks to their receivers.
pub trait Receiver {
    /// Sends one: the HTTP status of the answer.
    fn post(&self, post: Post) -> LocalBoxFuture<'_, Result<u16, PostError>>;
}

/// Why there was no answer. No message repeats more of the URL than its host.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PostError {
    /// It is no address that can be sent to.
    #[error("the webhook's URL can't be used: {0}")]
    BadUrl(String),
    /// It leads where no webhook may go.
    #[error(
        "{0} is not allowed: webhooks go to public addresses by https, and elsewhere only if webhooks.allow_private names it"
    )]
    Forbidden(String),
    /// The name has no address.
    #[error("the host's name can't be resolved: {0}")]
    Unresolved(String),
    /// There was no answer in time.
    #[error("no answer within {0} ms")]
    TimedOut(u128),
    /// No connection, or one that broke.
    #[error("no connection: {0}")]
    Unreachable(String),
}

impl PostError {
    /// The word under which it is counted.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::BadUrl(_) => "bad_url",
            Self::Forbidden(_) => "forbidden",
            Self::Unresolved(_) => "unresolved",
            Self::TimedOut(_) => "timed_out",
            Self::Unreachable(_) => "unreachable",
        }
    }
}
