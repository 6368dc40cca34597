//! Chunks in, frames out: vendors and carriers cut sound where they like, the engine works in 20 ms.
//!
//! ```
//! use trunkline::engine::audio::{Framer, Hz8k};
//!
//! let mut framer = Framer::<Hz8k>::new();
//! let mut frames = 0;
//! framer.push(&[0; 250], |_| frames += 1);
//! assert_eq!((frames, framer.pending()), (1, 90));
//! framer.push(&[0; 70], |_| frames += 1);
//! assert_eq!((frames, framer.pending()), (2, 0));
//! ```

use super::frame::PcmFrame;
use super::rate::Rate;

/// Cuts a stream of samples into frames and carries what is left over to the next chunk.
#[derive(Clone, Debug)]
pub struct Framer<R: Rate> {
    frame: PcmFrame<R>,
    filled: usize,
}

impl<R: Rate> Framer<R> {
    /// A framer that holds nothing yet.
    pub const fn new() -> Self {
        Self { frame: PcmFrame::silence(), filled: 0 }
    }

    /// Takes a chunk of any length, an empty one too, and hands out each frame that it completes.
    pub fn push(&mut self, mut samples: &[i16], mut each: impl FnMut(&PcmFrame<R>)) {
        while !samples.is_empty() {
            let room = R::FRAME_SAMPLES - self.filled;
            let (now, later) = samples.split_at(room.min(samples.len()));
            self.frame.samples_mut()[self.filled..][..now.len()].copy_from_slice(now);
            self.filled += now.len();
            samples = later;
            if self.filled == R::FRAME_SAMPLES {
                self.filled = 0;
                each(&self.frame);
            }
        }
    }

    /// The last frame, its end padded with silence, if anything is left over. Once: the framer is empty then.
    pub fn finish(&mut self) -> Option<PcmFrame<R>> {
        if self.filled == 0 {
            return None;
        }
        self.frame.samples_mut()[self.filled..].fill(0);
        self.filled = 0;
        Some(self.frame)
    }

    /// Forgets what is left over.
    pub fn clear(&mut self) {
        self.filled = 0;
    }

    /// How many samples wait for the rest of their frame: fewer than a frame has.
    pub const fn pending(&self) -> usize {
        self.filled
    }
}

impl<R: Rate> Default for Framer<R> {
    fn default() -> Self {
        Self::new()
    }
}

/// Reads 16-bit little-endian samples from chunks of bytes that may be cut inside a sample.
#[derive(Clone, Debug, Default)]
pub struct PcmBytes {
    half: Option<u8>,
}

impl PcmBytes {
    /// A reader at a sample's boundary.
    pub const fn new() -> Self {
        Self { half: None }
    }

    /// Appends the samples that `bytes` completes to `samples`; an odd byte is carried to the next chunk.
    pub fn decode(&mut self, mut bytes: &[u8], samples: &mut Vec<i16>) {
        if let (Some(low), [high, rest @ ..]) = (self.half, bytes) {
            samples.push(i16::from_le_bytes([low, *high]));
            self.half = None;
            bytes = rest;
        }
        let (pairs, odd) = bytes.as_chunks::<2>();
        samples.extend(pairs.iter().map(|&pair| i16::from_le_bytes(pair)));
        if let [low] = odd {
            self.half = Some(*low);
        }
    }

    /// Forgets a carried half, and says whether there was one: a stream that ends so was cut short.
    pub fn finish(&mut self) -> bool {
        self.half.take().is_some()
    }
}

/// Appends `samples` as 16-bit little-endian bytes.
pub fn append_pcm_bytes(samples: &[i16], bytes: &mut Vec<u8>) {
    let begin = bytes.len();
    bytes.resize(begin + samples.len() * 2, 0);
    for (pair, sample) in bytes[begin..].as_chunks_mut::<2>().0.iter_mut().zip(samples) {
        *pair = sample.to_le_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::audio::{Hz8k, Hz24k};
    use proptest::prelude::*;

    #[test]
    fn the_rest_is_padded_once() {
        let mut framer = Framer::<Hz8k>::new();
        framer.push(&[5; 30], |_| panic!("no frame is whole yet"));
        let mut expected = [0; 160];
        expected[..30].fill(5);
        assert_eq!(framer.finish(), PcmFrame::from_samples(&expected));
        assert_eq!(framer.finish(), None);
        framer.push(&[6; 160], |frame| assert_eq!(frame.samples(), [6; 160]));
        assert_eq!(framer.pending(), 0);
    }

    #[test]
    fn what_is_cleared_never_comes_out() {
        let mut framer = Framer::<Hz8k>::new();
        framer.push(&[5; 159], |_| panic!("no frame is whole yet"));
        framer.clear();
        assert_eq!(framer.finish(), None);
    }

    #[test]
    fn an_odd_byte_waits_for_its_other_half() {
        let mut reader = PcmBytes::new();
        let mut samples = vec![];
        reader.decode(&[0x34], &mut samples);
        reader.decode(&[], &mut samples);
        assert!(samples.is_empty());
        reader.decode(&[0x12, 0xFF], &mut samples);
        assert_eq!(samples, [0x1234]);
        assert!(reader.finish());
        assert!(!reader.finish());
    }

    proptest! {
        #[test]
        fn frames_do_not_depend_on_the_chunks(
            samples in prop::collection::vec(any::<i16>(), 0..2_000),
            cuts in prop::collection::vec(0..700usize, 1..20),
        ) {
            let mut whole = vec![];
            let mut framer = Framer::<Hz24k>::new();
            framer.push(&samples, |frame| whole.extend_from_slice(frame.samples()));
            whole.extend(framer.finish().iter().flat_map(|frame| frame.samples().to_vec()));

            let mut cut = vec![];
            for chunk in chunks(&samples, &cuts) {
                framer.push(chunk, |frame| cut.extend_from_slice(frame.samples()));
            }
            cut.extend(framer.finish().iter().flat_map(|frame| frame.samples().to_vec()));

            prop_assert_eq!(&cut, &whole);
            prop_assert_eq!(&whole[..samples.len()], &samples[..]);
            prop_assert!(whole[samples.len()..].iter().all(|&s| s == 0) && whole.len() - samples.len() < 480);
        }

        #[test]
        fn samples_do_not_depend_on_where_the_bytes_are_cut(
            samples in prop::collection::vec(any::<i16>(), 0..300),
            cuts in prop::collection::vec(0..9usize, 1..20),
        ) {
            let mut bytes = vec![];
            append_pcm_bytes(&samples, &mut bytes);
            let (mut reader, mut back) = (PcmBytes::new(), vec![]);
            for chunk in chunks(&bytes, &cuts) {
                reader.decode(chunk, &mut back);
            }
            prop_assert_eq!(back, samples);
            prop_assert!(!reader.finish());
        }
    }

    /// `all`, cut into chunks of these lengths over and over, the rest at the end.
    fn chunks<'a, T>(mut all: &'a [T], lengths: &[usize]) -> Vec<&'a [T]> {
        let mut chunks = vec![];
        for &length in lengths.iter().cycle().take(10_000) {
            let (chunk, rest) = all.split_at(length.min(all.len()));
            chunks.push(chunk);
            all = rest;
        }
        chunks.push(all);
        chunks
    }
}
