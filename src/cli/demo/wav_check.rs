//! Listens to the WAV of a call: who spoke must be on his own channel when he spoke, and nobody else.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use thiserror::Error;

use super::twilio::Span;

/// The rate of telephone audio.
const HZ: u32 = 8_000;
/// Both ends of speech are passed over: the recording is taken at the wire, not at the ear.
const EDGE: Duration = Duration::from_millis(150);
/// Silence near speech is passed over: what was sent ahead and never heard is in the recording too.
const NEAR: Duration = Duration::from_millis(300);
/// Shorter stretches say nothing.
const SHORTEST: Duration = Duration::from_millis(100);
/// Speech is louder: root mean square of 16-bit samples.
const SPEECH: f64 = 200.0;
/// Silence is quieter.
const SILENCE: f64 = 60.0;

/// Why a recording can't be listened to.
#[derive(Debug, Error)]
pub enum WavError {
    /// There is none.
    #[error("the server kept no recording of the call")]
    Missing,
    /// The file can't be read.
    #[error("{path} can't be read: {error}")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What happened.
        error: hound::Error,
    },
    /// Another format.
    #[error("the recording has {channels} channels at {hz} Hz with {bits} bits, not 2 at 8000 Hz with 16")]
    Format {
        /// Channels.
        channels: u16,
        /// Samples per second.
        hz: u32,
        /// Bits of a sample.
        bits: u16,
    },
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WavFindings {
    /// The file.
    pub path: PathBuf,
    /// How long it is.
    pub seconds: f64,
    /// The caller's channel, the left one.
    pub caller: ChannelFindings,
    /// The agent's channel, the right one.
    pub agent: ChannelFindings,
}

/// One channel: levels are root mean squares of 16-bit samples.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ChannelFindings {
    /// Stretches of speech that were listened to.
    pub speeches: usize,
    /// The quietest of them.
    pub quietest_speech: f64,
    /// Stretches of silence that were listened to.
    pub silences: usize,
    /// The loudest of them.
    pub loudest_silence: f64,
}

impl ChannelFindings {
    /// Whether there was speech where there should be and silence where there should be.
    pub fn is_right(&self) -> bool {
        self.speeches > 0 && self.quietest_speech > SPEECH && self.loudest_silence < SILENCE
    }
}

/// Listens to the recording at `path` of a call in which the caller spoke at `said` and the agent was heard
/// at `heard`; both are in order and begin with the recording.
pub fn check(path: &Path, said: &[Span], heard: &[Span]) -> Result<WavFindings, WavError> {
    let unreadable = |error| WavError::Unreadable { path: path.to_owned(), error };
    let mut reader = hound::WavReader::open(path).map_err(unreadable)?;
    let spec = reader.spec();
    if (spec.channels, spec.sample_rate, spec.bits_per_sample) != (2, HZ, 16) {
        return Err(WavError::Format { channels: spec.channels, hz: spec.sample_rate, bits: spec.bits_per_sample });
    }
    let samples = reader.samples::<i16>().collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    let channel = |first: usize| samples.iter().copied().skip(first).step_by(2).collect::<Vec<i16>>();
    Ok(WavFindings {
        path: path.to_owned(),
        seconds: samples.len() as f64 / f64::from(2 * HZ),
        caller: listen(&channel(0), said),
        agent: listen(&channel(1), heard),
    })
}

fn listen(samples: &[i16], speech: &[Span]) -> ChannelFindings {
    let end = Duration::from_secs_f64(samples.len() as f64 / f64::from(HZ));
    let mut findings = ChannelFindings { quietest_speech: f64::MAX, ..ChannelFindings::default() };
    let mut silent_from = Duration::ZERO;
    for span in speech {
        let inner = Span { from: span.from + EDGE, to: span.to.saturating_sub(EDGE) };
        if inner.length() >= SHORTEST {
            findings.speeches += 1;
            findings.quietest_speech = findings.quietest_speech.min(level(samples, inner));
        }
        findings.hear_silence(samples, Span { from: silent_from, to: span.from.saturating_sub(NEAR) });
        silent_from = span.to + NEAR;
    }
    findings.hear_silence(samples, Span { from: silent_from, to: end });
    if findings.speeches == 0 {
        findings.quietest_speech = 0.0;
    }
    findings
}

