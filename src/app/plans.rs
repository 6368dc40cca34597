//! What each call is made of.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::actors::call::{CallActor, CallPlan, FilesOfCall, SoundSettings};
use crate::actors::call_registry::Reservation;
use crate::actors::capacity::Capacity;
use crate::actors::metered::MailboxFigures;
use crate::clock;
use crate::config::{Business, Config};
use crate::engine::audio::Hz8k;
use crate::engine::ids::{AccountSid, CallSid};
use crate::engine::prompt::PromptBuilder;
use crate::providers::carrier::{Carrier, TwilioRest};
use crate::providers::voice_agent::{AgentBrief, VoiceAgent, local};
use crate::store::Store;
use crate::store::call_files::CallFiles;
use crate::telemetry::{Event, Telemetry};
use crate::transport::twilio_stream::{Admission, Claim, ClaimCall, MakePlan};

/// Makes the plan of each call that is admitted.
pub(super) fn plans(
    config: Arc<Config>,
    agent: Arc<dyn VoiceAgent<Hz8k>>,
    store: Store,
    files: CallFiles,
    capacity: Capacity,
    telemetry: Telemetry,
) -> MakePlan {
    let carrier = carrier(&config);
    let meter = MailboxFigures::of::<CallActor<Hz8k>>(&telemetry);
    Arc::new(move |admission: Admission, reservation: Reservation, media| {
        let business = config.business.iter().find(|business| business.name == admission.business);
        let record = store.turn_writer(admission.call.clone()).inspect_err(|error| {
            telemetry.record(Event::StatusNotStored { error: &error.to_string() });
        });
        CallPlan {
            call: admission.call.clone(),
            business: admission.business.clone(),
            settings: config.call_settings(business),
            audio: SoundSettings {
                vad: config.vad.clone(),
                endpoint: config.endpoint.clone(),
                playout: config.playout.clone(),
            },
            idle_timeout: Duration::from_millis(config.media.idle_timeout_ms.into()),
            agent: Arc::clone(&agent),
            brief: brief(&admission, business),
            phrases: Arc::new(local::phrase::<Hz8k>),
            media,
            record: record.ok(),
            files: FilesOfCall {
                all: files.clone(),
                recording: config.recording.enabled.then(|| files.recording(&admission.call)),
                journal: config.journal.enabled.then(|| files.journal(&admission.call)),
            },
            reservation: Some(reservation),
            slot: Some(capacity.start(&admission.call, &admission.business, admission.direction)),
            carrier: carrier.clone(),
            meter: Arc::clone(&meter),
            telemetry: telemetry.clone(),
        }
    })
}

/// What the agent is told. A business that has left the configuration since the call came in still answers,
/// under its name and without words of its own.
fn brief(admission: &Admission, business: Option<&Business>) -> AgentBrief {
    let language = business.map_or("en-US", |business| &business.language);
    let prompt = PromptBuilder {
        business: &admission.business,
        instructions: business.map_or("", |business| &business.prompt),
        language,
    };
    AgentBrief {
        call: admission.call.clone(),
        prompt: prompt.build(),
        greeting: business.and_then(|business| business.greeting.clone()),
        language: language.to_owned(),
        voice: business.and_then(|business| business.voice.clone()),
        may_transfer: business.is_some_and(|business| business.transfer_to.is_some()),
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

/// A name for this service among the nodes of one database: no other, here or elsewhere, has or had it.
pub(super) fn node_name() -> Arc<str> {
    static STARTED: AtomicU32 = AtomicU32::new(1);
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let (process, since) = (std::process::id(), clock::wall_micros() / 1_000_000);
    format!("{}-{process}-{since:x}-{}", host.trim(), STARTED.fetch_add(1, Ordering::Relaxed)).into()
}
