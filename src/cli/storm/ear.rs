//! The caller's ear: a buffer that plays in real time, as the carrier's does.
//!
//! What comes is appended; `mark` is answered when what came before it has been played; `clear` empties it and
//! answers all marks. It is *dry* when it has played everything; dry inside a response is an underflow.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The playback buffer of one call.
#[derive(Debug, Default)]
pub struct Ear {
    /// When everything will have been played.
    until: Option<Instant>,
    marks: VecDeque<(Instant, Vec<u8>)>,
}

impl Ear {
    /// Appends audio of this length; says for how long the ear was dry before it.
    pub fn play(&mut self, now: Instant, length: Duration) -> Duration {
        let until = self.until.unwrap_or(now);
        self.until = Some(until.max(now) + length);
        now.saturating_duration_since(until)
    }

    /// Keeps a mark until what came before it has been played.
    pub fn mark(&mut self, now: Instant, name: &[u8]) {
        self.marks.push_back((self.until.unwrap_or(now), name.to_vec()));
    }

    /// The next mark that is to be answered now.
    pub fn reached(&mut self, now: Instant) -> Option<Vec<u8>> {
        let (due, _) = self.marks.front()?;
        if *due > now {
            return None;
        }
        self.marks.pop_front().map(|(_, name)| name)
    }

    /// Plays nothing of what is left. All marks are due.
    pub fn clear(&mut self, now: Instant) {
        self.until = self.until.map(|until| until.min(now));
        self.marks.iter_mut().for_each(|(due, _)| *due = now.min(*due));
    }

    /// For how long nothing has been heard; zero while it plays, `None` if nothing ever was.
    pub fn quiet_for(&self, now: Instant) -> Option<Duration> {
        self.until.map(|until| now.saturating_duration_since(until))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn it_plays_in_real_time_and_says_when_it_was_dry() {
        let (mut ear, began) = (Ear::default(), clock::now());
        let ms = Duration::from_millis;
        assert_eq!(ear.quiet_for(began), None);
        assert_eq!(ear.play(began, ms(20)), ms(0));
        assert_eq!(ear.play(began, ms(40)), ms(0));
        assert_eq!(ear.quiet_for(began + ms(50)), Some(ms(0)));
        assert_eq!(ear.quiet_for(began + ms(65)), Some(ms(5)));
        assert_eq!(ear.play(began + ms(65), ms(20)), ms(5));
        assert_eq!(ear.quiet_for(began + ms(90)), Some(ms(5)));
    }

    #[test]
    fn marks_are_answered_when_they_are_heard_or_cleared() {
        let (mut ear, began) = (Ear::default(), clock::now());
        let ms = Duration::from_millis;
        ear.mark(began, b"at once");
        ear.play(began, ms(20));
        ear.mark(began, b"after");
        ear.play(began, ms(500));
        ear.mark(began, b"never heard");
        assert_eq!(ear.reached(began), Some(b"at once".to_vec()));
        assert_eq!(ear.reached(began + ms(19)), None);
        assert_eq!(ear.reached(began + ms(20)), Some(b"after".to_vec()));
        assert_eq!(ear.reached(began + ms(30)), None);
        ear.clear(began + ms(30));
        assert_eq!(ear.reached(began + ms(30)), Some(b"never heard".to_vec()));
        assert_eq!(ear.quiet_for(began + ms(40)), Some(ms(10)));
    }
}
