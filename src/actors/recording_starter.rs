//! Has the carrier record calls: once each, as soon as they are answered.
//!
//! A call is answered when its first `in-progress` is known: by its authenticated media stream, or by the carrier's
//! webhook, whichever comes first, on whichever node. Both tell [`CallAnswered`]; the business's policy says whether the
//! carrier is asked, and a claim in the database that it is asked once, over all nodes.
//!
//! | what happens | what then |
//! |---|---|
//! | the database does not answer | the claim is made again after a pause, for as long as [`PAUSES_S`] last: the recording begins late |
//! | another node has claimed it | nothing: that node asks |
//! | the carrier refuses, or may have done it | it is said and counted; it is not asked again, for two recordings are worse than none |
//! | the call is over | it is counted |
//! | the node dies between its claim and its question | the call has no recording of the carrier; its media stream died with the node |

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use actix_rt::time::sleep;

use crate::actors::business_keeper::Businesses;
use crate::actors::metered::{MailboxFigures, Metered, MeteredActor};
use crate::clock;
use crate::engine::ids::{BusinessId, CallSid, RecordingSid};
use crate::engine::recording::{RecordingId, RecordingPolicy, RecordingState};
use crate::providers::carrier::{Carrier, CarrierError, NewRecording};
use crate::store::recordings::RecordingReport;
use crate::store::{Store, StoreError};
use crate::telemetry::{Event, Telemetry};

/// How many seconds it waits before each further claim, while the database does not answer: three minutes in all. Longer than that
/// a database is seldom away, and most calls are over.
const PAUSES_S: [u64; 8] = [1, 1, 2, 4, 8, 15, 30, 120];
/// How many calls are remembered as asked for: two nodes' webhooks about one call come within seconds of each other.
const REMEMBERED: usize = 4_096;

/// A call was answered: it is in progress. To be told as often as it is known.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct CallAnswered {
    /// Which call.
    pub call: CallSid,
    /// Whose, if whoever tells it knows.
    pub business: Option<BusinessId>,
}

/// A call's own recording can't be made, and the carrier shall record what is left of the call, whatever the policy.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct RecordInstead(pub CallSid);

/// What the starter works with.
#[derive(Clone)]
pub struct StarterParts {
    /// Whom to ask; `None` where no carrier is configured.
    pub carrier: Option<Arc<dyn Carrier>>,
    /// Where the carrier tells that a recording is ready; `None` while the service's own address is not known.
    pub status_url: Option<String>,
    /// Each business's own policy …
    pub businesses: Businesses,
    /// … and the one of those that have none.
    pub policy: RecordingPolicy,
    /// For claims.
    pub store: Store,
    /// This node's name.
    pub node: Arc<str>,
    /// Logs and figures.
    pub telemetry: Telemetry,
}

/// Asks the carrier to record.
pub struct RecordingStarter {
    parts: StarterParts,
    asked: Remembered,
}

impl RecordingStarter {
    /// Starts it on a thread of somebody's choice.
    pub fn start(parts: StarterParts, arbiter: &ArbiterHandle) -> Addr<Self> {
        let meter = MailboxFigures::of::<Self>(&parts.telemetry);
        Metered::create_in(arbiter, meter, |_| Self { parts, asked: Remembered::default() })
    }

    fn ask_once(&mut self, call: CallSid, ctx: &mut Metered<Self>) {
        if self.asked.insert(&call) {
            let parts = self.parts.clone();
            ctx.spawn(async move { parts.ask(&call).await }.into_actor(self));
        }
    }
}

impl Actor for RecordingStarter {
    type Context = Metered<Self>;
}

impl MeteredActor for RecordingStarter {
    const KIND: &'static str = "recording_starter";

    /// What was asked goes on; whatever is told next is handled as before.
    fn panicked(&mut self, _message: &str, _ctx: &mut Metered<Self>) {}
}

impl Handler<CallAnswered> for RecordingStarter {
    type Result = ();

