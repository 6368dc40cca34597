//! Is audio that was announced as µ-law really 24 kHz linear?
//!
//! The vendor has been seen to confirm `audio/pcmu` and to send 16-bit linear all the same: six times the
//! byte rate, heard as loud noise. There is no rate to be measured on a vendor that sends faster than real
//! time, so the bytes themselves are asked, before the first of them is played:
//!
//! * In µ-law every byte is a sample, so bytes at even and at odd places are spread alike. In linear
//!   little-endian the even ones are low bytes, spread evenly over all values, and the odd ones are high
//!   bytes, crowded around 0x00 and 0xFF. The *parity distance* is half the sum of the differences between
//!   the two histograms over 16 classes: 0 for equal ones, 1 for disjoint ones.
//! * Read as what they are, bytes are *smoother*: less energy in the differences of neighbours, in proportion
//!   to the variance. A tone whose period is a whole number of samples can have any parity distance, noise is
//!   as rough in either reading; so bytes are linear if they are smoother so, and either spread unalike or
//!   much smoother.
//! * Very quiet linear audio holds long runs of 0x00 bytes, which in µ-law is the loudest negative value:
//!   speech does not stay there for a quarter of its samples.
//!
//! Where that leaves it open (silence is 0xFF in one and about 0xFFFF in the other), the byte rate decides
//! at the response's end: speech brings between [`SLOWEST`] and [`FASTEST`] letters per second, and linear
//! audio read as µ-law lasts six times too long.

use std::time::Duration;

use crate::engine::audio::g711;

use super::settings::AudioFormat;

/// Bytes that are wanted before the question is asked: 300 ms of µ-law, 50 ms of linear.
pub(super) const WANTED: usize = 2_400;

/// Letters per second below which nobody reads aloud.
const SLOWEST: f64 = 3.0;
/// Letters per second above which nobody speaks.
const FASTEST: f64 = 30.0;
/// Letters that a rate needs to be one.
const ENOUGH_LETTERS: usize = 12;
/// The parity distance above which bytes are not one stream of samples.
const PARITY: f64 = 0.4;
/// The share of roughness that bytes spread alike must lose to be taken for linear.
const MUCH_SMOOTHER: f64 = 0.4;
/// The share of samples at less than half scale to the bottom that speech does not have.
const BOTTOM: f64 = 0.25;

/// What the bytes seem to be; `None` where they could be either.
pub(super) fn judge(bytes: &[u8]) -> Option<AudioFormat> {
    let even = bytes.len() & !1;
    let bytes = &bytes[..even];
    let bottom = bytes.iter().filter(|byte| **byte < 0x10).count() as f64;
    let is_quiet = bytes.iter().filter(|byte| matches!(byte, 0x7F | 0xFF)).count() * 10 > bytes.len() * 9;
    if bytes.is_empty() || is_quiet {
        return None;
    }
    if bottom > BOTTOM * bytes.len() as f64 && parity_distance(bytes) <= PARITY {
        return Some(AudioFormat::Pcm24);
    }
    let mut as_ulaw = vec![0; bytes.len()];
    g711::decode_ulaw(bytes, &mut as_ulaw);
    let as_linear: Vec<i16> = bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    let needed = if parity_distance(bytes) > PARITY { 1.0 } else { MUCH_SMOOTHER };
    let is_linear = roughness(&as_linear) < needed * roughness(&as_ulaw);
    Some(if is_linear { AudioFormat::Pcm24 } else { AudioFormat::Pcmu })
}

/// What the byte rate says: `bytes` of audio speak these `letters`. `None` where it says nothing.
pub(super) fn judge_rate(bytes: u64, letters: usize) -> Option<AudioFormat> {
    let rate = |format: AudioFormat| {
        letters as f64 / Duration::from_millis(bytes.max(1) / format.bytes_per_ms()).as_secs_f64().max(0.001)
    };
    let is_speech = |format| (SLOWEST..=FASTEST).contains(&rate(format));
    match (is_speech(AudioFormat::Pcmu), is_speech(AudioFormat::Pcm24)) {
        _ if letters < ENOUGH_LETTERS => None,
        (true, false) => Some(AudioFormat::Pcmu),
        (false, true) => Some(AudioFormat::Pcm24),
        _ => None,
    }
}

