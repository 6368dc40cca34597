//! What is made of a call's words after it, as the configuration says: who puts recordings into words, and who sums up.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use futures_util::future::FutureExt;

use crate::actors::recording_supervisor::Summarise;
use crate::actors::transcription_worker::MakeTranscriber;
use crate::config::{Config, TranscriptionProvider};
use crate::engine::recording::ledger::Setback;
use crate::engine::transcript::SpokenText;
use crate::providers::summariser::{CallWords, OpenAiChat, OpenAiChatSettings, SummariseError, Summariser};
use crate::providers::transcriber::{
    self, CommandSettings, DeepgramSettings, OpenAiCompatibleSettings, TranscriberSettings,
};
use crate::store::transcripts::CallSummary;

/// Who puts recordings into words, if anybody does; sweeps what the last start left.
pub fn recogniser(config: &Config) -> anyhow::Result<Option<MakeTranscriber>> {
    let Some(settings) = recogniser_settings(config)? else { return Ok(None) };
    let work_dir = config.transcription_dir();
    transcriber::sweep(&work_dir).with_context(|| format!("transcription: {}", work_dir.display()))?;
    Ok(Some(Arc::new(move || settings.open(work_dir.clone()))))
}

/// The recogniser that is configured.
pub fn recogniser_settings(config: &Config) -> anyhow::Result<Option<TranscriberSettings>> {
    let own = &config.transcription;
    let url = own.address().map(String::from).unwrap_or_default();
    let (longest_piece, time_limit) = (seconds(own.max_piece_s), seconds(own.timeout_s));
    let api_key = config.transcription_key().cloned();
    Ok(match own.provider {
        TranscriptionProvider::None => None,
        TranscriptionProvider::OpenAi => Some(TranscriberSettings::OpenAiCompatible(OpenAiCompatibleSettings {
            url,
            api_key,
            models: own.models(),
            prompt: own.prompt.clone(),
            longest_piece,
            at_once: own.at_once as usize,
            time_limit,
        })),
        TranscriptionProvider::Deepgram => Some(TranscriberSettings::Deepgram(DeepgramSettings {
            url,
            api_key: api_key.context("DEEPGRAM_API_KEY is not set")?,
            models: own.models(),
            time_limit,
        })),
        TranscriptionProvider::Command => {
            let command = own.command.clone();
            Some(TranscriberSettings::Command(CommandSettings { command, longest_piece, time_limit }))
        }
    })
}

/// Who sums calls up, if anybody does. To be called on the thread where it is done.
pub fn summariser(config: &Config) -> Option<Summarise> {
    let own = &config.summary;
    let settings = own.is_wanted().then(|| OpenAiChatSettings {
        url: own.url.to_string(),
        api_key: config.summary_key().cloned(),
        model: own.model.trim().to_owned(),
        fields: own.fields(),
        time_limit: Duration::from_millis(own.timeout_ms.into()),
    })?;
    let chat = Rc::new(OpenAiChat::new(settings));
    Some(Rc::new(move |words, language| {
        let chat = Rc::clone(&chat);
        async move {
            let transcript = SpokenText::of(&words.text).ok_or_else(nothing_said)?;
            let made = chat.summarise(CallWords { transcript, language: &language }).await.map_err(setback)?;
            let fields = serde_json::to_value(&made.fields).map_err(|error| given_up(error.to_string()))?;
            let (summary, model) = (Some(made.summary), Some(made.model));
            // When it was is said by who asked.
            Ok(CallSummary { summary, fields: Some(fields), model, error: None, at: 0 })
        }
        .boxed_local()
    }))
}

fn nothing_said() -> Setback {
    given_up("nobody said anything".to_owned())
}

fn given_up(reason: String) -> Setback {
    Setback { reason, may_pass: false, counts: true, not_before: None }
}

fn setback(error: SummariseError) -> Setback {
    let not_before = match &error {
        SummariseError::Away { retry_after, .. } => *retry_after,
        SummariseError::Refused(_) | SummariseError::Unusable(_) | SummariseError::Odd(_) => None,
    };
    Setback { reason: error.to_string(), may_pass: error.may_pass(), counts: true, not_before }
}

fn seconds(set: u32) -> Duration {
    Duration::from_secs(set.into())
}
