//! One media stream at the carrier: a frame of the caller every 20 ms, and an ear for what the agent says.
//!
//! [`Line::tick`] is called by the one tick of the storm; [`Line::listen`] is woken by what comes.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::ear::Ear;
use super::fleet::Fleet;
use super::frame::{CLOSE, Frame, Inbox, PING, PONG, Side, TEXT, put};
use super::media::{self, Said};
use super::messages::{FromServer, Messages};
use super::sequence::{Heard, Sequence};
use super::talk::{AgentHeard, Next, Talker};
use super::vendor::book::Spoken;
use crate::clock;

/// What is read at once.
const READ: usize = 64 << 10;
/// The most that waits for a server that does not read: 20 s.
const MOST_UNREAD: usize = 400_000;
/// The close code of a normal end (RFC 6455, 7.4.1).
const NORMAL: [u8; 2] = 1_000_u16.to_be_bytes();

/// Who ended a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The caller hung up.
    Caller,
    /// The server closed it.
    Server,
    /// It broke.
    Broken,
}

/// Which call it is.
#[derive(Clone, Debug)]
pub struct Names {
    /// The account.
    pub account: String,
    /// The call.
    pub call: String,
    /// The stream.
    pub stream: String,
}

/// One media stream.
pub struct Line {
    writer: OwnedWriteHalf,
    names: Names,
    /// Whether the sound of this call is judged.
    is_measured: bool,
    state: RefCell<State>,
    end: Cell<Option<End>>,
}

struct State {
    messages: Messages,
    /// What the server's socket did not take.
    unsent: Vec<u8>,
    ear: Ear,
    sequence: Sequence,
    talker: Talker,
    began: Instant,
    hang_up_at: Option<Instant>,
    /// How long the caller stays when all hang up: 0 to 1.
    patience: f64,
    frames: u64,
    /// When the last `media` of the present response came.
    last_media: Option<Instant>,
    turn_began: Option<Instant>,
    responses: u32,
    spoken: Option<Rc<Spoken>>,
    /// How many blocks of it were heard, or skipped.
    place: u16,
    /// When the caller finished speaking, until the agent answers.
    said_at: Option<Instant>,
    /// When the caller began to speak over the agent, until it is silent.
    onset: Option<Instant>,
}

/// What one message of audio turned out to hold.
#[derive(Default)]
struct Message {
    first: Option<u16>,
    continues: bool,
}

