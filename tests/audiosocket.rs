//! Whole calls from an Asterisk that is played, over its AudioSocket: both ends of the line, and the record.

#[path = "support/fake_asterisk.rs"]
mod fake_asterisk;
#[path = "support/fake_deepgram/mod.rs"]
mod fake_deepgram;
#[path = "support/fake_openai/mod.rs"]
mod fake_openai;
#[path = "support/http_service.rs"]
mod http_service;
#[path = "support/service.rs"]
mod service;

#[path = "audiosocket/calls.rs"]
mod calls;
#[path = "audiosocket/deepgram.rs"]
mod deepgram;
#[path = "audiosocket/door.rs"]
mod door;
#[path = "audiosocket/openai.rs"]
mod openai;

use std::net::SocketAddr;

use http_service::{Answer, Request, ask};
use serde_json::Value;
use service::{Facts, Service, until};
use trunkline::config::Config;

const ADMIN: &str = "an-administrators-token-for-tests-only";

/// A service with an AudioSocket on a port of its own.
fn service(change: impl FnOnce(&mut Config)) -> Service {
    Service::with(|config| {
        config.asterisk.audiosocket.enabled = true;
        config.asterisk.audiosocket.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        config.api.admin_token = Some(ADMIN.into());
        change(config);
    })
}

fn socket(service: &Service) -> SocketAddr {
    service.server().audiosocket().unwrap()
}

/// Asks the interface for the name of a call.
async fn bind(service: &Service, call: &Value) -> Answer {
    let request = Request::json("/api/v1/asterisk/calls", call.to_string());
    ask(service.address(), &request.with("Authorization", &format!("Bearer {ADMIN}"))).await
}

/// What is known of a call whose row is closed and whose end is written down.
async fn settled(service: &Service, call_sid: &str) -> Facts {
    closed(service, call_sid).await;
    service.settled(call_sid).await
}

/// Waits until the call's row is closed.
async fn closed(service: &Service, call_sid: &str) -> Facts {
    let (store, sid) = (service.store(), call_sid.parse().unwrap());
    let is_closed = || store.call(&sid).unwrap().is_some_and(|row| row.status.is_final());
    until(&format!("{call_sid} is over"), is_closed).await;
    service.facts(call_sid).await
}
