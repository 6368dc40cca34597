//! One text message to one value.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use base64_simd::{AsOut as _, STANDARD, STANDARD_NO_PAD};
use serde::de::Visitor;
use serde::{Deserialize, Deserializer};

use crate::engine::ids::Digit;

use super::{
    AudioBuffer, MAX_MESSAGE_BYTES, Media, Received, StartRefusal, StreamDecodeError, StreamMessage, StreamStart, Track,
};
use StreamDecodeError::{Malformed, Missing, NotJson, PayloadTooLong, TooLong};

/// Reads one text message. The audio of a `media` message is put into the buffer.
pub fn decode<'t, 'b>(text: &'t str, audio: &'b mut AudioBuffer) -> Result<Received<'t, 'b>, StreamDecodeError> {
    if text.len() > MAX_MESSAGE_BYTES {
        return Err(TooLong(text.len()));
    }
    // serde would take a list of the fields' values for an object, too.
    if !text.trim_ascii_start().starts_with('{') {
        return Err(NotJson);
    }
    let wire: Wire<'t> = serde_json::from_str(text).map_err(|error| explain(text, &error))?;
    let sequence = wire.sequence_number.map(|number| number.0);
    let Some(Text(event)) = wire.event else { return Err(Missing("event")) };
    let message = match event.as_ref() {
        "media" => StreamMessage::Media(wire.media.ok_or(Missing("media"))?.decode(audio)?),
        "mark" => {
            let Text(name) = wire.mark.ok_or(Missing("mark"))?.name.ok_or(Missing("mark.name"))?;
            StreamMessage::Mark { name }
        }
        "dtmf" => StreamMessage::Dtmf { digit: wire.dtmf.ok_or(Missing("dtmf"))?.decode()? },
        "connected" => StreamMessage::Connected {
            protocol: wire.protocol.map(|Text(text)| text).unwrap_or_default(),
            version: wire.version.map(|Text(text)| text).unwrap_or_default(),
        },
        "start" => {
            let start = wire.start.ok_or(Missing("start"))?;
            StreamMessage::Start(Box::new(start.decode(wire.stream_sid)?))
        }
        "stop" => StreamMessage::Stop,
        _ => StreamMessage::Unknown { event },
    };
    Ok(Received { sequence, message })
}

/// Which field it is that serde refused: found by reading again, which only a bad message has to pay for.
#[cold]
fn explain(text: &str, error: &serde_json::Error) -> StreamDecodeError {
    if !error.is_data() {
        return NotJson;
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    match serde_path_to_error::deserialize::<_, Wire<'_>>(&mut reader) {
        Err(error) if error.path().iter().len() > 0 => Malformed(Cow::Owned(error.path().to_string())),
        _ => NotJson,
    }
}

/// Every message, flat: serde would copy a tagged one before reading it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'t> {
    #[serde(borrow)]
    event: Option<Text<'t>>,
    sequence_number: Option<Number>,
    #[serde(borrow)]
    stream_sid: Option<Text<'t>>,
    #[serde(borrow)]
    media: Option<WireMedia<'t>>,
    #[serde(borrow)]
    mark: Option<WireMark<'t>>,
    #[serde(borrow)]
    dtmf: Option<WireDtmf<'t>>,
    #[serde(borrow)]
    start: Option<Box<WireStart<'t>>>,
    #[serde(borrow)]
    protocol: Option<Text<'t>>,
    #[serde(borrow)]
    version: Option<Text<'t>>,
}

#[derive(Deserialize)]
struct WireMedia<'t> {
    #[serde(borrow)]
    track: Option<Text<'t>>,
    chunk: Option<Number>,
    timestamp: Option<Number>,
    #[serde(borrow)]
    payload: Option<Text<'t>>,
}

impl WireMedia<'_> {
    /// A message that doesn't say whose voice it carries carries the caller's, the only one that a stream of
    /// `<Connect>` has.
    fn decode<'b>(&self, audio: &'b mut AudioBuffer) -> Result<Media<'b>, StreamDecodeError> {
        let Text(payload) = self.payload.as_ref().ok_or(Missing("media.payload"))?;
        let track = match &self.track {
            None => Track::Inbound,
            Some(Text(track)) => track.parse().map_err(|()| Malformed("media.track".into()))?,
        };
        let length = decode_base64(payload.as_bytes(), audio)?;
        Ok(Media {
            track,
            chunk: self.chunk.map(|number| number.0),
            timestamp_ms: self.timestamp.map(|number| number.0),
            payload: &audio[..length],
        })
    }
}

#[derive(Deserialize)]
struct WireMark<'t> {
    #[serde(borrow)]
    name: Option<Text<'t>>,
}

#[derive(Deserialize)]
struct WireDtmf<'t> {
    #[serde(borrow)]
    digit: Option<Text<'t>>,
}

