//! Voice agents: who speaks with the caller.
//!
//! A [`VoiceAgent`] opens one session per call. The call gives it the caller's frames and its orders
//! through the [`AgentLink`]; what the agent says and does comes back as [`AgentEvent`]s, in order. Audio
//! on both sides has the call's own rate `R`: an agent that speaks another rate converts at its door.
//!
//! Rules that every agent keeps:
//!
//! * nothing is sent to the vendor before its settings are confirmed ([`AgentEvent::Ready`]); frames that
//!   arrive earlier are kept;
//! * it never begins a response by itself unless it was configured to; one response at a time;
//! * after a cancel, later audio of that response may still be reported: the call drops it;
//! * it tells the end of everything: each response that started ends, a broken session is
//!   [`AgentEvent::Lost`], and nothing follows that.

use std::time::Duration;

use tokio::sync::mpsc;

use crate::engine::audio::{PcmFrame, Rate};
use crate::engine::call::{AgentCounter, AgentLoss, Ask, ResponseOutcome, Speaker, ToolCall, ToolResult, TurnOwner};
use crate::engine::ids::{CallSid, Digit, ResponseId};
use crate::engine::prompt::Prompt;

pub mod deepgram;
mod inbox;
pub mod local;
pub mod openai_realtime;
mod secure;

pub use inbox::Receiver;
pub use secure::TlsFault;

/// A kind of voice agent: opens sessions. Shared by all calls of the process.
pub trait VoiceAgent<R: Rate>: Send + Sync {
    /// The vendor's name, as in metrics: `local`, `openai`, `deepgram`.
    fn name(&self) -> &'static str;

    /// Who begins its responses when it hears that the caller has finished.
    fn turns(&self) -> TurnOwner {
        TurnOwner::Engine
    }

    /// Opens a session on this thread's event loop. Returns at once; everything else arrives as events.
    fn open(&self, brief: AgentBrief) -> AgentSession<R>;
}

/// What an agent is told about the call it joins.
#[derive(Clone, Debug)]
pub struct AgentBrief {
    /// Which call.
    pub call: CallSid,
    /// What to be.
    pub prompt: Prompt,
    /// The first words of the call, to be spoken as they are; `None` leaves them to the agent.
    pub greeting: Option<String>,
    /// The language to speak, as a BCP 47 tag.
    pub language: String,
    /// The voice to speak with, in the vendor's words; `None` means the configured default.
    pub voice: Option<String>,
    /// Whether the caller can be handed over to another number.
    pub may_transfer: bool,
    /// What was said so far, when a lost session is replaced: who, and the words that were heard.
    pub history: Vec<(Speaker, String)>,
}

/// An open session: where orders go in and events come out.
#[derive(Debug)]
pub struct AgentSession<R: Rate> {
    /// The way in. Dropping it ends the session within 1 s.
    pub link: AgentLink<R>,
    /// The way out.
    pub events: mpsc::Receiver<AgentEvent<R>>,
}

/// What goes into a session, in order.
#[derive(Debug)]
pub enum AgentInput<R: Rate> {
    /// 20 ms of the caller's audio.
    CallerAudio(PcmFrame<R>),
    /// Something to do.
    Order(AgentOrder),
}

/// What the call wants of its agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentOrder {
    /// Speak: begin this response.
    Respond {
        /// The number that the response's events are to carry.
        response: ResponseId,
        /// What it is for.
        ask: Ask,
    },
    /// Stop generating this response. One that is over already is no error.
    Cancel(ResponseId),
    /// The caller heard this much of the response, and will hear no more of it.
    Truncate {
        /// Which response.
        response: ResponseId,
        /// How much was heard; never more than was sent.
        heard: Duration,
    },
    /// The caller pressed a key.
    Dtmf(Digit),
    /// The answer to a tool call.
    ToolResult {
        /// The vendor's id of the tool call.
        call_id: String,
        /// The answer.
        result: ToolResult,
    },
    /// The caller's utterance began or ended, as our own detector and endpointer heard it: for agents
    /// without ears of their own.
    CallerSpeech {
        /// `true`: it began; `false`: it ended.
        speaking: bool,
    },
}

