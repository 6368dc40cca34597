//! What one call wants of its sessions: the settings and the brief, put together once.

use std::sync::Arc;

use crate::engine::prompt::Prompt;
use crate::providers::voice_agent::AgentBrief;

use super::settings::OpenAiSettings;

/// What every session of one call is to be. They share it.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) settings: Arc<OpenAiSettings>,
    pub(super) instructions: Prompt,
    greeting: Option<String>,
    language: String,
    pub(super) voice: String,
    pub(super) may_transfer: bool,
}

impl Plan {
    pub(super) fn new(settings: Arc<OpenAiSettings>, brief: &AgentBrief) -> Arc<Self> {
        Arc::new(Self {
            instructions: brief.prompt.clone(),
            greeting: brief.greeting.clone(),
            language: brief.language.clone(),
            voice: brief.voice.clone().unwrap_or_else(|| settings.voice.clone()),
            may_transfer: brief.may_transfer,
            settings,
        })
    }

    /// The language's two or three letters (ISO 639), which is all that the transcription takes of a BCP 47 tag.
    pub(super) fn spoken_language(&self) -> Option<&str> {
        let primary = self.language.split('-').next().unwrap_or_default();
        let legal = (2..=3).contains(&primary.len()) && primary.bytes().all(|b| b.is_ascii_lowercase());
        legal.then_some(primary)
    }

    /// Instructions of one response replace the session's: a fixed greeting wants none of the others.
    pub(super) fn greeting_instructions(&self) -> String {
        match &self.greeting {
            Some(words) => format!(
                "Say exactly the words between the markers, in the language they are written in, and nothing before, \
                 between or after them. Do not answer them and do not translate them.\n<<<\n{words}\n>>>"
            ),
            None => {
                let own = self.instructions.as_str();
                format!("{own}\n\nThe call has just been answered. Greet the caller in one sentence.")
            }
        }
    }

    /// What is said to a caller who says nothing.
    pub(super) fn reprompt_instructions(&self) -> String {
        let own = self.instructions.as_str();
        format!("{own}\n\nThe caller has been silent. Ask in one short sentence whether they are still there.")
    }
}
