//! One media stream, run on its own clock: 20 ms of the caller after the other, marks when they are heard.

use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use super::call_report::{EndedBy, MarkSeen};
use super::complaint::Complaint;
use super::ear::{Ear, Echo, Heard, Span};
use super::message::{self, ServerMessage, Writer};
use super::mouth::Mouth;
use crate::clock;

/// How long a frame of the caller lasts.
const FRAME: Duration = Duration::from_millis(20);
/// How long the carrier waits for the server's side of a close.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

/// What the caller, or a test, wants of the line.
pub enum Order {
    /// Say this.
    Speak(Vec<u8>, oneshot::Sender<Span>),
    /// Press this key.
    Press(char),
    /// Send this message as it is.
    Text(String),
    /// Send these bytes as a binary message.
    Binary(Vec<u8>),
    /// Make the next sequence number wrong by so much.
    JumpSequence(i64),
    /// Send `stop`, and go on.
    Stop,
    /// `stop`, then close: the caller has hung up.
    HangUp,
    /// Cut the connection without a word.
    Cut,
}

/// How a stream ended.
#[derive(Clone, Copy, Debug)]
pub struct End {
    /// By whom.
    pub by: EndedBy,
    /// When.
    pub at: Duration,
    /// The server's close code, if it sent one.
    pub close_code: Option<u16>,
    /// After the caller's hang-up: how long the server took to close its side.
    pub server_closed_after: Option<Duration>,
}

/// What the carrier has seen of a call so far.
#[derive(Debug, Default)]
pub struct Observed {
    /// What the caller heard.
    pub ear: Ear,
    /// What the caller said.
    pub said: Vec<Heard>,
    /// What the server did wrong.
    pub complaints: Vec<Complaint>,
    /// The server's marks, in order.
    pub marks: Vec<MarkSeen>,
    /// Frames of the caller that were sent.
    pub frames_sent: u64,
    /// `media` messages that were received.
    pub frames_received: u64,
    pub(super) end: Option<End>,
}

/// What the line and the call's handle share.
pub struct Shared {
    began: Instant,
    observed: Mutex<Observed>,
    changed: watch::Sender<()>,
}

impl Shared {
    /// Nothing seen yet; time starts at `began`.
    pub fn new(began: Instant) -> Arc<Self> {
        Arc::new(Self { began, observed: Mutex::default(), changed: watch::Sender::new(()) })
    }

    /// Time since the stream's start.
    pub fn now(&self) -> Duration {
        clock::now().saturating_duration_since(self.began)
    }

    /// What was seen. Not to be held while anything is waited for.
    pub fn observed(&self) -> MutexGuard<'_, Observed> {
        self.observed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells of each change, and at least every 20 ms while the stream lasts.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }
}

/// The stream's end at the carrier.
pub struct Line {
    pub shared: Arc<Shared>,
    pub socket: WebSocketStream<TcpStream>,
    pub writer: Writer,
    pub stream_sid: String,
    pub orders: mpsc::UnboundedReceiver<Order>,
    /// Whether `start` was sent; before that no audio flows.
    pub started: bool,
    pub mouth: Mouth,
    pub frame: u32,
}

impl Line {
    /// Runs until either side ends the stream.
    pub async fn run(mut self) {
        let end = self.pump().await;
        let mut observed = self.shared.observed();
        observed.ear.cut(end.at);
        observed.end = Some(end);
        drop(observed);
        self.shared.changed.send_replace(());
    }

    async fn pump(&mut self) -> End {
        loop {
            let next_mark = self.shared.observed().ear.next_mark();
            let ended = tokio::select! {
                message = self.socket.next() => self.receive(message).await,
                order = self.orders.recv() => self.obey(order.unwrap_or(Order::Cut)).await,
                () = at(next_mark.map(|due| self.shared.began + due)) => self.answer_marks().await,
                () = at(Some(self.shared.began + FRAME * self.frame)) => self.send_frame().await,
            };
            self.shared.changed.send_replace(());
            match ended {
                Ok(None) => {}
                Ok(Some(end)) => return end,
                Err(error) => return self.lost(error),
            }
        }
    }

    async fn receive(&mut self, message: Option<Result<Message, WsError>>) -> Result<Option<End>, WsError> {
        match message {
            Some(Ok(Message::Text(text))) => {
                let echoes = self.understand(text.as_str());
                self.echo(echoes).await?;
            }
            Some(Ok(Message::Binary(bytes))) => self.complain(Complaint::Binary(bytes.len())),
            Some(Ok(Message::Close(frame))) => {
                let code = frame.map(|frame| u16::from(frame.code));
                let end = self.end(EndedBy::Server, code);
                // Our half of the close; whether it arrives is the server's affair.
                timeout(CLOSE_PATIENCE, self.socket.close(None)).await.ok();
                return Ok(Some(end));
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Err(error)) => return Err(error),
            None => return Ok(Some(self.end(EndedBy::Server, None))),
        }
        Ok(None)
    }

