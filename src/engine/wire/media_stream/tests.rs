use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

macro_rules! golden {
    ($name:literal) => {
        include_str!(concat!("../../../../tests/golden/media_stream/", $name))
    };
}

/// What a message says, with the audio copied out of the buffer.
fn read(text: &str) -> Result<(Option<u64>, String, Vec<u8>), StreamDecodeError> {
    let mut audio = AUDIO_BUFFER;
    let Received { sequence, message } = decode(text, &mut audio)?;
    let payload = match &message {
        StreamMessage::Media(media) => media.payload.to_vec(),
        _ => vec![],
    };
    Ok((sequence, format!("{message:?}"), payload))
}

/// Twilio's documented `start`, with one field of it changed or, by `null`, removed.
fn start_with(pointer: &str, value: Value) -> Result<StreamStart, StreamDecodeError> {
    let mut start: Value = serde_json::from_str(golden!("start.json")).unwrap();
    *start.pointer_mut(pointer).unwrap() = value;
    let mut audio = AUDIO_BUFFER;
    match decode(&start.to_string(), &mut audio)?.message {
        StreamMessage::Start(start) => Ok(*start),
        other => panic!("{other:?}"),
    }
}

fn stream() -> StreamSid {
    "MZfedcba9876543210fedcba9876543210".parse().unwrap()
}

#[test]
fn a_stream_begins_as_twilio_documents_it() {
    let mut audio = AUDIO_BUFFER;
    let connected = decode(golden!("connected.json"), &mut audio).unwrap();
    assert_eq!(connected.sequence, None);
    let expected = StreamMessage::Connected { protocol: "Call".into(), version: "1.0.0".into() };
    assert_eq!(connected.message, expected);

    let start = decode(golden!("start.json"), &mut audio).unwrap();
    assert_eq!(start.sequence, Some(1));
    let StreamMessage::Start(start) = start.message else { panic!("{start:?}") };
    assert_eq!(start.call_sid.as_str(), "CA0123456789abcdef0123456789abcdef");
    assert_eq!(start.account_sid.as_str(), "AC00112233445566778899aabbccddeeff");
    assert_eq!((start.stream_sid, start.tracks), (stream(), vec![Track::Inbound]));
    assert_eq!(start.custom_parameters["token"], "AbC-_123");
    assert_eq!(start.custom_parameters["RemoteParty"], "Bob \"the\" builder");
}

#[test]
fn a_stream_goes_on_and_ends_as_twilio_documents_it() {
    let mut audio = AUDIO_BUFFER;
    let media = decode(golden!("media.json"), &mut audio).unwrap();
    assert_eq!(media.sequence, Some(4));
    let StreamMessage::Media(media) = media.message else { panic!("{media:?}") };
    assert_eq!((media.track, media.chunk, media.timestamp_ms), (Track::Inbound, Some(2), Some(5)));
    assert_eq!(media.payload, (0..160).collect::<Vec<u8>>());

    let mark = decode(golden!("mark.json"), &mut audio).unwrap();
    assert_eq!(mark.message, StreamMessage::Mark { name: "r3:1240".into() });
    let dtmf = decode(golden!("dtmf.json"), &mut audio).unwrap();
    assert_eq!(dtmf.message, StreamMessage::Dtmf { digit: '1'.try_into().unwrap() });
    let stop = decode(golden!("stop.json"), &mut audio).unwrap();
    assert_eq!((stop.sequence, stop.message), (Some(5), StreamMessage::Stop));
}

