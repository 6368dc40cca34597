//! The call: who may speak, what was heard, when it ends.
//!
//! [`CallMachine`] is told what happened ([`Input`]) and when ([`CallTime`](crate::engine::time::CallTime)),
//! and says what is to be done ([`Output`]). It reads no clock and touches nothing, so a call can be replayed
//! from its [journal].
//!
//! In the order of a call's life:
//!
//! 1. `Answered`: the agent is connected; from here on it owes the greeting.
//! 2. `AgentReady`: the greeting is asked for, exactly once.
//! 3. Turns. A detector hears the caller begin and end; at the end the agent owes an answer, and the machine
//!    asks for it. One response at most is in flight. The ledger in `heard` follows its audio to the ear.
//! 4. Barge-in: one table, in `barge_in`, decides. What was not heard is thrown away, here, at the carrier and at
//!    the vendor, and the stored turn holds the words that were heard.
//! 5. Silence has an owner. If the agent owes speech: a filler, a second request, an apology and the end. If
//!    the caller is silent: the agent asks twice, then the call ends.
//! 6. The end: a tool call, a ladder or a limit wants it, the last words are heard (bounded), `EndCall`. Or the
//!    caller leaves. Or the stream is lost, and the carrier says what nobody else can say any more. After `EndCall` the machine says nothing more.

mod barge_in;
mod deadlines;
mod event;
mod hangup;
mod heard;
pub mod journal;
mod machine;
mod settings;
mod stats;
mod turn;

pub use event::{
    AgentCounter, AgentLoss, Ask, Detector, Farewell, Input, Note, Output, Phrase, ResponseOutcome, Tool, ToolCall,
    ToolResult,
};
pub use hangup::HangupCause;
pub use machine::CallMachine;
pub use settings::{BargeInSettings, CallSettings, LimitSettings, SilenceSettings, TurnOwner};
pub use stats::{CallStats, FrameDrop};
pub use turn::{Speaker, Turn};
