//! Places calls: the one way in which anything here dials.
//!
//! [`Dialler::place`] takes a job that is stored and a slot that is free, and asks the carrier once. What it is told by
//! then is kept with the job: placed, not placed, or that nobody knows. In the last case nothing is dialled again. The job's
//! id stands in every address that the carrier is given, so that its first webhook says that the call is there
//! ([`Dialler::learn`]); and [`Resolver`](resolver::Resolver) asks the carrier about what stays unknown.

pub mod resolver;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix::Addr;
use thiserror::Error;
use url::form_urlencoded;

use crate::actors::call_status::{CallStatusActor, StatusOutcome, apply_status};
use crate::actors::capacity::{Capacity, NoSlot, Slot};
use crate::actors::lateness::Overload;
use crate::clock;
use crate::engine::ids::{BusinessId, CallSid, JobId};
use crate::engine::outbound::{JobState, OnMachine, OutboundJob, OutboundOrder};
use crate::engine::status::{CallDirection, CallStatus, CarrierSource, Party, StatusChange};
use crate::engine::wire::twiml::{Twiml, callback_url};
use crate::providers::carrier::{CallNow, Carrier, CarrierError, MachineDetection, NewCall};
use crate::store::{JobNews, Store, StoreError};
use crate::telemetry::{Event, Refusal, Telemetry};

/// How often it is looked whether a job of unknown outcome is resolved, while its slot is held.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long a slot is held for a call of which nobody knows whether it is there; longer than any call rings.
const HOLD_SLOT_FOR: Duration = Duration::from_secs(300);

/// What placing calls needs.
#[derive(Clone)]
pub struct DiallerSettings {
    /// The carrier's REST interface.
    pub carrier: Arc<dyn Carrier>,
    /// Our own address, at which the carrier reaches us, without a `/` at its end.
    pub public_url: String,
    /// How long a call may ring.
    pub ring_for: Duration,
    /// The longest that a call may last, by the carrier's clock, should ours fail.
    pub time_limit: Duration,
    /// Whether the service takes no new calls any more.
    pub is_stopping: Arc<AtomicBool>,
    /// Whether live calls are served late, so that no new ones are taken.
    pub overload: Arc<Overload>,
}

/// Why no call is placed now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotNow {
    /// The service is stopping: nobody would be there when somebody answers.
    Stopping,
    /// Live calls are served late already.
    Late,
    /// No slot is free.
    Full(NoSlot),
}

impl NotNow {
    /// How it is counted.
    pub const fn refusal(self) -> Refusal {
        match self {
            Self::Stopping => Refusal::Draining,
            Self::Late => Refusal::Overloaded,
            Self::Full(full) => full.refusal(),
        }
    }

    /// As it stands in answers.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Stopping => "the service is stopping",
            Self::Late => "live calls are served late, or soon would be",
            Self::Full(full) => full.reason(),
        }
    }
}

/// Places calls. Cheap to clone.
#[derive(Clone)]
pub struct Dialler {
    settings: DiallerSettings,
    store: Store,
    capacity: Capacity,
    status: Addr<CallStatusActor>,
    telemetry: Telemetry,
}

