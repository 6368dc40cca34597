//! After a transfer: was the caller connected with anybody?

use actix_web::{HttpRequest, HttpResponse, web};

use crate::clock;
use crate::engine::wire::twiml::Twiml;
use crate::engine::wire::webhook::DialEndedWebhook;

use super::request::Signed;
use super::{Refused, Webhooks, note_status};

/// The second leg of a transfer is over. A caller who was connected is bidden nothing more; one whom nobody answered
/// is told so, instead of being dropped.
pub async fn dial_ended(
    request: HttpRequest,
    body: web::Payload,
    service: web::Data<Webhooks>,
) -> Result<HttpResponse, Refused> {
    let signed = Signed::read("/twilio/dial-ended", &request, body, &service).await?;
    let webhook = signed.webhook(DialEndedWebhook::from_form)?;
    for change in webhook.changes(clock::wall_micros()) {
        note_status(&service, signed.identified(change)).await;
    }
    if webhook.was_connected() {
        return Ok(signed.twiml(Twiml::hang_up()));
    }
    let words = "We are sorry, nobody can take your call at the moment. Please try again later. Goodbye.";
    Ok(signed.twiml(Twiml::say_and_hang_up(words, "en-US")))
}
