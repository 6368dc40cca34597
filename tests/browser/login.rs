//! Logging in, staying so, and out again; and the files of the console.

use serde_json::json;

use crate::browser_line::{Visitor, log_in};
use crate::http_service::{Request, ask};
use crate::service::PUBLIC_URL;
use crate::{ADMIN, service};

#[tokio::test]
async fn a_session_is_a_token_s_for_reading_and_with_its_proof_for_changing() {
    let service = service(|_| {});
    let visitor = Visitor::with(&service, ADMIN).await;
    let session = visitor.get("/console/session").await.json();
    assert_eq!((&session["role"], &session["business"]), (&json!("admin"), &json!(null)));
    assert_eq!(visitor.get("/api/v1/calls").await.status, 200);

    let make = || Request::json("/api/v1/tokens", json!({ "name": "t", "scope": "viewer" }).to_string());
    let unproved = Visitor { proof: "x".into(), ..visitor.clone() };
    let answer = unproved.send(make()).await;
    assert_eq!(answer.status, 403, "{answer:?}");
    assert!(answer.body.contains("X-CSRF-Token"));
    let made = visitor.send(make()).await;
    assert_eq!(made.status, 201, "{made:?}");

    let viewer = Visitor::with(&service, made.json()["text"].as_str().unwrap()).await;
    assert_eq!(viewer.get("/console/session").await.json()["role"], "viewer");
    assert_eq!(viewer.get("/api/v1/calls").await.status, 200);
    assert_eq!(viewer.send(make()).await.status, 403);
    let id = made.json()["token"]["id"].as_str().unwrap().to_owned();
    assert_eq!(visitor.send(Request::new("DELETE", &format!("/api/v1/tokens/{id}"))).await.status, 204);
    assert_eq!(viewer.get("/api/v1/calls").await.status, 401, "a session ends with its token");
    assert_eq!(viewer.get("/console/session").await.status, 401);

    assert_eq!(unproved.send(Request::new("POST", "/console/logout")).await.status, 403);
    let out = visitor.send(Request::new("POST", "/console/logout")).await;
    assert_eq!(out.status, 204);
    assert!(out.header("Set-Cookie").unwrap().ends_with("Max-Age=0"));
    assert_eq!(visitor.get("/api/v1/calls").await.status, 401);
    service.stops_at_once().await;
}

#[tokio::test]
async fn who_guesses_is_told_to_wait_and_who_has_a_token_gets_in() {
    let service = service(|config| config.api.strangers_per_minute = 3.try_into().unwrap());
    let origin = format!("http://{}", service.address());
    for _ in 0..3 {
        let answer = log_in(&service, "a-guess", &origin).await;
        assert_eq!(answer.status, 401, "{answer:?}");
        assert_eq!(answer.header("Set-Cookie"), None);
    }
    let answer = log_in(&service, "a-guess", &origin).await;
    assert_eq!(answer.status, 429, "{answer:?}");
    assert!(answer.header("Retry-After").is_some());
    assert_eq!(log_in(&service, ADMIN, &origin).await.status, 204);
    service.stops_at_once().await;
}

#[tokio::test]
async fn a_login_comes_from_a_page_of_ours_as_json() {
    let service = service(|_| {});
    assert_eq!(log_in(&service, ADMIN, "https://evil.example").await.status, 403);
    let request = Request::new("POST", "/console/login")
        .with("Origin", &format!("http://{}", service.address()))
        .with("Host", &service.address().to_string());
    let form = Request { body: format!("token={ADMIN}").into(), ..request.clone() };
    assert_eq!(ask(service.address(), &form).await.status, 415);
    let long = json!({ "token": "x".repeat(20_000) }).to_string();
    let long = Request { body: long.into(), ..request.with("Content-Type", "application/json") };
    assert_eq!(ask(service.address(), &long).await.status, 413);
    service.stops_at_once().await;
}

#[tokio::test]
async fn behind_https_the_cookie_is_for_https_alone() {
    let service = service(|config| config.http.public_url = Some(PUBLIC_URL.parse().unwrap()));
    let answer = log_in(&service, ADMIN, PUBLIC_URL).await;
    let cookie = answer.header("Set-Cookie").unwrap();
    assert!(cookie.starts_with("__Host-trunkline-session=") && cookie.ends_with("; HttpOnly; SameSite=Strict; Secure"));
    service.stops_at_once().await;
}

#[tokio::test]
async fn the_pages_load_nothing_from_elsewhere_and_are_asked_for_once() {
    let service = service(|_| {});
    let page = ask(service.address(), &Request::get("/console")).await;
    assert_eq!((page.status, page.header("Content-Type")), (200, Some("text/html; charset=utf-8")));
    let policy = page.header("Content-Security-Policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self';") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(page.header("X-Frame-Options"), Some("DENY"));
    assert_eq!(page.header("Referrer-Policy"), Some("no-referrer"));
    let tag = page.header("ETag").unwrap();
    let again = ask(service.address(), &Request::get("/console").with("If-None-Match", tag)).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    let script = ask(service.address(), &Request::get("/console/call/worklet.js")).await;
    assert_eq!(script.header("Content-Type"), Some("text/javascript; charset=utf-8"));
    assert_eq!(ask(service.address(), &Request::get("/console/nothing.js")).await.status, 404);
    assert_eq!(ask(service.address(), &Request::new("POST", "/console")).await.status, 405);
    service.stops_at_once().await;
}
