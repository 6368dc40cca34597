//! Whole recordings from one rate to another, by any ratio.
//!
//! A call's sound goes through the streaming resampler of [`crate::engine::audio`], which knows the rates of
//! calls. Speech programs come with rates of their own (22,050 Hz) and recognisers want theirs: this is for them, one
//! finished recording at a time, off the audio path.

use std::f64::consts::PI;

/// Zero crossings of the filter's impulse response on each side: a transition band of about 12 % of the
/// lower rate's Nyquist frequency, stop band below -58 dB (Hann-squared window).
const CROSSINGS: f64 = 24.0;
/// Where the pass band ends, as a share of the lower rate's Nyquist frequency.
const CUTOFF: f64 = 0.92;

/// `samples` of rate `from_hz`, at rate `to_hz`. Nothing comes of a rate of 0.
pub(super) fn convert(samples: &[i16], from_hz: u32, to_hz: u32) -> Vec<i16> {
    if from_hz == to_hz {
        return samples.to_vec();
    }
    if from_hz == 0 || to_hz == 0 {
        return Vec::new();
    }
    let shared = greatest_common_divisor(from_hz, to_hz);
    let (step, phases) = ((from_hz / shared) as usize, (to_hz / shared) as usize);
    // In cycles per input sample, doubled: 1 is the input's own Nyquist frequency.
    let cutoff = CUTOFF * (f64::from(to_hz) / f64::from(from_hz)).min(1.0);
    let reach = (CROSSINGS / cutoff).ceil() as usize;
    let filters: Vec<Vec<f64>> = (0..phases).map(|phase| taps(phase as f64 / phases as f64, cutoff, reach)).collect();

    let length = samples.len() * phases / step;
    (0..length)
        .map(|n| {
            let (at, phase) = (n * step / phases, n * step % phases);
            let sum: f64 = filters[phase]
                .iter()
                .enumerate()
                .filter_map(|(k, tap)| samples.get((at + k + 1).checked_sub(reach)?).map(|&s| tap * f64::from(s)))
                .sum();
            sum.round().clamp(f64::from(i16::MIN), f64::from(i16::MAX)) as i16
        })
        .collect()
}

/// The filter for output samples that lie `phase` after an input sample: `2 * reach` taps of sum 1.
fn taps(phase: f64, cutoff: f64, reach: usize) -> Vec<f64> {
    let width = reach as f64;
    let mut taps: Vec<f64> = (0..2 * reach)
        .map(|k| {
            let x = k as f64 + 1.0 - width - phase;
            let window = (PI * x / (2.0 * width)).cos().powi(2);
            if x.abs() < width { sinc(cutoff * x) * window } else { 0.0 }
        })
        .collect();
    let sum: f64 = taps.iter().sum();
    taps.iter_mut().for_each(|tap| *tap /= sum);
    taps
}

fn sinc(x: f64) -> f64 {
    if x.abs() < 1e-9 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tone(hz: f64, rate: u32, seconds: f64) -> Vec<i16> {
        (0..(f64::from(rate) * seconds) as usize)
            .map(|n| (10_000.0 * (2.0 * PI * hz * n as f64 / f64::from(rate)).sin()) as i16)
            .collect()
    }

    /// Level against the input's, in decibels, without the edges.
    fn gain(hz: f64, from: u32, to: u32) -> f64 {
        let out = convert(&tone(hz, from, 0.5), from, to);
        let middle = &out[out.len() / 4..out.len() * 3 / 4];
        let rms = (middle.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / middle.len() as f64).sqrt();
        20.0 * (rms.max(0.01) / (10_000.0 / 2f64.sqrt())).log10()
    }

    #[test]
    fn speech_passes_and_what_the_new_rate_cannot_carry_does_not() {
        for (from, to) in [(22_050, 8_000), (22_050, 16_000), (22_050, 24_000), (16_000, 8_000), (16_000, 48_000)] {
            for hz in [100.0, 1_000.0, 3_000.0] {
                let gain = gain(hz, from, to);
                assert!(gain.abs() < 0.2, "{hz} Hz, {from} to {to}: {gain} dB");
            }
        }
        for (hz, from, to) in [(4_200.0, 22_050, 8_000), (6_000.0, 16_000, 8_000), (9_000.0, 22_050, 16_000)] {
            let gain = gain(hz, from, to);
            assert!(gain < -50.0, "{hz} Hz, {from} to {to}: {gain} dB");
        }
    }

    #[test]
    fn a_steady_level_stays_and_a_full_one_does_not_wrap() {
        let out = convert(&[i16::MAX; 2_000], 22_050, 8_000);
        assert!(out.iter().all(|&s| s >= 0), "no sample wraps round");
        assert_eq!(out[out.len() / 2], i16::MAX);
    }

    proptest! {
        #[test]
        fn the_length_follows_the_ratio(samples in proptest::collection::vec(any::<i16>(), 0..300),
                                        from in 1u32..100_000, to in prop::sample::select(vec![8_000u32, 16_000, 24_000])) {
            // Only ratios that a sound card or a speech program has: the filter bank grows with the ratio.
            let from = from / 50 * 50 + 4_000;
            let out = convert(&samples, from, to);
            prop_assert_eq!(out.len(), (samples.len() as u64 * u64::from(to) / u64::from(from)) as usize);
        }
    }
}
