//! WAV files: the call as it was on the wire, and the messages that callers leave.
//!
//! The header is brought up to date every second, so a file is whole up to its last second even if the process is
//! killed. Writing blocks on whatever is written to: whoever records a live call does it away from the call's thread.

use std::io::{Seek, Write};
use std::time::Duration;

use hound::{SampleFormat, WavSpec};
use thiserror::Error;

use crate::engine::time::CallTime;

use super::frame::PcmFrame;
use super::rate::Rate;
use super::tape::WireTape;

/// Why a WAV file could not be written.
#[derive(Debug, Error)]
pub enum WavError {
    /// The file behind it refused, or is full.
    #[error("cannot write the WAV file: {0}")]
    Write(#[from] hound::Error),
}

/// Records a call: 16-bit stereo at the call's rate, left the caller, right the agent, by the rules of [`WireTape`].
pub struct WavWriter<W: Write + Seek, R: Rate> {
    tape: WireTape<R>,
    file: Track<W>,
    settled: Vec<i16>,
}

impl<W: Write + Seek, R: Rate> WavWriter<W, R> {
    /// Writes the header of a recording that begins with the call's clock.
    pub fn new(writer: W) -> Result<Self, WavError> {
        // A frame's worth of what the tape gives out, of both channels, and as much again.
        let settled = Vec::with_capacity(4 * R::FRAME_SAMPLES);
        Ok(Self { tape: WireTape::new(), file: Track::new::<R>(writer, 2)?, settled })
    }

    /// A frame of the caller, whose first sample was spoken at `at`.
    pub fn caller(&mut self, at: CallTime, frame: &PcmFrame<R>) {
        self.tape.caller(at, frame);
    }

    /// A frame of the agent that was sent at `at`.
    pub fn agent(&mut self, at: CallTime, frame: &PcmFrame<R>) {
        self.tape.agent(at, frame);
    }

    /// At `at` the carrier was told to throw away what the caller had not heard yet.
    pub fn agent_cleared(&mut self, at: CallTime) {
        self.tape.agent_cleared(at);
    }

    /// Ends the recording at the call's end, and says how long it is.
    pub fn finish(mut self, length: CallTime) -> Result<Duration, WavError> {
        self.tape.finish(length);
        self.write_settled()?;
        self.file.finish()?;
        Ok(self.tape.taken())
    }

    /// Writes what no later frame can change any more. To be called after every few frames.
    pub fn write_settled(&mut self) -> Result<(), WavError> {
        self.settled.clear();
        self.tape.take(&mut self.settled);
        self.file.write(&self.settled)
    }
}

/// Records one voice: 16-bit mono.
pub struct MonoWavWriter<W: Write + Seek, R: Rate> {
    file: Track<W>,
    samples: u64,
    rate: std::marker::PhantomData<R>,
}

impl<W: Write + Seek, R: Rate> MonoWavWriter<W, R> {
    /// Writes the header of an empty recording.
    pub fn new(writer: W) -> Result<Self, WavError> {
        Ok(Self { file: Track::new::<R>(writer, 1)?, samples: 0, rate: std::marker::PhantomData })
    }

    /// Appends samples.
    pub fn write(&mut self, samples: &[i16]) -> Result<(), WavError> {
        self.samples += samples.len() as u64;
        self.file.write(samples)
    }

    /// How long the recording is so far.
    pub fn length(&self) -> Duration {
        Duration::from_micros(self.samples * 1_000_000 / u64::from(R::HZ))
    }

    /// Ends the recording, and says how long it is.
    pub fn finish(self) -> Result<Duration, WavError> {
        let length = self.length();
        self.file.finish()?;
        Ok(length)
    }
}

/// A file whose header tells of all but the last second.
struct Track<W: Write + Seek> {
    file: hound::WavWriter<W>,
    /// Samples since the header was written, and after how many it is due.
    behind: usize,
    flush_after: usize,
}

impl<W: Write + Seek> Track<W> {
    fn new<R: Rate>(writer: W, channels: u16) -> Result<Self, WavError> {
        let spec = WavSpec { channels, sample_rate: R::HZ, bits_per_sample: 16, sample_format: SampleFormat::Int };
        let mut file = hound::WavWriter::new(writer, spec)?;
        file.flush()?;
        Ok(Self { file, behind: 0, flush_after: R::HZ as usize * usize::from(channels) })
    }

    fn write(&mut self, samples: &[i16]) -> Result<(), WavError> {
        let mut writer = self.file.get_i16_writer(samples.len() as u32);
        for &sample in samples {
            writer.write_sample(sample);
        }
        writer.flush()?;
        self.behind += samples.len();
        if self.behind >= self.flush_after {
            self.file.flush()?;
            self.behind = 0;
        }
        Ok(())
    }

