//! The heard ledger: for each response of the agent, what arrived, what was sent, what the caller heard.
//!
//! *Received* is audio that the agent generated, *sent* is what went out on the wire, *heard* is what the
//! carrier acknowledged by a mark. `heard ≤ sent ≤ received`, always. A mark that comes back after its
//! response was cleared counts as cleared, never as heard: a carrier returns the marks of audio that it
//! threw away, too.
//!
//! Truncation at the vendor, stored turns and the wait before a hang-up all read this ledger.

use std::time::Duration;

use crate::engine::ids::{Mark, ResponseId};
use crate::engine::time::CallTime;

use super::event::Ask;

/// Where a response comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The agent was asked for it, for this purpose.
    Agent(Ask),
    /// The engine's own sentence.
    Engine,
}

/// How long a letter of quick speech lasts: 200 words of five letters and a space a minute.
const LETTER: Duration = Duration::from_millis(50);

/// One response and what became of its audio.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub id: ResponseId,
    pub origin: Origin,
    /// Whether the agent may still send audio of it.
    pub is_generating: bool,
    /// Whether all of its audio came: its text and its audio end together.
    pub is_whole: bool,
    /// Whether it was interrupted: nothing of it is played or counted as heard any more.
    pub is_cleared: bool,
    pub text: String,
    pub received: Duration,
    pub sent: Duration,
    pub heard: Duration,
    pub first_out: Option<CallTime>,
    pub last_heard_at: Option<CallTime>,
}

impl Entry {
    /// Whether the caller hears it now, or is about to: some of it went out or waits, and not all came back.
    pub fn is_audible(&self) -> bool {
        !self.is_cleared && (self.first_out.is_some() || self.received > Duration::ZERO)
    }

    /// The words whose audio was heard: the share of the text that the heard share of the audio carries,
    /// cut back to whole words. Speech runs at a nearly even number of letters per second, so this is right
    /// to about a word; vendors send words without times. Some send all words first: as long as more audio may
    /// come, the words are taken to last as long as quick speech, [`LETTER`] each letter, would take.
    pub fn heard_text(&self) -> &str {
        let letters = self.text.chars().count();
        let length = match self.is_whole {
            true => self.received,
            false => self.received.max(LETTER * u32::try_from(letters).unwrap_or(u32::MAX)),
        };
        if self.heard >= length {
            return if self.heard.is_zero() { "" } else { &self.text };
        }
        let share = (letters as u128 * self.heard.as_micros() / length.as_micros().max(1)) as usize;
        let cut = self.text.char_indices().nth(share).map_or(self.text.len(), |(at, _)| at);
        match self.text[cut..].chars().next() {
            None => &self.text,
            Some(next) if next.is_whitespace() => self.text[..cut].trim_end(),
            Some(_) => self.text[..cut].rfind(char::is_whitespace).map_or("", |space| self.text[..space].trim_end()),
        }
    }
}

/// All responses of a call that are not settled yet, in the order in which they began.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    open: Vec<Entry>,
}

impl Ledger {
    /// Opens the entry of a response.
    pub fn open(&mut self, id: ResponseId, origin: Origin) {
        self.open.push(Entry {
            id,
            origin,
            is_generating: true,
            is_whole: false,
            is_cleared: false,
            text: String::new(),
            received: Duration::ZERO,
            sent: Duration::ZERO,
            heard: Duration::ZERO,
            first_out: None,
            last_heard_at: None,
        });
    }

    /// The entry of a response that is not settled.
    pub fn get_mut(&mut self, id: ResponseId) -> Option<&mut Entry> {
        self.open.iter_mut().find(|entry| entry.id == id)
    }

    /// The same, to be read.
    pub fn get(&self, id: ResponseId) -> Option<&Entry> {
        self.open.iter().find(|entry| entry.id == id)
    }

    /// All entries that are not settled.
    pub fn entries(&self) -> &[Entry] {
        &self.open
    }

    /// Takes an entry out: it is settled.
    pub fn settle(&mut self, id: ResponseId) -> Option<Entry> {
        let at = self.open.iter().position(|entry| entry.id == id)?;
        Some(self.open.remove(at))
    }

