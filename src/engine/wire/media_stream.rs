//! Twilio Media Streams: a call's audio as JSON texts on a WebSocket, both ways.
//!
//! One stream, in order:
//!
//! ```text
//! from Twilio   connected  start  media media media …  dtmf  mark  … stop
//! to Twilio                       media media mark  …  clear …
//! ```
//!
//! Audio is G.711 µ-law, 8 kHz, mono, in base64; Twilio sends 160 bytes, 20 ms, at a time. Numbers travel as
//! texts (`"chunk": "2"`); both are taken. A `mark` comes back when the audio before it has been played, or
//! taken back by `clear`.
//!
//! [`decode()`] borrows from the message and writes audio into the caller's buffer: a `media` message allocates
//! nothing. An event that nobody knows is [`StreamMessage::Unknown`], not an error.
//!
//! Rules: twilio.com/docs/voice/media-streams/websocket-messages.
//!
//! ```
//! use trunkline::engine::wire::media_stream::{decode, AudioBuffer, StreamMessage, AUDIO_BUFFER};
//!
//! let mut audio: AudioBuffer = AUDIO_BUFFER;
//! let text = r#"{"event":"media","sequenceNumber":"4","media":{"track":"inbound","chunk":"2","timestamp":"5","payload":"/34A"}}"#;
//! let received = decode(text, &mut audio)?;
//! assert_eq!(received.sequence, Some(4));
//! assert!(matches!(received.message, StreamMessage::Media(media) if media.payload == [0xff, 0x7e, 0x00]));
//! # Ok::<(), trunkline::engine::wire::media_stream::StreamDecodeError>(())
//! ```

mod decode;
mod encode;
mod sequence;

use std::borrow::Cow;
use std::collections::BTreeMap;

use thiserror::Error;

use crate::engine::ids::{AccountSid, CallSid, Digit, StreamSid};

pub use decode::decode;
pub use encode::StreamEncoder;
pub use sequence::{Sequence, SequenceCheck};

/// The longest message that is read, in bytes. A `media` message has about 400; a `start` with every
/// parameter that TwiML allows stays below 16 KiB.
pub const MAX_MESSAGE_BYTES: usize = 64 * 1024;
/// The most audio in one message, in bytes of µ-law: 500 ms, where Twilio sends 20.
pub const MAX_PAYLOAD_BYTES: usize = 4_000;

/// Where a message's audio is put; one per thread is enough.
pub type AudioBuffer = [u8; MAX_PAYLOAD_BYTES];
/// An empty buffer.
pub const AUDIO_BUFFER: AudioBuffer = [0; MAX_PAYLOAD_BYTES];

/// One message, and its place in the order of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received<'t, 'b> {
    /// Counts from 1, from `start` on; `connected` has none.
    pub sequence: Option<u64>,
    /// What it says.
    pub message: StreamMessage<'t, 'b>,
}

/// What Twilio says on a media stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamMessage<'t, 'b> {
    /// The socket is open.
    Connected {
        /// `Call`.
        protocol: Cow<'t, str>,
        /// Of the protocol, such as `1.0.0`.
        version: Cow<'t, str>,
    },
    /// Which call this is, and in what form its audio comes.
    Start(Box<StreamStart>),
    /// Audio.
    Media(Media<'b>),
    /// A mark that we sent: everything before it was played, or cleared.
    Mark {
        /// Its name.
        name: Cow<'t, str>,
    },
    /// The caller pressed a key.
    Dtmf {
        /// Which.
        digit: Digit,
    },
    /// The stream is over.
    Stop,
    /// An event that we don't know.
    Unknown {
        /// Its name.
        event: Cow<'t, str>,
    },
}

/// Which call a stream carries. That its audio is µ-law, 8 kHz, mono and inbound has been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamStart {
    /// The stream.
    pub stream_sid: StreamSid,
    /// Whose account.
    pub account_sid: AccountSid,
    /// The call.
    pub call_sid: CallSid,
    /// What audio comes.
    pub tracks: Vec<Track>,
    /// The `<Parameter>`s of our TwiML.
    pub custom_parameters: BTreeMap<String, String>,
}

/// A piece of audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Media<'b> {
    /// Whose voice. A stream of `<Connect>` has only the caller's.
    pub track: Track,
    /// The piece's number within its track, from 1.
    pub chunk: Option<u64>,
    /// Where it stands in the stream, in milliseconds from its start.
    pub timestamp_ms: Option<u64>,
    /// µ-law, any number of bytes up to [`MAX_PAYLOAD_BYTES`], in the buffer given to [`decode()`].
    pub payload: &'b [u8],
}

/// Whose voice is heard on a track.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Track {
    /// The caller's.
    Inbound,
    /// What the caller hears.
    Outbound,
}

/// Why a message makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StreamDecodeError {
    /// More than [`MAX_MESSAGE_BYTES`].
    #[error("the message is {0} bytes long; {MAX_MESSAGE_BYTES} is the most that is read")]
    TooLong(usize),
    /// Not a JSON object.
    #[error("the message is not a JSON object")]
    NotJson,
    /// A field isn't there.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A field isn't what it should be.
    #[error("{0} is malformed")]
    Malformed(Cow<'static, str>),
    /// More audio than [`MAX_PAYLOAD_BYTES`].
    #[error("media.payload is longer than {MAX_PAYLOAD_BYTES} bytes of audio")]
    PayloadTooLong,
    /// A stream that we can't carry. It is to be closed.
    #[error("the stream is refused: {0}")]
    Refused(#[from] StartRefusal),
}

impl StreamDecodeError {
    /// The kind of error, from a small fixed set, to be counted by.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::TooLong(_) => "too_long",
            Self::NotJson => "not_json",
            Self::Missing(_) => "missing_field",
            Self::Malformed(_) => "malformed_field",
            Self::PayloadTooLong => "payload_too_long",
            Self::Refused(_) => "refused_start",
        }
    }
}

/// Why a stream can't be carried.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StartRefusal {
    /// Its audio isn't `audio/x-mulaw`.
    #[error("mediaFormat.encoding must be audio/x-mulaw")]
    Encoding,
    /// Its audio isn't at 8,000 Hz.
    #[error("mediaFormat.sampleRate must be 8000, is {0}")]
    SampleRate(u64),
    /// Its audio isn't mono.
    #[error("mediaFormat.channels must be 1, is {0}")]
    Channels(u64),
    /// The caller's voice isn't in it.
    #[error("tracks must hold inbound")]
    NoInboundTrack,
}

#[cfg(test)]
mod tests;
