//! Audio between the call's rate and the vendor's: the way up and the way down.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::Simd;
use base64::engine::general_purpose::PAD;
use bytes::{BufMut as _, Bytes, BytesMut};
use thiserror::Error;

use crate::engine::audio::{Hz8k, Hz24k, PcmFrame, Rate, Resampler, append_pcm_bytes, g711};
use crate::engine::ids::ResponseId;
use crate::providers::voice_agent::Chunk;

use super::format_check;
use super::settings::AudioFormat;

/// Base64 by the widest vectors that this processor has.
static BASE64: LazyLock<Simd> = LazyLock::new(|| Simd::standard(PAD));

const APPEND_HEAD: &[u8] = br#"{"type":"input_audio_buffer.append","audio":""#;
const APPEND_TAIL: &[u8] = br#""}"#;

/// The caller's audio on its way to the vendor.
pub(super) struct Uplink<R: Rate> {
    format: AudioFormat,
    to_24k: Resampler<R, Hz24k>,
    to_8k: Resampler<R, Hz8k>,
    samples: Vec<i16>,
    coded: Vec<u8>,
    message: BytesMut,
}

impl<R: Rate> Uplink<R> {
    pub(super) fn new(format: AudioFormat) -> Self {
        Self {
            format,
            to_24k: Resampler::new(),
            to_8k: Resampler::new(),
            samples: Vec::new(),
            coded: Vec::new(),
            message: BytesMut::new(),
        }
    }

    /// Takes the caller's next 20 ms.
    pub(super) fn push(&mut self, frame: &PcmFrame<R>) {
        self.samples.clear();
        match self.format {
            AudioFormat::Pcm24 => {
                self.to_24k.process(frame.samples(), &mut self.samples);
                append_pcm_bytes(&self.samples, &mut self.coded);
            }
            AudioFormat::Pcmu => {
                self.to_8k.process(frame.samples(), &mut self.samples);
                let begin = self.coded.len();
                self.coded.resize(begin + self.samples.len(), 0);
                g711::encode_ulaw(&self.samples, &mut self.coded[begin..]);
            }
        }
    }

    /// The `input_audio_buffer.append` that holds everything pushed since the last one; `None` if that is
    /// nothing. The buffer is used again once the message is gone.
    pub(super) fn message(&mut self) -> Option<Bytes> {
        if self.coded.is_empty() {
            return None;
        }
        let coded = self.coded.len().div_ceil(3) * 4;
        self.message.reserve(APPEND_HEAD.len() + coded + APPEND_TAIL.len());
        self.message.put_slice(APPEND_HEAD);
        let begin = self.message.len();
        self.message.resize(begin + coded, 0);
        BASE64.encode_slice(&self.coded, &mut self.message[begin..]).expect("the place was measured");
        self.message.put_slice(APPEND_TAIL);
        self.coded.clear();
        Some(self.message.split().freeze())
    }
}

/// The agent's audio on its way to the call. Audio that was announced as µ-law is judged by [`format_check`], once
/// per session; until then only what would do no harm is played.
pub(super) struct Downlink<R: Rate> {
    format: AudioFormat,
    is_trusted: bool,
    response: Option<ResponseId>,
    /// Base64 that does not make whole bytes yet: at most three characters.
    letters: String,
    /// Bytes to be decoded: held back, or half a sample.
    bytes: Vec<u8>,
    total: u64,
    samples: Vec<i16>,
    from_24k: Resampler<Hz24k, R>,
    from_8k: Resampler<Hz8k, R>,
}

/// The vendor's audio is not base64.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("audio that is not base64")]
pub(super) struct NotBase64;

/// What came of a piece of audio.
#[derive(Debug, PartialEq)]
pub(super) struct Decoded<R: Rate> {
    /// What is to be played, if anything yet.
    pub(super) chunk: Option<Chunk<R>>,
    /// The vendor was found not to send what it announced.
    pub(super) lied: bool,
}

impl<R: Rate> Downlink<R> {
    pub(super) fn new(format: AudioFormat) -> Self {
        Self {
            format,
            is_trusted: format == AudioFormat::Pcm24,
            response: None,
            letters: String::new(),
            bytes: Vec::new(),
            total: 0,
            samples: Vec::new(),
            from_24k: Resampler::new(),
            from_8k: Resampler::new(),
        }
    }

