//! Twilio's media stream, as a carrier writes and reads it 50 times a second for each of many calls.
//!
//! What does not change is copied, digits are written by hand, and of what comes only the fields that matter
//! are looked for. The messages are those of twilio.com/docs/voice/media-streams/websocket-messages.

use super::frame::{Side, TEXT, put};

/// Writes what the carrier sends on one stream, each as a frame.
#[derive(Debug)]
pub struct StreamWriter {
    tail: Vec<u8>,
    sequence: u64,
    chunk: u64,
}

impl StreamWriter {
    /// For a new stream.
    pub fn new(stream_sid: &str) -> Self {
        Self { tail: format!(r#","streamSid":"{stream_sid}"}}"#).into_bytes(), sequence: 0, chunk: 0 }
    }

    /// The first message of all, the only one without a number.
    pub fn connected(&self, out: &mut Vec<u8>) {
        put(out, Side::Client, TEXT, |out| {
            out.extend_from_slice(br#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#);
        });
    }

    /// The stream begins; `start` is the object of that name.
    pub fn start(&mut self, start: &serde_json::Value, out: &mut Vec<u8>) {
        self.numbered(b"start", out, |_, out| out.extend_from_slice(start.to_string().as_bytes()));
    }

    /// 20 ms of the caller: base64, and when it was said, in milliseconds since the start.
    pub fn media(&mut self, payload: &[u8], timestamp_ms: u64, out: &mut Vec<u8>) {
        self.chunk += 1;
        self.numbered(b"media", out, |chunk, out| {
            out.extend_from_slice(br#"{"track":"inbound","chunk":""#);
            put_number(chunk, out);
            out.extend_from_slice(br#"","timestamp":""#);
            put_number(timestamp_ms, out);
            out.extend_from_slice(br#"","payload":""#);
            out.extend_from_slice(payload);
            out.extend_from_slice(br#""}"#);
        });
    }

    /// The mark of this name, as it stood between quotes, has been reached.
    pub fn mark(&mut self, name: &[u8], out: &mut Vec<u8>) {
        self.numbered(b"mark", out, |_, out| {
            out.extend_from_slice(br#"{"name":""#);
            out.extend_from_slice(name);
            out.extend_from_slice(br#""}"#);
        });
    }

    /// The stream is over.
    pub fn stop(&mut self, account_sid: &str, call_sid: &str, out: &mut Vec<u8>) {
        let stop = format!(r#"{{"accountSid":"{account_sid}","callSid":"{call_sid}"}}"#);
        self.numbered(b"stop", out, |_, out| out.extend_from_slice(stop.as_bytes()));
    }

    fn numbered(&mut self, event: &[u8], out: &mut Vec<u8>, content: impl FnOnce(u64, &mut Vec<u8>)) {
        self.sequence += 1;
        put(out, Side::Client, TEXT, |out| {
            out.extend_from_slice(br#"{"event":""#);
            out.extend_from_slice(event);
            out.extend_from_slice(br#"","sequenceNumber":""#);
            put_number(self.sequence, out);
            out.extend_from_slice(br#"",""#);
            out.extend_from_slice(event);
            out.extend_from_slice(br#"":"#);
            content(self.chunk, out);
            out.extend_from_slice(&self.tail);
        });
    }
}

fn put_number(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// What a server says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said<'a> {
    /// Play this: µ-law in base64.
    Media(&'a [u8]),
    /// Say when you have played what came before. The name as it stands between quotes.
    Mark(&'a [u8]),
    /// Play nothing of what you still have.
    Clear,
}

/// Reads one message of the server on this stream; else what is wrong with it.
pub fn read<'a>(message: &'a [u8], stream_sid: &str) -> Result<Said<'a>, &'static str> {
    if text(message, b"\"streamSid\"") != Some(stream_sid.as_bytes()) {
        return Err("a message for another stream");
    }
    match text(message, b"\"event\"") {
        Some(b"media") => text(message, b"\"payload\"").map(Said::Media).ok_or("media without a payload"),
        Some(b"mark") => text(message, b"\"name\"").map(Said::Mark).ok_or("a mark without a name"),
        Some(b"clear") => Ok(Said::Clear),
        _ => Err("a message of an unknown kind"),
    }
}

/// The text that follows a key, as it stands between its quotes.
fn text<'a>(json: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let begin = find(json, key)? + key.len();
    let rest = json[begin..].trim_ascii_start().strip_prefix(b":")?.trim_ascii_start().strip_prefix(b"\"")?;
    let mut end = 0;
    loop {
        end += rest[end..].iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
        if rest[end] == b'"' {
            return Some(&rest[..end]);
        }
        end += 2;
        if end > rest.len() {
            return None;
        }
    }
}

fn find(json: &[u8], key: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += json[at..].iter().position(|byte| *byte == b'"')?;
        if json[at..].starts_with(key) {
            return Some(at);
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::Inbox;
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn written(write: impl FnOnce(&mut StreamWriter, &mut Vec<u8>)) -> Vec<Value> {
        let (mut out, mut messages) = (Vec::new(), Vec::new());
        write(&mut StreamWriter::new("MZ1"), &mut out);
        let taken = Inbox::default().take(&mut out, |mut frame| {
            frame.unmask();
            messages.push(serde_json::from_slice(frame.payload).unwrap());
        });
        assert_eq!(taken, Ok(()));
        messages
    }

    #[test]
    fn a_stream_is_numbered_from_its_start() {
        let messages = written(|writer, out| {
            writer.connected(out);
            writer.start(&json!({ "callSid": "CA1" }), out);
            writer.media(b"//8=", 0, out);
            writer.media(b"AAAA", 20, out);
            writer.mark(b"r1:20", out);
            writer.stop("AC1", "CA1", out);
        });
        let media = |sequence: &str, chunk: &str, timestamp: &str, payload: &str| {
            json!({ "event": "media", "sequenceNumber": sequence, "streamSid": "MZ1", "media":
                { "track": "inbound", "chunk": chunk, "timestamp": timestamp, "payload": payload } })
        };
        let wanted = [
            json!({ "event": "connected", "protocol": "Call", "version": "1.0.0" }),
            json!({ "event": "start", "sequenceNumber": "1", "start": { "callSid": "CA1" }, "streamSid": "MZ1" }),
            media("2", "1", "0", "//8="),
            media("3", "2", "20", "AAAA"),
            json!({ "event": "mark", "sequenceNumber": "4", "mark": { "name": "r1:20" }, "streamSid": "MZ1" }),
            json!({ "event": "stop", "sequenceNumber": "5", "stop": { "accountSid": "AC1", "callSid": "CA1" },
                "streamSid": "MZ1" }),
        ];
        assert_eq!(messages, wanted);
    }

    #[test]
    fn what_a_server_may_say_is_read_in_any_order_and_spacing() {
        let read = |text: &'static str| read(text.as_bytes(), "MZ1");
        for (text, said) in [
            (r#"{"event":"media","streamSid":"MZ1","media":{"payload":"AP8="}}"#, Said::Media(b"AP8=")),
            (r#"{"media": {"payload": "AP8="}, "streamSid": "MZ1", "event": "media"}"#, Said::Media(b"AP8=")),
            (r#"{"event":"mark","streamSid":"MZ1","mark":{"name":"a\"b\\"}}"#, Said::Mark(br#"a\"b\\"#)),
            (r#"{"event":"clear","streamSid":"MZ1"}"#, Said::Clear),
        ] {
            assert_eq!(read(text), Ok(said), "{text}");
        }
        for text in [
            "",
            "{}",
            r#"{"event":"clear","streamSid":"MZ2"}"#,
            r#"{"event":"stop","streamSid":"MZ1"}"#,
            r#"{"event":"media","streamSid":"MZ1","media":{"payload":7}}"#,
            r#"{"event":"mark","streamSid":"MZ1","mark":{"name":"a\"#,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes: Vec<u8>) {
            let _ = read(&bytes, "MZ1");
        }

        #[test]
        fn no_damage_makes_the_reader_panic(at in 0_usize..70, with: u8) {
            let mut bytes = br#"{"event":"mark","streamSid":"MZ1","mark":{"name":"a\"b\\"}}"#.to_vec();
            let at = at % bytes.len();
            bytes[at] = with;
            let _ = read(&bytes, "MZ1");
            let _ = read(&bytes[..at], "MZ1");
        }

        #[test]
        fn numbers_are_written_as_everybody_writes_them(number: u64) {
            let mut out = Vec::new();
            put_number(number, &mut out);
            prop_assert_eq!(out, number.to_string().into_bytes());
        }
    }
}
