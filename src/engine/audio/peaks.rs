//! The outline of a recording: how loud it is, slice by slice, for whoever draws it.
//!
//! The file is read once, in pieces of any size, and nothing of it is kept but the loudest sample of each slice: an hour
//! needs no more memory than a second.
//!
//! ```
//! use trunkline::engine::audio::Peaks;
//!
//! let mut wav = std::io::Cursor::new(Vec::new());
//! let spec = hound::WavSpec { channels: 2, sample_rate: 8_000, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
//! let mut file = hound::WavWriter::new(&mut wav, spec)?;
//! for n in 0..8_000 {
//!     file.write_sample(if n < 4_000 { 16_384i16 } else { 0 })?; // the caller
//!     file.write_sample(0i16)?; // the agent
//! }
//! file.finalize()?;
//! let mut peaks = Peaks::new(2);
//! wav.into_inner().chunks(1_000).try_for_each(|piece| peaks.read(piece))?;
//! let outline = peaks.finish()?;
//! assert_eq!(outline.channels, [[500, 0], [0, 0]]);
//! assert_eq!(outline.length.as_secs(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::io::Cursor;
use std::time::Duration;

use hound::{SampleFormat, WavReader};
use thiserror::Error;

/// The longest head of a file that is looked for its sound: encoders put a few hundred bytes of notes there.
const LONGEST_HEAD: usize = 65_536;
/// More channels than this is no recording of a call.
const MOST_CHANNELS: u16 = 8;
/// What a peak of full scale is.
const FULL: u32 = 1_000;

/// Why a recording has no outline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NoPeaks {
    /// Its samples can't be read.
    #[error("it is no WAV of 16-bit samples, and no other is drawn")]
    OtherFormat,
    /// It holds no samples.
    #[error("it holds no sound")]
    Empty,
}

/// How loud a recording is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outline {
    /// Of each channel, the loudest sample of each slice: 0 to 1,000, which is full scale. Slices are equally long; in a
    /// recording of fewer samples than slices, each is one sample.
    pub channels: Vec<Vec<u16>>,
    /// How long the recording is.
    pub length: Duration,
}

/// Reads a WAV file for its outline.
#[derive(Debug)]
pub struct Peaks {
    slices: usize,
    state: State,
}

#[derive(Debug)]
enum State {
    /// What came so far: the head is not whole.
    Head(Vec<u8>),
    Sound(Sound),
}

#[derive(Debug)]
struct Sound {
    hz: u32,
    /// How many samples of each channel the head says there are, and where the next one stands.
    samples: u64,
    next: u64,
    channel: usize,
    /// The slice that is being heard, and where the next one begins.
    slice: usize,
    slice_ends: u64,
    /// The loudest sample of each slice, without its sign, channel by channel.
    loudest: Vec<Vec<u16>>,
    /// The first half of a sample that was cut in two.
    half: Option<u8>,
}

impl Peaks {
    /// An outline of so many slices, at least one.
    pub fn new(slices: usize) -> Self {
        Self { slices: slices.max(1), state: State::Head(Vec::new()) }
    }

    /// The next bytes of the file.
    ///
    /// # Errors
    /// It is no WAV whose samples are understood.
    pub fn read(&mut self, piece: &[u8]) -> Result<(), NoPeaks> {
        match &mut self.state {
            State::Sound(sound) => sound.read(piece),
            State::Head(head) => {
                head.extend_from_slice(piece);
                if let Some((mut sound, begin)) = Sound::behind(head, self.slices)? {
                    sound.read(&head[begin..]);
                    self.state = State::Sound(sound);
                } else if head.len() > LONGEST_HEAD {
                    return Err(NoPeaks::OtherFormat);
                }
            }
        }
        Ok(())
    }

    /// What it looks like. A file that ends before its head says so is silent behind its end.
    ///
    /// # Errors
    /// It is no WAV, or an empty one.
    pub fn finish(self) -> Result<Outline, NoPeaks> {
        match self.state {
            State::Head(_) => Err(NoPeaks::OtherFormat),
            State::Sound(sound) if sound.samples == 0 => Err(NoPeaks::Empty),
            State::Sound(sound) => {
                let length = Duration::from_micros(sound.samples * 1_000_000 / u64::from(sound.hz));
                let peak = |loudest: u16| (u32::from(loudest) * FULL).div_ceil(32_768) as u16;
                let channels = sound.loudest.into_iter().map(|loudest| loudest.into_iter().map(peak).collect());
                Ok(Outline { channels: channels.collect(), length })
            }
        }
    }
}

impl Sound {
    /// What the head says, and where it ends; `None` if it goes on.
    fn behind(head: &[u8], slices: usize) -> Result<Option<(Self, usize)>, NoPeaks> {
        let mut cursor = Cursor::new(head);
        let reader = match WavReader::new(&mut cursor) {
            Ok(reader) => reader,
            Err(hound::Error::IoError(_)) if is_wav_so_far(head) => return Ok(None),
            Err(_) => return Err(NoPeaks::OtherFormat),
        };
        let (spec, samples) = (reader.spec(), u64::from(reader.duration()));
        let is_ours = spec.bits_per_sample == 16 && spec.sample_format == SampleFormat::Int && spec.sample_rate > 0;
        if !is_ours || !(1..=MOST_CHANNELS).contains(&spec.channels) {
            return Err(NoPeaks::OtherFormat);
        }
        let slices = slices.min(usize::try_from(samples).unwrap_or(usize::MAX));
        let loudest = vec![vec![0; slices]; spec.channels.into()];
        let mut sound =
            Self { hz: spec.sample_rate, samples, next: 0, channel: 0, slice: 0, slice_ends: 0, loudest, half: None };
        sound.slice_ends = sound.end_of(0);
        Ok(Some((sound, cursor.position() as usize)))
    }

