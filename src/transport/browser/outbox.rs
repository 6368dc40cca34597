//! What the call says, on its way to the browser.
//!
//! Call and socket live on one thread: the call writes its messages, as WebSocket frames, into bytes that the HTTP server
//! takes with its next write. A browser that does not read stops the taking; then frames are refused, so that nothing
//! piles up, and the call goes on beside it.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use actix_http::ws::{CloseCode, CloseReason, OpCode, Parser};
use bytes::{Bytes, BytesMut};
use futures_util::Stream;

use crate::actors::call::{MediaPort, Said};
use crate::engine::audio::{Hz16k, Level, PcmFrame};
use crate::engine::call::HangupCause;
use crate::engine::ids::Mark;
use crate::engine::wire::browser::{Caption, ToBrowser, encode, encode_audio};

/// How many messages wait for the socket before frames are refused: 1.3 s of frames.
const FRAMES: usize = 64;
/// How many wait before other messages are, too. A call whose frames are refused ends before these are so many.
const MESSAGES: usize = 4 * FRAMES;
/// … but for the last ones of a socket: that the call is over, and that the socket is.
const LAST_WORDS: usize = MESSAGES + 2;

/// Both ends of it.
#[derive(Clone)]
pub(super) struct Outbox(Rc<Shared>);

struct Shared {
    waiting: RefCell<Waiting>,
    /// The call wants the socket closed.
    is_closed: Cell<bool>,
    /// The loudest of what was sent since that was asked for.
    level: Cell<u32>,
}

#[derive(Default)]
struct Waiting {
    bytes: BytesMut,
    messages: usize,
    text: String,
    sound: Vec<u8>,
    /// The HTTP server, which takes.
    socket: Option<Waker>,
    /// The socket's own task, which waits for the end.
    task: Option<Waker>,
    /// Nothing more is written: the socket closes once what waits is taken.
    is_over: bool,
    /// Nobody takes any more.
    is_gone: bool,
}

impl Outbox {
    pub(super) fn new() -> Self {
        let shared = Shared { waiting: RefCell::default(), is_closed: Cell::new(false), level: Cell::new(0) };
        Self(Rc::new(shared))
    }

    /// What the HTTP server writes.
    pub(super) fn to_browser(&self) -> impl Stream<Item = Result<Bytes, actix_web::Error>> + use<> {
        ToSocket(self.clone())
    }

    /// Tells the browser something.
    pub(super) fn tell(&self, message: &ToBrowser<'_>) {
        self.0.waiting.borrow_mut().tell(MESSAGES, message);
    }

    /// Answers a ping.
    pub(super) fn pong(&self, bytes: &[u8]) {
        self.0.waiting.borrow_mut().write(MESSAGES, |to| Parser::write_message(to, bytes, OpCode::Pong, true, false));
    }

    /// Closes the socket, once what waits is taken.
    pub(super) fn close(&self, code: CloseCode) {
        let mut waiting = self.0.waiting.borrow_mut();
        let reason = CloseReason { code, description: None };
        waiting.write(LAST_WORDS, |to| Parser::write_close(to, Some(reason), false));
        waiting.is_over = true;
        waiting.wake_socket();
    }

