//! The filters: one bank of phases per pair of rates, made once per process.

use std::f64::consts::PI;
use std::sync::OnceLock;
use std::time::Duration;

use crate::engine::audio::rate::Rate;

/// The filter of one pair of rates, cut into the phases that its outputs need.
#[derive(Debug)]
pub(super) struct Bank {
    /// The common rate is the input's times `up`, and the output's times `down`.
    pub up: usize,
    pub down: usize,
    /// Taps per phase, a multiple of 16.
    pub taps: usize,
    /// From a sound's way in to its way out.
    pub delay: Duration,
    /// `up` phases of `taps` each, latest input last.
    coefficients: Vec<f32>,
}

impl Bank {
    /// The bank between two rates.
    pub fn shared<From: Rate, To: Rate>() -> &'static Self {
        static BANKS: [[OnceLock<Bank>; 5]; 5] = [const { [const { OnceLock::new() }; 5] }; 5];
        let (from, to) = const { (row(From::HZ), row(To::HZ)) };
        BANKS[from][to].get_or_init(|| Self::design(From::HZ, To::HZ))
    }

    /// The taps of one phase.
    pub fn phase(&self, phase: usize) -> &[f32] {
        &self.coefficients[phase * self.taps..][..self.taps]
    }

    /// The delay in whole samples of a rate.
    pub fn delay_samples(&self, hz: u32) -> usize {
        (self.delay.as_secs_f64() * f64::from(hz)).round() as usize
    }

    fn design(from: u32, to: u32) -> Self {
        if from == to {
            return Self { up: 1, down: 1, taps: 1, delay: Duration::ZERO, coefficients: vec![1.0] };
        }
        let common = from / gcd(from, to) * to;
        let (up, down) = ((common / from) as usize, (common / to) as usize);
        let low = f64::from(from.min(to));
        let taps = (TAPS_OF_LOW_RATE * f64::from(from) / low).ceil() as usize;
        let taps = taps.next_multiple_of(16);
        let filter = low_pass(up * taps, CUTOFF * low / f64::from(common));
        let delay = Duration::from_secs_f64((up * taps - 1) as f64 / 2.0 / f64::from(common));

        let mut coefficients = Vec::with_capacity(up * taps);
        for phase in 0..up {
            let taps_of_phase = filter[phase..].iter().step_by(up).rev();
            // Each phase alone passes a constant as it is: the steady sound does not ripple.
            let gain: f64 = taps_of_phase.clone().sum();
            coefficients.extend(taps_of_phase.map(|tap| (tap / gain) as f32));
        }
        Self { up, down, taps, delay, coefficients }
    }
}

/// How many samples of the lower rate the filter covers.
const TAPS_OF_LOW_RATE: f64 = 32.0;
/// The middle between pass and stop edge, 3.4 and 4.4 kHz at 8 kHz, in terms of the lower rate.
const CUTOFF: f64 = 0.4875;
/// Kaiser's β for 65 dB: what 32 taps give between these edges, and 5 dB more than is promised.
const BETA: f64 = 0.1102 * (65.0 - 8.7);

/// A windowed-sinc low pass. `cutoff` is in cycles per sample. Source: J. F. Kaiser's window (1974).
fn low_pass(length: usize, cutoff: f64) -> Vec<f64> {
    let middle = (length - 1) as f64 / 2.0;
    let tap = |n: usize| {
        let t = n as f64 - middle;
        let window = bessel_i0(BETA * (1.0 - (t / middle).powi(2)).max(0.0).sqrt());
        sinc(2.0 * cutoff * t) * window
    };
    (0..length).map(tap).collect()
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

/// The modified Bessel function of order 0, by its power series; 40 terms are plenty for arguments below 10.
fn bessel_i0(x: f64) -> f64 {
    let mut term = 1.0;
    (1..40).fold(1.0, |sum, n| {
        term *= (x / 2.0 / f64::from(n)).powi(2);
        sum + term
    })
}

const fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Where a rate stands in the table of banks. Another rate doesn't compile.
const fn row(hz: u32) -> usize {
    match hz {
        8_000 => 0,
        16_000 => 1,
        24_000 => 2,
        32_000 => 3,
        48_000 => 4,
        _ => panic!("no filter is kept for this rate"),
    }
}
