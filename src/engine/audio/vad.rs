//! Whether the caller speaks: WebRTC's detector and the frame's energy, heard together.
//!
//! WebRTC's detector knows what speech sounds like but not how near it is; energy knows how near but not what it
//! is. Each frame gets a confidence of both, as the reference system counts it: 0.4 if WebRTC hears speech, up to
//! 0.4 for energy, in full at three times the threshold, and 0.2 if the two agree. So silence scores 0.2, either
//! detector alone at most 0.4, and both together at least 0.73.
//!
//! A frame is speech when
//!
//! 1. its confidence reaches `confidence_threshold`; at the default this says that both detectors agree; or
//! 2. WebRTC hears speech, and the frame is louder than the quietest caller (a third of `energy_threshold`) and
//!    twice as loud as the noise on the line: a quiet caller is heard in a quiet line;
//!
//! and, in both cases, when it is louder than the echo of the agent may be ([`Vad::agent_plays`]).
//!
//! The threshold for energy adapts: it is at least 2.5 times the noise, so that loud hiss is not energy. Noise is
//! the least level of the last three seconds: speech has gaps, noise has none.

mod echo;

use std::marker::PhantomData;

use webrtc_vad::{SampleRate, VadMode};

use super::frame::PcmFrame;
use super::level::Level;
use super::rate::{Rate, VadRate};
use super::settings::VadSettings;
use echo::EchoGuard;

/// What a detector says about one frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Voice {
    /// Whether somebody speaks.
    pub is_speech: bool,
    /// How sure both detectors are that it is speech, 0 to 1.
    pub confidence: f32,
    /// The frame's root mean square, 0 to 32,768.
    pub level: u32,
}

/// The voice activity detector of one call, at the rate of its line.
///
/// It keeps state from frame to frame, so it is never shared, and it does not leave its thread.
///
/// Only rates that WebRTC's detector takes have one; anything else must be resampled first:
///
/// ```compile_fail
/// use trunkline::engine::audio::{Hz24k, Vad, VadSettings};
/// let vad = Vad::<Hz24k>::new(&VadSettings::default());
/// ```
///
/// ```
/// use trunkline::engine::audio::{Hz8k, PcmFrame, Vad, VadSettings};
/// let mut vad = Vad::<Hz8k>::new(&VadSettings::default());
/// assert!(!vad.judge(&PcmFrame::silence()).is_speech);
/// ```
pub struct Vad<R: VadRate> {
    webrtc: webrtc_vad::Vad,
    energy_threshold: u32,
    confidence_threshold: f32,
    noise: NoiseFloor,
    echo: EchoGuard,
    rate: PhantomData<R>,
}

impl<R: VadRate> Vad<R> {
    /// A detector that has heard nothing yet. An aggressiveness above 3 is 3.
    pub fn new(settings: &VadSettings) -> Self {
        let rate = SampleRate::try_from(R::HZ as i32).expect("a VadRate is one of the four that WebRTC takes");
        let mode = match settings.aggressiveness {
            0 => VadMode::Quality,
            1 => VadMode::LowBitrate,
            2 => VadMode::Aggressive,
            _ => VadMode::VeryAggressive,
        };
        Self {
            webrtc: webrtc_vad::Vad::new_with_rate_and_mode(rate, mode),
            energy_threshold: settings.energy_threshold.max(1),
            confidence_threshold: settings.confidence_threshold,
            noise: NoiseFloor::default(),
            echo: EchoGuard::default(),
            rate: PhantomData,
        }
    }

    /// Judges the next 20 ms of the line.
    pub fn judge(&mut self, frame: &PcmFrame<R>) -> Voice {
        let webrtc = self.webrtc.is_voice_segment(frame.samples()).expect("20 ms at a rate that WebRTC takes");
        let level = Level::of(frame).rms;
        let noise = self.noise.hear(level);
        let echo = self.echo.hear(level);

        let threshold = self.energy_threshold.max(noise * 5 / 2);
        let confidence = confidence(webrtc, level, threshold);
        let audible = (self.energy_threshold / QUIETEST).max(noise * 2);
        let sounds_like_speech = confidence >= self.confidence_threshold || (webrtc && level >= audible);
        Voice { is_speech: sounds_like_speech && level > echo, confidence, level }
    }

    /// Tells a frame of the agent, at any rate, that goes out to the caller now: what is not louder than its echo may be is
    /// not the caller.
    pub fn agent_plays<A: Rate>(&mut self, frame: &PcmFrame<A>) {
        self.echo.agent_plays(frame);
    }
}

/// The quietest caller's level is this fraction of the threshold for energy: 233 of 700, −43 dB below overload.
/// The network's nominal speech is at −26 dB, a quiet caller 10 to 14 dB below it.
const QUIETEST: u32 = 3;

fn confidence(webrtc: bool, level: u32, threshold: u32) -> f32 {
    let loud = level >= threshold;
    let by_webrtc = if webrtc { 0.4 } else { 0.0 };
    let by_energy = if loud { 0.4 * (level as f32 / threshold as f32).min(3.0) / 3.0 } else { 0.0 };
    let by_agreement = if webrtc == loud { 0.2 } else { 0.0 };
    by_webrtc + by_energy + by_agreement
}

/// What the line sounds like when nobody speaks: the least level of the last three seconds.
#[derive(Clone, Debug)]
struct NoiseFloor {
    /// The least level of each of the last half seconds, in a ring.
    halves: [u32; 6],
    next: usize,
    /// The least and the greatest level of the present half second, and how many frames it has.
    least: u32,
    greatest: u32,
    frames: u32,
}

/// Frames of half a second.
const HALF_SECOND: u32 = 25;

impl Default for NoiseFloor {
    fn default() -> Self {
        Self { halves: [u32::MAX; 6], next: 0, least: u32::MAX, greatest: 0, frames: 0 }
    }
}

impl NoiseFloor {
    /// The noise, with this frame in it.
    fn hear(&mut self, level: u32) -> u32 {
        self.least = self.least.min(level);
        self.greatest = self.greatest.max(level);
        self.frames += 1;
        let floor = self.halves.iter().fold(self.least, |least, &half| least.min(half));
        if self.frames == HALF_SECOND {
            self.keep_half_second();
        }
        floor
    }

    /// Half a second that varies by less than 3.5 dB is no speech, so it is known at once what the line's noise is
    /// now: hiss that begins within a call, or a tone.
    fn keep_half_second(&mut self) {
        if self.greatest * 2 <= self.least * 3 {
            self.halves = [self.least; 6];
        }
        self.halves[self.next] = self.least;
        self.next = (self.next + 1) % self.halves.len();
        (self.least, self.greatest, self.frames) = (u32::MAX, 0, 0);
    }
}

#[cfg(test)]
mod tests;
