//! The one list of events. A good call logs two of them, `CallBegan` and `CallEnded`; the rest is counted.

mod recordings;

use std::time::Duration;

use crate::engine::call::{AgentCounter, AgentLoss, CallStats, FrameDrop, HangupCause};
use crate::engine::ids::{BusinessId, CallSid, CampaignId};

pub use recordings::RecordingsEvent;

/// Something worth knowing. No event carries a telephone number, a prompt or words of a conversation.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// The service listens.
    ServiceStarted {
        /// Address and port.
        listen: &'a str,
        /// The voice agent's name.
        agent: &'a str,
        /// `sqlite` or `postgres`.
        database: &'a str,
    },
    /// The service has been told to stop.
    ServiceStopping,
    /// The service has stopped, and something of its calls was not on the disk in time.
    NotAllSaved {
        /// `records`: turns, timelines, ends; `files`: recordings, messages, journals.
        what: &'static str,
    },
    /// The configuration holds something that works but is probably not meant.
    ConfigWarning {
        /// The setting, what it does and what to do instead.
        finding: &'a str,
    },
    /// A business has chosen a voice agent that can't be had: its key is missing.
    BusinessAgentMissing {
        /// Whose.
        business: &'a BusinessId,
        /// Which agent.
        agent: &'a str,
        /// The agent that its calls have instead.
        instead: &'a str,
    },
    /// A call was answered.
    CallBegan {
        /// Which call.
        call: &'a CallSid,
        /// Whose.
        business: &'a BusinessId,
        /// The voice agent's name.
        agent: &'a str,
    },
    /// A call is over, with everything we learned.
    CallEnded {
        /// Which call.
        call: &'a CallSid,
        /// Who ended it and why.
        cause: HangupCause,
        /// Its figures.
        stats: &'a CallStats,
    },
    /// A call was not taken.
    CallRefused {
        /// Why.
        why: Refusal,
    },
    /// A thread's ticks have become too late for more calls.
    ThreadLate,
    /// … and are in time again.
    ThreadInTime,
    /// A webhook was answered.
    WebhookAnswered {
        /// The path.
        endpoint: &'static str,
        /// The HTTP status.
        status: u16,
        /// From the first byte read to the answer.
        took: Duration,
    },
    /// A request to the interface for operators was answered.
    ApiAnswered {
        /// `GET`, `POST`, `PUT`, `PATCH`, `DELETE`, `other`.
        method: &'static str,
        /// The HTTP status.
        status: u16,
        /// From the request's head to the answer.
        took: Duration,
    },
    /// A request to the interface met a fault of ours.
    ApiFailed {
        /// The name under which the caller was told of it.
        request_id: &'a str,
        /// What happened.
        error: &'a str,
    },
    /// A status change is stored.
    StatusStored {
        /// Whether it changed the row.
        changed: bool,
    },
    /// The service ended by a fault of its own.
    ServiceFailed {
        /// What happened.
        error: &'a str,
    },
    /// Something could not be kept anywhere; whoever asked was told, or repeats it.
    StatusNotStored {
        /// What the store said.
        error: &'a str,
    },
    /// Something could not be written to the database at once and waits in the spool.
    Spooled {
        /// `status`, `turn`, `event` …
        kind: &'static str,
    },
    /// What waited in the spool is in the database.
    SpoolReplayed {
        /// How many records.
        records: u64,
    },
    /// The spool itself can't be written: this record is lost unless it is tried again.
    SpoolFailed {
        /// What the system said.
        error: &'a str,
    },
    /// A record of the spool that the database will never take; it is set aside in `spool/rejected`.
    SpoolRejected {
        /// What the database said.
        error: &'a str,
    },
    /// The database does not answer.
    DatabaseLost {
        /// What it said.
        error: &'a str,
    },
    /// The database answers again.
    DatabaseBack,
    /// A message on a media socket made no sense.
    MediaFault {
        /// What was wrong, from a small fixed set.
        kind: &'static str,
    },
    /// A frame of the caller did not reach the agent.
    FrameDropped {
        /// Why.
        why: FrameDrop,
    },
    /// The voice agent of a call was lost.
    AgentLost {
        /// Which call.
        call: &'a CallSid,
        /// The agent's name.
        agent: &'a str,
        /// What happened.
        loss: AgentLoss,
        /// What the vendor said; without personal data.
        detail: &'a str,
    },
    /// Something that a voice agent counts.
    AgentCounted {
        /// The agent's name.
        agent: &'a str,
        /// What.
        counter: AgentCounter,
    },
    /// The caller interrupted the agent.
    BargeIn {
        /// From the detector's report to `clear` on the wire.
        reaction: Duration,
    },
    /// The first audio of an answer went out.
    FirstAudio {
        /// `greeting` or `answer`.
        of: &'static str,
        /// From the moment at which it was due.
        after: Duration,
    },
    /// A panic was caught; the actor's own rule says what ends.
    PanicCaught {
        /// The kind of actor.
        actor: &'static str,
        /// The panic's message.
        message: &'a str,
    },
    /// A file of a call (recording, message, journal) can't be written; the call goes on without.
    CallFileFailed {
        /// Which call.
        call: &'a CallSid,
        /// `recording`, `message`, `journal`.
        kind: &'static str,
        /// What the system said.
        error: &'a str,
    },
    /// The prompt of a call was put together.
    PromptBuilt {
        /// Whether the part that calls have in common was kept from an earlier one.
        was_kept: bool,
    },
    /// A business has no prompt for a call: the minimal one is used.
    PromptMissing {
        /// Whose.
        business: &'a BusinessId,
        /// `inbound`, `outbound`, `whatsapp`.
        channel: &'static str,
    },
    /// The businesses were read from the database, for calls to be served from.
    BusinessesRead {
        /// How many there are.
        count: usize,
    },
    /// The businesses can't be read, though the database answers; calls are served as before.
    BusinessesNotRead {
        /// What the store said.
        error: &'a str,
    },
    /// A receiver took an outgoing webhook.
    WebhookDelivered {
        /// `call.completed` …
        kind: &'static str,
        /// From the first byte sent to the answer.
        took: Duration,
    },
    /// A try of an outgoing webhook failed; there will be others, or not.
    WebhookFailed {
        /// What was wrong, from a small fixed set.
        why: &'static str,
    },
    /// An outgoing webhook is tried no more, and nobody took it.
    WebhookGivenUp {
        /// Whom it was for.
        business: &'a BusinessId,
        /// The event's name.
        event: &'a str,
        /// What was wrong last.
        error: &'a str,
    },
    /// So many outgoing webhooks wait to be sent, on all nodes.
    WebhooksWaiting {
        /// How many.
        count: i64,
    },
    /// The table of outgoing webhooks can't be used, though the database answers.
    WebhooksNotRead {
        /// What the store said.
        error: &'a str,
    },
    /// The carrier's REST interface did not do what it was asked.
    CarrierFailed {
        /// Which call.
        call: &'a CallSid,
        /// What it said.
        error: &'a str,
    },
    /// Asterisk's events come from now on.
    AriConnected,
    /// … and no more.
    AriLost {
        /// What happened.
        error: &'a str,
    },
    /// Asterisk did not do what it was asked, or told something that makes no sense.
    AriFailed {
        /// What it said.
        error: &'a str,
    },
    /// The carrier did not place a call, or did not say whether it did.
    CallNotPlaced {
        /// What it said.
        error: &'a str,
    },
    /// This node runs a campaign from now on.
    CampaignTaken {
        /// Which.
        campaign: &'a CampaignId,
        /// Whether it had been run before, here or elsewhere.
        is_taken_over: bool,
    },
    /// This node runs it no more.
    CampaignLeft {
        /// Which.
        campaign: &'a CampaignId,
        /// `completed`, `paused`, `cancelled`; `stopping` (the service), `lost` (to another node), `failed`.
        why: &'static str,
    },
    /// A lead of a campaign is about to be dialled.
    LeadDialled,
    /// A lead of a campaign has been called, or can't be.
    LeadSettled {
        /// `completed`, `busy`, `no-answer` …
        outcome: &'static str,
    },
    /// A recording was deleted, at the carrier and here.
    RecordingDeleted {
        /// `age` or `quota`.
        why: &'static str,
    },
    /// A recording whose time is over can't be deleted; it is tried again.
    RecordingNotDeleted {
        /// Of which call.
        call: &'a CallSid,
        /// `carrier` or `store`.
        place: &'static str,
        /// What was said there.
        error: &'a str,
    },
    /// So many recordings lie in the store, and so many bytes.
    RecordingsKept {
        /// Recordings.
        count: u64,
        /// Bytes.
        bytes: u64,
    },
    /// What a crash left of fetches was looked for, and this many files deleted.
    PartialFilesSwept {
        /// How many.
        count: usize,
    },
    /// It can't be looked for, or not deleted.
    PartialFilesNotSwept {
        /// What the system said.
        error: &'a str,
    },
    /// How many calls are alive and may be.
    Capacity {
        /// Slots in use here, those kept for calls about to start included.
        used: u32,
        /// Of these, slots kept for calls about to start.
        kept: u32,
        /// How many calls this node may carry without asking again.
        leased: u32,
        /// The limit over all nodes; 0: none.
        max: u32,
        /// Businesses that can have no further call now.
        businesses_full: u32,
    },
    /// A recording was being played, and the store stopped giving it.
    PlaybackBroken {
        /// Of which call.
        call: &'a CallSid,
        /// What the store said.
        error: &'a str,
    },
    /// A recording that was made here is done.
    OwnRecording {
        /// Of which call.
        call: &'a CallSid,
        /// `kept`, `empty` (there is no sound) or `delayed` (it is tried again).
        result: &'static str,
        /// Why it is delayed.
        error: &'a str,
    },
    /// The carrier was asked to record a call.
    RecordingAsked {
        /// Which call.
        call: &'a CallSid,
        /// `started`, `over` (the call was) or `failed`.
        result: &'static str,
        /// What happened instead; empty if it was started.
        error: &'a str,
    },
    /// The carrier was asked about a call that stayed open for too long.
    CallSwept {
        /// `closed`, `open` (it goes on) or `unknown` (to the carrier).
        result: &'static str,
    },
    /// Something was done about a recording, or the words of a call.
    Recordings(RecordingsEvent<'a>),
}

