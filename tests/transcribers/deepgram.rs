//! Deepgram: a strict one that refuses what the real one refuses.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use trunkline::engine::call::Speaker::{Agent, Caller};
use trunkline::engine::transcript::Transcript;
use trunkline::providers::transcriber::{DeepgramSettings, Sound, TranscribeError, TranscriberSettings};

use crate::sounds;
use crate::vendor_http::{Answer, FakeVendor, Request};

fn refusal(status: u16, code: &str) -> Answer {
    Answer::Json(status, json!({ "err_code": code, "err_msg": "no", "request_id": "1" }))
}

/// Reads a request as the real service does, and answers as it does.
fn answer(request: &Request) -> Answer {
    if (request.method.as_str(), request.path.as_str()) != ("POST", "/v1/listen") {
        return refusal(404, "NOT_FOUND");
    }
    if request.header("authorization") != Some("Token dg-test") {
        return refusal(401, "INVALID_AUTH");
    }
    let query: BTreeMap<_, _> = request.query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let (model, language) = (query.get("model").copied(), query.get("language").copied());
    let flags = ["multichannel", "utterances", "punctuate", "smart_format"];
    let is_known = |name: &&str| flags.contains(name) || ["model", "language"].contains(name);
    if query.len() != request.query.len()
        || !query.keys().all(is_known)
        || flags.iter().any(|f| query.get(f) != Some(&"true"))
    {
        return refusal(400, "Bad Request");
    }
    if !matches!((model, language), (Some("nova-3"), Some("en")) | (Some("nova-2"), Some("en" | "ko"))) {
        return refusal(400, "INVALID_QUERY_PARAMETER");
    }
    // Its whole length in front, and its kind by its content.
    if request.header("content-length").is_none() || request.header("content-type") != Some("audio/wav") {
        return refusal(411, "LENGTH_REQUIRED");
    }
    Answer::Json(200, heard(&request.body))
}

fn heard(wav: &[u8]) -> Value {
    let seconds = |ms: u32| f64::from(ms) / 1_000.0;
    let utterance = |channel: usize, (start, end, word): &(u32, u32, String)| {
        json!({ "start": seconds(*start), "end": seconds(*end), "confidence": 0.9, "channel": channel, "transcript": word,
                "words": [], "id": "1" })
    };
    let spec = hound::WavReader::new(Cursor::new(wav)).unwrap();
    let channels = usize::from(spec.spec().channels);
    let heard: Vec<_> = (0..channels).map(|channel| sounds::hear(Cursor::new(wav), channel)).collect();
    let utterances: Vec<_> = heard
        .iter()
        .enumerate()
        .flat_map(|(channel, tones)| tones.iter().map(move |tone| utterance(channel, tone)))
        .collect();
    let channel = |tones: &Vec<(u32, u32, String)>| {
        let text = tones.iter().map(|(.., word)| word.as_str()).collect::<Vec<_>>().join(" ");
        json!({ "alternatives": [{ "transcript": text, "confidence": 0.9, "words": [] }] })
    };
    json!({
        "metadata": { "duration": f64::from(spec.duration()) / 8_000.0, "channels": channels, "request_id": "1" },
        "results": { "channels": heard.iter().map(channel).collect::<Vec<_>>(), "utterances": utterances },
    })
}

async fn words(vendor: &FakeVendor, file: &Path, language: &str, key: &str) -> Result<Transcript, TranscribeError> {
    let settings = DeepgramSettings {
        url: vendor.url.clone(),
        api_key: key.to_owned().into(),
        models: vec!["nova-3".to_owned(), "nova-2".to_owned()],
        time_limit: Duration::from_secs(30),
    };
    let work = file.with_file_name("work");
    let recogniser = TranscriberSettings::Deepgram(settings).open(work);
    recogniser.transcribe(&Sound { file, language }).await
}

#[actix_web::test]
async fn a_recording_is_sent_whole_and_comes_back_with_speakers_and_times() {
    let vendor = FakeVendor::start(|request, _| answer(request)).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("call.wav");
    // Longer than what is read from the disk at once.
    sounds::write(&file, 8_000, 30_000, &[&[(1_000, 2_000, 500), (25_000, 26_000, 800)], &[(4_000, 6_000, 300)]]);
    let transcript = words(&vendor, &file, "en-US", "dg-test").await.unwrap();
    let said: Vec<_> =
        transcript.segments.iter().map(|s| (s.speaker, s.start_ms, s.end_ms, s.text.as_str(), s.confidence)).collect();
    let expected = [
        (Some(Caller), 1_000, 2_000, "tone500", Some(0.9)),
        (Some(Agent), 4_000, 6_000, "tone300", Some(0.9)),
        (Some(Caller), 25_000, 26_000, "tone800", Some(0.9)),
    ];
    assert_eq!((said.as_slice(), transcript.model.as_str()), (&expected[..], "nova-3"));
    assert_eq!(vendor.requests()[0].body, std::fs::read(&file).unwrap());
}

#[actix_web::test]
async fn a_language_that_the_first_model_does_not_know_is_for_the_next() {
    let vendor = FakeVendor::start(|request, _| answer(request)).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("call.wav");
    sounds::write(&file, 8_000, 3_000, &[&[(1_000, 2_000, 500)]]);
    assert_eq!(words(&vendor, &file, "ko-KR", "dg-test").await.unwrap().model, "nova-2");
    let error = words(&vendor, &file, "tlh", "dg-test").await.unwrap_err();
    assert_eq!(error.to_string(), "the recogniser can't use this recording: it answered 400 INVALID_QUERY_PARAMETER");
}

#[actix_web::test]
async fn a_wrong_key_is_told_at_once() {
    let vendor = FakeVendor::start(|request, _| answer(request)).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("call.wav");
    sounds::write(&file, 8_000, 3_000, &[&[(1_000, 2_000, 500)]]);
    let error = words(&vendor, &file, "en", "dg-other").await.unwrap_err();
    assert!(matches!(error, TranscribeError::Refused(401)), "{error}");
    assert_eq!(vendor.requests().len(), 1);
}