    /// Takes the next piece of a response's audio.
    pub(super) fn push(&mut self, response: ResponseId, base64: &str) -> Result<Decoded<R>, NotBase64> {
        if self.response != Some(response) {
            self.begin(response);
        }
        self.decode_letters(base64)?;
        let lied = !self.is_trusted && self.check_early();
        Ok(Decoded { chunk: self.chunk(), lied })
    }

    /// The response is over; it spoke so many letters. What was held back comes out.
    pub(super) fn finish(&mut self, response: ResponseId, letters: usize) -> Decoded<R> {
        if self.response != Some(response) {
            return Decoded { chunk: None, lied: false };
        }
        self.response = None;
        let lied = !self.is_trusted && self.total > 0 && self.check(letters);
        let was_trusted = std::mem::replace(&mut self.is_trusted, true);
        let chunk = self.chunk();
        self.is_trusted = was_trusted;
        Decoded { chunk, lied }
    }

    fn begin(&mut self, response: ResponseId) {
        self.response = Some(response);
        self.letters.clear();
        self.bytes.clear();
        self.total = 0;
        self.from_24k.reset();
        self.from_8k.reset();
    }

    /// Four letters are three bytes; what is less waits for the next piece.
    fn decode_letters(&mut self, base64: &str) -> Result<(), NotBase64> {
        let before = self.bytes.len();
        let decoded = if self.letters.is_empty() && base64.len().is_multiple_of(4) {
            BASE64.decode_vec(base64, &mut self.bytes)
        } else {
            self.letters.push_str(base64);
            let whole = self.letters.len() & !3;
            if !self.letters.is_char_boundary(whole) {
                self.letters.clear();
                return Err(NotBase64);
            }
            let rest = self.letters.split_off(whole);
            let decoded = BASE64.decode_vec(&self.letters, &mut self.bytes);
            self.letters = rest;
            decoded
        };
        if decoded.is_err() {
            self.letters.clear();
            self.bytes.truncate(before);
            return Err(NotBase64);
        }
        self.total += (self.bytes.len() - before) as u64;
        Ok(())
    }

    /// Judges what is held back as far as that can be done at once. `true` if it is not what was announced.
    fn check_early(&mut self) -> bool {
        if self.bytes.len() >= format_check::WANTED {
            return self.check(0);
        }
        self.is_trusted = format_check::clearly_ulaw(&self.bytes);
        false
    }

    /// Judges what is held back. `true` if it is not what was announced.
    fn check(&mut self, letters: usize) -> bool {
        match format_check::judge(&self.bytes).or_else(|| format_check::judge_rate(self.total, letters)) {
            Some(AudioFormat::Pcmu) => self.is_trusted = true,
            Some(AudioFormat::Pcm24) => {
                self.is_trusted = true;
                self.format = AudioFormat::Pcm24;
                return true;
            }
            // Silence: it may be played in either reading, and the question stays.
            None => {}
        }
        false
    }

