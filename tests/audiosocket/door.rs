//! Who is let in, who is not, and how a call ends whose audio makes no sense.

use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use trunkline::engine::audio::{Hz8k, Hz16k};
use trunkline::engine::call::HangupCause;
use trunkline::engine::wire::audiosocket::{CallUuid, encode_samples};

use crate::fake_asterisk::{PbxCall, made_up};
use crate::service::{Service, until};
use crate::{bind, closed, service, settled, socket};

fn refused(service: &Service, reason: &str) -> f64 {
    service.metric(&format!("calls_refused_total{{reason=\"{reason}\"}}"))
}

#[tokio::test]
async fn a_stranger_s_uuid_is_refused_with_a_goodbye() {
    let service = service(|config| config.asterisk.audiosocket.allow = "10.1.2.0/24".to_owned());
    let call = PbxCall::<Hz8k>::dial(socket(&service), made_up()).await;
    assert!(call.until_closed().await);
    assert_eq!(refused(&service, "unknown_uuid"), 1.0);
    assert_eq!(service.facts(&call.call_sid()).await.row, None, "nothing is kept of it");
    service.stops_at_once().await;
}

#[tokio::test]
async fn a_name_that_was_issued_too_long_ago_is_refused_even_of_a_peer_that_is_allowed() {
    let service = service(|config| config.asterisk.audiosocket.bind_s = 0);
    let named = bind(&service, &json!({ "business": "Reception" })).await.json();
    let id: CallUuid = named["uuid"].as_str().unwrap().parse().unwrap();
    let call = PbxCall::<Hz8k>::dial(socket(&service), id).await;
    assert!(call.until_closed().await);
    assert_eq!(refused(&service, "unknown_uuid"), 1.0);
    service.stops_at_once().await;
}

#[tokio::test]
async fn a_connection_that_says_no_uuid_is_closed() {
    let service = service(|config| config.asterisk.audiosocket.handshake_ms = 100);
    let address = socket(&service);
    let silent = TcpStream::connect(address).await.unwrap();
    assert_eq!(all_of(silent).await, [0, 0, 0]);
    assert_eq!(refused(&service, "start_timeout"), 1.0);

    let call = PbxCall::<Hz8k>::dial_mute(address, made_up()).await;
    drop(call);
    let mut wrong = TcpStream::connect(address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut wrong, &[0x10, 0, 2, 0, 0]).await.unwrap();
    assert_eq!(all_of(wrong).await, [0, 0, 0]);
    assert_eq!(refused(&service, "no_uuid"), 1.0);
    service.stops_at_once().await;
}

async fn all_of(mut socket: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes).await.unwrap();
    bytes
}

#[tokio::test]
async fn a_call_with_audio_that_no_call_can_have_never_begins_and_its_row_says_why() {
    let service = service(|_| {});
    let call = PbxCall::<Hz8k>::dial_mute(socket(&service), made_up()).await;
    call.sends(&[0x11, 0, 2, 0, 0]);
    assert!(call.until_closed().await);
    assert_eq!(refused(&service, "media_unsupported"), 1.0);
    let facts = closed(&service, &call.call_sid()).await;
    assert_eq!(facts.status(), "failed");
    let reasons: Vec<_> = facts.history.iter().filter_map(|change| change.reason.as_deref()).collect();
    assert_eq!(reasons, ["its audio is of a kind that no call can have"]);
    service.stops_at_once().await;
}

#[tokio::test]
async fn a_call_whose_audio_changes_its_rate_is_ended_for_that() {
    let service = service(|_| {});
    let call = PbxCall::<Hz8k>::dial(socket(&service), made_up()).await;
    call.until_agent_spoke(0, 100).await;
    let mut wide = Vec::new();
    encode_samples::<Hz16k>(&[0; 320], &mut wide);
    call.sends(&wide);
    assert!(call.until_closed().await);
    let facts = settled(&service, &call.call_sid()).await;
    assert_eq!((facts.cause(), facts.status()), (HangupCause::MediaUnsupported, "completed"));
    assert_eq!(service.metric("media_faults_total{kind=\"rate_changed\"}"), 1.0);
    service.stops_at_once().await;
}

#[tokio::test]
async fn what_makes_no_sense_beside_the_audio_is_counted_and_the_call_goes_on() {
    let service = service(|_| {});
    let call = PbxCall::<Hz8k>::dial(socket(&service), made_up()).await;
    call.until_agent_spoke(0, 100).await;
    call.sends(&[0x03, 0, 1, b'x']);
    call.sends(&[0x10, 0, 3, 0, 0, 7]);
    call.sends(&[0x10, 0, 0]);
    let since = call.heard(|heard| heard.frames.len());
    call.until_agent_spoke(since, 200).await;
    call.hangs_up();
    let facts = settled(&service, &call.call_sid()).await;
    facts.assert_whole();
    assert_eq!(facts.stats().media_faults, 2);
    service.stops_at_once().await;
}

#[tokio::test]
async fn a_connection_beyond_the_limits_is_closed_and_the_others_go_on() {
    let service = service(|config| config.asterisk.audiosocket.max_connections = 1);
    let call = PbxCall::<Hz8k>::dial(socket(&service), made_up()).await;
    call.until_agent_spoke(0, 100).await;
    let second = PbxCall::<Hz8k>::dial(socket(&service), made_up()).await;
    second.until_closed().await;
    until("the refusal is counted", || refused(&service, "too_many_sockets") == 1.0).await;
    let since = call.heard(|heard| heard.frames.len());
    call.until_agent_spoke(since, 200).await;
    call.hangs_up();
    settled(&service, &call.call_sid()).await.assert_whole();
    service.stops_at_once().await;
}

#[tokio::test]
async fn a_call_for_which_there_is_no_room_is_refused_and_on_record() {
    let service = service(|config| config.calls.max = 1);
    let call = PbxCall::<Hz8k>::dial(socket(&service), made_up()).await;
    call.until_agent_spoke(0, 100).await;
    let second = PbxCall::<Hz8k>::dial(socket(&service), made_up()).await;
    assert!(second.until_closed().await);
    assert_eq!(closed(&service, &second.call_sid()).await.status(), "rejected");
    assert_eq!(bind(&service, &json!({ "business": "Reception" })).await.status, 503);
    call.hangs_up();
    settled(&service, &call.call_sid()).await.assert_whole();
    until("there is room again", || service.metric("calls_live") == 0.0).await;
    let third = PbxCall::<Hz8k>::dial(socket(&service), made_up()).await;
    third.until_agent_spoke(0, 100).await;
    third.hangs_up();
    settled(&service, &third.call_sid()).await.assert_whole();
    service.stops_at_once().await;
}

#[tokio::test]
async fn without_a_socket_no_call_is_named() {
    let service = service(|config| config.asterisk.audiosocket.enabled = false);
    let answer = bind(&service, &json!({ "business": "Reception" })).await;
    assert_eq!(answer.status, 409, "{}", answer.body);
    assert!(answer.body.contains("asterisk.audiosocket.enabled"));
    let answer = bind(&service, &json!({ "business": "Nobody" })).await;
    assert_eq!(answer.status, 404);
    let answer = bind(&service, &json!({ "business": "Reception", "from": "", "to": "a\nb" })).await;
    assert_eq!(answer.status, 422, "{}", answer.body);
    service.stops_at_once().await;
}
