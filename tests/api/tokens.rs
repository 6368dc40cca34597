//! Who may ask, and how often.

use serde_json::{Value, json};
use trunkline::clock;

use crate::databases::Database;
use crate::http_service::{Answer, Asked as _, Caller, Request, ask};
use crate::service::{Service, until};
use crate::{ADMIN, BAKERY, FLORIST, Interface, nameless, problem, service};

#[tokio::test]
async fn whoever_has_no_valid_token_sees_nothing() {
    let service = service(|_| {});
    let (revoked_id, revoked) = service.new_token(json!({ "name": "r", "scope": "admin" })).await;
    let (_, valid) = service.new_token(json!({ "name": "v", "scope": "admin" })).await;
    let soon = jiff::Timestamp::from_microsecond(clock::wall_micros() + 300_000).unwrap().to_string();
    let expires = json!({ "name": "e", "scope": "admin", "expires_at": soon });
    let (_, expired) = service.new_token(expires).await;
    assert_eq!(service.read_as(&valid, "/calls").await.status, 200);
    assert_eq!(service.ask(ADMIN, Request::new("DELETE", &format!("/api/v1/tokens/{revoked_id}"))).await.status, 204);
    until("the token expires", || clock::wall_micros() >= soon.parse::<jiff::Timestamp>().unwrap().as_microsecond())
        .await;

    let mut tampered = valid.clone();
    tampered.replace_range(tampered.len() - 1.., if valid.ends_with('A') { "B" } else { "A" });
    let id_alone = &valid[..valid.rfind('_').unwrap_or(valid.len())];
    let wrong = [
        None,
        Some(String::new()),
        Some("Bearer".to_owned()),
        Some("Bearer ".to_owned()),
        Some(ADMIN.to_owned()),
        Some(format!("Basic {ADMIN}")),
        Some(format!("Bearer {ADMIN}x")),
        Some(format!("Bearer {}", &ADMIN[1..])),
        Some(format!("Bearer {tampered}")),
        Some(format!("Bearer {id_alone}")),
        Some(format!("Bearer {revoked}")),
        Some(format!("Bearer {expired}")),
        Some("Bearer \u{e9}\u{e9}".to_owned()),
    ];
    let paths = ["/calls", "/calls/live", "/tokens", "/openapi.json", "/nowhere", "", "/calls/CA00", "/calls?limit=0"];
    let mut said: Vec<Value> = Vec::new();
    for header in &wrong {
        for path in paths {
            for method in ["GET", "POST", "DELETE"] {
                let mut request = Request::new(method, &format!("/api/v1{path}"));
                if let Some(header) = header {
                    request = request.with("Authorization", header);
                }
                let answer = ask(service.address(), &request).await;
                assert_eq!(answer.status, 401, "{request:?}: {answer:?}");
                assert!(answer.header("WWW-Authenticate").unwrap().starts_with("Bearer"), "{answer:?}");
                said.push(nameless(&answer));
            }
        }
    }
    said.dedup();
    assert_eq!(said.len(), 1, "the same words, whatever is asked for: {said:?}");

    let mut twice = Request::get("/api/v1/calls");
    twice.headers.extend([bearer(ADMIN), bearer(ADMIN)]);
    assert_eq!(ask(service.address(), &twice).await.status, 401, "two tokens are none");
    let other_case = Request::get("/api/v1/calls").with("authorization", &format!("bEARER {ADMIN}"));
    assert_eq!(ask(service.address(), &other_case).await.status, 200);
}

fn bearer(token: &str) -> (String, String) {
    ("Authorization".to_owned(), format!("Bearer {token}"))
}

#[tokio::test]
async fn each_scope_may_do_what_it_is_for() {
    let service = service(|_| {});
    let (call, foreign) = (a_call_to(&service, BAKERY).await, a_call_to(&service, FLORIST).await);
    let tokens = [
        ADMIN.to_owned(),
        service.token_for("admin").await,
        service.token_for("business Bakery").await,
        service.token_for("viewer").await,
    ];
    let get = |path: String| Request::get(&format!("/api/v1{path}"));
    let post = |path: String| crate::with_json(&path, "{}");
    for (request, expected) in [
        (get("/calls".to_owned()), [200, 200, 200, 200]),
        (get("/calls/live".to_owned()), [200, 200, 200, 200]),
        (get("/openapi.json".to_owned()), [200, 200, 200, 200]),
        (get(format!("/calls/{call}")), [200, 200, 200, 200]),
        (get(format!("/calls/{foreign}")), [200, 200, 404, 200]),
        (post(format!("/calls/{call}/hangup")), [409, 409, 409, 403]),
        (post(format!("/calls/{foreign}/hangup")), [409, 409, 404, 403]),
        (get("/tokens".to_owned()), [200, 200, 403, 403]),
        (post("/tokens".to_owned()), [422, 422, 422, 422]),
        (Request::new("DELETE", "/api/v1/tokens/0123456789abcdef"), [404, 404, 403, 403]),
    ] {
        let mut statuses = Vec::new();
        for token in &tokens {
            statuses.push(service.ask(token, request.clone()).await.status);
        }
        assert_eq!(statuses, expected, "{} {}", request.method, request.target);
    }
    for token in &tokens[2..] {
        let new = json!({ "name": "more", "scope": "admin" });
        let answer = service.post(token, "/tokens", &new).await;
        assert_eq!((answer.status, problem(&answer)["title"].as_str()), (403, Some("Forbidden")));
    }
}

