//! Twilio's webhooks.
//!
//! Signature first, then the fields, then one message, then the answer. The voice webhook has 350 ms at most:
//! who answers a number is read from memory, and a database that stalls costs it
//! [`Webhooks::status_patience`] and no more.

mod dial_ended;
mod machine;
mod recording;
mod request;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix::Addr;
use actix_web::rt::time::{sleep, timeout};
use actix_web::{HttpRequest, HttpResponse, web};

use crate::actors::business_keeper::Businesses;
use crate::actors::call_registry::{AskFarewell, CallRegistry, CarrierEnded, FarewellOf};
use crate::actors::call_status::{ApplyStatus, CallStatusActor, apply_status};
use crate::actors::capacity::Capacity;
use crate::actors::dialler::{Dialler, JobInUrl};
use crate::actors::lateness::Overload;
use crate::actors::metered;
use crate::actors::recording_starter::{CallAnswered, RecordingStarter};
use crate::actors::recording_supervisor::RecordingDesk;
use crate::clock;
use crate::engine::business::Business;
use crate::engine::call::Farewell;
use crate::engine::ids::{AccountSid, BusinessId, CallSid};
use crate::engine::status::{CallDirection, CallStatus, CarrierSource, StatusChange};
use crate::engine::wire::auth::RequestAuth;
use crate::engine::wire::sentence::Sentence;
use crate::engine::wire::token::{MediaClaims, MediaTokens, TOKEN_PARAMETER};
use crate::engine::wire::twiml::{Connect, Dial, Twiml, callback_url, websocket_url};
use crate::engine::wire::webhook::{
    AmdWebhook, StatusWebhook, StreamEndedWebhook, StreamEvent, StreamStatusWebhook, VoiceWebhook,
};
use crate::store::Store;
use crate::telemetry::{Event, Refusal, Telemetry};

use super::error::Refused;
pub use dial_ended::dial_ended;
pub use recording::recording;
use request::Signed;

/// What the webhooks need.
pub struct Webhooks {
    /// Who answers which number.
    pub businesses: Businesses,
    /// Twilio's signatures, and our own address.
    pub auth: RequestAuth,
    /// Whose calls are answered; `None` while that is not configured.
    pub account: Option<AccountSid>,
    /// The tokens of our media sockets.
    pub tokens: MediaTokens,
    /// The longest body.
    pub max_body_bytes: usize,
    /// How long a voice webhook waits for its row.
    pub status_patience: Duration,
    /// Which calls are alive.
    pub registry: Addr<CallRegistry>,
    /// Where status changes go.
    pub status: Addr<CallStatusActor>,
    /// Who has calls recorded.
    pub recorder: Addr<RecordingStarter>,
    /// How many calls may be alive.
    pub capacity: Capacity,
    /// Who places calls, if that is configured.
    pub dialler: Option<Dialler>,
    /// Where recordings are told of.
    pub recordings: RecordingDesk,
    /// Whether the service takes no new calls any more.
    pub is_stopping: Arc<AtomicBool>,
    /// Whether live calls are served late, so that no new ones are taken.
    pub overload: Arc<Overload>,
    /// For reading how a call ended on another node.
    pub store: Store,
    /// Logs and figures.
    pub telemetry: Telemetry,
}

/// How long the directory may take to answer.
const REGISTRY_ANSWERS_WITHIN: Duration = Duration::from_millis(250);
/// A status change that is neither stored nor spooled by then is answered with an error, so that Twilio repeats it.
const STORED_WITHIN: Duration = Duration::from_secs(10);
/// The end of a call on another node may be written a moment after the carrier asks: we look so often …
const LOOK: u32 = 5;
/// … with this pause.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(200);
/// Why a call is not taken while the service stops, as it stands in the call's history.
const STOPPING: &str = "the service is stopping";
/// How long the second leg of a transfer may ring.
const DIAL_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the caller and that leg may talk: as long as Twilio allows where nobody says anything.
const TRANSFER_LIMIT: Duration = Duration::from_secs(4 * 60 * 60);

