//! Services with OpenAI's interface: a strict one that refuses what the real one refuses.

use std::io::Cursor;
use std::time::Duration;

use hound::WavReader;
use serde_json::{Value, json};
use trunkline::engine::call::Speaker::{Agent, Caller};
use trunkline::engine::transcript::Transcript;
use trunkline::providers::transcriber::{
    OpenAiCompatibleSettings, Sound, TranscribeError, Transcriber, TranscriberSettings,
};

use crate::sounds;
use crate::vendor_http::{Answer, FakeVendor, Request};

const KEY: &str = "sk-test";

/// What was asked of the strict service, one piece each.
struct Piece {
    model: String,
    format: String,
    language: Option<String>,
    prompt: Option<String>,
    wav: Vec<u8>,
}

fn refusal(status: u16, code: &str) -> Answer {
    Answer::Json(status, json!({ "error": { "message": "no", "type": "invalid_request_error", "code": code } }))
}

/// Reads a request as the real service does, and refuses what it refuses.
fn judge(request: &Request) -> Result<Piece, Answer> {
    if (request.method.as_str(), request.path.as_str()) != ("POST", "/v1/audio/transcriptions") {
        return Err(refusal(404, "unknown_url"));
    }
    if request.header("authorization") != Some("Bearer sk-test") {
        return Err(refusal(401, "invalid_api_key"));
    }
    let boundary = request.header("content-type").and_then(|kind| kind.strip_prefix("multipart/form-data; boundary="));
    let parts = parts(&request.body, boundary.ok_or_else(|| refusal(400, "no_form"))?);
    let mut piece = Piece { model: String::new(), format: String::new(), language: None, prompt: None, wav: vec![] };
    let mut include = None;
    for (head, content) in parts {
        let name = head.split("name=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
        let text = || String::from_utf8(content.clone()).map_err(|_| refusal(400, "no_text"));
        match name {
            "model" => piece.model = text()?,
            "response_format" => piece.format = text()?,
            "language" => piece.language = Some(text()?),
            "prompt" => piece.prompt = Some(text()?),
            "temperature" if text()? == "0" => {}
            "include[]" => include = Some(text()?),
            "file" if head.contains("filename=\"piece.wav\"") && head.contains("audio/wav") => piece.wav = content,
            _ => return Err(refusal(400, "unknown_parameter")),
        }
    }
    let is_new = piece.model.starts_with("gpt-4o");
    if is_new != include.is_some() || include.is_some_and(|include| include != "logprobs") {
        return Err(refusal(400, "unsupported_include"));
    }
    if !matches!(piece.format.as_str(), "json" | "verbose_json") || is_new && piece.format != "json" {
        return Err(refusal(400, "unsupported_value"));
    }
    if piece.language.as_ref().is_some_and(|language| !(2..=3).contains(&language.len())) {
        return Err(refusal(400, "invalid_language_format"));
    }
    let wav = WavReader::new(Cursor::new(&piece.wav)).map_err(|_| refusal(400, "invalid_file"))?;
    let is_long_enough = wav.duration() >= wav.spec().sample_rate / 10;
    if (wav.spec().channels, wav.spec().sample_rate) != (1, 16_000) || !is_long_enough {
        return Err(refusal(400, "audio_too_short"));
    }
    if piece.wav.len() > 25_000_000 || wav.duration() / 16_000 > 1_500 {
        return Err(refusal(413, "too_large"));
    }
    Ok(piece)
}

/// The parts of a form: head and content of each.
fn parts(body: &[u8], boundary: &str) -> Vec<(String, Vec<u8>)> {
    let mark = format!("--{boundary}");
    let find =
        |from: usize, what: &[u8]| body[from..].windows(what.len()).position(|at| at == what).map(|at| from + at);
    let mut parts = Vec::new();
    let mut at = mark.len();
    assert!(body.starts_with(mark.as_bytes()), "it begins with a boundary");
    while body[at..].starts_with(b"\r\n") {
        let head_end = find(at, b"\r\n\r\n").expect("a part has a head");
        let end = find(head_end, format!("\r\n{mark}").as_bytes()).expect("a part ends");
        let head = String::from_utf8(body[at + 2..head_end].to_vec()).unwrap();
        parts.push((head, body[head_end + 4..end].to_vec()));
        at = end + 2 + mark.len();
    }
    assert_eq!(&body[at..], b"--\r\n", "it ends with the last boundary");
    parts
}

/// What the model hears.
fn heard(piece: &Piece) -> Value {
    let tones = sounds::hear(Cursor::new(&piece.wav), 0);
    let text = tones.iter().map(|(.., word)| word.as_str()).collect::<Vec<_>>().join(" ");
    if piece.format == "json" {
        let logprobs: Vec<_> = tones.iter().map(|(.., word)| json!({ "token": word, "logprob": -0.1 })).collect();
        return json!({ "text": text, "logprobs": logprobs });
    }
    let seconds = |ms: u32| f64::from(ms) / 1_000.0;
    let segment = |(start, end, word): &(u32, u32, String)| {
        json!({
            "id": 0, "seek": 0, "start": seconds(*start), "end": seconds(*end), "text": format!(" {word}"), "tokens": [],
            "temperature": 0.0, "avg_logprob": -0.2, "compression_ratio": 1.0, "no_speech_prob": 0.01,
        })
    };
    let segments: Vec<_> = tones.iter().map(segment).collect();
    json!({ "task": "transcribe", "language": "english", "duration": 1.0, "text": text, "segments": segments })
}

async fn service(models: &'static [&'static str]) -> FakeVendor {
    FakeVendor::start(move |request, _| match judge(request) {
        Ok(piece) if models.contains(&piece.model.as_str()) => Answer::Json(200, heard(&piece)),
        Ok(_) => refusal(404, "model_not_found"),
        Err(refusal) => refusal,
    })
    .await
}

