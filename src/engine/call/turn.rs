//! One turn of the conversation, as it is stored.

use serde::{Deserialize, Serialize};

/// Who spoke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Speaker {
    /// The human.
    Caller,
    /// The AI side, and the engine's own sentences.
    Agent,
}

impl Speaker {
    /// The word that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Agent => "agent",
        }
    }
}

/// One turn: who said what, and when, on the call's clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    /// Counts from 1 within the call, in the order in which turns were finished.
    pub number: u32,
    /// Who spoke.
    pub speaker: Speaker,
    /// The words. For the agent: everything that it generated. Empty where nobody recognised words.
    pub text: String,
    /// For the agent: the words whose audio the caller heard. For the caller: the same as `text`.
    pub heard_text: String,
    /// The recogniser's confidence, 0 to 1, where it gives one.
    pub confidence: Option<f32>,
    /// When it began, in milliseconds on the call's clock: the first audio heard.
    pub started_ms: u32,
    /// When it ended, in milliseconds on the call's clock.
    pub ended_ms: u32,
    /// For the agent: whether the caller cut it short.
    pub interrupted: bool,
}
