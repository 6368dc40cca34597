//! Who may bring a call's audio by AudioSocket, whose call it then is, and what is told of its end.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix::Addr;

use crate::actors::asterisk::{ExpectedCall, ExpectedCalls, Wishes};
use crate::actors::business_keeper::Businesses;
use crate::actors::call_registry::{CallRegistry, CarrierEnded, Reservation};
use crate::actors::call_status::{ApplyStatus, CallStatusActor};
use crate::actors::capacity::Capacity;
use crate::actors::lateness::Overload;
use crate::actors::metered;
use crate::clock;
use crate::config::AudioSocketSettings;
use crate::engine::audio::{Hz8k, Hz16k, Hz24k, Hz48k};
use crate::engine::call::Farewell;
use crate::engine::ids::{BusinessId, CallSid, PhoneNumber};
use crate::engine::status::{CallDirection, CallRow, CallStatus, CarrierSource, Party, Sourced, StatusChange};
use crate::engine::wire::audiosocket::{CallUuid, UuidSeal};
use crate::store::Store;
use crate::telemetry::{Refusal, Telemetry};
use crate::transport::admission::{Admission, ClaimCall, MakePlan};

use super::crowd::{Crowd, Place};

/// Whether a peer may bring calls under UUIDs of its own.
pub type IsAllowed = Box<dyn Fn(IpAddr) -> bool + Send + Sync>;

/// What calls are made of, by the rate of their audio.
pub struct Plans {
    /// At 8 kHz.
    pub hz8k: MakePlan<Hz8k>,
    /// At 16 kHz.
    pub hz16k: MakePlan<Hz16k>,
    /// At 24 kHz.
    pub hz24k: MakePlan<Hz24k>,
    /// At 48 kHz.
    pub hz48k: MakePlan<Hz48k>,
}

/// Everything that a connection needs before its call begins.
pub struct SocketDoor {
    /// Limits and times.
    pub settings: AudioSocketSettings,
    /// Who may bring calls under UUIDs of their own.
    pub is_allowed: IsAllowed,
    /// The calls that this node has told an Asterisk to connect.
    pub expected: ExpectedCalls,
    /// By which our own UUIDs are known.
    pub seal: UuidSeal,
    /// How many connections there may be.
    pub crowd: Crowd,
    /// A connection without audio for this long is dead.
    pub idle_timeout: Duration,
    /// How long the database may take to say whose call a UUID is.
    pub patience: Duration,
    /// Whose calls there can be.
    pub businesses: Businesses,
    /// Where it is written down whose call a UUID of ours is.
    pub store: Store,
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
    pub plans: Plans,
    /// Logs and figures.
    pub telemetry: Telemetry,
}

/// How a connection is over, as the record has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// There was a call.
    Completed,
    /// The call never began.
    Failed(&'static str),
}

impl SocketDoor {
    pub(super) fn place_for(&self, peer: IpAddr) -> Result<Place, Refusal> {
        if self.is_stopping.load(Ordering::Relaxed) {
            return Err(Refusal::Draining);
        }
        self.crowd.place_for(peer)
    }

    /// Whose call this is, and whether it may begin: then it is reserved here and claimed on all nodes, and in progress.
    pub(super) async fn admit(&self, id: CallUuid, peer: IpAddr) -> Result<(Admission, Reservation), Refusal> {
        let is_bound = self.seal.is_ours(&id);
        let admission = match self.expected.take(&id) {
            Some(call) => expected_call(id, call),
            None if is_bound => self.bound(id).await?,
            None if (self.is_allowed)(peer) => self.unbound(id)?,
            None => return Err(Refusal::UnknownUuid),
        };
        let reservation = admission.reserve(&self.registry, &self.claim).await?;
        // A call that was named has its room since then. Of the others only one that nobody else has may be refused on record.
        let (call, business) = (&admission.call, &admission.business);
        if !is_bound && let Err((why, reason)) = self.capacity.find_room(call, business, &self.overload).await {
            reservation.ended(Farewell::HangUp);
            metered::order(&self.status, ApplyStatus(rejected(&admission, reason)));
            metered::order(&self.registry, CarrierEnded(admission.call));
            return Err(why);
        }
        metered::order(&self.status, ApplyStatus(in_progress(&admission)));
        Ok((admission, reservation))
    }

