use std::f64::consts::TAU;

use proptest::prelude::*;
use rubato::audioadapter_buffers::direct::SequentialSliceOfVecs;
use rubato::{Fft, FixedSync, Resampler as _};

use super::*;
use crate::engine::audio::{Hz8k, Hz16k, Hz24k, Hz32k, Hz48k};

/// Runs `$check::<From, To>()` for every ordered pair of different rates.
macro_rules! for_every_pair {
    ($check:ident) => {
        for_every_pair!($check: Hz8k => Hz16k Hz24k Hz32k Hz48k);
        for_every_pair!($check: Hz16k => Hz8k Hz24k Hz32k Hz48k);
        for_every_pair!($check: Hz24k => Hz8k Hz16k Hz32k Hz48k);
        for_every_pair!($check: Hz32k => Hz8k Hz16k Hz24k Hz48k);
        for_every_pair!($check: Hz48k => Hz8k Hz16k Hz24k Hz32k);
    };
    ($check:ident: $from:ident => $($to:ident)*) => { $($check::<$from, $to>();)* };
}

#[test]
fn equal_rates_copy_without_delay() {
    let mut resampler = Resampler::<Hz16k, Hz16k>::new();
    let mut output = vec![];
    resampler.process(&[1, -2, i16::MAX, i16::MIN], &mut output);
    resampler.finish(&mut output);
    assert_eq!(output, [1, -2, i16::MAX, i16::MIN]);
    assert_eq!(resampler.delay(), Duration::ZERO);
    let frame = PcmFrame::from_samples(&[77; 320]).unwrap();
    assert_eq!(resampler.process_frame(&frame), frame);
}

#[test]
fn n_frames_in_are_n_frames_out() {
    fn check<From: Rate, To: Rate>() {
        let mut resampler = Resampler::<From, To>::new();
        let mut output = vec![];
        for n in 1..=50 {
            resampler.process(&vec![100; From::FRAME_SAMPLES], &mut output);
            assert_eq!(output.len(), n * To::FRAME_SAMPLES, "{} to {}", From::HZ, To::HZ);
        }
    }
    for_every_pair!(check);
}

#[test]
fn frames_give_the_same_as_chunks() {
    fn check<From: Rate, To: Rate>() {
        let input = tone::<From>(700.0, 9_000.0, From::FRAME_SAMPLES * 7);
        let mut chunks = vec![];
        Resampler::<From, To>::new().process(&input, &mut chunks);
        let mut resampler = Resampler::<From, To>::new();
        for (frame, expected) in input.chunks(From::FRAME_SAMPLES).zip(chunks.chunks(To::FRAME_SAMPLES)) {
            assert_eq!(resampler.process_frame(&PcmFrame::from_samples(frame).unwrap()).samples(), expected);
        }
    }
    for_every_pair!(check);
}

#[test]
fn the_delay_is_at_most_2_ms_and_as_told() {
    fn check<From: Rate, To: Rate>() {
        let delay = Resampler::<From, To>::new().delay();
        assert!(delay <= Duration::from_millis(2), "{} to {}: {delay:?}", From::HZ, To::HZ);
        let output = through::<From, To>(1_000.0);
        let told = Wave::fit(&output.samples, 1_000.0, To::HZ).phase + TAU * 1_000.0 * delay.as_secs_f64();
        let off = (told / TAU - (told / TAU).round()).abs() / 1_000.0;
        assert!(off < 1e-6, "{} to {}: {off} s beside it", From::HZ, To::HZ);
    }
    for_every_pair!(check);
}

/// The pass band: the tone comes out as loud as it went in, and nothing else with it.
#[test]
fn what_lies_below_the_pass_edge_passes() {
    fn check<From: Rate, To: Rate>() {
        let edge = 0.425 * f64::from(From::HZ.min(To::HZ));
        for hz in sweep(50.0, edge) {
            let output = through::<From, To>(hz);
            let wave = Wave::fit(&output.samples, hz, To::HZ);
            let gain = decibels(wave.amplitude / output.amplitude_in);
            assert!(gain.abs() < 0.05, "{} to {}: {hz:.0} Hz by {gain:.3} dB", From::HZ, To::HZ);
            let beside = decibels(wave.residual_rms * 2f64.sqrt() / output.amplitude_in);
            assert!(beside < -60.0, "{} to {}: {hz:.0} Hz left {beside:.1} dB beside it", From::HZ, To::HZ);
        }
    }
    for_every_pair!(check);
}