/// Why a job was not taken on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DialError {
    /// The database, in which it is kept that a job is being dialled, does not answer: nothing was dialled.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Dialler {
    /// A dialler.
    pub fn new(
        settings: DiallerSettings,
        store: Store,
        capacity: Capacity,
        status: Addr<CallStatusActor>,
        telemetry: Telemetry,
    ) -> Self {
        Self { settings, store, capacity, status, telemetry }
    }

    /// A slot for a call that is about to be placed, if this node takes new calls and one is free.
    pub async fn slot(&self, business: &BusinessId) -> Result<Slot, NotNow> {
        if let Some(why) = no_new_call(&self.settings.is_stopping, &self.settings.overload) {
            return Err(why);
        }
        let slot = self.capacity.slot(business, CallDirection::Outbound).await.map_err(NotNow::Full)?;
        // Whoever finds no slot takes nobody's turn.
        if self.settings.overload.takes_one() { Ok(slot) } else { Err(NotNow::Late) }
    }

    /// Asks the carrier to place the call of a job that waits, once: what has become of it. A job that somebody dials or has
    /// dialled is not dialled again.
    ///
    /// Goes on if whoever waits is dropped. To be called on an arbiter.
    ///
    /// # Errors
    /// Nothing was dialled: the database could not be told of it before.
    pub async fn place(&self, job: OutboundJob, slot: Slot) -> Result<OutboundJob, DialError> {
        let dialler = self.clone();
        match actix_rt::spawn(async move { dialler.dial(job, slot).await }).await {
            Ok(placed) => placed,
            Err(_) => Err(StoreError::Stopping.into()),
        }
    }

    /// Asks the carrier to place the call of a job whose one right to be dialled the asker has taken, in the database, just
    /// now. Goes on by itself; what becomes of it is kept with the job. To be called on an arbiter.
    pub fn place_begun(&self, job: OutboundJob, slot: Slot) {
        let dialler = self.clone();
        actix_rt::spawn(async move { dialler.ask(job, slot).await });
    }

    async fn dial(&self, job: OutboundJob, slot: Slot) -> Result<OutboundJob, DialError> {
        let id = job.job.clone();
        let is_ours = self.blocking(move |store| store.begin_dialling(&id, clock::wall_micros())).await?;
        match is_ours {
            true => Ok(self.ask(job, slot).await),
            false => Ok(self.job(&job.job).await?.unwrap_or(job)),
        }
    }

    async fn ask(&self, job: OutboundJob, slot: Slot) -> OutboundJob {
        let news = match self.settings.carrier.place(&self.new_call(&job)).await {
            Ok(call) => {
                self.capacity.keep(call.clone(), slot);
                self.note_placed(&job, &call).await;
                JobNews::Placed(call)
            }
            Err(error) => {
                self.telemetry.record(Event::CallNotPlaced { error: &error.to_string() });
                if error.outcome_is_unknown() {
                    self.hold(job.job.clone(), slot);
                    JobNews::Unknown(error.to_string())
                } else {
                    JobNews::NotPlaced(words(&error))
                }
            }
        };
        let (id, settled) = (job.job.clone(), news.clone());
        match self.blocking(move |store| store.settle_job(&id, &settled)).await {
            // A webhook may have told more already.
            Ok(_) => self.job(&job.job).await.ok().flatten().unwrap_or_else(|| told(job, news)),
            // It stays `dialling`, of unknown outcome for everybody who reads it, until it is resolved.
            Err(error) => {
                self.telemetry.record(Event::StatusNotStored { error: &error.to_string() });
                told(job, news)
            }
        }
    }

    /// The carrier has told of a call that a job made.
    pub async fn learn(&self, job: &JobId, call: &CallSid) -> Result<(), StoreError> {
        let (job, call) = (job.clone(), call.clone());
        self.blocking(move |store| store.settle_job(&job, &JobNews::Placed(call))).await?;
        Ok(())
    }

    /// Ends a call at the carrier, wherever its media stream is. One that is over already is no error.
    pub async fn hang_up(&self, call: &CallSid) -> Result<(), CarrierError> {
        self.settings.carrier.hang_up(call).await.inspect_err(|error| {
            self.telemetry.record(Event::CarrierFailed { call, error: &error.to_string() });
        })
    }

    /// Gives a call other instructions; its media stream ends by that, wherever it is. One that is over is left alone.
    pub async fn instruct(&self, call: &CallSid, twiml: Twiml) {
        let now = CallNow::Follow(twiml.into_string());
        match self.settings.carrier.update(call, &now).await {
            Ok(()) | Err(CarrierError::Over) => {}
            Err(error) => self.telemetry.record(Event::CarrierFailed { call, error: &error.to_string() }),
        }
    }

    /// The carrier's REST interface.
    fn carrier(&self) -> &Arc<dyn Carrier> {
        &self.settings.carrier
    }

    /// Where slots come from.
    pub fn capacity(&self) -> &Capacity {
        &self.capacity
    }

    fn new_call(&self, job: &OutboundJob) -> NewCall {
        let order = &job.order;
        let url = |path: &str| format!("{}{path}?{}", self.settings.public_url, JobInUrl::of(job).query());
        let machine_detection = (order.on_machine != OnMachine::Ignore).then(|| MachineDetection {
            until_the_beep: order.on_machine == OnMachine::LeaveMessage,
            result_url: callback_url(&url("/twilio/amd")),
        });
        NewCall {
            to: order.to.clone(),
            from: order.from.clone(),
            voice_url: url("/twilio/voice"),
            status_url: callback_url(&url("/twilio/status")),
            ring_for: self.settings.ring_for,
            time_limit: Some(self.settings.time_limit),
            machine_detection,
        }
    }

    /// The call's row begins with what we know of it.
    async fn note_placed(&self, job: &OutboundJob, call: &CallSid) {
        match apply_status(&self.status, placement(&job.order, call)).await {
            // The carrier told of its end before it answered us.
            Ok(StatusOutcome::Stored(stored)) if stored.status.is_final() => self.capacity.over(call),
            Ok(_) => {}
            Err(error) => self.telemetry.record(Event::StatusNotStored { error: &error.to_string() }),
        }
    }

    /// Holds the slot of a call that may be there, until it is known or can't be any more.
    fn hold(&self, job: JobId, slot: Slot) {
        let dialler = self.clone();
        actix_rt::spawn(async move {
            let until = clock::now() + HOLD_SLOT_FOR;
            while clock::now() < until {
                tokio::time::sleep(LOOK_EVERY).await;
                match dialler.job(&job).await {
                    Ok(Some(OutboundJob { state: JobState::Placed, call_sid: Some(call), .. })) => {
                        return dialler.capacity.keep(call, slot);
                    }
                    Ok(Some(OutboundJob { state: JobState::NotPlaced, .. }) | None) => return,
                    Ok(Some(_)) | Err(_) => {}
                }
            }
        });
    }

    async fn job(&self, job: &JobId) -> Result<Option<OutboundJob>, StoreError> {
        let job = job.clone();
        self.blocking(move |store| store.outbound_job(&job)).await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = self.store.clone();
        actix_rt::task::spawn_blocking(move || question(&store)).await.unwrap_or(Err(StoreError::Stopping))
    }
}

