//! Outgoing webhooks: the events that businesses are told of, and what has become of telling each.
//!
//! An event is noted by the transaction that changes the fact it tells of ([`tell`]), and by no other; so it is lost only
//! with the fact. Whoever sends claims what is due ([`DeliveryWriter::claim`]) for as long as a lease lasts, and says what
//! came of it ([`DeliveryWriter::settle`]); a sender that dies says nothing, and the lease ends.

mod read;
mod rows;
mod secrets;
mod sender;
mod tell;

use crate::engine::delivery::{DeliveryState, EventId, EventKind, Secret};
use crate::engine::ids::BusinessId;

use super::reads::CallRecord;

pub use secrets::StoredSecret;
pub use sender::{Claim, DeliveryWriter, Outcome, Settled};
pub(super) use tell::{News, completed, tell};

/// An event, and what has become of telling it. Times are microseconds since 1970-01-01 UTC.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// The event's name, the same in each try.
    pub id: EventId,
    /// Whom it is told.
    pub business: BusinessId,
    /// What happened.
    pub kind: EventKind,
    /// To what it happened: a call's sid, a campaign's id.
    pub subject: String,
    /// What is told, unless that is made of a call's record when it is sent.
    pub body: Option<serde_json::Value>,
    /// What has become of it.
    pub state: DeliveryState,
    /// How often it was tried, or is being tried now.
    pub tries: u32,
    /// When it is tried next, if it is waiting.
    pub next_try_at: i64,
    /// When it was tried first; `None`: not yet.
    pub first_try_at: Option<i64>,
    /// What the receiver answered last, as an HTTP status.
    pub last_status: Option<u16>,
    /// Why the last try failed.
    pub last_error: Option<String>,
    /// When it happened.
    pub created_at: i64,
    /// When it was delivered, given up or stopped.
    pub settled_at: Option<i64>,
}

/// A delivery's place in the list: the newest first.
pub type DeliveryPlace = (i64, String);

/// What a sender needs besides the delivery itself.
#[derive(Clone, Debug)]
pub struct Brief {
    /// Where the business wants to be told; `None`: nowhere.
    pub url: Option<String>,
    /// What it is signed with, the newest first.
    pub secrets: Vec<Secret>,
    /// The record of the call that the event is about.
    pub record: Option<CallRecord>,
}
