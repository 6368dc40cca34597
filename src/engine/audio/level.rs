//! How loud a stretch of sound is.

use super::frame::PcmFrame;
use super::rate::Rate;

/// The level of a stretch of sound, on the scale of 16-bit samples.
///
/// A sine of full scale has an rms of 23,170 and a peak of 32,767; the telephone network's nominal speech
/// level, −26 dB below overload, is an rms of about 1,640 while somebody talks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Level {
    /// Root mean square, 0 to 32,768, rounded down.
    pub rms: u32,
    /// The largest magnitude of a sample, 0 to 32,768.
    pub peak: u32,
}

impl Level {
    /// Measures one frame.
    pub fn of<R: Rate>(frame: &PcmFrame<R>) -> Self {
        Self::of_samples(frame.samples())
    }

    /// Measures any stretch; nothing at all is silence.
    pub fn of_samples(samples: &[i16]) -> Self {
        let peak = samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0).into();
        Self { rms: mean_square(samples).isqrt(), peak }
    }

    /// The rms in decibels below full scale: 0 for ±32,768, about −90 for ±1; silence is −96.
    pub fn dbfs(self) -> f32 {
        (20.0 * (self.rms as f32 / 32_768.0).log10()).max(-96.0)
    }
}

/// The mean of the squares, 0 to 2³⁰, rounded down.
pub(super) fn mean_square(samples: &[i16]) -> u32 {
    let energy: u64 = samples.chunks(EXACT_SAMPLES).map(energy).sum();
    energy.checked_div(samples.len() as u64).unwrap_or(0) as u32
}

/// So many squares have halves whose sums fit into 32 bits.
const EXACT_SAMPLES: usize = 1 << 16;

/// The sum of the squares, in two sums of 32 bits: those can be added eight at a time.
fn energy(samples: &[i16]) -> u64 {
    let (mut high, mut low) = (0u32, 0u32);
    for &sample in samples {
        let square = (i32::from(sample) * i32::from(sample)) as u32;
        high += square >> 16;
        low += square & 0xFFFF;
    }
    (u64::from(high) << 16) + u64::from(low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::audio::Hz8k;

    #[test]
    fn levels_of_known_signals() {
        let silence = Level::of(&PcmFrame::<Hz8k>::silence());
        assert_eq!((silence, silence.dbfs()), (Level::default(), -96.0));
        assert_eq!(Level::of_samples(&[]), Level::default());
        assert_eq!(Level::of_samples(&[i16::MIN; 160]), Level { rms: 32_768, peak: 32_768 });
        assert_eq!(Level::of_samples(&[300, -300, 300, -300]), Level { rms: 300, peak: 300 });
        assert_eq!(Level::of_samples(&[0, 0, 0, 200]), Level { rms: 100, peak: 200 });
        assert!(Level::of_samples(&[i16::MIN; 480]).dbfs().abs() < 0.001);
    }

    #[test]
    fn a_sine_has_its_peak_over_the_root_of_two() {
        let sine: Vec<i16> =
            (0..160).map(|n| (8_000.0 * (n as f64 * 0.25 * std::f64::consts::PI).sin()) as i16).collect();
        let level = Level::of_samples(&sine);
        assert!((5_650..=5_657).contains(&level.rms), "{level:?}");
        assert_eq!(level.peak, 8_000);
    }
}
