//! Which words of a call are kept: those of its turns, written while it went on, or those of a recording.
//!
//! In this order:
//!
//! 1. A recording's text of fewer than [`FEWEST_LETTERS`] letters is none; nor are turns without a word.
//! 2. Where only one of the two has words, they are kept; where neither has, there are none.
//! 3. The recording's are kept only if they are better: no fewer than half of the words of the turns, and more in
//!    `speech seconds × confidence`. With equal values the turns stay.
//!
//! Speech seconds are the time that the stretches cover, overlaps counted once, but no more than [`MS_PER_WORD`] for each word
//! in them: a recogniser that gives no times says that all of the call was speech. Confidence is the mean over the words;
//! [`USUAL_CONFIDENCE`] where there is none.
//!
//! Of the agent's turns only what was heard counts. What is kept is never mixed of both.

use crate::engine::call::{Speaker, Turn};
use crate::engine::transcript::{Segment, Transcript, TranscriptSource};

/// 10: "Yes, hello" has as many; what recognisers make of a silent line, such as "you" or "Bye.", has fewer.
const FEWEST_LETTERS: usize = 10;
/// The longest that a word takes, with the pause behind it: 120 words a minute are slow speech.
const MS_PER_WORD: u32 = 500;
/// What is believed of a recogniser that doesn't say how sure it is.
const USUAL_CONFIDENCE: f64 = 0.8;
/// Letters of a word, where a language puts no spaces between them, or few.
const LETTERS_PER_WORD: usize = 8;

/// The words that are kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// Where they come from.
    pub source: TranscriptSource,
    /// A line for each stretch.
    pub text: String,
    /// The stretches.
    pub segments: Vec<Segment>,
    /// Why these, in words and figures; nothing of what was said.
    pub reason: String,
    /// Whether the recording gave any words.
    pub has_recorded_words: bool,
}

/// Chooses between the turns of a call and what a recogniser made of its recording, if there is any.
pub fn choose(turns: &[Turn], recording: Option<&Transcript>) -> Choice {
    let turns: Vec<Segment> = turns.iter().filter_map(segment).collect();
    let heard = recording.map_or(&[][..], |transcript| &transcript.segments);
    let heard = if letters(heard) < FEWEST_LETTERS { &[] } else { heard };
    let (ours, theirs) = (Measure::of(&turns), Measure::of(heard));
    let told = format!("turns: {ours}; recording: {theirs}");
    let (source, segments, reason) = match (ours.words, theirs.words) {
        (0, 0) => (TranscriptSource::Failed, &[][..], "there are no words".to_owned()),
        (_, 0) if recording.is_none() => {
            (TranscriptSource::Realtime, &turns[..], "no recording gave any words".to_owned())
        }
        (_, 0) => (TranscriptSource::Realtime, &turns[..], format!("the recording gave no words ({told})")),
        (0, _) => (TranscriptSource::Recording, heard, format!("the turns have no words ({told})")),
        (_, _) if theirs.words * 2 < ours.words => {
            (TranscriptSource::Realtime, &turns[..], format!("the recording has less than half of the words ({told})"))
        }
        (_, _) if theirs.worth() > ours.worth() => {
            (TranscriptSource::Recording, heard, format!("the recording is better ({told})"))
        }
        (_, _) => (TranscriptSource::Realtime, &turns[..], format!("the recording is no better ({told})")),
    };
    Choice { source, text: lines(segments), segments: segments.to_vec(), reason, has_recorded_words: theirs.words > 0 }
}

/// A turn as it was heard; `None` if nothing was.
fn segment(turn: &Turn) -> Option<Segment> {
    let text = match turn.speaker {
        Speaker::Caller => turn.text.trim(),
        Speaker::Agent => turn.heard_text.trim(),
    };
    (!text.is_empty()).then(|| Segment {
        speaker: Some(turn.speaker),
        start_ms: turn.started_ms,
        end_ms: turn.ended_ms,
        text: text.to_owned(),
        confidence: turn.confidence,
    })
}

