//! Outgoing webhooks of the real service, over real sockets: to a receiver that takes them, and to others that don't.

#[path = "support/http_service.rs"]
mod http_service;
#[path = "support/service.rs"]
mod service;
#[path = "support/skip.rs"]
mod skip;

#[path = "outgoing_webhooks/receiver.rs"]
mod receiver;

#[path = "outgoing_webhooks/receivers.rs"]
mod receivers;
#[path = "outgoing_webhooks/sending.rs"]
mod sending;

use http_service::{Answer, Request, ask};
use serde_json::{Value, json};
use service::Service;
use trunkline::config::Config;

/// The administrator of every service here.
const ADMIN: &str = "an-administrators-token-of-these-tests";

/// A service that may send to this machine, and tries again soon.
fn service(change: impl FnOnce(&mut Config)) -> Service {
    Service::with(|config| {
        config.api.admin_token = Some(ADMIN.into());
        config.webhooks.allow_private = "127.0.0.0/8".to_owned();
        config.webhooks.first_retry_ms = 100;
        config.webhooks.longest_retry_ms = 200;
        change(config);
    })
}

/// The business that answers calls wants to be told there; what its webhooks are signed with.
async fn listen_at(service: &Service, url: &str) -> String {
    let reception = api(service, "GET", "/businesses/Reception", None).await.json();
    let edit = json!({ "version": reception["version"], "webhook_url": url });
    let edited = api(service, "PATCH", "/businesses/Reception", Some(edit)).await;
    assert_eq!(edited.status, 200, "{edited:?}");
    let made = api(service, "POST", "/businesses/Reception/webhook/secret", None).await;
    assert_eq!(made.status, 201, "{made:?}");
    made.json()["secret"].as_str().unwrap().to_owned()
}

async fn api(service: &Service, method: &'static str, path: &str, body: Option<Value>) -> Answer {
    asked_by(ADMIN, service, method, path, body).await
}

async fn asked_by(token: &str, service: &Service, method: &'static str, path: &str, body: Option<Value>) -> Answer {
    let mut request = Request::new(method, &format!("/api/v1{path}")).with("Authorization", &format!("Bearer {token}"));
    if let Some(body) = body {
        request = request.with("Content-Type", "application/json");
        request.body = body.to_string().into_bytes();
    }
    ask(service.address(), &request).await
}

/// The one delivery of the business, once it is in this state.
async fn delivery_in(service: &Service, state: &str) -> Value {
    let path = format!("/businesses/Reception/webhook/deliveries?state={state}");
    let mut page = Value::Null;
    for _ in 0..2_000 {
        page = api(service, "GET", &path, None).await.json();
        if let Some(one) = page["items"].as_array().and_then(|items| items.first()) {
            return one.clone();
        }
        tokio::time::sleep(service::ms(20)).await;
    }
    panic!("no delivery is {state}: {page}");
}