thread_local! {
    /// Where bytes are read to, and where audio is decoded: one each for all lines, since each is done with it
    /// before the next begins.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ]);
    static AUDIO: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Line {
    /// A stream whose socket is open; `start` is the content of that message.
    pub fn new(
        fleet: &Fleet,
        writer: OwnedWriteHalf,
        names: Names,
        start: &serde_json::Value,
        length: Option<Duration>,
        is_measured: bool,
    ) -> Rc<Self> {
        let began = clock::now();
        let mut unsent = Vec::new();
        let messages = Messages::begin(fleet, &names, start, &mut unsent);
        let line = Self {
            writer,
            names,
            is_measured,
            state: RefCell::new(State {
                messages,
                unsent,
                ear: Ear::default(),
                sequence: Sequence::new(fleet.audio),
                talker: Talker::new(),
                began,
                hang_up_at: length.map(|length| began + length),
                patience: fleet.chance.below(1_000) as f64 / 1_000.0,
                frames: 0,
                last_media: None,
                turn_began: None,
                responses: 0,
                spoken: None,
                place: 0,
                said_at: None,
                onset: None,
            }),
            end: Cell::new(None),
        };
        line.flush(fleet);
        Rc::new(line)
    }

    /// How the stream ended, once it has.
    pub fn end(&self) -> Option<End> {
        self.end.get()
    }

    /// Whether the agent has said anything.
    pub fn was_answered(&self) -> bool {
        self.state.borrow().responses > 0
    }

    /// How long the stream has lasted.
    pub fn length(&self) -> Duration {
        clock::now() - self.state.borrow().began
    }

    // === every 20 ms

    /// The caller's next 20 ms. Whether there will be more.
    pub fn tick(&self, fleet: &Fleet, now: Instant) -> bool {
        if self.end.get().is_some() {
            return false;
        }
        let is_over = {
            let state = &mut *self.state.borrow_mut();
            let is_over = state.hang_up_at.is_some_and(|at| at <= now) || fleet.is_over_for(state.patience, now);
            if is_over {
                state.hang_up(&self.names)
            } else {
                state.speak(fleet, now)
            }
            is_over
        };
        self.flush(fleet);
        if is_over {
            self.end.set(Some(End::Caller));
        }
        !is_over
    }

    fn flush(&self, fleet: &Fleet) {
        let mut state = self.state.borrow_mut();
        if state.unsent.is_empty() {
            return;
        }
        match self.writer.try_write(&state.unsent) {
            Ok(written) if written == state.unsent.len() => return state.unsent.clear(),
            Ok(written) => drop(state.unsent.drain(..written)),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            // Whoever reads will see it.
            Err(_) => return state.unsent.clear(),
        }
        fleet.stats.borrow_mut().unread += 1;
        if state.unsent.len() > MOST_UNREAD {
            state.unsent.clear();
            self.end.set(Some(End::Broken));
            fleet.stats.borrow_mut().error("the server did not read for 20 s");
        }
    }

    // === what comes

    /// Hears the agent until the stream has ended on both sides.
    pub async fn listen(&self, fleet: &Fleet, mut reader: OwnedReadHalf, mut early: Vec<u8>) {
        let mut inbox = Inbox::default();
        let goes_on = self.take(fleet, &mut inbox, &mut early);
        while goes_on && poll_fn(|cx| self.poll_read(cx, fleet, &mut reader, &mut inbox)).await {}
        if self.end.get().is_none() {
            self.end.set(Some(End::Broken));
        }
    }

    fn poll_read(
        &self,
        cx: &mut Context<'_>,
        fleet: &Fleet,
        reader: &mut OwnedReadHalf,
        inbox: &mut Inbox,
    ) -> Poll<bool> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut bytes = ReadBuf::new(scratch);
            match Pin::new(reader).poll_read(cx, &mut bytes) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Ok(())) if !bytes.filled().is_empty() => {
                    Poll::Ready(self.take(fleet, inbox, bytes.filled_mut()))
                }
                Poll::Ready(_) => Poll::Ready(false),
            }
        })
    }

    /// Whether there is more to come.
    fn take(&self, fleet: &Fleet, inbox: &mut Inbox, bytes: &mut [u8]) -> bool {
        let now = clock::now();
        let mut is_closed = false;
        let taken = if fleet.is_pbx {
            is_closed = self.state.borrow_mut().take_from_pbx(fleet, now, bytes, self.is_measured);
            if is_closed && self.end.get().is_none() {
                self.end.set(Some(End::Server));
            }
            Ok(())
        } else {
            inbox.take(bytes, |frame| is_closed |= self.understand(fleet, now, frame))
        };
        self.flush(fleet);
        if let Err(error) = taken {
            fleet.stats.borrow_mut().error(error.to_string());
        }
        taken.is_ok() && !is_closed
    }

    /// Whether the server closed the stream.
    fn understand(&self, fleet: &Fleet, now: Instant, frame: Frame<'_>) -> bool {
        let state = &mut *self.state.borrow_mut();
        match frame.opcode {
            TEXT => {}
            CLOSE => {
                if self.end.get().is_none() {
                    self.end.set(Some(End::Server));
                    put(&mut state.unsent, Side::Client, CLOSE, |out| out.extend_from_slice(&NORMAL));
                }
                return true;
            }
            PING => {
                put(&mut state.unsent, Side::Client, PONG, |out| out.extend_from_slice(frame.payload));
                return false;
            }
            _ => return false,
        }
        match media::read(frame.payload, &self.names.stream) {
            Ok(Said::Media(base64)) => state.hear(fleet, now, base64, self.is_measured),
            Ok(Said::Mark(name)) => state.ear.mark(now, name),
            Ok(Said::Clear) => state.clear(fleet, now),
            Err(what) => fleet.stats.borrow_mut().error(what),
        }
        false
    }
}

impl State {
    fn speak(&mut self, fleet: &Fleet, now: Instant) {
        let quiet_for = self.ear.quiet_for(now).unwrap_or_default();
        let next = self.talker.next(&fleet.talk, now, AgentHeard { began: self.turn_began, quiet_for });
        let payload = match next {
            Next::Silence => fleet.clip.silence(),
            Next::GaveUp => {
                fleet.stats.borrow_mut().unanswered += 1;
                fleet.clip.silence()
            }
            Next::Speech { frame, is_first, is_last, is_interruption } => {
                if is_first && is_interruption {
                    self.onset = Some(now);
                }
                if is_last {
                    self.said_at = Some(now);
                    let is_missed = self.onset.take().is_some();
                    fleet.stats.borrow_mut().not_interrupted += u64::from(is_missed);
                }
                fleet.clip.speech(frame, is_last)
            }
        };
        self.messages.media(payload.as_bytes(), self.frames * 20, &mut self.unsent);
        self.frames += 1;
        fleet.stats.borrow_mut().frames_sent += 1;
        while let Some(name) = self.ear.reached(now) {
            self.messages.mark(&name, &mut self.unsent);
        }
    }

    fn hang_up(&mut self, names: &Names) {
        self.messages.stop(&names.account, &names.call, &mut self.unsent);
        if self.messages.is_websocket() {
            put(&mut self.unsent, Side::Client, CLOSE, |out| out.extend_from_slice(&NORMAL));
        }
    }

