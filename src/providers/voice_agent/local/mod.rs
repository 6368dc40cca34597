//! The embedded voice agent: a receptionist without key and network.
//!
//! It greets, listens, takes a message, understands a few keys, bears with silence and says goodbye. It goes
//! through the same contract as every vendor: it speaks only when the call asks it to, and everything it
//! says carries the response's number. It hears with the call's own detector, as
//! [`AgentOrder::CallerSpeech`](super::AgentOrder::CallerSpeech) tells it; it recognises no words.
//!
//! * `receptionist` decides what is said: pure, without sound;
//! * `ears` keeps what the caller says;
//! * `clips` are the spoken lines that come with the crate;
//! * `tts` speaks the business's own greeting with an installed program;
//! * `session` joins them behind the trait.

mod clips;
mod ears;
mod receptionist;
mod session;
mod tts;

use std::path::PathBuf;
use std::sync::Arc;

use crate::engine::audio::Rate;
use crate::engine::call::Phrase;

use super::{AgentBrief, AgentSession, Chunk, VoiceAgent};
use clips::Clip;
use session::Session;
use tts::{Speech, Wanted};

/// Samples that many calls share.
type Sound = Arc<[i16]>;

/// How the embedded agent speaks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalSettings {
    /// What speaks the business's own greeting. All other lines are the crate's clips.
    pub speech: SpeechChoice,
    /// The voice model file for piper; without one, or with an empty path, piper is not used.
    pub piper_model: Option<PathBuf>,
}

/// What speaks the business's own greeting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SpeechChoice {
    /// The best installed program that knows the language; the clips where there is none.
    #[default]
    Auto,
    /// The clips only: every business is greeted with the same words.
    Clips,
    /// `flite`: English only.
    Flite,
    /// `espeak-ng`: about a hundred languages.
    EspeakNg,
    /// `piper`, with [`LocalSettings::piper_model`].
    Piper,
}

/// The embedded voice agent. One serves all calls of the process, at any rate.
#[derive(Clone, Debug)]
pub struct LocalAgent {
    speech: Arc<Speech>,
}

impl LocalAgent {
    /// An agent that speaks as `settings` say. Starts nothing yet.
    pub fn new(settings: &LocalSettings) -> Self {
        Self { speech: Arc::new(Speech::new(settings)) }
    }

    /// Speaks businesses' own greetings into memory for calls at rate `R`, one after the other, so that the first
    /// caller of each is greeted without delay. Returns when all are there; a call that comes earlier waits for
    /// its own only. One that can't be spoken is tried again by its first call, and counted there.
    pub async fn prepare<R: Rate>(&self, greetings: Vec<Greeting>) {
        let spoken = greetings.into_iter().filter(|greeting| !greeting.text.trim().is_empty());
        for Greeting { text, language, voice } in spoken.take(Speech::KEPT) {
            if !self.speech.has_program() {
                return;
            }
            self.speech.speak(Wanted { text, language, voice, hz: R::HZ }).await.ok(); // told when a call needs it
        }
    }
}

/// A business's own greeting, and how it is to be spoken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// The words, as [`AgentBrief::greeting`].
    pub text: String,
    /// As [`AgentBrief::language`].
    pub language: String,
    /// As [`AgentBrief::voice`].
    pub voice: Option<String>,
}

impl<R: Rate> VoiceAgent<R> for LocalAgent {
    fn name(&self) -> &'static str {
        "local"
    }

    fn open(&self, brief: AgentBrief) -> AgentSession<R> {
        let (session, desk) = super::session();
        tokio::spawn(Session::new(brief, desk, Arc::clone(&self.speech)).run());
        session
    }
}

/// The recording of a sentence that the engine speaks by itself, at rate `R`.
pub fn phrase<R: Rate>(phrase: Phrase) -> Chunk<R> {
    Chunk::new(Clip::of_phrase(phrase).samples::<R>().to_vec())
}

/// Decodes every recording that comes with the crate, for calls at rate `R`. For a start, which it
/// holds up for a moment: a call's own thread would else decode each line as it is first spoken, and be a frame late.
pub fn warm_up<R: Rate>() {
    for clip in Clip::ALL {
        clip.samples::<R>();
    }
}
