//! The messages of a media stream as the carrier writes and reads them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::complaint::Complaint;

/// What a server may say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerMessage {
    /// Play this µ-law.
    Media(Vec<u8>),
    /// Tell me when you have played what came before.
    Mark(String),
    /// Play nothing of what you still have.
    Clear,
}

/// Writes what the carrier sends on one stream, and counts as it does.
#[derive(Debug)]
pub struct Writer {
    account_sid: String,
    call_sid: String,
    stream_sid: String,
    sequence: i64,
    chunk: u64,
}

impl Writer {
    /// The writer of a new stream.
    pub fn new(account_sid: &str, call_sid: &str, stream_sid: &str) -> Self {
        let [account_sid, call_sid, stream_sid] = [account_sid, call_sid, stream_sid].map(str::to_owned);
        Self { account_sid, call_sid, stream_sid, sequence: 0, chunk: 0 }
    }

    /// The first message of all, the only one without a number.
    pub fn connected(&self) -> String {
        json!({ "event": "connected", "protocol": "Call", "version": "1.0.0" }).to_string()
    }

    /// The stream begins.
    pub fn start(&mut self, parameters: &[(String, String)]) -> String {
        let custom: Map<String, Value> =
            parameters.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
        let start = json!({
            "accountSid": self.account_sid,
            "streamSid": self.stream_sid,
            "callSid": self.call_sid,
            "tracks": ["inbound"],
            "mediaFormat": { "encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1 },
            "customParameters": custom,
        });
        self.numbered("start", start)
    }

    /// 20 ms of the caller, `timestamp_ms` after the stream's start.
    pub fn media(&mut self, audio: &[u8], timestamp_ms: u64) -> String {
        self.chunk += 1;
        let media = json!({
            "track": "inbound",
            "chunk": self.chunk.to_string(),
            "timestamp": timestamp_ms.to_string(),
            "payload": STANDARD.encode(audio),
        });
        self.numbered("media", media)
    }

    /// The mark of this name has been reached.
    pub fn mark(&mut self, name: &str) -> String {
        self.numbered("mark", json!({ "name": name }))
    }

    /// The caller pressed a key.
    pub fn dtmf(&mut self, digit: char) -> String {
        self.numbered("dtmf", json!({ "track": "inbound_track", "digit": digit.to_string() }))
    }

    /// The stream is over.
    pub fn stop(&mut self) -> String {
        let stop = json!({ "accountSid": self.account_sid, "callSid": self.call_sid });
        self.numbered("stop", stop)
    }

    /// Makes the next message's number wrong by so much.
    pub fn jump(&mut self, by: i64) {
        self.sequence += by;
    }

    fn numbered(&mut self, event: &str, content: Value) -> String {
        self.sequence += 1;
        json!({
            "event": event,
            "sequenceNumber": self.sequence.to_string(),
            event: content,
            "streamSid": self.stream_sid,
        })
        .to_string()
    }
}

/// What a server said on the stream `stream_sid`, if it is exactly what a server may say.
pub fn read(text: &str, stream_sid: &str) -> Result<ServerMessage, Complaint> {
    let value: Value = serde_json::from_str(text).map_err(|error| Complaint::NotJson(error.to_string()))?;
    let Value::Object(message) = value else {
        return Err(Complaint::NotJson("it is another kind of value".into()));
    };
    let event = text_field(&message, "?", "event")?.to_owned();
    let parts: &[&str] = match event.as_str() {
        "media" => &["event", "streamSid", "media"],
        "mark" => &["event", "streamSid", "mark"],
        "clear" => &["event", "streamSid"],
        _ => return Err(Complaint::UnknownEvent(event)),
    };
    only_fields(&message, &event, parts)?;
    let stream = text_field(&message, &event, "streamSid")?;
    if stream != stream_sid {
        return Err(Complaint::WrongStream(stream.to_owned()));
    }
    match event.as_str() {
        "media" => audio(content(&message, &event, "media", "payload")?).map(ServerMessage::Media),
        "mark" => Ok(ServerMessage::Mark(content(&message, &event, "mark", "name")?.to_owned())),
        _ => Ok(ServerMessage::Clear),
    }
}

fn audio(payload: &str) -> Result<Vec<u8>, Complaint> {
    match STANDARD.decode(payload) {
        Ok(audio) if audio.is_empty() => Err(Complaint::EmptyPayload),
        Ok(audio) => Ok(audio),
        Err(error) => Err(Complaint::BadBase64(error.to_string())),
    }
}

/// The one text field of the object `part`.
fn content<'a>(
    message: &'a Map<String, Value>,
    event: &str,
    part: &'static str,
    field: &'static str,
) -> Result<&'a str, Complaint> {
    let Some(Value::Object(object)) = message.get(part) else {
        return Err(Complaint::MissingField { event: event.to_owned(), field: part });
    };
    only_fields(object, event, &[field])?;
    text_field(object, event, field)
}

