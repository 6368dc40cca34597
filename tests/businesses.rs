//! Businesses as operators edit them and callers hear them: the real service, its interface, its calls, on one node and two.

#[macro_use]
#[path = "support/databases.rs"]
mod databases;
#[path = "support/fake_openai/mod.rs"]
mod fake_openai;
#[path = "support/http_service.rs"]
mod http_service;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/service.rs"]
mod service;
#[path = "support/skip.rs"]
mod skip;

#[path = "businesses/editing.rs"]
mod editing;
#[path = "businesses/nodes.rs"]
mod nodes;
#[path = "businesses/prompts.rs"]
mod prompts;

use fake_openai::{Answer, FakeOpenAi, Script};
use http_service::{Answer as HttpAnswer, Asked, Caller, Request, ask};
use serde_json::{Value, json};
use service::Service;
use trunkline::config::{AgentProvider, Config};

/// The administrator of every service here.
const ADMIN: &str = "an-administrators-token-of-these-tests";
/// A number that nobody has at first.
const NUMBER: &str = "+14155550177";

/// A service whose only business has a number of its own, so that others can be made.
fn service(change: impl FnOnce(&mut Config)) -> Service {
    Service::with(|config| {
        config.api.admin_token = Some(ADMIN.into());
        config.business[0].number = service::CALLED.parse().unwrap();
        change(config);
    })
}

/// The same, where the agent is OpenAI's.
fn with_openai(fake: &FakeOpenAi, change: impl FnOnce(&mut Config)) -> Service {
    service(|config| {
        config.agent.provider = AgentProvider::OpenAi;
        config.openai.url = fake.url.parse().unwrap();
        config.openai.api_key = Some("sk-test".into());
        change(config);
    })
}

async fn openai() -> FakeOpenAi {
    FakeOpenAi::start(Script { answers: vec![Answer::saying("Hello.")], listens: true, ..Script::default() }).await
}

/// Asks the interface with this token.
async fn asked(service: &Service, token: &str, method: &'static str, path: &str, body: Option<Value>) -> HttpAnswer {
    let mut request = Request::new(method, &format!("/api/v1{path}"));
    request = request.with("Authorization", &format!("Bearer {token}"));
    if let Some(body) = body {
        request = request.with("Content-Type", "application/json");
        request.body = body.to_string().into_bytes();
    }
    ask(service.address(), &request).await
}

/// Asks as the administrator; the answer must have this status.
async fn admin(service: &Service, method: &'static str, path: &str, body: Option<Value>, status: u16) -> Value {
    let answer = asked(service, ADMIN, method, path, body).await;
    assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
    if answer.body.is_empty() { Value::Null } else { answer.json() }
}

/// Makes a business with this number and this prompt for incoming calls; its id.
async fn made(service: &Service, number: &str, prompt: &str) -> String {
    let business = json!({ "name": "Bakery Miller", "numbers": [number], "prompts": { "inbound": prompt } });
    let made = admin(service, "POST", "/businesses", Some(business), 201).await;
    made["id"].as_str().unwrap().to_owned()
}

/// Whether a call to this number is answered.
async fn is_answered(service: &Service, number: &str) -> bool {
    let answer = service.webhook(Caller::of(number).voice()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body.contains("<Connect")
}

/// The fields that a refusal names.
fn fields(problem: &Value) -> Vec<&str> {
    let errors = problem["errors"].as_array().unwrap_or_else(|| panic!("{problem}"));
    errors.iter().map(|error| error["field"].as_str().unwrap()).collect()
}
