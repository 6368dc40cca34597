//! What may go wrong on a media socket: counted, and the call goes on; or refused, and nothing is left of it.

#[path = "support/raw_stream.rs"]
mod raw_stream;
#[path = "support/service.rs"]
mod service;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use raw_stream::RawStream;
use serde_json::{Value, json};
use service::{CALLED, CALLER, PATIENCE, Service, TRANSFER_TO, ms};
use trunkline::cli::demo::twilio::{
    CallIdentity, CallReport, CarrierError, EndedBy, PhoneCall, Ringing, Signature, StreamOptions, Verb, fresh_sid,
};
use trunkline::engine::call::HangupCause;

/// The most bytes of one message.
const LONGEST: usize = 64 * 1024;
/// Close codes of RFC 6455.
const POLICY: u16 = 1_008;
const TOO_BIG: u16 = 1_009;

fn media(payload: &[u8]) -> Value {
    json!({ "event": "media", "media": { "track": "inbound", "chunk": "1", "timestamp": "5", "payload": STANDARD.encode(payload) } })
}

#[tokio::test]
async fn messages_that_make_no_sense_are_counted_and_the_call_goes_on() {
    let service = Service::start();
    let call = service.call().await;
    call.wait_until_agent_has_spoken_for(ms(300), PATIENCE).await.unwrap();
    let second_start = start(&service, &call.identity().call_sid, json!({}));
    let another_start = start(&service, &call.identity().call_sid, json!({ "tracks": ["outbound"] }));
    let no_sense = [
        ("not_json", "hello".to_owned()),
        ("not_json", "[1]".to_owned()),
        ("not_json", "{\"event\":".to_owned()),
        ("missing_field", "{}".to_owned()),
        ("missing_field", json!({ "event": "media" }).to_string()),
        ("missing_field", json!({ "event": "mark" }).to_string()),
        ("malformed_field", json!({ "event": "media", "media": { "payload": "%%" } }).to_string()),
        ("malformed_field", json!({ "event": "dtmf", "dtmf": { "digit": "ab" } }).to_string()),
        ("malformed_field", json!({ "event": "mark", "sequenceNumber": -1 }).to_string()),
        ("oversized_payload", media(&[0xFF; 4_001]).to_string()),
        (
            "outbound_track",
            json!({ "event": "media", "media": { "track": "outbound", "payload": "/w==" } }).to_string(),
        ),
        ("unknown_mark", json!({ "event": "mark", "mark": { "name": "not ours" } }).to_string()),
        ("unknown_event", json!({ "event": "refer" }).to_string()),
        ("second_start", second_start.to_string()),
        ("second_start", another_start.to_string()),
    ];
    for (_, message) in &no_sense {
        call.send_text(message.as_str());
    }
    call.send_binary([0xFF; 160]);
    call.jump_sequence(7); // one gap
    heard_frames(&call, 5).await;
    call.jump_sequence(-3); // three that were here before
    heard_frames(&call, 5).await;
    // It still hears the caller.
    call.press('1');
    let answered = call.wait_for("the answer", PATIENCE, |seen, _| seen.ear.clears.first()?.next_audio_after).await;
    answered.unwrap();
    let (report, facts) = service.hang_up(call).await;

    facts.assert_whole();
    assert_eq!(report.complaints, []);
    assert_eq!(facts.stats().media_faults, no_sense.len() as u64 + 1 + 4);
    let counted = |kind: &str| service.metric(&format!("media_faults_total{{kind=\"{kind}\"}}")) as usize;
    for (kind, _) in &no_sense {
        assert_eq!(counted(kind), no_sense.iter().filter(|(other, _)| other == kind).count(), "{kind}");
    }
    assert_eq!((counted("binary"), counted("out_of_order")), (1, 4));
    service.stops_at_once().await;
}

/// Waits until the agent is heard and the caller has sent so many more frames.
async fn heard_frames(call: &PhoneCall, frames: u64) {
    call.wait_for("the agent", PATIENCE, |seen, _| (seen.frames_received > 0).then_some(())).await.unwrap();
    let sent = call.look(|seen| seen.frames_sent);
    call.wait_for("frames", PATIENCE, |seen, _| (seen.frames_sent >= sent + frames).then_some(())).await.unwrap();
}

