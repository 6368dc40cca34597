//! The vendor's ears: whether the caller speaks, at a glance.
//!
//! Of each 20 ms a few samples are looked at, spread over the message; what the storm's callers say is either
//! speech or the silence of a dead line, so that is enough. Times are counted in the audio itself.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::cli::demo::twilio::ulaw;
use crate::cli::storm::stamp::Audio;

/// A sample above this is no silence.
const LOUD: u16 = 700;
/// So much speech makes an utterance, in slices of 20 ms.
const ONSET: u32 = 3;
/// How many groups of four letters are looked at in each slice.
const LOOKS: usize = 8;

/// What the ears heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// The caller has begun.
    Started,
    /// The caller has finished.
    Stopped,
}

/// One session's ears.
#[derive(Debug)]
pub struct Ears {
    /// How much silence ends an utterance, in slices.
    pub silence: u32,
    loud: u32,
    quiet: u32,
    is_speaking: bool,
    /// Bytes that make no whole slice yet.
    heard: usize,
    slices: u64,
}

impl Ears {
    /// Ears for which so much silence ends an utterance.
    pub fn new(silence_ms: u64) -> Self {
        Self { silence: (silence_ms / 20) as u32, loud: 0, quiet: 0, is_speaking: false, heard: 0, slices: 0 }
    }

    /// How much was heard, in milliseconds.
    pub fn heard_ms(&self) -> u64 {
        self.slices * 20
    }

    /// Hears the base64 of a message.
    pub fn hear(&mut self, base64: &[u8], audio: Audio, mut each: impl FnMut(Edge)) {
        let block = audio.block_bytes();
        let padding = base64.iter().rev().take_while(|letter| **letter == b'=').count();
        self.heard += (base64.len() * 3 / 4).saturating_sub(padding);
        let count = self.heard / block;
        self.heard %= block;
        // Where a slice begins among the letters, to the group of four.
        let letters = |slice: usize| ((slice * block * 4 / 3) & !3).min(base64.len());
        for number in 0..count {
            // What is left of a message that ends within a slice belongs to the last one.
            let end = if number + 1 == count { base64.len() & !3 } else { letters(number + 1) };
            let begin = letters(number).min(end);
            if let Some(edge) = self.slice(is_loud(&base64[begin..end], audio)) {
                each(edge);
            }
        }
    }

    fn slice(&mut self, is_loud: bool) -> Option<Edge> {
        self.slices += 1;
        (self.loud, self.quiet) = if is_loud { (self.loud + 1, 0) } else { (0, self.quiet + 1) };
        if !self.is_speaking && self.loud >= ONSET {
            self.is_speaking = true;
            return Some(Edge::Started);
        }
        if self.is_speaking && self.quiet >= self.silence {
            self.is_speaking = false;
            return Some(Edge::Stopped);
        }
        None
    }
}

fn is_loud(base64: &[u8], audio: Audio) -> bool {
    let groups = base64.len() / 4;
    // Linear samples begin at even bytes: at every second group of three.
    let step = (groups / LOOKS).max(1) & !1;
    (0..groups).step_by(step.max(2)).any(|group| {
        let mut bytes = [0; 3];
        let letters = &base64[group * 4..group * 4 + 4];
        match (STANDARD_NO_PAD.decode_slice(letters, &mut bytes), audio) {
            (Ok(3), Audio::Pcmu) => bytes.iter().any(|byte| ulaw::decode(*byte).unsigned_abs() > LOUD),
            (Ok(3), Audio::Pcm24 | Audio::Pcm8) => i16::from_le_bytes([bytes[0], bytes[1]]).unsigned_abs() > LOUD,
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD;

    fn edges(audio: Audio, frames: &str) -> String {
        let mut ears = Ears::new(100);
        let frame = |is_loud| match (audio, is_loud) {
            (Audio::Pcmu, true) => vec![ulaw::encode(5_000); 160],
            (Audio::Pcmu, false) => vec![0xFF; 160],
            (Audio::Pcm24, true) => 5_000_i16.to_le_bytes().repeat(480),
            (Audio::Pcm24, false) => vec![0; 960],
            (Audio::Pcm8, true) => 5_000_i16.to_le_bytes().repeat(160),
            (Audio::Pcm8, false) => vec![0; 320],
        };
        let mut said = String::new();
        for letter in frames.chars() {
            let mut edge = ' ';
            ears.hear(STANDARD.encode(frame(letter == '#')).as_bytes(), audio, |heard| {
                edge = if heard == Edge::Started { 'S' } else { 'E' };
            });
            said.push(edge);
        }
        assert_eq!(ears.heard_ms(), frames.len() as u64 * 20);
        said
    }

    #[test]
    fn utterances_begin_and_end() {
        for audio in [Audio::Pcmu, Audio::Pcm24, Audio::Pcm8] {
            assert_eq!(edges(audio, "..##.####..#.....#"), "       S        E ", "{audio:?}");
        }
    }

    #[test]
    fn a_long_message_is_heard_in_slices() {
        let mut ears = Ears::new(100);
        let long = STANDARD.encode([ulaw::encode(5_000); 1_600]);
        let mut heard = Vec::new();
        ears.hear(long.as_bytes(), Audio::Pcmu, |edge| heard.push(edge));
        assert_eq!((heard, ears.heard_ms()), (vec![Edge::Started], 200));
    }

    #[test]
    fn the_callers_speech_is_heard_as_one_utterance() {
        let clip = crate::cli::storm::talk::Clip::new();
        let (mut ears, mut heard) = (Ears::new(600), Vec::new());
        for frame in 0..100 {
            ears.hear(clip.speech(frame, frame == 99).as_bytes(), Audio::Pcmu, |edge| heard.push((frame, edge)));
        }
        for frame in 100..140 {
            ears.hear(clip.silence().as_bytes(), Audio::Pcmu, |edge| heard.push((frame, edge)));
        }
        assert!(matches!(heard[..], [(2..6, Edge::Started), (129, Edge::Stopped)]), "{heard:?}");
    }
}