/// An incoming call: who answers it?
pub async fn voice(
    request: HttpRequest,
    body: web::Payload,
    service: web::Data<Webhooks>,
) -> Result<HttpResponse, Refused> {
    let signed = Signed::read("/twilio/voice", &request, body, &service).await?;
    let call = signed.webhook(VoiceWebhook::from_form)?;
    // Its media stream would be refused for the same reason, in the middle of a call that was answered.
    if service.account.as_ref().is_some_and(|ours| *ours != call.account_sid) {
        let change = signed.identified(call.change(None, clock::wall_micros()));
        refuse(&service, Refusal::OtherAccount, "twilio.account_sid is another account", change).await;
        return Ok(signed.twiml(Twiml::apology()));
    }
    if let Some(job) = signed.job() {
        return Ok(voice_of_job(&service, &signed, call, &job).await);
    }
    let businesses = service.businesses.now();
    let Some(business) = businesses.answering(call.to.number()) else {
        let reason = "nobody is configured for the called number";
        let change = signed.identified(call.change(None, clock::wall_micros()));
        refuse(&service, Refusal::UnknownNumber, reason, change).await;
        let words = "We are sorry, this number is not in service. Goodbye.";
        return Ok(signed.twiml(Twiml::say_and_hang_up(words, "en-US")));
    };
    let change = signed.identified(call.change(Some(business.id.clone()), clock::wall_micros()));
    if service.is_stopping.load(Ordering::Relaxed) {
        refuse(&service, Refusal::Draining, STOPPING, change).await;
        return Ok(signed.twiml(Twiml::refusal(Sentence::Apology, &business.profile.language)));
    }
    if let Err((why, reason)) = find_room(&service, &call, &business.id).await {
        refuse(&service, why, reason, change).await;
        let sentence = if why == Refusal::Overloaded { Sentence::BusyForMinutes } else { Sentence::AllBusy };
        return Ok(signed.twiml(Twiml::refusal(sentence, &business.profile.language)));
    }
    note_status(&service, change).await;
    Ok(signed.twiml(connect(&service, &signed, &call, business)))
}

/// Counts a call that we don't take, and keeps that we don't.
async fn refuse(service: &Webhooks, why: Refusal, reason: &str, change: StatusChange) {
    service.telemetry.record(Event::CallRefused { why });
    let change = StatusChange {
        status: CallStatus::Rejected,
        source: CarrierSource::Refusal,
        reason: Some(reason.to_owned()),
        ..change
    };
    if why == Refusal::Overloaded {
        // Hundreds of callers a second may be told so, and the disk is no reason to let them wait together.
        return metered::order(&service.status, ApplyStatus(change));
    }
    note_status(service, change).await;
}

/// Somebody has answered a call that we placed. Its slot was taken before it was dialled.
async fn voice_of_job(service: &Webhooks, signed: &Signed, call: VoiceWebhook, job: &JobInUrl) -> HttpResponse {
    let call = VoiceWebhook { direction: CallDirection::Outbound, ..call };
    learn(service, job, &call.call_sid).await;
    let businesses = service.businesses.now();
    let Some(business) = businesses.get(&job.business) else {
        service.telemetry.record(Event::CallRefused { why: Refusal::UnknownNumber });
        return signed.twiml(Twiml::hang_up()); // deleted since
    };
    let change = signed.identified(call.change(Some(business.id.clone()), clock::wall_micros()));
    if service.is_stopping.load(Ordering::Relaxed) {
        refuse(service, Refusal::Draining, STOPPING, change).await;
        return signed.twiml(Twiml::apology());
    }
    note_status(service, change).await;
    signed.twiml(connect(service, signed, &call, business))
}

/// Keeps which call a job has made, without holding up the webhook: whatever comes next says it again.
async fn learn(service: &Webhooks, job: &JobInUrl, call: &CallSid) {
    let Some(dialler) = &service.dialler else { return };
    if let Ok(Err(error)) = timeout(service.status_patience, dialler.learn(&job.job, call)).await {
        service.telemetry.record(Event::StatusNotStored { error: &error.to_string() });
    }
}

/// A slot for the call, kept until its media stream starts. Twilio may ask twice about the same call.
async fn find_room(
    service: &Webhooks,
    call: &VoiceWebhook,
    business: &BusinessId,
) -> Result<(), (Refusal, &'static str)> {
    match service.capacity.is_kept(&call.call_sid) {
        true => Ok(()),
        false => service.capacity.find_room(&call.call_sid, business, call.direction, &service.overload).await,
    }
}

/// Keeps the change without holding up the call: a row that can't be written now is made by the next event.
async fn note_status(service: &Webhooks, change: StatusChange) {
    let stored = timeout(service.status_patience, apply_status(&service.status, change)).await;
    if let Ok(Err(error)) = stored {
        service.telemetry.record(Event::StatusNotStored { error: &error.to_string() });
    }
}

fn connect(service: &Webhooks, signed: &Signed, call: &VoiceWebhook, business: &Business) -> Twiml {
    let claims = MediaClaims {
        business: business.id.clone(),
        direction: call.direction,
        from: call.from.number().cloned(),
        to: call.to.number().cloned(),
    };
    let token = service.tokens.issue(&call.call_sid, clock::wall_micros() / 1_000_000, &claims);
    Twiml::connect(&Connect {
        action: &callback_url(&signed.url(&service.auth, "/twilio/stream-ended")),
        stream_url: &websocket_url(&signed.url(&service.auth, "/twilio/media")),
        name: None,
        status_callback: Some(&callback_url(&signed.url(&service.auth, "/twilio/stream-status"))),
        parameters: &[(TOKEN_PARAMETER, &token)],
    })
}