/// `Caller: …` and `Agent: …`; only the words where nobody knows who spoke.
fn lines(segments: &[Segment]) -> String {
    let line = |segment: &Segment| match segment.speaker {
        Some(Speaker::Caller) => format!("Caller: {}", segment.text.trim()),
        Some(Speaker::Agent) => format!("Agent: {}", segment.text.trim()),
        None => segment.text.trim().to_owned(),
    };
    segments.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn letters(segments: &[Segment]) -> usize {
    segments.iter().map(|segment| segment.text.chars().filter(|c| c.is_alphanumeric()).count()).sum()
}

fn words(text: &str) -> usize {
    let spaced = text.split_whitespace().filter(|word| word.chars().any(char::is_alphanumeric)).count();
    spaced.max(text.chars().filter(|c| c.is_alphanumeric()).count().div_ceil(LETTERS_PER_WORD))
}

/// What stretches of words are worth.
struct Measure {
    words: usize,
    speech_ms: u32,
    confidence: f64,
}

impl Measure {
    fn of(segments: &[Segment]) -> Self {
        let (mut all, mut sure, mut speech_ms) = (0, 0.0, 0u32);
        let mut in_order: Vec<&Segment> = segments.iter().collect();
        in_order.sort_by_key(|segment| segment.start_ms);
        let mut covered_to = 0;
        for segment in in_order {
            let count = words(&segment.text);
            let said =
                segment.confidence.filter(|c| c.is_finite()).map_or(USUAL_CONFIDENCE, |c| f64::from(c.clamp(0.0, 1.0)));
            (all, sure) = (all + count, sure + said * count as f64);
            let new_ms = segment.end_ms.saturating_sub(segment.start_ms.max(covered_to));
            let most_ms = u32::try_from(count).unwrap_or(u32::MAX).saturating_mul(MS_PER_WORD);
            speech_ms = speech_ms.saturating_add(new_ms.min(most_ms));
            covered_to = covered_to.max(segment.end_ms);
        }
        let confidence = if all == 0 { 0.0 } else { sure / all as f64 };
        Self { words: all, speech_ms, confidence }
    }

    fn worth(&self) -> f64 {
        f64::from(self.speech_ms) * self.confidence
    }
}

impl std::fmt::Display for Measure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = f64::from(self.speech_ms) / 1_000.0;
        write!(f, "{} words in {seconds:.1} s of speech, confidence {:.2}", self.words, self.confidence)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn turn(number: u32, speaker: Speaker, text: &str) -> Turn {
        let (text, started_ms) = (text.to_owned(), number * 2_000);
        let heard_text = text.clone();
        let ended_ms = started_ms + 1_500;
        Turn { number, speaker, text, heard_text, confidence: None, started_ms, ended_ms, interrupted: false }
    }

    fn stretch(start_ms: u32, end_ms: u32, text: &str, confidence: Option<f32>) -> Segment {
        Segment { speaker: Some(Speaker::Caller), start_ms, end_ms, text: text.to_owned(), confidence }
    }

    fn transcript(segments: Vec<Segment>) -> Transcript {
        Transcript { segments, model: "test".to_owned() }
    }

    fn two_turns() -> Vec<Turn> {
        vec![turn(1, Speaker::Agent, "Good morning, bakery."), turn(2, Speaker::Caller, "Two loaves please")]
    }

    #[test]
    fn without_a_recording_the_turns_are_the_words() {
        let choice = choose(&two_turns(), None);
        assert_eq!(
            (choice.source, choice.text.as_str()),
            (TranscriptSource::Realtime, "Agent: Good morning, bakery.\nCaller: Two loaves please")
        );
    }

    #[test]
    fn what_was_not_heard_of_the_agent_was_not_said() {
        let mut turns = two_turns();
        turns[0].heard_text = "Good".to_owned();
        turns[1].text = " ".to_owned();
        assert_eq!(choose(&turns, None).text, "Agent: Good");
    }

    #[test]
    fn where_nobody_said_anything_there_are_no_words() {
        let choice = choose(&[turn(1, Speaker::Caller, "")], Some(&transcript(vec![stretch(0, 900, "you", None)])));
        assert_eq!((choice.source, choice.text.as_str()), (TranscriptSource::Failed, ""));
    }

    #[test]
    fn a_recording_that_covers_more_speech_is_better() {
        let whole = transcript(vec![
            stretch(100, 2_000, "Good morning, bakery.", None),
            stretch(2_100, 4_500, "Two loaves please and a cake", None),
        ]);
        let choice = choose(&two_turns(), Some(&whole));
        assert_eq!(choice.source, TranscriptSource::Recording, "{}", choice.reason);
        assert_eq!(choice.segments, whole.segments);
    }

    #[test]
    fn a_recording_that_is_unsure_or_short_is_no_better() {
        let unsure = vec![
            stretch(100, 2_000, "Good mourning baker", Some(0.3)),
            stretch(2_100, 4_000, "To love please", Some(0.3)),
        ];
        assert_eq!(choose(&two_turns(), Some(&transcript(unsure))).source, TranscriptSource::Realtime);
        let short = vec![stretch(0, 90_000, "Good morninggg", Some(1.0))];
        let choice = choose(&two_turns(), Some(&transcript(short)));
        assert_eq!(choice.source, TranscriptSource::Realtime, "{}", choice.reason);
    }

    #[test]
    fn a_recogniser_without_times_gains_nothing_by_that() {
        let same = vec![stretch(0, 600_000, "Good morning, bakery. Two loaves", Some(0.8))];
        let mut turns = two_turns();
        turns.iter_mut().for_each(|turn| turn.ended_ms = turn.started_ms + 3_000);
        assert_eq!(choose(&turns, Some(&transcript(same))).source, TranscriptSource::Realtime);
    }

    #[test]
    fn the_reason_repeats_nothing_of_what_was_said() {
        let choice =
            choose(&two_turns(), Some(&transcript(vec![stretch(0, 2_000, "Zwiebelkuchen Zwiebelkuchen", None)])));
        assert!(!choice.reason.contains("Zwiebel") && !choice.reason.contains("loaves"), "{}", choice.reason);
    }

    fn any_segments() -> impl Strategy<Value = Vec<Segment>> {
        let any = (0u32.., 0u32.., "[a-z ]{0,40}", proptest::option::of(proptest::num::f32::ANY));
        proptest::collection::vec(
            any.prop_map(|(start, end, text, confidence)| stretch(start, end, &text, confidence)),
            0..6,
        )
    }

    proptest! {
        #[test]
        fn words_are_never_replaced_by_none_or_by_others_than_those_of_one_source(
            segments in any_segments(), texts in proptest::collection::vec("[a-z ]{0,40}", 0..6),
        ) {
            let turns: Vec<Turn> = (1..).zip(&texts).map(|(n, text)| turn(n, Speaker::Caller, text)).collect();
            let choice = choose(&turns, Some(&transcript(segments.clone())));
            let has_words = texts.iter().any(|text| !text.trim().is_empty());
            prop_assert_eq!(choice.text.is_empty(), choice.source == TranscriptSource::Failed);
            prop_assert!(!has_words || choice.source != TranscriptSource::Failed);
            let said = |segments: &[Segment]| segments.iter().map(|segment| segment.text.clone()).collect::<Vec<_>>();
            if choice.source == TranscriptSource::Recording {
                prop_assert_eq!(said(&choice.segments), said(&segments));
            }
        }
    }
}
