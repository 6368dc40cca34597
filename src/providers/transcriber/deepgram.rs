//! Deepgram's recogniser for recordings, `POST {url}/listen`.
//!
//! Rules: developers.deepgram.com, "Pre-Recorded Audio", "Multichannel" and "Utterances". It takes a file of up to 2 GB
//! as it is, keeps its channels apart and says when each utterance began. The file is sent a piece at a time from the
//! disk, so that an hour of sound takes no more memory than a minute.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use actix_http::body::SizedStream;
use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::{self, Stream};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::form_urlencoded;

use crate::engine::call::Speaker;
use crate::engine::recording::SoundFormat;
use crate::engine::transcript::{Stretch, Transcript, Words};
use crate::providers::vendor_http::{VendorError, VendorHttp};

use super::recording::{is_wav, off_this_thread};
use super::{Sound, TranscribeError, Transcriber, primary};

/// Deepgram.
#[derive(Clone, Debug)]
pub struct DeepgramSettings {
    /// Its address up to before `/listen`, as in `https://api.deepgram.com/v1`.
    pub url: String,
    /// Its key.
    pub api_key: SecretString,
    /// The models, best first; at least one. A later one is asked for a language that the first doesn't know.
    pub models: Vec<String>,
    /// For one recording.
    pub time_limit: Duration,
}

pub(super) struct Deepgram {
    http: VendorHttp,
    url: String,
    models: Vec<String>,
}

impl Deepgram {
    pub(super) fn new(settings: DeepgramSettings) -> Self {
        let token = SecretString::from(format!("Token {}", settings.api_key.expose_secret()));
        let http = VendorHttp::new(Some(token), settings.time_limit);
        Self { http, url: format!("{}/listen", settings.url.trim_end_matches('/')), models: settings.models }
    }

    async fn words(&self, sound: &Sound<'_>) -> Result<Transcript, TranscribeError> {
        let file = sound.file.to_owned();
        let (size, format) = off_this_thread(move || Ok(look_at(&file)?)).await?;
        let mut refusal = None;
        for model in &self.models {
            match self.ask(model, sound, size, format).await {
                Ok(answer) => {
                    let model = model.clone();
                    return off_this_thread(move || Ok(transcript(&answer, &model)?)).await;
                }
                // A model that can't do this language, or that this account may not use.
                Err(error @ VendorError::Status { status: 400 | 403 | 404 | 422, .. }) => refusal = Some(error),
                Err(error) => return Err(error.into()),
            }
        }
        Err(refusal.map_or_else(|| TranscribeError::Unusable("no model is configured".to_owned()), Into::into))
    }

    async fn ask(&self, model: &str, sound: &Sound<'_>, size: u64, format: SoundFormat) -> Result<Bytes, VendorError> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("model", model);
        let language = primary(sound.language);
        if !language.is_empty() {
            query.append_pair("language", &language);
        }
        for wanted in ["multichannel", "utterances", "punctuate", "smart_format"] {
            query.append_pair(wanted, "true");
        }
        let url = format!("{}?{}", self.url, query.finish());
        let body = || SizedStream::new(size, content(sound.file));
        self.http.post(&url, format.content_type(), body).await
    }
}

impl Transcriber for Deepgram {
    fn transcribe<'a>(&'a self, sound: &'a Sound<'a>) -> LocalBoxFuture<'a, Result<Transcript, TranscribeError>> {
        Box::pin(self.words(sound))
    }
}

fn look_at(file: &Path) -> std::io::Result<(u64, SoundFormat)> {
    let format = if is_wav(file)? { SoundFormat::Wav } else { SoundFormat::Mp3 };
    Ok((std::fs::metadata(file)?.len(), format))
}

/// How much of a file is read at a time.
const CHUNK: u64 = 256 << 10;

