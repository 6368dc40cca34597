//! What a call machine is told and what it answers: two closed lists.
//!
//! Whoever can read these two enums knows what a call can do. Every [`Input`] is legal at every moment;
//! what makes no sense then is ignored and counted.

use std::time::Duration;

use crate::engine::ids::{Digit, Mark, PhoneNumber, ResponseId};

use super::hangup::HangupCause;
use super::turn::Turn;

/// What happened, told to the machine together with the time at which it did.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The media stream was authenticated and its audio flows: the call begins.
    Answered,
    /// The voice agent has confirmed its settings; it may be asked to speak.
    AgentReady {
        /// Whether the agent itself proposes where the caller's turns begin and end.
        detects_turns: bool,
    },
    /// The voice agent can't go on.
    AgentLost(AgentLoss),
    /// The agent has begun a response: one that was asked for, or one of its own.
    ResponseStarted(ResponseId),
    /// A chunk of a response's audio arrived.
    AgentAudio {
        /// Whose audio.
        response: ResponseId,
        /// How long the chunk lasts.
        length: Duration,
    },
    /// A piece of the words that a response speaks.
    AgentText {
        /// Whose words.
        response: ResponseId,
        /// The next piece, to be appended.
        text: String,
    },
    /// The agent has finished, or given up, generating a response.
    ResponseEnded {
        /// Which response.
        response: ResponseId,
        /// How it ended.
        outcome: ResponseOutcome,
    },
    /// A voice activity detector says that the caller began to speak.
    CallerSpeechStarted {
        /// Whose detector.
        by: Detector,
        /// How long ago the speech really began; detectors need some frames to be sure.
        ago: Duration,
    },
    /// A voice activity detector says that the caller's utterance is over.
    CallerSpeechEnded {
        /// Whose detector.
        by: Detector,
        /// How long ago the speech really ended; detectors wait out pauses.
        ago: Duration,
    },
    /// What the caller said, in words.
    CallerText {
        /// The words; may be empty.
        text: String,
        /// The recogniser's confidence, 0 to 1, where it gives one.
        confidence: Option<f32>,
    },
    /// The agent kept a spoken message of the caller.
    MessageTaken {
        /// How long the message is.
        length: Duration,
    },
    /// The agent called one of its tools.
    ToolCalled(ToolCall),
    /// The caller pressed a key.
    DtmfPressed(Digit),
    /// The first frame of a response went out on the wire.
    PlayoutStarted(ResponseId),
    /// A frame before this point of a response went out on the wire, and then the mark itself.
    MarkSent(Mark),
    /// The mark came back: the caller has heard (or the carrier has thrown away) what lies before it.
    MarkHeard(Mark),
    /// The carrier said that the media is over: the caller has left.
    MediaClosed,
    /// The media stream is gone and the carrier has not said that the call is over: the caller may still be there.
    StreamLost,
    /// Somebody outside of the call wants it to end.
    HangUp(HangupCause),
    /// The time that [`CallMachine::next_deadline`](super::CallMachine::next_deadline) named has come.
    Deadline,
}

/// What the machine wants done, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Open a session with the voice agent, giving it what was said so far.
    ConnectAgent,
    /// Ask the agent to speak.
    AskAgent {
        /// The number that the response will carry.
        response: ResponseId,
        /// What it is for.
        ask: Ask,
    },
    /// Stop the agent generating this response.
    CancelResponse(ResponseId),
    /// Tell the agent how much of a response the caller heard.
    Truncate {
        /// Which response.
        response: ResponseId,
        /// How much of its audio was heard.
        heard: Duration,
    },
    /// The chunk just told of is to be played.
    Play(ResponseId),
    /// The chunk just told of belongs to a response that is over: drop it.
    Drop(ResponseId),
    /// No more audio of this response will come: play what is left, padded to a whole frame.
    FinishPlayout(ResponseId),
    /// Throw away all agent audio that the caller has not heard, here and at the carrier.
    ClearPlayout,
    /// Speak one of the engine's own sentences, without the agent.
    Say {
        /// The number of the response that it is played as.
        response: ResponseId,
        /// Which sentence.
        phrase: Phrase,
    },
    /// Pass the caller's key press on to the agent.
    PassDtmf(Digit),
    /// Answer a tool call.
    AnswerTool {
        /// The vendor's id of the tool call.
        call_id: String,
        /// The answer, for the agent to read.
        result: ToolResult,
    },
    /// Close the session with the agent.
    CloseAgent,
    /// Keep this turn.
    StoreTurn(Turn),
    /// Put this on the call's timeline.
    Note(Note),
    /// End the call at the carrier by closing the media stream; `farewell` says what the carrier does then.
    EndCall {
        /// Who ended the call and why.
        cause: HangupCause,
        /// What the carrier is told when it asks how to go on.
        farewell: Farewell,
    },
}