    /// The call for which we issued the UUID. Where that can't be found out, it is nobody's: never another business's.
    async fn bound(&self, id: CallUuid) -> Result<Admission, Refusal> {
        let (store, call) = (self.store.clone(), id.call_sid());
        let found = actix_rt::task::spawn_blocking(move || store.call(&call));
        let Ok(Ok(Ok(Some(row)))) = tokio::time::timeout(self.patience, found).await else {
            return Err(Refusal::UnknownUuid);
        };
        let oldest = clock::wall_micros() - i64::from(self.settings.bind_s) * 1_000_000;
        if row.status != CallStatus::Initiated || row.created_at < oldest {
            return Err(Refusal::UnknownUuid);
        }
        bound_call(id, row).ok_or(Refusal::UnknownUuid)
    }

    /// A call under a UUID that the dialplan made up.
    fn unbound(&self, id: CallUuid) -> Result<Admission, Refusal> {
        let businesses = self.businesses.now();
        let business = match &self.settings.business {
            Some(id) => businesses.get(id),
            None => businesses.answering(None),
        };
        let business = business.ok_or(Refusal::UnknownNumber)?.id.clone();
        Ok(Admission {
            call: id.call_sid(),
            stream: id.stream_sid(),
            business,
            direction: CallDirection::Inbound,
            from: None,
            to: None,
            notes: Vec::new(),
            wishes: Wishes::default(),
        })
    }

    /// The connection is gone: that is the end of the call, which began `since` (microseconds since 1970-01-01 UTC).
    pub(super) fn over(&self, call: &CallSid, since: i64, over: Over) {
        let now = clock::wall_micros();
        let seconds = u32::try_from((now - since).max(0) / 1_000_000).unwrap_or(u32::MAX);
        let change = |status| StatusChange::new(call.clone(), status, CarrierSource::AudioSocket, now);
        let change = match over {
            Over::Completed => StatusChange { duration_s: Some(seconds), ..change(CallStatus::Completed) },
            Over::Failed(reason) => StatusChange { reason: Some(reason.to_owned()), ..change(CallStatus::Failed) },
        };
        metered::order(&self.status, ApplyStatus(change));
        metered::order(&self.registry, CarrierEnded(call.clone()));
        self.capacity.over(call);
    }
}

/// What was said of a call beforehand, on this node.
fn expected_call(id: CallUuid, call: ExpectedCall) -> Admission {
    let ExpectedCall { business, direction, from, to, notes, wishes } = call;
    Admission { call: id.call_sid(), stream: id.stream_sid(), business, direction, from, to, notes, wishes }
}

/// What is written down of a UUID of ours; `None` if it is not what we write down.
fn bound_call(id: CallUuid, row: CallRow) -> Option<Admission> {
    let number = |party: Option<Sourced<Party>>| -> Option<PhoneNumber> { party?.value.number().cloned() };
    let business: BusinessId = row.business?.value;
    Some(Admission {
        call: row.call_sid,
        stream: id.stream_sid(),
        business,
        direction: row.direction?.value,
        from: number(row.from),
        to: number(row.to),
        notes: Vec::new(),
        wishes: Wishes::default(),
    })
}

fn in_progress(admission: &Admission) -> StatusChange {
    StatusChange {
        direction: Some(admission.direction),
        business: Some(admission.business.clone()),
        ..StatusChange::new(
            admission.call.clone(),
            CallStatus::InProgress,
            CarrierSource::AudioSocket,
            clock::wall_micros(),
        )
    }
}

fn rejected(admission: &Admission, reason: &'static str) -> StatusChange {
    StatusChange {
        direction: Some(admission.direction),
        business: Some(admission.business.clone()),
        reason: Some(reason.to_owned()),
        ..StatusChange::new(admission.call.clone(), CallStatus::Rejected, CarrierSource::Refusal, clock::wall_micros())
    }
}
