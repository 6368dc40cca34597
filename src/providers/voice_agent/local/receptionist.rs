//! What the receptionist says: the dialogue as a machine, without sound, time or call.
//!
//! ```text
//!            long utterance                    short utterance, silence, key #
//!   Help ───────────────────► More ──────────────────────────────────────────► Closing
//!    │ key 1                   ▲ └ long utterance: noted as well ───────────────► │
//!    └──────► Message ─────────┘                                          goodbye, hang up
//! ```
//!
//! A question that the caller did not hear was not asked: it is asked again, without what stood around it.
//! No words are recognised; what tells a message from a "no, thanks" is its length.

use std::time::Duration;

use crate::engine::call::Ask;
use crate::engine::ids::Digit;

use super::clips::Clip;

/// An utterance longer than this is something to be noted where a yes or no was expected.
///
/// 1.2 s: "no, thank you, that is all" takes about that long.
const SHORT: Duration = Duration::from_millis(1_200);
/// An utterance shorter than this is a cough or a click, never a message.
const SOUND: Duration = Duration::from_millis(300);
/// How often the silent caller is asked before the receptionist says goodbye.
const REPROMPTS: u32 = 2;

/// One thing to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// The business's own greeting, or [`Clip::Hello`] where it can't be spoken.
    Greeting,
    /// A line that is always there.
    Fixed(Clip),
}

/// What follows when everything was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// Listen.
    Listen,
    /// End the call.
    HangUp,
    /// Hand the caller over.
    Transfer,
}

/// One response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    /// What is said, in order; never nothing.
    pub lines: Vec<Line>,
    /// The line that must be heard for the reply to count as heard.
    pub question: usize,
    /// What follows.
    pub then: Then,
    /// Whether what the caller said is to be kept as message.
    pub keep: bool,
}

/// Where the conversation stands: what was asked last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// How can I help?
    Help,
    /// Please say your message.
    Message,
    /// Anything else?
    More,
    /// Nothing more: goodbye.
    Closing,
}

/// The receptionist of one call.
#[derive(Debug)]
pub(super) struct Receptionist {
    may_transfer: bool,
    stage: Stage,
    /// Whether the caller heard the stage's question.
    is_question_heard: bool,
    /// The length of what the caller said since the last reply.
    spoke: Option<Duration>,
    /// The last key since the last reply.
    key: Option<char>,
    /// Whether the handing over that was begun can't be done.
    is_refused: bool,
    /// Reprompts since the caller last gave a sign of life.
    reprompts: u32,
    last: Option<Reply>,
}

impl Receptionist {
    /// A receptionist who has said nothing yet.
    pub(super) fn new(may_transfer: bool) -> Self {
        Self {
            may_transfer,
            stage: Stage::Help,
            is_question_heard: false,
            spoke: None,
            key: None,
            is_refused: false,
            reprompts: 0,
            last: None,
        }
    }

    /// The caller spoke for `length`, all in all since the last reply.
    pub(super) fn spoke(&mut self, length: Duration) {
        self.spoke = Some(length);
    }

    /// The caller pressed a key. The last one before the reply counts.
    pub(super) fn pressed(&mut self, key: Digit) {
        self.key = Some(key.as_char());
    }

    /// The last reply was cut short, after its question or before.
    pub(super) fn interrupted(&mut self, is_question_heard: bool) {
        self.is_question_heard = is_question_heard;
    }

    /// The handing over can't be done.
    pub(super) fn refused(&mut self) {
        self.is_refused = true;
    }

    /// Whether what the caller said since the last reply is a message.
    pub(super) fn would_keep(&self) -> bool {
        let Some(length) = self.spoke else { return false };
        match self.stage {
            Stage::Help | Stage::Message if self.is_question_heard => length >= SOUND,
            Stage::Help | Stage::Message | Stage::More | Stage::Closing => length > SHORT,
        }
    }

    /// What to say now.
    pub(super) fn reply(&mut self, ask: &Ask) -> Reply {
        let reply = match ask {
            Ask::Greeting => self.greet(),
            Ask::Answer => self.answer(),
            Ask::Reprompt => self.reprompt(),
            // What the caller did since then is answered instead of repeating what came before it.
            Ask::Again if self.spoke.is_some() || self.key.is_some() => self.answer(),
            Ask::Again => match self.last.take() {
                Some(last) => Reply { keep: false, ..last },
                None => self.answer(),
            },
        };
        self.spoke = None;
        self.key = None;
        self.is_refused = false;
        self.is_question_heard = true;
        self.last = Some(reply.clone());
        reply
    }

