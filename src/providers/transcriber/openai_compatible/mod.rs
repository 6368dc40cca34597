//! Services with OpenAI's interface for recognising speech, `POST {url}/audio/transcriptions`: OpenAI itself,
//! whisper.cpp's server, speaches and others.
//!
//! Rules: developers.openai.com/api/reference, "Create transcription". A file may have 25 MB and 25 minutes, so pieces
//! of 16 kHz mono have at most 13. OpenAI's newer models answer with the text alone, and refuse `verbose_json` with 400;
//! whisper and its relatives say when each sentence was said.
//!
//! The models are a list: what the first one can't do, the next is asked for. A transcript is of one model.

mod answer;
mod form;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use secrecy::{ExposeSecret, SecretString};

use crate::engine::transcript::{Transcript, Words};
use crate::providers::vendor_http::{VendorError, VendorHttp};

use super::recording::{Piece, Recording, off_this_thread};
use super::workplace::Workplace;
use super::{Sound, TranscribeError, Transcriber, primary};
use form::Form;

/// A service with OpenAI's interface.
#[derive(Clone, Debug)]
pub struct OpenAiCompatibleSettings {
    /// Its address up to before `/audio`, as in `https://api.openai.com/v1`.
    pub url: String,
    /// Its key; many that run at home need none.
    pub api_key: Option<SecretString>,
    /// The models, best first; at least one.
    pub models: Vec<String>,
    /// What makes it write names as they are written; never a business's own words. Empty: nothing.
    pub prompt: String,
    /// The longest piece of sound that it is given.
    pub longest_piece: Duration,
    /// How many pieces of one recording it is given at once.
    pub at_once: usize,
    /// For one piece.
    pub time_limit: Duration,
}

pub(super) struct OpenAiCompatible {
    http: VendorHttp,
    url: String,
    settings: OpenAiCompatibleSettings,
    place: Workplace,
    /// The models that were found to answer with the text alone.
    timeless: RefCell<BTreeSet<String>>,
}

/// Why a piece has no words.
enum PieceError {
    /// The service's reason.
    Vendor(VendorError),
    /// Ours.
    Own(TranscribeError),
}

impl PieceError {
    /// Whether another model may do better: not where the key is wrong or nobody answers.
    const fn is_the_models(&self) -> bool {
        match self {
            Self::Vendor(VendorError::Status { status, .. }) => *status != 401,
            Self::Vendor(VendorError::Unreadable(_)) => true,
            Self::Vendor(VendorError::NoAnswer(_) | VendorError::TimedOut(_)) | Self::Own(_) => false,
        }
    }
}

impl From<PieceError> for TranscribeError {
    fn from(error: PieceError) -> Self {
        match error {
            PieceError::Vendor(error) => error.into(),
            PieceError::Own(error) => error,
        }
    }
}

impl From<VendorError> for PieceError {
    fn from(error: VendorError) -> Self {
        Self::Vendor(error)
    }
}

impl From<TranscribeError> for PieceError {
    fn from(error: TranscribeError) -> Self {
        Self::Own(error)
    }
}

impl OpenAiCompatible {
    pub(super) fn new(settings: OpenAiCompatibleSettings, place: Workplace) -> Self {
        let bearer = |key: &SecretString| SecretString::from(format!("Bearer {}", key.expose_secret()));
        let http = VendorHttp::new(settings.api_key.as_ref().map(bearer), settings.time_limit);
        let url = format!("{}/audio/transcriptions", settings.url.trim_end_matches('/'));
        Self { http, url, settings, place, timeless: RefCell::default() }
    }

    async fn words(&self, sound: &Sound<'_>) -> Result<Transcript, TranscribeError> {
        let recording = Recording::open(sound.file, &self.place).await?;
        let pieces = recording.pieces(self.settings.longest_piece);
        let mut refusal: Option<TranscribeError> = None;
        for model in &self.settings.models {
            match self.words_by(model, sound, &recording, &pieces).await {
                Ok(transcript) => return Ok(transcript),
                Err(error) if error.is_the_models() => {
                    // Of several refusals the one that may pass decides whether there is another time.
                    let error = error.into();
                    refusal = refusal.filter(TranscribeError::may_pass).or(Some(error));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(refusal.unwrap_or_else(|| TranscribeError::Unusable("no model is configured".to_owned())))
    }

    async fn words_by(
        &self,
        model: &str,
        sound: &Sound<'_>,
        recording: &Recording,
        pieces: &[Piece],
    ) -> Result<Transcript, PieceError> {
        let heard = stream::iter(pieces).map(|&piece| async move {
            let wav = recording.wav(piece).await?;
            Ok::<_, PieceError>((piece, self.piece(model, sound, piece, wav.into()).await?))
        });
        let heard: Vec<(Piece, Vec<Words>)> =
            heard.buffer_unordered(self.settings.at_once.max(1)).try_collect().await?;
        let mut transcript = Transcript::by(model);
        for (piece, words) in heard {
            transcript.add(piece.stretch, piece.speaker, words);
        }
        transcript.sort();
        Ok(transcript)
    }

    async fn piece(&self, model: &str, sound: &Sound<'_>, piece: Piece, wav: Bytes) -> Result<Vec<Words>, PieceError> {
        let is_timeless = answer::is_timeless(model) || self.timeless.borrow().contains(model);
        let answer = match self.ask(model, sound, &wav, is_timeless).await {
            // The newer models say so of verbose_json; anything else they would say again.
            Err(VendorError::Status { status: 400, .. }) if !is_timeless => {
                let answer = self.ask(model, sound, &wav, true).await?;
                self.timeless.borrow_mut().insert(model.to_owned());
                answer
            }
            other => other?,
        };
        // An answer may be as long as its piece: it is read where nobody waits.
        let words = off_this_thread(move || Ok(answer::words(&answer, piece.stretch))).await?;
        Ok(words?)
    }

    async fn ask(&self, model: &str, sound: &Sound<'_>, wav: &Bytes, is_timeless: bool) -> Result<Bytes, VendorError> {
        let mut form = Form::new();
        form.field("model", model);
        form.field("response_format", if is_timeless { "json" } else { "verbose_json" });
        form.field("temperature", "0");
        for (name, value) in [("language", primary(sound.language).as_str()), ("prompt", self.settings.prompt.trim())] {
            if !value.is_empty() {
                form.field(name, value);
            }
        }
        if answer::is_timeless(model) {
            form.field("include[]", "logprobs");
        }
        let content_type = form.content_type();
        let body = form.with_file("piece.wav", "audio/wav", wav);
        self.http.post(&self.url, &content_type, || body.clone()).await
    }
}

impl Transcriber for OpenAiCompatible {
    fn transcribe<'a>(&'a self, sound: &'a Sound<'a>) -> LocalBoxFuture<'a, Result<Transcript, TranscribeError>> {
        Box::pin(self.words(sound))
    }
}
