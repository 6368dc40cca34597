//! The REST interface of an Asterisk (ARI): what we ask of it, and the socket on which it tells.
//!
//! Every question has a time limit: a channel that Asterisk holds locked makes a request wait for as long as it is.

mod events;
mod rest;

use futures_util::future::LocalBoxFuture;
use thiserror::Error;

use crate::engine::wire::ari::{AriChannel, AriEvent};

pub use rest::{AriSettings, AsteriskRest};

/// What a question to Asterisk comes to.
pub type AriAnswer<'a, T> = LocalBoxFuture<'a, Result<T, AriError>>;

/// Why Asterisk did not do what it was asked. No text holds a number or a password.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AriError {
    /// There was no connection: nothing was asked.
    #[error("Asterisk can't be reached: {0}")]
    Unreachable(String),
    /// It was asked, and did not answer in time: it may have done it, or do it yet.
    #[error("Asterisk did not answer: {0}")]
    NoAnswer(String),
    /// The user or the password is wrong.
    #[error("Asterisk refused the user or the password (HTTP {0})")]
    Unauthorised(u16),
    /// There is no such channel, bridge, variable or application.
    #[error("Asterisk does not know it")]
    NotFound,
    /// It will not, or can't.
    #[error("Asterisk refused (HTTP {0})")]
    Refused(u16),
    /// Its answer makes no sense.
    #[error("Asterisk's answer can't be read: {0}")]
    Unreadable(&'static str),
}

impl AriError {
    /// Whether what was asked for may have been done all the same.
    pub const fn outcome_is_unknown(&self) -> bool {
        matches!(self, Self::NoAnswer(_) | Self::Unreadable(_) | Self::Refused(500..))
    }
}

/// A channel that carries a call's audio, to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaChannel {
    /// The channel's id.
    pub channel: String,
    /// The UUID with which it says whose audio it is.
    pub uuid: String,
    /// Where its audio goes: a host and a port.
    pub host: String,
    /// Asterisk's name for its format, as in `slin16`.
    pub format: &'static str,
}

/// A call that Asterisk shall place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewChannel {
    /// The channel's id.
    pub channel: String,
    /// Whom to call and over what, as in `PJSIP/+14155550100@trunk`.
    pub endpoint: String,
    /// What is shown as the caller.
    pub caller: String,
    /// What the application is told of it when it is answered.
    pub args: String,
    /// How long it may ring, in seconds.
    pub ring_s: u64,
}

/// An Asterisk. Every method may take as long as its limit; none blocks.
pub trait Ari: Send + Sync {
    /// Whether it is there and takes our password.
    fn ping(&self) -> AriAnswer<'_, ()>;

    /// Whether somebody is connected for an application.
    fn has_application<'a>(&'a self, name: &'a str) -> AriAnswer<'a, bool>;

    /// Connects for an application's events.
    fn events(&self) -> AriAnswer<'_, Box<dyn AriEvents>>;

    /// Every channel there is.
    fn channels(&self) -> AriAnswer<'_, Vec<AriChannel>>;

    /// The ids of all bridges.
    fn bridges(&self) -> AriAnswer<'_, Vec<String>>;

    /// The value of a channel's variable; `None` if it has none.
    fn variable<'a>(&'a self, channel: &'a str, name: &'a str) -> AriAnswer<'a, Option<String>>;

    /// Answers a channel.
    fn answer<'a>(&'a self, channel: &'a str) -> AriAnswer<'a, ()>;

    /// Makes a bridge that mixes, under this id.
    fn make_bridge<'a>(&'a self, bridge: &'a str) -> AriAnswer<'a, ()>;

    /// Puts a channel into a bridge.
    fn join<'a>(&'a self, bridge: &'a str, channel: &'a str) -> AriAnswer<'a, ()>;

    /// Takes a bridge away. One that is gone is no error.
    fn drop_bridge<'a>(&'a self, bridge: &'a str) -> AriAnswer<'a, ()>;

    /// Makes a channel that carries a call's audio here.
    fn make_media<'a>(&'a self, media: &'a MediaChannel) -> AriAnswer<'a, ()>;

    /// Places a call.
    fn place<'a>(&'a self, call: &'a NewChannel) -> AriAnswer<'a, ()>;

    /// Sends a channel on in the dialplan: to the beginning of an extension of a context, or to where it is.
    fn go_on<'a>(&'a self, channel: &'a str, to: Option<(&'a str, &'a str)>) -> AriAnswer<'a, ()>;

    /// Ends a channel. One that is gone is no error.
    fn hang_up<'a>(&'a self, channel: &'a str) -> AriAnswer<'a, ()>;
}

/// What an Asterisk tells, one after the other.
pub trait AriEvents {
    /// The next event; one that can't be read is told as its fault.
    ///
    /// # Errors
    /// The connection is lost: nothing comes any more.
    fn next(&mut self) -> AriAnswer<'_, Result<AriEvent, crate::engine::wire::ari::AriEventError>>;
}
