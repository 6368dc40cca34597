//! Conversations with the built-in receptionist.

use serde_json::json;
use trunkline::clock;
use trunkline::engine::audio::{Hz8k, Hz16k, Hz24k, Hz48k};
use trunkline::engine::call::{HangupCause, Speaker};
use trunkline::engine::status::{CallDirection, CarrierSource};
use trunkline::engine::wire::audiosocket::{AudioKind, CallUuid};

use crate::fake_asterisk::{PbxCall, made_up};
use crate::service::{INTERRUPTION, MESSAGE, ms};
use crate::{bind, service, settled, socket};

#[tokio::test]
async fn a_caller_at_8_khz_is_greeted_and_leaves_a_message() {
    leaves_a_message::<Hz8k>().await;
}

#[tokio::test]
async fn a_caller_at_16_khz_is_greeted_and_leaves_a_message() {
    leaves_a_message::<Hz16k>().await;
}

#[tokio::test]
async fn a_caller_at_24_khz_is_greeted_and_leaves_a_message() {
    leaves_a_message::<Hz24k>().await;
}

#[tokio::test]
async fn a_caller_at_48_khz_is_greeted_and_leaves_a_message() {
    leaves_a_message::<Hz48k>().await;
}

async fn leaves_a_message<R: AudioKind>() {
    let service = service(|_| {});
    let call = PbxCall::<R>::dial(socket(&service), made_up()).await;
    let greeted = call.until_agent_said_something(0).await;
    call.speaks(MESSAGE);
    call.until_agent_said_something(greeted).await;
    call.hangs_up();
    let facts = settled(&service, &call.call_sid()).await;

    call.assert_content();
    facts.assert_whole();
    let [greeting, message, _asked_for_more] = facts.turns.as_slice() else { panic!("{:?}", facts.conversation()) };
    assert_eq!((greeting.speaker, greeting.interrupted), (Speaker::Agent, false));
    assert_eq!(greeting.heard_text, greeting.text, "the greeting was heard to its end");
    assert_eq!(message.speaker, Speaker::Caller);
    assert!(message.text.starts_with("(spoken message of 4."), "{}", message.text);
    assert_eq!((facts.cause(), facts.stats().barge_ins), (HangupCause::CallerHungUp, 0));
    assert_eq!(facts.stats().vad_frames, facts.stats().caller_frames, "every frame was judged");
    let row = facts.row.as_ref().unwrap();
    assert_eq!(row.business.as_ref().unwrap().value.as_str(), "Reception", "the business that answers every number");
    assert_eq!(row.direction.as_ref().unwrap().value, CallDirection::Inbound);
    assert!(row.duration_s >= 4, "{row:?}");
    assert!(facts.recording.exists());
    assert_eq!(service.begun_and_ended(&call.call_sid()), (1, 1));
    service.stops_at_once().await;
}

#[tokio::test]
async fn a_call_that_was_named_beforehand_is_its_business_s_and_says_who_calls_whom() {
    let service = service(|config| {
        let mut bakery = config.business[0].clone();
        bakery.name = "Bakery Miller".parse().unwrap();
        bakery.number = "+15005550001".parse().unwrap();
        config.business.push(bakery);
        config.asterisk.audiosocket.allow = String::new();
    });
    let asked = json!({ "business": "Bakery Miller", "from": "+14155550100", "to": "reception" });
    let answer = bind(&service, &asked).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let named = answer.json();
    let id: CallUuid = named["uuid"].as_str().unwrap().parse().unwrap();
    assert_eq!(named["call_sid"], id.call_sid().as_str());
    assert_eq!(named["application"], format!("AudioSocket({id},{})", socket(&service)));

    let call = PbxCall::<Hz16k>::dial(socket(&service), id).await;
    call.until_agent_said_something(0).await;
    let again = PbxCall::<Hz16k>::dial(socket(&service), id).await;
    assert!(again.until_closed().await, "a name is good for one call");
    call.hangs_up();
    let facts = settled(&service, &call.call_sid()).await;
    facts.assert_whole();
    let row = facts.row.as_ref().unwrap();
    assert_eq!(row.business.as_ref().unwrap().value.as_str(), "Bakery Miller");
    assert_eq!(row.from.as_ref().unwrap().value.as_str(), "+14155550100");
    assert_eq!(row.to.as_ref().unwrap().value.as_str(), "reception");
    let sources: Vec<_> = facts.history.iter().map(|change| change.source).collect();
    assert_eq!(sources, [CarrierSource::SocketBinding, CarrierSource::AudioSocket, CarrierSource::AudioSocket]);

    let late = PbxCall::<Hz16k>::dial(socket(&service), id).await;
    assert!(late.until_closed().await, "nor for another after it");
    service.stops_at_once().await;
}