impl ChannelFindings {
    fn hear_silence(&mut self, samples: &[i16], span: Span) {
        if span.length() >= SHORTEST {
            self.silences += 1;
            self.loudest_silence = self.loudest_silence.max(level(samples, span));
        }
    }
}

/// The level of a stretch; what lies beyond the end is silence.
fn level(samples: &[i16], span: Span) -> f64 {
    let at = |time: Duration| (time.as_secs_f64() * f64::from(HZ)) as usize;
    let (from, to) = (at(span.from), at(span.to));
    let heard = samples.get(from.min(samples.len())..to.min(samples.len())).unwrap_or_default();
    let energy: f64 = heard.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    (energy / (to - from).max(1) as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(from: u64, to: u64) -> Span {
        Span { from: Duration::from_millis(from), to: Duration::from_millis(to) }
    }

    /// Three seconds with the caller at the first of these times and the agent at the second.
    fn recording(caller: Span, agent: Span) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("call.wav");
        let spec = hound::WavSpec {
            channels: 2,
            sample_rate: HZ,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(&path, spec).unwrap();
        for n in 0..3 * HZ {
            let now = Duration::from_secs_f64(f64::from(n) / f64::from(HZ));
            for speaker in [caller, agent] {
                let loud = speaker.from <= now && now < speaker.to;
                writer.write_sample(if loud { if n % 8 < 4 { 3_000 } else { -3_000 } } else { 0i16 }).unwrap();
            }
        }
        writer.finalize().unwrap();
        (folder, path)
    }

    #[test]
    fn each_on_his_own_channel_at_his_own_time_is_right() {
        let (_folder, path) = recording(span(500, 1_000), span(1_500, 2_500));
        let found = check(&path, &[span(500, 1_000)], &[span(1_500, 2_500)]).unwrap();
        assert!(found.caller.is_right() && found.agent.is_right(), "{found:?}");
        assert_eq!((found.caller.speeches, found.caller.silences, found.seconds), (1, 2, 3.0));
    }

    #[test]
    fn swapped_channels_missing_speech_and_shifted_speech_are_wrong() {
        let right = (span(500, 1_000), span(1_500, 2_500));
        let nothing = span(0, 0);
        let wrong = [
            (right.1, right.0, "swapped"),
            (nothing, right.1, "no caller"),
            (right.0, nothing, "no agent"),
            (span(1_200, 1_700), right.1, "late"),
            (span(0, 3_000), right.1, "never silent"),
        ];
        for (caller, agent, what) in wrong {
            let (_folder, path) = recording(caller, agent);
            let found = check(&path, &[right.0], &[right.1]).unwrap();
            assert!(!(found.caller.is_right() && found.agent.is_right()), "{what}: {found:?}");
        }
    }

    #[test]
    fn speech_after_the_recordings_end_is_missing() {
        let (_folder, path) = recording(span(500, 1_000), span(1_500, 2_500));
        let found = check(&path, &[span(500, 1_000), span(4_000, 5_000)], &[span(1_500, 2_500)]).unwrap();
        assert_eq!((found.caller.speeches, found.caller.quietest_speech), (2, 0.0));
    }

    #[test]
    fn what_is_no_recording_of_ours_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mono.wav");
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 16_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        hound::WavWriter::create(&path, spec).unwrap().finalize().unwrap();
        assert!(matches!(check(&path, &[], &[]), Err(WavError::Format { channels: 1, hz: 16_000, bits: 16 })));
        assert!(matches!(check(&folder.path().join("none"), &[], &[]), Err(WavError::Unreadable { .. })));
    }
}
