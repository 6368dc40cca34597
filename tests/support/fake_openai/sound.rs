//! The fake's own sounds and ears: it shares no code with what it tests.

use std::f64::consts::TAU;
use std::time::Duration;

/// What a response says, as bytes in the wire's format.
pub fn speak(pitch: f64, length: Duration, is_ulaw: bool) -> Vec<u8> {
    if is_ulaw {
        tone(pitch, length, 8_000).map(to_ulaw).collect()
    } else {
        tone(pitch, length, 24_000).flat_map(i16::to_le_bytes).collect()
    }
}

/// A tone with two harmonics that swells.
pub fn tone(pitch: f64, length: Duration, rate: u32) -> impl Iterator<Item = i16> {
    let count = (length.as_secs_f64() * f64::from(rate)) as usize;
    (0..count).map(move |n| {
        let t = n as f64 / f64::from(rate);
        let tone: f64 = (1..4).map(|k| (TAU * pitch * f64::from(k) * t).sin() / f64::from(k)).sum();
        (tone * 6_000.0 * (0.7 + 0.3 * (TAU * 3.0 * t).sin())) as i16
    })
}

/// The samples of bytes in the wire's format.
pub fn samples(bytes: &[u8], is_ulaw: bool) -> Vec<i16> {
    if is_ulaw {
        bytes.iter().map(|byte| from_ulaw(*byte)).collect()
    } else {
        bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
    }
}

/// Root mean square.
pub fn level(samples: &[i16]) -> f64 {
    let energy: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    (energy / samples.len().max(1) as f64).sqrt()
}

/// ITU-T G.711, µ-law: sign, three bits of exponent, four of mantissa, all inverted.
fn to_ulaw(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = (i32::from(sample).abs() + 132).min(32_767);
    let exponent = 31 - (magnitude as u32).leading_zeros() - 7;
    let mantissa = (magnitude >> (exponent + 3)) & 0x0F;
    !(sign | (exponent as u8) << 4 | mantissa as u8)
}

fn from_ulaw(byte: u8) -> i16 {
    let byte = !byte;
    let magnitude = ((i32::from(byte & 0x0F) << 3) + 132) << ((byte >> 4) & 7);
    let magnitude = (magnitude - 132) as i16;
    if byte & 0x80 == 0 { magnitude } else { -magnitude }
}

/// What the ears heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    Started { at_ms: u64 },
    Stopped { at_ms: u64 },
}

/// An energy detector on frames of 20 ms.
#[derive(Debug, Default)]
pub struct Ears {
    pending: Vec<i16>,
    heard_ms: u64,
    loud: u32,
    quiet: u32,
    speaking: bool,
}

impl Ears {
    const LOUD: f64 = 700.0;
    const ONSET_FRAMES: u32 = 3;

    /// Hears more, in frames of so many samples; `silence_ms` of quiet end an utterance.
    pub fn hear(&mut self, samples: &[i16], frame: usize, silence_ms: u64) -> Vec<Edge> {
        self.pending.extend_from_slice(samples);
        let mut edges = Vec::new();
        while self.pending.len() >= frame {
            let is_loud = level(&self.pending[..frame]) > Self::LOUD;
            self.pending.drain(..frame);
            self.heard_ms += 20;
            (self.loud, self.quiet) = if is_loud { (self.loud + 1, 0) } else { (0, self.quiet + 1) };
            if !self.speaking && self.loud == Self::ONSET_FRAMES {
                self.speaking = true;
                edges.push(Edge::Started { at_ms: self.heard_ms.saturating_sub(60) });
            } else if self.speaking && u64::from(self.quiet) * 20 >= silence_ms {
                self.speaking = false;
                edges.push(Edge::Stopped { at_ms: self.heard_ms });
            }
        }
        edges
    }

    pub fn heard_ms(&self) -> u64 {
        self.heard_ms
    }
}