    /// The response that the caller hears now, or that is about to be heard.
    pub fn audible(&self) -> Option<&Entry> {
        self.open.iter().find(|entry| entry.is_audible())
    }

    /// A mark went out: everything before it was sent. `false` if it makes no sense.
    pub fn sent(&mut self, mark: Mark) -> bool {
        let Some(entry) = self.get_mut(mark.response).filter(|entry| !entry.is_cleared) else { return false };
        let position = Duration::from_millis(mark.position_ms.into());
        // The last frame is padded to 20 ms, so the mark may stand a little behind the audio's end.
        entry.sent = entry.sent.max(position.min(entry.received));
        true
    }

    /// A mark came back: everything before it was heard. `None` if its response was cleared or is not known;
    /// `Some(true)` if it was the response's last.
    pub fn heard(&mut self, now: CallTime, mark: Mark) -> Option<bool> {
        let entry = self.get_mut(mark.response).filter(|entry| !entry.is_cleared)?;
        let position = Duration::from_millis(mark.position_ms.into()).min(entry.sent);
        entry.heard = entry.heard.max(position);
        entry.last_heard_at = Some(now);
        Some(mark.is_last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const R1: ResponseId = ResponseId::from_engine(1);

    fn ledger(text: &str, received_ms: u64) -> Ledger {
        let mut ledger = Ledger::default();
        ledger.open(R1, Origin::Agent(Ask::Answer));
        let entry = ledger.get_mut(R1).unwrap();
        entry.text = text.into();
        entry.received = Duration::from_millis(received_ms);
        entry.is_whole = true;
        ledger
    }

    fn mark(position_ms: u32) -> Mark {
        Mark { response: R1, position_ms, is_last: false }
    }

    #[test]
    fn what_was_heard_is_cut_at_a_word() {
        for (heard_ms, words) in
            [(0, ""), (200, "We"), (500, "We are open"), (520, "We are open"), (1000, "We are open until six.")]
        {
            let mut ledger = ledger("We are open until six.", 1000);
            assert!(ledger.sent(mark(heard_ms)));
            ledger.heard(CallTime::START, mark(heard_ms));
            assert_eq!(ledger.get(R1).unwrap().heard_text(), words, "{heard_ms} ms");
        }
    }

    #[test]
    fn words_that_are_ahead_of_their_sound_are_not_heard_before_it() {
        let mut ledger = ledger("We are open until six every day but Sunday.", 400);
        ledger.get_mut(R1).unwrap().is_whole = false;
        ledger.sent(mark(350));
        ledger.heard(CallTime::START, mark(350));
        assert_eq!(ledger.get(R1).unwrap().heard_text(), "We are", "of two seconds");
        ledger.sent(mark(400));
        ledger.heard(CallTime::START, mark(400));
        assert_eq!(ledger.get(R1).unwrap().heard_text(), "We are", "and all that came is not all there is");
    }

    #[test]
    fn a_mark_that_comes_back_after_the_clear_was_not_heard() {
        let mut ledger = ledger("Hello", 400);
        assert!(ledger.sent(mark(200)));
        ledger.get_mut(R1).unwrap().is_cleared = true;
        assert_eq!(ledger.heard(CallTime::START, mark(200)), None);
        assert_eq!(ledger.get(R1).unwrap().heard, Duration::ZERO);
    }

    proptest! {
        #[test]
        fn heard_never_exceeds_sent_nor_sent_received(
            text in "[a-zé ]{0,40}", received in 0u64..5_000, marks in prop::collection::vec((0u32..6_000, any::<bool>()), 0..40)
        ) {
            let mut ledger = ledger(&text, received);
            for (position, out) in marks {
                if out { ledger.sent(mark(position)); } else { ledger.heard(CallTime::START, mark(position)); }
                let entry = ledger.get(R1).unwrap();
                prop_assert!(entry.heard <= entry.sent && entry.sent <= entry.received);
                prop_assert!(text.starts_with(entry.heard_text()));
            }
        }
    }
}
