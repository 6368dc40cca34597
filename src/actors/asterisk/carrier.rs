//! Placing calls through an Asterisk, as through any carrier.
//!
//! What a carrier can do besides (numbers, instructions in its own language, recordings, telling machines from people) an
//! Asterisk can't, and says so.

use std::time::Duration;

use actix::Addr;

use crate::actors::dialler::JobInUrl;
use crate::actors::metered::{AskError, ask};
use crate::engine::ids::{CallSid, NumberSid, PhoneNumber, RecordingSid};
use crate::engine::status::CallStatus;
use crate::providers::ari::AriError;
use crate::providers::carrier::{
    CallNow, CallsSought, Carrier, CarrierAnswer, CarrierCall, CarrierError, CarrierNumber, NewCall, NewRecording,
    NumberUrls,
};
use crate::store::Store;

use super::{AriController, EndCall, FindCall, PlaceCall};

/// How long the controller may take besides what Asterisk may.
const CONTROLLER_ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// An Asterisk that places calls.
pub struct AriCarrier {
    /// Who knows its channels.
    pub controller: Addr<AriController>,
    /// Where it is kept what a call is about.
    pub store: Store,
    /// Whom to call over what: Asterisk's words, with `{number}` for the number.
    pub dial: String,
    /// How long Asterisk may take to answer.
    pub answer_within: Duration,
}

impl AriCarrier {
    async fn placed(&self, call: &NewCall) -> Result<CallSid, CarrierError> {
        let query = call.voice_url.split_once('?').map_or("", |(_, query)| query);
        let Some(job) = JobInUrl::from_query(query) else { return Err(unable()) };
        let (store, id) = (self.store.clone(), job.job);
        let found = actix_rt::task::spawn_blocking(move || store.outbound_job(&id)).await;
        let notes = match found {
            Ok(Ok(Some(job))) => job.order.context,
            Ok(Ok(None) | Err(_)) | Err(_) => Vec::new(),
        };
        let place = PlaceCall {
            endpoint: self.dial.replace("{number}", call.to.as_str()),
            to: call.to.clone(),
            from: call.from.clone(),
            business: job.business,
            notes,
            ring_for: call.ring_for,
        };
        match ask(&self.controller, place, self.answer_within + CONTROLLER_ANSWERS_WITHIN).await {
            Ok(placed) => placed.map_err(carrier_error),
            Err(error) => Err(not_told(error)),
        }
    }
}

impl Carrier for AriCarrier {
    fn place<'a>(&'a self, call: &'a NewCall) -> CarrierAnswer<'a, CallSid> {
        Box::pin(self.placed(call))
    }

    fn hang_up<'a>(&'a self, call: &'a CallSid) -> CarrierAnswer<'a, ()> {
        Box::pin(async move {
            let end = EndCall(call.clone());
            match ask(&self.controller, end, self.answer_within + CONTROLLER_ANSWERS_WITHIN).await {
                Ok(ended) => ended.map_err(carrier_error),
                Err(error) => Err(not_told(error)),
            }
        })
    }

    fn update<'a>(&'a self, _: &'a CallSid, _: &'a CallNow) -> CarrierAnswer<'a, ()> {
        Box::pin(async { Err(unable()) })
    }

    fn call<'a>(&'a self, call: &'a CallSid) -> CarrierAnswer<'a, CarrierCall> {
        Box::pin(async move {
            match ask(&self.controller, FindCall(call.clone()), CONTROLLER_ANSWERS_WITHIN).await {
                Ok(true) => Ok(going_on(call.clone())),
                Ok(false) => Err(CarrierError::NotFound),
                Err(error) => Err(not_told(error)),
            }
        })
    }

    /// None: a call that Asterisk has not told us that it took is ended before it is answered.
    fn calls<'a>(&'a self, _: &'a CallsSought) -> CarrierAnswer<'a, Vec<CarrierCall>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn numbers<'a>(&'a self, _: Option<&'a PhoneNumber>) -> CarrierAnswer<'a, Vec<CarrierNumber>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn set_number<'a>(&'a self, _: &'a NumberSid, _: &'a NumberUrls) -> CarrierAnswer<'a, CarrierNumber> {
        Box::pin(async { Err(unable()) })
    }

    fn record<'a>(&'a self, _: &'a CallSid, _: &'a NewRecording) -> CarrierAnswer<'a, RecordingSid> {
        Box::pin(async { Err(unable()) })
    }
}

/// There is no such thing here: nothing was done.
const fn unable() -> CarrierError {
    CarrierError::Refused { status: 501, code: 0 }
}

fn not_told(error: AskError) -> CarrierError {
    CarrierError::NoAnswer(error.to_string())
}

fn carrier_error(error: AriError) -> CarrierError {
    match error {
        AriError::Unreachable(why) => CarrierError::Unreachable(why),
        AriError::NoAnswer(why) => CarrierError::NoAnswer(why),
        AriError::Unauthorised(status) => CarrierError::Unauthorised(status),
        AriError::NotFound => CarrierError::NotFound,
        AriError::Refused(status @ 500..) => CarrierError::Faulty(status),
        AriError::Refused(status) => CarrierError::Refused { status, code: 0 },
        AriError::Unreadable(why) => CarrierError::Unreadable(why),
    }
}

fn going_on(call_sid: CallSid) -> CarrierCall {
    CarrierCall {
        call_sid,
        status: CallStatus::InProgress,
        direction: None,
        parent_call_sid: None,
        from: None,
        to: None,
        duration_s: None,
        created_at: None,
        started_at: None,
        ended_at: None,
        answered_by: None,
    }
}
