//! The interface for operators on the real service, over real sockets: who may ask, what is answered, and how it is said
//! that something can't be done.

#[macro_use]
#[path = "support/databases.rs"]
mod databases;
#[path = "support/http_service.rs"]
mod http_service;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/service.rs"]
mod service;
#[path = "support/skip.rs"]
mod skip;

#[path = "api/calls.rs"]
mod calls;
#[path = "api/document.rs"]
mod document;
#[path = "api/live.rs"]
mod live;
#[cfg(feature = "postgres")]
#[path = "api/outages.rs"]
mod outages;
#[path = "api/problems.rs"]
mod problems;
#[path = "api/tokens.rs"]
mod tokens;

use http_service::{Answer, Request, ask};
use serde_json::{Value, json};
use service::Service;
use trunkline::config::{Business, Config};

/// The administrator's token in every test.
pub const ADMIN: &str = "an-administrators-token-for-tests-only";
/// The numbers of two businesses.
pub const BAKERY: &str = "+14155550171";
pub const FLORIST: &str = "+14155550172";

/// A service with a bakery and a florist, and with limits that no test reaches by itself.
fn service(change: impl FnOnce(&mut Config)) -> Service {
    Service::with(|config| {
        config.api.admin_token = Some(ADMIN.into());
        config.api.requests_per_minute = 100_000.try_into().unwrap();
        config.api.strangers_per_minute = 100_000.try_into().unwrap();
        // However busy the machine: a database that is there answers.
        config.api.read_timeout_ms = 30_000;
        let reception = config.business.pop().unwrap();
        for (name, number) in [("Bakery", BAKERY), ("Florist", FLORIST)] {
            config.business.push(Business {
                name: name.parse().unwrap(),
                number: trunkline::config::CalledNumber::Exact(number.parse().unwrap()),
                ..reception.clone()
            });
        }
        config.business.push(reception);
        change(config);
    })
}

/// What can be asked of the interface.
trait Interface {
    /// Asks with this token.
    async fn ask(&self, token: &str, request: Request) -> Answer;

    /// Reads with the administrator's token.
    async fn read(&self, path: &str) -> Answer {
        self.read_as(ADMIN, path).await
    }

    async fn read_as(&self, token: &str, path: &str) -> Answer {
        self.ask(token, Request::get(&format!("/api/v1{path}"))).await
    }

    async fn post(&self, token: &str, path: &str, body: &Value) -> Answer {
        self.ask(token, with_json(path, body.to_string())).await
    }

    /// A new token: its id and its text.
    async fn new_token(&self, new: Value) -> (String, String) {
        let answer = self.post(ADMIN, "/tokens", &new).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let created = answer.json();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&created["token"]["id"]), text(&created["text"]))
    }

    /// The text of a new token of this scope.
    async fn token_for(&self, scope: &str) -> String {
        let mut new = json!({ "name": format!("a test's {scope}"), "scope": scope });
        if let Some(business) = scope.strip_prefix("business ") {
            new["scope"] = "business".into();
            new["business"] = business.into();
        }
        self.new_token(new).await.1
    }
}

impl Interface for Service {
    async fn ask(&self, token: &str, request: Request) -> Answer {
        ask(self.address(), &request.with("Authorization", &format!("Bearer {token}"))).await
    }
}

/// A body of JSON, or what claims to be one.
fn with_json(path: &str, body: impl Into<Vec<u8>>) -> Request {
    let request = Request::new("POST", &format!("/api/v1{path}")).with("Content-Type", "application/json");
    Request { body: body.into(), ..request }
}

/// The problem that an answer tells, which has the form of all problems.
fn problem(answer: &Answer) -> Value {
    assert_eq!(answer.header("Content-Type"), Some("application/problem+json"), "{answer:?}");
    assert_eq!(answer.header("Cache-Control"), Some("no-store"), "{answer:?}");
    let problem = answer.json();
    assert_eq!(problem["status"], answer.status, "{answer:?}");
    assert!(problem["type"].as_str().unwrap().starts_with("urn:trunkline:problem:"), "{answer:?}");
    assert!(!problem["title"].as_str().unwrap().is_empty() && !problem["detail"].as_str().unwrap().is_empty());
    assert_eq!(problem["request_id"].as_str(), answer.header("X-Request-Id"), "{answer:?}");
    problem
}

/// The same without the name of the request, for comparing.
fn nameless(answer: &Answer) -> Value {
    let mut problem = problem(answer);
    problem["request_id"].take();
    problem
}
