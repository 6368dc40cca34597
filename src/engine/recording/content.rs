//! Whether what comes is a recording, and how long it sounds, judged by its bytes as they come.
//!
//! A carrier's answer may call itself anything. [`ContentCheck`] is fed with pieces of any size, holds a few bytes of
//! them, and says at the end what it was. What stops before its own header says that it ends is cut, and is refused.
//!
//! Rules: Microsoft/IBM RIFF (chunks of a WAVE file), ISO/IEC 11172-3 and 13818-3 (frames of layer III), id3.org (tags).
//!
//! ```
//! use trunkline::engine::recording::{ContentCheck, NotSound};
//!
//! let mut check = ContentCheck::new();
//! check.feed(br#"{"code": 20404, "message": "not found"}"#);
//! assert_eq!(check.finish(), Err(NotSound::Unknown));
//! ```

use std::time::Duration;

use thiserror::Error;

use super::SoundFormat;
use mp3::Mp3;
use wav::Wav;

mod mp3;
mod wav;

/// What a recording is, by its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    /// What kind of file.
    pub format: SoundFormat,
    /// How long it sounds.
    pub length: Duration,
    /// How many voices lie beside each other.
    pub channels: u16,
}

/// Why it is no recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotSound {
    /// It begins as neither WAV nor MP3 does.
    #[error("it is neither WAV nor MP3")]
    Unknown,
    /// It begins as one does, and then makes no sense.
    #[error("its header makes no sense: {0}")]
    Broken(&'static str),
    /// It stops before the end that it says it has.
    #[error("it is cut off")]
    Cut,
    /// It is a recording of nothing.
    #[error("it holds no sound")]
    Silent,
}

/// Judges a recording while it comes.
#[derive(Debug)]
pub struct ContentCheck {
    kind: Kind,
    /// How many bytes to come are passed over.
    skip: u64,
    /// How many are looked at after that, at once.
    needs: usize,
    /// Of these, what is there.
    held: Vec<u8>,
}

#[derive(Debug)]
enum Kind {
    Unknown,
    Wav(Wav),
    Mp3(Mp3),
    Not(NotSound),
}

/// What a format makes of the bytes that it needed.
#[derive(Clone, Copy, Debug)]
struct Next {
    /// So many that follow tell it nothing.
    skip: u64,
    /// And then it needs so many; more than none.
    needs: usize,
}

/// Of a file of which nothing more needs to be looked at.
const THE_REST: Next = Next { skip: u64::MAX, needs: 1 };

/// As many as tell one format from another.
const FIRST_BYTES: usize = 12;

impl Default for ContentCheck {
    fn default() -> Self {
        Self::new()
    }
}

impl ContentCheck {
    /// Nothing came yet.
    pub const fn new() -> Self {
        Self { kind: Kind::Unknown, skip: 0, needs: FIRST_BYTES, held: Vec::new() }
    }

    /// The next bytes.
    pub fn feed(&mut self, mut piece: &[u8]) {
        loop {
            let passed = usize::try_from(self.skip).unwrap_or(usize::MAX).min(piece.len());
            self.skip -= passed as u64;
            piece = &piece[passed..];
            if piece.is_empty() {
                return;
            }
            let (taken, rest) = piece.split_at(piece.len().min(self.needs - self.held.len()));
            self.held.extend_from_slice(taken);
            piece = rest;
            if self.held.len() == self.needs {
                let next = self.kind.look_at(&self.held).unwrap_or_else(|wrong| {
                    self.kind = Kind::Not(wrong);
                    THE_REST
                });
                (self.skip, self.needs) = (next.skip, next.needs);
                self.held.clear();
            }
        }
    }

    /// What it was.
    ///
    /// # Errors
    /// It was no recording, or not all of one.
    pub fn finish(self) -> Result<Content, NotSound> {
        match self.kind {
            Kind::Unknown => Err(NotSound::Unknown),
            Kind::Not(wrong) => Err(wrong),
            Kind::Wav(wav) => wav.finish(self.skip),
            Kind::Mp3(mp3) => mp3.finish(self.skip, self.held.len()),
        }
    }
}

impl Kind {
    fn look_at(&mut self, bytes: &[u8]) -> Result<Next, NotSound> {
        match self {
            Self::Unknown => {
                let (kind, next) = recognise(bytes)?;
                *self = kind;
                Ok(next)
            }
            Self::Wav(wav) => wav.look_at(bytes),
            Self::Mp3(mp3) => mp3.look_at(bytes),
            Self::Not(_) => Ok(THE_REST),
        }
    }
}

fn recognise(bytes: &[u8]) -> Result<(Kind, Next), NotSound> {
    if bytes.starts_with(b"RIFF") && bytes.ends_with(b"WAVE") {
        return Ok((Kind::Wav(Wav::new()), Wav::CHUNK));
    }
    let mut mp3 = Mp3::new();
    let Next { skip, needs } = mp3.look_at(bytes).map_err(|_| NotSound::Unknown)?;
    // What it would pass over has partly been looked at.
    let seen = (bytes.len() - Mp3::HEADER) as u64;
    let skip = skip.checked_sub(seen).ok_or(NotSound::Unknown)?;
    Ok((Kind::Mp3(mp3), Next { skip, needs }))
}

#[cfg(test)]
mod tests;
