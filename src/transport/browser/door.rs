//! Who may place a call from a browser, whose call it then is, and what is told of its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix::Addr;
use actix_web::HttpRequest;

use crate::actors::asterisk::Wishes;
use crate::actors::business_keeper::Businesses;
use crate::actors::call_registry::{CallRegistry, CarrierEnded, Reservation};
use crate::actors::call_status::{ApplyStatus, CallStatusActor};
use crate::actors::capacity::Capacity;
use crate::actors::lateness::Overload;
use crate::actors::metered;
use crate::clock;
use crate::engine::audio::Hz16k;
use crate::engine::call::Farewell;
use crate::engine::ids::{BusinessId, CallSid, StreamSid};
use crate::engine::status::{CallDirection, CallStatus, CarrierSource, Party, StatusChange};
use crate::telemetry::{Refusal, Telemetry};
use crate::transport::admission::{Admission, ClaimCall, MakePlan};

/// How the calling party of a browser's call is named in the record.
const FROM: &str = "browser";

/// Somebody who may place calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guest {
    /// The only business to which; `None`: to every.
    pub business: Option<BusinessId>,
}

/// Who asks to place a call, if they may; else how it is counted, and the answer.
pub type MayCall = Box<dyn Fn(&HttpRequest) -> Result<Guest, (Refusal, actix_web::Error)> + Send + Sync>;

/// Everything that a browser's socket needs before its call begins.
pub struct BrowserDoor {
    /// Who may place calls.
    pub may_call: MayCall,
    /// How long a socket may take to say whom it calls.
    pub start_timeout: Duration,
    /// Whose calls there can be.
    pub businesses: Businesses,
    /// Which calls are alive.
    pub registry: Addr<CallRegistry>,
    /// Where the call's status goes.
    pub status: Addr<CallStatusActor>,
    /// How many calls there may be.
    pub capacity: Capacity,
    /// Whether live calls are served late already.
    pub overload: Arc<Overload>,
    /// Whether the service is stopping.
    pub is_stopping: Arc<AtomicBool>,
    /// One media stream for each call, over all nodes.
    pub claim: ClaimCall,
    /// What a call is made of.
    pub plan: MakePlan<Hz16k>,
    /// Logs and figures.
    pub telemetry: Telemetry,
}

/// Why there is no call: how that is counted, and what its caller reads.
pub(super) type Refused = (Refusal, &'static str);

impl BrowserDoor {
    /// A call of this guest: whose, if it may begin. Then it is reserved here and claimed on all nodes, and in progress.
    pub(super) async fn admit(
        &self,
        guest: &Guest,
        wanted: Option<BusinessId>,
    ) -> Result<(Admission, Reservation), Refused> {
        if self.is_stopping.load(Ordering::Relaxed) {
            return Err((Refusal::Draining, "the service is stopping"));
        }
        let business = self.business(guest, wanted)?;
        let (call, stream) = names().ok_or((Refusal::CapacityUnknown, "the system has no random numbers"))?;
        let admission = Admission {
            call,
            stream,
            business,
            direction: CallDirection::Inbound,
            from: None,
            to: None,
            notes: Vec::new(),
            wishes: Wishes::default(),
        };
        let reserved = admission.reserve(&self.registry, &self.claim).await;
        let reservation = reserved.map_err(|why| (why, "the service is stopping"))?;
        let room = self.capacity.find_room(&admission.call, &admission.business, &self.overload);
        if let Err((why, reason)) = room.await {
            reservation.ended(Farewell::HangUp);
            let rejected = self.change(&admission, CallStatus::Rejected, CarrierSource::Refusal);
            metered::order(&self.status, ApplyStatus(StatusChange { reason: Some(reason.to_owned()), ..rejected }));
            metered::order(&self.registry, CarrierEnded(admission.call));
            return Err((why, reason));
        }
        let begun = self.change(&admission, CallStatus::InProgress, CarrierSource::Browser);
        metered::order(&self.status, ApplyStatus(begun));
        Ok((admission, reservation))
    }

    /// The business that is called; for somebody else's, the answer is that of one that does not exist.
    fn business(&self, guest: &Guest, wanted: Option<BusinessId>) -> Result<BusinessId, Refused> {
        let businesses = self.businesses.now();
        let found = match wanted.as_ref().or(guest.business.as_ref()) {
            Some(id) => businesses.get(id),
            None => businesses.answering(None),
        };
        let is_allowed = |id: &BusinessId| guest.business.as_ref().is_none_or(|own| own == id);
        let found = found.map(|business| &business.id).filter(|id| is_allowed(id));
        found.cloned().ok_or((Refusal::UnknownNumber, "there is no such business"))
    }

    fn change(&self, admission: &Admission, status: CallStatus, source: CarrierSource) -> StatusChange {
        let Ok(from) = FROM.parse::<Party>();
        StatusChange {
            direction: Some(admission.direction),
            business: Some(admission.business.clone()),
            from: Some(from),
            ..StatusChange::new(admission.call.clone(), status, source, clock::wall_micros())
        }
    }

    /// The socket is gone: that is the end of the call, which began `since` (microseconds since 1970-01-01 UTC).
    pub(super) fn over(&self, call: &CallSid, since: i64) {
        let now = clock::wall_micros();
        let seconds = u32::try_from((now - since).max(0) / 1_000_000).unwrap_or(u32::MAX);
        let completed = StatusChange::new(call.clone(), CallStatus::Completed, CarrierSource::Browser, now);
        metered::order(&self.status, ApplyStatus(StatusChange { duration_s: Some(seconds), ..completed }));
        metered::order(&self.registry, CarrierEnded(call.clone()));
        self.capacity.over(call);
    }
}

/// A new call, and its stream; `None` if the system has no random bytes.
fn names() -> Option<(CallSid, StreamSid)> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    let digits = format!("{:032x}", u128::from_be_bytes(bytes));
    Some((format!("CA{digits}").parse().ok()?, format!("MZ{digits}").parse().ok()?))
}
