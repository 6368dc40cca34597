//! What one line says and is told, in the words of whoever brings the call: Twilio's media stream, or AudioSocket.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::fleet::Fleet;
use super::line::Names;
use super::media::StreamWriter;
use crate::engine::audio::Hz8k;
use crate::engine::audio::g711::{decode_ulaw, encode_ulaw};
use crate::engine::wire::audiosocket::{
    CallUuid, Decoded, SocketMessage, SocketRate, decode, encode_hang_up, encode_id, encode_samples,
};

/// The messages of one line.
pub enum Messages {
    /// Text on a WebSocket.
    Twilio(StreamWriter),
    /// Bytes on a TCP connection.
    AudioSocket {
        /// What makes no whole message yet.
        kept: Vec<u8>,
    },
}

/// What came from the other side of an AudioSocket.
pub enum FromServer<'a> {
    /// Something that is heard, as µ-law.
    Speech(&'a [u8]),
    /// Nothing that is heard.
    Silence,
    /// What no server sends.
    Nonsense(&'static str),
}

impl Default for Messages {
    fn default() -> Self {
        Self::AudioSocket { kept: Vec::new() }
    }
}

impl Messages {
    /// The first words of a new line; `start` is the content of Twilio's message of that name.
    pub fn begin(fleet: &Fleet, names: &Names, start: &serde_json::Value, out: &mut Vec<u8>) -> Self {
        if fleet.is_pbx {
            let digits = names.call.trim_start_matches("CA");
            let number = u128::from_str_radix(digits, 16).unwrap_or_default();
            out.extend(encode_id(CallUuid::from_bytes(number.to_be_bytes())));
            return Self::default();
        }
        let mut writer = StreamWriter::new(&names.stream);
        writer.connected(out);
        writer.start(start, out);
        Self::Twilio(writer)
    }

    /// Whether they travel in a WebSocket's frames.
    pub fn is_websocket(&self) -> bool {
        matches!(self, Self::Twilio(_))
    }

    /// 20 ms of the caller: base64, and when it was said, in milliseconds since the start.
    pub fn media(&mut self, payload: &[u8], timestamp_ms: u64, out: &mut Vec<u8>) {
        match self {
            Self::Twilio(writer) => writer.media(payload, timestamp_ms, out),
            Self::AudioSocket { .. } => {
                let mulaw = STANDARD.decode(payload).unwrap_or_default();
                let mut samples = vec![0; mulaw.len()];
                decode_ulaw(&mulaw, &mut samples);
                encode_samples::<Hz8k>(&samples, out);
            }
        }
    }

    /// The mark of this name has been reached. An AudioSocket knows none.
    pub fn mark(&mut self, name: &[u8], out: &mut Vec<u8>) {
        if let Self::Twilio(writer) = self {
            writer.mark(name, out);
        }
    }

    /// The caller has hung up.
    pub fn stop(&mut self, account_sid: &str, call_sid: &str, out: &mut Vec<u8>) {
        match self {
            Self::Twilio(writer) => writer.stop(account_sid, call_sid, out),
            Self::AudioSocket { .. } => out.extend(encode_hang_up()),
        }
    }

    /// Takes fresh bytes of an AudioSocket and hands out what they say. Whether the connection is to be closed.
    pub fn hear(&mut self, fresh: &[u8], mut each: impl FnMut(FromServer<'_>)) -> bool {
        let Self::AudioSocket { kept } = self else { return false };
        kept.extend_from_slice(fresh);
        let mut at = 0;
        let mut is_closed = false;
        while let Some(Decoded { message, length }) = decode(&kept[at..]) {
            at += length;
            match message {
                Ok(SocketMessage::HangUp) => is_closed = true,
                Ok(SocketMessage::Audio { rate: SocketRate::Hz8k, bytes }) => heard(bytes, &mut each),
                Ok(SocketMessage::Audio { .. }) => {
                    each(FromServer::Nonsense("audio at another rate than the call has"))
                }
                Ok(SocketMessage::Id(_) | SocketMessage::Digit(_)) | Err(_) => {
                    each(FromServer::Nonsense("a message for which Asterisk ends the call"));
                }
            }
        }
        kept.drain(..at);
        is_closed
    }
}

fn heard(bytes: &[u8], each: &mut impl FnMut(FromServer<'_>)) {
    let samples: Vec<i16> = bytes.as_chunks::<2>().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect();
    if samples.iter().all(|sample| *sample == 0) {
        return each(FromServer::Silence);
    }
    let mut mulaw = vec![0; samples.len()];
    encode_ulaw(&samples, &mut mulaw);
    each(FromServer::Speech(&mulaw));
}
