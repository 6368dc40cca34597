//! AudioSocket: a call's audio on a TCP connection from Asterisk, framed.
//!
//! A message is one byte that says its kind, two that say the length of what follows (big-endian), and that many bytes
//! (Asterisk's `include/asterisk/res_audiosocket.h` and `res/res_audiosocket.c`):
//!
//! | kind | who sends it | what follows |
//! |---|---|---|
//! | `0x00` | we | nothing: the connection ends, the dialplan goes on |
//! | `0x01` | Asterisk, first | the 16 bytes of the UUID that the dialplan gave |
//! | `0x03` | Asterisk | one ASCII character: a key that the caller pressed |
//! | `0x10` to `0x18` | both | 16-bit linear mono, little-endian, at the kind's rate |
//! | `0xff` | nobody any more | an error; Asterisk ends the call as broken if it is sent one |
//!
//! The rates that a call can have here are those of [`SocketRate`]. [`decode`] takes whatever came so far;
//! what it says of one message does not depend on how the connection cut the bytes.

mod call_uuid;
#[cfg(test)]
mod tests;

use thiserror::Error;

use crate::engine::audio::{CallRate, Hz8k, Hz16k, Hz24k, Hz48k, PcmFrame, append_pcm_bytes};
use crate::engine::ids::Digit;

pub use call_uuid::{CallUuid, NotAUuid, UuidSeal};

/// Kind and length.
pub const HEADER_BYTES: usize = 3;

const HANG_UP: u8 = 0x00;
const ID: u8 = 0x01;
const DIGIT: u8 = 0x03;
const FIRST_AUDIO: u8 = 0x10;
/// The rates of the kinds `0x10` to `0x18`, in hertz.
const AUDIO_HZ: [u32; 9] = [8_000, 12_000, 16_000, 24_000, 32_000, 44_100, 48_000, 96_000, 192_000];

/// A rate at which a call can come, as the kind of its audio says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketRate {
    /// `0x10`, the only one of Asterisk before 20.17, 22.7 and 23.1.
    Hz8k,
    /// `0x12`.
    Hz16k,
    /// `0x13`.
    Hz24k,
    /// `0x16`.
    Hz48k,
}

impl SocketRate {
    const fn of_kind(kind: u8) -> Option<Self> {
        match kind {
            Hz8k::KIND => Some(Self::Hz8k),
            Hz16k::KIND => Some(Self::Hz16k),
            Hz24k::KIND => Some(Self::Hz24k),
            Hz48k::KIND => Some(Self::Hz48k),
            _ => None,
        }
    }
}

/// A rate that has a kind of audio.
pub trait AudioKind: CallRate {
    /// The first byte of a message with such audio.
    const KIND: u8;
    /// The same rate as a value.
    const RATE: SocketRate;
}

macro_rules! audio_kind {
    ($rate:ident, $kind:literal) => {
        impl AudioKind for $rate {
            const KIND: u8 = $kind;
            const RATE: SocketRate = SocketRate::$rate;
        }
    };
}

audio_kind!(Hz8k, 0x10);
audio_kind!(Hz16k, 0x12);
audio_kind!(Hz24k, 0x13);
audio_kind!(Hz48k, 0x16);

/// One message, as Asterisk sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketMessage<'a> {
    /// The call is over. Asterisk closes instead; other peers say it.
    HangUp,
    /// Which call this is.
    Id(CallUuid),
    /// The caller pressed a key.
    Digit(Digit),
    /// The caller's audio.
    Audio {
        /// How it is sampled.
        rate: SocketRate,
        /// Samples of two bytes, any number of them; a last odd byte is none.
        bytes: &'a [u8],
    },
}

/// Why a message makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AudioSocketError {
    /// Audio at a rate that a call can't have here.
    #[error("audio at {0} Hz: only 8000, 16000, 24000 and 48000 are taken")]
    Rate(u32),
    /// A kind that nobody sends.
    #[error("kind {0:#04x} is none that Asterisk sends")]
    Kind(u8),
    /// A UUID that is not 16 bytes long.
    #[error("a UUID of {0} bytes instead of 16")]
    Id(usize),
    /// A key that no telephone has.
    #[error("a key that no telephone has")]
    Digit,
}

/// The first message of what came so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoded<'a> {
    /// What it says.
    pub message: Result<SocketMessage<'a>, AudioSocketError>,
    /// How many bytes it takes up, header included; the next one begins behind them.
    pub length: usize,
}

/// Reads the first message in `bytes`; `None` until all of it has come.
pub fn decode(bytes: &[u8]) -> Option<Decoded<'_>> {
    let (&[kind, high, low], rest) = bytes.split_first_chunk::<HEADER_BYTES>()?;
    let payload = rest.get(..usize::from(u16::from_be_bytes([high, low])))?;
    Some(Decoded { message: message(kind, payload), length: HEADER_BYTES + payload.len() })
}

fn message(kind: u8, payload: &[u8]) -> Result<SocketMessage<'_>, AudioSocketError> {
    match kind {
        HANG_UP => Ok(SocketMessage::HangUp),
        ID => match payload.try_into() {
            Ok(bytes) => Ok(SocketMessage::Id(CallUuid::from_bytes(bytes))),
            Err(_) => Err(AudioSocketError::Id(payload.len())),
        },
        DIGIT => match payload {
            &[key] => Digit::try_from(char::from(key).to_ascii_uppercase())
                .map(SocketMessage::Digit)
                .map_err(|_| AudioSocketError::Digit),
            _ => Err(AudioSocketError::Digit),
        },
        kind => match (SocketRate::of_kind(kind), AUDIO_HZ.get(usize::from(kind.wrapping_sub(FIRST_AUDIO)))) {
            (Some(rate), _) => Ok(SocketMessage::Audio { rate, bytes: payload }),
            (None, Some(&hz)) => Err(AudioSocketError::Rate(hz)),
            (None, None) => Err(AudioSocketError::Kind(kind)),
        },
    }
}

/// Appends 20 ms of audio, header and payload: to be sent in one write, since Asterisk ends a call whose message stops
/// between the two for 5 ms.
pub fn encode_audio<R: AudioKind>(frame: &PcmFrame<R>, out: &mut Vec<u8>) {
    encode_samples::<R>(frame.samples(), out);
}

/// Appends a message with so many samples of audio, at most 32,767.
pub fn encode_samples<R: AudioKind>(samples: &[i16], out: &mut Vec<u8>) {
    let length = samples.len() as u16 * 2;
    out.push(R::KIND);
    out.extend(length.to_be_bytes());
    append_pcm_bytes(samples, out);
}

/// The message that ends the connection.
pub const fn encode_hang_up() -> [u8; HEADER_BYTES] {
    [HANG_UP, 0, 0]
}

/// The message with which Asterisk says which call this is.
pub fn encode_id(id: CallUuid) -> Vec<u8> {
    [&[ID, 0, 16], id.as_bytes().as_slice()].concat()
}

/// The message with which Asterisk says that the caller pressed a key.
pub const fn encode_digit(digit: Digit) -> [u8; HEADER_BYTES + 1] {
    [DIGIT, 0, 1, digit.as_char() as u8]
}
