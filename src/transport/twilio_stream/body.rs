//! The socket's two directions, as the HTTP server sees them: the request's body and the response's.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use actix_web::Error;
use actix_web::error::PayloadError;
use actix_web::web::Payload;
use bytes::Bytes;
use futures_util::Stream;

use super::outbox::Outbox;

/// What the carrier sends.
///
/// The server lays what it has read into the payload and then polls the response, in one task and always in this
/// order. The payload would wake that same task each time: one poll for nothing per message, and a call has fifty
/// a second. So it is given nobody to wake.
pub(super) struct FromCarrier(pub Payload);

impl Stream for FromCarrier {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.0).poll_next(&mut Context::from_waker(Waker::noop()))
    }
}

/// What is sent to the carrier: what the call has written, then what the socket's actor says itself.
pub(super) struct ToCarrier<S> {
    pub socket: Pin<Box<S>>,
    pub outbox: Outbox,
}

impl<S: Stream<Item = Result<Bytes, Error>>> Stream for ToCarrier<S> {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.outbox.wakes(task.waker());
        match self.outbox.take() {
            Some(bytes) => Poll::Ready(Some(Ok(bytes))),
            None => self.socket.as_mut().poll_next(task),
        }
    }
}
