//! The way from a media socket to a call, the same whatever carries the audio: the call is reserved in the directory, then
//! claimed over all nodes.

use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use futures_util::future::LocalBoxFuture;

use crate::actors::asterisk::Wishes;
use crate::actors::call::{CallPlan, MediaPort};
use crate::actors::call_registry::{CallRegistry, LiveCall, NotRegistered, Reservation, ReserveCall};
use crate::actors::metered;
use crate::clock;
use crate::engine::ids::{BusinessId, CallSid, PhoneNumber, StreamSid};
use crate::engine::status::CallDirection;
use crate::telemetry::Refusal;

/// A media stream that has the right to its call.
#[derive(Clone, Debug)]
pub struct Admission {
    /// Which call.
    pub call: CallSid,
    /// Which stream.
    pub stream: StreamSid,
    /// Whose call, as we said, and signed, when it came in.
    pub business: BusinessId,
    /// Who called whom, likewise.
    pub direction: CallDirection,
    /// The caller's number, where it is one and known.
    pub from: Option<PhoneNumber>,
    /// The called number, where it is one and known.
    pub to: Option<PhoneNumber>,
    /// What the agent is told of the person or the matter, of a call that we placed.
    pub notes: Vec<(String, String)>,
    /// What a dialplan wants of it.
    pub wishes: Wishes,
}

/// Who has the right to a call's media, over all nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// This socket: nobody had it before.
    Ours,
    /// Another socket, here or on another node.
    Taken,
}

/// Claims a call's media for this node, in the database or, while that is away, in the spool.
pub type ClaimCall = Arc<dyn Fn(CallSid) -> LocalBoxFuture<'static, Claim> + Send + Sync>;
/// Makes the plan of a call that was admitted, at this rate.
pub type MakePlan<R> = Arc<dyn Fn(Admission, Reservation, Box<dyn MediaPort<R>>) -> CallPlan<R> + Send + Sync>;

/// How long the directory of calls may take to answer. It does nothing but look up: longer means that it is gone.
const REGISTRY_ANSWERS_WITHIN: Duration = Duration::from_secs(2);

impl Admission {
    /// Reserves the call here, then claims it on all nodes.
    pub(super) async fn reserve(
        &self,
        registry: &Addr<CallRegistry>,
        claim: &ClaimCall,
    ) -> Result<Reservation, Refusal> {
        let reserve = ReserveCall(LiveCall {
            call: self.call.clone(),
            business: self.business.clone(),
            direction: self.direction,
            since: clock::wall_micros(),
        });
        let reservation = match metered::ask(registry, reserve, REGISTRY_ANSWERS_WITHIN).await {
            Ok(Ok(reservation)) => reservation,
            Ok(Err(NotRegistered::SecondSocket)) => return Err(Refusal::SecondSocket),
            Ok(Err(NotRegistered::Draining)) | Err(_) => return Err(Refusal::Draining),
        };
        if claim(self.call.clone()).await == Claim::Taken {
            reservation.withdraw();
            return Err(Refusal::SecondSocket);
        }
        Ok(reservation)
    }
}
