//! WAV: chunks of a name, a length and as many bytes, padded to an even number.

use std::time::Duration;

use super::{Content, Next, NotSound, SoundFormat, THE_REST};

/// The longest description of a format that is read; the longest in use has 40 bytes.
const LONGEST_FORMAT: u32 = 128;
/// From here on a length is one that a program wrote which did not know it yet: ffmpeg's 2³² − 1, sox's just below 2³¹.
const UNKNOWN_LENGTH: u32 = 0x7fff_0000;

/// A WAV file, chunk by chunk.
#[derive(Debug)]
pub(super) struct Wav {
    part: Part,
    /// Bytes for each second, and channels.
    format: Option<(u32, u16)>,
}

#[derive(Clone, Copy, Debug)]
enum Part {
    /// The head of a chunk comes.
    Chunk,
    /// The description of the format comes.
    Format,
    /// So many bytes of sound come.
    Sound(u64),
    /// Sound comes to the end of the file.
    SoundToTheEnd,
    /// So many bytes of sound came; what stands behind it does not matter.
    Behind(u64),
}

impl Wav {
    /// After the first twelve bytes, and after each chunk.
    pub(super) const CHUNK: Next = Next { skip: 0, needs: 8 };

    pub(super) const fn new() -> Self {
        Self { part: Part::Chunk, format: None }
    }

    pub(super) fn look_at(&mut self, bytes: &[u8]) -> Result<Next, NotSound> {
        match self.part {
            Part::Chunk => self.chunk(bytes),
            Part::Format => self.describe(bytes),
            Part::Sound(length) => {
                self.part = Part::Behind(length);
                Ok(THE_REST)
            }
            Part::SoundToTheEnd | Part::Behind(_) => Ok(THE_REST),
        }
    }

    /// `left`: how much of what was to be passed over did not come.
    pub(super) fn finish(self, left: u64) -> Result<Content, NotSound> {
        let bytes = match self.part {
            Part::Chunk | Part::Format => return Err(NotSound::Cut),
            // The padding of the last chunk is left out by some programs.
            Part::Sound(length) if left > length % 2 => return Err(NotSound::Cut),
            Part::Sound(length) | Part::Behind(length) => length,
            Part::SoundToTheEnd => u64::MAX - left,
        };
        let (bytes_per_s, channels) = self.format.ok_or(NotSound::Cut)?;
        if bytes == 0 {
            return Err(NotSound::Silent);
        }
        let micros = u128::from(bytes) * 1_000_000 / u128::from(bytes_per_s);
        let length = Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX));
        Ok(Content { format: SoundFormat::Wav, length, channels })
    }

    fn chunk(&mut self, head: &[u8]) -> Result<Next, NotSound> {
        let (name, length) = head.split_at(4);
        let length = u32_of(length);
        let padded = u64::from(length) + u64::from(length % 2);
        match name {
            b"fmt " if (16..=LONGEST_FORMAT).contains(&length) => {
                self.part = Part::Format;
                Ok(Next { skip: 0, needs: padded as usize })
            }
            b"fmt " => Err(NotSound::Broken("the description of its format has an odd length")),
            b"data" if self.format.is_none() => Err(NotSound::Broken("sound comes before its format")),
            b"data" if length >= UNKNOWN_LENGTH => {
                self.part = Part::SoundToTheEnd;
                Ok(THE_REST)
            }
            b"data" => {
                self.part = Part::Sound(length.into());
                Ok(Next { skip: padded, needs: 1 })
            }
            _ => Ok(Next { skip: padded, ..Self::CHUNK }),
        }
    }

    fn describe(&mut self, bytes: &[u8]) -> Result<Next, NotSound> {
        let channels = u16::from_le_bytes([bytes[2], bytes[3]]);
        let bytes_per_s = u32_of(&bytes[8..12]);
        if channels == 0 || bytes_per_s == 0 {
            return Err(NotSound::Broken("it has no channels, or no bytes for each second"));
        }
        (self.format, self.part) = (Some((bytes_per_s, channels)), Part::Chunk);
        Ok(Self::CHUNK)
    }
}

/// Little-endian, as all of RIFF.
fn u32_of(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte))
}
