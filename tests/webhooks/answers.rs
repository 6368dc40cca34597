//! What the carrier is told to do, and what is written down.

use std::collections::HashSet;

use trunkline::config::{Business, Config};
use trunkline::engine::business::CalledNumber;
use trunkline::engine::call::{CallStats, Farewell, HangupCause};
use trunkline::engine::status::{CallDirection, CarrierSource};
use trunkline::store::{CallEnd, StatusWriter, Store};

use crate::databases::{DEADLINE, Database};
use crate::http_service::{Answer, Asked, Caller, Request};
use crate::service::{Service, TRANSFER_TO};
use crate::{databases, service};

on_both_databases! {
    how_a_call_ended_on_another_node_is_known_here
}

/// The TwiML of this name, with the token that changes from call to call.
fn golden(name: &str, token: &str) -> String {
    let path = format!("{}/tests/golden/twiml/{name}.xml", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap().trim_end().replace("TOKEN", token)
}

/// The media token in a voice webhook's answer.
fn token(answer: &Answer) -> String {
    let (_, token) =
        answer.body.split_once(r#"<Parameter name="token" value=""#).unwrap_or_else(|| panic!("{answer:?}"));
    token.split_once('"').unwrap().0.to_owned()
}

fn business(name: &str, number: &str) -> Business {
    Business {
        name: name.parse().unwrap(),
        number: CalledNumber::Exact(number.parse().unwrap()),
        ..Config::default().business[0].clone()
    }
}

fn assert_twiml(answer: &Answer, expected: &str) {
    assert_eq!((answer.status, answer.header("Content-Type")), (200, Some("application/xml")));
    assert_eq!(answer.header("Cache-Control"), Some("no-store"), "a token or a farewell is for this call only");
    assert_eq!(answer.body, expected);
}

#[tokio::test]
async fn a_known_number_is_connected() {
    let service = service(|_| {});
    let caller = Caller::new();
    let answer = service.webhook(caller.voice()).await;
    assert_twiml(&answer, &golden("voice_connect", &token(&answer)));

    let row = service.store().call(&caller.sid()).unwrap().unwrap();
    assert_eq!(row.status.as_str(), "ringing");
    assert_eq!(row.business.unwrap().value.as_str(), "Reception");
    assert_eq!(row.direction.unwrap().value, CallDirection::Inbound);
    assert_eq!(row.to.unwrap().value.as_str(), caller.to);
    assert_eq!(service.telemetry.logged().iter().filter(|line| line.contains(&caller.to)).count(), 0);
}

#[tokio::test]
async fn an_unknown_number_is_told_so_and_remembered() {
    let service = service(|config| config.business = vec![business("Bakery", "+14155550101")]);
    let caller = Caller::of("+14155550102");
    assert_twiml(&service.webhook(caller.voice()).await, &golden("voice_refusal", ""));
    assert_eq!(service.figure("calls_refused_total{reason=\"unknown_number\"}"), 1.0);

    // What the carrier says of a refused call afterwards makes it no success.
    assert_eq!(service.webhook(caller.status("completed", &[("CallDuration", "4")])).await.status, 204);
    let row = service.store().call(&caller.sid()).unwrap().unwrap();
    assert_eq!((row.status.as_str(), row.duration_s, row.business), ("rejected", 4, None));
    let history = service.store().status_history(&caller.sid()).unwrap();
    assert!(history.iter().any(|change| change.source == CarrierSource::Refusal && change.reason.is_some()));
}

#[tokio::test]
async fn a_call_of_another_account_is_refused_before_it_is_connected() {
    let other = "AC99999999999999999999999999999999";
    let service = service(|config| config.twilio.account_sid = Some(other.parse().unwrap()));
    let caller = Caller::new();
    assert_twiml(&service.webhook(caller.voice()).await, &golden("apology", ""));
    assert_eq!(service.figure("calls_refused_total{reason=\"other_account\"}"), 1.0);
    assert_eq!(service.store().call(&caller.sid()).unwrap().unwrap().status.as_str(), "rejected");
}

#[tokio::test]
async fn a_caller_whom_nobody_answers_after_a_transfer_is_told_so() {
    let service = service(|_| {});
    for (dialled, twiml) in [
        ("completed", "hangup"),
        ("answered", "hangup"),
        ("busy", "dial_unanswered"),
        ("no-answer", "dial_unanswered"),
        ("failed", "dial_unanswered"),
        ("canceled", "dial_unanswered"),
    ] {
        let (caller, leg) = (Caller::new(), Caller::new());
        let answer = service.webhook(caller.dial_ended("in-progress", &leg.call_sid, dialled)).await;
        assert_twiml(&answer, &golden(twiml, ""));
        let ended = service.store().call(&leg.sid()).unwrap().unwrap();
        assert_eq!(ended.status.as_str(), if dialled == "answered" { "completed" } else { dialled });
        assert_eq!(ended.parent_call_sid.unwrap().value, caller.sid());
        let history = service.store().status_history(&caller.sid()).unwrap();
        let reason = format!("transfer: {}", ended.status);
        assert!(history.iter().any(|change| change.reason.as_deref() == Some(&reason)), "{history:?}");
    }
}

#[tokio::test]
async fn a_call_to_no_number_is_told_so_too() {
    let service = service(|config| config.business = vec![business("Bakery", "+14155550101")]);
    for to in ["sip:desk@example.com", "client:alice"] {
        let answer = service.webhook(Caller::of(to).voice()).await;
        assert_twiml(&answer, &golden("voice_refusal", ""));
    }
}

#[tokio::test]
async fn two_businesses_are_never_mixed() {
    let numbers = ["+14155550101", "+14155550102"];
    let service = service(|config| {
        config.business = vec![business("Bakery", numbers[0]), business("Dentist", numbers[1])];
    });
    let mut tokens = HashSet::new();
    let callers: Vec<Caller> = (0..20).map(|n| Caller::of(numbers[n % 2])).collect();
    let answers = futures_util::future::join_all(callers.iter().map(|caller| service.webhook(caller.voice()))).await;
    for (caller, answer) in callers.iter().zip(&answers) {
        let expected = if caller.to == numbers[0] { "Bakery" } else { "Dentist" };
        let row = service.store().call(&caller.sid()).unwrap().unwrap();
        assert_eq!(row.business.unwrap().value.as_str(), expected);
        use base64::Engine as _;
        let said = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token(answer)).unwrap();
        assert!(
            said.windows(expected.len()).any(|window| window == expected.as_bytes()),
            "whose call it is, is signed"
        );
        tokens.insert(token(answer));
    }
    assert_eq!(tokens.len(), callers.len(), "a token is one call's");
}

#[tokio::test]
async fn a_voice_webhook_that_is_tried_again_is_the_same_call() {
    let service = service(|_| {});
    let caller = Caller::new();
    let request = caller.voice().with("I-Twilio-Idempotency-Token", "7c9e6679-7425-40de-944b-e07fc1f90ae7");
    let mut answers = Vec::new();
    for _ in 0..3 {
        let answer = service.webhook(request.clone()).await;
        assert_twiml(&answer, &golden("voice_connect", &token(&answer)));
        answers.push(service.store().call(&caller.sid()).unwrap().unwrap());
    }
    assert_eq!(service.store().status_history(&caller.sid()).unwrap().len(), 1);
    let first = answers.remove(0);
    for row in answers {
        assert_eq!(row, trunkline::engine::status::CallRow { updated_at: row.updated_at, ..first.clone() });
    }
}

#[tokio::test]
async fn a_call_whose_end_nobody_knows_is_apologised_for() {
    let service = service(|_| {});
    let answer = service.webhook(Caller::new().stream_ended("in-progress")).await;
    assert_twiml(&answer, &golden("apology", ""));
}

#[tokio::test]
async fn a_stream_that_broke_is_counted() {
    let service = service(|_| {});
    let caller = Caller::new();
    for (event, faults) in [("stream-started", 0.0), ("stream-stopped", 0.0), ("stream-error", 1.0)] {
        let fields =
            caller.fields("in-progress", &[("StreamEvent", event), ("StreamError", "WebSocket - Handshake Error")]);
        let answer = service.webhook(Request::form("/twilio/stream-status", &fields)).await;
        assert_eq!((answer.status, answer.body.as_str()), (204, ""));
        assert_eq!(service.figure("media_faults_total{kind=\"reported_by_carrier\"}"), faults, "{event}");
    }
    assert_eq!(service.store().call(&caller.sid()), Ok(None), "a stream is no status of a call");
}

fn how_a_call_ended_on_another_node_is_known_here(database: Database) {
    let (other_node, writer): (Store, StatusWriter) = database.open("other");
    let here = service(|config| config.database.url = Some(database.url.parse().unwrap()));
    let farewells = [
        (Farewell::HangUp, "hangup"),
        (Farewell::Apologise, "apology"),
        (Farewell::Dial(TRANSFER_TO.parse().unwrap()), "stream_ended_dial"),
    ];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for (farewell, twiml) in farewells {
        let caller = Caller::new();
        let end = CallEnd { cause: HangupCause::AgentHungUp, farewell, stats: CallStats::default(), ended_at: 1 };
        other_node.turn_writer(caller.sid()).unwrap().end(end);
        assert!(other_node.flush(DEADLINE));
        let answer = runtime.block_on(here.webhook(caller.stream_ended("in-progress")));
        assert_twiml(&answer, &golden(twiml, ""));
    }
    drop((other_node, writer, here));
}

#[tokio::test]
async fn a_service_without_any_business_refuses_every_call() {
    let service: Service = service(|config| config.business.clear());
    let caller = Caller::new();
    assert_twiml(&service.webhook(caller.voice()).await, &golden("voice_refusal", ""));
    assert_eq!(service.store().call(&caller.sid()).unwrap().unwrap().status.as_str(), "rejected");
}