/// What an agent says and does. Audio, text and ends of one response come in order.
#[derive(Clone, Debug, PartialEq)]
pub enum AgentEvent<R: Rate> {
    /// The settings are confirmed.
    Ready {
        /// Whether the agent itself proposes where the caller's turns begin and end.
        detects_turns: bool,
    },
    /// The session is over. Nothing follows.
    Lost {
        /// What happened, for the machine.
        loss: AgentLoss,
        /// What happened, for the operator; without personal data.
        detail: String,
    },
    /// A response began.
    ResponseStarted(ResponseId),
    /// A chunk of a response's audio.
    Audio {
        /// Whose audio.
        response: ResponseId,
        /// Any number of samples.
        chunk: Chunk<R>,
    },
    /// The next piece of the words that the response speaks.
    Text {
        /// Whose words.
        response: ResponseId,
        /// To be appended.
        text: String,
    },
    /// A response is over: everything that it will ever bring has been told.
    ResponseEnded {
        /// Which response.
        response: ResponseId,
        /// How.
        outcome: ResponseOutcome,
    },
    /// The agent's own detector heard the caller begin.
    CallerSpeechStarted,
    /// The agent's own detector heard the caller finish.
    CallerSpeechEnded,
    /// What the caller said, in words.
    CallerText {
        /// The words; may be empty.
        text: String,
        /// 0 to 1, where the vendor gives one.
        confidence: Option<f32>,
    },
    /// The agent kept a spoken message of the caller.
    MessageTaken(Chunk<R>),
    /// The agent called a tool.
    ToolCalled(ToolCall),
    /// Something to be counted.
    Counted(AgentCounter),
}

/// Samples at rate `R`, any number of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunk<R: Rate> {
    /// 16-bit linear mono.
    pub samples: Vec<i16>,
    rate: std::marker::PhantomData<R>,
}

impl<R: Rate> Chunk<R> {
    /// These samples, which are at rate `R`.
    pub fn new(samples: Vec<i16>) -> Self {
        Self { samples, rate: std::marker::PhantomData }
    }

    /// How long they last.
    pub fn length(&self) -> Duration {
        Duration::from_micros(self.samples.len() as u64 * 1_000_000 / u64::from(R::HZ))
    }
}

/// How many inputs wait for a session at most: 12 s of audio and the orders between.
const INPUTS: usize = 640;
/// How many of those places only orders may take.
const FOR_ORDERS: usize = 40;
/// How many events wait for the call at most, before the session waits for the call.
const EVENTS: usize = 64;

/// The call's end of a session.
#[derive(Debug)]
pub struct AgentLink<R: Rate> {
    inputs: inbox::Sender<AgentInput<R>>,
}

impl<R: Rate> AgentLink<R> {
    /// Gives the agent the caller's next 20 ms. Never waits: `false` says that the session is so far behind
    /// that the frame was dropped.
    pub fn hear(&self, frame: PcmFrame<R>) -> bool {
        self.inputs.offer(AgentInput::CallerAudio(frame), FOR_ORDERS)
    }

    /// Gives the agent an order. Never waits: `false` says that the session is over or hopelessly behind.
    pub fn order(&self, order: AgentOrder) -> bool {
        self.inputs.offer(AgentInput::Order(order), 0)
    }

    /// Whether the session is over: its [`AgentEvent::Lost`] is on the way.
    pub fn is_over(&self) -> bool {
        self.inputs.is_over()
    }
}

/// The agent's end of a session.
#[derive(Debug)]
pub struct AgentDesk<R: Rate> {
    /// What the call gives; `None` when the call is over.
    pub inputs: Receiver<AgentInput<R>>,
    /// What the call is told; sending waits while the call is behind, and fails when it is over.
    pub events: mpsc::Sender<AgentEvent<R>>,
}

/// Both ends of a new session.
pub fn session<R: Rate>() -> (AgentSession<R>, AgentDesk<R>) {
    let (inputs, desk_inputs) = inbox::inbox(INPUTS);
    let (desk_events, events) = mpsc::channel(EVENTS);
    (AgentSession { link: AgentLink { inputs }, events }, AgentDesk { inputs: desk_inputs, events: desk_events })
}
