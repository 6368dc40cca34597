//! What the service answers: `json` with the text alone, or `verbose_json` with sentences and their times.

use serde::Deserialize;

use crate::engine::transcript::{Stretch, Words};
use crate::providers::vendor_http::VendorError;

#[derive(Deserialize)]
struct Answer {
    text: String,
    #[serde(default)]
    segments: Option<Vec<Sentence>>,
    #[serde(default)]
    logprobs: Option<Vec<Token>>,
}

#[derive(Deserialize)]
struct Sentence {
    start: f64,
    end: f64,
    text: String,
    #[serde(default)]
    avg_logprob: Option<f64>,
    #[serde(default)]
    no_speech_prob: Option<f64>,
}

#[derive(Deserialize)]
struct Token {
    logprob: f64,
}

/// Whisper's own rule (its `no_speech_threshold` and `logprob_threshold`): a sentence that is likelier none, and of
/// which it is not sure either, is silence.
const NO_SPEECH: f64 = 0.6;
const UNSURE: f64 = -1.0;

impl Sentence {
    fn is_silence(&self) -> bool {
        self.no_speech_prob.is_some_and(|p| p > NO_SPEECH) && self.avg_logprob.is_some_and(|p| p < UNSURE)
    }
}

/// Whether a model is known to answer with the text alone, by its name.
pub(super) fn is_timeless(model: &str) -> bool {
    model.starts_with("gpt-")
}

/// The words of a piece.
pub(super) fn words(answer: &[u8], piece: Stretch) -> Result<Vec<Words>, VendorError> {
    let answer: Answer = serde_json::from_slice(answer).map_err(|error| {
        // Of a JSON error only the place: what stands there may be what somebody said.
        VendorError::Unreadable(format!("no transcript at line {}, column {}", error.line(), error.column()))
    })?;
    match answer.segments {
        Some(sentences) if !sentences.is_empty() => {
            Ok(sentences.iter().filter(|s| !s.is_silence()).map(said).collect())
        }
        _ => Ok(vec![Words::filling(piece, answer.text, answer.logprobs.as_deref().and_then(confidence))]),
    }
}

fn said(sentence: &Sentence) -> Words {
    Words {
        start_ms: ms(sentence.start),
        end_ms: ms(sentence.end),
        text: sentence.text.clone(),
        confidence: sentence.avg_logprob.map(|mean| mean.exp() as f32),
    }
}

/// The mean probability of a token, as whisper's `avg_logprob` has it.
fn confidence(tokens: &[Token]) -> Option<f32> {
    let sum: f64 = tokens.iter().map(|token| token.logprob).sum();
    (!tokens.is_empty()).then(|| (sum / tokens.len() as f64).exp() as f32)
}

/// A negative time, or none, is the beginning.
fn ms(seconds: f64) -> u32 {
    (seconds * 1_000.0).round() as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PIECE: Stretch = Stretch { start_ms: 60_000, end_ms: 64_000 };

    #[test]
    fn sentences_keep_their_times_and_silence_is_none() {
        let answer = br#"{"task": "transcribe", "language": "english", "duration": 4.0, "text": "Hello. Thanks for watching!",
            "segments": [
                {"id": 0, "start": 0.32, "end": 1.5, "text": " Hello.", "avg_logprob": -0.105, "no_speech_prob": 0.01},
                {"id": 1, "start": 1.5, "end": 4.0, "text": " Thanks for watching!", "avg_logprob": -1.2, "no_speech_prob": 0.9}
            ]}"#;
        let words = words(answer, PIECE).unwrap();
        assert_eq!(words.len(), 1);
        assert_eq!((words[0].start_ms, words[0].end_ms, words[0].text.trim()), (320, 1_500, "Hello."));
        assert!((words[0].confidence.unwrap() - 0.9).abs() < 0.001);
    }

    #[test]
    fn a_text_without_times_fills_its_piece() {
        let answer =
            br#"{"text": "Hello.", "logprobs": [{"token": "Hello", "logprob": -0.2}, {"token": ".", "logprob": 0.0}]}"#;
        let words = words(answer, PIECE).unwrap();
        assert_eq!((words[0].start_ms, words[0].end_ms, words[0].text.as_str()), (0, 4_000, "Hello."));
        assert!((words[0].confidence.unwrap() - 0.905).abs() < 0.001);
        let bare = super::words(br#"{"text": "Hello.", "segments": []}"#, PIECE).unwrap();
        assert_eq!((bare[0].text.as_str(), bare[0].confidence), ("Hello.", None));
    }

    #[test]
    fn what_is_no_transcript_is_told_without_its_words() {
        for answer in [&b""[..], b"<html>", br#"{"words": "secret"}"#, br#"{"text": 7}"#] {
            let error = words(answer, PIECE).unwrap_err();
            assert!(matches!(&error, VendorError::Unreadable(why) if !why.contains("secret")), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(answer in prop::collection::vec(any::<u8>(), 0..200), start in any::<f64>(), end in any::<f64>()) {
            drop(words(&answer, PIECE));
            let odd = serde_json::json!({ "text": "x", "segments": [{ "start": start, "end": end, "text": "x" }] });
            drop(words(odd.to_string().as_bytes(), PIECE));
        }
    }
}
