//! From one rate to another, as a stream: a polyphase FIR filter of our own.
//!
//! A stream cut into chunks of any length gives the same samples as the whole at once, bit for bit, and `n`
//! frames in are exactly `n` frames out. Between equal rates the samples are copied, without delay.
//!
//! Everything is measured against the lower of the two rates, which is where sound is lost. The filter has 32
//! taps of the lower rate, so that its delay is 16 of the lower rate's samples less a fraction:
//!
//! | between | passes, within 0.05 dB, up to | stops, by 60 dB, from | delay |
//! |---|---|---|---|
//! | 8 kHz and 16, 24, 32 or 48 kHz | 3.4 kHz | 4.4 kHz | 2 ms |
//! | 16 kHz and 24, 32 or 48 kHz | 6.8 kHz | 8.8 kHz | 1 ms |
//! | 24 kHz and 32 or 48 kHz | 10.2 kHz | 13.2 kHz | 0.75 ms |
//! | 32 kHz and 48 kHz | 13.6 kHz | 17.6 kHz | 0.5 ms |
//!
//! 3.4 kHz is where the telephone's band ends. What lies between half the lower rate and the stop edge is folded
//! back (or, upward, mirrored) to above the pass edge only. 32 taps are a choice: 16 lose 2.6 dB at 3.4 kHz, and
//! what is sharper than this is later than 2 ms, which a conversation hears before the ear hears the difference.

mod bank;
#[cfg(test)]
mod tests;

use std::marker::PhantomData;
use std::time::Duration;

use super::frame::PcmFrame;
use super::rate::Rate;
use bank::Bank;

/// Converts one stream from rate `From` to rate `To`. One per direction and call: it remembers the last 2 ms.
#[derive(Clone, Debug)]
pub struct Resampler<From: Rate, To: Rate> {
    /// The last `taps - 1` samples, then room for a frame of new ones.
    window: Vec<f32>,
    /// Which of the bank's phases makes the next output.
    phase: usize,
    /// How many inputs beyond the window's last the next output needs.
    ahead: usize,
    bank: &'static Bank,
    rates: PhantomData<(From, To)>,
}

impl<From: Rate, To: Rate> Resampler<From, To> {
    /// A resampler at the beginning of a stream, before which there was silence.
    pub fn new() -> Self {
        let bank = Bank::shared::<From, To>();
        Self { window: vec![0.0; bank.taps - 1 + From::FRAME_SAMPLES], phase: 0, ahead: 0, bank, rates: PhantomData }
    }

    /// Converts a chunk of any length and appends what it gives to `output`.
    ///
    /// After `n` samples in all, `n · To / From` have come out, rounded up.
    pub fn process(&mut self, input: &[i16], output: &mut Vec<i16>) {
        if From::HZ == To::HZ {
            output.extend_from_slice(input);
        } else {
            self.run(input, |sample| output.push(sample));
        }
    }

    /// Converts one frame.
    pub fn process_frame(&mut self, frame: &PcmFrame<From>) -> PcmFrame<To> {
        let mut converted = PcmFrame::silence();
        if From::HZ == To::HZ {
            converted.samples_mut().copy_from_slice(frame.samples());
        } else {
            let mut room = converted.samples_mut().iter_mut();
            self.run(frame.samples(), |sample| {
                if let Some(slot) = room.next() {
                    *slot = sample;
                }
            });
        }
        converted
    }

    /// Ends the stream: appends what the filter still holds, [`Resampler::delay`] of it, and starts afresh.
    pub fn finish(&mut self, output: &mut Vec<i16>) {
        let mut left = self.bank.delay_samples(To::HZ);
        while left > 0 {
            self.run(&[0], |sample| {
                if left > 0 {
                    output.push(sample);
                    left -= 1;
                }
            });
        }
        self.reset();
    }

    /// Forgets the stream so far: nothing of it is in what comes next.
    pub fn reset(&mut self) {
        self.window.fill(0.0);
        self.phase = 0;
        self.ahead = 0;
    }

    /// How much later a sound comes out than it went in.
    pub fn delay(&self) -> Duration {
        self.bank.delay
    }

    fn run(&mut self, input: &[i16], mut emit: impl FnMut(i16)) {
        let Bank { up, down, taps, .. } = *self.bank;
        for block in input.chunks(From::FRAME_SAMPLES) {
            for (slot, &sample) in self.window[taps - 1..].iter_mut().zip(block) {
                *slot = f32::from(sample);
            }
            while self.ahead < block.len() {
                emit(to_sample(dot(self.bank.phase(self.phase), &self.window[self.ahead..][..taps])));
                self.phase += down;
                while self.phase >= up {
                    self.phase -= up;
                    self.ahead += 1;
                }
            }
            self.ahead -= block.len();
            self.window.copy_within(block.len()..block.len() + taps - 1, 0);
        }
    }
}

impl<From: Rate, To: Rate> Default for Resampler<From, To> {
    fn default() -> Self {
        Self::new()
    }
}

/// How many products are summed side by side: four of a processor's narrowest vectors. Fixed, so that a sum is the
/// same on every machine.
const LANES: usize = 16;

fn dot(taps: &[f32], window: &[f32]) -> f32 {
    let mut lanes = [0.0; LANES];
    for (taps, window) in taps.as_chunks::<LANES>().0.iter().zip(window.as_chunks::<LANES>().0) {
        for lane in 0..LANES {
            lanes[lane] += taps[lane] * window[lane];
        }
    }
    let mut quarter = [0.0; 4];
    for lane in 0..4 {
        quarter[lane] = (lanes[lane] + lanes[lane + 4]) + (lanes[lane + 8] + lanes[lane + 12]);
    }
    (quarter[0] + quarter[2]) + (quarter[1] + quarter[3])
}

/// Rounds half away from zero; what does not fit is clipped.
fn to_sample(value: f32) -> i16 {
    (value + 0.5_f32.copysign(value)) as i16
}
