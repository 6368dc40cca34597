//! A voice agent's vendor to test against: OpenAI's Realtime interface, and Deepgram's Voice Agent for whoever asks for its
//! address; cheap enough to serve a thousand calls from a part of one core.
//!
//! It detects the caller's turns by a glance at the audio ([`ears`]), thinks, and speaks stamped audio
//! ([`super::stamp`]) in bursts of a shape that can be chosen. It fails on purpose where it is told to.
//! Nothing happens by timers: the storm's one tick calls [`Vendor::tick`].

pub mod book;
pub mod deepgram;
pub mod ears;
mod messages;
mod session;
mod speaking;

use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use super::chance::Chance;
use super::stamp::{Audio, BLOCK_MS, Voice};
use super::stats::Stats;
use super::upgrade::read_head;
use book::Book;
use session::{Dialect, Session};

/// How the vendor behaves.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct VendorShape {
    /// From `response.create` to the first delta, in milliseconds.
    pub think_ms: u64,
    /// How long each response is, in milliseconds.
    pub answer_ms: u64,
    /// How much audio stands in one delta, in milliseconds; a multiple of 20.
    pub chunk_ms: u64,
    /// How many times faster than real time it comes.
    pub speed: f64,
    /// How much later than that a delta may be, in milliseconds.
    pub jitter_ms: u64,
    /// What goes wrong on purpose.
    pub faults: Faults,
}

/// What goes wrong on purpose, in how many of 100 cases.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Faults {
    /// A response that breaks off and never ends.
    pub stall: f64,
    /// A response in the middle of which the connection is cut.
    pub drop: f64,
    /// A session that is refused.
    pub refuse: f64,
}

impl Default for VendorShape {
    fn default() -> Self {
        Self { think_ms: 300, answer_ms: 4_000, chunk_ms: 200, speed: 4.0, jitter_ms: 0, faults: Faults::default() }
    }
}

impl VendorShape {
    /// How many deltas a response has.
    fn deltas(&self) -> usize {
        self.answer_ms.div_ceil(self.chunk_ms).max(1) as usize
    }

    fn blocks_per_delta(&self) -> u16 {
        (self.chunk_ms / BLOCK_MS) as u16
    }
}

/// The vendor.
#[derive(Debug)]
pub struct Vendor {
    shape: VendorShape,
    voices: [Voice; 3],
    chance: Chance,
    book: RefCell<Book>,
    stats: Rc<RefCell<Stats>>,
    due: RefCell<BinaryHeap<Due>>,
}

impl Vendor {
    /// A vendor that counts here.
    pub fn new(shape: VendorShape, stats: Rc<RefCell<Stats>>) -> Rc<Self> {
        let voice = |audio| Voice::new(audio, shape.blocks_per_delta(), shape.deltas());
        Rc::new(Self {
            voices: [voice(Audio::Pcmu), voice(Audio::Pcm24), voice(Audio::Pcm8)],
            shape,
            chance: Chance::new(),
            book: RefCell::default(),
            stats,
            due: RefCell::default(),
        })
    }

    /// Listens, and serves whoever comes, for as long as the storm lasts. Needs a `LocalSet`.
    pub async fn listen(self: &Rc<Self>, address: SocketAddr) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let vendor = Rc::clone(self);
        tokio::task::spawn_local(async move {
            loop {
                match listener.accept().await {
                    Ok((socket, _)) => drop(tokio::task::spawn_local(Rc::clone(&vendor).serve(socket))),
                    // No descriptor is left: others will be given back.
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
        });
        Ok(address)
    }

    async fn serve(self: Rc<Self>, mut socket: TcpStream) {
        let Ok(head) = read_head(&mut socket).await else { return };
        let Some(answer) = head.accepts() else {
            // Whoever closes next needs no answer.
            socket.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await.ok();
            return;
        };
        if self.chance.happens(self.shape.faults.refuse) {
            self.stats.borrow_mut().vendor_faults += 1;
            let refusal = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            socket.write_all(refusal).await.ok();
            return;
        }
        if socket.set_nodelay(true).is_ok() && socket.write_all(answer.as_bytes()).await.is_ok() {
            let path = head.first_line().split(' ').nth(1).unwrap_or_default();
            let dialect = if path.starts_with(deepgram::PATH) { Dialect::Deepgram } else { Dialect::OpenAi };
            Session::run(self, dialect, socket, head.rest).await;
        }
    }

    /// Does what is due.
    pub fn tick(&self, now: Instant) {
        loop {
            let due = {
                let mut due = self.due.borrow_mut();
                match due.peek() {
                    Some(next) if next.at <= now => due.pop(),
                    _ => None,
                }
            };
            match due {
                Some(due) => due.session.step(due.response, now),
                None => return,
            }
        }
    }

    /// What it knows of its responses.
    pub fn book(&self) -> &RefCell<Book> {
        &self.book
    }

    fn wake(&self, at: Instant, response: u16, session: &Rc<Session>) {
        self.due.borrow_mut().push(Due { at, response, session: Rc::clone(session) });
    }

    fn voice(&self, audio: Audio) -> &Voice {
        match audio {
            Audio::Pcmu => &self.voices[0],
            Audio::Pcm24 => &self.voices[1],
            Audio::Pcm8 => &self.voices[2],
        }
    }
}

/// A session has something to do for a response.
#[derive(Debug)]
struct Due {
    at: Instant,
    response: u16,
    session: Rc<Session>,
}

impl Ord for Due {
    /// The earliest is the greatest, since that is what a heap gives.
    fn cmp(&self, other: &Self) -> Ordering {
        other.at.cmp(&self.at)
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Due {}
