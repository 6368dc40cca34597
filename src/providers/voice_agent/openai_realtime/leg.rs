//! One connection to the vendor and the session that it carries.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::time::Instant;
use tokio_tungstenite::MaybeTlsStream;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use crate::engine::audio::Rate;

use super::connect::{Gate, NotOpened, Opened, Socket, closed, silent};
use super::session::Session;
use super::settings::OpenAiSettings;

/// How many messages wait for a vendor that does not read, before audio is dropped: 6 s.
const AUDIO_BACKLOG: usize = 300;
/// How long the vendor may take to answer our goodbye.
const GOODBYE: Duration = Duration::from_millis(500);

/// A connection, open or on its way, and its session.
pub(super) struct Leg<R: Rate> {
    state: State,
    pub(super) session: Session<R>,
    opened: Instant,
    vendor_time: Option<i64>,
    ping_after: Duration,
    /// When something last came, and whether a ping went out since.
    heard: Instant,
    is_pinged: bool,
}

/// What a connection brings.
#[derive(Debug)]
pub(super) enum News {
    /// It is open: the session's clock, and its first deadline, begin.
    Opened,
    /// A sign of life, and nothing else.
    Alive,
    /// A message of the vendor.
    Message(Utf8Bytes),
}

enum State {
    Dialling(Pin<Box<dyn Future<Output = Result<Opened, NotOpened>> + Send>>),
    Open(Box<Wire>),
}

impl<R: Rate> Leg<R> {
    /// A connection that is being opened.
    pub(super) fn dial(gate: Arc<Gate>, settings: &OpenAiSettings, session: Session<R>) -> Self {
        let state = State::Dialling(Box::pin(gate.open(settings.connect_timeout)));
        let (now, ping_after) = (Instant::now(), settings.ping_after);
        Self { state, session, opened: now, vendor_time: None, ping_after, heard: now, is_pinged: false }
    }

    /// What happens next, or the reason why nothing will. What waits to be written is written meanwhile; nothing
    /// is read unless `may_read`.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, may_read: bool) -> Poll<Result<News, NotOpened>> {
        let was_ready = self.session.is_ready();
        match &mut self.state {
            State::Open(wire) => {
                let text = ready!(wire.poll(cx, may_read, was_ready))?;
                (self.heard, self.is_pinged) = (Instant::now(), false);
                Poll::Ready(Ok(text.map_or(News::Alive, News::Message)))
            }
            State::Dialling(dialling) => {
                let Opened { socket, vendor_time } = ready!(dialling.as_mut().poll(cx))?;
                self.state = State::Open(Box::new(Wire::new(socket)));
                self.opened = Instant::now();
                self.heard = self.opened;
                self.vendor_time = vendor_time;
                Poll::Ready(Ok(News::Opened))
            }
        }
    }

    /// The time on the session's own clock.
    pub(super) fn now(&self) -> Duration {
        self.opened.elapsed()
    }

    /// When [`Leg::watch`] or the session's `expire` wants to be called. While the connection is opened it has its
    /// own limit.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let State::Open(_) = self.state else { return None };
        let session = self.session.deadline().map(|deadline| self.opened + deadline);
        Some(session.map_or(self.patience(), |session| session.min(self.patience())))
    }

    fn patience(&self) -> Instant {
        self.heard + self.ping_after * if self.is_pinged { 2 } else { 1 }
    }

    /// Asks a silent vendor for a sign of life, and gives up one that has sent none.
    pub(super) fn watch(&mut self) -> Result<(), NotOpened> {
        let is_due = self.patience() <= Instant::now();
        let was_ready = self.session.is_ready();
        match &mut self.state {
            State::Open(_) if is_due && self.is_pinged => Err(silent(was_ready)),
            State::Open(wire) if is_due => {
                wire.waiting.push_back(Message::Ping(Bytes::new()));
                self.is_pinged = true;
                Ok(())
            }
            State::Open(_) | State::Dialling(_) => Ok(()),
        }
    }

    /// When the vendor will close the session: as it said, or `limit` after it began.
    pub(super) fn ends(&self, limit: Duration) -> Instant {
        let said = self.session.expires_at().zip(self.vendor_time).map(|(ends, begins)| ends - begins);
        let said = said.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs);
        self.opened + said.map_or(limit, |said| said.min(limit))
    }

    pub(super) fn send(&mut self, message: String) {
        if let State::Open(wire) = &mut self.state {
            wire.waiting.push_back(Message::Text(message.into()));
        }
    }

    /// Sends audio, unless the vendor is seconds behind.
    pub(super) fn send_audio(&mut self, message: Bytes) {
        if let State::Open(wire) = &mut self.state
            && wire.waiting.len() < AUDIO_BACKLOG
            && let Ok(text) = Utf8Bytes::try_from(message)
        {
            wire.waiting.push_back(Message::Text(text));
        }
    }

    /// Says goodbye and closes, in bounded time.
    pub(super) async fn close(self) {
        let State::Open(mut wire) = self.state else { return };
        let goodbye = async {
            // Whatever fails here: the socket is dropped next.
            wire.socket.close(None).await.ok();
            while let Some(Ok(_)) = wire.socket.next().await {}
        };
        tokio::time::timeout(GOODBYE, goodbye).await.ok();
    }
}