/// Why this node takes no new call, whatever slots are free.
fn no_new_call(is_stopping: &AtomicBool, overload: &Overload) -> Option<NotNow> {
    if is_stopping.load(Ordering::Relaxed) {
        return Some(NotNow::Stopping);
    }
    overload.is_on().then_some(NotNow::Late)
}

/// What a placed call's row begins with.
fn placement(order: &OutboundOrder, call: &CallSid) -> StatusChange {
    StatusChange {
        direction: Some(CallDirection::Outbound),
        business: Some(order.business.clone()),
        from: Some(Party::from(order.from.clone())),
        to: Some(Party::from(order.to.clone())),
        ..StatusChange::new(call.clone(), CallStatus::Queued, CarrierSource::Placement, clock::wall_micros())
    }
}

fn told(job: OutboundJob, news: JobNews) -> OutboundJob {
    match news {
        JobNews::Placed(call) => OutboundJob { state: JobState::Placed, call_sid: Some(call), ..job },
        JobNews::Unknown(error) => OutboundJob { state: JobState::Unknown, error: Some(error), ..job },
        JobNews::NotPlaced(error) => OutboundJob { state: JobState::NotPlaced, error: Some(error), ..job },
    }
}

/// Why the carrier does not place a call, in words that help.
fn words(error: &CarrierError) -> String {
    let remedy = match error {
        CarrierError::Refused { code: 21210 | 21606, .. } => "; `from` must be a number of the Twilio account",
        CarrierError::Refused { code: 21211 | 21217, .. } => "; `to` is no number that can be called",
        CarrierError::Refused { code: 21215 | 13227, .. } => "; the account may not call that country",
        CarrierError::Unauthorised(_) => "; check TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN",
        _ => "",
    };
    format!("{error}{remedy}")
}

/// What the addresses that belong to a job say. Twilio's signature is over them, so nobody else can say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobInUrl {
    /// Which job.
    pub job: JobId,
    /// Whose.
    pub business: BusinessId,
    /// What is done when a machine answers.
    pub on_machine: OnMachine,
}

impl JobInUrl {
    fn of(job: &OutboundJob) -> Self {
        Self { job: job.job.clone(), business: job.order.business.clone(), on_machine: job.order.on_machine }
    }

    fn query(&self) -> String {
        form_urlencoded::Serializer::new(String::new())
            .append_pair("job", self.job.as_str())
            .append_pair("business", self.business.as_str())
            .append_pair("on_machine", self.on_machine.as_str())
            .finish()
    }

    /// Reads a query; `None` if it names no job.
    pub fn from_query(query: &str) -> Option<Self> {
        let value = |name: &str| {
            form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
        };
        Some(Self {
            job: value("job")?.parse().ok()?,
            business: value("business")?.parse().ok()?,
            on_machine: value("on_machine")?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_call_is_placed_while_the_service_stops_or_is_late() {
        let (in_time, late) = (Overload::default(), Overload::of_late_threads(1));
        let [goes_on, stops] = [false, true].map(AtomicBool::new);
        assert_eq!(no_new_call(&goes_on, &in_time), None);
        assert_eq!(no_new_call(&goes_on, &late), Some(NotNow::Late));
        assert_eq!(no_new_call(&stops, &in_time), Some(NotNow::Stopping));
        assert_eq!(no_new_call(&stops, &late), Some(NotNow::Stopping));
    }

    #[test]
    fn what_an_address_says_reads_back() {
        let said = JobInUrl {
            job: "OB0123456789abcdef0123456789abcdef".parse().unwrap(),
            business: "Bäckerei & Söhne".parse().unwrap(),
            on_machine: OnMachine::LeaveMessage,
        };
        assert_eq!(JobInUrl::from_query(&said.query()), Some(said));
        for query in ["", "job=7", "job=OB0123456789abcdef0123456789abcdef", "business=A&on_machine=ignore"] {
            assert_eq!(JobInUrl::from_query(query), None, "{query}");
        }
    }
}
