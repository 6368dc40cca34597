//! Who owns which state, and in what order things happen.
//!
//! | actor | how many | owns |
//! |---|---|---|
//! | [`call::CallActor`] | one per call, on the thread of its socket | the call machine, the audio path, the voice agent's session |
//! | [`call_registry::CallRegistry`] | one | which calls are alive here, and what each ended call left to say |
//! | [`call_status::CallStatusActor`] | one | the `StatusWriter` |
//! | [`capacity::lease_keeper::LeaseKeeper`] | one | when slots for calls are leased and given back |
//! | [`dialler::resolver::Resolver`] | one | nothing: it asks the carrier about calls of which it is unknown whether they were placed |
//! | [`campaign::Campaign`] | one per campaign that this node holds | the campaign's lease, and with it its run and its leads |
//! | [`campaign::keeper::CampaignKeeper`] | one | nothing: it looks for campaigns that no node holds |
//! | [`own_recordings::OwnRecordings`] | one | which recordings were made here and are not told to the database yet |
//! | [`recording_starter::RecordingStarter`] | one | which calls this node has the carrier record |
//! | [`sweeper::Sweeper`] | one | when the carrier was asked about calls that stay open |
//! | [`recording_keeper::RecordingKeeper`] | one | when recordings are looked for whose time is over |
//! | [`business_keeper::BusinessKeeper`] | one | the picture of the businesses from which calls are served, and its writer |
//! | [`recording_supervisor::RecordingSupervisor`] | one | which steps of recordings' work this node does, and their leases |
//! | [`transcription_worker::TranscriptionWorker`] | a few | a recogniser |
//! | [`asterisk::AriController`] | one, where there is an Asterisk to steer | which channels and bridges belong to which call |
//! | [`webhook_sender::WebhookSender`] | one | which outgoing webhooks this node is sending |
//!
//! All of them run in a [`metered`] context: it counts their mailboxes and catches their panics. [`lateness`] is no
//! actor: it watches the threads on which calls live. Nor is [`live_feed`]: what calls tell to whoever watches them.

pub mod asterisk;
pub mod business_keeper;
pub mod call;
pub mod call_registry;
pub mod call_status;
pub mod campaign;
pub mod capacity;
pub mod dialler;
pub mod lateness;
pub mod live_feed;
pub mod metered;
pub mod own_recordings;
pub mod prompts;
pub mod recording_keeper;
pub mod recording_starter;
pub mod recording_supervisor;
pub mod shelf;
pub mod sweeper;
pub mod transcription_worker;
pub mod webhook_sender;