struct Wire {
    socket: Socket,
    waiting: VecDeque<Message>,
    /// Whether something was written that is not flushed.
    is_dirty: bool,
    /// Whether everything was read that had come, so that the socket itself says when there is more.
    is_drained: bool,
}

impl Wire {
    fn new(socket: Socket) -> Self {
        Self { socket, waiting: VecDeque::new(), is_dirty: false, is_drained: false }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        may_read: bool,
        was_ready: bool,
    ) -> Poll<Result<Option<Utf8Bytes>, NotOpened>> {
        if self.write(cx).is_err() {
            // The vendor may have said why before it closed.
            return self.read(cx, was_ready).map(|read| read.or(Err(closed(None, "", was_ready))));
        }
        if may_read { self.read(cx, was_ready) } else { Poll::Pending }
    }

    fn write(&mut self, cx: &mut Context<'_>) -> Result<(), tokio_tungstenite::tungstenite::Error> {
        while !self.waiting.is_empty() {
            match self.socket.poll_ready_unpin(cx) {
                Poll::Ready(ready) => ready?,
                Poll::Pending => return Ok(()),
            }
            if let Some(message) = self.waiting.pop_front() {
                self.is_dirty = true;
                self.socket.start_send_unpin(message)?;
            }
        }
        if self.is_dirty
            && let Poll::Ready(flushed) = self.socket.poll_flush_unpin(cx)
        {
            flushed?;
            self.is_dirty = false;
        }
        Ok(())
    }

    fn read(&mut self, cx: &mut Context<'_>, was_ready: bool) -> Poll<Result<Option<Utf8Bytes>, NotOpened>> {
        loop {
            if self.is_drained {
                ready!(self.poll_readable(cx));
            }
            let message = self.socket.poll_next_unpin(cx);
            self.is_drained = message.is_pending();
            let Some(Ok(message)) = ready!(message) else {
                return Poll::Ready(Err(closed(None, "", was_ready)));
            };
            match message {
                Message::Text(text) => return Poll::Ready(Ok(Some(text))),
                Message::Close(frame) => {
                    let (code, reason) =
                        frame.map_or((None, String::new()), |f| (Some(f.code.into()), f.reason.to_string()));
                    return Poll::Ready(Err(closed(code, &reason, was_ready)));
                }
                // Pings are answered by the library, and the answer is flushed by us.
                Message::Ping(_) | Message::Pong(_) => {
                    self.is_dirty = true;
                    return Poll::Ready(Ok(None));
                }
                // The vendor sends no binary messages.
                Message::Binary(_) | Message::Frame(_) => {}
            }
        }
    }

    /// Whether there is something to be read. To ask the library is dearer: it lays out its whole buffer first, and
    /// it would be asked with each frame of the caller.
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        let socket = match self.socket.get_ref() {
            MaybeTlsStream::Plain(socket) => socket,
            MaybeTlsStream::Rustls(tls) => tls.get_ref().0,
            _ => return Poll::Ready(()),
        };
        // A broken socket says so when it is read.
        socket.poll_read_ready(cx).map(drop)
    }
}
