//! Several nodes on one database, and a database that is away.

use super::prompts::instructions;
use super::*;
use crate::databases::Database;
use crate::service::{CALLED, CALLER, PATIENCE, ms, until};
use std::time::Duration;
use trunkline::clock;

/// How soon an edit counts on every node.
const EVERYWHERE_WITHIN: Duration = Duration::from_secs(2);
/// How often that is tried.
const EDITS: u32 = 4;

fn on(database: &Database, fake: &FakeOpenAi) -> Service {
    let url = database.url.parse().unwrap();
    with_openai(fake, |config| config.database.url = Some(url))
}

/// The words of the agent of a call to this number, which is then over.
async fn told(service: &Service, fake: &FakeOpenAi, number: &str) -> String {
    let session = fake.sessions().len();
    let call = service.carrier.inbound_call(CALLER, number).await.unwrap();
    let told = instructions(fake, session).await;
    call.wait_until_agent_has_spoken_for(ms(100), PATIENCE).await.unwrap();
    call.hang_up().await.unwrap();
    told
}

#[tokio::test]
async fn what_one_node_edits_the_next_call_of_the_other_is_told() {
    let Some(database) = Database::shared_postgres() else { return };
    let fake = openai().await;
    let (first, second) = (on(&database, &fake), on(&database, &fake));
    let id = made(&first, NUMBER, "Words of version 1.").await;
    let version_at = |service: &Service| {
        let directory = service.server().businesses().now();
        directory.get(&id.parse().unwrap()).map_or(0, |business| business.version)
    };
    assert_eq!(version_at(&first), 1, "at once, where it was edited");
    until("the other node sees it", || version_at(&second) == 1).await;
    assert!(told(&second, &fake, NUMBER).await.contains("Words of version 1."));

    // What holds up a busy machine once does not hold it up each time.
    let mut soonest = Duration::MAX;
    for version in 1..=EDITS {
        let words = format!("Words of version {}.", version + 1);
        let edit = json!({ "version": version, "prompts": { "inbound": words } });
        admin(&first, "PATCH", &format!("/businesses/{id}"), Some(edit), 200).await;
        let edited = clock::now();
        until("the other node sees the edit", || version_at(&second) == version + 1).await;
        soonest = soonest.min(clock::now() - edited);
    }
    assert!(soonest < EVERYWHERE_WITHIN, "{soonest:?}");
    let told = told(&second, &fake, NUMBER).await;
    assert!(told.contains("Words of version 5.") && !told.contains("version 1"), "{told}");

    admin(&second, "DELETE", &format!("/businesses/{id}?version=5"), None, 204).await;
    until("the first node sees that it is gone", || version_at(&first) == 0).await;
    assert!(!is_answered(&first, NUMBER).await && !is_answered(&second, NUMBER).await);
}

#[tokio::test]
async fn while_the_database_is_away_calls_are_answered_as_it_was_last_seen() {
    let Some(database) = Database::own_postgres() else { return };
    let fake = openai().await;
    let service = on(&database, &fake);
    let id = made(&service, NUMBER, "Sell bread.").await;
    let away = database.go_away();
    until("the outage is noticed", || !service.store().health().is_ready()).await;
    assert!(told(&service, &fake, NUMBER).await.contains("Sell bread."));
    assert!(!is_answered(&service, "+14155550111").await, "and nobody else's");
    let path = format!("/businesses/{id}");
    let edit = json!({ "version": 1, "name": "Other" });
    let answer = asked(&service, ADMIN, "PATCH", &path, Some(edit.clone())).await;
    assert_eq!(answer.status, 503, "{answer:?}");

    let blind = with_openai(&fake, |config| config.database.url = Some(database.url.parse().unwrap()));
    assert!(told(&blind, &fake, CALLED).await.contains("take a message"), "at a start the file answers");
    assert!(!is_answered(&blind, NUMBER).await, "which knows nothing of the other");
    database.come_back(away);
    until("the database is back", || service.store().health().is_ready()).await;
    let ids = |service: &Service| service.server().businesses().now().all().len();
    until("the other node reads what is there", || ids(&blind) == 2).await;
    assert!(is_answered(&blind, NUMBER).await);
    admin(&service, "PATCH", &path, Some(edit), 200).await;
}