fn parity_distance(bytes: &[u8]) -> f64 {
    let mut classes = [[0_u32; 16]; 2];
    for (at, byte) in bytes.iter().enumerate() {
        classes[at % 2][usize::from(byte >> 4)] += 1;
    }
    let differences: u32 = classes[0].iter().zip(&classes[1]).map(|(even, odd)| even.abs_diff(*odd)).sum();
    f64::from(differences) / bytes.len().max(1) as f64
}

/// The energy of the differences of neighbours, per variance: 0 for a slow wave, 2 for white noise.
fn roughness(samples: &[i16]) -> f64 {
    let count = samples.len().max(1) as f64;
    let mean = samples.iter().map(|sample| f64::from(*sample)).sum::<f64>() / count;
    let variance = samples.iter().map(|sample| (f64::from(*sample) - mean).powi(2)).sum::<f64>() / count;
    let differences =
        samples.windows(2).map(|pair| (f64::from(pair[1]) - f64::from(pair[0])).powi(2)).sum::<f64>() / count;
    differences / variance.max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::f64::consts::TAU;

    /// A voice-like sound: a pitch with falling harmonics that swells, and some breath.
    fn voice(rate: f64, pitch: f64, level: f64, seconds: f64) -> Vec<i16> {
        let mut noise = 1_u32;
        (0..(rate * seconds) as usize)
            .map(|n| {
                let t = n as f64 / rate;
                let tone: f64 = (1..12).map(|k| (TAU * pitch * f64::from(k) * t).sin() / f64::from(k)).sum();
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let breath = f64::from(noise >> 16) / 65_536.0 - 0.5;
                ((tone * (0.6 + 0.4 * (TAU * 3.0 * t).sin()) + 0.1 * breath) * level) as i16
            })
            .collect()
    }

    fn tone(rate: f64, pitch: f64) -> Vec<i16> {
        (0..2_400).map(|n| ((TAU * pitch * f64::from(n) / rate).sin() * 8_000.0) as i16).collect()
    }

    fn ulaw(samples: &[i16]) -> Vec<u8> {
        let mut bytes = vec![0; samples.len()];
        g711::encode_ulaw(samples, &mut bytes);
        bytes
    }

    fn linear(samples: &[i16]) -> Vec<u8> {
        samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
    }

    proptest! {
        #[test]
        fn voices_are_told_apart(pitch in 80.0..320.0_f64, level in 300.0..12_000.0_f64) {
            prop_assert_eq!(judge(&ulaw(&voice(8_000.0, pitch, level, 0.3))), Some(AudioFormat::Pcmu));
            prop_assert_eq!(judge(&linear(&voice(24_000.0, pitch, level, 0.05))), Some(AudioFormat::Pcm24));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, letters: usize) {
            let _ = (judge(&bytes), judge_rate(bytes.len() as u64, letters));
        }
    }

    #[test]
    fn tones_are_told_apart() {
        for pitch in [200.0, 440.0, 500.0, 1_000.0] {
            assert_eq!(judge(&ulaw(&tone(8_000.0, pitch))), Some(AudioFormat::Pcmu), "{pitch} Hz");
            assert_eq!(judge(&linear(&tone(24_000.0, pitch))), Some(AudioFormat::Pcm24), "{pitch} Hz");
        }
    }

    #[test]
    fn noise_in_ulaw_is_no_linear_audio() {
        let hiss: Vec<i16> = voice(8_000.0, 0.0, 20_000.0, 0.3);
        assert_eq!(judge(&ulaw(&hiss)), Some(AudioFormat::Pcmu));
    }

    #[test]
    fn silence_stays_open_and_whispering_noise_does_not() {
        assert_eq!(judge(&[]), None);
        assert_eq!(judge(&[0xFF; 2_400]), None);
        assert_eq!(judge(&linear(&[-1; 1_200])), None);
        assert_eq!(judge(&linear(&[0; 1_200])), Some(AudioFormat::Pcm24));
    }

    #[test]
    fn the_byte_rate_decides_what_the_bytes_leave_open() {
        // 30 letters in 2 s.
        assert_eq!(judge_rate(16_000, 30), Some(AudioFormat::Pcmu));
        assert_eq!(judge_rate(96_000, 30), Some(AudioFormat::Pcm24));
        assert_eq!(judge_rate(96_000, 5), None);
    }
}
