//! The carrier tells of a recording: kept before it is answered.

use std::time::Duration;

use actix_web::rt::time::timeout;
use actix_web::{HttpRequest, HttpResponse, web};

use super::{Refused, STORED_WITHIN, Signed, Webhooks};
use crate::engine::recording::RecordingId;
use crate::engine::wire::webhook::RecordingWebhook;
use crate::store::recordings::RecordingReport;
use crate::telemetry::Event;

/// A recording went on, is complete, or will not be.
pub async fn recording(
    request: HttpRequest,
    body: web::Payload,
    service: web::Data<Webhooks>,
) -> Result<HttpResponse, Refused> {
    let signed = Signed::read("/twilio/recording", &request, body, &service).await?;
    let webhook = signed.webhook(RecordingWebhook::from_form)?;
    let report = RecordingReport {
        url: webhook.url,
        length_ms: webhook.duration_s.map(|seconds| millis(Duration::from_secs(seconds.into()))),
        channels: webhook.channels,
        error: webhook.error_code.map(|code| format!("the carrier's error {code}")),
        ..RecordingReport::new(RecordingId::Carrier(webhook.recording_sid), webhook.call_sid, webhook.state)
    };
    let error = match timeout(STORED_WITHIN, service.recordings.hear(report)).await {
        Ok(Ok(())) => return Ok(signed.no_content()),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "neither the database nor the disk took it in time".to_owned(),
    };
    service.telemetry.record(Event::StatusNotStored { error: &error });
    Err(signed.refused(Refused::NotStored))
}

fn millis(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}