/// The stop band, downward: a tone above the stop edge would fold back, and must not be heard.
#[test]
fn what_lies_above_the_stop_edge_is_60_db_down() {
    fn check<From: Rate, To: Rate>() {
        let edge = 0.55 * f64::from(To::HZ);
        let top = 0.499 * f64::from(From::HZ);
        if edge >= top {
            return;
        }
        for hz in sweep(edge, top) {
            let output = through::<From, To>(hz);
            let left = decibels(rms(&output.samples) * 2f64.sqrt() / output.amplitude_in);
            assert!(left < -60.0, "{} to {}: {hz:.0} Hz by {left:.1} dB", From::HZ, To::HZ);
        }
    }
    for_every_pair!(check);
}

#[test]
fn a_tone_is_as_clean_as_rubatos() {
    fn check<From: Rate, To: Rate>() {
        let ours = snr(&through::<From, To>(1_000.0).samples, To::HZ);
        let theirs = snr(&by_rubato::<From, To>(&tone::<From>(1_000.0, 20_000.0, From::HZ as usize / 2)), To::HZ);
        assert!(ours > 65.0, "{} to {}: {ours:.1} dB", From::HZ, To::HZ);
        assert!(theirs > 65.0, "the reference itself: {theirs:.1} dB");
    }
    for_every_pair!(check);
}

/// A buzz of 19 harmonics, as a vowel is, against what it is exactly at the other rate.
#[test]
fn a_vowel_is_as_exact_as_rubatos() {
    let vowel = |t: f64| {
        let harmonics: f64 = (1..20).map(|h| (TAU * 150.0 * f64::from(h) * t + f64::from(h)).sin()).sum();
        900.0 * harmonics
    };
    let input: Vec<i16> = (0..8_000).map(|n| vowel(f64::from(n) / 8_000.0).round() as i16).collect();
    let error = |samples: &[i16], delay: f64| {
        let differences = (2_000..20_000).map(|n| f64::from(samples[n]) - vowel(n as f64 / 24_000.0 - delay));
        let squares: f64 = differences.map(|d| d * d).sum();
        decibels((squares / 18_000.0).sqrt() / rms(&input))
    };

    let mut resampler = Resampler::<Hz8k, Hz24k>::new();
    let mut ours = vec![];
    resampler.process(&input, &mut ours);
    let ours = error(&ours, resampler.delay().as_secs_f64());
    let theirs = error(&by_rubato::<Hz8k, Hz24k>(&input), 0.0);
    assert!(ours < -60.0, "{ours:.1} dB off");
    assert!(theirs < -60.0, "the reference itself: {theirs:.1} dB off");
}

