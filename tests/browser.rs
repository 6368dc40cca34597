//! Calls from a browser that is played, and the login before them: both ends of the line, and the record.

#[path = "support/browser_line.rs"]
mod browser_line;
#[path = "support/http_service.rs"]
mod http_service;
#[path = "support/service.rs"]
mod service;

#[path = "browser/calls.rs"]
mod calls;
#[path = "browser/door.rs"]
mod door;
#[path = "browser/login.rs"]
mod login;

use service::{Facts, Service, until};
use trunkline::config::Config;

const ADMIN: &str = "an-administrators-token-for-tests-only";

/// A service that is reached without encryption, as on one's own machine.
fn service(change: impl FnOnce(&mut Config)) -> Service {
    Service::with(|config| {
        config.http.public_url = None;
        config.api.admin_token = Some(ADMIN.into());
        change(config);
    })
}

/// What is known of a call whose row is closed and whose end is written down.
async fn settled(service: &Service, call_sid: &str) -> Facts {
    let (store, sid) = (service.store(), call_sid.parse().unwrap());
    let is_closed = || store.call(&sid).unwrap().is_some_and(|row| row.status.is_final());
    until(&format!("{call_sid} is over"), is_closed).await;
    service.settled(call_sid).await
}
