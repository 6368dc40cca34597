//! Who may bring a call's audio: the checks between a socket and a call.

use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use futures_util::future::LocalBoxFuture;

use crate::actors::asterisk::Wishes;
use crate::actors::call_registry::{CallRegistry, Reservation};
use crate::actors::call_status::{ApplyStatus, CallStatusActor};
use crate::actors::metered;
use crate::clock;
use crate::engine::audio::Hz8k;
use crate::engine::ids::{AccountSid, CallSid};
use crate::engine::status::{CallDirection, CallStatus, CarrierSource, StatusChange};
use crate::engine::wire::auth::RequestAuth;
use crate::engine::wire::media_stream::StreamStart;
use crate::engine::wire::token::{MediaTokens, TOKEN_PARAMETER};
use crate::telemetry::{Refusal, Telemetry};
use crate::transport::admission::{Admission, ClaimCall, MakePlan};

/// Finds what the agent is told of a call that we placed; nothing, if that takes too long.
pub type FindNotes = Arc<dyn Fn(CallSid) -> LocalBoxFuture<'static, Vec<(String, String)>> + Send + Sync>;

/// Everything that a media socket needs before its call begins.
pub struct StreamDoor {
    /// Twilio's signatures.
    pub auth: RequestAuth,
    /// Our own tokens; the first of them issues.
    pub tokens: MediaTokens,
    /// Whose calls are answered; `None` while that is not configured.
    pub account: Option<AccountSid>,
    /// For how long a token is good.
    pub token_max_age: Duration,
    /// How long a socket may take to present its token.
    pub start_timeout: Duration,
    /// The longest message.
    pub max_message_bytes: usize,
    /// Which calls are alive.
    pub registry: Addr<CallRegistry>,
    /// Where the call's status goes.
    pub status: Addr<CallStatusActor>,
    /// One media stream for each call, over all nodes.
    pub claim: ClaimCall,
    /// What is known of a call that we placed.
    pub notes: FindNotes,
    /// What a call is made of.
    pub plan: MakePlan<Hz8k>,
    /// Logs and figures.
    pub telemetry: Telemetry,
}

impl StreamDoor {
    /// Checks the account and the token of a `start`.
    pub(super) fn admit(&self, start: &StreamStart) -> Result<Admission, Refusal> {
        if self.account.as_ref().is_some_and(|ours| *ours != start.account_sid) {
            return Err(Refusal::OtherAccount);
        }
        let token = start.custom_parameters.get(TOKEN_PARAMETER).ok_or(Refusal::BadToken)?;
        let now = clock::wall_micros() / 1_000_000;
        let claims =
            self.tokens.verify(token, &start.call_sid, now, self.token_max_age).map_err(|_| Refusal::BadToken)?;
        Ok(Admission {
            call: start.call_sid.clone(),
            stream: start.stream_sid.clone(),
            business: claims.business,
            direction: claims.direction,
            from: claims.from,
            to: claims.to,
            notes: Vec::new(),
            wishes: Wishes::default(),
        })
    }

    /// The same with what is known of the call, if we placed it.
    pub(super) async fn informed(&self, admission: Admission) -> Admission {
        match admission.direction {
            CallDirection::Inbound => admission,
            CallDirection::Outbound => Admission { notes: (self.notes)(admission.call.clone()).await, ..admission },
        }
    }

    /// Reserves the call here, then claims it on all nodes; its authenticated start is the carrier's word that
    /// the call is in progress.
    pub(super) async fn reserve(&self, admission: &Admission) -> Result<Reservation, Refusal> {
        let reservation = admission.reserve(&self.registry, &self.claim).await?;
        metered::order(&self.status, ApplyStatus(in_progress(admission)));
        Ok(reservation)
    }
}

/// Twilio reports no `in-progress` for an inbound call: the stream's start says it.
fn in_progress(admission: &Admission) -> StatusChange {
    StatusChange {
        event_id: Some(admission.stream.to_string()),
        direction: Some(admission.direction),
        business: Some(admission.business.clone()),
        ..StatusChange::new(
            admission.call.clone(),
            CallStatus::InProgress,
            CarrierSource::StreamStart,
            clock::wall_micros(),
        )
    }
}
