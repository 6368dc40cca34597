//! One connection of the vendor.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::book::SessionTimes;
use super::ears::{Ears, Edge};
use super::messages::{self, Names};
use super::speaking::Speaking;
use super::{Vendor, deepgram};
use crate::cli::storm::frame::{BINARY, CLOSE, Frame, Inbox, PING, PONG, Side, TEXT, put};
use crate::cli::storm::stamp::{Audio, VALUES};
use crate::clock;

/// How a message of audio begins, as nearly everybody writes it.
const APPEND: &[u8] = br#"{"type":"input_audio_buffer.append","audio":""#;
const APPEND_TAIL: &[u8] = br#""}"#;
/// What is read at once.
const READ: usize = 64 << 10;
/// What the caller is understood to have said.
const CALLERS_WORDS: &str = "Hello, I would like to leave a message for Anna, please call me back.";

/// Which interface a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    OpenAi,
    Deepgram,
}

/// One connection.
pub struct Session {
    vendor: Rc<Vendor>,
    dialect: Dialect,
    writer: OwnedWriteHalf,
    times: Rc<SessionTimes>,
    state: RefCell<State>,
    is_over: Cell<bool>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Session")
    }
}

struct State {
    out: Vec<u8>,
    audio: Audio,
    ears: Ears,
    /// Whether a turn of the caller is answered unasked.
    creates: bool,
    /// Whether the caller's speech cancels.
    interrupts: bool,
    speaking: Option<Speaking>,
    utterances: u64,
    /// When the caller's turn was said to be over, until something is asked for.
    stopped_at: Option<Instant>,
}

thread_local! {
    /// Where bytes are read to: one for all connections, since each is done with it before the next reads.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ]);
}

impl Session {
    /// Serves a connection until one side ends it.
    pub async fn run(vendor: Rc<Vendor>, dialect: Dialect, socket: TcpStream, mut early: Vec<u8>) {
        let (mut reader, writer) = socket.into_split();
        let session = Rc::new(Self {
            vendor,
            dialect,
            writer,
            times: Rc::default(),
            state: RefCell::new(State {
                out: Vec::new(),
                audio: match dialect {
                    Dialect::OpenAi => Audio::Pcm24,
                    Dialect::Deepgram => Audio::Pcm8,
                },
                ears: Ears::new(200),
                creates: true,
                interrupts: true,
                speaking: None,
                utterances: 0,
                stopped_at: None,
            }),
            is_over: Cell::new(false),
        });
        session.say(&match dialect {
            Dialect::OpenAi => messages::session_created(),
            Dialect::Deepgram => deepgram::welcome(),
        });
        session.flush();
        let mut inbox = Inbox::default();
        let is_fine = session.hear_all(&mut inbox, &mut early);
        while is_fine && poll_fn(|cx| session.poll_read(cx, &mut reader, &mut inbox)).await {}
        session.is_over.set(true);
        if let Some(speaking) = session.state.borrow_mut().speaking.take() {
            speaking.spoken.is_whole.set(false);
        }
    }

