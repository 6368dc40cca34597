//! A call's audio and its control on a WebSocket from a browser, as the console speaks it.
//!
//! Binary messages are sound, both ways: 16-bit linear mono, little-endian, at 16 kHz, 20 ms (640 bytes) in each. Text messages
//! are JSON objects whose `type` says what they are:
//!
//! | from the browser | |
//! |---|---|
//! | `{"type":"start","business":"bakery"}` | first: a call to this business; without one, to that which answers every number |
//! | `{"type":"mark","name":"r3:1240"}` | everything before this mark was heard, by the clock of the browser's audio |
//! | `{"type":"dtmf","digit":"5"}` | a key |
//! | `{"type":"mute","muted":true}` | whether the microphone counts |
//! | `{"type":"hangup"}` | the caller leaves |
//!
//! | to the browser | |
//! |---|---|
//! | `{"type":"ready","call_sid":"CA…",…}` | the call begins; sound is expected from now on |
//! | `{"type":"mark","name":"r3:1240"}` | a mark behind the sound that was sent so far |
//! | `{"type":"clear"}` | throw away what was sent and not heard; its marks need not come back |
//! | `{"type":"caption",…}` | words of either side: a piece as it comes, then the whole turn |
//! | `{"type":"levels","caller_dbfs":-31,"agent_dbfs":-96}` | how loud both sides are, as the service hears them |
//! | `{"type":"refused","reason":"…"}` | there is no call, and why |
//! | `{"type":"ended","cause":"caller_hung_up"}` | the call is over, and why |
//!
//! What a browser adds to a message of these is not looked at.

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::engine::audio::{Hz16k, PcmFrame, append_pcm_bytes};
use crate::engine::call::{HangupCause, Speaker, Turn};
use crate::engine::ids::{BusinessId, CallSid, Digit, Mark, ResponseId};

/// The longest text message that is read, in bytes: many times the longest that the console sends.
pub const MAX_TEXT_BYTES: usize = 1_024;
/// The longest binary message that is read, in bytes: half a second.
pub const MAX_AUDIO_BYTES: usize = 16_000;

/// What a browser says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromBrowser {
    /// It wants a call to this business; `None`: to that which answers every number.
    Start(Option<BusinessId>),
    /// Everything before this mark was heard.
    Mark(Mark),
    /// A key was pressed.
    Digit(Digit),
    /// Whether the microphone is off.
    Mute(bool),
    /// The caller leaves.
    HangUp,
}

/// Why a message makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BrowserError {
    /// Longer than any message is.
    #[error("is longer than {MAX_TEXT_BYTES} bytes")]
    TooLong,
    /// Not a JSON object with a known `type` and the fields that go with it.
    #[error("is no message of a call")]
    NotAMessage,
    /// A name that no business can have.
    #[error("business: must be 1 to 64 characters of text")]
    Business,
    /// A mark that is none of ours.
    #[error("name: is not one of our mark names")]
    Mark,
    /// A key that no telephone has.
    #[error("digit: must be one of 0 to 9, *, #, A to D")]
    Digit,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Message<'a> {
    Start {
        #[serde(default)]
        business: Option<String>,
    },
    Mark {
        name: &'a str,
    },
    Dtmf {
        digit: char,
    },
    Mute {
        muted: bool,
    },
    #[serde(rename = "hangup")]
    HangUp,
}

/// Reads a text message.
///
/// # Errors
/// It makes no sense.
pub fn decode(text: &str) -> Result<FromBrowser, BrowserError> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(BrowserError::TooLong);
    }
    Ok(match serde_json::from_str(text).map_err(|_| BrowserError::NotAMessage)? {
        Message::Start { business } => {
            FromBrowser::Start(business.map(|name| name.parse()).transpose().map_err(|_| BrowserError::Business)?)
        }
        Message::Mark { name } => FromBrowser::Mark(name.parse().map_err(|_| BrowserError::Mark)?),
        Message::Dtmf { digit } => FromBrowser::Digit(digit.try_into().map_err(|_| BrowserError::Digit)?),
        Message::Mute { muted } => FromBrowser::Mute(muted),
        Message::HangUp => FromBrowser::HangUp,
    })
}

/// What a browser is told.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToBrowser<'a> {
    /// The call begins.
    Ready {
        /// Its name.
        call_sid: &'a CallSid,
        /// Whose it is.
        business: &'a BusinessId,
        /// Of the sound, in hertz.
        rate_hz: u32,
        /// How long the sound of a message lasts.
        frame_ms: u32,
    },
    /// A mark behind what was sent so far.
    Mark {
        /// Its name.
        #[serde(serialize_with = "as_text")]
        name: Mark,
    },
    /// Throw away what was not heard.
    Clear,
    /// Words.
    Caption(Caption<'a>),
    /// How loud both sides are, in decibels below full scale.
    Levels {
        /// The caller.
        caller_dbfs: i32,
        /// The agent.
        agent_dbfs: i32,
    },
    /// There is no call.
    Refused {
        /// Why, for a person to read.
        reason: &'a str,
    },
    /// The call is over.
    Ended {
        /// Who ended it, and why.
        cause: HangupCause,
    },
}

/// Words of one side.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Caption<'a> {
    /// Whose.
    speaker: Speaker,
    /// The response that they are a piece of; not of whole turns.
    #[serde(serialize_with = "as_text_if_any", skip_serializing_if = "Option::is_none")]
    response: Option<ResponseId>,
    /// Which turn of the call it is; not of pieces.
    #[serde(skip_serializing_if = "Option::is_none")]
    turn: Option<u32>,
    /// The words: all of a turn, or the next piece of a response.
    text: &'a str,
    /// What of them was heard; not of pieces.
    #[serde(skip_serializing_if = "Option::is_none")]
    heard_text: Option<&'a str>,
    /// Whether the caller cut the agent short.
    interrupted: bool,
}

impl<'a> Caption<'a> {
    /// The next piece of what the agent is about to say.
    pub const fn piece(response: ResponseId, text: &'a str) -> Self {
        let (speaker, response) = (Speaker::Agent, Some(response));
        Self { speaker, response, turn: None, text, heard_text: None, interrupted: false }
    }

    /// What was said, as it is stored.
    pub const fn turn(turn: &'a Turn) -> Self {
        Self {
            speaker: turn.speaker,
            response: None,
            turn: Some(turn.number),
            text: turn.text.as_str(),
            heard_text: Some(turn.heard_text.as_str()),
            interrupted: turn.interrupted,
        }
    }
}

/// Writes a text message behind what stands in `out`.
pub fn encode(message: &ToBrowser<'_>, out: &mut String) {
    out.push_str(&serde_json::to_string(message).expect("texts and numbers can be written as JSON"));
}

/// Writes the sound of a binary message behind what stands in `out`.
pub fn encode_audio(frame: &PcmFrame<Hz16k>, out: &mut Vec<u8>) {
    append_pcm_bytes(frame.samples(), out);
}

/// The samples of a binary message, and whether it is whole: an odd byte at its end is none.
pub fn decode_audio(bytes: &[u8], samples: &mut Vec<i16>) -> bool {
    let (pairs, rest) = bytes.as_chunks::<2>();
    samples.extend(pairs.iter().map(|pair| i16::from_le_bytes(*pair)));
    rest.is_empty()
}

fn as_text<S: serde::Serializer>(name: &impl std::fmt::Display, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(name)
}

fn as_text_if_any<S: serde::Serializer>(name: &Option<ResponseId>, to: S) -> Result<S::Ok, S::Error> {
    match name {
        Some(name) => to.collect_str(name),
        None => to.serialize_none(),
    }
}