#[tokio::test]
async fn keys_reach_the_agent_and_its_goodbye_is_heard_before_the_line_is_closed() {
    let service = service(|_| {});
    let call = PbxCall::<Hz8k>::dial(socket(&service), made_up()).await;
    let greeted = call.until_agent_said_something(0).await;
    call.presses('#');
    assert!(call.until_closed().await, "the server says that the connection ends");
    let facts = settled(&service, &call.call_sid()).await;
    facts.assert_whole();
    assert_eq!(facts.cause(), HangupCause::AgentHungUp);
    let goodbye = facts.agent_turns().pop().unwrap().clone();
    assert_eq!(goodbye.heard_text, goodbye.text, "all of it was heard");
    call.heard(|heard| assert!(crate::fake_asterisk::voiced(&heard.frames, greeted) > 20));
    service.stops_at_once().await;
}

#[tokio::test]
async fn the_agent_falls_silent_when_the_caller_speaks() {
    let service = service(|_| {});
    let call = PbxCall::<Hz24k>::dial(socket(&service), made_up()).await;
    call.until_agent_spoke(0, 1_000).await;
    call.speaks(INTERRUPTION);
    call.until("the agent is cut short", |heard| heard.frames.iter().rev().take(15).all(|frame| !frame.1)).await;
    let cut = call.heard(|heard| heard.frames.len());
    call.until_agent_said_something(cut).await;
    call.hangs_up();
    let facts = settled(&service, &call.call_sid()).await;
    facts.assert_whole();
    assert_eq!(facts.stats().barge_ins, 1, "{:?}", facts.conversation());
    assert!(facts.turns[0].interrupted && facts.turns[0].heard_text.len() < facts.turns[0].text.len());
    service.stops_at_once().await;
}

#[tokio::test]
async fn silence_is_sent_from_the_uuid_on_and_the_rate_is_that_of_the_first_audio() {
    let service = service(|_| {});
    let call = PbxCall::<Hz48k>::dial_mute(socket(&service), made_up()).await;
    call.until("half a second of silence has come", |heard| heard.frames.len() >= 25).await;
    assert_eq!(service.metric("calls_live"), 0.0);
    call.speaks(&[0xff; 800]);
    call.until_agent_spoke(0, 500).await;
    call.hangs_up();
    settled(&service, &call.call_sid()).await.assert_whole();
    call.assert_content();
    service.stops_at_once().await;
}

#[tokio::test]
async fn frames_come_one_by_one_whether_there_is_something_to_say_or_not() {
    let service = service(|_| {});
    let call = PbxCall::<Hz16k>::dial(socket(&service), made_up()).await;
    let began = clock::now();
    call.until_agent_said_something(0).await;
    let took = clock::now() - began;
    let frames = call.heard(|heard| heard.frames.len()) as u128;
    // Asterisk plays what it gets when it gets it: never more than time has passed, but for what a late tick catches up.
    assert!(frames <= took.as_millis() / 20 + 3, "{frames} frames in {took:?}");
    call.hangs_up();
    settled(&service, &call.call_sid()).await.assert_whole();
    service.stops_at_once().await;
}

#[tokio::test]
async fn twenty_calls_at_once_each_have_a_record_of_their_own() {
    let service = service(|config| config.asterisk.audiosocket.connects_per_second = 100.try_into().unwrap());
    let address = socket(&service);
    let calls = (0..20).map(|_| async move {
        let call = PbxCall::<Hz8k>::dial(address, made_up()).await;
        call.until_agent_spoke(0, 500).await;
        call.hangs_up();
        call
    });
    for call in futures_util::future::join_all(calls).await {
        let facts = settled(&service, &call.call_sid()).await;
        facts.assert_whole();
        call.assert_content();
    }
    crate::service::until("no call is alive", || service.metric("calls_live") == 0.0).await;
    tokio::time::timeout(ms(30_000), service.stops_at_once()).await.unwrap();
}