    fn hear(&mut self, fleet: &Fleet, now: Instant, base64: &[u8], is_measured: bool) {
        AUDIO.with_borrow_mut(|audio| {
            audio.clear();
            if STANDARD.decode_vec(base64, audio).is_err() {
                return fleet.stats.borrow_mut().error("a payload that is no base64");
            }
            self.hear_mulaw(fleet, now, audio, is_measured);
        });
    }

    /// Whether the other side of an AudioSocket closes it. It sends silence, too, and takes nothing back: when it falls
    /// silent while the caller speaks over it, it was interrupted.
    fn take_from_pbx(&mut self, fleet: &Fleet, now: Instant, bytes: &[u8], is_measured: bool) -> bool {
        let mut messages = std::mem::take(&mut self.messages);
        let is_closed = messages.hear(bytes, |heard| match heard {
            FromServer::Speech(mulaw) => self.hear_mulaw(fleet, now, mulaw, is_measured),
            FromServer::Silence => {
                self.last_media = None;
                if self.onset.is_some() {
                    self.clear(fleet, now);
                }
            }
            FromServer::Nonsense(what) => fleet.stats.borrow_mut().error(what),
        });
        self.messages = messages;
        is_closed
    }

    fn hear_mulaw(&mut self, fleet: &Fleet, now: Instant, audio: &[u8], is_measured: bool) {
        let mut message = Message::default();
        let (place, spoken) = (&mut self.place, &self.spoken);
        self.sequence.hear(audio, |heard| {
            let mut stats = fleet.stats.borrow_mut();
            stats.blocks_heard += 1;
            match heard {
                Heard::First(number) => {
                    let missing = spoken.as_ref().filter(|spoken| spoken.is_whole.get() && message.first.is_none());
                    let missing = missing.map_or(0, |spoken| spoken.blocks.get().saturating_sub(*place));
                    stats.lost += u64::from(missing);
                    *place = 1;
                    message.first = Some(number);
                }
                Heard::Next => {
                    *place += 1;
                    message.continues = true;
                }
                Heard::After(count) => {
                    stats.lost += u64::from(count);
                    *place += count + 1;
                    message.continues = true;
                }
                Heard::Again => stats.doubled += 1,
                Heard::Stale => stats.stale += 1,
                Heard::Foreign => stats.foreign += 1,
            }
        });
        let length = Duration::from_micros(audio.len() as u64 * 125);
        self.time(fleet, now, &message, length, is_measured);
        if let Some(number) = message.first {
            self.begin(fleet, now, number);
        }
    }

    /// Plays it, and measures how it came.
    fn time(&mut self, fleet: &Fleet, now: Instant, message: &Message, length: Duration, is_measured: bool) {
        let dry = self.ear.play(now, length);
        if message.first.is_none()
            && message.continues
            && is_measured
            && let Some(last) = self.last_media
        {
            let mut stats = fleet.stats.borrow_mut();
            stats.gap.record(now - last);
            stats.underflows += u64::from(!dry.is_zero());
        }
        let is_speech = message.first.is_some() || message.continues;
        self.last_media = is_speech.then_some(now);
    }

    /// A response begins.
    fn begin(&mut self, fleet: &Fleet, now: Instant, number: u16) {
        self.turn_began = Some(now);
        self.spoken = fleet.vendor.as_ref().and_then(|vendor| vendor.book().borrow().find(number));
        let added = self.spoken.as_ref().and_then(|spoken| spoken.first_sent.get()).map(|sent| now - sent);
        let stats = &mut *fleet.stats.borrow_mut();
        if self.responses == 0 {
            stats.greeting.record(now - self.began);
            added.into_iter().for_each(|added| stats.greeting_added.record(added));
        } else if let Some(said_at) = self.said_at.take() {
            stats.response.record(now - said_at);
            added.into_iter().for_each(|added| stats.response_added.record(added));
        }
        self.responses += 1;
    }

    fn clear(&mut self, fleet: &Fleet, now: Instant) {
        self.ear.clear(now);
        self.sequence.clear();
        self.last_media = None;
        while let Some(name) = self.ear.reached(now) {
            self.messages.mark(&name, &mut self.unsent);
        }
        let spoken = self.spoken.take();
        let Some(onset) = self.onset.take() else { return };
        let stats = &mut *fleet.stats.borrow_mut();
        stats.barge_in.record(now - onset);
        if let Some(spoken) = spoken {
            // Where the engine heard it before its vendor, nothing was added to the vendor's time.
            let detected = spoken.session.speech_started.get().filter(|at| *at >= onset).unwrap_or(now);
            stats.barge_in_added.record(now - detected);
        }
    }
}
