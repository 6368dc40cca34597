//! MP3: frames, each of which says in four bytes how long it is; tags may stand before and behind them.

use std::time::Duration;

use super::{Content, Next, NotSound, SoundFormat, THE_REST};

/// An MP3 file, frame by frame.
#[derive(Debug)]
pub(super) struct Mp3 {
    /// What the frames heard so far last.
    nanos: u64,
    channels: u16,
    has_ended: bool,
}

/// What the head of a frame says.
struct Frame {
    /// Its length in bytes, the head included.
    bytes: u64,
    nanos: u64,
    channels: u16,
}

/// A tag behind the sound (ID3v1, APEv2, a second ID3v2) begins so.
const TAGS_BEHIND: [&[u8]; 3] = [b"TAG", b"APE", b"ID3"];
/// kbit/s of layer III by the index in the head; 0: not given there.
const BIT_RATES: [u64; 15] = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
/// The same of MPEG-2 and 2.5.
const LOW_BIT_RATES: [u64; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
/// Hz of MPEG-1; MPEG-2 has half of it, 2.5 a quarter.
const RATES: [u64; 3] = [44_100, 48_000, 32_000];

impl Mp3 {
    /// The head of a frame.
    pub(super) const HEADER: usize = 4;

    pub(super) const fn new() -> Self {
        Self { nanos: 0, channels: 0, has_ended: false }
    }

    /// Takes the first four bytes of these, or the ten of a tag before the sound.
    pub(super) fn look_at(&mut self, bytes: &[u8]) -> Result<Next, NotSound> {
        if self.has_ended {
            return Ok(THE_REST);
        }
        let has_begun = self.nanos > 0;
        if !has_begun && bytes.starts_with(b"ID3") && bytes.len() >= 10 {
            let length = bytes[6..10].iter().fold(0, |length, byte| length << 7 | u64::from(byte & 0x7f));
            return Ok(Next { skip: 10 + length - Self::HEADER as u64, needs: Self::HEADER });
        }
        if has_begun && TAGS_BEHIND.iter().any(|tag| bytes.starts_with(tag)) {
            self.has_ended = true;
            return Ok(THE_REST);
        }
        let head = [bytes[0], bytes[1], bytes[2], bytes[3]];
        let Some(frame) = Frame::read(head) else {
            return Err(NotSound::Broken("a frame does not begin where the one before it ends"));
        };
        self.nanos = self.nanos.saturating_add(frame.nanos);
        self.channels = self.channels.max(frame.channels);
        Ok(Next { skip: frame.bytes - Self::HEADER as u64, needs: Self::HEADER })
    }

    /// `left`: how much of what was to be passed over did not come; `held`: how much of the next head came.
    pub(super) fn finish(self, left: u64, held: usize) -> Result<Content, NotSound> {
        match self {
            Self { has_ended: false, .. } if left > 0 || held > 0 => Err(NotSound::Cut),
            Self { nanos: 0, .. } => Err(NotSound::Silent),
            Self { nanos, channels, .. } => {
                Ok(Content { format: SoundFormat::Mp3, length: Duration::from_nanos(nanos), channels })
            }
        }
    }
}

impl Frame {
    /// Reads a head: eleven bits for the beginning, then version, layer, bit rate, rate, padding, channels.
    fn read([first, second, third, fourth]: [u8; Mp3::HEADER]) -> Option<Self> {
        if first != 0xff || second & 0xe0 != 0xe0 || second >> 1 & 3 != 1 {
            return None;
        }
        let (is_mpeg_1, slower) = match second >> 3 & 3 {
            0 => (false, 4),
            2 => (false, 2),
            3 => (true, 1),
            _ => return None,
        };
        let rates = if is_mpeg_1 { &BIT_RATES } else { &LOW_BIT_RATES };
        let bit_rate = rates.get(usize::from(third >> 4)).filter(|rate| **rate > 0)? * 1_000;
        let rate = RATES.get(usize::from(third >> 2 & 3))? / slower;
        let samples = if is_mpeg_1 { 1_152 } else { 576 };
        Some(Self {
            bytes: samples / 8 * bit_rate / rate + u64::from(third >> 1 & 1),
            nanos: samples * 1_000_000_000 / rate,
            channels: if fourth >> 6 == 3 { 1 } else { 2 },
        })
    }
}
