//! A recording: two sides on the call's clock, written as one stereo WAV.

use std::collections::VecDeque;
use std::io::{self, Seek, Write};
use std::time::Duration;

use hound::{SampleFormat, WavSpec, WavWriter};

use crate::engine::call::Speaker;
use crate::engine::time::CallTime;

/// How far a side's frames may stray from the clock before they are moved back onto it.
///
/// 60 ms: arrival over TCP jitters by a few frames, and closing up to a jitter would cut or stretch speech.
const JITTER: Duration = Duration::from_millis(60);

/// How long the tape waits for the other side before it writes silence for it.
const SLACK: Duration = Duration::from_millis(500);

/// How much audio lies at most between two headers.
const HEADER_EVERY: Duration = Duration::from_secs(1);

/// The caller left, the agent right.
pub(super) struct Tape<W: Write + Seek> {
    wav: WavWriter<W>,
    rate_hz: u32,
    /// Frames of the call that are in the WAV.
    written: u64,
    /// Frames that still may change, from `written` on.
    open: VecDeque<[i16; 2]>,
    /// Where each side goes on, in frames since the start of the call.
    cursor: [u64; 2],
    /// Frames that had been written at the last header.
    header: u64,
}

impl<W: Write + Seek> Tape<W> {
    /// Writes the header.
    pub(super) fn new(out: W, rate_hz: u32) -> io::Result<Self> {
        let wav = wav(out, 2, rate_hz)?;
        Ok(Self { wav, rate_hz, written: 0, open: VecDeque::new(), cursor: [0; 2], header: 0 })
    }

    /// Lays samples of one side onto the tape; whether the header was rewritten, so that all is on file.
    pub(super) fn push(&mut self, side: Speaker, at: CallTime, samples: &[i16]) -> io::Result<bool> {
        let side = side as usize;
        let clock = self.frames(Duration::from_micros(at.as_micros()));
        if clock > self.cursor[side] + self.frames(JITTER) {
            self.cursor[side] = clock;
        }
        let from = self.cursor[side].max(self.written);
        self.cursor[side] = from + samples.len() as u64;
        let offset = (from - self.written) as usize;
        if self.open.len() < offset + samples.len() {
            self.open.resize(offset + samples.len(), [0; 2]);
        }
        for (frame, sample) in self.open.range_mut(offset..).zip(samples) {
            frame[side] = *sample;
        }
        let both = self.cursor[0].min(self.cursor[1]);
        let late = self.cursor[0].max(self.cursor[1]).saturating_sub(self.frames(SLACK));
        self.write_up_to(both.max(late))?;
        let is_due = self.written - self.header >= self.frames(HEADER_EVERY);
        if is_due {
            self.flush()?;
        }
        Ok(is_due)
    }

    /// Makes the file a valid WAV of what was written.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.header = self.written;
        self.wav.flush().map_err(io_error)
    }

    /// Writes the rest, and silence up to the call's `length`.
    pub(super) fn finish(mut self, length: Option<CallTime>) -> io::Result<()> {
        let end = self.written + self.open.len() as u64;
        let length = length.map_or(0, |length| self.frames(Duration::from_micros(length.as_micros())));
        self.write_up_to(end)?;
        for _ in end..length {
            self.write([0; 2])?;
        }
        self.wav.finalize().map_err(io_error)
    }

    fn write_up_to(&mut self, end: u64) -> io::Result<()> {
        while self.written < end {
            let frame = self.open.pop_front().unwrap_or_default();
            self.write(frame)?;
        }
        Ok(())
    }

    fn write(&mut self, frame: [i16; 2]) -> io::Result<()> {
        self.written += 1;
        frame.into_iter().try_for_each(|sample| self.wav.write_sample(sample)).map_err(io_error)
    }

    fn frames(&self, time: Duration) -> u64 {
        time.as_micros() as u64 * u64::from(self.rate_hz) / 1_000_000
    }
}

/// Writes a whole mono WAV.
pub(super) fn write_mono(out: impl Write + Seek, rate_hz: u32, samples: &[i16]) -> io::Result<()> {
    let mut wav = wav(out, 1, rate_hz)?;
    samples.iter().try_for_each(|sample| wav.write_sample(*sample)).map_err(io_error)?;
    wav.finalize().map_err(io_error)
}

fn wav<W: Write + Seek>(out: W, channels: u16, rate_hz: u32) -> io::Result<WavWriter<W>> {
    let spec = WavSpec { channels, sample_rate: rate_hz, bits_per_sample: 16, sample_format: SampleFormat::Int };
    WavWriter::new(out, spec).map_err(io_error)
}

fn io_error(error: hound::Error) -> io::Error {
    match error {
        hound::Error::IoError(error) => error,
        other => io::Error::other(other),
    }
}