fn settings(vendor: &FakeVendor, models: &[&str]) -> OpenAiCompatibleSettings {
    OpenAiCompatibleSettings {
        url: vendor.url.clone(),
        api_key: Some(KEY.to_owned().into()),
        models: models.iter().map(|&model| model.to_owned()).collect(),
        prompt: "A telephone call.".to_owned(),
        longest_piece: Duration::from_secs(600),
        at_once: 3,
        time_limit: Duration::from_secs(30),
    }
}

struct Bench {
    folder: tempfile::TempDir,
    recogniser: Box<dyn Transcriber>,
}

impl Bench {
    fn with(settings: OpenAiCompatibleSettings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = TranscriberSettings::OpenAiCompatible(settings);
        let recogniser = settings.open(folder.path().join("work"));
        Self { folder, recogniser }
    }

    /// The words of a recording with these tones.
    async fn words(&self, length_ms: u32, channels: &[&[sounds::Tone]]) -> Result<Transcript, TranscribeError> {
        let file = self.folder.path().join("call.wav");
        sounds::write(&file, 8_000, length_ms, channels);
        self.recogniser.transcribe(&Sound { file: &file, language: "he-IL" }).await
    }
}

#[actix_web::test]
async fn the_channels_of_a_call_are_heard_apart_and_joined_with_true_times() {
    let vendor = service(&["whisper-1"]).await;
    let bench = Bench::with(settings(&vendor, &["whisper-1"]));
    let caller: &[_] = &[(1_000, 2_000, 500), (2_500, 3_000, 800), (9_000, 9_400, 1_200)];
    let agent: &[_] = &[(4_000, 6_000, 300), (9_200, 10_000, 2_000)];
    let transcript = bench.words(12_000, &[caller, agent]).await.unwrap();
    let expected = [
        (Some(Caller), 1_000, 2_000, "tone500"),
        (Some(Caller), 2_500, 3_000, "tone800"),
        (Some(Agent), 4_000, 6_000, "tone300"),
        (Some(Caller), 9_000, 9_400, "tone1200"),
        (Some(Agent), 9_200, 10_000, "tone2000"),
    ];
    assert_eq!(transcript.segments.len(), expected.len(), "{transcript:?}");
    for (segment, (speaker, start, end, text)) in transcript.segments.iter().zip(expected) {
        assert_eq!((segment.speaker, segment.text.as_str()), (speaker, text));
        assert!(segment.start_ms.abs_diff(start) <= 30 && segment.end_ms.abs_diff(end) <= 30, "{segment:?}");
        assert!((segment.confidence.unwrap() - 0.819).abs() < 0.001);
    }
    assert_eq!(transcript.model, "whisper-1");
    let pieces: Vec<Piece> = vendor.requests().iter().map(|request| judge(request).ok().unwrap()).collect();
    assert_eq!(pieces.len(), 4, "one for each stretch of speech, none for silence");
    assert!(pieces.iter().all(|piece| piece.language.as_deref() == Some("he")));
    assert!(pieces.iter().all(|piece| piece.prompt.as_deref() == Some("A telephone call.")));
}

