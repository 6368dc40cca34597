//! Whether a caller hears each response whole, in order, and once.

use super::stamp::{Audio, BLOCK, Stamp};

/// What one block of 20 ms turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The first of the response of this number.
    First(u16),
    /// The next of the same response.
    Next,
    /// One of the same response, after so many that never came.
    After(u16),
    /// One that was heard before.
    Again,
    /// One of a response that was cleared.
    Stale,
    /// Not the vendor's.
    Foreign,
}

/// The order of what one caller hears.
#[derive(Debug)]
pub struct Sequence {
    audio: Audio,
    /// The place that comes next; none while no response is heard.
    next: Option<u16>,
    was_cleared: bool,
    /// Bytes that make no whole block yet.
    rest: Vec<u8>,
}

impl Sequence {
    /// Nothing was heard yet.
    pub fn new(audio: Audio) -> Self {
        Self { audio, next: None, was_cleared: false, rest: Vec::new() }
    }

    /// Takes what is played to the caller and says what each block of it is.
    pub fn hear(&mut self, mulaw: &[u8], mut each: impl FnMut(Heard)) {
        if self.rest.is_empty() && mulaw.len().is_multiple_of(BLOCK) {
            return mulaw.chunks_exact(BLOCK).for_each(|block| each(self.block(block)));
        }
        let mut rest = std::mem::take(&mut self.rest);
        rest.extend_from_slice(mulaw);
        let blocks = rest.chunks_exact(BLOCK);
        let left = blocks.remainder().to_vec();
        blocks.for_each(|block| each(self.block(block)));
        self.rest = left;
    }

    /// The server took back what was not heard yet.
    pub fn clear(&mut self) {
        self.was_cleared = self.next.take().is_some() || self.was_cleared;
        self.rest.clear();
    }

    fn block(&mut self, block: &[u8]) -> Heard {
        match (Stamp::read(block, self.audio), self.next) {
            (Some(Stamp::First(number)), _) => {
                self.next = Some(1);
                self.was_cleared = false;
                Heard::First(number)
            }
            (Some(Stamp::Next(_)), None) if self.was_cleared => Heard::Stale,
            (Some(Stamp::Next(place)), wanted) => {
                let wanted = wanted.unwrap_or(0);
                if place < wanted {
                    return Heard::Again;
                }
                self.next = Some(place + 1);
                if place == wanted { Heard::Next } else { Heard::After(place - wanted) }
            }
            (None, _) => Heard::Foreign,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Heard::{After, Again, First, Foreign, Next, Stale};

    fn sound(stamps: &[Stamp]) -> Vec<u8> {
        let mut bytes = Vec::new();
        stamps.iter().for_each(|stamp| stamp.write(Audio::Pcmu, &mut bytes));
        bytes
    }

    fn heard(sequence: &mut Sequence, mulaw: &[u8]) -> Vec<Heard> {
        let mut all = Vec::new();
        sequence.hear(mulaw, |heard| all.push(heard));
        all
    }

    #[test]
    fn what_is_lost_doubled_or_not_the_vendors_is_told() {
        let next = Stamp::Next;
        let said = [Stamp::First(7), next(1), next(2), next(5), next(6), next(6), next(3), next(7), Stamp::First(8)];
        let mut bytes = sound(&said);
        bytes.extend([0xFF; BLOCK]);
        let wanted = [First(7), Next, Next, After(2), Next, Again, Again, Next, First(8), Foreign];
        assert_eq!(heard(&mut Sequence::new(Audio::Pcmu), &bytes), wanted);
    }

    #[test]
    fn after_a_clear_only_a_new_response_is_welcome() {
        let mut sequence = Sequence::new(Audio::Pcmu);
        heard(&mut sequence, &sound(&[Stamp::First(1), Stamp::Next(1)]));
        sequence.clear();
        assert_eq!(
            heard(&mut sequence, &sound(&[Stamp::Next(2), Stamp::First(2), Stamp::Next(1)])),
            [Stale, First(2), Next]
        );
    }

    #[test]
    fn a_response_whose_beginning_never_came_is_lost_audio() {
        assert_eq!(heard(&mut Sequence::new(Audio::Pcmu), &sound(&[Stamp::Next(3)])), [After(3)]);
    }

    #[test]
    fn messages_of_any_length_are_heard_alike() {
        let bytes = sound(&[Stamp::First(1), Stamp::Next(1), Stamp::Next(2)]);
        for cut in [1, 7, 100, 161, 320] {
            let mut sequence = Sequence::new(Audio::Pcmu);
            let all: Vec<_> = bytes.chunks(cut).flat_map(|piece| heard(&mut sequence, piece)).collect();
            assert_eq!(all, [First(1), Next, Next], "{cut}");
        }
    }
}
