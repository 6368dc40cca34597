//! Calls that we have told an Asterisk to connect: whose they are, known before their audio comes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::engine::ids::{BusinessId, PhoneNumber};
use crate::engine::status::CallDirection;
use crate::engine::wire::audiosocket::CallUuid;

/// A call whose audio is about to come.
#[derive(Clone, Debug)]
pub struct ExpectedCall {
    /// Whose.
    pub business: BusinessId,
    /// Who called whom.
    pub direction: CallDirection,
    /// The caller's number, where it is one and known.
    pub from: Option<PhoneNumber>,
    /// The called number, likewise.
    pub to: Option<PhoneNumber>,
    /// What the agent is told of the person or the matter, of a call that we placed.
    pub notes: Vec<(String, String)>,
    /// What the dialplan wants of it.
    pub wishes: Wishes,
}

/// What a dialplan wants of a call, besides whose it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// The voice agent, by its name; where that can't be had, the business's own.
    pub agent: Option<String>,
    /// The first words of the call.
    pub greeting: Option<String>,
    /// Whether the caller can be handed over to another number.
    pub can_transfer: bool,
}

/// The calls of this node that are expected. Cheap to clone.
///
/// Asterisk may have connected before it has answered us, and on another thread: so it is written down before it is asked.
#[derive(Clone, Default)]
pub struct ExpectedCalls(Arc<Book>);

#[derive(Default)]
struct Book {
    calls: Mutex<HashMap<CallUuid, ExpectedCall>>,
}

impl ExpectedCalls {
    /// Expects a call.
    pub fn expect(&self, id: CallUuid, call: ExpectedCall) {
        self.0.calls.lock().unwrap_or_else(PoisonError::into_inner).insert(id, call);
    }

    /// The call of this UUID, once: it has come, or will not.
    pub fn take(&self, id: &CallUuid) -> Option<ExpectedCall> {
        self.0.calls.lock().unwrap_or_else(PoisonError::into_inner).remove(id)
    }
}
