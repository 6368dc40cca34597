//! A recording under way, whatever its rate.

use std::fs::File;
use std::io::{self, BufWriter};

use super::FileError;
use crate::engine::audio::{FRAME, MonoWavWriter, PcmFrame, Rate, WavWriter};
use crate::engine::call::Speaker;
use crate::engine::time::CallTime;

/// Recorded frames on their way to a file of the same rate.
#[derive(Default)]
pub(super) struct Batch {
    frames: Vec<(Speaker, CallTime)>,
    /// Of one frame after the other.
    samples: Vec<i16>,
}

/// How many frames are handed over together: 200 ms of both sides. So much is lost if the process is killed.
const FRAMES: usize = 20;

impl Batch {
    pub(super) fn push<R: Rate>(&mut self, side: Speaker, at: CallTime, frame: &PcmFrame<R>) {
        if self.frames.is_empty() {
            self.frames.reserve_exact(FRAMES);
            self.samples.reserve_exact(FRAMES * R::FRAME_SAMPLES);
        }
        self.frames.push((side, at));
        self.samples.extend_from_slice(frame.samples());
    }

    pub(super) fn is_full(&self) -> bool {
        self.frames.len() >= FRAMES
    }

    pub(super) fn frames(&self) -> u64 {
        self.frames.len() as u64
    }

    pub(super) fn bytes(&self) -> usize {
        self.samples.len() * 2
    }
}

/// A recording's file, which knows its rate.
pub(super) trait Recorder: Send {
    fn push(&mut self, batch: &Batch) -> Result<(), FileError>;
    fn agent_cleared(&mut self, at: CallTime);
    /// Completes the file. Without a `length` the call ends with the last frame.
    fn finish(self: Box<Self>, length: Option<CallTime>) -> Result<(), FileError>;
}

/// Begins a recording of rate `R`.
pub(super) fn record<R: Rate>(file: File) -> Result<Box<dyn Recorder>, FileError> {
    let wav = WavWriter::<_, R>::new(BufWriter::new(file))?;
    Ok(Box::new(Recording { wav, end: CallTime::START }))
}

/// Writes a whole message of rate `R` and waits until it is on the disk.
pub(super) fn write_message<R: Rate>(file: &File, samples: &[i16]) -> Result<(), FileError> {
    let mut wav = MonoWavWriter::<_, R>::new(BufWriter::new(file))?;
    wav.write(samples)?;
    wav.finish()?;
    Ok(file.sync_all()?)
}

struct Recording<R: Rate> {
    wav: WavWriter<BufWriter<File>, R>,
    /// Where the last frame ends.
    end: CallTime,
}

impl<R: Rate> Recorder for Recording<R> {
    fn push(&mut self, batch: &Batch) -> Result<(), FileError> {
        for (&(side, at), samples) in batch.frames.iter().zip(batch.samples.chunks(R::FRAME_SAMPLES)) {
            let Some(frame) = PcmFrame::<R>::from_samples(samples) else {
                return Err(io::Error::from(io::ErrorKind::InvalidData).into());
            };
            self.end = self.end.max(at + FRAME);
            match side {
                Speaker::Caller => self.wav.caller(at, &frame),
                Speaker::Agent => self.wav.agent(at, &frame),
            }
        }
        Ok(self.wav.write_settled()?)
    }

    fn agent_cleared(&mut self, at: CallTime) {
        self.wav.agent_cleared(at);
    }

    fn finish(self: Box<Self>, length: Option<CallTime>) -> Result<(), FileError> {
        self.wav.finish(length.unwrap_or(self.end))?;
        Ok(())
    }
}
