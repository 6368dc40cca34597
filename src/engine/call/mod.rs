//! The call: who may speak, who was heard, when it ends.
#![allow(dead_code)]

mod event;
mod hangup;
mod settings;
mod stats;
mod turn;

pub use event::{
    AgentCounter, AgentLoss, Ask, Detector, Farewell, Input, Note, Output, Phrase, ResponseOutcome, Tool, ToolCall,
    ToolResult,
};
pub use hangup::HangupCause;
pub use settings::{BargeInSettings, CallSettings, LimitSettings, SilenceSettings, TurnOwner};
pub use stats::{CallStats, FrameDrop};
pub use turn::{Speaker, Turn};

/// Placeholder until the machine lands.
pub struct CallMachine;
impl CallMachine {
    /// Next deadline.
    pub fn next_deadline(&self) {}
}