    fn chunk(&mut self) -> Option<Chunk<R>> {
        let is_open = !self.is_trusted;
        if is_open && self.bytes.len() < format_check::WANTED && !format_check::is_quiet(&self.bytes) {
            return None;
        }
        let mut out = Vec::new();
        self.samples.clear();
        match self.format {
            AudioFormat::Pcm24 => {
                let whole = self.bytes.len() & !1;
                let pairs = self.bytes[..whole].chunks_exact(2);
                self.samples.extend(pairs.map(|pair| i16::from_le_bytes([pair[0], pair[1]])));
                self.bytes.drain(..whole);
                self.from_24k.process(&self.samples, &mut out);
            }
            AudioFormat::Pcmu => {
                // While they may still be linear, bytes stay in pairs.
                let whole = self.bytes.len() & !usize::from(is_open);
                self.samples.resize(whole, 0);
                g711::decode_ulaw(&self.bytes, &mut self.samples);
                self.bytes.drain(..whole);
                self.from_8k.process(&self.samples, &mut out);
            }
        }
        (!out.is_empty()).then(|| Chunk::new(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    fn response() -> ResponseId {
        ResponseId::from_engine(1)
    }

    #[test]
    fn a_frame_is_one_message_and_so_are_two() {
        let mut uplink = Uplink::<Hz8k>::new(AudioFormat::Pcmu);
        assert_eq!(uplink.message(), None);
        for frames in [1, 2] {
            for _ in 0..frames {
                uplink.push(&PcmFrame::silence());
            }
            let message = uplink.message().unwrap();
            let message: serde_json::Value = serde_json::from_slice(&message).unwrap();
            assert_eq!(message["type"], "input_audio_buffer.append");
            assert_eq!(STANDARD.decode(message["audio"].as_str().unwrap()).unwrap(), vec![0xFF; frames * 160]);
        }
    }

    #[test]
    fn the_first_words_in_ulaw_are_played_with_their_first_delta() {
        let clip = include_bytes!("../local/clips/hello.ulaw");
        let mut downlink = Downlink::<Hz8k>::new(AudioFormat::Pcmu);
        let mut played = 0;
        for delta in clip[..8_000].chunks(1_600) {
            let decoded = downlink.push(response(), &STANDARD.encode(delta)).unwrap();
            assert!(!decoded.lied);
            played += decoded.chunk.unwrap().samples.len();
        }
        assert_eq!(played, 8_000);
    }

    #[test]
    fn linear_audio_that_follows_silence_is_not_played_as_ulaw() {
        let mut downlink = Downlink::<Hz24k>::new(AudioFormat::Pcmu);
        let silence = downlink.push(response(), &STANDARD.encode([0xFF; 160])).unwrap();
        assert!(silence.chunk.is_some() && !silence.lied);
        let wave: Vec<i16> = (0..1_200).map(|n| ((f64::from(n) * 0.05).sin() * 9_000.0) as i16).collect();
        let mut bytes = vec![];
        append_pcm_bytes(&wave, &mut bytes);
        let mut heard = vec![];
        let mut found_out = 0;
        for delta in bytes.chunks(480) {
            let decoded = downlink.push(response(), &STANDARD.encode(delta)).unwrap();
            found_out += u32::from(decoded.lied);
            heard.extend(decoded.chunk.map(|chunk| chunk.samples).unwrap_or_default());
        }
        assert_eq!((found_out, heard), (1, wave));
    }

    proptest! {
        /// Nothing is lost on the way through linear samples, but the sign of the code's second zero.
        #[test]
        fn ulaw_goes_both_ways_byte_for_byte(bytes in prop::array::uniform32(any::<u8>())) {
            let bytes = bytes.repeat(5);
            let same: Vec<u8> = bytes.iter().map(|byte| if *byte == 0x7F { 0xFF } else { *byte }).collect();
            let frame = PcmFrame::<Hz8k>::from_ulaw(&bytes.clone().try_into().unwrap());

            let mut uplink = Uplink::<Hz8k>::new(AudioFormat::Pcmu);
            uplink.push(&frame);
            let message: serde_json::Value = serde_json::from_slice(&uplink.message().unwrap()).unwrap();
            prop_assert_eq!(&STANDARD.decode(message["audio"].as_str().unwrap()).unwrap(), &same);

            let mut downlink = Downlink::<Hz8k>::new(AudioFormat::Pcmu);
            downlink.is_trusted = true;
            let samples = downlink.push(response(), &STANDARD.encode(&bytes)).unwrap().chunk.unwrap().samples;
            prop_assert_eq!(&PcmFrame::<Hz8k>::from_samples(&samples).unwrap().to_ulaw().to_vec(), &same);
        }

        /// Audio cut into base64 of any length, at any character, gives the same samples as in one piece.
        #[test]
        fn audio_split_anywhere_is_whole_again(bytes in prop::collection::vec(any::<u8>(), 0..400), cuts in prop::collection::vec(1_usize..9, 1..20)) {
            let base64 = STANDARD.encode(&bytes);
            let mut whole = Downlink::<Hz24k>::new(AudioFormat::Pcm24);
            let wanted = whole.push(response(), &base64).unwrap().chunk.map(|chunk| chunk.samples).unwrap_or_default();
            let mut split = Downlink::<Hz24k>::new(AudioFormat::Pcm24);
            let (mut rest, mut got, mut cuts) = (base64.as_str(), Vec::new(), cuts.into_iter().cycle());
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(cuts.next().unwrap().min(rest.len()));
                got.extend(split.push(response(), piece).unwrap().chunk.map(|chunk| chunk.samples).unwrap_or_default());
                rest = after;
            }
            prop_assert_eq!(got, wanted);
        }

        #[test]
        fn no_text_makes_it_panic(pieces in prop::collection::vec(any::<String>(), 0..6), is_ulaw: bool) {
            let mut downlink = Downlink::<Hz8k>::new(if is_ulaw { AudioFormat::Pcmu } else { AudioFormat::Pcm24 });
            for piece in pieces {
                let _ = downlink.push(response(), &piece);
            }
            downlink.finish(response(), 20);
        }
    }
}