/// Who noticed speech.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Detector {
    /// Our own voice activity detector, on the caller's audio as it arrives.
    Own,
    /// The voice agent's.
    Vendor,
}

/// What a response is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// The first words of the call, exactly once.
    Greeting,
    /// An answer to what the caller just said or pressed.
    Answer,
    /// A word to a caller who has been silent for long.
    Reprompt,
    /// An answer once more, because the first request brought no audio.
    Again,
}

/// A sentence that the engine speaks by itself, when the agent can't.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phrase {
    /// "One moment, please."
    Filler,
    /// "I am sorry, there is a technical problem. Please call again later."
    Apology,
    /// "I can't hear you. Goodbye."
    SilentGoodbye,
    /// "I am sorry, our time is up. Goodbye."
    TimeIsUp,
}

impl Phrase {
    /// Every phrase, for whoever must have a recording of each.
    pub const ALL: [Self; 4] = [Self::Filler, Self::Apology, Self::SilentGoodbye, Self::TimeIsUp];

    /// The words, in English.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Filler => "One moment, please.",
            Self::Apology => "I am sorry, there is a technical problem. Please call again later. Goodbye.",
            Self::SilentGoodbye => "I cannot hear you. Please call again. Goodbye.",
            Self::TimeIsUp => "I am sorry, our time is up. Thank you for your call. Goodbye.",
        }
    }
}

/// Why the voice agent can't go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AgentLoss {
    /// The connection or the session was refused, for a reason that another try won't mend (key, model, settings).
    Refused,
    /// No connection, or no confirmation of the settings, in time.
    Unreachable,
    /// An open session was closed or broke.
    Dropped,
    /// The session is open but nothing comes.
    Stalled,
}

/// How the generation of a response ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResponseOutcome {
    /// All of it was generated.
    Completed,
    /// It was cancelled.
    Cancelled,
    /// The vendor gave up; what came is what there is.
    Failed,
}

/// A tool call of the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCall {
    /// The vendor's id of this tool call.
    pub call_id: String,
    /// The response in which it stands, whose audio is played out before the tool acts.
    pub response: Option<ResponseId>,
    /// What is wanted.
    pub tool: Tool,
}

/// What the agent may do besides speaking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tool {
    /// End the call once everything said was heard.
    HangUp,
    /// Hand the caller over to this number once everything said was heard; `None` means the business's own
    /// transfer number.
    Transfer(Option<PhoneNumber>),
    /// Something that we don't offer, or whose arguments make no sense.
    Unusable {
        /// What was wrong, for the agent to read.
        complaint: String,
    },
}

/// The answer to a tool call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolResult {
    /// It will be done.
    Done,
    /// It can't be done, and why, for the agent to read. The agent is to go on speaking.
    Refused(String),
}

/// What the carrier is told to do with the caller after the media stream has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Farewell {
    /// Hang up.
    HangUp,
    /// Dial this number and connect the caller.
    Dial(PhoneNumber),
    /// Speak an apology, then hang up: nobody could say anything any more.
    Apologise,
}

/// One entry of the call's timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// The call was answered.
    Answered,
    /// The agent's settings were confirmed.
    AgentReady,
    /// The agent was lost.
    AgentLost(AgentLoss),
    /// The agent is being connected again.
    AgentReconnecting,
    /// A response was asked for.
    Asked(ResponseId, Ask),
    /// The first audio of a response went out, so long after it was due.
    FirstAudio(ResponseId, Duration),
    /// The caller interrupted a response after hearing this much of it.
    BargeIn {
        /// The response that was interrupted.
        response: ResponseId,
        /// How much of it was heard.
        heard: Duration,
        /// From the caller's onset, as the detector dates it, to the decision.
        reaction: Duration,
    },
    /// The caller has been silent for so long that the ladder took a step.
    CallerSilent,
    /// The agent owed speech for so long that the ladder took a step.
    AgentOwesSpeech,
    /// The caller pressed a key.
    Dtmf,
    /// The agent called a tool.
    ToolCalled(&'static str),
    /// The longest allowed call was reached.
    MaximumLength,
    /// The call ended.
    Ended(HangupCause),
}

/// What an agent counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AgentCounter {
    /// A message of the vendor that we don't know. Ignored.
    UnknownEvent,
    /// An error message of the vendor that ends nothing.
    VendorError,
    /// Audio of a response that is not the current one.
    StaleAudio,
    /// The vendor does not speak the format that it confirmed; the session fell back to 24 kHz linear.
    FormatFallback,
    /// A session was replaced by a new one before its time limit.
    Renewed,
}
