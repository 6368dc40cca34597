//! What a call was about, in short.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Words that somebody said: never nothing. Only such a text is summed up, so that no summary is made of silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpokenText<'a>(&'a str);

impl<'a> SpokenText<'a> {
    /// The text, if it has a letter or a digit.
    pub fn of(text: &'a str) -> Option<Self> {
        text.chars().any(char::is_alphanumeric).then_some(Self(text.trim()))
    }

    /// The text.
    pub const fn as_str(self) -> &'a str {
        self.0
    }
}

/// A call summed up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallSummary {
    /// At most 200 words; never empty.
    pub summary: String,
    /// What was sought and found, by its name as in `city`.
    pub fields: BTreeMap<String, Field>,
    /// Which model wrote it.
    pub model: String,
}

/// One thing that was found out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// As it was said; never empty.
    pub value: String,
    /// How sure the model is, 0 to 1.
    pub confidence: f32,
}

/// A summary is at most so many words; one with more is cut to [`KEPT_WORDS`].
const MOST_WORDS: usize = 200;
/// What is left of one that is cut.
const KEPT_WORDS: usize = 180;

/// A summary that is not too long: one that is, is cut, to the end of a sentence if there is one in its last third.
pub fn shortened(summary: &str) -> String {
    let words: Vec<&str> = summary.split_whitespace().collect();
    if words.len() <= MOST_WORDS {
        return words.join(" ");
    }
    let kept = &words[..KEPT_WORDS];
    let sentence = kept.iter().rposition(|word| word.ends_with(['.', '!', '?', '。']));
    match sentence.filter(|&last| last >= KEPT_WORDS * 2 / 3) {
        Some(last) => kept[..=last].join(" "),
        None => kept.join(" ") + " …",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_no_spoken_text() {
        for text in ["", " \n\t", "…", "Caller"] {
            assert_eq!(SpokenText::of(text).is_some(), text == "Caller", "{text:?}");
        }
        assert_eq!(SpokenText::of(" hello \n").map(SpokenText::as_str), Some("hello"));
    }

    #[test]
    fn a_summary_that_is_too_long_is_cut_where_a_sentence_ends() {
        assert_eq!(shortened(" The caller\nordered  bread. "), "The caller ordered bread.");
        let words = |count: usize| vec!["word"; count].join(" ");
        assert_eq!(shortened(&words(200)), words(200));
        assert_eq!(shortened(&words(201)), words(180) + " …");
        let sentence = words(150) + ". " + &words(60);
        assert_eq!(shortened(&sentence), words(150) + ".");
        let early = "Yes. ".to_owned() + &words(210);
        assert_eq!(shortened(&early), "Yes. ".to_owned() + &words(179) + " …");
    }
}