fn text_field<'a>(object: &'a Map<String, Value>, event: &str, field: &'static str) -> Result<&'a str, Complaint> {
    match object.get(field) {
        Some(Value::String(text)) => Ok(text),
        _ => Err(Complaint::MissingField { event: event.to_owned(), field }),
    }
}

fn only_fields(object: &Map<String, Value>, event: &str, known: &[&str]) -> Result<(), Complaint> {
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(()),
        Some(field) => Err(Complaint::UnexpectedField { event: event.to_owned(), field: field.clone() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(text: String) -> Value {
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_stream_is_numbered_from_its_start_in_text() {
        let mut writer = Writer::new("AC1", "CA1", "MZ1");
        assert_eq!(parsed(writer.connected())["sequenceNumber"], Value::Null);
        let start = parsed(writer.start(&[("token".into(), "t".into())]));
        assert_eq!((&start["sequenceNumber"], &start["streamSid"]), (&json!("1"), &json!("MZ1")));
        assert_eq!(start["start"]["customParameters"], json!({ "token": "t" }));
        assert_eq!(start["start"]["mediaFormat"]["encoding"], "audio/x-mulaw");
        let media = parsed(writer.media(&[0xFF; 3], 40));
        let expected = json!({ "track": "inbound", "chunk": "1", "timestamp": "40", "payload": "////" });
        assert_eq!((&media["media"], &media["sequenceNumber"]), (&expected, &json!("2")));
        assert_eq!(parsed(writer.dtmf('#'))["dtmf"], json!({ "track": "inbound_track", "digit": "#" }));
        assert_eq!(parsed(writer.mark("m"))["mark"], json!({ "name": "m" }));
        writer.jump(-3);
        let stop = parsed(writer.stop());
        assert_eq!((&stop["sequenceNumber"], &stop["stop"]["callSid"]), (&json!("2"), &json!("CA1")));
    }

    #[test]
    fn the_three_messages_of_a_server_are_read() {
        let read = |text: &str| read(text, "MZ1");
        assert_eq!(read(r#"{"event":"clear","streamSid":"MZ1"}"#), Ok(ServerMessage::Clear));
        let mark = r#"{"event":"mark","streamSid":"MZ1","mark":{"name":"r1:20"}}"#;
        assert_eq!(read(mark), Ok(ServerMessage::Mark("r1:20".into())));
        let media = r#"{"event":"media","streamSid":"MZ1","media":{"payload":"AP8="}}"#;
        assert_eq!(read(media), Ok(ServerMessage::Media(vec![0x00, 0xFF])));
    }

    #[test]
    fn each_complaint_can_occur() {
        let missing = |event: &str, field| Complaint::MissingField { event: event.into(), field };
        let unexpected =
            |event: &str, field: &str| Complaint::UnexpectedField { event: event.into(), field: field.into() };
        let wrong = [
            (r#"[1]"#, Complaint::NotJson("it is another kind of value".into())),
            (r#"{"streamSid":"MZ1"}"#, missing("?", "event")),
            (r#"{"event":"stop","streamSid":"MZ1"}"#, Complaint::UnknownEvent("stop".into())),
            (r#"{"event":"clear"}"#, missing("clear", "streamSid")),
            (r#"{"event":"clear","streamSid":"MZ2"}"#, Complaint::WrongStream("MZ2".into())),
            (r#"{"event":"clear","streamSid":"MZ1","clear":{}}"#, unexpected("clear", "clear")),
            (r#"{"event":"mark","streamSid":"MZ1"}"#, missing("mark", "mark")),
            (r#"{"event":"mark","streamSid":"MZ1","mark":{"name":7}}"#, missing("mark", "name")),
            (r#"{"event":"media","streamSid":"MZ1","media":{"playload":"AA=="}}"#, unexpected("media", "playload")),
            (r#"{"event":"media","streamSid":"MZ1","media":{"payload":""}}"#, Complaint::EmptyPayload),
        ];
        for (text, complaint) in wrong {
            assert_eq!(read(text, "MZ1"), Err(complaint), "{text}");
        }
        let bad = read(r#"{"event":"media","streamSid":"MZ1","media":{"payload":"%%"}}"#, "MZ1");
        assert!(matches!(bad, Err(Complaint::BadBase64(_))), "{bad:?}");
        assert!(matches!(read("{", "MZ1"), Err(Complaint::NotJson(_))));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text: String) {
            let _ = read(&text, "MZ1");
        }
    }
}
