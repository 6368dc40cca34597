//! What was heard in each stretch of a recording, put together in the order in which it was said.

use crate::engine::call::{Speaker, Turn};

use super::{Segment, Stretch, Transcript};

/// Words of one stretch, with their times in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Words {
    /// Where they begin, in milliseconds from the beginning of the stretch.
    pub start_ms: u32,
    /// Where they end.
    pub end_ms: u32,
    /// What was said.
    pub text: String,
    /// The recogniser's confidence, 0 to 1, where it gives one.
    pub confidence: Option<f32>,
}

impl Words {
    /// Words that a recogniser gives no times for: they fill the stretch.
    pub fn filling(stretch: Stretch, text: String, confidence: Option<f32>) -> Self {
        Self { start_ms: 0, end_ms: stretch.length_ms(), text, confidence }
    }
}

impl Transcript {
    /// An empty one, to be filled by [`Transcript::add`] and [`Transcript::sort`].
    pub fn by(model: &str) -> Self {
        Self { segments: Vec::new(), model: model.to_owned() }
    }

    /// Adds what was heard in a stretch. Times outside of it are taken for its edges; what is no words, such as the
    /// `[BLANK_AUDIO]` of some recognisers, is left out.
    pub fn add(&mut self, stretch: Stretch, speaker: Option<Speaker>, words: Vec<Words>) {
        for Words { start_ms, end_ms, text, confidence } in words {
            let text = one_line(&text);
            if !is_words(&text) {
                continue;
            }
            let start_ms = stretch.start_ms.saturating_add(start_ms).min(stretch.end_ms);
            let end_ms = stretch.start_ms.saturating_add(end_ms).clamp(start_ms, stretch.end_ms);
            let confidence = confidence.filter(|confidence| confidence.is_finite()).map(|c| c.clamp(0.0, 1.0));
            self.segments.push(Segment { speaker, start_ms, end_ms, text, confidence });
        }
    }

    /// Puts everything in the order of its beginnings; of two that begin together, the caller's comes first.
    pub fn sort(&mut self) {
        let rank = |speaker: Option<Speaker>| u8::from(speaker == Some(Speaker::Agent));
        self.segments.sort_by_key(|segment| (segment.start_ms, rank(segment.speaker), segment.end_ms));
    }

    /// The words of a call as they were recognised while it went on: of the agent, what the caller heard.
    pub fn of_turns(turns: &[Turn], model: &str) -> Self {
        let mut transcript = Self::by(model);
        for turn in turns {
            let text = match turn.speaker {
                Speaker::Caller => &turn.text,
                Speaker::Agent => &turn.heard_text,
            };
            let stretch = Stretch { start_ms: turn.started_ms, end_ms: turn.ended_ms.max(turn.started_ms) };
            let words = Words::filling(stretch, text.clone(), turn.confidence);
            transcript.add(stretch, Some(turn.speaker), vec![words]);
        }
        transcript.sort();
        transcript
    }

    /// The words to read: a line for each change of speaker, with who speaks in front where it is known.
    ///
    /// ```text
    /// Agent: Corner Bakery, good morning.
    /// Caller: Do you have rye bread? And until when are you open?
    /// ```
    pub fn text(&self) -> String {
        let mut text = String::new();
        for turn in self.segments.chunk_by(|one, next| one.speaker == next.speaker) {
            if !text.is_empty() {
                text.push('\n');
            }
            match turn[0].speaker {
                Some(Speaker::Caller) => text.push_str("Caller:"),
                Some(Speaker::Agent) => text.push_str("Agent:"),
                None => {}
            }
            for segment in turn {
                if !text.is_empty() && !text.ends_with('\n') {
                    text.push(' ');
                }
                text.push_str(&segment.text);
            }
        }
        text
    }
}

