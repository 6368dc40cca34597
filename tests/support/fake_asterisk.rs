//! An Asterisk that brings one call by AudioSocket, and is strict: whatever Asterisk would end a call for is a complaint.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::marker::PhantomData;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use trunkline::clock;
use trunkline::engine::audio::g711::decode_ulaw;
use trunkline::engine::audio::{FRAME, Hz8k, Resampler};
use trunkline::engine::ids::Digit;
use trunkline::engine::wire::audiosocket::{AudioKind, CallUuid, encode_digit, encode_id, encode_samples};

/// How long a test waits for what must come; long enough for a machine that builds something else meanwhile.
pub const PATIENCE: Duration = Duration::from_secs(40);
/// Louder than silence and what a resampler leaves of it.
const VOICED: u16 = 64;
/// The kind that may come before the call's rate is known.
const ANY_TIME: u8 = 0x10;

/// A UUID that a dialplan made up.
pub fn made_up() -> CallUuid {
    let sid = trunkline::cli::demo::twilio::fresh_sid("");
    let mut number = u128::from_str_radix(&sid, 16).unwrap().to_be_bytes();
    number[6] = 0x40 | number[6] & 0x0f;
    CallUuid::from_bytes(number)
}

/// What Asterisk has heard.
#[derive(Default)]
pub struct Heard {
    /// When each 20 ms came, and whether somebody spoke in it.
    pub frames: Vec<(Option<Instant>, bool)>,
    /// All of it.
    pub samples: Vec<i16>,
    /// What Asterisk would have ended the call for.
    pub complaints: Vec<String>,
    /// Kind `0x00` came.
    pub is_hung_up: bool,
    /// The connection is closed.
    pub is_closed: bool,
    /// When the caller's own audio began.
    spoke: bool,
}

enum Say {
    Samples(Vec<i16>),
    Bytes(Vec<u8>),
    Close,
}

/// A call that Asterisk has connected.
pub struct PbxCall<R: AudioKind> {
    pub id: CallUuid,
    heard: Arc<Mutex<Heard>>,
    mouth: mpsc::UnboundedSender<Say>,
    rate: PhantomData<R>,
}

impl<R: AudioKind> PbxCall<R> {
    /// Connects, says the UUID, and sends the caller's silence from then on.
    pub async fn dial(address: SocketAddr, id: CallUuid) -> Self {
        let call = Self::dial_mute(address, id).await;
        call.say(Say::Samples(Vec::new()));
        call
    }

    /// The same, but no audio until the caller is made to speak.
    pub async fn dial_mute(address: SocketAddr, id: CallUuid) -> Self {
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.set_nodelay(true).unwrap();
        socket.write_all(&encode_id(id)).await.unwrap();
        let (ear, writer) = socket.into_split();
        let heard = Arc::new(Mutex::new(Heard::default()));
        let (mouth, says) = mpsc::unbounded_channel();
        tokio::spawn(listen::<R>(ear, Arc::clone(&heard)));
        tokio::spawn(speak::<R>(writer, says, Arc::clone(&heard)));
        Self { id, heard, mouth, rate: PhantomData }
    }

    /// The caller's name in the record.
    pub fn call_sid(&self) -> String {
        self.id.call_sid().to_string()
    }

    fn say(&self, what: Say) {
        self.mouth.send(what).ok(); // a call that is over hears nothing
    }

    /// The caller says this, µ-law at 8 kHz, in the call's own rate.
    pub fn speaks(&self, ulaw: &[u8]) {
        let mut narrow = vec![0; ulaw.len()];
        decode_ulaw(ulaw, &mut narrow);
        let mut samples = Vec::new();
        Resampler::<Hz8k, R>::new().process(&narrow, &mut samples);
        self.say(Say::Samples(samples));
    }

    /// The caller presses a key.
    pub fn presses(&self, key: char) {
        self.say(Say::Bytes(encode_digit(Digit::try_from(key).unwrap()).to_vec()));
    }

    /// Asterisk sends these bytes as they are.
    pub fn sends(&self, bytes: &[u8]) {
        self.say(Say::Bytes(bytes.to_vec()));
    }

    /// The caller hangs up: Asterisk closes.
    pub fn hangs_up(&self) {
        self.say(Say::Close);
    }

    /// Looks at what was heard so far.
    pub fn heard<T>(&self, look: impl FnOnce(&Heard) -> T) -> T {
        look(&self.heard.lock().unwrap())
    }