    fn handle(&mut self, CallAnswered { call, business }: CallAnswered, ctx: &mut Metered<Self>) {
        if self.asked.has(&call) {
            return;
        }
        if let Some(business) = business {
            if self.parts.policy_of(&business).asks_carrier() {
                self.ask_once(call, ctx);
            }
            return;
        }
        // A webhook does not say whose call it is. Where nobody knows yet, the media stream will say it.
        let (store, sid) = (self.parts.store.clone(), call.clone());
        let row = actix_rt::task::spawn_blocking(move || store.call(&sid));
        ctx.spawn(row.into_actor(self).map(move |row, this, ctx| {
            let owner = row.ok().and_then(Result::ok).flatten().and_then(|row| row.business);
            if owner.is_some_and(|owner| this.parts.policy_of(&owner.value).asks_carrier()) {
                this.ask_once(call, ctx);
            }
        }));
    }
}

impl Handler<RecordInstead> for RecordingStarter {
    type Result = ();

    fn handle(&mut self, RecordInstead(call): RecordInstead, ctx: &mut Metered<Self>) {
        self.ask_once(call, ctx);
    }
}

impl StarterParts {
    fn policy_of(&self, business: &BusinessId) -> RecordingPolicy {
        let own = self.businesses.now().get(business).and_then(|business| business.profile.recording);
        own.unwrap_or(self.policy)
    }

    async fn ask(&self, call: &CallSid) {
        let (Some(carrier), Some(status_url)) = (&self.carrier, &self.status_url) else {
            let error = "no carrier: set twilio.account_sid, TWILIO_AUTH_TOKEN and http.public_url";
            return self.telemetry.record(Event::RecordingAsked { call, result: "failed", error });
        };
        match self.claim(call).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                let error = error.to_string();
                return self.telemetry.record(Event::RecordingAsked { call, result: "failed", error: &error });
            }
        }
        let recording = NewRecording { status_url: status_url.clone(), two_channels: true };
        let (result, error) = match carrier.record(call, &recording).await {
            Ok(recording) => {
                self.tell_started(call, recording).await;
                ("started", String::new())
            }
            Err(error @ (CarrierError::Over | CarrierError::NotFound)) => ("over", error.to_string()),
            Err(error) => ("failed", error.to_string()),
        };
        self.telemetry.record(Event::RecordingAsked { call, result, error: &error });
    }

    /// So that the recording is waited for after the call, though the carrier's word that it is complete is lost.
    async fn tell_started(&self, call: &CallSid, recording: RecordingSid) {
        let report = RecordingReport::new(RecordingId::Carrier(recording), call.clone(), RecordingState::Started);
        let (store, at) = (self.store.clone(), clock::wall_micros());
        let told = actix_rt::task::spawn_blocking(move || store.hear_of_recording(&report, at)).await;
        if let Err(error) = told.unwrap_or(Err(StoreError::Stopping)) {
            self.telemetry.record(Event::StatusNotStored { error: &error.to_string() });
        }
    }

    /// Whether this node is the one that asks.
    async fn claim(&self, call: &CallSid) -> Result<bool, StoreError> {
        let at = clock::wall_micros();
        let mut pauses = PAUSES_S.into_iter().map(Duration::from_secs);
        loop {
            let (store, node, call) = (self.store.clone(), Arc::clone(&self.node), call.clone());
            let claimed = actix_rt::task::spawn_blocking(move || store.claim_recording(&call, &node, at)).await;
            match (claimed.unwrap_or(Err(StoreError::Stopping)), pauses.next()) {
                (Err(error), Some(pause)) if error.is_retryable() => sleep(pause).await,
                (claimed, _) => return claimed,
            }
        }
    }
}

/// The calls that were asked for lately, by their [number](CallSid::number).
#[derive(Default)]
struct Remembered {
    calls: HashSet<u128>,
    order: VecDeque<u128>,
}

impl Remembered {
    fn has(&self, call: &CallSid) -> bool {
        self.calls.contains(&call.number())
    }

    /// Whether it is new.
    fn insert(&mut self, call: &CallSid) -> bool {
        if !self.calls.insert(call.number()) {
            return false;
        }
        self.order.push_back(call.number());
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.calls.remove(&oldest);
        }
        true
    }
}
