//! What a stage of a storm counts.

use std::collections::BTreeMap;

use super::spread::Spread;

/// Everything that the callers, and the vendor if it is in this process, saw.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// From the voice webhook to its answer.
    pub webhook: Spread,
    /// From `start` to the first audio of the agent.
    pub greeting: Spread,
    /// … from the vendor's first delta to the caller's ear.
    pub greeting_added: Spread,
    /// From the last frame of the caller's speech to the first audio of the answer.
    pub response: Spread,
    /// … from the vendor's first delta to the caller's ear.
    pub response_added: Spread,
    /// From the vendor's `speech_stopped` to the engine's `response.create`.
    pub decision: Spread,
    /// From the first frame of the caller's speech to `clear`.
    pub barge_in: Spread,
    /// … from the vendor's `speech_started` to `clear`.
    pub barge_in_added: Spread,
    /// Between two `media` messages inside a response.
    pub gap: Spread,
    /// How late our own ticks were.
    pub lateness: Spread,
    /// Calls whose stream was opened.
    pub started: u64,
    /// Calls that are over, and went well.
    pub completed: u64,
    /// Calls that were answered with something else than a stream, or whose upgrade was refused.
    pub refused: u64,
    /// Calls that failed in another way, and whatever else went wrong, by kind.
    pub errors: BTreeMap<String, u64>,
    /// Times at which the ear ran dry inside a response.
    pub underflows: u64,
    /// Blocks that never came.
    pub lost: u64,
    /// Blocks that came twice, or late.
    pub doubled: u64,
    /// Blocks of a response that came after its `clear`.
    pub stale: u64,
    /// Blocks that the vendor did not say: the engine's own sentences, or damage.
    pub foreign: u64,
    /// Turns of the caller that nobody answered in time.
    pub unanswered: u64,
    /// Interruptions that brought no `clear` within a second.
    pub not_interrupted: u64,
    /// Frames of the caller.
    pub frames_sent: u64,
    /// Blocks of the agent, 20 ms each.
    pub blocks_heard: u64,
    /// Messages that the server's socket did not take at once.
    pub unread: u64,
    /// Faults that the vendor made on purpose.
    pub vendor_faults: u64,
}

impl Stats {
    /// Counts something that went wrong.
    pub fn error(&mut self, kind: impl Into<String>) {
        *self.errors.entry(kind.into()).or_default() += 1;
    }

    /// How many things went wrong.
    pub fn error_count(&self) -> u64 {
        self.errors.values().sum()
    }
}