/// A call to this number that is over; its name.
async fn a_call_to(service: &Service, number: &str) -> String {
    let caller = Caller::of(number);
    assert_eq!(service.webhook(caller.voice()).await.status, 200);
    assert_eq!(service.webhook(caller.status("completed", &[("CallDuration", "7")])).await.status, 204);
    caller.call_sid
}

#[tokio::test]
async fn a_business_sees_its_own_calls_and_no_trace_of_others() {
    let service = service(|_| {});
    let (own, foreign) = (a_call_to(&service, BAKERY).await, a_call_to(&service, FLORIST).await);
    let token = service.token_for("business Bakery").await;
    let sids = |answer: Answer| -> Vec<String> {
        let items = answer.json()["items"].as_array().unwrap().clone();
        items.iter().map(|call| call["call_sid"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(sids(service.read_as(&token, "/calls").await), [own.as_str()]);
    assert_eq!(sids(service.read_as(&token, "/calls?business=Bakery").await), [own.as_str()]);
    for other in ["Florist", "Nobody"] {
        assert!(sids(service.read_as(&token, &format!("/calls?business={other}")).await).is_empty());
    }
    assert_eq!(sids(service.read("/calls?business=Florist").await), [foreign.as_str()]);
    let theirs = service.read_as(&token, &format!("/calls/{foreign}")).await;
    let nobodys = service.read_as(&token, "/calls/CA00000000000000000000000000000000").await;
    assert_eq!((theirs.status, nameless(&theirs)), (404, nameless(&nobodys)), "a foreign call is like none");
}

#[tokio::test]
async fn a_token_is_shown_once_and_only_its_hash_is_kept() {
    let service = service(|config| config.api.token_refresh_ms = 100);
    let new = json!({ "name": "  Anna's laptop ", "scope": "business", "business": "Bakery" });
    let answer = service.post(ADMIN, "/tokens", &new).await;
    let created = answer.json();
    let (id, text) = (created["token"]["id"].as_str().unwrap(), created["text"].as_str().unwrap());
    assert_eq!(answer.header("Location"), Some(format!("/api/v1/tokens/{id}").as_str()));
    assert_eq!((&created["token"]["name"], &created["token"]["business"]), (&json!("Anna's laptop"), &json!("Bakery")));

    assert_eq!(service.read_as(text, "/calls").await.status, 200);
    let listed = service.read("/tokens").await;
    assert!(!listed.body.contains(text) && listed.json()["items"][0]["id"] == id, "{listed:?}");
    let stored = service.store().tokens_page(None, 10).unwrap();
    assert!(stored[0].id == id && !format!("{stored:?}").contains(text));

    let is_noted = || service.store().tokens_page(None, 1).unwrap()[0].last_used_at.is_some();
    until("its use is written down", is_noted).await;
    let gone = Request::new("DELETE", &format!("/api/v1/tokens/{id}"));
    for _ in 0..2 {
        assert_eq!(service.ask(ADMIN, gone.clone()).await.status, 204);
        assert_eq!(service.read_as(text, "/calls").await.status, 401, "at once");
    }
    assert!(service.read("/tokens").await.json()["items"][0]["revoked_at"].is_string());
}

#[tokio::test]
async fn a_token_counts_on_every_node_whichever_made_it() {
    let databases = [Some(Database::sqlite()), cfg!(feature = "postgres").then(Database::shared_postgres).flatten()];
    for database in databases.into_iter().flatten() {
        let node = || {
            service(|config| {
                config.database.url = Some(database.url.parse().unwrap());
                config.api.token_refresh_ms = 100;
            })
        };
        let (one, other) = (node(), node());
        let (id, text) = one.new_token(json!({ "name": "n", "scope": "viewer" })).await;
        becomes(&other, &text, 200).await;
        let gone = Request::new("DELETE", &format!("/api/v1/tokens/{id}"));
        assert_eq!(other.ask(ADMIN, gone).await.status, 204);
        becomes(&one, &text, 401).await;
    }
}

/// Until this node answers a holder of the token so.
async fn becomes(service: &Service, token: &str, status: u16) {
    let deadline = clock::now() + crate::service::PATIENCE;
    while service.read_as(token, "/calls").await.status != status {
        assert!(clock::now() < deadline, "waited in vain for {status}");
    }
}

#[tokio::test]
async fn whoever_asks_too_often_waits_and_strangers_hold_up_nobody() {
    let service = service(|config| {
        config.api.requests_per_minute = 5.try_into().unwrap();
        config.api.strangers_per_minute = 3.try_into().unwrap();
    });
    let viewer = service.token_for("viewer").await;
    let statuses = async |token: &str, count: usize| {
        let mut statuses = Vec::new();
        for _ in 0..count {
            let answer = service.read_as(token, "/calls").await;
            if answer.status == 429 {
                let wait: u64 = answer.header("Retry-After").unwrap().parse().unwrap();
                assert!((1..=60).contains(&wait), "{answer:?}");
                problem(&answer);
            }
            statuses.push(answer.status);
        }
        statuses
    };
    // A limit refills by one in 12 s and in 20 s: a machine that needs that long for these gets one more through.
    let strangers = statuses("a guess", 6).await;
    assert_eq!(strangers[..3], [401; 3], "{strangers:?}");
    assert!(strangers[3..].contains(&429), "{strangers:?}");
    let known = statuses(&viewer, 8).await;
    assert_eq!(known[..5], [200; 5], "strangers were throttled, and a token gets through: {known:?}");
    assert!(known[5..].contains(&429), "{known:?}");
    assert_eq!(service.read("/calls").await.status, 200, "each token has a limit of its own");
}
