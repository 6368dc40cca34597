//! A response in the making: what is said next, and when.

use std::rc::Rc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::book::Spoken;
use super::messages::{self, Names};
use super::{Vendor, VendorShape, deepgram};
use crate::cli::storm::frame::{BINARY, Side, TEXT, put};
use crate::cli::storm::stamp::Audio;

/// What the agent says; cut to the length of the audio.
const WORDS: &str = "we are open from nine in the morning until six in the evening and happy to call you back then ";
/// How much audio a letter takes, in milliseconds.
const LETTER_MS: u64 = 70;

/// A response in the making.
pub(super) struct Speaking {
    pub(super) spoken: Rc<Spoken>,
    pub(super) names: Names,
    pub(super) metadata: Value,
    /// When the first delta was due.
    pub(super) began: Instant,
    pub(super) next: usize,
    /// After which delta something goes wrong.
    pub(super) stalls_after: Option<usize>,
    pub(super) drops_after: Option<usize>,
}

impl Speaking {
    /// Says the next delta; when the one after it is due, if there is one.
    pub(super) fn say_next(
        &mut self,
        vendor: &Vendor,
        audio: Audio,
        now: Instant,
        out: &mut Vec<u8>,
    ) -> Option<Instant> {
        let (shape, voice) = (&vendor.shape, vendor.voice(audio));
        if self.next == 0 {
            for message in messages::item_added(&self.names) {
                put(out, Side::Server, TEXT, |out| out.extend_from_slice(message.to_string().as_bytes()));
            }
            self.spoken.first_sent.set(Some(now));
        }
        let words = words_of(self.next, shape.chunk_ms);
        put(out, Side::Server, TEXT, |out| messages::transcript_delta(&self.names, words, out));
        match self.next {
            0 => {
                let first = voice.first(self.spoken.number);
                put(out, Side::Server, TEXT, |out| messages::audio_delta(&self.names, &first, out));
            }
            later => put(out, Side::Server, TEXT, |out| messages::audio_delta(&self.names, voice.later(later), out)),
        }
        self.have_said_next(vendor, shape)
    }

    /// The same as Deepgram does: all words, then the sound.
    pub(super) fn say_next_in_binary(
        &mut self,
        vendor: &Vendor,
        audio: Audio,
        now: Instant,
        out: &mut Vec<u8>,
    ) -> Option<Instant> {
        let (shape, voice) = (&vendor.shape, vendor.voice(audio));
        let base64 = match self.next {
            0 => {
                let words: String = (0..shape.deltas()).map(|delta| words_of(delta, shape.chunk_ms)).collect();
                let words = deepgram::agent_says(&words).to_string();
                put(out, Side::Server, TEXT, |out| out.extend_from_slice(words.as_bytes()));
                self.spoken.first_sent.set(Some(now));
                voice.first(self.spoken.number)
            }
            later => voice.later(later).to_owned(),
        };
        let sound = STANDARD.decode(base64).expect("the voice was written as base64");
        put(out, Side::Server, BINARY, |out| out.extend_from_slice(&sound));
        self.have_said_next(vendor, shape)
    }

    /// One more delta was said; when the one after it is due, if there is one.
    fn have_said_next(&mut self, vendor: &Vendor, shape: &VendorShape) -> Option<Instant> {
        self.next += 1;
        self.spoken.blocks.set(self.next as u16 * shape.blocks_per_delta());
        let after = Duration::from_secs_f64(self.next as f64 * shape.chunk_ms as f64 / 1_000.0 / shape.speed);
        let jitter = vendor.chance.up_to(Duration::from_millis(shape.jitter_ms));
        (self.next < shape.deltas()).then(|| self.began + after + jitter)
    }

    pub(super) fn words(&self, chunk_ms: u64) -> String {
        (0..self.next).map(|delta| words_of(delta, chunk_ms)).collect()
    }
}

/// The words of a delta: so many letters as are spoken in that time.
fn words_of(delta: usize, chunk_ms: u64) -> &'static str {
    let letters = ((chunk_ms / LETTER_MS).max(1) as usize).min(WORDS.len());
    let begin = delta * letters % (WORDS.len() - letters + 1);
    &WORDS[begin..begin + letters]
}
