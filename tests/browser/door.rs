//! Who may place a call, who may not, and what happens to a socket that makes no sense.

use serde_json::json;

use crate::browser_line::Visitor;
use crate::http_service::Request;
use crate::service::Service;
use crate::{ADMIN, service, settled};

fn refused(service: &Service, reason: &str) -> f64 {
    service.metric(&format!("calls_refused_total{{reason=\"{reason}\"}}"))
}

/// A token of the interface, of this scope.
async fn token(service: &Service, scope: serde_json::Value) -> String {
    let mut body = scope;
    body["name"] = json!("a test");
    let body = body.to_string();
    let request = Request::json("/api/v1/tokens", body).with("Authorization", &format!("Bearer {ADMIN}"));
    let answer = crate::http_service::ask(service.address(), &request).await;
    answer.json()["text"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}

#[tokio::test]
async fn only_a_page_of_the_service_with_a_session_that_may_change_something_may_call() {
    let service = service(|_| {});
    let admin = Visitor::with(&service, ADMIN).await;
    let elsewhere = Visitor { origin: "https://evil.example".into(), ..admin.clone() };
    assert_eq!(elsewhere.socket().await.err(), Some(403));
    let nobody = Visitor { cookie: "a=b".into(), ..admin.clone() };
    assert_eq!(nobody.socket().await.err(), Some(401));
    let viewer = Visitor::with(&service, &token(&service, json!({ "scope": "viewer" })).await).await;
    assert_eq!(viewer.socket().await.err(), Some(403));
    assert_eq!((refused(&service, "other_origin"), refused(&service, "not_logged_in")), (1.0, 2.0));
    assert!(admin.socket().await.is_ok());
    service.stops_at_once().await;
}

#[tokio::test]
async fn whoever_belongs_to_a_business_calls_that_one_alone() {
    let service = service(|config| {
        let mut bakery = config.business[0].clone();
        bakery.name = "Bakery Miller".parse().unwrap();
        bakery.number = "+15005550001".parse().unwrap();
        config.business.push(bakery);
    });
    let of_bakery = token(&service, json!({ "scope": "business", "business": "Bakery Miller" })).await;
    let baker = Visitor::with(&service, &of_bakery).await;
    for business in ["Reception", "Nobody"] {
        let mut call = baker.says(&json!({ "type": "start", "business": business })).await;
        assert_eq!(call.told("refused").await["reason"], "there is no such business");
    }
    let mut own = baker.says(&json!({ "type": "start" })).await;
    assert_eq!(own.told("ready").await["business"], "Bakery Miller");
    drop(own);
    assert_eq!(refused(&service, "unknown_number"), 2.0);
    service.stops_at_once().await;
}

#[tokio::test]
async fn a_socket_that_does_not_begin_with_start_is_closed() {
    let service = service(|config| config.media.start_timeout_ms = 300);
    let visitor = Visitor::with(&service, ADMIN).await;
    for first in [json!({ "type": "hangup" }), json!({ "type": "start", "business": "" }), json!([])] {
        let mut call = visitor.says(&first).await;
        assert_eq!(call.told("refused").await["reason"], "the first message must be start");
    }
    assert_eq!(refused(&service, "bad_token"), 3.0);
    let silent = visitor.socket().await.unwrap();
    crate::service::until("it is closed", || refused(&service, "start_timeout") == 1.0).await;
    drop(silent);
    service.stops_at_once().await;
}

#[tokio::test]
async fn what_makes_no_sense_beside_the_sound_is_counted_and_the_call_goes_on() {
    let service = service(|_| {});
    let mut call = Visitor::with(&service, ADMIN).await.call("Reception").await;
    call.sends(&json!({ "type": "start" })).await;
    call.sends(&json!({ "type": "dtmf", "digit": "x" })).await;
    call.sends_bytes(vec![0; 641]).await;
    call.sends_bytes(Vec::new()).await;
    call.until_agent_spoke(300).await;
    let sid = call.sid.clone();
    call.hangs_up().await;
    let facts = settled(&service, &sid).await;
    facts.assert_whole();
    assert_eq!(facts.stats().media_faults, 3);
    service.stops_at_once().await;
}

#[tokio::test]
async fn a_call_for_which_there_is_no_room_is_refused_in_words_and_on_record() {
    let service = service(|config| config.calls.max = 1);
    let visitor = Visitor::with(&service, ADMIN).await;
    let mut call = visitor.call("Reception").await;
    call.until_agent_spoke(100).await;
    let mut second = visitor.says(&json!({ "type": "start" })).await;
    let reason = second.told("refused").await["reason"].as_str().unwrap().to_owned();
    let listed = || async { visitor.get("/api/v1/calls?status=rejected").await.json()["items"].clone() };
    let mut rejected = listed().await;
    while rejected.as_array().unwrap().is_empty() {
        tokio::task::yield_now().await;
        rejected = listed().await;
    }
    assert_eq!(rejected[0]["business"], "Reception");
    assert!(!reason.is_empty());
    call.hangs_up().await;
    crate::service::until("there is room again", || service.metric("calls_live") == 0.0).await;
    visitor.call("Reception").await.hangs_up().await;
    service.stops_at_once().await;
}

#[tokio::test]
async fn without_a_console_there_is_neither_page_nor_call() {
    let service = service(|config| config.console.enabled = false);
    for path in ["/console", "/console/session", "/console/call", "/console/app.js"] {
        let answer = crate::http_service::ask(service.address(), &Request::get(path)).await;
        assert_eq!(answer.status, 404, "{path}");
    }
    service.stops_at_once().await;
}