/// A file in chunks, read on threads for blocking work.
fn content(file: &Path) -> impl Stream<Item = Result<Bytes, TranscribeError>> + use<> {
    let unopened: (Option<File>, PathBuf) = (None, file.to_owned());
    stream::try_unfold(unopened, |(file, path)| async move {
        let (bytes, file, path) = off_this_thread(move || {
            let file = match file {
                Some(file) => file,
                None => File::open(&path)?,
            };
            let mut bytes = Vec::new();
            (&file).take(CHUNK).read_to_end(&mut bytes)?;
            Ok((bytes, file, path))
        })
        .await?;
        Ok((!bytes.is_empty()).then(|| (Bytes::from(bytes), (Some(file), path))))
    })
}

#[derive(Deserialize)]
struct Answer {
    metadata: Metadata,
    results: Results,
}

#[derive(Deserialize)]
struct Metadata {
    duration: f64,
    channels: u32,
}

#[derive(Deserialize)]
struct Results {
    channels: Vec<Channel>,
    #[serde(default)]
    utterances: Option<Vec<Utterance>>,
}

#[derive(Deserialize)]
struct Channel {
    alternatives: Vec<Alternative>,
}

#[derive(Deserialize)]
struct Alternative {
    transcript: String,
    confidence: f32,
}

#[derive(Deserialize)]
struct Utterance {
    start: f64,
    end: f64,
    confidence: f32,
    channel: usize,
    transcript: String,
}

/// The transcript that an answer holds.
fn transcript(answer: &[u8], model: &str) -> Result<Transcript, VendorError> {
    let Answer { metadata, results } = serde_json::from_slice(answer).map_err(|error| {
        // Of a JSON error only the place: what stands there may be what somebody said.
        VendorError::Unreadable(format!("no transcript at line {}, column {}", error.line(), error.column()))
    })?;
    let whole = Stretch { start_ms: 0, end_ms: ms(metadata.duration) };
    let speaker = |channel| match (metadata.channels, channel) {
        (2, 0) => Some(Speaker::Caller),
        (2, 1) => Some(Speaker::Agent),
        _ => None,
    };
    let mut transcript = Transcript::by(model);
    match results.utterances {
        Some(utterances) => {
            for Utterance { start, end, confidence, channel, transcript: text } in utterances {
                let words = Words { start_ms: ms(start), end_ms: ms(end), text, confidence: Some(confidence) };
                transcript.add(whole, speaker(channel), vec![words]);
            }
        }
        None => {
            for (channel, heard) in results.channels.into_iter().enumerate() {
                let best = heard.alternatives.into_iter().next();
                let words = best.map(|best| Words::filling(whole, best.transcript, Some(best.confidence)));
                transcript.add(whole, speaker(channel), words.into_iter().collect());
            }
        }
    }
    transcript.sort();
    Ok(transcript)
}

fn ms(seconds: f64) -> u32 {
    (seconds * 1_000.0).round() as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn without_utterances_each_channel_is_one() {
        let answer = br#"{"metadata": {"duration": 3.5, "channels": 2}, "results": {"channels": [
            {"alternatives": [{"transcript": "hello", "confidence": 0.9, "words": []}]},
            {"alternatives": [{"transcript": "", "confidence": 0.0, "words": []}]}]}}"#;
        let transcript = transcript(answer, "nova-3").unwrap();
        assert_eq!(transcript.text(), "Caller: hello");
        assert_eq!(transcript.segments[0].end_ms, 3_500);
    }

    #[test]
    fn one_channel_has_no_known_speaker() {
        let answer = br#"{"metadata": {"duration": 3.5, "channels": 1}, "results": {"channels": [], "utterances": [
            {"start": 0.4, "end": 1.25, "confidence": 0.8, "channel": 0, "transcript": "Hello.", "words": []}]}}"#;
        let transcript = transcript(answer, "nova-3").unwrap();
        assert_eq!((transcript.segments[0].speaker, transcript.segments[0].start_ms), (None, 400));
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(answer in prop::collection::vec(any::<u8>(), 0..200), duration in any::<f64>()) {
            drop(transcript(&answer, "nova-3"));
            let odd = serde_json::json!({ "metadata": { "duration": duration, "channels": 2 }, "results": { "channels": [] } });
            drop(transcript(odd.to_string().as_bytes(), "nova-3"));
        }
    }
}
