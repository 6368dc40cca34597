//! The carrier's REST interface: what we ask of it, beyond what its webhooks and sockets carry.
//!
//! | what | may be asked again after a failure |
//! |---|---|
//! | fetch a call, list calls and numbers | always: nothing changes |
//! | hang up, update, set a number's addresses | always: doing it twice leaves what doing it once leaves |
//! | place a call, start a recording | only if it is certain that nothing was done |
//!
//! Implementations keep to this table by themselves, with time limits and a few tries; what they return is final. An error
//! whose [`outcome_is_unknown`](CarrierError::outcome_is_unknown) leaves open whether a call was placed: whoever asked must
//! find out, and must never dial again blindly.

mod error;
mod twilio_rest;
mod values;

use futures_util::future::LocalBoxFuture;

use crate::engine::ids::{CallSid, NumberSid, PhoneNumber, RecordingSid};

pub use error::CarrierError;
pub use twilio_rest::TwilioRest;
pub use values::{
    CallNow, CallsSought, CarrierCall, CarrierNumber, MachineDetection, NewCall, NewRecording, NumberUrls,
};

/// What a question to the carrier comes to.
pub type CarrierAnswer<'a, T> = LocalBoxFuture<'a, Result<T, CarrierError>>;

/// The carrier that holds the telephone line. Every method may take as long as the network does; none blocks.
pub trait Carrier: Send + Sync {
    /// Places a call.
    fn place<'a>(&'a self, call: &'a NewCall) -> CarrierAnswer<'a, CallSid>;

    /// Ends a call. One that is over already is no error.
    fn hang_up<'a>(&'a self, call: &'a CallSid) -> CarrierAnswer<'a, ()>;

    /// Gives a call that goes on other instructions; its media stream ends by that.
    fn update<'a>(&'a self, call: &'a CallSid, now: &'a CallNow) -> CarrierAnswer<'a, ()>;

    /// What the carrier knows of a call.
    fn call<'a>(&'a self, call: &'a CallSid) -> CarrierAnswer<'a, CarrierCall>;

    /// The calls between two numbers since some time, newest first; at most 50.
    fn calls<'a>(&'a self, sought: &'a CallsSought) -> CarrierAnswer<'a, Vec<CarrierCall>>;

    /// The account's telephone numbers: all (at most 1,000), or the one that is asked for.
    fn numbers<'a>(&'a self, only: Option<&'a PhoneNumber>) -> CarrierAnswer<'a, Vec<CarrierNumber>>;

    /// Sets where the carrier asks about calls to a number, and where it tells of them.
    fn set_number<'a>(&'a self, number: &'a NumberSid, urls: &'a NumberUrls) -> CarrierAnswer<'a, CarrierNumber>;

    /// Starts to record a call that goes on.
    fn record<'a>(&'a self, call: &'a CallSid, recording: &'a NewRecording) -> CarrierAnswer<'a, RecordingSid>;
}
