//! What the agent of a placed call is told of the person whom it calls: by whoever asked for the call, or by a campaign's list.

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
#[path = "support/twilio_rest/mod.rs"]
mod twilio_rest;

mod campaigns {
    #[path = "../campaigns/desk.rs"]
    pub mod desk;
    #[path = "../campaigns/webhook.rs"]
    pub mod webhook;
}

use campaigns::desk::Desk;
use campaigns::webhook::{OURS, number};
use databases::Database;
use fake_openai::{Answer, FakeOpenAi, Script};
use serde_json::json;
use service::{PATIENCE, ms};
use trunkline::config::AgentProvider;
use twilio_rest::PlacedCall;

async fn start(database: &Database) -> (FakeOpenAi, Desk) {
    let script = Script { answers: vec![Answer::saying("Hello.")], listens: true, ..Script::default() };
    let fake = FakeOpenAi::start(script).await;
    let desk = Desk::start(database, |config| {
        config.agent.provider = AgentProvider::OpenAi;
        config.openai.url = fake.url.parse().unwrap();
        config.openai.api_key = Some("sk-test".into());
        config.business[0].prompt = "You sell bread.".to_owned();
        config.business[0].prompt_outbound = "You tell people that their bread is ready.".to_owned();
    });
    (fake, desk)
}

/// Somebody answers the call; the instructions of its session, the `number`th.
async fn told(fake: &FakeOpenAi, desk: &Desk, call: &PlacedCall, number: usize) -> String {
    let phone = desk.answer(call).await;
    fake.until("the session's settings", |sessions| {
        sessions.get(number).is_some_and(|session| !session.heard_of("session.update").is_empty())
    })
    .await;
    phone.wait_until_agent_has_spoken_for(ms(100), PATIENCE).await.unwrap();
    let (_, facts) = desk.service.hang_up(phone).await;
    assert!(!facts.agent_turns().is_empty(), "the agent has spoken");
    let update = fake.sessions()[number].heard_of("session.update")[0].clone();
    let instructions = update["session"]["instructions"].as_str().unwrap().to_owned();
    assert!(instructions.contains("You tell people that their bread is ready."), "{instructions}");
    assert!(!instructions.contains("You sell bread."), "{instructions}");
    assert!(instructions.contains(&format!("from {OURS} to {}", call.to)), "{instructions}");
    instructions
}

#[tokio::test]
async fn the_agent_is_told_the_context_of_the_call_that_was_asked_for_and_of_no_other() {
    let database = Database::sqlite();
    let (fake, desk) = start(&database).await;
    for (session, (name, customer)) in [("customer", "Anna Miller"), ("guest", "Ben Carter")].into_iter().enumerate() {
        let order = json!({ "to": number(session), "business": "Reception", "context": { (name): customer } });
        let placed = desk.api("POST", "/calls", Some(order)).await;
        assert_eq!(placed.status, 201, "{placed:?}");
        let instructions = told(&fake, &desk, &desk.call_to(&number(session)), session).await;
        assert!(instructions.contains(&format!("{name}: {customer}")), "{instructions}");
        assert_eq!(
            instructions.contains("Anna"),
            session == 0,
            "nothing of one call is told on another: {instructions}"
        );
    }
    fake.assert_content();
}

#[tokio::test]
async fn the_agent_is_told_the_variables_of_the_lead_and_the_context_of_its_campaign() {
    let database = Database::sqlite();
    let (fake, desk) = start(&database).await;
    let lead = |n: usize, customer: &str| json!({ "number": number(n), "variables": { "customer": customer } });
    let leads = [lead(0, "Anna Miller"), lead(1, "Ben Carter")];
    let list =
        json!({ "concurrency": 1, "leads": leads, "context": { "offer": "plum cake", "customer": "a stranger" } });
    desk.make(list, 0).await;
    for (session, customer) in ["Anna Miller", "Ben Carter"].into_iter().enumerate() {
        let call = desk.next_call(session).await;
        assert_eq!(call.to, number(session));
        let instructions = told(&fake, &desk, &call, session).await;
        desk.tell(&call, "completed").await;
        assert!(instructions.contains(&format!("customer: {customer}")), "{instructions}");
        assert!(instructions.contains("offer: plum cake") && !instructions.contains("a stranger"), "{instructions}");
        assert_eq!(instructions.contains("Anna"), session == 0, "{instructions}");
    }
    fake.assert_content();
}
