//! What was said so far, in the order of the conversation, so that another session can go on from here.
//!
//! A caller's utterance takes its place when the vendor commits it and gets its words later; an agent's
//! response takes its place when it begins.

use std::collections::VecDeque;
use std::time::Duration;

use crate::engine::call::Speaker;
use crate::engine::ids::ResponseId;

/// How many entries are kept: more than a session can be told without losing the start of its own prompt.
const KEPT: usize = 200;

/// The conversation so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct History {
    entries: VecDeque<Entry>,
}

/// One thing that was said.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) source: Source,
    pub(super) text: String,
}

/// Who said it, and where it is known from.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Source {
    /// From before this agent was asked.
    Before(Speaker),
    /// The caller's item of this name; its words are there, or still to come.
    Caller { item_id: String, is_settled: bool },
    /// This response, and how long its audio is.
    Agent { response: ResponseId, length: Duration },
}

impl Entry {
    pub(super) fn speaker(&self) -> Speaker {
        match self.source {
            Source::Before(speaker) => speaker,
            Source::Caller { .. } => Speaker::Caller,
            Source::Agent { .. } => Speaker::Agent,
        }
    }
}

impl History {
    /// A history that begins with what was said before.
    pub(super) fn new(before: &[(Speaker, String)]) -> Self {
        let mut history = Self::default();
        for (speaker, text) in before {
            history.push(Source::Before(*speaker), text.clone());
        }
        history
    }

    /// Everything that was said in words.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| !entry.text.trim().is_empty())
    }

    /// Whether an utterance of the caller still waits for its words.
    pub(super) fn waits_for_words(&self) -> bool {
        self.entries.iter().any(|entry| matches!(entry.source, Source::Caller { is_settled: false, .. }))
    }

    pub(super) fn caller_began(&mut self, item_id: &str) {
        self.push(Source::Caller { item_id: item_id.to_owned(), is_settled: false }, String::new());
    }

    pub(super) fn caller_said(&mut self, item_id: &str, words: &str) {
        let settled = Source::Caller { item_id: item_id.to_owned(), is_settled: true };
        let waiting = |entry: &&mut Entry| matches!(&entry.source, Source::Caller { item_id: id, .. } if id == item_id);
        match self.entries.iter_mut().rev().find(waiting) {
            Some(entry) => *entry = Entry { source: settled, text: words.to_owned() },
            None => self.push(settled, words.to_owned()),
        }
    }

    pub(super) fn agent_began(&mut self, response: ResponseId) {
        self.push(Source::Agent { response, length: Duration::ZERO }, String::new());
    }

    pub(super) fn agent_said(&mut self, response: ResponseId, words: &str) {
        if let Some((_, text)) = self.agent(response) {
            text.push_str(words);
        }
    }

    pub(super) fn agent_lasted(&mut self, response: ResponseId, total: Duration) {
        if let Some((length, _)) = self.agent(response) {
            *length = total;
        }
    }

    /// Only `heard` of the response's audio was heard: its words are cut in proportion, between two words.
    /// Returns the words that are left.
    pub(super) fn agent_heard(&mut self, response: ResponseId, heard: Duration) -> Option<String> {
        let (length, text) = self.agent(response)?;
        if heard < *length {
            let share = heard.as_secs_f64() / length.as_secs_f64();
            let keep = (text.chars().count() as f64 * share) as usize;
            let end = text.char_indices().nth(keep).map_or(text.len(), |(at, _)| at);
            let end = text[..end].rfind(char::is_whitespace).unwrap_or(0);
            text.truncate(end);
            *length = heard;
        }
        Some(text.clone())
    }

    fn agent(&mut self, wanted: ResponseId) -> Option<(&mut Duration, &mut String)> {
        self.entries.iter_mut().rev().find_map(|entry| match &mut entry.source {
            Source::Agent { response, length } if *response == wanted => Some((length, &mut entry.text)),
            _ => None,
        })
    }

    fn push(&mut self, source: Source, text: String) {
        if self.entries.len() == KEPT {
            self.entries.pop_front();
        }
        self.entries.push_back(Entry { source, text });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(history: &History) -> Vec<(Speaker, &str)> {
        history.entries().map(|entry| (entry.speaker(), entry.text.as_str())).collect()
    }

    #[test]
    fn words_that_come_late_stand_where_the_utterance_was() {
        let mut history = History::new(&[(Speaker::Agent, "Hello.".into())]);
        history.caller_began("item_1");
        history.agent_began(ResponseId::from_engine(2));
        history.agent_said(ResponseId::from_engine(2), "We open at nine.");
        assert!(history.waits_for_words());
        history.caller_said("item_1", "When do you open?");
        assert!(!history.waits_for_words());
        let wanted =
            [(Speaker::Agent, "Hello."), (Speaker::Caller, "When do you open?"), (Speaker::Agent, "We open at nine.")];
        assert_eq!(said(&history), wanted);
    }

    #[test]
    fn what_was_not_heard_was_not_said() {
        let (mut history, response) = (History::default(), ResponseId::from_engine(1));
        history.agent_began(response);
        history.agent_said(response, "We open at nine and close at five.");
        history.agent_lasted(response, Duration::from_secs(2));
        assert_eq!(history.agent_heard(response, Duration::from_secs(1)).as_deref(), Some("We open at nine"));
        assert_eq!(history.agent_heard(response, Duration::ZERO).as_deref(), Some(""));
        assert_eq!(said(&history), []);
    }
}
