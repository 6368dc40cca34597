//! What we say on a media stream.

use std::fmt::Write as _;

use base64_simd::STANDARD;

use crate::engine::ids::StreamSid;

/// Writes the messages of one stream. Each is appended to a text that the caller keeps, so that a frame costs no
/// allocation; what never changes was written once.
#[derive(Clone, Debug)]
pub struct StreamEncoder {
    media: String,
    mark: String,
    clear: String,
}

impl StreamEncoder {
    /// For the stream of this name.
    pub fn new(stream: &StreamSid) -> Self {
        Self {
            media: format!(r#"{{"event":"media","streamSid":"{stream}","media":{{"payload":""#),
            mark: format!(r#"{{"event":"mark","streamSid":"{stream}","mark":{{"name":""#),
            clear: format!(r#"{{"event":"clear","streamSid":"{stream}"}}"#),
        }
    }

    /// Audio to be played: µ-law, any number of bytes.
    pub fn media(&self, mulaw: &[u8], message: &mut String) {
        message.push_str(&self.media);
        STANDARD.encode_append(mulaw, message);
        message.push_str("\"}}");
    }

    /// A mark, to be sent back when the audio before it has been played.
    pub fn mark(&self, name: &str, message: &mut String) {
        message.push_str(&self.mark);
        escape(name, message);
        message.push_str("\"}}");
    }

    /// Takes back whatever has not been played.
    pub fn clear(&self, message: &mut String) {
        message.push_str(&self.clear);
    }
}

/// Writes a text as the inside of a JSON string (RFC 8259, section 7).
fn escape(text: &str, json: &mut String) {
    for c in text.chars() {
        match c {
            '"' | '\\' => json.extend(['\\', c]),
            '\0'..='\u{1f}' => write!(json, "\\u{:04x}", u32::from(c)).expect("a String takes every text"),
            c => json.push(c),
        }
    }
}
