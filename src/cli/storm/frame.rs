//! RFC 6455, as much of it as a load generator needs: whole frames, both sides, without a copy where
//! that is possible.
//!
//! A client must mask what it sends; our key is 0, which is as legal as any, costs us nothing and the server as
//! much as another. Fragments are not understood: no message here is long enough for any.

use thiserror::Error;

/// A text message.
pub const TEXT: u8 = 1;
/// Bytes.
pub const BINARY: u8 = 2;
/// The end of the connection.
pub const CLOSE: u8 = 8;
/// Are you there?
pub const PING: u8 = 9;
/// Yes.
pub const PONG: u8 = 10;

const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;

/// Why the rest of a connection can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// A message in pieces.
    #[error("a fragmented message")]
    Fragment,
    /// A message of absurd length.
    #[error("a frame of {0} bytes")]
    TooLong(u64),
}

/// The longest message: a minute of 24 kHz in one delta.
const LONGEST: u64 = 8 << 20;

/// One frame.
#[derive(Debug)]
pub struct Frame<'a> {
    /// What it is.
    pub opcode: u8,
    /// The key of a client's frame.
    pub mask: Option<[u8; 4]>,
    /// Its content, still masked.
    pub payload: &'a mut [u8],
}

impl Frame<'_> {
    /// Takes the mask off the whole content.
    pub fn unmask(&mut self) {
        let end = self.payload.len();
        self.unmask_range(0, end);
        self.mask = None;
    }

    /// Takes the mask off a part of the content, once.
    pub fn unmask_range(&mut self, from: usize, to: usize) {
        let Some(mut key) = self.mask else { return };
        key.rotate_left(from & 3);
        let [a, b, c, d] = key;
        let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
        let mut eights = self.payload[from..to].chunks_exact_mut(8);
        for eight in &mut eights {
            let masked = eight.first_chunk().map_or(0, |bytes| u64::from_ne_bytes(*bytes));
            eight.copy_from_slice(&(masked ^ wide).to_ne_bytes());
        }
        eights.into_remainder().iter_mut().enumerate().for_each(|(at, byte)| *byte ^= key[at & 3]);
    }
}

/// The bytes of a connection that make no whole frame yet.
#[derive(Debug, Default)]
pub struct Inbox {
    kept: Vec<u8>,
}