    fn greet(&mut self) -> Reply {
        let mut reply = self.ask_in_full();
        reply.lines.insert(0, Line::Greeting);
        reply.question += 1;
        reply
    }

    fn answer(&mut self) -> Reply {
        let has_sign_of_life = self.spoke.is_some() || self.key.is_some();
        if has_sign_of_life {
            self.reprompts = 0;
        }
        let keep = self.would_keep();
        let reply = match self.key {
            _ if self.is_refused => self.ask().after(Clip::NobodyFree),
            Some(key) => self.answer_key(key),
            None if self.spoke.is_some() => self.answer_speech(keep),
            None => self.ask(),
        };
        if keep { Reply { keep, ..reply.after(Clip::Noted) } } else { reply }
    }

    fn answer_key(&mut self, key: char) -> Reply {
        match key {
            '1' => {
                self.stage = Stage::Message;
                self.ask_in_full()
            }
            '2' => self.say_goodbye().after(Clip::CallBack),
            '0' if self.may_transfer => Reply::closing(Clip::Connecting, Then::Transfer),
            '0' => self.ask().after(Clip::NobodyFree),
            '#' | '*' => self.say_goodbye(),
            _ => self.ask_in_full().after(Clip::UnknownKey),
        }
    }

    fn answer_speech(&mut self, keep: bool) -> Reply {
        match self.stage {
            Stage::Help | Stage::Message if keep => {
                self.stage = Stage::More;
                self.ask_in_full()
            }
            Stage::Help | Stage::Message => self.ask(),
            Stage::More if self.is_question_heard => self.say_goodbye(),
            Stage::More => self.ask(),
            Stage::Closing => self.say_goodbye(),
        }
    }

    fn reprompt(&mut self) -> Reply {
        self.reprompts += 1;
        match self.stage {
            Stage::Help | Stage::Message if self.reprompts > REPROMPTS => self.say_goodbye(),
            Stage::Help if self.reprompts == 1 => self.ask_in_full().after(Clip::NotHeard),
            Stage::Help | Stage::Message => self.ask().after(Clip::NotHeard),
            Stage::More | Stage::Closing => self.say_goodbye(),
        }
    }

    fn say_goodbye(&mut self) -> Reply {
        self.stage = Stage::Closing;
        Reply::closing(Clip::Goodbye, Then::HangUp)
    }

    /// The stage's question alone.
    fn ask(&mut self) -> Reply {
        match self.stage {
            Stage::Help => Reply::asking(&[Clip::HowCanIHelp]),
            Stage::Message => Reply::asking(&[Clip::LeaveMessage]),
            Stage::More => Reply::asking(&[Clip::AnythingElse]),
            Stage::Closing => self.say_goodbye(),
        }
    }

    /// The stage's question, and what else the caller may do.
    fn ask_in_full(&mut self) -> Reply {
        match self.stage {
            Stage::Help if self.may_transfer => Reply::asking(&[Clip::HowCanIHelp, Clip::Menu, Clip::MenuPerson]),
            Stage::Help => Reply::asking(&[Clip::HowCanIHelp, Clip::Menu]),
            Stage::Message => Reply::asking(&[Clip::LeaveMessage, Clip::WhenFinished]),
            Stage::More => Reply::asking(&[Clip::AnythingElse, Clip::Otherwise]),
            Stage::Closing => self.say_goodbye(),
        }
    }
}

impl Reply {
    /// A question and what belongs to it.
    fn asking(clips: &[Clip]) -> Self {
        let lines = clips.iter().copied().map(Line::Fixed).collect();
        Self { lines, question: 0, then: Then::Listen, keep: false }
    }

    /// Last words.
    fn closing(clip: Clip, then: Then) -> Self {
        Self { then, ..Self::asking(&[clip]) }
    }

    /// The same with `clip` said first.
    fn after(mut self, clip: Clip) -> Self {
        self.lines.insert(0, Line::Fixed(clip));
        self.question += 1;
        self
    }
}

#[cfg(test)]
mod tests;