#[actix_web::test]
async fn a_model_that_gives_no_times_has_those_of_its_stretches() {
    let vendor = service(&["gpt-4o-transcribe"]).await;
    let bench = Bench::with(settings(&vendor, &["gpt-4o-transcribe", "whisper-1"]));
    let transcript = bench.words(8_000, &[&[(1_000, 2_000, 500)], &[(4_000, 6_000, 300)]]).await.unwrap();
    assert_eq!(transcript.text(), "Caller: tone500\nAgent: tone300");
    let times: Vec<_> = transcript.segments.iter().map(|segment| (segment.start_ms, segment.end_ms)).collect();
    assert_eq!(times, [(800, 2_200), (3_800, 6_200)]);
    assert!((transcript.segments[0].confidence.unwrap() - 0.905).abs() < 0.001);
}

#[actix_web::test]
async fn what_the_first_model_cannot_do_the_next_is_asked_for() {
    let vendor = service(&["whisper-1"]).await;
    let bench = Bench::with(settings(&vendor, &["gpt-4o-transcribe", "nobody", "whisper-1"]));
    let transcript = bench.words(3_000, &[&[(1_000, 2_000, 500)]]).await.unwrap();
    assert_eq!((transcript.model.as_str(), transcript.text().as_str()), ("whisper-1", "tone500"));
    assert_eq!(transcript.segments[0].speaker, None, "one channel keeps nobody apart");

    let none = Bench::with(settings(&vendor, &["gpt-4o-transcribe"]));
    let error = none.words(3_000, &[&[(1_000, 2_000, 500)]]).await.unwrap_err();
    assert!(matches!(error, TranscribeError::Refused(404)), "{error}");
}

#[actix_web::test]
async fn a_wrong_key_is_told_at_once() {
    let vendor = service(&["whisper-1"]).await;
    let wrong = OpenAiCompatibleSettings {
        api_key: Some("sk-other".to_owned().into()),
        at_once: 1,
        ..settings(&vendor, &["whisper-1", "gpt-4o-transcribe"])
    };
    let error = Bench::with(wrong).words(3_000, &[&[(1_000, 2_000, 500)]]).await.unwrap_err();
    assert!(matches!(error, TranscribeError::Refused(401)) && !error.may_pass(), "{error}");
    assert_eq!(vendor.requests().len(), 1);
}

#[actix_web::test]
async fn silence_is_asked_of_nobody() {
    let vendor = service(&["whisper-1"]).await;
    let transcript = Bench::with(settings(&vendor, &["whisper-1"])).words(30_000, &[&[], &[]]).await.unwrap();
    assert_eq!((transcript.segments.len(), transcript.model.as_str()), (0, "whisper-1"));
    assert_eq!(vendor.requests().len(), 0);
}

#[actix_web::test]
async fn who_speaks_without_end_is_heard_in_pieces() {
    let vendor = service(&["whisper-1"]).await;
    let bench = Bench::with(OpenAiCompatibleSettings {
        longest_piece: Duration::from_secs(10),
        ..settings(&vendor, &["whisper-1"])
    });
    // Breaths of 400 ms, at 8 s and at 15 s.
    let caller: &[_] = &[(0, 8_000, 500), (8_400, 15_000, 700), (15_400, 21_000, 900)];
    let transcript = bench.words(22_000, &[caller]).await.unwrap();
    assert_eq!(transcript.text(), "tone500 tone700 tone900");
    for (segment, &(start, end, _)) in transcript.segments.iter().zip(caller) {
        assert!(segment.start_ms.abs_diff(start) <= 30 && segment.end_ms.abs_diff(end) <= 30, "{segment:?}");
    }
    assert_eq!(vendor.requests().len(), 3);
}

