//! A recording under way, whatever its rate.

use std::fs::File;
use std::io::{self, BufWriter};

use super::FileError;
use crate::engine::audio::{FRAME, MonoWavWriter, PcmFrame, Rate, WavWriter};
use crate::engine::call::Speaker;
use crate::engine::time::CallTime;

/// One recorded frame, on its way to a file of the same rate.
pub(super) struct Piece {
    pub(super) side: Speaker,
    pub(super) at: CallTime,
    pub(super) samples: Box<[i16]>,
}

/// A recording's file, which knows its rate.
pub(super) trait Recorder: Send {
    fn push(&mut self, piece: &Piece) -> Result<(), FileError>;
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
    fn push(&mut self, piece: &Piece) -> Result<(), FileError> {
        let Some(frame) = PcmFrame::<R>::from_samples(&piece.samples) else {
            return Err(io::Error::from(io::ErrorKind::InvalidData).into());
        };
        self.end = self.end.max(piece.at + FRAME);
        match piece.side {
            Speaker::Caller => self.wav.caller(piece.at, &frame)?,
            Speaker::Agent => self.wav.agent(piece.at, &frame)?,
        }
        Ok(())
    }

    fn agent_cleared(&mut self, at: CallTime) {
        self.wav.agent_cleared(at);
    }

    fn finish(self: Box<Self>, length: Option<CallTime>) -> Result<(), FileError> {
        self.wav.finish(length.unwrap_or(self.end))?;
        Ok(())
    }
}