    /// Waits until the call wants the socket closed, or nobody takes any more.
    pub(super) async fn closed(&self) {
        poll_fn(|task| {
            let mut waiting = self.0.waiting.borrow_mut();
            if self.0.is_closed.get() || waiting.is_gone {
                return Poll::Ready(());
            }
            waiting.task = Some(task.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Whether nobody takes any more.
    pub(super) fn is_gone(&self) -> bool {
        self.0.waiting.borrow().is_gone
    }

    /// How loud the loudest frame was that was sent since the last time, as the rms of its samples.
    pub(super) fn level(&self) -> u32 {
        self.0.level.take()
    }
}

impl Waiting {
    fn tell(&mut self, limit: usize, message: &ToBrowser<'_>) -> bool {
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        encode(message, &mut text);
        let is_told = self.write(limit, |to| Parser::write_message(to, &text, OpCode::Text, true, false));
        self.text = text;
        is_told
    }

    /// Writes a message, if fewer than `limit` wait. Whether it did; a socket that is over takes everything, and drops it.
    fn write(&mut self, limit: usize, write: impl FnOnce(&mut BytesMut)) -> bool {
        if self.is_over || self.is_gone {
            return true;
        }
        if self.messages >= limit {
            return false;
        }
        if self.bytes.is_empty() {
            self.wake_socket();
        }
        write(&mut self.bytes);
        self.messages += 1;
        true
    }

    fn wake_socket(&self) {
        if let Some(socket) = &self.socket {
            socket.wake_by_ref();
        }
    }

    fn wake_task(&mut self) {
        if let Some(task) = self.task.take() {
            task.wake();
        }
    }
}

impl MediaPort<Hz16k> for Outbox {
    fn frame(&self, frame: &PcmFrame<Hz16k>) -> bool {
        self.0.level.set(self.0.level.get().max(Level::of(frame).rms));
        let mut waiting = self.0.waiting.borrow_mut();
        let mut sound = std::mem::take(&mut waiting.sound);
        sound.clear();
        encode_audio(frame, &mut sound);
        let is_sent = waiting.write(FRAMES, |to| Parser::write_message(to, &sound, OpCode::Binary, true, false));
        waiting.sound = sound;
        is_sent
    }

    fn mark(&self, mark: Mark) {
        self.tell(&ToBrowser::Mark { name: mark });
    }

    fn clear(&self) {
        self.tell(&ToBrowser::Clear);
    }

    fn said(&self, words: Said<'_>) {
        self.tell(&ToBrowser::Caption(match words {
            Said::Piece(response, text) => Caption::piece(response, text),
            Said::Turn(turn) => Caption::turn(turn),
        }));
    }

    fn ended(&self, cause: HangupCause) {
        self.0.waiting.borrow_mut().tell(LAST_WORDS, &ToBrowser::Ended { cause });
    }

    fn close(&self) {
        self.0.is_closed.set(true);
        self.0.waiting.borrow_mut().wake_task();
    }
}

struct ToSocket(Outbox);

impl Stream for ToSocket {
    type Item = Result<Bytes, actix_web::Error>;

    fn poll_next(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut waiting = self.0.0.waiting.borrow_mut();
        waiting.messages = 0;
        if !waiting.bytes.is_empty() {
            return Poll::Ready(Some(Ok(waiting.bytes.split().freeze())));
        }
        if waiting.is_over {
            return Poll::Ready(None);
        }
        waiting.socket = Some(task.waker().clone());
        Poll::Pending
    }
}

impl Drop for ToSocket {
    /// The connection is gone.
    fn drop(&mut self) {
        let mut waiting = self.0.0.waiting.borrow_mut();
        waiting.is_gone = true;
        waiting.bytes.clear();
        waiting.wake_task();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;

    use super::*;
    use crate::engine::ids::ResponseId;

    fn taken(socket: &mut (impl Stream<Item = Result<Bytes, actix_web::Error>> + Unpin)) -> Option<Bytes> {
        let mut task = Context::from_waker(Waker::noop());
        match socket.poll_next_unpin(&mut task) {
            Poll::Ready(bytes) => bytes.map(|bytes| bytes.unwrap()),
            Poll::Pending => Some(Bytes::new()),
        }
    }

    #[test]
    fn a_browser_that_does_not_read_makes_nothing_pile_up() {
        let outbox = Outbox::new();
        let mut socket = Box::pin(outbox.to_browser());
        let mark = Mark { response: ResponseId::from_engine(1), position_ms: 20, is_last: false };
        let frames = (0..1_000).filter(|_| outbox.frame(&PcmFrame::silence())).count();
        (0..1_000).for_each(|_| outbox.mark(mark));
        assert_eq!(frames, FRAMES);
        let waiting = taken(&mut socket).unwrap();
        assert_eq!(&waiting[..4], [0x82, 126, 2, 128], "binary, 640 bytes");
        assert!(waiting.len() < FRAMES * 644 + MESSAGES * 64, "{}", waiting.len());
        assert_eq!(taken(&mut socket), Some(Bytes::new()));
        assert!(outbox.frame(&PcmFrame::silence()), "there is room again");
    }

    #[test]
    fn the_last_word_is_said_however_much_waits_and_then_the_socket_closes() {
        let outbox = Outbox::new();
        let mut socket = Box::pin(outbox.to_browser());
        (0..1_000).for_each(|_| outbox.clear());
        outbox.ended(HangupCause::Draining);
        outbox.close(CloseCode::Normal);
        assert!(outbox.frame(&PcmFrame::silence()), "a socket that is over takes everything");
        let waiting = taken(&mut socket).unwrap();
        assert!(waiting.ends_with(b"{\"type\":\"ended\",\"cause\":\"draining\"}\x88\x02\x03\xe8"));
        assert_eq!(taken(&mut socket), None);
    }

    #[test]
    fn the_call_is_as_loud_as_its_loudest_frame() {
        let outbox = Outbox::new();
        for level in [10, 500, 20] {
            outbox.frame(&PcmFrame::from_samples(&[level; 320]).unwrap());
        }
        assert_eq!((outbox.level(), outbox.level()), (500, 0));
    }
}
