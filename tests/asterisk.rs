//! Calls through a real Asterisk: a telephone rings it, it brings the call here, and both sides hear each other.

#[path = "support/asterisk/mod.rs"]
mod asterisk;
#[path = "support/http_service.rs"]
mod http_service;
#[path = "support/service.rs"]
mod service;
#[path = "support/skip.rs"]
mod skip;

#[path = "asterisk/ari.rs"]
mod ari;
#[path = "asterisk/crowd.rs"]
mod crowd;
#[path = "asterisk/dialplan.rs"]
mod dialplan;
#[path = "asterisk/outages.rs"]
mod outages;

use std::collections::BTreeSet;
use std::net::SocketAddr;

use service::{Facts, Service, until};
use trunkline::config::Config;
use trunkline::store::CallFilter;

/// The number from which telephones call.
const CALLER: &str = "+14155550100";

/// A service with an AudioSocket on a port of its own.
fn service(change: impl FnOnce(&mut Config)) -> Service {
    Service::with(|config| {
        config.asterisk.audiosocket.enabled = true;
        config.asterisk.audiosocket.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        config.asterisk.audiosocket.connects_per_second = 100.try_into().unwrap();
        change(config);
    })
}

/// The call that came in since, once it is on record.
async fn new_call(service: &Service, known: &mut BTreeSet<String>) -> String {
    let calls = || -> Vec<String> {
        let calls = service.store().calls(&CallFilter::default(), None, 100).unwrap();
        calls.into_iter().map(|row| row.call_sid.to_string()).filter(|sid| !known.contains(sid)).collect()
    };
    until("a call comes in", || !calls().is_empty()).await;
    let call = calls().remove(0);
    known.insert(call.clone());
    call
}

/// What is known of a call whose row is closed and whose end is written down.
async fn settled(service: &Service, call_sid: &str) -> Facts {
    let (store, sid) = (service.store(), call_sid.parse().unwrap());
    let is_closed = || store.call(&sid).unwrap().is_some_and(|row| row.status.is_final());
    until(&format!("{call_sid} is over"), is_closed).await;
    service.settled(call_sid).await
}
