//! Conversations with the built-in receptionist.

use serde_json::{Value, json};
use trunkline::engine::call::{HangupCause, Speaker};
use trunkline::engine::status::{CallDirection, CarrierSource};

use crate::browser_line::Visitor;
use crate::service::{INTERRUPTION, MESSAGE, silence, until};
use crate::{ADMIN, service, settled};

fn is_turn(message: &Value, speaker: &str) -> bool {
    message["type"] == "caption" && message["speaker"] == speaker && message["turn"].is_u64()
}

#[tokio::test]
async fn a_caller_is_greeted_leaves_a_message_and_is_answered_and_sees_the_words_of_both() {
    let service = service(|_| {});
    let mut call = Visitor::with(&service, ADMIN).await.call("Reception").await;
    let piece = call.until("the agent's words come", |message| message["response"].is_string()).await;
    assert_eq!((&piece["type"], &piece["speaker"]), (&json!("caption"), &json!("agent")));
    let greeting = call.until("the greeting is over", |message| is_turn(message, "agent")).await;
    assert_eq!(greeting["heard_text"], greeting["text"], "it was heard to its end");
    call.speaks(MESSAGE);
    let loud = call.until("the caller is heard", |message| message["caller_dbfs"].as_i64() > Some(-40)).await;
    assert_eq!(loud["type"], "levels");
    let said = call.until("the caller's words", |message| is_turn(message, "caller")).await;
    assert!(said["text"].as_str().unwrap().starts_with("(spoken message of"), "{said}");
    call.until_agent_spoke(500).await;
    let sid = call.sid.clone();
    assert_eq!(call.hangs_up().await.as_deref(), Some("caller_hung_up"));

    let facts = settled(&service, &sid).await;
    facts.assert_whole();
    assert_eq!(facts.turns[0].text, greeting["text"]);
    assert_eq!(facts.turns[1].speaker, Speaker::Caller);
    assert_eq!((facts.cause(), facts.stats().barge_ins), (HangupCause::CallerHungUp, 0));
    let row = facts.row.as_ref().unwrap();
    assert_eq!(row.direction.as_ref().unwrap().value, CallDirection::Inbound);
    assert_eq!(row.from.as_ref().unwrap().value.as_str(), "browser");
    assert!(row.duration_s >= 4, "{row:?}");
    let sources: Vec<_> = facts.history.iter().map(|change| change.source).collect();
    assert_eq!(sources, [CarrierSource::Browser, CarrierSource::Browser]);
    assert!(facts.recording.exists(), "it is recorded like any other");
    assert_eq!(service.begun_and_ended(&sid), (1, 1));
    service.stops_at_once().await;
}

#[tokio::test]
async fn the_agent_falls_silent_when_the_caller_speaks_and_only_what_was_heard_counts() {
    let service = service(|_| {});
    let mut call = Visitor::with(&service, ADMIN).await.call("Reception").await;
    call.until_agent_spoke(1_000).await;
    call.speaks(INTERRUPTION);
    call.told("clear").await;
    let cut = call.until("the turn that was cut", |message| is_turn(message, "agent")).await;
    assert_eq!(cut["interrupted"], true);
    assert!(cut["heard_text"].as_str().unwrap().len() < cut["text"].as_str().unwrap().len(), "{cut}");
    call.until_agent_spoke(300).await;
    let sid = call.sid.clone();
    call.hangs_up().await;
    let facts = settled(&service, &sid).await;
    facts.assert_whole();
    assert_eq!(facts.stats().barge_ins, 1, "{:?}", facts.conversation());
    service.stops_at_once().await;
}

#[tokio::test]
async fn nothing_counts_as_heard_that_the_browser_does_not_say_it_played() {
    let service = service(|_| {});
    let mut call = Visitor::with(&service, ADMIN).await.call("Reception").await;
    call.is_deaf = true;
    call.until_agent_spoke(1_000).await;
    let sid = call.sid.clone();
    call.hangs_up().await;
    let facts = settled(&service, &sid).await;
    assert!(facts.agent_turns().iter().all(|turn| turn.heard_text.is_empty()), "{:?}", facts.turns);
    service.stops_at_once().await;
}

