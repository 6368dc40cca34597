//! Calls from a browser: one WebSocket for each, 16 kHz both ways.
//!
//! [`accept`] answers the upgrade of somebody who is logged in, on a page of ours, and may place calls. From there on the
//! socket has a task of its own, on the thread of its call:
//!
//! | file | what it is |
//! |---|---|
//! | `door` | the checks between a socket and a call, and what is told of its end |
//! | `wire` | what comes: bytes to messages |
//! | `outbox` | what the call says, on its way to the browser |
//! | `session` | one socket from the first message to the last |
//! | `talk` | the part of it in which there is a call |
//!
//! The browser plays what it gets by the clock of its own audio and sends back each mark once what lies before it was heard,
//! as a carrier does. The end of the socket is the end of the call: there is nobody else to ask.

mod door;
mod outbox;
mod session;
mod talk;
mod wire;

use actix_web::http::header::SEC_WEBSOCKET_PROTOCOL;
use actix_web::{HttpRequest, HttpResponse, web};
use actix_web_actors::ws::handshake_with_protocols;

use crate::telemetry::Event;

pub use door::{BrowserDoor, Guest, MayCall};
use outbox::Outbox;
use wire::Wire;

/// The only WebSocket subprotocol that there is here.
const SUBPROTOCOL: &str = "trunkline.call.v1";

/// Answers the upgrade of a call's socket: 101 for whoever may place calls, else what the door says.
pub async fn accept(
    request: HttpRequest,
    body: web::Payload,
    door: web::Data<BrowserDoor>,
) -> Result<HttpResponse, actix_web::Error> {
    let guest = (door.may_call)(&request).map_err(|(why, error)| {
        door.telemetry.record(Event::CallRefused { why });
        error
    })?;
    let offered = request.headers().get(SEC_WEBSOCKET_PROTOCOL).and_then(|value| value.to_str().ok());
    if !offered.is_some_and(|list| list.split(',').any(|name| name.trim() == SUBPROTOCOL)) {
        return Ok(HttpResponse::BadRequest().body(format!("the only subprotocol here is {SUBPROTOCOL}")));
    }
    let mut response = handshake_with_protocols(&request, &[SUBPROTOCOL])?;
    let outbox = Outbox::new();
    actix_rt::spawn(session::run(Wire::new(body), outbox.clone(), door.into_inner(), guest));
    Ok(response.streaming(outbox.to_browser()))
}
