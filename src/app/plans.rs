//! What each call is made of.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use actix::Addr;

use crate::actors::asterisk::Wishes;
use crate::actors::business_keeper::Businesses;
use crate::actors::call::{CallActor, CallPlan, FilesOfCall, SoundSettings};
use crate::actors::call_registry::Reservation;
use crate::actors::capacity::Capacity;
use crate::actors::live_feed::LiveFeed;
use crate::actors::metered::{MailboxFigures, Meter, order};
use crate::actors::prompts::Prompts;
use crate::actors::recording_starter::{CallAnswered, RecordingStarter};
use crate::clock;
use crate::config::Config;
use crate::engine::audio::{CallRate, Hz8k};
use crate::engine::business::Business;
use crate::engine::ids::{AccountSid, CallSid};
use crate::engine::prompt::{CallContext, Channel};
use crate::providers::carrier::{Carrier, TwilioRest};
use crate::providers::voice_agent::{AgentBrief, local};
use crate::store::Store;
use crate::store::call_files::CallFiles;
use crate::telemetry::{Event, Telemetry};
use crate::transport::admission::{Admission, Claim, ClaimCall, MakePlan};
use crate::transport::twilio_stream::FindNotes;

use super::agents::Agents;

/// What plans are made of.
#[derive(Clone)]
pub(super) struct Makings {
    pub config: Arc<Config>,
    pub businesses: Businesses,
    pub prompts: Prompts,
    pub store: Store,
    pub files: CallFiles,
    pub capacity: Capacity,
    /// Who has the carrier record a call; `None` where no carrier can.
    pub recorder: Option<Addr<RecordingStarter>>,
    /// Who ends a call if closing its media stream does not; `None`: closing always does.
    pub carrier: Option<Arc<dyn Carrier>>,
    /// Whether a call can be handed over to another number.
    pub can_transfer: bool,
    /// Of all calls.
    pub meter: Arc<dyn Meter>,
    pub live: LiveFeed,
    pub telemetry: Telemetry,
}

/// The figures of the mailboxes of calls at any rate.
pub(super) fn meter(telemetry: &Telemetry) -> Arc<dyn Meter> {
    MailboxFigures::of::<CallActor<Hz8k>>(telemetry)
}

/// Makes the plan of each call that is admitted.
pub(super) fn plans<R: CallRate>(makings: Makings, agents: Agents<R>) -> MakePlan<R> {
    let Makings {
        config,
        businesses,
        prompts,
        store,
        files,
        capacity,
        recorder,
        carrier,
        can_transfer,
        meter,
        live,
        telemetry,
    } = makings;
    Arc::new(move |admission: Admission, reservation: Reservation, media| {
        // One that was deleted since the call came in, or that this node does not see yet, still answers: under its id
        // and without words of its own.
        let business = businesses.now().get(&admission.business).cloned();
        let business = business.unwrap_or_else(|| Arc::new(Business::nameless(&admission.business)));
        let business = wanted(business, &admission.wishes);
        let can_transfer = can_transfer || admission.wishes.can_transfer;
        let policy = business.profile.recording.unwrap_or(config.recording.policy);
        if let Some(recorder) = &recorder {
            let answered = CallAnswered { call: admission.call.clone(), business: Some(admission.business.clone()) };
            order(recorder, answered);
        }
        let record = store.turn_writer(admission.call.clone()).inspect_err(|error| {
            telemetry.record(Event::StatusNotStored { error: &error.to_string() });
        });
        let agent = agents.of(&business);
        let transfer_to = business.profile.transfer_to.clone().filter(|_| can_transfer);
        CallPlan {
            call: admission.call.clone(),
            business: admission.business.clone(),
            settings: config.call_settings(transfer_to, agent.turns()),
            audio: SoundSettings {
                vad: config.vad.clone(),
                endpoint: config.endpoint.clone(),
                playout: config.playout.clone(),
            },
            idle_timeout: Duration::from_millis(config.media.idle_timeout_ms.into()),
            agent,
            brief: brief(&admission, &business, &prompts, can_transfer),
            phrases: Arc::new(local::phrase::<R>),
            media,
            record: record.ok(),
            files: FilesOfCall {
                all: files.clone(),
                recording: policy.records_here().then(|| files.recording(&admission.call)),
                journal: config.journal.enabled.then(|| files.journal(&admission.call)),
            },
            reservation: Some(reservation),
            slot: Some(capacity.start(&admission.call, &admission.business, admission.direction)),
            carrier: carrier.clone(),
            meter: Arc::clone(&meter),
            live: live.clone(),
            telemetry: telemetry.clone(),
        }
    })
}