#[tokio::test]
async fn a_microphone_that_is_off_is_not_heard_whatever_it_sends() {
    let service = service(|_| {});
    let mut call = Visitor::with(&service, ADMIN).await.call("Reception").await;
    call.sends(&json!({ "type": "mute", "muted": true })).await;
    call.until_agent_spoke(500).await;
    call.speaks(MESSAGE);
    let mut levels = 0;
    call.until("two seconds of levels", |message| {
        if message["type"] == "levels" {
            assert_eq!(message["caller_dbfs"], -96);
            levels += 1;
        }
        levels == 20
    })
    .await;
    call.sends(&json!({ "type": "mute", "muted": false })).await;
    call.until("the caller is heard", |message| message["caller_dbfs"].as_i64() > Some(-40)).await;
    call.hangs_up().await;
    service.stops_at_once().await;
}

#[tokio::test]
async fn keys_reach_the_agent_and_its_goodbye_is_heard_before_the_end_is_told() {
    let service = service(|_| {});
    let mut call = Visitor::with(&service, ADMIN).await.call("Reception").await;
    call.until("the greeting is over", |message| is_turn(message, "agent")).await;
    call.sends(&json!({ "type": "dtmf", "digit": "#" })).await;
    let sid = call.sid.clone();
    assert_eq!(call.ended().await.as_deref(), Some("agent_hung_up"));
    let facts = settled(&service, &sid).await;
    facts.assert_whole();
    let goodbye = facts.agent_turns().pop().unwrap().clone();
    assert_eq!(goodbye.heard_text, goodbye.text, "all of it was heard");
    service.stops_at_once().await;
}

#[tokio::test]
async fn a_page_that_is_closed_ends_its_call_and_so_does_a_connection_that_breaks() {
    let service = service(|_| {});
    let visitor = Visitor::with(&service, ADMIN).await;
    let mut call = visitor.call("Reception").await;
    call.until_agent_spoke(200).await;
    let sid = call.sid.clone();
    drop(call);
    let facts = settled(&service, &sid).await;
    assert_eq!((facts.cause(), facts.status()), (HangupCause::StreamLost, "completed"));
    until("no call is alive", || service.metric("calls_live") == 0.0).await;
    service.stops_at_once().await;
}

#[tokio::test]
async fn an_operator_and_the_service_s_own_end_are_told_with_their_cause() {
    let mut service = service(|config| config.http.drain_ms = 0);
    let visitor = Visitor::with(&service, ADMIN).await;
    let mut call = visitor.call("Reception").await;
    call.until_agent_spoke(200).await;
    let hang_up = crate::http_service::Request::new("POST", &format!("/api/v1/calls/{}/hangup", call.sid));
    assert_eq!(visitor.send(hang_up).await.status, 202);
    assert_eq!(call.ended().await.as_deref(), Some("operator_hung_up"));

    let mut call = visitor.call("Reception").await;
    call.until_agent_spoke(200).await;
    let (_, cause) = tokio::join!(service.stops(), call.ended());
    assert_eq!(cause.as_deref(), Some("draining"));
}

#[tokio::test]
async fn silence_between_words_is_heard_as_one_utterance() {
    let service = service(|_| {});
    let mut call = Visitor::with(&service, ADMIN).await.call("Reception").await;
    call.until("the greeting is over", |message| is_turn(message, "agent")).await;
    call.speaks(&[INTERRUPTION, &silence(200), INTERRUPTION].concat());
    call.until("the caller's words", |message| is_turn(message, "caller")).await;
    let sid = call.sid.clone();
    call.hangs_up().await;
    let facts = settled(&service, &sid).await;
    assert_eq!(facts.turns.iter().filter(|turn| turn.speaker == Speaker::Caller).count(), 1);
    service.stops_at_once().await;
}