impl Inbox {
    /// Takes fresh bytes and hands out each frame that is whole now.
    pub fn take(&mut self, fresh: &mut [u8], mut each: impl FnMut(Frame<'_>)) -> Result<(), FrameError> {
        if self.kept.is_empty() {
            let used = split(fresh, &mut each)?;
            self.kept.extend_from_slice(&fresh[used..]);
            return Ok(());
        }
        let mut all = std::mem::take(&mut self.kept);
        all.extend_from_slice(fresh);
        let used = split(&mut all, &mut each)?;
        if used < all.len() {
            all.drain(..used);
            self.kept = all;
        }
        Ok(())
    }
}

/// Hands out the whole frames at the beginning; says where they end.
fn split(bytes: &mut [u8], each: &mut impl FnMut(Frame<'_>)) -> Result<usize, FrameError> {
    let mut at = 0;
    while let Some(head) = Head::read(&bytes[at..])? {
        let begin = at + head.bytes;
        let Some(payload) = bytes.get_mut(begin..begin + head.length) else { break };
        each(Frame { opcode: head.opcode, mask: head.mask, payload });
        at = begin + head.length;
    }
    Ok(at)
}

struct Head {
    opcode: u8,
    mask: Option<[u8; 4]>,
    bytes: usize,
    length: usize,
}

impl Head {
    /// `None` while there are too few bytes.
    fn read(bytes: &[u8]) -> Result<Option<Self>, FrameError> {
        let &[first, second, ref rest @ ..] = bytes else { return Ok(None) };
        let opcode = first & 15;
        if first & FINAL == 0 || opcode == 0 {
            return Err(FrameError::Fragment);
        }
        let (length, extended) = match second & 0x7F {
            126 => (rest.first_chunk().map(|bytes| u64::from(u16::from_be_bytes(*bytes))), 2),
            127 => (rest.first_chunk().map(|bytes| u64::from_be_bytes(*bytes)), 8),
            short => (Some(u64::from(short)), 0),
        };
        let Some(length) = length else { return Ok(None) };
        if length > LONGEST {
            return Err(FrameError::TooLong(length));
        }
        let is_masked = second & MASKED != 0;
        let mask = if is_masked { rest.get(extended..).and_then(|rest| rest.first_chunk()) } else { None };
        if is_masked && mask.is_none() {
            return Ok(None);
        }
        let bytes = 2 + extended + if is_masked { 4 } else { 0 };
        Ok(Some(Self { opcode, mask: mask.copied(), bytes, length: length as usize }))
    }
}

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Masks, with 0.
    Client,
    /// Does not mask.
    Server,
}

/// Appends a frame whose content `write` appends.
pub fn put(out: &mut Vec<u8>, side: Side, opcode: u8, write: impl FnOnce(&mut Vec<u8>)) {
    let (masked, key) = match side {
        Side::Client => (MASKED, 4),
        Side::Server => (0, 0),
    };
    // Room for the usual head: a length of two bytes.
    let begin = out.len();
    let room = 4 + key;
    out.resize(begin + room, 0);
    write(out);
    let length = out.len() - begin - room;
    out[begin] = FINAL | opcode;
    if let Ok(length) = u16::try_from(length) {
        if length < 126 {
            out[begin + 1] = masked | length as u8;
            out.drain(begin + 2..begin + 4);
        } else {
            out[begin + 1] = masked | 126;
            out[begin + 2..begin + 4].copy_from_slice(&length.to_be_bytes());
        }
        return;
    }
    out[begin + 1] = masked | 127;
    let bytes = (length as u64).to_be_bytes();
    out.splice(begin + 2..begin + 4, bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8], cuts: usize) -> Result<Vec<(u8, Vec<u8>)>, FrameError> {
        let (mut inbox, mut frames) = (Inbox::default(), Vec::new());
        for piece in bytes.chunks(cuts.max(1)) {
            inbox.take(&mut piece.to_vec(), |mut frame| {
                frame.unmask();
                frames.push((frame.opcode, frame.payload.to_vec()));
            })?;
        }
        Ok(frames)
    }

    #[test]
    fn the_example_of_the_rfc_is_read() {
        let masked = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        assert_eq!(read(&masked, 99), Ok(vec![(TEXT, b"Hello".to_vec())]));
    }

    #[test]
    fn a_fragment_or_an_absurd_length_is_an_error() {
        assert_eq!(read(&[0x01, 0x01, b'x'], 99), Err(FrameError::Fragment));
        let absurd = [0x81, 127, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF];
        assert_eq!(read(&absurd, 99), Err(FrameError::TooLong(u64::MAX)));
    }

    #[test]
    fn a_part_is_unmasked_with_its_place_in_the_key() {
        let mut out = [0x81, 0x86, 1, 2, 3, 4, b'a' ^ 1, b'b' ^ 2, b'c' ^ 3, b'd' ^ 4, b'e' ^ 1, b'f' ^ 2];
        let mut seen = Vec::new();
        let taken = Inbox::default().take(&mut out, |mut frame| {
            frame.unmask_range(3, 6);
            seen = frame.payload[3..].to_vec();
        });
        assert_eq!((taken, seen.as_slice()), (Ok(()), b"def".as_slice()));
    }

    proptest! {
        #[test]
        fn what_is_put_is_read_however_it_is_cut(
            lengths in proptest::collection::vec(prop_oneof![0_usize..300, 65_500_usize..65_600], 1..6),
            cut in 1_usize..2_000, is_client: bool,
        ) {
            let side = if is_client { Side::Client } else { Side::Server };
            let (mut out, mut wanted) = (Vec::new(), Vec::new());
            for length in lengths {
                let content = vec![b'x'; length];
                put(&mut out, side, TEXT, |out| out.extend_from_slice(&content));
                wanted.push((TEXT, content));
            }
            prop_assert_eq!(read(&out, cut), Ok(wanted));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, cut in 1_usize..9) {
            let _ = read(&bytes, cut);
        }
    }
}