    fn finish(self) -> Result<(), WavError> {
        Ok(self.file.finalize()?)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::io::{Cursor, SeekFrom};
    use std::rc::Rc;

    use super::*;
    use crate::engine::audio::{Hz8k, Hz16k};

    #[test]
    fn a_call_is_recorded_left_the_caller_and_right_the_agent() {
        let disk = Disk::default();
        let mut recording = WavWriter::<_, Hz8k>::new(disk.clone()).unwrap();
        for frame in 0..100 {
            recording.caller(CallTime::from_millis(frame * 20), &sound(100));
            recording.write_settled().unwrap();
            if frame == 25 {
                recording.agent(CallTime::from_millis(500), &sound(-7));
                recording.write_settled().unwrap();
            }
        }
        assert_eq!(recording.finish(CallTime::from_millis(2_000)).unwrap(), Duration::from_secs(2));
        let (spec, samples) = disk.read();
        assert_eq!((spec.channels, spec.sample_rate, spec.bits_per_sample), (2, 8_000, 16));
        assert_eq!(samples.len(), 32_000);
        assert!(samples.iter().step_by(2).all(|&left| left == 100));
        let right: Vec<_> = samples.iter().skip(1).step_by(2).collect();
        assert_eq!(right.iter().position(|&&sample| sample != 0), Some(4_000));
        assert_eq!(right.iter().filter(|&&&sample| sample == -7).count(), 160);
    }

    #[test]
    fn what_an_interruption_took_back_is_not_in_the_recording() {
        let disk = Disk::default();
        let mut recording = WavWriter::<_, Hz8k>::new(disk.clone()).unwrap();
        for _ in 0..3 {
            recording.agent(CallTime::from_millis(100), &sound(9));
            recording.write_settled().unwrap();
        }
        recording.agent_cleared(CallTime::from_millis(110));
        recording.finish(CallTime::from_millis(500)).unwrap();
        assert_eq!(disk.read().1.iter().filter(|&&sample| sample == 9).count(), 80);
    }

    /// What is on the disk at any moment is a whole file that lacks two seconds at most: one for late frames, one
    /// for the header.
    #[test]
    fn a_recording_whose_process_was_killed_can_be_played() {
        let disk = Disk::default();
        let mut recording = WavWriter::<_, Hz8k>::new(disk.clone()).unwrap();
        assert_eq!(disk.read().1.len(), 0);
        for frame in 0..500u64 {
            recording.caller(CallTime::from_millis(frame * 20), &sound(100));
            recording.write_settled().unwrap();
            let seconds = disk.read().1.len() as f64 / 16_000.0;
            assert!(seconds >= frame as f64 * 0.02 - 2.05, "{seconds} s after {frame} frames");
        }
        std::mem::forget(recording);
        assert!(disk.read().1.len() >= 16_000 * 79 / 10);
    }

    #[test]
    fn a_message_is_recorded_in_mono() {
        let disk = Disk::default();
        let mut message = MonoWavWriter::<_, Hz16k>::new(disk.clone()).unwrap();
        message.write(&[5; 16_000]).unwrap();
        message.write(&[6; 80]).unwrap();
        assert_eq!(message.length(), Duration::from_millis(1_005));
        assert_eq!(message.finish().unwrap(), Duration::from_millis(1_005));
        let (spec, samples) = disk.read();
        assert_eq!((spec.channels, spec.sample_rate), (1, 16_000));
        assert_eq!((samples.len(), samples[16_000]), (16_080, 6));
    }

    #[test]
    fn a_disk_that_is_full_is_an_error_that_says_so() {
        let mut small = [0; 200];
        let mut recording = WavWriter::<_, Hz8k>::new(Cursor::new(&mut small[..])).unwrap();
        recording.agent(CallTime::START, &sound(1));
        recording.write_settled().unwrap();
        recording.caller(CallTime::START, &sound(1));
        let error = recording.write_settled().unwrap_err();
        assert!(error.to_string().starts_with("cannot write the WAV file: "), "{error}");
    }

    /// A file that can be read while it is written.
    #[derive(Clone, Default)]
    struct Disk(Rc<RefCell<Cursor<Vec<u8>>>>);

    impl Disk {
        fn read(&self) -> (WavSpec, Vec<i16>) {
            let bytes = self.0.borrow().get_ref().clone();
            let reader = hound::WavReader::new(Cursor::new(bytes)).expect("a whole WAV file");
            (reader.spec(), reader.into_samples().map(|sample| sample.unwrap()).collect())
        }
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.borrow_mut().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            self.0.borrow_mut().flush()
        }
    }

    impl Seek for Disk {
        fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
            self.0.borrow_mut().seek(to)
        }
    }

    fn sound(value: i16) -> PcmFrame<Hz8k> {
        PcmFrame::from_samples(&[value; 160]).unwrap()
    }
}
