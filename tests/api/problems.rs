//! How it is said that something can't be done.

use serde_json::json;

use crate::http_service::{Answer, Request};
use crate::{ADMIN, Interface, problem, service, with_json};

/// The kind of problem and the fields that are refused.
fn told(answer: &Answer) -> (u16, String, Vec<String>) {
    let problem = problem(answer);
    let kind = problem["type"].as_str().unwrap().rsplit(':').next().unwrap().to_owned();
    let fields = problem["errors"].as_array().cloned().unwrap_or_default();
    (answer.status, kind, fields.iter().map(|error| error["field"].as_str().unwrap().to_owned()).collect())
}

#[tokio::test]
async fn each_fault_has_its_status_its_kind_and_its_field() {
    let service = service(|config| config.api.max_body_bytes = 2_048);
    let form = Request::form("/api/v1/tokens", &[("name".to_owned(), "x".to_owned())]);
    let no_type = Request { body: b"{}".to_vec(), ..Request::new("POST", "/api/v1/tokens") };
    let long = with_json("/tokens", format!("{{\"name\": \"{}\"}}", "x".repeat(4_000)));
    let token = |body: &str| with_json("/tokens", body);
    let get = |path: &str| Request::get(&format!("/api/v1{path}"));
    let nobody = "/calls/CA00000000000000000000000000000000";
    for (request, status, kind, fields) in [
        (token("{"), 400, "malformed", vec![]),
        (token(""), 400, "malformed", vec![]),
        (token("{} {}"), 422, "invalid", vec!["name"]),
        (token(r#"{"name": "a", "scope": "viewer"} x"#), 400, "malformed", vec![]),
        (token(r#"{"name": "a", "scope": "viewer", "colour": 1}"#), 422, "invalid", vec!["colour"]),
        (token(r#"{"name": 7, "scope": "viewer"}"#), 422, "invalid", vec!["name"]),
        (token(r#"{"name": "a", "scope": "king"}"#), 422, "invalid", vec!["scope"]),
        (token(r#"{"scope": "viewer"}"#), 422, "invalid", vec!["name"]),
        (token("[]"), 422, "invalid", vec!["body"]),
        (token(r#"["a", "viewer", null, null]"#), 422, "invalid", vec!["body"]),
        (token("7"), 422, "invalid", vec!["body"]),
        (token(r#"{"name": "", "scope": "business"}"#), 422, "invalid", vec!["name", "business"]),
        (token(r#"{"name": "a", "scope": "admin", "business": "Bakery"}"#), 422, "invalid", vec!["business"]),
        (token(r#"{"name": "a", "scope": "business", "business": "Nobody"}"#), 422, "invalid", vec!["business"]),
        (
            token(r#"{"name": "a", "scope": "admin", "expires_at": "2020-01-01T00:00:00Z"}"#),
            422,
            "invalid",
            vec!["expires_at"],
        ),
        (token(r#"{"name": "a", "scope": "admin", "expires_at": "soon"}"#), 422, "invalid", vec!["expires_at"]),
        (form, 415, "not-json", vec![]),
        (no_type, 415, "not-json", vec![]),
        (long, 413, "too-large", vec![]),
        (get("/nowhere"), 404, "not-found", vec![]),
        (get(""), 404, "not-found", vec![]),
        (get("/calls/"), 404, "not-found", vec![]),
        (get("/calls/%ff"), 404, "not-found", vec![]),
        (get(nobody), 404, "not-found", vec![]),
        (Request::new("DELETE", "/api/v1/calls"), 405, "method-not-allowed", vec![]),
        (Request::new("PUT", "/api/v1/tokens"), 405, "method-not-allowed", vec![]),
        (get("/calls?limit=0"), 422, "invalid", vec!["limit"]),
        (get("/calls?limit=201"), 422, "invalid", vec!["limit"]),
        (get("/calls?limit=many"), 422, "invalid", vec!["limit"]),
        (get("/calls?cursor=x"), 422, "invalid", vec!["cursor"]),
        (get("/calls?status=gone"), 422, "invalid", vec!["status"]),
        (get("/calls?direction=up"), 422, "invalid", vec!["direction"]),
        (get("/calls?number=911"), 422, "invalid", vec!["number"]),
        (get("/calls?since=yesterday"), 422, "invalid", vec!["since"]),
        (get("/calls?stauts=busy"), 422, "invalid", vec!["stauts"]),
        (get("/calls?limit=1&limit=2"), 422, "invalid", vec!["limit"]),
        (get("/calls?business=%00"), 422, "invalid", vec!["business"]),
    ] {
        let answer = service.ask(ADMIN, request.clone()).await;
        let expected = (status, kind.to_owned(), fields.into_iter().map(str::to_owned).collect());
        assert_eq!(told(&answer), expected, "{} {}: {answer:?}", request.method, request.target);
    }
    assert!(!service.telemetry.render().contains("status=\"500\""));
}

#[tokio::test]
async fn other_methods_are_refused_and_the_right_ones_named() {
    let service = service(|_| {});
    let answer = service.ask(ADMIN, Request::new("PATCH", "/api/v1/tokens")).await;
    assert_eq!((answer.status, answer.header("Allow")), (405, Some("GET, HEAD, POST")));
    let answer = service.ask(ADMIN, Request::new("HEAD", "/api/v1/calls")).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
}

#[tokio::test]
async fn every_answer_has_a_name_and_is_kept_by_nobody() {
    let service = service(|_| {});
    let named = service.ask(ADMIN, Request::get("/api/v1/calls").with("X-Request-Id", "order-66.b")).await;
    assert_eq!((named.status, named.header("X-Request-Id")), (200, Some("order-66.b")));
    for (name, value) in [("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")] {
        assert_eq!(named.header(name), Some(value));
    }
    let odd = service.ask(ADMIN, Request::get("/api/v1/calls").with("X-Request-Id", "<script>")).await;
    let (given, other) = (odd.header("X-Request-Id").unwrap(), service.read("/calls").await);
    assert!(!given.contains('<') && !given.is_empty());
    assert_ne!(other.header("X-Request-Id"), Some(given), "each request has a name of its own");
    assert_eq!(service.metric("api_answered_total{method=\"GET\",status=\"200\"}"), 3.0);
}

#[tokio::test]
async fn a_caller_keeps_the_connection_and_a_stranger_does_not() {
    let service = service(|_| {});
    let mut connection = crate::http_service::Http::to(service.address()).await;
    let known = Request::get("/api/v1/calls").with("Authorization", &format!("Bearer {ADMIN}"));
    for _ in 0..3 {
        assert_eq!(connection.ask(&known).await.status, 200);
    }
    assert_eq!(connection.ask(&Request::get("/api/v1/calls")).await.status, 401);
    assert!(connection.is_closed().await);
    // The rest of a body that is not read must not be taken for the next request.
    let mut connection = crate::http_service::Http::to(service.address()).await;
    let body = json!({ "name": "GET /health HTTP/1.1\r\n\r\n", "scope": "viewer" }).to_string();
    let form = Request { body: body.into(), ..known.clone().with("Content-Type", "text/plain") };
    let form = Request { method: "POST", target: "/api/v1/tokens".to_owned(), ..form };
    assert_eq!(connection.ask(&form).await.status, 415);
    if connection.send(&known.bytes()).await {
        assert!(connection.answer().await.is_none_or(|answer| answer.status == 200));
    }
}
