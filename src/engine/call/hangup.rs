//! Who ended a call, and why.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The cause of a call's end, as stored and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HangupCause {
    /// The caller hung up, or the carrier lost the line.
    CallerHungUp,
    /// The media stream broke, or had to be closed, while the carrier still held the line.
    StreamLost,
    /// The carrier sent audio of another kind than the call has.
    MediaUnsupported,
    /// The agent said goodbye.
    AgentHungUp,
    /// The agent handed the caller over to another number.
    Transferred,
    /// Nobody spoke, in spite of the reprompts.
    CallerSilent,
    /// The longest allowed call was reached.
    MaximumLength,
    /// The voice agent could not be reached, or was lost and did not come back.
    AgentUnavailable,
    /// An operator, or the service's own stop, ended the call.
    OperatorHungUp,
    /// A machine answered a call that we placed.
    MachineAnswered,
    /// The service is stopping and the call did not end by itself in time.
    Draining,
    /// A fault of ours.
    InternalFault,
}

impl HangupCause {
    /// Every cause.
    pub const ALL: [Self; 12] = [
        Self::CallerHungUp,
        Self::StreamLost,
        Self::MediaUnsupported,
        Self::AgentHungUp,
        Self::Transferred,
        Self::CallerSilent,
        Self::MaximumLength,
        Self::AgentUnavailable,
        Self::OperatorHungUp,
        Self::MachineAnswered,
        Self::Draining,
        Self::InternalFault,
    ];

    /// The word that is stored and counted.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CallerHungUp => "caller_hung_up",
            Self::StreamLost => "stream_lost",
            Self::MediaUnsupported => "media_unsupported",
            Self::AgentHungUp => "agent_hung_up",
            Self::Transferred => "transferred",
            Self::CallerSilent => "caller_silent",
            Self::MaximumLength => "maximum_length",
            Self::AgentUnavailable => "agent_unavailable",
            Self::OperatorHungUp => "operator_hung_up",
            Self::MachineAnswered => "machine_answered",
            Self::Draining => "draining",
            Self::InternalFault => "internal_fault",
        }
    }
}

impl fmt::Display for HangupCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