/// A `start` of a call, with these fields instead of its own.
fn start(service: &Service, call_sid: &str, other: Value) -> Value {
    let mut content = json!({
        "accountSid": service.carrier.account_sid(), "streamSid": fresh_sid("MZ"), "callSid": call_sid,
        "tracks": ["inbound"],
        "mediaFormat": { "encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1 },
        "customParameters": {},
    });
    for (name, value) in other.as_object().unwrap() {
        content[name] = value.clone();
    }
    json!({ "event": "start", "start": content })
}

#[tokio::test]
async fn audio_may_come_in_pieces_of_any_size() {
    let service = Service::start();
    let call = service.call().await;
    let sizes = [1, 159, 161, 7, 320, 4_000, 3, 1_601];
    for size in sizes {
        call.send_text(media(&vec![0xFF; size]).to_string());
    }
    // Two frames whose time is as late as a number can be.
    let mut last = media(&[0xFF; 320]);
    last["media"]["timestamp"] = json!(u64::MAX.to_string());
    call.send_text(last.to_string());
    heard_frames(&call, 5).await;
    let (report, facts) = service.hang_up(call).await;
    facts.assert_whole();
    let bytes = report.frames_sent as usize * 160 + sizes.iter().sum::<usize>() + 320;
    assert_eq!((facts.stats().caller_frames as usize, facts.stats().media_faults), (bytes / 160, 0));
    service.stops_at_once().await;
}

#[tokio::test]
async fn a_message_may_come_in_fragments_and_none_may_be_endless() {
    let service = Service::start();
    let ringing = ring(&service).await;
    let parameters: Value = token(&ringing).into();
    let start = start(&service, &ringing.call.call_sid, json!({ "customParameters": { "token": parameters } }));
    let mut stream = RawStream::open(&service, ringing.stream().unwrap()).await;
    stream.in_fragments(&start.to_string(), 7).await;
    stream.hears_the_agent().await;
    stream.in_fragments(&media(&[0xFF; 160]).to_string(), 60).await;
    stream.without_an_end(&"x".repeat(9_000), LONGEST / 9_000 + 1).await;
    assert_eq!(stream.close_code().await, Some(TOO_BIG));
    let facts = service.settled(&ringing.call.call_sid).await;
    assert_eq!((facts.stats().caller_frames, facts.stats().media_faults), (1, 1));
    assert_eq!(facts.cause(), HangupCause::StreamLost);
    service.stops_at_once().await;
}

#[tokio::test]
async fn a_message_in_fragments_may_be_no_longer_than_any_other() {
    let service = Service::with(|config| config.media.max_message_bytes = 4_096);
    let ringing = ring(&service).await;
    let custom = json!({ "customParameters": { "token": token(&ringing) } });
    let start = start(&service, &ringing.call.call_sid, custom);
    let mut stream = RawStream::open(&service, ringing.stream().unwrap()).await;
    stream.in_fragments(&start.to_string(), 3).await;
    stream.hears_the_agent().await;
    stream.without_an_end(&"x".repeat(3_000), 2).await;
    assert_eq!(stream.close_code().await, Some(TOO_BIG));
    service.settled(&ringing.call.call_sid).await;
    assert_eq!(service.metric("media_faults_total{kind=\"oversized\"}"), 1.0);
    service.stops_at_once().await;
}

#[tokio::test]
async fn a_key_that_is_pressed_while_the_call_is_let_in_is_not_lost() {
    let service = Service::start();
    let ringing = ring(&service).await;
    let custom = json!({ "customParameters": { "token": token(&ringing) } });
    let start = start(&service, &ringing.call.call_sid, custom);
    let key = |digit: &str| json!({ "event": "dtmf", "dtmf": { "track": "inbound_track", "digit": digit } });
    let mut stream = RawStream::open(&service, ringing.stream().unwrap()).await;
    let audio = media(&[0xFF; 160]);
    let messages = [key("1"), start, audio.clone(), key("2"), audio, key("3")];
    stream.at_once(&messages.map(|message| message.to_string())).await;
    stream.hears_the_agent().await;
    drop(stream);
    let facts = service.settled(&ringing.call.call_sid).await;
    assert_eq!((facts.count("dtmf"), facts.stats().caller_frames), (2, 2));
    let keys = facts.outputs("PassDtmf");
    assert!(keys[0].1.contains("'2'") && keys[1].1.contains("'3'"), "{keys:?}");
    assert_eq!(service.metric("media_faults_total{kind=\"key_before_start\"}"), 1.0);
    service.stops_at_once().await;
}

#[tokio::test]
async fn the_longest_message_is_as_configured_for_fragments_too() {
    let service = Service::with(|config| config.media.max_message_bytes = 8_192);
    let ringing = ring(&service).await;
    let parameters: Value = token(&ringing).into();
    let start = start(&service, &ringing.call.call_sid, json!({ "customParameters": { "token": parameters } }));
    let mut stream = RawStream::open(&service, ringing.stream().unwrap()).await;
    stream.in_fragments(&start.to_string(), 1).await;
    stream.hears_the_agent().await;
    stream.without_an_end(&"x".repeat(3_000), 3).await;
    assert_eq!(stream.close_code().await, Some(TOO_BIG));
    let facts = service.settled(&ringing.call.call_sid).await;
    assert_eq!(facts.stats().media_faults, 1);
    service.stops_at_once().await;
}

#[tokio::test]
async fn a_socket_on_which_nothing_makes_sense_is_closed_and_its_call_ends() {
    let service = Service::start();
    let oversized = async {
        let call = service.call().await;
        heard_frames(&call, 5).await;
        call.send_text("x".repeat(LONGEST + 1));
        service.ended(call).await
    };
    let nonsense = async {
        let call = service.call().await;
        heard_frames(&call, 5).await;
        (0..=1_000).for_each(|_| call.send_text("{}"));
        service.ended(call).await
    };
    let ((oversized, first), (nonsense, second)) = tokio::join!(oversized, nonsense);
    for (report, facts, code) in [(oversized, first, TOO_BIG), (nonsense, second, POLICY)] {
        facts.assert_whole();
        assert_eq!((report.ended_by, report.close_code), (EndedBy::Server, Some(code)));
        // The carrier asks how to go on, since it was not the caller who left.
        assert_eq!(facts.cause(), HangupCause::StreamLost);
        assert!(matches!(report.farewell.as_slice(), [Verb::Say(_), Verb::Hangup]), "{:?}", report.farewell);
        assert!(facts.stats().media_faults > 0);
    }
    service.stops_at_once().await;
}

#[tokio::test]
async fn a_stream_on_which_nothing_comes_is_given_up() {
    let service = Service::with(|config| config.media.idle_timeout_ms = 1_000);
    let ringing = ring(&service).await;
    let custom = json!({ "customParameters": { "token": token(&ringing) } });
    let start = start(&service, &ringing.call.call_sid, custom);
    let call = ringing.connect(StreamOptions { start: false, ..StreamOptions::default() }).await.unwrap();
    call.send_text(start.to_string());
    let (report, facts) = service.ended(call).await;
    assert_eq!((report.ended_by, report.close_code), (EndedBy::Server, Some(1_000)));
    assert_eq!((facts.status(), facts.stats().caller_frames), ("completed", 0));
    assert_eq!(facts.cause(), HangupCause::StreamLost);
    assert!(matches!(report.farewell.as_slice(), [Verb::Say(_), Verb::Hangup]), "{:?}", report.farewell);
    assert!(report.length > ms(1_000) && report.length < ms(6_000), "{:?}", report.length);
    service.stops_at_once().await;
}

async fn ring(service: &Service) -> Ringing {
    service.carrier.ring(CallIdentity::fresh(CALLER, CALLED)).await.unwrap()
}

/// The token in the TwiML of a call.
fn token(ringing: &Ringing) -> String {
    let parameters = &ringing.stream().unwrap().parameters;
    parameters.iter().find(|(name, _)| name == "token").unwrap().1.clone()
}

#[tokio::test]
async fn a_stream_without_a_valid_start_is_refused_and_no_call_begins() {
    let service = Service::with(|config| config.media.start_timeout_ms = 700);
    let another_call = token(&ring(&service).await);
    let with_token = |token: &str| vec![("token".to_owned(), token.to_owned())];
    let by_token = [vec![], with_token("x"), with_token(&another_call), with_token(&"A".repeat(450))];
    let forged = by_token.map(|parameters| StreamOptions { parameters: Some(parameters), ..StreamOptions::default() });
    let tokens = join_all(forged.into_iter().map(|options| refused(&service, options, |_| None))).await;

    // A right token, and something else that is wrong.
    let format = |encoding: &str, rate: u32, channels: u32| json!({ "mediaFormat": { "encoding": encoding, "sampleRate": rate, "channels": channels } });
    let wrong = [
        format("audio/x-l16", 8_000, 1),
        format("audio/x-mulaw", 16_000, 1),
        format("audio/x-mulaw", 8_000, 2),
        json!({ "tracks": ["outbound"] }),
        json!({ "accountSid": fresh_sid("AC") }),
    ];
    let service = &service;
    let no_start = || StreamOptions { start: false, ..StreamOptions::default() };
    let starts = join_all(wrong.iter().map(|wrong| {
        refused(service, no_start(), move |ringing| {
            let mut other = wrong.clone();
            other["customParameters"] = json!({ "token": token(ringing) });
            Some(start(service, &ringing.call.call_sid, other))
        })
    }))
    .await;
    let refusals = |why: &str| service.metric(&format!("calls_refused_total{{reason=\"{why}\"}}")) as usize;
    assert_eq!(refusals("bad_token"), tokens.len() + starts.len() - 1);
    assert_eq!(refusals("other_account"), 1);

    // Audio before the start is not heard, a start that can't be read is none, and then time is up.
    let (early, nameless, silent) = tokio::join!(
        refused(service, no_start(), |_| Some(media(&[0xFF; 160]))),
        refused(service, no_start(), |_| Some(start(service, "CA1", json!({})))),
        refused(service, no_start(), |_| None),
    );
    for report in [early, nameless, silent] {
        assert!(report.length >= ms(600) && report.length < ms(10_000), "{:?}", report.length);
    }
    assert_eq!(service.metric("calls_refused_total{reason=\"start_timeout\"}"), 3.0);
    assert_eq!(service.metric("media_faults_total{kind=\"media_before_start\"}"), 1.0);
    assert_eq!(service.metric("calls_begun_total"), 0.0);
}

/// Opens a stream that is refused: closed by the service, no call begins, and the carrier is told to apologise.
async fn refused(
    service: &Service,
    options: StreamOptions,
    message: impl FnOnce(&Ringing) -> Option<Value>,
) -> CallReport {
    let ringing = ring(service).await;
    let message = message(&ringing);
    let call = ringing.connect(options).await.unwrap();
    if let Some(message) = message {
        call.send_text(message.to_string());
    }
    let report = call.ended(PATIENCE).await.unwrap();
    assert_eq!((report.ended_by, report.close_code), (EndedBy::Server, Some(POLICY)));
    assert_eq!(report.frames_received, 0);
    let [Verb::Say(_), Verb::Hangup] = report.farewell.as_slice() else { panic!("{:?}", report.farewell) };
    let facts = service.facts(&report.call.call_sid).await;
    assert_eq!((facts.end, facts.turns, facts.journal), (None, vec![], None));
    assert_eq!(service.begun_and_ended(&report.call.call_sid), (0, 0));
    report
}

#[tokio::test]
async fn a_token_opens_one_stream_on_all_nodes() {
    let first = Service::start();
    let second = first.second_node();
    let ringing = ring(&first).await;
    let parameters = ringing.stream().unwrap().parameters.clone();
    let call = ringing.clone().connect(StreamOptions::default()).await.unwrap();
    call.wait_until_agent_has_spoken_for(ms(300), PATIENCE).await.unwrap();

    // While the call is alive: here, and on the other node, which knows nothing of it but the database.
    is_turned_away(ringing.clone().connect(StreamOptions::default()).await.unwrap()).await;
    let there = async || {
        let ringing = second.carrier.ring(ringing.call.clone()).await.unwrap();
        let options = StreamOptions { parameters: Some(parameters.clone()), ..StreamOptions::default() };
        ringing.connect(options).await.unwrap()
    };
    is_turned_away(there().await).await;
    let (report, facts) = first.hang_up(call).await;
    facts.assert_whole();
    assert_eq!(report.complaints, [], "the call does not notice");

    // And after its end.
    is_turned_away(ringing.clone().connect(StreamOptions::default()).await.unwrap()).await;
    is_turned_away(there().await).await;
    for service in [&first, &second] {
        assert_eq!(service.metric("calls_refused_total{reason=\"second_socket\"}"), 2.0);
    }
    assert_eq!((first.metric("calls_begun_total"), second.metric("calls_begun_total")), (1.0, 0.0));
    let facts = second.facts(&ringing.call.call_sid).await;
    assert_eq!((facts.status(), facts.turns.len()), ("completed", 1), "both nodes tell the same of it");
    first.stops_at_once().await;
    second.stops_at_once().await;
}

#[tokio::test]
async fn a_token_that_is_used_again_does_not_change_what_another_node_tells_the_carrier() {
    let first = Service::with(|config| config.business[0].transfer_to = Some(TRANSFER_TO.parse().unwrap()));
    let second = first.second_node();
    let ringing = ring(&first).await;
    let parameters = ringing.stream().unwrap().parameters.clone();
    let call = ringing.clone().connect(StreamOptions::default()).await.unwrap();
    call.wait_until_agent_has_spoken_for(ms(300), PATIENCE).await.unwrap();
    let there = second.carrier.ring(ringing.call.clone()).await.unwrap();
    let options = StreamOptions { parameters: Some(parameters), ..StreamOptions::default() };
    let replayed = there.connect(options).await.unwrap();
    let closed = replayed.wait_for("the refusal", PATIENCE, |_, _| None::<()>).await;
    assert!(matches!(closed, Err(CarrierError::StreamEnded { .. })), "{closed:?}");

    call.press('0');
    let handed_over = vec![Verb::Dial(TRANSFER_TO.to_owned())];
    let (report, facts) = first.ended(call).await;
    assert_eq!((facts.cause(), &report.farewell), (HangupCause::Transferred, &handed_over));
    let asked_there = replayed.ended(PATIENCE).await.unwrap();
    assert_eq!(asked_there.farewell, handed_over, "whichever node the carrier asks");
    first.stops_at_once().await;
    second.stops_at_once().await;
}

/// The socket is closed, and the agent is not heard on it.
async fn is_turned_away(call: PhoneCall) {
    let closed = call.wait_for("anything", PATIENCE, |seen, _| (seen.frames_received > 0).then_some(())).await;
    assert!(matches!(closed, Err(CarrierError::StreamEnded { .. })), "{closed:?}");
}

#[tokio::test]
async fn an_upgrade_must_be_signed_and_speak_our_protocol() {
    let service = Service::start();
    let refusal = async |options: StreamOptions| match ring(&service).await.connect(options).await {
        Err(CarrierError::UpgradeRefused(status)) => status,
        other => panic!("the upgrade is refused, not {:?}", other.map(drop)),
    };
    let signed = |signature| StreamOptions { signature, ..StreamOptions::default() };
    assert_eq!(refusal(signed(Signature::Missing)).await, 403);
    assert_eq!(refusal(signed(Signature::Wrong)).await, 403);
    assert_eq!(service.metric("calls_refused_total{reason=\"bad_signature\"}"), 2.0);
    let speaks = |subprotocol| StreamOptions { subprotocol: Some(subprotocol), ..StreamOptions::default() };
    assert_eq!(refusal(speaks("chat")).await, 400);
    let call = ring(&service).await.connect(speaks("audio.twilio.com")).await.unwrap();
    call.wait_until_agent_has_spoken_for(Duration::from_millis(100), PATIENCE).await.unwrap();
    let (_, facts) = service.hang_up(call).await;
    facts.assert_whole();
    service.stops_at_once().await;
}