/// A call's status has changed.
pub async fn status(
    request: HttpRequest,
    body: web::Payload,
    service: web::Data<Webhooks>,
) -> Result<HttpResponse, Refused> {
    let signed = Signed::read("/twilio/status", &request, body, &service).await?;
    let webhook = signed.webhook(StatusWebhook::from_form)?;
    let change = signed.identified(webhook.change(clock::wall_micros()));
    apply(&service, change).await.map_err(|refused| signed.refused(refused))?;
    // A leg that the call has dialled belongs to no job.
    if let Some(job) = signed.job().filter(|_| webhook.parent_call_sid.is_none()) {
        learn(&service, &job, &webhook.call_sid).await;
    }
    // A leg that the call has dialled is on the call's own recording.
    if webhook.status == CallStatus::InProgress && webhook.parent_call_sid.is_none() {
        let business = signed.job().map(|job| job.business);
        metered::order(&service.recorder, CallAnswered { call: webhook.call_sid.clone(), business });
    }
    if webhook.status.is_final() {
        service.capacity.over(&webhook.call_sid);
        metered::order(&service.registry, CarrierEnded(webhook.call_sid));
    }
    Ok(signed.no_content())
}

/// Who or what answered a call that we placed.
pub async fn amd(
    request: HttpRequest,
    body: web::Payload,
    service: web::Data<Webhooks>,
) -> Result<HttpResponse, Refused> {
    let signed = Signed::read("/twilio/amd", &request, body, &service).await?;
    let webhook = signed.webhook(AmdWebhook::from_form)?;
    let change = signed.identified(webhook.change(clock::wall_micros()));
    apply(&service, change).await.map_err(|refused| signed.refused(refused))?;
    if let Some(job) = signed.job().filter(|_| webhook.answered_by.is_machine()) {
        machine::answered(service, job, webhook);
    }
    Ok(signed.no_content())
}

/// The media stream is over: what now?
pub async fn stream_ended(
    request: HttpRequest,
    body: web::Payload,
    service: web::Data<Webhooks>,
) -> Result<HttpResponse, Refused> {
    let signed = Signed::read("/twilio/stream-ended", &request, body, &service).await?;
    let webhook = signed.webhook(StreamEndedWebhook::from_form)?;
    if let Some(change) = webhook.change(clock::wall_micros()) {
        note_status(&service, signed.identified(change)).await;
    }
    let is_over = webhook.status.is_some_and(|status| status.is_final());
    let answer = match farewell(&service, &webhook.call_sid, is_over).await {
        Farewell::HangUp => Twiml::hang_up(),
        Farewell::Apologise => Twiml::apology(),
        Farewell::Dial(number) => Twiml::dial(&Dial {
            number: &number,
            caller_id: None,
            timeout: DIAL_TIMEOUT,
            time_limit: TRANSFER_LIMIT,
            action: Some(&callback_url(&signed.url(&service.auth, "/twilio/dial-ended"))),
            status_callback: Some(&callback_url(&signed.url(&service.auth, "/twilio/status"))),
        }),
    };
    Ok(signed.twiml(answer))
}

/// How the call ended: here, else on another node. A call that nobody knows the end of was lost: we apologise.
async fn farewell(service: &Webhooks, call: &CallSid, is_over: bool) -> Farewell {
    let question = AskFarewell { call: call.clone(), is_over };
    match metered::ask(&service.registry, question, REGISTRY_ANSWERS_WITHIN).await {
        Ok(FarewellOf::Ended(farewell)) => return farewell,
        Ok(FarewellOf::Alive) => return Farewell::Apologise, // the stream broke under a living call
        Ok(FarewellOf::Unknown) | Err(_) => {}
    }
    for _ in 0..LOOK {
        let (store, sid) = (service.store.clone(), call.clone());
        let looked_up = web::block(move || store.call_end(&sid));
        if let Ok(Ok(Ok(Some(end)))) = timeout(service.status_patience, looked_up).await {
            return end.farewell;
        }
        sleep(LOOK_AGAIN_AFTER).await;
    }
    Farewell::Apologise
}

/// A stream began, ended or failed.
pub async fn stream_status(
    request: HttpRequest,
    body: web::Payload,
    service: web::Data<Webhooks>,
) -> Result<HttpResponse, Refused> {
    let signed = Signed::read("/twilio/stream-status", &request, body, &service).await?;
    let webhook = signed.webhook(StreamStatusWebhook::from_form)?;
    if webhook.event == StreamEvent::Failed {
        service.telemetry.record(Event::MediaFault { kind: "reported_by_carrier" });
    }
    Ok(signed.no_content())
}

/// Stores a change; answered only when it is durable.
async fn apply(service: &Webhooks, change: StatusChange) -> Result<(), Refused> {
    let error = match timeout(STORED_WITHIN, apply_status(&service.status, change)).await {
        Ok(Ok(_)) => return Ok(()),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "neither the database nor the disk took it in time".to_owned(),
    };
    service.telemetry.record(Event::StatusNotStored { error: &error });
    Err(Refused::NotStored)
}
