//! What a call is made of: everything that its actor is given at its start.

use std::sync::Arc;
use std::time::Duration;

use crate::actors::call_registry::Reservation;
use crate::actors::capacity::Slot;
use crate::actors::metered::Meter;
use crate::engine::audio::{EndpointSettings, PcmFrame, PlayoutSettings, Rate, VadSettings};
use crate::engine::call::{CallSettings, HangupCause, Phrase, Turn};
use crate::engine::ids::{BusinessId, CallSid, Mark, ResponseId};
use crate::providers::carrier::Carrier;
use crate::providers::voice_agent::{AgentBrief, Chunk, VoiceAgent};
use crate::store::TurnWriter;
use crate::store::call_files::{CallFiles, JournalHandle, RecordingHandle};
use crate::telemetry::Telemetry;

/// The recordings of the engine's own sentences.
pub type Phrases<R> = Arc<dyn Fn(Phrase) -> Chunk<R> + Send + Sync>;

/// Everything that one call needs.
pub struct CallPlan<R: Rate> {
    /// Which call.
    pub call: CallSid,
    /// Whose.
    pub business: BusinessId,
    /// The rules of the conversation.
    pub settings: CallSettings,
    /// The numbers that rule the sound.
    pub audio: SoundSettings,
    /// Without a frame from the caller for this long, the stream is taken for dead.
    pub idle_timeout: Duration,
    /// Who speaks with the caller.
    pub agent: Arc<dyn VoiceAgent<R>>,
    /// What the agent is told.
    pub brief: AgentBrief,
    /// The engine's own sentences.
    pub phrases: Phrases<R>,
    /// The way to the caller.
    pub media: Box<dyn MediaPort<R>>,
    /// Turns, timeline and end of this call: the only one who may write them.
    pub record: Option<TurnWriter>,
    /// What the call writes as files.
    pub files: FilesOfCall<R>,
    /// The call's place in the directory of live calls.
    pub reservation: Option<Reservation>,
    /// The right to be alive, free for the next call at this one's end.
    pub slot: Option<Slot>,
    /// The carrier's REST interface, where there is one.
    pub carrier: Option<Arc<dyn Carrier>>,
    /// The figures of all calls' mailboxes, one for the process.
    pub meter: Arc<dyn Meter>,
    /// Logs and figures.
    pub telemetry: Telemetry,
}

/// The settings of the audio path.
#[derive(Clone, Debug, Default)]
pub struct SoundSettings {
    /// Speech or noise.
    pub vad: VadSettings,
    /// Where utterances begin and end.
    pub endpoint: EndpointSettings,
    /// Pacing.
    pub playout: PlayoutSettings,
}

/// The files of one call.
pub struct FilesOfCall<R: Rate> {
    /// Where the caller's messages go.
    pub all: CallFiles,
    /// The call's own recording, if calls are recorded.
    pub recording: Option<RecordingHandle<R>>,
    /// The call's journal, if journals are kept.
    pub journal: Option<JournalHandle>,
}

/// Words of a conversation, as it goes on.
#[derive(Clone, Copy, Debug)]
pub enum Said<'a> {
    /// The next piece of what the agent is about to say.
    Piece(ResponseId, &'a str),
    /// A turn that is over, as it is stored.
    Turn(&'a Turn),
}

/// The way to the caller. Whoever carries a call's audio implements it; nothing here waits.
pub trait MediaPort<R: Rate> {
    /// Sends 20 ms of agent audio: whether the carrier's socket took it.
    fn frame(&self, frame: &PcmFrame<R>) -> bool;
    /// Sends a mark behind the audio sent so far.
    fn mark(&self, mark: Mark);
    /// Throws away the audio that was sent and not heard yet.
    fn clear(&self);
    /// Closes the stream.
    fn close(&self);
    /// Words of the conversation, for an end that can show them.
    fn said(&self, _words: Said<'_>) {}
    /// The call is over, for this reason; [`MediaPort::close`] comes next.
    fn ended(&self, _cause: HangupCause) {}
}