    fn read(&mut self, piece: &[u8]) {
        let mut bytes = piece;
        if let (Some(low), Some((&high, rest))) = (self.half.take_if(|_| !piece.is_empty()), piece.split_first()) {
            self.hear(i16::from_le_bytes([low, high]));
            bytes = rest;
        }
        let (samples, rest) = bytes.as_chunks::<2>();
        samples.iter().for_each(|&sample| self.hear(i16::from_le_bytes(sample)));
        if let [half] = rest {
            self.half = Some(*half);
        }
    }

    /// Chunks behind the sound are not heard.
    fn hear(&mut self, sample: i16) {
        if self.next >= self.samples {
            return;
        }
        let loudest = &mut self.loudest[self.channel][self.slice];
        *loudest = sample.unsigned_abs().max(*loudest);
        self.channel += 1;
        if self.channel < self.loudest.len() {
            return;
        }
        self.channel = 0;
        self.next += 1;
        if self.next == self.slice_ends && self.next < self.samples {
            self.slice += 1;
            self.slice_ends = self.end_of(self.slice);
        }
    }

    /// Where the slice behind this one begins.
    fn end_of(&self, slice: usize) -> u64 {
        let slices = self.loudest.first().map_or(1, |loudest| loudest.len().max(1)) as u64;
        ((slice as u64 + 1) * self.samples).div_ceil(slices)
    }
}

/// Whether it may become a WAV: it begins like one.
fn is_wav_so_far(head: &[u8]) -> bool {
    b"RIFF".iter().zip(head).all(|(expected, byte)| expected == byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hound::{WavSpec, WavWriter};
    use proptest::prelude::*;

    fn wav(channels: u16, samples: &[i16]) -> Vec<u8> {
        let spec = WavSpec { channels, sample_rate: 8_000, bits_per_sample: 16, sample_format: SampleFormat::Int };
        let mut bytes = Cursor::new(Vec::new());
        let mut writer = WavWriter::new(&mut bytes, spec).unwrap();
        samples.iter().for_each(|sample| writer.write_sample(*sample).unwrap());
        writer.finalize().unwrap();
        bytes.into_inner()
    }

    fn outline(bytes: &[u8], slices: usize, piece: usize) -> Result<Outline, NoPeaks> {
        let mut peaks = Peaks::new(slices);
        bytes.chunks(piece).try_for_each(|piece| peaks.read(piece))?;
        peaks.finish()
    }

    #[test]
    fn the_loudest_of_each_slice_is_seen_whichever_side_of_zero_it_lies() {
        let seen = outline(&wav(1, &[0, -32_768, 16_384, 1, 0, 0]), 3, 7).unwrap();
        assert_eq!((seen.channels, seen.length.as_micros()), (vec![vec![1_000, 500, 0]], 750));
    }

    #[test]
    fn a_recording_of_fewer_samples_than_slices_has_as_many_slices_as_samples() {
        assert_eq!(outline(&wav(2, &[8_192, 0]), 100, 1).unwrap().channels, [[250], [0]]);
    }

    #[test]
    fn what_cannot_be_drawn_is_said() {
        assert_eq!(outline(&wav(1, &[]), 10, 5), Err(NoPeaks::Empty));
        assert_eq!(outline(b"ID3\x04\0\0\0\0\0\0 and so on, as an MP3 begins", 10, 3), Err(NoPeaks::OtherFormat));
        assert_eq!(outline(b"RIFF", 10, 3), Err(NoPeaks::OtherFormat));
        assert_eq!(outline(&[b"RIFF".as_slice(), &[0xff; 70_000]].concat(), 10, 3), Err(NoPeaks::OtherFormat));
    }

    proptest! {
        #[test]
        fn pieces_of_any_size_give_the_same(samples in proptest::collection::vec(any::<i16>(), 2..400), slices in 1usize..50, piece in 1usize..200) {
            let samples = &samples[..samples.len() / 2 * 2];
            let bytes = wav(2, samples);
            let seen = outline(&bytes, slices, piece).unwrap();
            prop_assert_eq!(&seen, &outline(&bytes, slices, bytes.len()).unwrap());
            for (channel, peaks) in seen.channels.iter().enumerate() {
                let loudest = samples.iter().skip(channel).step_by(2).map(|sample| u32::from(sample.unsigned_abs())).max();
                let expected = (loudest.unwrap() * FULL).div_ceil(32_768) as u16;
                prop_assert_eq!(peaks.iter().max(), Some(&expected));
            }
        }

        #[test]
        fn whatever_comes_it_does_not_fall_over(bytes in proptest::collection::vec(any::<u8>(), 0..200), piece in 1usize..50) {
            let _ = outline(&bytes, 10, piece);
            let _ = outline(&[b"RIFF".as_slice(), &bytes].concat(), 10, piece);
        }
    }
}
