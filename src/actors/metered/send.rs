//! The two ways to send.

use std::future::Future;
use std::time::Duration;

use actix::dev::ToEnvelope;
use actix::{Addr, Handler, Message};
use thiserror::Error;

use super::{Metered, MeteredActor};

/// Why a question has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AskError {
    /// The actor has stopped, or its handler panicked.
    #[error("the actor has stopped or failed")]
    Closed,
    /// No answer in time. The message stays queued and will be handled.
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
}

/// Sends an order: always queued, past any limit, unless the actor has stopped. For rare messages only.
pub fn order<A, M>(addr: &Addr<A>, message: M)
where
    A: MeteredActor + Handler<M>,
    Metered<A>: ToEnvelope<A, M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    addr.do_send(message);
}

/// Sends a question and waits at most `limit` for the answer.
///
/// The message is sent at once and handled even if the returned future is dropped or its time is up: an HTTP
/// client that goes away must not cancel a status write. Needs an actix event loop on this thread.
pub fn ask<A, M>(
    addr: &Addr<A>,
    message: M,
    limit: Duration,
) -> impl Future<Output = Result<M::Result, AskError>> + use<A, M>
where
    A: MeteredActor + Handler<M>,
    Metered<A>: ToEnvelope<A, M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    // Dropping `request` would cancel the message, so it lives in a task of its own.
    let request = addr.send(message);
    let answer = actix_rt::spawn(request);
    async move {
        match actix_rt::time::timeout(limit, answer).await {
            Ok(Ok(Ok(answer))) => Ok(answer),
            Ok(_) => Err(AskError::Closed),
            Err(_) => Err(AskError::Timeout(limit)),
        }
    }
}
