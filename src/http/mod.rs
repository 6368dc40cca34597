//! Routes: webhooks, health, metrics. Each handler checks, sends one message and answers.
//!
//! | route | who calls it | answer |
//! |---|---|---|
//! | `POST\|GET /twilio/voice` | Twilio, for each incoming call | TwiML |
//! | `POST\|GET /twilio/status` | Twilio, when a call's status changes | 204 once the change is durable |
//! | `POST /twilio/amd` | Twilio, who or what answered a call that we placed | 204 once that is durable |
//! | `POST /twilio/stream-ended` | Twilio, the `<Connect action>` | TwiML: hang up, dial, apologise |
//! | `POST /twilio/dial-ended` | Twilio, the `<Dial action>` of a transfer | TwiML: hang up, or say that nobody answered |
//! | `POST /twilio/stream-status` | Twilio, the stream's callbacks | 204 |
//! | `GET /twilio/media` | Twilio, the media socket ([`crate::transport::twilio_stream`]) | 101 |
//! | `GET\|HEAD /health` | a supervisor: is the process alive? | 200 |
//! | `GET\|HEAD /ready` | a balancer: send calls here? | 200 or 503, with each check |
//! | `GET\|HEAD /metrics` | Prometheus | text format 0.0.4 |
//! | `/api/v1/…` | operators and integrators ([`api`]) | JSON |
//! | `/console/…` | an operator's browser ([`console`]) | pages, and the session that they work with |
//! | `GET\|HEAD /api/docs` | a person who wants to know it | a page |
//!
//! Everything under `/twilio` needs a valid signature, checked before anything is allocated for the call; everything
//! under `/api/v1` a token, or the session of somebody who has logged in with one.

pub mod api;
pub mod console;
pub mod error;
pub mod health;
pub mod webhooks;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::ALLOW;
use actix_web::http::{ConnectionType, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpMessage, HttpResponse, Resource, Route};

use api::caller::Caller;

/// The routes of this module. The media socket is added by whoever knows the transports.
pub fn routes(config: &mut ServiceConfig) {
    let by_get_or_post = |path, [get, post]: [Route; 2]| only("GET, POST", path).route(get).route(post);
    let by_get = |path, [get, head]: [Route; 2]| only("GET, HEAD", path).route(get).route(head);
    config
        .service(by_get_or_post("/twilio/voice", [web::get(), web::post()].map(|route| route.to(webhooks::voice))))
        .service(by_get_or_post("/twilio/status", [web::get(), web::post()].map(|route| route.to(webhooks::status))))
        .service(only("POST", "/twilio/amd").route(web::post().to(webhooks::amd)))
        .service(only("POST", "/twilio/stream-ended").route(web::post().to(webhooks::stream_ended)))
        .service(only("POST", "/twilio/dial-ended").route(web::post().to(webhooks::dial_ended)))
        .service(only("POST", "/twilio/recording").route(web::post().to(webhooks::recording)))
        .service(only("POST", "/twilio/stream-status").route(web::post().to(webhooks::stream_status)))
        .service(by_get("/health", [web::get(), web::head()].map(|route| route.to(health::health))))
        .service(by_get("/ready", [web::get(), web::head()].map(|route| route.to(health::ready))))
        .service(by_get("/metrics", [web::get(), web::head()].map(|route| route.to(health::metrics))))
        .configure(api::viewer::routes)
        .service(api::scope());
}

/// A path that knows these methods; who asks by another is told them (RFC 9110, 15.5.6).
pub fn only(methods: &'static str, path: &str) -> Resource {
    let refuse = move || async move { HttpResponse::MethodNotAllowed().insert_header((ALLOW, methods)).finish() };
    web::resource(path).default_service(web::to(refuse))
}

/// Keeps the connections of those alone whose signed webhooks were taken, or who have a token. Whoever else asks gets one
/// answer for each connection: the server limits the time for the head of a connection's first request, and of no other, so that a
/// stranger could hold a kept one for ever.
pub async fn close_to_strangers(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let is_carriers = request.path().starts_with("/twilio/");
    let mut response = next.call(request).await?;
    let status = response.status();
    let is_signed = is_carriers && (status.is_success() || status == StatusCode::SWITCHING_PROTOCOLS);
    let has_token = response.request().extensions().get::<Caller>().is_some();
    if !is_signed && !has_token {
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    Ok(response)
}