/// The business as the dialplan wants it in this call.
fn wanted(business: Arc<Business>, wishes: &Wishes) -> Arc<Business> {
    if wishes.agent.is_none() && wishes.greeting.is_none() {
        return business;
    }
    let mut wanted = (*business).clone();
    let profile = &mut wanted.profile;
    profile.agent = wishes.agent.clone().or(profile.agent.take());
    profile.greeting = wishes.greeting.clone().or(profile.greeting.take());
    Arc::new(wanted)
}

/// What the agent is told. The one place where the prompt of a call is made.
fn brief(admission: &Admission, business: &Business, prompts: &Prompts, can_transfer: bool) -> AgentBrief {
    let call = CallContext {
        from: admission.from.clone(),
        to: admission.to.clone(),
        at: Some(clock::wall_micros()),
        notes: admission.notes.clone(),
    };
    let profile = &business.profile;
    AgentBrief {
        call: admission.call.clone(),
        prompt: prompts.of_call(business, Channel::Call(admission.direction), &call),
        greeting: profile.greeting.clone(),
        language: profile.language.clone(),
        voice: profile.voice.clone(),
        may_transfer: can_transfer && profile.transfer_to.is_some(),
        history: Vec::new(),
    }
}

/// The carrier's REST interface, if its credentials are known.
pub(super) fn carrier(config: &Config) -> Option<Arc<dyn Carrier>> {
    let account: AccountSid = config.twilio.account_sid.clone()?;
    let token = config.twilio.auth_token.clone()?;
    Some(Arc::new(TwilioRest::new(config.twilio.api_url.as_str(), account, token)))
}

/// Claims a call's media for this node. A store that can't say so now lets the call go on: this node's own
/// directory has already refused a second socket.
pub(super) fn claims(store: Store, node: Arc<str>) -> ClaimCall {
    Arc::new(move |call: CallSid| {
        let (store, node) = (store.clone(), Arc::clone(&node));
        let claim = actix_web::web::block(move || store.claim_media(&call, &node, clock::wall_micros()));
        Box::pin(async move {
            match claim.await {
                Ok(Ok(false)) => Claim::Taken,
                Ok(Ok(true) | Err(_)) | Err(_) => Claim::Ours,
            }
        })
    })
}

/// Finds what the agent of a placed call is told of it, but not for longer than `patience`: somebody has answered.
pub(super) fn notes(store: Store, patience: Duration) -> FindNotes {
    Arc::new(move |call: CallSid| {
        let store = store.clone();
        let found = actix_web::web::block(move || store.outbound_job_of_call(&call));
        Box::pin(async move {
            match tokio::time::timeout(patience, found).await {
                Ok(Ok(Ok(Some(job)))) => job.order.context,
                Ok(Ok(Ok(None) | Err(_)) | Err(_)) | Err(_) => Vec::new(),
            }
        })
    })
}

/// A name for this service among the nodes of one database: no other, here or elsewhere, has or had it.
pub(super) fn node_name() -> Arc<str> {
    static STARTED: AtomicU32 = AtomicU32::new(1);
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let (process, since) = (std::process::id(), clock::wall_micros() / 1_000_000);
    format!("{}-{process}-{since:x}-{}", host.trim(), STARTED.fetch_add(1, Ordering::Relaxed)).into()
}