    /// Waits until what was heard is so.
    pub async fn until(&self, what: &str, is_so: impl Fn(&Heard) -> bool) {
        let deadline = clock::now() + PATIENCE;
        while !self.heard(&is_so) {
            assert!(clock::now() < deadline, "waited in vain until {what}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until the agent has said so much since the frame with this number.
    pub async fn until_agent_spoke(&self, since: usize, millis: usize) {
        let frames = millis / 20;
        let what = format!("the agent has spoken for {millis} ms");
        self.until(&what, |heard| voiced(&heard.frames, since) >= frames).await;
    }

    /// Waits until the agent has said something, and then nothing for a while.
    pub async fn until_agent_said_something(&self, since: usize) -> usize {
        self.until_agent_spoke(since, 100).await;
        self.until("the agent is quiet", |heard| heard.frames.iter().rev().take(30).all(|frame| !frame.1)).await;
        self.heard(|heard| heard.frames.len())
    }

    /// Waits until the other side has closed, and says whether it said goodbye. Nobody complains.
    pub async fn until_closed(&self) -> bool {
        self.until("the connection is closed", |heard| heard.is_closed).await;
        self.assert_content();
        self.heard(|heard| heard.is_hung_up)
    }

    /// Nothing came for which Asterisk would have ended the call.
    pub fn assert_content(&self) {
        self.heard(|heard| assert_eq!(heard.complaints, Vec::<String>::new()));
    }
}

/// In how many frames since that one the agent spoke.
pub fn voiced(frames: &[(Option<Instant>, bool)], since: usize) -> usize {
    frames.iter().skip(since).filter(|frame| frame.1).count()
}

/// Reads as Asterisk does.
async fn listen<R: AudioKind>(mut ear: OwnedReadHalf, heard: Arc<Mutex<Heard>>) {
    let mut header = [0; 3];
    let mut payload = Vec::new();
    loop {
        if ear.read_exact(&mut header).await.is_err() {
            break;
        }
        let [kind, high, low] = header;
        payload.resize(usize::from(u16::from_be_bytes([high, low])), 0);
        if kind != 0 && ear.read_exact(&mut payload).await.is_err() {
            heard.lock().unwrap().complaints.push("a message stops in its middle".to_owned());
            break;
        }
        let mut heard = heard.lock().unwrap();
        let expected = R::FRAME_SAMPLES * 2;
        match kind {
            0 => heard.is_hung_up = true,
            _ if heard.is_hung_up => heard.complaints.push(format!("kind {kind:#04x} after the goodbye")),
            ANY_TIME if !heard.spoke && payload.len() == 320 => heard.frames.push((Some(clock::now()), false)),
            kind if kind == R::KIND && payload.len() == expected => {
                let samples: Vec<i16> =
                    payload.as_chunks::<2>().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect();
                let is_voiced = samples.iter().any(|sample| sample.unsigned_abs() > VOICED);
                heard.frames.push((Some(clock::now()), is_voiced));
                heard.samples.extend(samples);
            }
            // 8 kHz that was on its way when the caller's first audio came.
            ANY_TIME if heard.samples.is_empty() && payload.len() == 320 => {
                heard.frames.push((Some(clock::now()), false));
            }
            kind => heard.complaints.push(format!("kind {kind:#04x} with {} bytes", payload.len())),
        }
    }
    heard.lock().unwrap().is_closed = true;
}

/// Sends 20 ms every 20 ms, of what is to be said or of silence.
async fn speak<R: AudioKind>(
    mut writer: OwnedWriteHalf,
    mut says: mpsc::UnboundedReceiver<Say>,
    heard: Arc<Mutex<Heard>>,
) {
    let mut ticks = tokio::time::interval(FRAME);
    let (mut samples, mut speaks) = (Vec::new(), false);
    loop {
        tokio::select! {
            biased;
            say = says.recv() => match say {
                Some(Say::Samples(more)) => {
                    samples.extend(more);
                    speaks = true;
                    heard.lock().unwrap().spoke = true;
                }
                Some(Say::Bytes(bytes)) => {
                    if writer.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
                Some(Say::Close) | None => return,
            },
            _ = ticks.tick() => {
                if speaks {
                    let mut message = Vec::new();
                    let count = R::FRAME_SAMPLES.min(samples.len());
                    let mut frame: Vec<i16> = samples.drain(..count).collect();
                    frame.resize(R::FRAME_SAMPLES, 0);
                    encode_samples::<R>(&frame, &mut message);
                    if writer.write_all(&message).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}
