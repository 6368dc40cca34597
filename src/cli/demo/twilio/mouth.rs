//! The caller's mouth: what is to be said, cut into frames of 20 ms; silence between.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::oneshot;

use super::ear::{Heard, Span, length};
use super::ulaw::{FRAME_BYTES, SILENCE};

struct Utterance {
    audio: Vec<u8>,
    next: usize,
    from: Option<Duration>,
    spoken: oneshot::Sender<Span>,
}

/// Speaks one utterance after the other.
#[derive(Default)]
pub struct Mouth {
    waiting: VecDeque<Utterance>,
}

impl Mouth {
    /// Says this after everything else; whoever waits for `spoken` learns when it was.
    pub fn say(&mut self, audio: Vec<u8>, spoken: oneshot::Sender<Span>) {
        self.waiting.push_back(Utterance { audio, next: 0, from: None, spoken });
    }

    /// The next 20 ms, and whether they were said rather than silence. What was said is kept in `said`.
    pub fn next_frame(&mut self, now: Duration, said: &mut Vec<Heard>) -> [u8; FRAME_BYTES] {
        let mut frame = [SILENCE; FRAME_BYTES];
        let Some(utterance) = self.waiting.front_mut() else {
            return frame;
        };
        let from = *utterance.from.get_or_insert(now);
        let rest = &utterance.audio[utterance.next..];
        let taken = rest.len().min(FRAME_BYTES);
        frame[..taken].copy_from_slice(&rest[..taken]);
        utterance.next += taken;
        said.push(Heard { at: now, audio: frame.to_vec() });
        if utterance.next == utterance.audio.len()
            && let Some(done) = self.waiting.pop_front()
        {
            // Whoever said it need not wait for the end.
            done.spoken.send(Span { from, to: now + length(FRAME_BYTES) }).ok();
        }
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utterances_are_said_whole_one_after_the_other_and_silence_follows() {
        let (mut mouth, mut said) = (Mouth::default(), Vec::new());
        let (first, mut first_spoken) = oneshot::channel();
        let (second, mut second_spoken) = oneshot::channel();
        mouth.say(vec![1; 200], first);
        mouth.say(vec![2; 160], second);
        let frames: Vec<_> = (0..4)
            .map(|n| {
                let frame = mouth.next_frame(Duration::from_millis(n * 20), &mut said);
                (frame[0], frame[100])
            })
            .collect();
        assert_eq!(frames, [(1, 1), (1, SILENCE), (2, 2), (SILENCE, SILENCE)]);
        let span = |from, to| Ok(Span { from: Duration::from_millis(from), to: Duration::from_millis(to) });
        assert_eq!((first_spoken.try_recv(), second_spoken.try_recv()), (span(0, 40), span(40, 60)));
        assert_eq!(said.len(), 3);
    }
}