#[test]
fn full_scale_is_clipped_and_never_wraps() {
    let square: Vec<i16> = (0..800).map(|n| if n / 20 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
    let mut output = vec![];
    Resampler::<Hz8k, Hz24k>::new().process(&square, &mut output);
    // Where the input stood at the limit for 2 ms, the output stands near it, with the same sign.
    for (n, &sample) in output.iter().enumerate().skip(200) {
        let in_at = (n - 48) / 3;
        if (5..15).contains(&(in_at % 20)) {
            assert!((i32::from(sample) - i32::from(square[in_at])).abs() < 4_000, "sample {n} is {sample}");
        }
    }
    assert!(output.contains(&i16::MAX) && output.contains(&i16::MIN));
}

#[test]
fn a_constant_stays_what_it_is() {
    fn check<From: Rate, To: Rate>() {
        let mut output = vec![];
        Resampler::<From, To>::new().process(&vec![-12_345; From::HZ as usize / 10], &mut output);
        assert!(output[To::HZ as usize / 100..].iter().all(|&sample| sample == -12_345));
    }
    for_every_pair!(check);
}

#[test]
fn what_was_reset_is_not_heard_again() {
    let mut resampler = Resampler::<Hz24k, Hz8k>::new();
    let mut output = vec![];
    resampler.process(&[20_000; 481], &mut output);
    resampler.reset();
    assert_eq!(resampler.process_frame(&PcmFrame::silence()), PcmFrame::silence());
}

#[test]
fn the_tail_comes_out_at_the_end() {
    let mut resampler = Resampler::<Hz8k, Hz24k>::new();
    let mut output = vec![];
    let mut click = [0; 160];
    click[159] = 30_000;
    resampler.process(&click, &mut output);
    assert!(rms(&output) < 200.0, "the click is still inside");
    resampler.finish(&mut output);
    assert_eq!(output.len(), 480 + 48);
    assert!(rms(&output[480..]) > 3_000.0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn chunks_of_any_length_give_what_the_whole_gives(
        input in prop::collection::vec(any::<i16>(), 0..1_500),
        cuts in prop::collection::vec(1..400usize, 1..12),
    ) {
        fn check<From: Rate, To: Rate>(input: &[i16], cuts: &[usize]) {
            let mut whole = vec![];
            Resampler::<From, To>::new().process(input, &mut whole);
            assert_eq!(whole.len(), (input.len() * To::HZ as usize).div_ceil(From::HZ as usize));
            let (mut cut, mut rest) = (vec![], input);
            let mut resampler = Resampler::<From, To>::new();
            for &length in cuts.iter().cycle() {
                let (chunk, later) = rest.split_at(length.min(rest.len()));
                resampler.process(chunk, &mut cut);
                rest = later;
                if rest.is_empty() {
                    break;
                }
            }
            assert_eq!(cut, whole, "{} to {}", From::HZ, To::HZ);
        }
        check::<Hz8k, Hz24k>(&input, &cuts);
        check::<Hz24k, Hz8k>(&input, &cuts);
        check::<Hz16k, Hz24k>(&input, &cuts);
        check::<Hz24k, Hz16k>(&input, &cuts);
        check::<Hz8k, Hz48k>(&input, &cuts);
        check::<Hz48k, Hz16k>(&input, &cuts);
        check::<Hz8k, Hz16k>(&input, &cuts);
    }
}

struct Through {
    samples: Vec<i16>,
    amplitude_in: f64,
}

/// What a fifth of a second of a tone becomes, without its first 20 ms: whole periods at 1 kHz.
fn through<From: Rate, To: Rate>(hz: f64) -> Through {
    let amplitude_in = 20_000.0;
    let input = tone::<From>(hz, amplitude_in, From::HZ as usize / 5);
    let mut samples = vec![];
    Resampler::<From, To>::new().process(&input, &mut samples);
    samples.drain(..To::FRAME_SAMPLES);
    Through { samples, amplitude_in }
}

fn tone<R: Rate>(hz: f64, amplitude: f64, length: usize) -> Vec<i16> {
    (0..length).map(|n| (amplitude * (TAU * hz * n as f64 / f64::from(R::HZ)).sin()).round() as i16).collect()
}

/// Evenly spaced tones from one frequency to another.
fn sweep(from: f64, to: f64) -> impl Iterator<Item = f64> {
    (0..=40).map(move |n| from + (to - from) * f64::from(n) / 40.0)
}

/// The tone of a known frequency in a signal, by least squares, and what is left without it.
struct Wave {
    amplitude: f64,
    phase: f64,
    residual_rms: f64,
}

impl Wave {
    fn fit(samples: &[i16], hz: f64, rate: u32) -> Self {
        let angle = |n: usize| TAU * hz * n as f64 / f64::from(rate);
        let (mut ss, mut sc, mut cc, mut sy, mut cy) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for (n, &y) in samples.iter().enumerate() {
            let (s, c) = angle(n).sin_cos();
            ss += s * s;
            sc += s * c;
            cc += c * c;
            sy += s * f64::from(y);
            cy += c * f64::from(y);
        }
        let det = ss * cc - sc * sc;
        let (a, b) = ((sy * cc - cy * sc) / det, (cy * ss - sy * sc) / det);
        let squares = samples.iter().enumerate().map(|(n, &y)| {
            let (s, c) = angle(n).sin_cos();
            (f64::from(y) - a * s - b * c).powi(2)
        });
        let residual_rms = (squares.sum::<f64>() / samples.len() as f64).sqrt();
        Self { amplitude: a.hypot(b), phase: b.atan2(a), residual_rms }
    }
}

fn snr(samples: &[i16], rate: u32) -> f64 {
    let edge = rate as usize / 25;
    let middle = &samples[edge..samples.len() - edge];
    let wave = Wave::fit(middle, 1_000.0, rate);
    decibels(wave.amplitude / 2f64.sqrt() / wave.residual_rms)
}

fn by_rubato<From: Rate, To: Rate>(input: &[i16]) -> Vec<i16> {
    let mut reference =
        Fft::<f64>::new(From::HZ as usize, To::HZ as usize, From::FRAME_SAMPLES, 1, FixedSync::Both).unwrap();
    let input = vec![input.iter().map(|&sample| f64::from(sample)).collect::<Vec<f64>>()];
    let length = input[0].len();
    let output = reference.process_all(&SequentialSliceOfVecs::new(&input, 1, length).unwrap(), length, None).unwrap();
    output.take_data().iter().map(|&sample| sample.round() as i16).collect()
}

fn rms(samples: &[i16]) -> f64 {
    (samples.iter().map(|&s| f64::from(s) * f64::from(s)).sum::<f64>() / samples.len() as f64).sqrt()
}

fn decibels(ratio: f64) -> f64 {
    20.0 * ratio.log10()
}
