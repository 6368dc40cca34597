//! What the call sends to the carrier, on its way to the socket.
//!
//! Call and socket live on one thread: the call writes its messages, as WebSocket frames, into bytes that the
//! socket's task takes with the next write. Nothing is allocated for a frame. A peer that does not read stops the
//! taking; then frames are refused, so that nothing piles up, and the call goes on beside it.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::Waker;

use actix::Addr;
use actix_http::ws::{OpCode, Parser};
use bytes::{Bytes, BytesMut};

use crate::actors::call::MediaPort;
use crate::engine::audio::{Hz8k, PcmFrame};
use crate::engine::ids::Mark;
use crate::engine::wire::media_stream::StreamEncoder;

use super::{CloseStream, TwilioStream};

/// How many messages wait for the socket before frames are refused: 1.3 s of frames.
const FRAMES: usize = 64;
/// How many wait before marks are refused, too. A call whose frames are refused ends before its marks are so many.
const MARKS: usize = 4 * FRAMES;
/// Room for what one poll writes: a lead of frames and their marks.
const ROOM_BYTES: usize = 2 * 1024;

/// The socket's end.
#[derive(Clone, Default)]
pub(super) struct Outbox(Rc<RefCell<Waiting>>);

#[derive(Default)]
struct Waiting {
    bytes: BytesMut,
    messages: usize,
    text: String,
    socket: Option<Waker>,
    is_closed: bool,
}

impl Outbox {
    /// Takes everything that waits, if anything does.
    pub fn take(&self) -> Option<Bytes> {
        let mut waiting = self.0.borrow_mut();
        waiting.messages = 0;
        (!waiting.bytes.is_empty()).then(|| waiting.bytes.split().freeze())
    }

    /// Whoever takes: it is woken by what comes next.
    pub fn wakes(&self, socket: &Waker) {
        let known = &mut self.0.borrow_mut().socket;
        if !known.as_ref().is_some_and(|known| known.will_wake(socket)) {
            *known = Some(socket.clone());
        }
    }

    /// The socket closes: nothing more is taken, and nothing kept.
    pub fn close(&self) {
        self.0.borrow_mut().is_closed = true;
    }
}

impl Waiting {
    /// Writes a message, if fewer than `limit` wait. Whether it did; a closed socket takes everything, and drops it.
    fn send(&mut self, limit: usize, write: impl FnOnce(&mut String)) -> bool {
        if self.is_closed {
            return true;
        }
        if self.messages >= limit {
            return false;
        }
        self.text.clear();
        write(&mut self.text);
        if self.bytes.is_empty() {
            self.bytes.reserve(ROOM_BYTES);
            if let Some(socket) = &self.socket {
                socket.wake_by_ref();
            }
        }
        Parser::write_message(&mut self.bytes, &self.text, OpCode::Text, true, false);
        self.messages += 1;
        true
    }
}

/// The socket, as the call sees it.
pub(super) struct StreamPort {
    encoder: StreamEncoder,
    outbox: Outbox,
    stream: Addr<TwilioStream>,
}

impl StreamPort {
    pub fn new(encoder: StreamEncoder, outbox: Outbox, stream: Addr<TwilioStream>) -> Self {
        Self { encoder, outbox, stream }
    }

    fn send(&self, limit: usize, write: impl FnOnce(&mut String)) -> bool {
        self.outbox.0.borrow_mut().send(limit, write)
    }
}

impl MediaPort<Hz8k> for StreamPort {
    fn frame(&self, frame: &PcmFrame<Hz8k>) -> bool {
        self.send(FRAMES, |text| self.encoder.media(&frame.to_ulaw(), text))
    }

    fn mark(&self, mark: Mark) {
        self.send(MARKS, |text| self.encoder.mark(&mark.to_string(), text));
    }

    fn clear(&self) {
        self.send(MARKS, |text| self.encoder.clear(text));
    }

    fn close(&self) {
        self.stream.do_send(CloseStream);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_does_not_read_makes_nothing_pile_up() {
        let outbox = Outbox::default();
        let say = |limit| outbox.0.borrow_mut().send(limit, |text| text.push_str("hello"));
        let frames = (0..1_000).filter(|_| say(FRAMES)).count();
        let marks = (0..1_000).filter(|_| say(MARKS)).count();
        assert_eq!((frames, frames + marks), (FRAMES, MARKS));

        let waiting = outbox.take().unwrap();
        assert_eq!(waiting.len(), MARKS * 7, "two bytes before each word");
        assert_eq!(&waiting[..9], b"\x81\x05hello\x81\x05");
        assert_eq!(outbox.take(), None);
        assert!(say(FRAMES), "there is room again");
    }

    #[test]
    fn a_closed_socket_takes_everything_and_keeps_nothing() {
        let outbox = Outbox::default();
        outbox.close();
        assert!(outbox.0.borrow_mut().send(FRAMES, |text| text.push_str("hello")));
        assert_eq!(outbox.take(), None);
    }
}
