//! Recordings whose words are tones, so that whoever hears them can be checked: a tone of 500 Hz is the word `tone500`.

use std::f64::consts::TAU;
use std::io::Read;
use std::path::Path;

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};

/// A tone in a channel: from when to when, in milliseconds, and its frequency.
pub type Tone = (u32, u32, u32);

/// Writes a recording of this length with these tones in each channel.
pub fn write(file: &Path, hz: u32, length_ms: u32, channels: &[&[Tone]]) {
    let spec = WavSpec {
        channels: channels.len() as u16,
        sample_rate: hz,
        bits_per_sample: 16,
        sample_format: SampleFormat::Int,
    };
    let mut writer = WavWriter::create(file, spec).unwrap();
    for n in 0..u64::from(length_ms) * u64::from(hz) / 1_000 {
        let ms = (n * 1_000 / u64::from(hz)) as u32;
        for tones in channels {
            let tone = tones.iter().find(|(start, end, _)| (*start..*end).contains(&ms));
            let sample =
                tone.map_or(0.0, |&(.., tone)| 6_000.0 * (TAU * f64::from(tone) * n as f64 / f64::from(hz)).sin());
            writer.write_sample(sample as i16).unwrap();
        }
    }
    writer.finalize().unwrap();
}

/// Hears the tones in a channel of a WAV file: where each begins and ends in milliseconds, and its word.
pub fn hear(wav: impl Read, channel: usize) -> Vec<(u32, u32, String)> {
    let mut reader = WavReader::new(wav).expect("it is a WAV file");
    let spec = reader.spec();
    let samples: Vec<i16> = reader.samples::<i16>().map(Result::unwrap).collect();
    let samples: Vec<i16> = samples.into_iter().skip(channel).step_by(spec.channels.into()).collect();
    let window = spec.sample_rate as usize / 100;
    let is_loud = |samples: &[i16]| samples.iter().any(|sample| sample.unsigned_abs() > 1_000);
    let mut heard = Vec::new();
    let mut at = 0;
    for run in samples.chunks(window).collect::<Vec<_>>().chunk_by(|one, next| is_loud(one) == is_loud(next)) {
        let length: usize = run.iter().map(|window| window.len()).sum();
        let run_of = &samples[at..at + length];
        let ms = |sample: usize| (sample * 1_000 / spec.sample_rate as usize) as u32;
        if is_loud(run_of) {
            let crossings = run_of.windows(2).filter(|pair| (pair[0] < 0) != (pair[1] < 0)).count();
            let hz = crossings as f64 / 2.0 / (length as f64 / f64::from(spec.sample_rate));
            heard.push((ms(at), ms(at + length), format!("tone{}", (hz / 50.0).round() as u32 * 50)));
        }
        at += length;
    }
    heard
}