impl WireDtmf<'_> {
    fn decode(&self) -> Result<Digit, StreamDecodeError> {
        let Text(digit) = self.digit.as_ref().ok_or(Missing("dtmf.digit"))?;
        let mut keys = digit.chars().map(|key| key.to_ascii_uppercase());
        match (keys.next().map(Digit::try_from), keys.next()) {
            (Some(Ok(digit)), None) => Ok(digit),
            _ => Err(Malformed("dtmf.digit".into())),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireStart<'t> {
    #[serde(borrow)]
    stream_sid: Option<Text<'t>>,
    #[serde(borrow)]
    account_sid: Option<Text<'t>>,
    #[serde(borrow)]
    call_sid: Option<Text<'t>>,
    #[serde(borrow)]
    tracks: Option<Vec<Text<'t>>>,
    #[serde(borrow)]
    media_format: Option<WireFormat<'t>>,
    custom_parameters: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireFormat<'t> {
    #[serde(borrow)]
    encoding: Option<Text<'t>>,
    sample_rate: Option<Number>,
    channels: Option<Number>,
}

impl WireStart<'_> {
    fn decode(self, outer_stream_sid: Option<Text<'_>>) -> Result<StreamStart, StreamDecodeError> {
        let stream_sid = identifier(self.stream_sid.or(outer_stream_sid), "start.streamSid")?;
        let account_sid = identifier(self.account_sid, "start.accountSid")?;
        let call_sid = identifier(self.call_sid, "start.callSid")?;
        self.media_format.ok_or(Missing("start.mediaFormat"))?.check()?;

        let tracks = self.tracks.ok_or(Missing("start.tracks"))?;
        let tracks: Result<Vec<Track>, ()> = tracks.iter().map(|Text(track)| track.parse()).collect();
        let tracks = tracks.map_err(|()| Malformed("start.tracks".into()))?;
        if !tracks.contains(&Track::Inbound) {
            return Err(StartRefusal::NoInboundTrack.into());
        }
        let custom_parameters = self.custom_parameters.unwrap_or_default();
        Ok(StreamStart { stream_sid, account_sid, call_sid, tracks, custom_parameters })
    }
}

impl WireFormat<'_> {
    fn check(&self) -> Result<(), StreamDecodeError> {
        let Text(encoding) = self.encoding.as_ref().ok_or(Missing("start.mediaFormat.encoding"))?;
        let Number(rate) = self.sample_rate.ok_or(Missing("start.mediaFormat.sampleRate"))?;
        let Number(channels) = self.channels.ok_or(Missing("start.mediaFormat.channels"))?;
        match (encoding.as_ref(), rate, channels) {
            ("audio/x-mulaw", 8_000, 1) => Ok(()),
            ("audio/x-mulaw", 8_000, _) => Err(StartRefusal::Channels(channels).into()),
            ("audio/x-mulaw", _, _) => Err(StartRefusal::SampleRate(rate).into()),
            _ => Err(StartRefusal::Encoding.into()),
        }
    }
}

fn identifier<T: FromStr>(text: Option<Text<'_>>, field: &'static str) -> Result<T, StreamDecodeError> {
    let Text(text) = text.ok_or(Missing(field))?;
    text.parse().map_err(|_| Malformed(field.into()))
}

impl FromStr for Track {
    type Err = ();

    /// Takes both of Twilio's spellings.
    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "inbound" | "inbound_track" => Ok(Self::Inbound),
            "outbound" | "outbound_track" => Ok(Self::Outbound),
            _ => Err(()),
        }
    }
}

/// A text that is borrowed from the message unless it holds escapes.
#[derive(Deserialize)]
struct Text<'t>(#[serde(borrow)] Cow<'t, str>);

/// A whole number, not below 0, written as a number or as a text.
#[derive(Clone, Copy)]
struct Number(u64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberVisitor)
    }
}

struct NumberVisitor;

impl Visitor<'_> for NumberVisitor {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number, not below 0")
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Number, E> {
        Ok(Number(number))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Number, E> {
        text.parse().map(Number).map_err(E::custom)
    }
}

/// Puts the audio into the buffer; how many bytes it has. Padding may be there or not: carriers that speak this
/// protocol too don't agree.
fn decode_base64(payload: &[u8], audio: &mut AudioBuffer) -> Result<usize, StreamDecodeError> {
    let base64 = if payload.ends_with(b"=") { STANDARD } else { STANDARD_NO_PAD };
    let malformed = |_| Malformed("media.payload".into());
    let length = base64.decoded_length(payload).map_err(malformed)?;
    let room = audio.get_mut(..length).ok_or(PayloadTooLong)?;
    base64.decode(payload, room.as_out()).map_err(malformed)?;
    Ok(length)
}
