//! A form with a file, as browsers send it (RFC 7578).

use bytes::{BufMut, Bytes, BytesMut};

/// The parts of a form, one after the other.
pub(super) struct Form {
    boundary: String,
    parts: BytesMut,
}

impl Form {
    pub(super) fn new() -> Self {
        let mut random = [0; 16];
        // Where there is no chance to be had, the clash of a fixed boundary with what is between is as unlikely.
        if getrandom::fill(&mut random).is_err() {
            random = *b"trunkline's form";
        }
        let boundary = random.iter().map(|byte| format!("{byte:02x}")).collect();
        Self { boundary, parts: BytesMut::new() }
    }

    pub(super) fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={}", self.boundary)
    }

    /// A field. Names are ours; a value may be anything.
    pub(super) fn field(&mut self, name: &str, value: &str) {
        let head = format!("--{}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n", self.boundary);
        for part in [head.as_str(), value, "\r\n"] {
            self.parts.put_slice(part.as_bytes());
        }
    }

    /// The whole form, with the file at its end.
    pub(super) fn with_file(mut self, name: &str, content_type: &str, content: &[u8]) -> Bytes {
        let head = format!(
            "--{}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: {content_type}\r\n\r\n",
            self.boundary
        );
        let end = format!("\r\n--{}--\r\n", self.boundary);
        self.parts.reserve(head.len() + content.len() + end.len());
        for part in [head.as_bytes(), content, end.as_bytes()] {
            self.parts.put_slice(part);
        }
        self.parts.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_its_fields_and_its_file() {
        let mut form = Form::new();
        form.field("model", "whisper-1");
        let (boundary, content_type) = (form.boundary.clone(), form.content_type());
        let body = form.with_file("piece.wav", "audio/wav", b"RIFF");
        let expected = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n\
             --{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"piece.wav\"\r\n\
             Content-Type: audio/wav\r\n\r\nRIFF\r\n--{boundary}--\r\n"
        );
        assert_eq!(body, expected.as_bytes());
        assert_eq!(content_type, format!("multipart/form-data; boundary={boundary}"));
        assert_eq!(boundary.len(), 32);
        assert_ne!(Form::new().boundary, boundary);
    }
}