    /// Plays, keeps or clears what the server says; gives the marks to be answered at once.
    fn understand(&mut self, text: &str) -> Vec<Echo> {
        // When our own clock is late, we were: the message may have come at any time since the tick was due.
        let now = self.shared.now().min(FRAME * self.frame);
        if !self.started {
            self.complain(Complaint::BeforeStart);
            return Vec::new();
        }
        let message = message::read(text, &self.stream_sid);
        let mut observed = self.shared.observed();
        match message {
            Ok(ServerMessage::Media(audio)) => {
                observed.frames_received += 1;
                if !observed.ear.play(now, audio) {
                    observed.complaints.push(Complaint::BufferOverflow);
                }
            }
            Ok(ServerMessage::Mark(name)) => {
                let due = observed.ear.mark(now, name.clone());
                observed.marks.push(MarkSeen { name, at: now, due, answered: None, cleared: false });
            }
            Ok(ServerMessage::Clear) => return observed.ear.clear(now),
            Err(complaint) => observed.complaints.push(complaint),
        }
        Vec::new()
    }

    async fn answer_marks(&mut self) -> Result<Option<End>, WsError> {
        let reached = self.shared.observed().ear.reached(self.shared.now());
        self.echo(reached).await?;
        Ok(None)
    }

    async fn echo(&mut self, echoes: Vec<Echo>) -> Result<(), WsError> {
        for echo in echoes {
            self.note_echo(&echo);
            let message = self.writer.mark(&echo.name);
            self.send(message).await?;
        }
        Ok(())
    }

    fn note_echo(&self, echo: &Echo) {
        let mut observed = self.shared.observed();
        let seen = observed.marks.iter_mut().find(|seen| seen.answered.is_none() && seen.name == echo.name);
        if let Some(seen) = seen {
            (seen.answered, seen.cleared) = (Some(self.shared.now()), echo.cleared);
        }
    }

    async fn send_frame(&mut self) -> Result<Option<End>, WsError> {
        let timestamp = u64::from(self.frame) * FRAME.as_millis() as u64;
        self.frame += 1;
        if !self.started {
            return Ok(None);
        }
        let frame = {
            let mut observed = self.shared.observed();
            observed.frames_sent += 1;
            self.mouth.next_frame(self.shared.now(), &mut observed.said)
        };
        let message = self.writer.media(&frame, timestamp);
        self.send(message).await?;
        Ok(None)
    }

    async fn obey(&mut self, order: Order) -> Result<Option<End>, WsError> {
        match order {
            Order::Speak(audio, spoken) => self.mouth.say(audio, spoken),
            Order::Press(digit) => {
                let message = self.writer.dtmf(digit);
                self.send(message).await?;
            }
            Order::Text(text) => self.send(text).await?,
            Order::Binary(bytes) => self.socket.send(Message::Binary(bytes.into())).await?,
            Order::JumpSequence(by) => self.writer.jump(by),
            Order::Stop => {
                let message = self.writer.stop();
                self.send(message).await?;
            }
            Order::HangUp => return self.hang_up().await.map(Some),
            Order::Cut => return Ok(Some(self.end(EndedBy::LineCut, None))),
        }
        Ok(None)
    }

    async fn hang_up(&mut self) -> Result<End, WsError> {
        let message = self.writer.stop();
        self.send(message).await?;
        let mut end = self.end(EndedBy::Caller, None);
        let farewell = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        self.socket.close(Some(farewell)).await?;
        let closed = timeout(CLOSE_PATIENCE, async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Close(frame))) => return frame.map(|frame| u16::from(frame.code)),
                    Some(Ok(_)) => {} // on its way when the caller hung up
                    Some(Err(_)) | None => return None,
                }
            }
        });
        if let Ok(code) = closed.await {
            end.close_code = code;
            end.server_closed_after = Some(self.shared.now() - end.at);
        }
        Ok(end)
    }

    async fn send(&mut self, message: String) -> Result<(), WsError> {
        self.socket.send(Message::text(message)).await
    }

    fn lost(&self, error: WsError) -> End {
        self.complain(Complaint::Protocol(error.to_string()));
        self.end(EndedBy::Server, None)
    }

    fn end(&self, by: EndedBy, close_code: Option<u16>) -> End {
        End { by, at: self.shared.now(), close_code, server_closed_after: None }
    }

    fn complain(&self, complaint: Complaint) {
        self.shared.observed().complaints.push(complaint);
    }
}

async fn at(when: Option<Instant>) {
    match when {
        Some(when) => sleep_until(when.into()).await,
        None => pending().await,
    }
}
