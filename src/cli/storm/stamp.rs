//! Stamped audio: sound that says which 20 ms of which response it is, and says so after G.711 and resampling.
//!
//! A *block* is 20 ms: four steady tones of voltage, 5 ms each, at one of 16 levels. Three carry the block's
//! value, one their checksum. What is read is the middle of each step, far enough from its edges for a telephone
//! filter to have settled. The first block of a response carries the response's number, each
//! following one its place; so the one who hears it knows what is lost, doubled, or no longer wanted, and the
//! one who sent it knows when it did.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::cli::demo::twilio::ulaw;

/// Samples in a block at the telephone's rate.
pub const BLOCK: usize = 160;
/// How long a block is, in milliseconds.
pub const BLOCK_MS: u64 = 20;
/// How many different places, or responses, there are.
pub const VALUES: u16 = 1 << 11;

const STEPS: usize = 4;
const STEP: usize = BLOCK / STEPS;
/// How far from the middle of a step its level is the same, in samples: speech has no such steps.
const STEADY: usize = 3;
/// Between two levels: twice what G.711 and a filter's ripple can blur at this loudness, and more.
const SPACING: i32 = 520;

/// How audio travels between the engine and its vendor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Audio {
    /// `audio/pcmu`: G.711 µ-law, 8 kHz.
    #[default]
    Pcmu,
    /// `audio/pcm`: 16-bit linear, 24 kHz.
    Pcm24,
    /// `linear16` at the telephone's own rate, as Deepgram has it.
    #[value(skip)]
    Pcm8,
}

/// What a block says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamp {
    /// The first block of the response of this number.
    First(u16),
    /// The block at this place of a response, from 1.
    Next(u16),
}

impl Audio {
    /// Bytes in a block.
    pub const fn block_bytes(self) -> usize {
        match self {
            Self::Pcmu => BLOCK,
            Self::Pcm24 => BLOCK * 6,
            Self::Pcm8 => BLOCK * 2,
        }
    }

    /// How much later a resampler may bring it, in samples of the telephone: half of its reach.
    const fn shift(self) -> usize {
        match self {
            Self::Pcmu | Self::Pcm8 => 0,
            Self::Pcm24 => 16,
        }
    }

    /// As the configuration calls it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pcmu => "pcmu",
            Self::Pcm24 => "pcm24",
            Self::Pcm8 => "pcm8",
        }
    }
}

impl Stamp {
    fn symbols(self) -> [u16; STEPS] {
        let value = match self {
            Self::First(number) => (number % VALUES) | VALUES,
            Self::Next(place) => place % VALUES,
        };
        let symbols = [value >> 8, value >> 4 & 15, value & 15];
        [symbols[0], symbols[1], symbols[2], checksum(symbols)]
    }

    fn of(symbols: [u16; STEPS]) -> Option<Self> {
        let value = symbols[0] << 8 | symbols[1] << 4 | symbols[2];
        let is_right = checksum([symbols[0], symbols[1], symbols[2]]) == symbols[3];
        let stamp = if value & VALUES == 0 { Self::Next(value) } else { Self::First(value & (VALUES - 1)) };
        is_right.then_some(stamp)
    }

    /// Appends the block as bytes of the vendor's format.
    pub fn write(self, audio: Audio, bytes: &mut Vec<u8>) {
        for level in self.symbols().map(level) {
            match audio {
                Audio::Pcmu => bytes.extend([ulaw::encode(level); STEP]),
                Audio::Pcm24 => (0..STEP * 3).for_each(|_| bytes.extend(level.to_le_bytes())),
                Audio::Pcm8 => (0..STEP).for_each(|_| bytes.extend(level.to_le_bytes())),
            }
        }
    }

    /// Reads a block of µ-law that was `audio` on its way; `None` for any other sound.
    ///
    /// What travelled at the telephone's rate must be what was sent, byte for byte.
    pub fn read(mulaw: &[u8], audio: Audio) -> Option<Self> {
        let mut symbols = [0; STEPS];
        for (step, symbol) in symbols.iter_mut().enumerate() {
            let middle = step * STEP + STEP / 2 + audio.shift();
            let [before, here, after] =
                [middle - STEADY, middle, middle + STEADY].map(|at| nearest(ulaw::decode(*mulaw.get(at)?)));
            *symbol = here.filter(|_| here == before && here == after)?;
        }
        let stamp = Self::of(symbols)?;
        let is_exact = || {
            symbols.iter().zip(mulaw.chunks_exact(STEP)).all(|(symbol, step)| {
                let code = ulaw::encode(level(*symbol));
                step.iter().all(|byte| *byte == code)
            })
        };
        (audio == Audio::Pcm24 || is_exact()).then_some(stamp)
    }
}

fn level(symbol: u16) -> i16 {
    ((2 * i32::from(symbol) - 15) * SPACING / 2) as i16
}

/// The symbol at this level, if it is near enough to one.
fn nearest(sample: i16) -> Option<u16> {
    let symbol = (f64::from(sample) / f64::from(SPACING) + 7.5).round();
    let is_near = (f64::from(sample) - (symbol - 7.5) * f64::from(SPACING)).abs() < f64::from(SPACING) * 0.4;
    (is_near && (0.0..16.0).contains(&symbol)).then_some(symbol as u16)
}

