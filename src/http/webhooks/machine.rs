//! A machine has answered a call that we placed: what the job says is done about it, beside the webhook's answer.

use actix_web::{rt, web};

use super::{AmdWebhook, JobInUrl, REGISTRY_ANSWERS_WITHIN, Webhooks};
use crate::actors::call_registry::HangUpCall;
use crate::actors::metered;
use crate::engine::call::HangupCause;
use crate::engine::ids::CallSid;
use crate::engine::outbound::OnMachine;
use crate::engine::status::AnsweredBy;
use crate::engine::wire::twiml::Twiml;
use crate::telemetry::Event;

/// Does what is to be done. Twilio asks about the same finding again only if it has no answer, and doing this twice leaves
/// what doing it once leaves.
pub(super) fn answered(service: web::Data<Webhooks>, job: JobInUrl, webhook: AmdWebhook) {
    rt::spawn(async move {
        match job.on_machine {
            OnMachine::Ignore | OnMachine::TalkOn => {}
            OnMachine::HangUp => hang_up(&service, &webhook.call_sid).await,
            OnMachine::LeaveMessage if webhook.answered_by == AnsweredBy::Fax => {
                hang_up(&service, &webhook.call_sid).await;
            }
            OnMachine::LeaveMessage => leave_message(&service, &job, &webhook.call_sid).await,
        }
    });
}

/// Ends the call: here, if it is alive here, else at the carrier.
async fn hang_up(service: &Webhooks, call: &CallSid) {
    let order = HangUpCall(call.clone(), HangupCause::MachineAnswered);
    let is_alive = metered::ask(&service.registry, order, REGISTRY_ANSWERS_WITHIN).await.unwrap_or(false);
    if is_alive {
        return;
    }
    if let Some(dialler) = &service.dialler {
        dialler.hang_up(call).await.ok(); // a failure was told there; the call ends by its own rules
    }
}

/// Speaks the job's message and ends the call. The media stream ends by that, wherever it is, and with it the agent.
async fn leave_message(service: &Webhooks, job: &JobInUrl, call: &CallSid) {
    let Some(dialler) = &service.dialler else { return };
    let Some(message) = message(service, job).await else { return hang_up(service, call).await };
    let language = service.businesses.now().get(&job.business).map(|business| business.profile.language.clone());
    dialler.instruct(call, Twiml::say_and_hang_up(&message, language.as_deref().unwrap_or("en-US"))).await;
}

/// What is to be said; nothing, if it can't be read.
async fn message(service: &Webhooks, job: &JobInUrl) -> Option<String> {
    let (store, id) = (service.store.clone(), job.job.clone());
    match web::block(move || store.outbound_job(&id)).await {
        Ok(Ok(found)) => found?.order.message,
        Ok(Err(error)) => {
            service.telemetry.record(Event::StatusNotStored { error: &error.to_string() });
            None
        }
        Err(_) => None,
    }
}