#[test]
fn an_event_that_nobody_knows_is_a_value() {
    let mut audio = AUDIO_BUFFER;
    let received = decode(r#"{"event":"weather","sequenceNumber":9,"weather":{"rain":[true]}}"#, &mut audio).unwrap();
    assert_eq!(received.sequence, Some(9));
    assert_eq!(received.message, StreamMessage::Unknown { event: "weather".into() });
}

#[test]
fn a_media_message_borrows_what_it_can() {
    let mut audio = AUDIO_BUFFER;
    let mark = decode(golden!("mark.json"), &mut audio).unwrap();
    assert!(matches!(mark.message, StreamMessage::Mark { name: Cow::Borrowed(_) }));
    let escaped = decode(r#"{"event":"m\u0061rk","mark":{"name":"a\"b"}}"#, &mut audio).unwrap();
    assert_eq!(escaped.message, StreamMessage::Mark { name: "a\"b".into() });
}

#[test]
fn audio_is_read_however_its_text_is_written() {
    for payload in ["/34A", r"\/34A", "//8=", "//8", r"\u002f\/8="] {
        let text = format!(r#"{{"event":"media","media":{{"payload":"{payload}"}}}}"#);
        let (_, _, audio) = read(&text).unwrap();
        assert!(audio == [0xff, 0x7e, 0x00] || audio == [0xff, 0xff], "{payload} {audio:?}");
    }
}

#[test]
fn a_message_without_sense_says_which_field_it_is() {
    use StreamDecodeError::*;
    let malformed = |field: &'static str| Malformed(field.into());
    for (text, error) in [
        ("", NotJson),
        ("hello", NotJson),
        ("7", NotJson),
        (r#"["stop",1,null,null,null,null,null,null,null]"#, NotJson),
        ("{\"event\":\"stop\"", NotJson),
        ("{\"event\":\"stop\"}{}", NotJson),
        ("{}", Missing("event")),
        (r#"{"event":null}"#, Missing("event")),
        (r#"{"event":7}"#, malformed("event")),
        (r#"{"event":"media"}"#, Missing("media")),
        (r#"{"event":"media","media":{}}"#, Missing("media.payload")),
        (r#"{"event":"media","media":7}"#, malformed("media")),
        (r#"{"event":"media","media":{"payload":7}}"#, malformed("media.payload")),
        (r#"{"event":"media","media":{"payload":"****"}}"#, malformed("media.payload")),
        (r#"{"event":"media","media":{"payload":"A"}}"#, malformed("media.payload")),
        (r#"{"event":"media","media":{"track":"sideways","payload":""}}"#, malformed("media.track")),
        (r#"{"event":"media","media":{"chunk":"-1","payload":""}}"#, malformed("media.chunk")),
        (r#"{"event":"media","media":{"timestamp":1.5,"payload":""}}"#, malformed("media.timestamp")),
        (r#"{"event":"stop","sequenceNumber":"x"}"#, malformed("sequenceNumber")),
        (r#"{"event":"mark"}"#, Missing("mark")),
        (r#"{"event":"mark","mark":{}}"#, Missing("mark.name")),
        (r#"{"event":"dtmf","dtmf":{}}"#, Missing("dtmf.digit")),
        (r#"{"event":"dtmf","dtmf":{"digit":"12"}}"#, malformed("dtmf.digit")),
        (r#"{"event":"dtmf","dtmf":{"digit":"E"}}"#, malformed("dtmf.digit")),
        (r#"{"event":"dtmf","dtmf":{"digit":""}}"#, malformed("dtmf.digit")),
        (r#"{"event":"start"}"#, Missing("start")),
    ] {
        assert_eq!(read(text).unwrap_err(), error, "{text}");
    }
}

#[test]
fn a_start_that_lacks_something_is_named() {
    for (pointer, value, error) in [
        ("/start/callSid", Value::Null, "start.callSid is missing"),
        ("/start/callSid", json!("CA1"), "start.callSid is malformed"),
        ("/start/callSid", json!(["CA1"]), "start.callSid is malformed"),
        ("/start/accountSid", json!("MZ"), "start.accountSid is malformed"),
        ("/start/streamSid", json!(""), "start.streamSid is malformed"),
        ("/start/tracks", Value::Null, "start.tracks is missing"),
        ("/start/tracks", json!(["sideways"]), "start.tracks is malformed"),
        ("/start/tracks", json!([7]), "start.tracks[0] is malformed"),
        ("/start/mediaFormat", Value::Null, "start.mediaFormat is missing"),
        ("/start/mediaFormat/encoding", Value::Null, "start.mediaFormat.encoding is missing"),
        ("/start/customParameters/token", json!(7), "start.customParameters.token is malformed"),
    ] {
        assert_eq!(start_with(pointer, value).unwrap_err().to_string(), error);
    }
    assert!(start_with("/start/customParameters", Value::Null).unwrap().custom_parameters.is_empty());
    assert_eq!(start_with("/start/streamSid", Value::Null).unwrap().stream_sid, stream(), "the outer one");
}

#[test]
fn a_stream_that_we_cannot_carry_is_refused() {
    for (pointer, value, refusal) in [
        ("/start/mediaFormat/encoding", json!("audio/l16"), StartRefusal::Encoding),
        ("/start/mediaFormat/sampleRate", json!(16_000), StartRefusal::SampleRate(16_000)),
        ("/start/mediaFormat/channels", json!(2), StartRefusal::Channels(2)),
        ("/start/tracks", json!([]), StartRefusal::NoInboundTrack),
        ("/start/tracks", json!(["outbound"]), StartRefusal::NoInboundTrack),
    ] {
        assert_eq!(start_with(pointer, value), Err(StreamDecodeError::Refused(refusal)), "{pointer}");
    }
    assert!(start_with("/start/mediaFormat/sampleRate", json!("8000")).is_ok(), "a number may be a text");
    let both = start_with("/start/tracks", json!(["outbound", "inbound"])).unwrap();
    assert_eq!(both.tracks, [Track::Outbound, Track::Inbound]);
}

#[test]
fn sizes_are_capped() {
    let long = " ".repeat(MAX_MESSAGE_BYTES + 1);
    assert_eq!(read(&long).unwrap_err(), StreamDecodeError::TooLong(MAX_MESSAGE_BYTES + 1));
    let media = |bytes: usize| {
        let payload = STANDARD.encode(vec![0x7f; bytes]);
        read(&json!({"event": "media", "media": {"payload": payload}}).to_string()).map(|(_, _, audio)| audio.len())
    };
    for bytes in [0, 1, 159, 160, 161, MAX_PAYLOAD_BYTES] {
        assert_eq!(media(bytes), Ok(bytes));
    }
    for bytes in [MAX_PAYLOAD_BYTES + 1, MAX_PAYLOAD_BYTES + 3, 40_000] {
        assert_eq!(media(bytes), Err(StreamDecodeError::PayloadTooLong), "{bytes}");
    }
}

#[test]
fn deep_json_is_an_error_and_no_stack_overflow() {
    let deep = format!(r#"{{"event":"stop","x":{}"#, "[".repeat(60_000));
    assert_eq!(read(&deep).unwrap_err(), StreamDecodeError::NotJson);
}

#[test]
fn what_we_send_is_what_twilio_documents() {
    let encoder = StreamEncoder::new(&stream());
    let mut lines = String::new();
    encoder.media(&(0..160).collect::<Vec<u8>>(), &mut lines);
    lines.push('\n');
    encoder.mark("r3:1240", &mut lines);
    lines.push('\n');
    encoder.clear(&mut lines);
    lines.push('\n');
    assert_eq!(lines, golden!("sent.jsonl"));
}

#[test]
fn gaps_and_latecomers_are_counted_and_never_an_error() {
    let mut check = SequenceCheck::default();
    let seen: Vec<_> = [2, 3, 6, 5, 6, 7, u64::MAX, 0].into_iter().map(|number| check.observe(number)).collect();
    use Sequence::*;
    assert_eq!(seen, [InOrder, InOrder, Gap(2), Late, Late, InOrder, Gap(u64::MAX - 8), Late]);
    assert_eq!((check.gaps, check.late), (2, 3));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text: String) {
        prop_assert!(read(&text).is_err());
    }

    #[test]
    fn no_message_that_was_damaged_makes_it_panic(
        which in 0usize..6, at in 0usize..600, with in proptest::char::any(), cut: bool
    ) {
        let golden = [golden!("connected.json"), golden!("start.json"), golden!("media.json"), golden!("mark.json"),
            golden!("dtmf.json"), golden!("stop.json")][which];
        let at = at % golden.len();
        let damaged = if cut { golden[..at].to_owned() } else { format!("{}{with}{}", &golden[..at], &golden[at + 1..]) };
        if let Err(error) = read(&damaged) {
            prop_assert!(!error.to_string().is_empty() && !error.kind().is_empty());
        }
    }

    #[test]
    fn any_audio_arrives(mulaw in proptest::collection::vec(any::<u8>(), 0..MAX_PAYLOAD_BYTES)) {
        let mut message = String::new();
        StreamEncoder::new(&stream()).media(&mulaw, &mut message);
        let value: Value = serde_json::from_str(&message).unwrap();
        prop_assert_eq!(&value, &json!({
            "event": "media", "streamSid": stream().as_str(), "media": {"payload": STANDARD.encode(&mulaw)},
        }));
        let (_, _, heard) = read(&message).unwrap();
        prop_assert_eq!(heard, mulaw);
    }

    #[test]
    fn any_mark_comes_back(name: String) {
        let mut message = String::new();
        StreamEncoder::new(&stream()).mark(&name, &mut message);
        let value: Value = serde_json::from_str(&message).unwrap();
        prop_assert_eq!(&value["mark"]["name"], &name);
        let mut audio = AUDIO_BUFFER;
        prop_assert_eq!(decode(&message, &mut audio).unwrap().message, StreamMessage::Mark { name: name.into() });
    }

    #[test]
    fn numbers_in_order_are_never_a_gap(first in 0u64..1 << 60, count in 1u64..100) {
        let mut check = SequenceCheck::default();
        for number in first..first + count {
            prop_assert_eq!(check.observe(number), Sequence::InOrder);
        }
        prop_assert_eq!((check.gaps, check.missing, check.late), (0, 0, 0));
    }
}
