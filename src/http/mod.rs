//! Routes: webhooks, health, metrics. Each handler checks, sends one message and answers.
//!
//! | route | who calls it | answer |
//! |---|---|---|
//! | `POST\|GET /twilio/voice` | Twilio, for each incoming call | TwiML |
//! | `POST\|GET /twilio/status` | Twilio, when a call's status changes | 204 once the change is durable |
//! | `POST /twilio/stream-ended` | Twilio, the `<Connect action>` | TwiML: hang up, dial, apologise |
//! | `POST /twilio/stream-status` | Twilio, the stream's callbacks | 204 |
//! | `GET /twilio/media` | Twilio, the media socket ([`crate::transport::twilio_stream`]) | 101 |
//! | `GET /health` | a supervisor: is the process alive? | 200 |
//! | `GET /ready` | a balancer: send calls here? | 200 or 503, with each check |
//! | `GET /metrics` | Prometheus | text format 0.0.4 |
//!
//! Everything under `/twilio` needs a valid signature, checked before anything is allocated for the call.

pub mod error;
pub mod health;
pub mod webhooks;

use actix_web::web::{self, ServiceConfig};

/// The routes of this module. The media socket is added by whoever knows the transports.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(
            web::resource("/twilio/voice").route(web::post().to(webhooks::voice)).route(web::get().to(webhooks::voice)),
        )
        .service(
            web::resource("/twilio/status")
                .route(web::post().to(webhooks::status))
                .route(web::get().to(webhooks::status)),
        )
        .service(web::resource("/twilio/stream-ended").route(web::post().to(webhooks::stream_ended)))
        .service(web::resource("/twilio/stream-status").route(web::post().to(webhooks::stream_status)))
        .service(web::resource("/health").route(web::get().to(health::health)))
        .service(web::resource("/ready").route(web::get().to(health::ready)))
        .service(web::resource("/metrics").route(web::get().to(health::metrics)));
}