fn checksum(symbols: [u16; 3]) -> u16 {
    (symbols[0] + 3 * symbols[1] + 7 * symbols[2] + 5) & 15
}

/// The vendor's side: a response's audio as base64, cut into deltas that were made once.
#[derive(Debug)]
pub struct Voice {
    audio: Audio,
    blocks_per_delta: u16,
    deltas: Vec<String>,
}

impl Voice {
    /// Deltas of so many blocks, for responses of up to `deltas` of them.
    pub fn new(audio: Audio, blocks_per_delta: u16, deltas: usize) -> Self {
        let delta = |number: usize| {
            let first = number as u16 * blocks_per_delta;
            let mut bytes = Vec::with_capacity(audio.block_bytes() * usize::from(blocks_per_delta));
            (first..first + blocks_per_delta).for_each(|place| Stamp::Next(place).write(audio, &mut bytes));
            STANDARD.encode(bytes)
        };
        Self { audio, blocks_per_delta, deltas: (0..deltas).map(delta).collect() }
    }

    /// The first delta of the response of this number.
    pub fn first(&self, number: u16) -> String {
        let mut bytes = Vec::with_capacity(self.audio.block_bytes() * usize::from(self.blocks_per_delta));
        Stamp::First(number).write(self.audio, &mut bytes);
        (1..self.blocks_per_delta).for_each(|place| Stamp::Next(place).write(self.audio, &mut bytes));
        STANDARD.encode(bytes)
    }

    /// A later delta.
    pub fn later(&self, delta: usize) -> &str {
        self.deltas.get(delta).map_or("", String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::audio::{Hz8k, Hz24k, Resampler, g711};

    fn stamps() -> Vec<Stamp> {
        std::iter::once(Stamp::First(1_234)).chain((1..VALUES).map(Stamp::Next)).collect()
    }

    fn sound(audio: Audio) -> Vec<u8> {
        let mut bytes = Vec::new();
        stamps().into_iter().for_each(|stamp| stamp.write(audio, &mut bytes));
        bytes
    }

    fn assert_reads(mulaw: &[u8], audio: Audio) {
        assert_eq!(mulaw.len(), stamps().len() * BLOCK);
        for (block, stamp) in mulaw.chunks(BLOCK).zip(stamps()) {
            assert_eq!(Stamp::read(block, audio), Some(stamp));
        }
    }

    #[test]
    fn each_block_is_read_as_it_was_written() {
        let bytes = sound(Audio::Pcmu);
        assert_reads(&bytes, Audio::Pcmu);
        let linear = sound(Audio::Pcm8);
        let samples: Vec<i16> = linear.chunks(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
        let mut mulaw = vec![0; samples.len()];
        g711::encode_ulaw(&samples, &mut mulaw);
        assert_reads(&mulaw, Audio::Pcm8);
    }

    #[test]
    fn each_block_is_read_after_linear_resampling_and_g711() {
        let bytes = sound(Audio::Pcm24);
        let samples: Vec<i16> = bytes.chunks(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
        let mut heard = Vec::new();
        Resampler::<Hz24k, Hz8k>::new().process(&samples, &mut heard);
        let mut mulaw = vec![0; heard.len()];
        g711::encode_ulaw(&heard, &mut mulaw);
        assert_reads(&mulaw, Audio::Pcm24);
    }

    #[test]
    fn a_single_wrong_or_missing_sample_is_noticed() {
        let mut bytes = Vec::new();
        Stamp::Next(77).write(Audio::Pcmu, &mut bytes);
        Stamp::Next(78).write(Audio::Pcmu, &mut bytes);
        assert_eq!(Stamp::read(&bytes[1..=BLOCK], Audio::Pcmu), None);
        bytes[5] ^= 1;
        assert_eq!(Stamp::read(&bytes, Audio::Pcmu), None);
        assert_eq!(Stamp::read(&[0xFF; BLOCK], Audio::Pcmu), None);
        assert_eq!(Stamp::read(&[], Audio::Pcmu), None);
    }

    #[test]
    fn speech_is_no_stamp() {
        let speech = include_bytes!("../demo/voices/message.ulaw");
        for audio in [Audio::Pcmu, Audio::Pcm24] {
            let read = speech.chunks(BLOCK).filter(|block| Stamp::read(block, audio).is_some()).count();
            assert_eq!(read, 0);
        }
    }

    #[test]
    fn a_voice_says_the_blocks_in_order() {
        let voice = Voice::new(Audio::Pcmu, 3, 4);
        let mut said = STANDARD.decode(voice.first(9)).unwrap();
        (1..4).for_each(|delta| said.extend(STANDARD.decode(voice.later(delta)).unwrap()));
        let read: Vec<_> = said.chunks(BLOCK).map(|block| Stamp::read(block, Audio::Pcmu)).collect();
        let wanted: Vec<_> = std::iter::once(Stamp::First(9)).chain((1..12).map(Stamp::Next)).map(Some).collect();
        assert_eq!(read, wanted);
    }
}
