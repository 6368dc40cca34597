//! One frame: exactly 20 ms of linear 16-bit mono audio at a known rate.

use std::fmt;
use std::time::Duration;

use super::rate::Rate;

/// How long a frame lasts.
pub const FRAME: Duration = Duration::from_millis(FRAME_MS as u64);
/// How long a frame lasts, in milliseconds.
pub const FRAME_MS: u32 = 20;

/// Exactly 20 ms of 16-bit linear mono audio at rate `R`, without allocation.
///
/// A frame of one rate is not a frame of another:
///
/// ```compile_fail
/// use trunkline::engine::audio::{Hz8k, Hz24k, PcmFrame};
/// let telephone: PcmFrame<Hz8k> = PcmFrame::<Hz24k>::silence();
/// ```
#[derive(Clone, Copy)]
pub struct PcmFrame<R: Rate>(R::Samples);

impl<R: Rate> PcmFrame<R> {
    /// 20 ms of digital silence.
    pub const fn silence() -> Self {
        Self(R::SILENCE)
    }

    /// The frame that holds `samples`, if they are exactly as many as a frame has.
    pub fn from_samples(samples: &[i16]) -> Option<Self> {
        if samples.len() != R::FRAME_SAMPLES {
            return None;
        }
        let mut frame = Self::silence();
        frame.samples_mut().copy_from_slice(samples);
        Some(frame)
    }

    /// The samples, [`Rate::FRAME_SAMPLES`] of them.
    pub fn samples(&self) -> &[i16] {
        self.0.as_ref()
    }

    /// The samples, to be written.
    pub fn samples_mut(&mut self) -> &mut [i16] {
        self.0.as_mut()
    }
}

impl<R: Rate> PartialEq for PcmFrame<R> {
    fn eq(&self, other: &Self) -> bool {
        self.samples() == other.samples()
    }
}

impl<R: Rate> fmt::Debug for PcmFrame<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PcmFrame<{} Hz>", R::HZ)
    }
}
