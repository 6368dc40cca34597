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
    /// The last `taps - 1` samples, then room for a frame of new ones; nothing between equal rates.
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
        let length = if From::HZ == To::HZ { 0 } else { bank.taps - 1 + From::FRAME_SAMPLES };
        Self { window: vec![0.0; length], phase: 0, ahead: 0, bank, rates: PhantomData }
    }

    /// Converts a chunk of any length and appends what it gives to `output`.
    ///
    /// After `n` samples in all, `n · To / From` have come out, rounded up.
    pub fn process(&mut self, input: &[i16], output: &mut Vec<i16>) {
        if From::HZ == To::HZ {
            output.extend_from_slice(input);
        } else {
            self.run(input, |samples| output.extend_from_slice(samples));
        }
    }

    /// Converts one frame.
    pub fn process_frame(&mut self, frame: &PcmFrame<From>) -> PcmFrame<To> {
        let mut converted = PcmFrame::silence();
        if From::HZ == To::HZ {
            converted.samples_mut().copy_from_slice(frame.samples());
        } else {
            let mut room = converted.samples_mut().iter_mut();
            self.run(frame.samples(), |samples| {
                for (slot, &sample) in room.by_ref().zip(samples) {
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
            self.run(&[0], |samples| {
                let wanted = samples.len().min(left);
                output.extend_from_slice(&samples[..wanted]);
                left -= wanted;
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

    /// Gives the outputs that `input` makes possible, at most a frame of them at a time.
    fn run(&mut self, input: &[i16], mut emit: impl FnMut(&[i16])) {
        let Bank { up, down, taps, .. } = *self.bank;
        for block in input.chunks(From::FRAME_SAMPLES) {
            for (slot, &sample) in self.window[taps - 1..].iter_mut().zip(block) {
                *slot = f32::from(sample);
            }
            // Output n begins at the window's sample `ahead + (phase + n · down) / up`, which must be in the block.
            let steps = (block.len().saturating_sub(self.ahead) * up).saturating_sub(self.phase);
            let count = steps.div_ceil(down);
            if count > 0 {
                let mut outputs = [0; MOST];
                self.filter(&mut outputs[..count]);
                emit(&outputs[..count]);
            }
            let next = self.phase + count * down;
            self.phase = next % up;
            self.ahead = self.ahead + next / up - block.len();
            self.window.copy_within(block.len()..block.len() + taps - 1, 0);
        }
    }

    /// Fills in the outputs: every `up`th of them has the same taps, and begins `down` samples after the one before.
    fn filter(&self, outputs: &mut [i16]) {
        let Bank { up, down, .. } = *self.bank;
        let strands = Strands::of(&self.window, down);
        for first in 0..up.min(outputs.len()) {
            let step = self.phase + first * down;
            let (taps, begin) = (self.bank.phase(step % up), self.ahead + step / up);
            for (block, outputs) in outputs[first..].chunks_mut(up * LANES).enumerate() {
                let sums = strands.dot(taps, begin, block * LANES);
                for (output, sum) in outputs.iter_mut().step_by(up).zip(sums) {
                    *output = to_sample(sum);
                }
            }
        }
    }
}

impl<From: Rate, To: Rate> Default for Resampler<From, To> {
    fn default() -> Self {
        Self::new()
    }
}

/// The most outputs of a frame.
const MOST: usize = 960;
/// How many outputs are made side by side: as many sums as the narrowest processors have registers for. Each is
/// summed tap by tap, so that it is the same on every machine and wherever the stream was cut.
const LANES: usize = 32;
/// Room for a window of the highest rate, cut into strands with [`LANES`] to spare for each.
const ROOM: usize = 1_536;

/// A window as so many strands, each holding every `down`th sample: what outputs side by side need at the same time
/// lies side by side.
struct Strands {
    samples: [f32; ROOM],
    down: usize,
    length: usize,
}

impl Strands {
    fn of(window: &[f32], down: usize) -> Self {
        let length = window.len().div_ceil(down) + LANES;
        let mut samples = [0.0; ROOM];
        for (nth, strand) in samples.chunks_exact_mut(length).take(down).enumerate() {
            for (slot, &sample) in strand.iter_mut().zip(window[nth..].iter().step_by(down)) {
                *slot = sample;
            }
        }
        Self { samples, down, length }
    }

    /// The sums of [`LANES`] outputs of the same taps, of which the 0th of all begins at the window's sample `begin`;
    /// these are those from the `output`th on.
    fn dot(&self, taps: &[f32], begin: usize, output: usize) -> [f32; LANES] {
        let mut sums = [0.0; LANES];
        let (mut strand, mut place) = (begin % self.down, begin / self.down + output);
        for &tap in taps {
            if let Some(samples) = self.samples[strand * self.length + place..].first_chunk::<LANES>() {
                for (sum, sample) in sums.iter_mut().zip(samples) {
                    *sum += tap * sample;
                }
            }
            strand += 1;
            if strand == self.down {
                (strand, place) = (0, place + 1);
            }
        }
        sums
    }
}

/// Rounds to the nearest, between two to the even one; what does not fit is clipped.
fn to_sample(value: f32) -> i16 {
    // Beside 1.5 · 2^23 an f32 has no room for a fraction: the processor rounds, and many values at once.
    const INTEGERS: f32 = 12_582_912.0;
    let rounded = value.clamp(f32::from(i16::MIN), f32::from(i16::MAX)) + INTEGERS;
    (rounded.to_bits() as i32 - INTEGERS.to_bits() as i32) as i16
}