/// Whether there is a letter or a digit outside of brackets, in which recognisers say what they heard instead.
fn is_words(text: &str) -> bool {
    let mut depth = 0u32;
    text.chars().any(|letter| {
        match letter {
            '[' | '(' => depth += 1,
            ']' | ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && letter.is_alphanumeric()
    })
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ONE: Stretch = Stretch { start_ms: 10_000, end_ms: 12_000 };
    const TWO: Stretch = Stretch { start_ms: 11_000, end_ms: 15_000 };

    #[test]
    fn what_was_said_stands_where_it_was_said() {
        let mut transcript = Transcript::by("whisper-1");
        transcript.add(
            TWO,
            Some(Speaker::Agent),
            vec![words(500, 900, " Good\n morning. "), words(900, 9_000, "Yes?")],
        );
        transcript.add(ONE, Some(Speaker::Caller), vec![words(0, 700, "Hello?"), words(900, 2_000, "Anybody?")]);
        transcript.sort();
        let said: Vec<_> = transcript.segments.iter().map(|s| (s.start_ms, s.end_ms, s.text.as_str())).collect();
        let expected = [
            (10_000, 10_700, "Hello?"),
            (10_900, 12_000, "Anybody?"),
            (11_500, 11_900, "Good morning."),
            (11_900, 15_000, "Yes?"),
        ];
        assert_eq!(said, expected);
        assert_eq!(transcript.text(), "Caller: Hello? Anybody?\nAgent: Good morning. Yes?");
    }

    #[test]
    fn what_is_no_words_is_left_out() {
        let mut transcript = Transcript::by("base.en");
        for text in ["", " \n", "...", "[BLANK_AUDIO]", "(silence)", " [Music] ♪", "[ Pause (long) ]"] {
            transcript.add(ONE, None, vec![words(0, 100, text)]);
        }
        assert_eq!(transcript.segments, []);
        transcript.add(ONE, None, vec![words(0, 100, "[laughs] No."), words(200, 300, "שלום"), words(400, 500, "7")]);
        assert_eq!(transcript.text(), "[laughs] No. שלום 7");
    }

    #[test]
    fn the_turns_of_a_call_are_its_words_as_they_were_heard() {
        let turn = |number, speaker, text: &str, heard: &str, started_ms| Turn {
            number,
            speaker,
            text: text.to_owned(),
            heard_text: heard.to_owned(),
            confidence: Some(0.5),
            started_ms,
            ended_ms: started_ms + 1_000,
            interrupted: text != heard,
        };
        let turns = [
            turn(1, Speaker::Agent, "Hello, this is the bakery.", "Hello, this", 0),
            turn(2, Speaker::Caller, "Bread!", "Bread!", 900),
            turn(3, Speaker::Caller, "", "", 5_000),
        ];
        let transcript = Transcript::of_turns(&turns, "gpt-realtime");
        assert_eq!(transcript.text(), "Agent: Hello, this\nCaller: Bread!");
        assert_eq!(transcript.segments[1].end_ms, 1_900);
    }

    proptest! {
        #[test]
        fn whatever_a_recogniser_says_times_are_in_order_and_within_the_stretch(
            heard in prop::collection::vec((0..3_600_000u32, 0..60_000u32, any::<(u32, u32, Option<f32>)>(), "\\PC{0,12}"), 0..20),
        ) {
            let mut transcript = Transcript::by("any");
            for (start_ms, length, (from, to, confidence), text) in heard {
                let stretch = Stretch { start_ms, end_ms: start_ms + length };
                let count = transcript.segments.len();
                transcript.add(stretch, None, vec![Words { start_ms: from, end_ms: to, text, confidence }]);
                for segment in &transcript.segments[count..] {
                    prop_assert!(stretch.start_ms <= segment.start_ms && segment.start_ms <= segment.end_ms);
                    prop_assert!(segment.end_ms <= stretch.end_ms && !segment.text.is_empty());
                    prop_assert!(segment.confidence.is_none_or(|confidence| (0.0..=1.0).contains(&confidence)));
                }
            }
            transcript.sort();
            prop_assert!(transcript.segments.is_sorted_by_key(|segment| segment.start_ms));
            prop_assert_eq!(transcript.text().is_empty(), transcript.segments.is_empty());
        }
    }

    fn words(start_ms: u32, end_ms: u32, text: &str) -> Words {
        Words { start_ms, end_ms, text: text.to_owned(), confidence: None }
    }
}
