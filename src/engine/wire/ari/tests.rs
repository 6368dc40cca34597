use proptest::prelude::*;
use serde_json::json;

use super::*;

fn channel() -> Value {
    json!({
        "id": "1732500000.12", "name": "PJSIP/phones-00000001", "state": "Ring", "protocol_id": "abc",
        "caller": { "name": "", "number": "+14155550100" }, "connected": { "name": "", "number": "" },
        "dialplan": { "context": "callers", "exten": "100", "priority": 1, "app_name": "Stasis", "app_data": "trunkline,a" },
        "creationtime": "2026-11-25T08:00:00.000+0000", "language": "en",
    })
}

#[test]
fn a_caller_s_arrival_says_who_calls_whom_and_what_the_dialplan_gave() {
    let text = json!({ "type": "StasisStart", "args": ["a", "b"], "channel": channel(), "new": 1 }).to_string();
    let Ok(AriEvent::StasisStart { channel, args }) = AriEvent::parse(&text) else { panic!("{text}") };
    assert_eq!(args, ["a", "b"]);
    assert_eq!((channel.caller.as_str(), channel.extension.as_str()), ("+14155550100", "100"));
    assert!(channel.is_in("trunkline") && !channel.is_in("trunk"));
}

#[test]
fn what_moves_a_call_is_read() {
    let event = |more: Value| {
        let mut event = json!({ "channel": { "id": "7", "state": "Ringing" } });
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        AriEvent::parse(&event.to_string()).unwrap()
    };
    let channel = "7".to_owned();
    for (more, expected) in [
        (json!({ "type": "StasisEnd" }), AriEvent::StasisEnd { channel: channel.clone() }),
        (
            json!({ "type": "ChannelDestroyed", "cause": 17 }),
            AriEvent::Destroyed { channel: channel.clone(), cause: 17 },
        ),
        (
            json!({ "type": "ChannelDestroyed", "cause": -1 }),
            AriEvent::Destroyed { channel: channel.clone(), cause: 0 },
        ),
        (
            json!({ "type": "ChannelStateChange" }),
            AriEvent::StateChanged { channel: channel.clone(), state: ChannelState::Ringing },
        ),
        (json!({ "type": "ApplicationReplaced" }), AriEvent::Replaced),
        (json!({ "type": "ChannelDtmfReceived", "digit": "1" }), AriEvent::Other),
        (json!({ "type": "SomethingNew", "channel": 5 }), AriEvent::Other),
    ] {
        assert_eq!(event(more), expected);
    }
}

#[test]
fn what_is_wrong_is_named() {
    for (text, error) in [
        ("", AriEventError::NotJson),
        ("[]", AriEventError::NotJson),
        ("{", AriEventError::NotJson),
        ("{}", AriEventError::Field("type")),
        (r#"{"type":1}"#, AriEventError::Field("type")),
        (r#"{"type":"StasisEnd"}"#, AriEventError::Field("channel.id")),
        (r#"{"type":"StasisEnd","channel":{"id":""}}"#, AriEventError::Field("channel.id")),
        (r#"{"type":"StasisStart","channel":{"id":"1"}}"#, AriEventError::Field("channel.name")),
        (r#"{"type":"StasisStart","channel":{"id":"1","name":"a"},"args":5}"#, AriEventError::Field("args")),
    ] {
        assert_eq!(AriEvent::parse(text), Err(error), "{text}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        let key = prop_oneof!["[a-z_]{1,8}", Just("id".to_owned()), Just("name".to_owned()), Just("state".to_owned())];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..5).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        AriEvent::parse(&text).ok();
    }

    #[test]
    fn no_field_of_any_type_makes_it_panic(
        kind in prop_oneof![
            Just("StasisStart"), Just("StasisEnd"), Just("ChannelDestroyed"), Just("ChannelStateChange"), Just("Any"),
        ],
        channel in any_json(), args in any_json(), cause in any_json(),
    ) {
        let event = json!({ "type": kind, "channel": channel, "args": args, "cause": cause });
        AriEvent::parse(&event.to_string()).ok();
    }

    #[test]
    fn fields_that_nobody_knows_change_nothing(more in prop::collection::btree_map("x_[a-z]{1,8}", any_json(), 0..5)) {
        let plain = json!({ "type": "StasisStart", "args": [], "channel": channel() });
        let mut extended = plain.clone();
        extended.as_object_mut().unwrap().extend(more.clone());
        extended["channel"].as_object_mut().unwrap().extend(more);
        prop_assert_eq!(AriEvent::parse(&extended.to_string()), AriEvent::parse(&plain.to_string()));
    }
}