    /// Reads what is there. Whether the connection goes on.
    fn poll_read(self: &Rc<Self>, cx: &mut Context<'_>, reader: &mut OwnedReadHalf, inbox: &mut Inbox) -> Poll<bool> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut bytes = ReadBuf::new(scratch);
            match Pin::new(reader).poll_read(cx, &mut bytes) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Ok(())) if !bytes.filled().is_empty() => {
                    Poll::Ready(self.hear_all(inbox, bytes.filled_mut()))
                }
                Poll::Ready(_) => Poll::Ready(false),
            }
        })
    }

    fn hear_all(self: &Rc<Self>, inbox: &mut Inbox, bytes: &mut [u8]) -> bool {
        let taken = inbox.take(bytes, |frame| self.hear(frame));
        self.flush();
        taken.is_ok() && !self.is_over.get()
    }

    fn hear(self: &Rc<Self>, mut frame: Frame<'_>) {
        match frame.opcode {
            TEXT => {}
            CLOSE => return self.is_over.set(true),
            PING => {
                frame.unmask();
                return put(&mut self.state.borrow_mut().out, Side::Server, PONG, |out| {
                    out.extend_from_slice(frame.payload);
                });
            }
            BINARY if self.dialect == Dialect::Deepgram => {
                frame.unmask();
                let base64 = STANDARD.encode(frame.payload);
                return self.hear_audio(base64.as_bytes());
            }
            _ => return,
        }
        let head = APPEND.len().min(frame.payload.len());
        frame.unmask_range(0, head);
        if frame.payload.starts_with(APPEND) {
            let end = frame.payload.len();
            frame.unmask_range(head, end);
            let audio = frame.payload[head..].strip_suffix(APPEND_TAIL).unwrap_or_default();
            return self.hear_audio(audio);
        }
        let end = frame.payload.len();
        frame.unmask_range(head, end);
        match serde_json::from_slice::<Value>(frame.payload) {
            Ok(message) if self.dialect == Dialect::Deepgram => self.understand_deepgram(&message),
            Ok(message) => self.understand(&message),
            Err(_) => self.vendor.stats.borrow_mut().error("the vendor was sent what is no JSON"),
        }
    }

    fn hear_audio(self: &Rc<Self>, base64: &[u8]) {
        let mut heard = None;
        {
            let state = &mut *self.state.borrow_mut();
            state.ears.hear(base64, state.audio, |edge| heard = Some(edge));
        }
        match heard {
            Some(Edge::Started) => self.caller_started(),
            Some(Edge::Stopped) => self.caller_stopped(),
            None => {}
        }
    }

    fn caller_started(self: &Rc<Self>) {
        let (at_ms, item, interrupts) = {
            let mut state = self.state.borrow_mut();
            state.utterances += 1;
            (state.ears.heard_ms(), format!("item_caller_{}", state.utterances), state.interrupts)
        };
        self.times.speech_started.set(Some(clock::now()));
        self.say(&match self.dialect {
            Dialect::OpenAi => messages::speech_started(at_ms, &item),
            Dialect::Deepgram => deepgram::user_started_speaking(),
        });
        if interrupts {
            self.cancel();
        }
    }

    fn caller_stopped(self: &Rc<Self>) {
        let (at_ms, item, creates) = {
            let mut state = self.state.borrow_mut();
            state.stopped_at = Some(clock::now());
            (state.ears.heard_ms(), format!("item_caller_{}", state.utterances), state.creates)
        };
        match self.dialect {
            Dialect::OpenAi => {
                let stopped = messages::speech_stopped(at_ms, &item, CALLERS_WORDS);
                stopped.iter().for_each(|message| self.say(message));
            }
            Dialect::Deepgram => deepgram::user_said(CALLERS_WORDS).iter().for_each(|message| self.say(message)),
        }
        if creates {
            self.respond(json!(null));
        }
    }

    fn understand(self: &Rc<Self>, message: &Value) {
        match message["type"].as_str().unwrap_or_default() {
            "session.update" => self.update(&message["session"]),
            "response.create" => {
                if let Some(at) = self.state.borrow_mut().stopped_at.take() {
                    self.vendor.stats.borrow_mut().decision.record(clock::now() - at);
                }
                self.respond(message["response"]["metadata"].clone());
            }
            "response.cancel" => self.cancel(),
            "conversation.item.truncate" => {
                self.say(&messages::truncated(&message["item_id"], &message["audio_end_ms"]));
            }
            "input_audio_buffer.append" => {
                self.hear_audio(message["audio"].as_str().unwrap_or_default().as_bytes());
            }
            _ => {}
        }
    }

    fn understand_deepgram(self: &Rc<Self>, message: &Value) {
        match message["type"].as_str().unwrap_or_default() {
            "Settings" => self.say(&deepgram::settings_applied()),
            "InjectAgentMessage" => self.respond(Value::Null),
            "InjectUserMessage" => {
                let words = message["content"].as_str().unwrap_or_default();
                deepgram::user_said(words).iter().for_each(|message| self.say(message));
                self.respond(Value::Null);
            }
            _ => {}
        }
    }

    fn update(&self, session: &Value) {
        {
            let mut state = self.state.borrow_mut();
            let input = &session["audio"]["input"];
            let turns = &input["turn_detection"];
            state.audio = if input["format"]["type"] == "audio/pcmu" { Audio::Pcmu } else { Audio::Pcm24 };
            state.creates = turns["create_response"].as_bool().unwrap_or(true);
            state.interrupts = turns["interrupt_response"].as_bool().unwrap_or(true);
            state.ears.silence = (turns["silence_duration_ms"].as_u64().unwrap_or(200) / 20).max(1) as u32;
        }
        self.say(&messages::session_updated(session));
    }

    // === speaking

    fn respond(self: &Rc<Self>, metadata: Value) {
        if self.state.borrow().speaking.is_some() {
            self.vendor.stats.borrow_mut().error("a response was asked for while another one was in flight");
            return;
        }
        let shape = &self.vendor.shape;
        let spoken = self.vendor.book.borrow_mut().open(&self.times);
        let names = Names::new(u64::from(spoken.number) + u64::from(VALUES) * self.state.borrow().utterances);
        if self.dialect == Dialect::OpenAi {
            self.say(&messages::response_created(&names, &metadata));
        }
        let chance = &self.vendor.chance;
        let somewhere = || chance.below(shape.deltas() as u64) as usize;
        let began = clock::now() + Duration::from_millis(shape.think_ms);
        let number = spoken.number;
        let speaking = Speaking {
            spoken,
            names,
            metadata,
            began,
            next: 0,
            stalls_after: chance.happens(shape.faults.stall).then(somewhere),
            drops_after: chance.happens(shape.faults.drop).then(somewhere),
        };
        self.state.borrow_mut().speaking = Some(speaking);
        self.vendor.wake(began + chance.up_to(Duration::from_millis(shape.jitter_ms)), number, self);
    }

    /// The next delta of a response is due, unless it is over.
    pub fn step(self: &Rc<Self>, number: u16, now: Instant) {
        let next_due = {
            let mut state = self.state.borrow_mut();
            let State { speaking, out, audio, .. } = &mut *state;
            let Some(speaking) = speaking.as_mut().filter(|speaking| speaking.spoken.number == number) else { return };
            if speaking.drops_after == Some(speaking.next) {
                self.vendor.stats.borrow_mut().vendor_faults += 1;
                self.is_over.set(true);
                // A stream that can't be shut down is broken already.
                socket2::SockRef::from(self.writer.as_ref()).shutdown(std::net::Shutdown::Both).ok();
                return;
            }
            if speaking.stalls_after == Some(speaking.next) {
                self.vendor.stats.borrow_mut().vendor_faults += 1;
                return;
            }
            match self.dialect {
                Dialect::OpenAi => speaking.say_next(&self.vendor, *audio, now, out),
                Dialect::Deepgram => speaking.say_next_in_binary(&self.vendor, *audio, now, out),
            }
        };
        match next_due {
            Some(at) => self.vendor.wake(at.max(now), number, self),
            None => self.finish(true),
        }
        self.flush();
    }

    fn cancel(&self) {
        if self.state.borrow().speaking.is_some() {
            self.finish(false);
        }
    }

    fn finish(&self, is_whole: bool) {
        let Some(speaking) = self.state.borrow_mut().speaking.take() else { return };
        speaking.spoken.is_whole.set(is_whole);
        if self.dialect == Dialect::Deepgram {
            // Of what was interrupted it says no more.
            return if is_whole {
                self.say(&deepgram::audio_done())
            };
        }
        let words = speaking.words(self.vendor.shape.chunk_ms);
        let messages = messages::response_done(&speaking.names, &speaking.metadata, is_whole, &words);
        messages.iter().for_each(|message| self.say(message));
    }

    fn say(&self, message: &Value) {
        put(&mut self.state.borrow_mut().out, Side::Server, TEXT, |out| {
            out.extend_from_slice(message.to_string().as_bytes());
        });
    }

    /// Writes what the socket takes; the rest goes with the next.
    fn flush(&self) {
        let mut state = self.state.borrow_mut();
        if state.out.is_empty() || self.is_over.get() {
            return;
        }
        match self.writer.try_write(&state.out) {
            Ok(written) if written == state.out.len() => state.out.clear(),
            Ok(written) => drop(state.out.drain(..written)),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => self.is_over.set(true),
        }
        if state.out.is_empty() {
            // A burst of deltas needs much; between two bursts nothing is needed.
            state.out.shrink_to(512);
        }
    }
}
