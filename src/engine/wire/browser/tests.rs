use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn told(message: &ToBrowser<'_>) -> Value {
    let mut text = String::new();
    encode(message, &mut text);
    serde_json::from_str(&text).unwrap()
}

#[test]
fn every_message_of_a_browser_is_read() {
    let mark = Mark { response: ResponseId::from_engine(3), position_ms: 1_240, is_last: true };
    for (text, message) in [
        (r#"{"type":"start"}"#, FromBrowser::Start(None)),
        (r#"{"type":"start","business":"Bäckerei"}"#, FromBrowser::Start(Some("Bäckerei".parse().unwrap()))),
        (r#"{"type":"start","business":null}"#, FromBrowser::Start(None)),
        (r#"{"name":"r3:1240:end","type":"mark"}"#, FromBrowser::Mark(mark)),
        (r##"{"type":"dtmf","digit":"#"}"##, FromBrowser::Digit('#'.try_into().unwrap())),
        (r#"{"type":"mute","muted":true}"#, FromBrowser::Mute(true)),
        (r#"{"type":"hangup","later":[1,2]}"#, FromBrowser::HangUp),
    ] {
        assert_eq!(decode(text), Ok(message), "{text}");
    }
}

#[test]
fn what_makes_no_sense_is_said_by_its_field() {
    for (text, error) in [
        ("", BrowserError::NotAMessage),
        ("[]", BrowserError::NotAMessage),
        (r#"{"type":"stop"}"#, BrowserError::NotAMessage),
        (r#"{"type":"mark"}"#, BrowserError::NotAMessage),
        (r#"{"type":"mute","muted":1}"#, BrowserError::NotAMessage),
        (r#"{"type":"start","business":""}"#, BrowserError::Business),
        (r#"{"type":"mark","name":"r3"}"#, BrowserError::Mark),
        (r#"{"type":"dtmf","digit":"x"}"#, BrowserError::Digit),
    ] {
        assert_eq!(decode(text), Err(error), "{text}");
    }
    let long = format!(r#"{{"type":"start","business":"{}"}}"#, "a".repeat(MAX_TEXT_BYTES));
    assert_eq!(decode(&long), Err(BrowserError::TooLong));
}

#[test]
fn a_browser_is_told_in_words_and_numbers() {
    let (call_sid, business) = (format!("CA{}", "0".repeat(32)).parse().unwrap(), "Bakery".parse().unwrap());
    let ready = ToBrowser::Ready { call_sid: &call_sid, business: &business, rate_hz: 16_000, frame_ms: 20 };
    assert_eq!(
        told(&ready),
        json!({ "type": "ready", "call_sid": call_sid.as_str(), "business": "Bakery", "rate_hz": 16_000, "frame_ms": 20 })
    );
    let name = Mark { response: ResponseId::from_vendor(2), position_ms: 100, is_last: false };
    assert_eq!(told(&ToBrowser::Mark { name }), json!({ "type": "mark", "name": "v2:100" }));
    assert_eq!(told(&ToBrowser::Clear), json!({ "type": "clear" }));
    let cause = HangupCause::AgentHungUp;
    assert_eq!(told(&ToBrowser::Ended { cause }), json!({ "type": "ended", "cause": "agent_hung_up" }));
    assert_eq!(
        told(&ToBrowser::Caption(Caption::piece(ResponseId::from_engine(1), "Hello, "))),
        json!({ "type": "caption", "speaker": "agent", "response": "r1", "text": "Hello, ", "interrupted": false })
    );
}

#[test]
fn a_turn_tells_what_of_it_was_heard() {
    let turn = Turn {
        number: 4,
        speaker: Speaker::Agent,
        text: "We are open until six.".into(),
        heard_text: "We are".into(),
        confidence: None,
        started_ms: 0,
        ended_ms: 900,
        interrupted: true,
    };
    assert_eq!(
        told(&ToBrowser::Caption(Caption::turn(&turn))),
        json!({ "type": "caption", "speaker": "agent", "turn": 4, "text": turn.text, "heard_text": "We are",
            "interrupted": true })
    );
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in ".{0,200}", digit: char, name: String) {
        for text in [text, json!({ "type": "dtmf", "digit": digit }).to_string(), json!({ "type": "mark", "name": name }).to_string()] {
            let _ = decode(&text);
        }
    }

    #[test]
    fn marks_and_keys_come_back_as_they_were_sent(n in 1u32..1 << 31, position_ms: u32, is_last: bool, key in "[0-9*#A-D]") {
        let mark = Mark { response: ResponseId::from_engine(n), position_ms, is_last };
        prop_assert_eq!(decode(&told(&ToBrowser::Mark { name: mark }).to_string()), Ok(FromBrowser::Mark(mark)));
        let digit = key.chars().next().unwrap().try_into().unwrap();
        let sent = json!({ "type": "dtmf", "digit": key }).to_string();
        prop_assert_eq!(decode(&sent), Ok(FromBrowser::Digit(digit)));
    }

    #[test]
    fn sound_comes_back_as_it_was_sent(samples in prop::collection::vec(any::<i16>(), 320)) {
        let (mut bytes, mut back) = (Vec::new(), Vec::new());
        encode_audio(&PcmFrame::from_samples(&samples).unwrap(), &mut bytes);
        prop_assert_eq!(bytes.len(), 640);
        prop_assert!(decode_audio(&bytes, &mut back));
        prop_assert_eq!(&back, &samples);
        bytes.push(7);
        prop_assert!(!decode_audio(&bytes, &mut back));
        prop_assert_eq!(&back[320..], &samples);
    }
}
