//! Is audio that was announced as µ-law really 24 kHz linear?
//!
//! The vendor has been seen to confirm `audio/pcmu` and to send 16-bit linear all the same: six times the
//! byte rate, heard as loud noise. There is no rate to be measured on a vendor that sends faster than real
//! time, so the bytes themselves are asked, before the first loud one of them is played.
//!
//! A caller who waits for the first word must not wait for the answer. So two things are played at once:
//!
//! * What is [`is_quiet`] in µ-law: it does no harm if it is something else.
//! * What is [`clearly_ulaw`]: of linear audio every other byte is a low one, spread evenly over all values, and every
//!   eighth of those is in µ-law within 6 dB of full scale. Speech, tones and noise in µ-law are so loud for moments
//!   only. Where low bytes take few values, as in a tone, linear audio is very much smoother read as what it is.
//!
//! What remains open waits for [`WANTED`] bytes, and is asked more thoroughly:
//!
//! * In µ-law every byte is a sample, so bytes at even and at odd places are spread alike. In linear
//!   little-endian the even ones are low bytes, spread evenly over all values, and the odd ones are high
//!   bytes, crowded around 0x00 and 0xFF. The *parity distance* is half the sum of the differences between
//!   the two histograms over 16 classes: 0 for equal ones, 1 for disjoint ones.
//! * Read as what they are, bytes are *smoother*: less energy in the differences of neighbours, in proportion
//!   to the variance. A tone whose period is a whole number of samples can have any parity distance, noise is
//!   as rough in either reading; so bytes are linear if they are smoother so, and either spread unalike or
//!   much smoother.
//! * Very quiet linear audio holds long runs of 0x00 bytes, which in µ-law is the loudest negative value, with no
//!   positive one for it: sound is not that lopsided in a quarter of its samples.
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
/// The surplus of samples at the bottom over those at the top, within 6 dB of full scale, that sound does not have.
const LOPSIDED: f64 = 0.25;
/// Bytes without which nothing is clear: 20 ms of µ-law.
const FIRST: usize = 160;
/// Bytes from which on unlike places don't count: a tone in µ-law has them by its period, and of fewer bytes than
/// that the low ones of linear audio may all miss the loudest eighth by chance.
const MANY: usize = 320;
/// The share of samples within 6 dB of full scale that is no sign of linear audio yet: an eighth of its low bytes,
/// so a sixteenth of all, are so loud.
const LOUD: f64 = 0.01;
/// The share of roughness, read as linear instead of µ-law, below which bytes may well be linear.
const SMOOTHER: f64 = 0.25;

/// Whether the bytes, read as µ-law, stay 31 dB below full scale.
pub(super) fn is_quiet(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| byte & 0x70 >= 0x50)
}

/// Whether the bytes can be nothing but µ-law. `false` says nothing.
pub(super) fn clearly_ulaw(bytes: &[u8]) -> bool {
    let bytes = &bytes[..bytes.len() & !1];
    let loud = bytes.iter().filter(|byte| **byte & 0x70 == 0).count() as f64;
    if bytes.len() < FIRST || loud > LOUD * bytes.len() as f64 {
        return false;
    }
    let (as_linear, as_ulaw) = readings(bytes);
    let is_rough_enough = roughness(&as_linear) > SMOOTHER * roughness(&as_ulaw);
    is_rough_enough && (bytes.len() >= MANY || parity_distance(bytes) <= PARITY)
}

/// What the bytes seem to be; `None` where they could be either.
pub(super) fn judge(bytes: &[u8]) -> Option<AudioFormat> {
    let even = bytes.len() & !1;
    let bytes = &bytes[..even];
    let silent = bytes.iter().filter(|byte| matches!(byte, 0x7F | 0xFF)).count();
    if bytes.is_empty() || silent * 10 > bytes.len() * 9 {
        return None;
    }
    let count = |side: u8| bytes.iter().filter(|byte| **byte & 0xF0 == side).count() as f64;
    if count(0x00) - count(0x80) > LOPSIDED * bytes.len() as f64 {
        return Some(AudioFormat::Pcm24);
    }
    let (as_linear, as_ulaw) = readings(bytes);
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

/// The bytes as linear samples, and as µ-law.
fn readings(bytes: &[u8]) -> (Vec<i16>, Vec<i16>) {
    let mut as_ulaw = vec![0; bytes.len()];
    g711::decode_ulaw(bytes, &mut as_ulaw);
    (bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect(), as_ulaw)
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

        /// Deltas of 20, 40, 60, 100 and 200 ms in µ-law; of linear audio the same bytes are a sixth of that.
        #[test]
        fn linear_audio_is_never_clearly_ulaw(
            sound in any_sound(24_000.0), length in prop::sample::select(vec![160_usize, 320, 480, 800, 1_600, 2_400]),
            begin in 0..3_000_usize,
        ) {
            let bytes = linear(&sound[begin..]);
            prop_assert!(is_quiet(&bytes[..length]) || !clearly_ulaw(&bytes[..length]));
        }

        #[test]
        fn ordinary_ulaw_is_clear_from_the_first_delta(
            pitch in 80.0..320.0_f64, level in 300.0..5_000.0_f64,
            length in prop::sample::select(vec![160_usize, 320, 480, 800, 1_600]), begin in 0..1_000_usize,
        ) {
            let bytes = ulaw(&voice(8_000.0, pitch, level, 0.4)[begin..]);
            prop_assert!(is_quiet(&bytes[..length]) || clearly_ulaw(&bytes[..length]));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, letters: usize) {
            let _ = (judge(&bytes), judge_rate(bytes.len() as u64, letters), clearly_ulaw(&bytes), is_quiet(&bytes));
        }
    }

    /// A quarter of a second of a voice, a tone, or noise, as loud as such things are.
    fn any_sound(rate: f64) -> impl Strategy<Value = Vec<i16>> {
        prop_oneof![
            (80.0..320.0_f64, 100.0..9_000.0_f64).prop_map(move |(pitch, level)| voice(rate, pitch, level, 0.25)),
            (100.0..3_400.0_f64, 100.0..30_000.0_f64).prop_map(move |(pitch, level)| {
                (0..6_000).map(|n| ((TAU * pitch * f64::from(n) / rate).sin() * level) as i16).collect()
            }),
            (any::<u32>(), 1.0..30_000.0_f64).prop_map(|(seed, level)| {
                let mut noise = seed;
                let hiss = |_| {
                    noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    ((f64::from(noise >> 16) / 32_768.0 - 1.0) * level) as i16
                };
                (0..6_000).map(hiss).collect()
            }),
        ]
    }

    /// Recorded speech, whose first sound follows some silence.
    #[test]
    fn a_recorded_voice_is_clear_from_its_first_delta() {
        let clip = include_bytes!("../local/clips/hello.ulaw");
        for length in [160, 320, 480, 800, 1_600] {
            let open = clip.chunks_exact(length).filter(|bytes| !is_quiet(bytes) && !clearly_ulaw(bytes)).count();
            assert!(open * 20 <= clip.len() / length, "{open} of {} chunks of {length} bytes", clip.len() / length);
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