#[actix_web::test]
async fn a_service_of_ones_own_that_knows_no_times_is_asked_without_them() {
    let vendor = FakeVendor::start(|request, _| match judge(request) {
        Ok(piece) if piece.format == "json" => Answer::Json(200, json!({ "text": heard(&piece)["text"] })),
        Ok(_) => refusal(400, "unsupported_value"),
        Err(refusal) => refusal,
    })
    .await;
    let bench = Bench::with(OpenAiCompatibleSettings { at_once: 1, ..settings(&vendor, &["base.en"]) });
    for expected in [3, 5] {
        let transcript = bench.words(8_000, &[&[(1_000, 2_000, 500)], &[(4_000, 6_000, 300)]]).await.unwrap();
        assert_eq!(transcript.text(), "Caller: tone500\nAgent: tone300");
        assert_eq!(vendor.requests().len(), expected, "it was found out once");
    }
}

#[actix_web::test]
async fn a_service_that_is_overloaded_for_a_moment_is_asked_again() {
    let vendor = FakeVendor::start(|request, before| match judge(request) {
        _ if before == 0 => {
            Answer::With(429, ("Retry-After", "1"), json!({ "error": { "code": "rate_limit_exceeded" } }))
        }
        Ok(piece) => Answer::Json(200, heard(&piece)),
        Err(refusal) => refusal,
    })
    .await;
    let transcript = Bench::with(settings(&vendor, &["whisper-1"])).words(3_000, &[&[(1_000, 2_000, 500)]]).await;
    assert_eq!(transcript.unwrap().text(), "tone500");
    assert_eq!(vendor.requests().len(), 2);
}

#[actix_web::test]
async fn a_service_that_wants_to_be_left_alone_for_long_is_left_to_later() {
    let said = || json!({ "error": { "code": "rate_limit_exceeded" } });
    let vendor = FakeVendor::start(move |_, _| Answer::With(429, ("Retry-After", "120"), said())).await;
    let error =
        Bench::with(settings(&vendor, &["whisper-1"])).words(3_000, &[&[(1_000, 2_000, 500)]]).await.unwrap_err();
    let after = |error: &TranscribeError| match error {
        TranscribeError::Away { retry_after, .. } => *retry_after,
        _ => None,
    };
    assert_eq!(after(&error), Some(Duration::from_secs(120)), "{error}");
    assert_eq!(vendor.requests().len(), 1);
}

#[actix_web::test]
async fn a_service_that_hangs_is_given_up_and_one_that_is_not_there_is_told() {
    let vendor = FakeVendor::start(|_, _| Answer::Silence).await;
    let impatient = OpenAiCompatibleSettings {
        time_limit: Duration::from_millis(300),
        ..settings(&vendor, &["whisper-1", "other"])
    };
    let error = Bench::with(impatient.clone()).words(3_000, &[&[(1_000, 2_000, 500)]]).await.unwrap_err();
    assert!(error.may_pass() && error.to_string().contains("300ms"), "{error}");
    vendor.is_left().await;
    assert_eq!(vendor.requests().len(), 1, "no other model of a service that hangs, and no second try");

    let nowhere = OpenAiCompatibleSettings { url: "http://127.0.0.1:1/v1".to_owned(), ..impatient };
    let error = Bench::with(nowhere).words(3_000, &[&[(1_000, 2_000, 500)]]).await.unwrap_err();
    assert!(error.may_pass(), "{error}");
}

#[actix_web::test]
async fn dropping_the_work_ends_it() {
    let vendor = FakeVendor::start(|_, _| Answer::Silence).await;
    let bench = Bench::with(settings(&vendor, &["whisper-1"]));
    {
        let work = bench.words(3_000, &[&[(1_000, 2_000, 500)]]);
        tokio::pin!(work);
        let asked = async {
            while vendor.requests().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            outcome = &mut work => panic!("{outcome:?}"),
            () = asked => {}
        }
    }
    vendor.is_left().await;
}

#[actix_web::test]
async fn an_mp3_of_two_channels_is_heard_like_a_wav() {
    let vendor = service(&["whisper-1"]).await;
    let bench = Bench::with(settings(&vendor, &["whisper-1"]));
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/audio/two_tones.mp3");
    let transcript = bench.recogniser.transcribe(&Sound { file: &file, language: "" }).await.unwrap();
    assert_eq!(transcript.text(), "Caller: tone500\nAgent: tone300");
    assert!(transcript.segments[0].start_ms.abs_diff(2_000) <= 150, "{transcript:?}");
    let work = bench.folder.path().join("work");
    assert_eq!(std::fs::read_dir(work).unwrap().count(), 0, "what it was decoded to is gone");
}
