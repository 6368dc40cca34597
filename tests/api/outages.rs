//! What the interface does while the database is away: it says so, in time, and goes on with what it knows.

use serde_json::json;
use trunkline::clock;

use crate::databases::Database;
use crate::service::until;
use crate::{ADMIN, Interface, problem, service};

#[tokio::test]
async fn without_its_database_the_interface_says_so_and_still_knows_who_asks() {
    let Some(database) = Database::own_postgres() else { return };
    let service = service(|config| {
        config.database.url = Some(database.url.parse().unwrap());
        config.api.read_timeout_ms = 5_000;
    });
    let viewer = service.token_for("viewer").await;
    let server = database.server().unwrap();
    server.stop_immediately();
    for token in [ADMIN, &viewer] {
        for path in ["/calls", "/calls/CA00000000000000000000000000000000"] {
            let answer = service.read_as(token, path).await;
            assert_eq!((answer.status, answer.header("Retry-After")), (503, Some("1")), "{answer:?}");
            problem(&answer);
        }
        for path in ["/calls/live", "/openapi.json"] {
            assert_eq!(service.read_as(token, path).await.status, 200, "{path} needs no database");
        }
    }
    assert_eq!(service.post(ADMIN, "/tokens", &json!({ "name": "n", "scope": "viewer" })).await.status, 503);
    assert_eq!(service.read_as("a guess", "/calls").await.status, 401);
    server.start_again();
    until("the database is back", || service.store().health().is_ready()).await;
    assert_eq!(service.read_as(&viewer, "/calls").await.status, 200);
}

#[tokio::test]
async fn a_database_that_hangs_holds_up_no_answer() {
    let Some(database) = Database::own_postgres() else { return };
    let service = service(|config| {
        config.database.url = Some(database.url.parse().unwrap());
        config.api.read_timeout_ms = 500;
    });
    assert_eq!(service.read("/calls").await.status, 200);
    let server = database.server().unwrap();
    server.freeze();
    let began = clock::now();
    // More than there are places for questions.
    for _ in 0..8 {
        let answer = service.read("/calls").await;
        assert_eq!(answer.status, 503, "{answer:?}");
    }
    assert_eq!(service.read("/calls/live").await.status, 200);
    let took = clock::now() - began;
    server.thaw();
    assert!(took < crate::service::PATIENCE, "eight answers, each within half a second, took {took:?}");
}
