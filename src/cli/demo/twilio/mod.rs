//! A carrier to test against: it plays Twilio over real HTTP and WebSocket, and is stricter than Twilio is.
//!
//! ```text
//! FakeTwilio::inbound_call ─ POST /twilio/voice ─▶ TwiML ─▶ wss …  ─▶ PhoneCall
//!                                                                      │ speak, press, wait_until…
//!                          CallReport ◀─ action, status callback ◀─ hang_up | ended
//! ```
//!
//! It shares no code with the engine: its own JSON, µ-law, signature and XML. What the engine gets wrong in
//! both directions at once would else never be noticed. The caller's ear is a buffer that drains in real
//! time ([`Ear`]); marks are answered when that ear has heard what came before them. What Twilio would not
//! accept becomes a [`Complaint`]; a call without complaints has an empty list.

mod call;
mod call_report;
mod carrier;
mod carrier_error;
mod complaint;
mod ear;
mod http;
mod line;
mod message;
mod mouth;
mod ringing;
mod sid;
mod signature;
mod twiml;
pub mod ulaw;
mod xml;

pub use call::PhoneCall;
pub use call_report::{CallReport, EndedBy, MarkSeen};
pub use carrier::{CallIdentity, FakeTwilio};
pub use carrier_error::CarrierError;
pub use complaint::Complaint;
pub use ear::{Cleared, Ear, Heard, Span, as_ms, sounds};
pub use http::{Answer, HttpError, Request};
pub use line::Observed;
pub use ringing::{Ringing, StreamOptions};
pub use sid::fresh as fresh_sid;
pub use signature::{Signature, sign};
pub use twiml::{Connect, TwimlError, Verb};

#[cfg(test)]
pub(super) mod tests;
