//! What is counted about one call. Plain data: the logic increments, others read.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Why a frame of the caller did not reach the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FrameDrop {
    /// The call's mailbox was full.
    MailboxFull,
    /// The agent's session was too far behind.
    AgentBehind,
    /// There was no agent session.
    NoAgent,
}

/// The figures of one call, final at its end.
///
/// `caller_frames = forwarded_frames + dropped_frames`, always.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CallStats {
    /// From the answer to the end.
    pub length: Duration,
    /// Frames of 20 ms that came from the caller.
    pub caller_frames: u64,
    /// … of which the agent got so many.
    pub forwarded_frames: u64,
    /// … and so many were dropped.
    pub dropped_frames: u64,
    /// Frames of 20 ms that were sent to the caller.
    pub agent_frames: u64,
    /// Times at which a frame was due inside a response and there was none: runs of them.
    pub underflow_events: u64,
    /// … the frames that were missing.
    pub underflow_frames: u64,
    /// Frames that the voice activity detector judged.
    pub vad_frames: u64,
    /// … and took for speech.
    pub vad_speech_frames: u64,
    /// Messages on the media socket that made no sense.
    pub media_faults: u64,
    /// Turns stored, of both sides.
    pub turns: u32,
    /// Times the caller interrupted the agent.
    pub barge_ins: u32,
    /// The slowest of them, from the detector's report to `clear`.
    pub barge_in_slowest: Option<Duration>,
    /// From the answer to the first audio of the agent.
    pub first_audio: Option<Duration>,
    /// From the end of the caller's utterance to the first audio of the answer: the sum, for the mean.
    pub response_total: Duration,
    /// … over so many answers.
    pub responses: u32,
    /// Responses whose last marks the carrier never answered.
    pub unanswered_responses: u32,
    /// Inputs that made no sense when they came.
    pub ignored_inputs: u64,
    /// Times that the agent was lost.
    pub agent_losses: u32,
}