/// Why a call was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// A webhook or an upgrade without a valid signature.
    BadSignature,
    /// Nobody is configured for the number called.
    UnknownNumber,
    /// A voice webhook or a media stream of an account that is not the configured one.
    OtherAccount,
    /// A media socket that did not present its token in time.
    StartTimeout,
    /// A media socket whose token is not valid for its call.
    BadToken,
    /// A second media socket for a call that has one, or had one.
    SecondSocket,
    /// An AudioSocket whose UUID we did not issue, or issued too long ago, from a peer that is not allowed to bring others.
    UnknownUuid,
    /// A connection to the AudioSocket that did not begin with a UUID.
    NoUuid,
    /// An AudioSocket with audio at a rate that no call can have.
    MediaUnsupported,
    /// A browser's call from a page that is not ours.
    OtherOrigin,
    /// A browser's call by somebody who is not logged in, or may only look.
    NotLoggedIn,
    /// As many AudioSockets are open as may be.
    TooManySockets,
    /// More AudioSockets were opened from one address than may be in that time.
    TooManyConnects,
    /// The service is stopping.
    Draining,
    /// Live calls are served late already.
    Overloaded,
    /// As many calls are alive as may be.
    Full,
    /// As many calls of the business.
    BusinessFull,
    /// As many calls that the business placed.
    OutboundFull,
    /// It can't be known whether a slot is free: the database, which knows, is away.
    CapacityUnknown,
}
