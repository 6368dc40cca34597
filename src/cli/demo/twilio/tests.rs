//! Calls to a server that is not one, so that what the carrier does and does not forgive is known.

pub(in crate::cli::demo) mod stand_in;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::ulaw::{BYTES_PER_MS, SILENCE};
use super::*;
use crate::clock;
use stand_in::{Received, StandIn, TOKEN, Talker};

const FROM: &str = "+14155550100";
const TO: &str = "+14155550199";
const XML: &str = "text/xml";

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn tone(millis: usize) -> Vec<u8> {
    (0..millis * BYTES_PER_MS).map(|n| if n % 8 < 4 { 0x90 } else { 0x10 }).collect()
}

/// The instructions of a server that wants every call's audio.
fn connect(request: &Received) -> (u16, &'static str, String) {
    if request.target != "/twilio/voice" {
        return (200, XML, "<Response><Hangup/></Response>".to_owned());
    }
    let scheme = if request.headers["x-forwarded-proto"] == "https" { "wss" } else { "ws" };
    let url = format!("{scheme}://{}/twilio/media", request.headers["host"]);
    let stream = format!(r#"<Stream url="{url}"><Parameter name="token" value="secret"/></Stream>"#);
    (200, XML, format!(r#"<Response><Connect action="/twilio/stream-ended">{stream}</Connect></Response>"#))
}

fn carrier(server: &StandIn) -> FakeTwilio {
    FakeTwilio::new(&server.url(), TOKEN, &format!("AC{}", "0".repeat(32))).unwrap()
}

async fn call_to(server: &StandIn) -> PhoneCall {
    carrier(server).inbound_call(FROM, TO).await.unwrap()
}

/// A server that keeps everything that comes on its media stream, with the time since `start`.
async fn recorder() -> (StandIn, Arc<Mutex<Vec<(Duration, Value)>>>) {
    let kept: Arc<Mutex<Vec<(Duration, Value)>>> = Arc::default();
    let keep = Arc::clone(&kept);
    let server = StandIn::start(connect, move |mut talker| {
        let keep = Arc::clone(&keep);
        async move {
            let began = clock::now();
            while let Some(message) = talker.next().await {
                keep.lock().unwrap().push((clock::now() - began, message));
            }
        }
    })
    .await;
    (server, kept)
}

#[actix_web::test]
async fn a_call_is_brought_signed_numbered_and_ended_as_twilio_does() {
    let (server, kept) = recorder().await;
    let call = call_to(&server).await;
    let said: Vec<u8> = (0..480).map(|n| (n % 251) as u8).collect();
    call.press('5');
    call.speak(&said).await.unwrap();
    let report = call.hang_up().await.unwrap();

    let voice = server.request("/twilio/voice");
    assert!(voice.is_signed_for(&format!("{}/twilio/voice", server.url())));
    assert_eq!((voice.field("CallStatus"), voice.field("Direction")), ("ringing", "inbound"));
    assert_eq!((voice.field("From"), voice.field("To")), (FROM, TO));
    let upgrade = server.request("/twilio/media");
    assert!(upgrade.is_signed_for(&format!("ws://{}/twilio/media", server.address)));

    let messages: Vec<Value> = kept.lock().unwrap().iter().map(|(_, message)| message.clone()).collect();
    assert_eq!((&messages[0]["event"], &messages[1]["event"]), (&json!("connected"), &json!("start")));
    assert_eq!(messages[1]["start"]["customParameters"], json!({ "token": "secret" }));
    assert_eq!(messages[1]["start"]["callSid"], voice.field("CallSid"));
    assert_eq!(messages[messages.len() - 1]["event"], "stop");
    for (number, message) in messages[1..].iter().enumerate() {
        assert_eq!(message["sequenceNumber"], (number + 1).to_string());
    }
    assert_eq!(messages.iter().filter(|message| message["event"] == "dtmf").count(), 1);
    let heard: Vec<u8> = audio_of(&messages).into_iter().filter(|code| *code != SILENCE).collect();
    assert_eq!(heard, said, "between silences, every code that the caller said");

    assert_eq!(server.targets(), ["/twilio/voice", "/twilio/media", "/twilio/status"], "nobody asks how to go on");
    let status = server.request("/twilio/status");
    assert!(status.is_signed_for(&format!("{}/twilio/status", server.url())), "without the fragment");
    assert_eq!((status.field("CallStatus"), status.field("CallDuration")), ("completed", "1"));
    assert_eq!((report.ended_by, report.status_answer, report.complaints), (EndedBy::Caller, Some(200), vec![]));
    assert!(report.server_closed_after.is_some_and(|after| after < ms(1_000)));
}

#[actix_web::test]
async fn the_callers_frames_come_on_an_absolute_clock() {
    let (server, kept) = recorder().await;
    let call = call_to(&server).await;
    call.wait_for("50 frames", ms(3_000), |seen, _| (seen.frames_sent >= 50).then_some(())).await.unwrap();
    call.hang_up().await.unwrap();
    let kept = kept.lock().unwrap();
    let media: Vec<_> = kept.iter().filter(|(_, message)| message["event"] == "media").collect();
    let spread = media[49].0 - media[0].0;
    assert!((ms(930)..ms(1_100)).contains(&spread), "50 frames took {spread:?}");
    assert_eq!(media[49].1["media"]["chunk"], "50");
    assert_eq!(media[49].1["media"]["timestamp"], "1000");
}

#[actix_web::test]
async fn a_mark_comes_back_when_the_ear_has_heard_what_came_before_it() {
    let waited = Arc::new(Mutex::new(Duration::ZERO));
    let result = Arc::clone(&waited);
    let server = StandIn::start(connect, move |mut talker| {
        let result = Arc::clone(&result);
        async move {
            talker.started().await;
            let began = clock::now();
            talker.play(&tone(300)).await;
            talker.mark("end").await;
            assert_eq!(talker.next_of("mark").await.unwrap()["mark"]["name"], "end");
            *result.lock().unwrap() = clock::now() - began;
            talker.close().await;
        }
    })
    .await;
    let report = call_to(&server).await.ended(ms(3_000)).await.unwrap();
    let waited = *waited.lock().unwrap();
    assert!((ms(295)..ms(500)).contains(&waited), "{waited:?}");
    assert_eq!(report.agent_sounds().len(), 1);
    assert!(report.agent_sounds()[0].length() >= ms(299));
    assert!(report.most_ahead >= ms(295), "all of it was sent at once: {:?}", report.most_ahead);
    assert_eq!((report.unanswered_marks(), report.complaints), (0, vec![]));
}

#[actix_web::test]
async fn a_clear_silences_the_ear_and_returns_every_mark_at_once() {
    let server = StandIn::start(connect, |mut talker| async move {
        talker.started().await;
        talker.play(&tone(2_000)).await;
        for name in ["one", "two"] {
            talker.mark(name).await;
        }
        while talker.next().await.is_some_and(|message| message["media"]["chunk"] != "10") {}
        talker.clear().await;
        for name in ["one", "two"] {
            assert_eq!(talker.next_of("mark").await.unwrap()["mark"]["name"], name);
        }
        talker.close().await;
    })
    .await;
    let call = call_to(&server).await;
    call.begin_to_speak(&tone(400));
    let report = call.ended(ms(1_500)).await.unwrap();
    let heard = report.agent_sounds()[0].length();
    assert!((ms(150)..ms(450)).contains(&heard), "{heard:?}");
    assert!(report.marks.iter().all(|mark| mark.cleared && mark.answered.is_some()));
    assert_eq!(report.clears[0].marks, ["one", "two"]);
    let reactions = report.barge_in_reactions();
    assert!(reactions.len() == 1 && (ms(100)..ms(450)).contains(&reactions[0]), "{reactions:?}");
}

#[actix_web::test]
async fn when_the_server_ends_the_stream_it_is_asked_how_to_go_on() {
    let server = StandIn::start(connect, |mut talker| async move {
        talker.started().await;
        talker.close().await;
        talker.listen().await;
    })
    .await;
    let report = call_to(&server).await.ended(ms(2_000)).await.unwrap();
    assert_eq!((report.ended_by, &report.farewell), (EndedBy::Server, &vec![Verb::Hangup]));
    assert_eq!(server.targets()[2..], ["/twilio/stream-ended", "/twilio/status"]);
    let action = server.request("/twilio/stream-ended");
    assert!(action.is_signed_for(&format!("{}/twilio/stream-ended", server.url())));
    assert_eq!(action.field("CallStatus"), "in-progress");
    assert_eq!(report.complaints, []);
}

#[actix_web::test]
async fn what_twilio_would_not_accept_is_complained_of_and_the_call_goes_on() {
    let server = StandIn::start(connect, |mut talker| async move {
        talker.started().await;
        talker.text("no JSON".to_owned()).await;
        talker.text(json!({ "event": "hello", "streamSid": talker.stream_sid }).to_string()).await;
        talker.text(json!({ "event": "clear", "streamSid": "MZ0" }).to_string()).await;
        talker.socket_binary().await;
        talker.play(&tone(20)).await;
        talker.close().await;
    })
    .await;
    let report = call_to(&server).await.ended(ms(2_000)).await.unwrap();
    let codes: Vec<String> = report.complaints.iter().map(|complaint| complaint.to_string()[..5].to_owned()).collect();
    assert_eq!(codes, ["31951", "31951", "31951", "31950"], "{:?}", report.complaints);
    assert_eq!((report.complaints[2].clone(), report.frames_received), (Complaint::WrongStream("MZ0".into()), 1));
}

impl Talker {
    async fn socket_binary(&mut self) {
        use futures_util::SinkExt;
        let bytes = tokio_tungstenite::tungstenite::Message::Binary(vec![0; 160].into());
        self.socket.send(bytes).await.unwrap();
    }
}

#[actix_web::test]
async fn a_server_that_vanishes_is_complained_of() {
    let server = StandIn::start(connect, |mut talker| async move {
        talker.started().await;
        drop(talker);
    })
    .await;
    let report = call_to(&server).await.ended(ms(2_000)).await.unwrap();
    assert_eq!(report.ended_by, EndedBy::Server);
    assert!(matches!(report.complaints[..], [Complaint::Protocol(_)]), "{:?}", report.complaints);
}

#[actix_web::test]
async fn answers_that_are_no_instructions_are_refused() {
    let ring = async |status, content_type: &'static str, body: &'static str| {
        let server = StandIn::start(move |_| (status, content_type, body.to_owned()), |_| async {}).await;
        carrier(&server).inbound_call(FROM, TO).await.map(|_| ()).unwrap_err().to_string()
    };
    let refused = "the voice webhook was answered with HTTP 403 and content type \"text/xml\"";
    assert_eq!(ring(403, XML, "<Response/>").await, refused);
    let html = "the voice webhook was answered with HTTP 200 and content type \"text/html\"";
    assert_eq!(ring(200, "text/html", "<Response/>").await, html);
    let bad =
        "the voice webhook was answered with bad TwiML: 12100: not well-formed at byte 0: the first byte is not '<'";
    assert_eq!(ring(200, XML, "\n<Response/>").await, bad);
    assert!(ring(200, XML, "<Response><Hangup/></Response>").await.contains("[Hangup]"));
    let elsewhere = "<Response><Connect><Stream url='ws://192.0.2.1/media'/></Connect></Response>";
    assert!(ring(200, XML, elsewhere).await.contains("leads to another server"));
    let unsafe_stream = FakeTwilio::new("https://phone.example", TOKEN, "AC").unwrap();
    let server = StandIn::start(
        |_| (200, XML, "<Response><Connect><Stream url='ws://phone.example:443/m'/></Connect></Response>".into()),
        |_| async {},
    )
    .await;
    let refused = unsafe_stream.through(server.address).inbound_call(FROM, TO).await.map(|_| ()).unwrap_err();
    assert!(refused.to_string().contains("scheme does not fit"), "{refused}");
}

#[actix_web::test]
async fn behind_a_proxy_the_public_url_is_what_is_signed() {
    let server = StandIn::start(connect, |mut talker| async move { talker.listen().await }).await;
    let carrier = FakeTwilio::new("https://phone.example", TOKEN, "AC").unwrap().through(server.address);
    let report = carrier.inbound_call(FROM, TO).await.unwrap().hang_up().await.unwrap();
    assert!(server.request("/twilio/voice").is_signed_for("https://phone.example/twilio/voice"));
    assert!(server.request("/twilio/media").is_signed_for("wss://phone.example/twilio/media"));
    assert_eq!(server.request("/twilio/media").headers["host"], "phone.example");
    assert_eq!(report.complaints, []);
}

#[actix_web::test]
async fn the_servers_guard_can_be_tried() {
    let guard = |request: &Received| match request.headers.get("x-twilio-signature") {
        Some(_) if request.is_signed_for(&format!("ws://{}{}", request.headers["host"], request.target)) => {
            connect(request)
        }
        _ if request.target == "/twilio/media" => (403, XML, String::new()),
        _ => connect(request),
    };
    let tokens: Arc<Mutex<Vec<Value>>> = Arc::default();
    let kept = Arc::clone(&tokens);
    let server = StandIn::start(guard, move |mut talker| {
        let kept = Arc::clone(&kept);
        async move {
            let start = talker.started().await;
            kept.lock().unwrap().push(start["start"]["customParameters"].clone());
            talker.listen().await;
        }
    })
    .await;
    let ringing = carrier(&server).ring(CallIdentity::fresh(FROM, TO)).await.unwrap();
    for signature in [Signature::Wrong, Signature::Missing] {
        let refused = ringing.clone().connect(StreamOptions { signature, ..StreamOptions::default() }).await;
        assert!(matches!(refused, Err(CarrierError::UpgradeRefused(403))));
    }
    let bad_token = Some(vec![("token".to_owned(), "guess".to_owned())]);
    let first =
        ringing.clone().connect(StreamOptions { parameters: bad_token, ..StreamOptions::default() }).await.unwrap();
    let second = ringing.clone().connect(StreamOptions::default()).await.unwrap();
    let silent = ringing.connect(StreamOptions { start: false, ..StreamOptions::default() }).await.unwrap();
    second.wait_for("a frame", ms(1_000), |seen, _| (seen.frames_sent > 2).then_some(())).await.unwrap();
    assert_eq!(silent.look(|seen| seen.frames_sent), 0);
    first.cut_the_line().await.unwrap();
    second.hang_up().await.unwrap();
    let mut tokens = tokens.lock().unwrap().clone();
    tokens.sort_by_key(Value::to_string);
    assert_eq!(tokens, [json!({ "token": "guess" }), json!({ "token": "secret" })]);
    let url = format!("{}/twilio/voice?a=b#rc=2", server.url());
    carrier(&server).post("a forgery", &url, &[], Signature::Wrong).await.unwrap();
    let forgery = server.request("/twilio/voice?a=b");
    assert!(forgery.headers.contains_key("x-twilio-signature"));
    assert!(!forgery.is_signed_for(&format!("{}/twilio/voice?a=b", server.url())));
}

#[actix_web::test]
async fn nonsense_reaches_the_server_as_it_was_given() {
    let (server, kept) = recorder().await;
    let call = call_to(&server).await;
    call.send_text("{");
    call.send_binary(vec![0; 7]);
    call.jump_sequence(-100);
    call.press('#');
    call.stop_early();
    call.wait_for("a frame", ms(1_000), |seen, _| (seen.frames_sent > 2).then_some(())).await.unwrap();
    let report = call.cut_the_line().await.unwrap();
    assert_eq!(report.ended_by, EndedBy::LineCut);
    let kept = kept.lock().unwrap();
    let has = |wanted: &dyn Fn(&Value) -> bool| kept.iter().any(|(_, message)| wanted(message));
    assert!(has(&|message| message.is_null()) && has(&|message| message["binary"] == 7));
    let number = |message: &Value| message["sequenceNumber"].as_str().and_then(|text| text.parse::<i64>().ok());
    assert!(has(&|message| message["event"] == "dtmf" && number(message).is_some_and(|number| number < 0)));
    assert!(has(&|message| message["event"] == "stop"));
}

#[actix_web::test]
async fn a_status_callback_is_tried_six_times_and_its_failure_is_complained_of() {
    let failing = |request: &Received| match request.target.as_str() {
        "/twilio/status" => (503, XML, String::new()),
        _ => connect(request),
    };
    let server = StandIn::start(failing, |mut talker| async move { talker.listen().await }).await;
    let report = call_to(&server).await.hang_up().await.unwrap();
    assert_eq!(server.targets().iter().filter(|target| *target == "/twilio/status").count(), 6);
    assert_eq!(report.status_answer, Some(503));
    assert_eq!(report.complaints.len(), 1);
}

#[actix_web::test]
async fn waiting_ends_when_the_time_or_the_stream_is_over() {
    let server = StandIn::start(connect, |mut talker| async move {
        talker.started().await;
        talker.play(&tone(100)).await;
        while talker.next().await.is_some_and(|message| message["media"]["chunk"] != "40") {}
        talker.close().await;
    })
    .await;
    let call = call_to(&server).await;
    call.wait_until_agent_has_spoken_for(ms(50), ms(1_000)).await.unwrap();
    call.wait_until_agent_is_quiet_for(ms(400), ms(1_000)).await.unwrap();
    let waited = call.wait_until_agent_has_spoken_for(ms(50), ms(50)).await;
    assert!(matches!(waited, Err(CarrierError::TimedOut { .. })), "{waited:?}");
    let waited = call.wait_until_agent_has_spoken_for(ms(50), ms(3_000)).await;
    assert!(matches!(waited, Err(CarrierError::StreamEnded { .. })), "{waited:?}");
    assert!(call.speak(&tone(20)).await.is_err());
}

fn audio_of(messages: &[Value]) -> Vec<u8> {
    use base64::Engine as _;
    let payloads = messages.iter().filter_map(|message| message["media"]["payload"].as_str());
    payloads.flat_map(|payload| base64::engine::general_purpose::STANDARD.decode(payload).unwrap()).collect()
}
