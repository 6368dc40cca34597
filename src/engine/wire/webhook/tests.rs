use proptest::prelude::*;

use super::*;

macro_rules! golden {
    ($name:literal) => {
        Form::from_urlencoded(include_bytes!(concat!("../../../../tests/golden/webhooks/", $name, ".form"))).unwrap()
    };
}

const SECOND: i64 = 1_000_000;

/// The golden voice webhook with one field changed, or removed.
fn voice_with(field: &str, value: Option<&str>) -> Result<VoiceWebhook, WebhookError> {
    let golden = golden!("voice_inbound");
    let mut pairs: Vec<(&str, &str)> = golden.pairs().iter().map(|(n, v)| (n.as_ref(), v.as_ref())).collect();
    pairs.retain(|(name, _)| *name != field);
    pairs.extend(value.map(|value| (field, value)));
    VoiceWebhook::from_form(&Form::from_pairs(&pairs))
}

#[test]
fn a_call_that_was_forwarded_more_than_once_is_answered() {
    let golden = golden!("voice_inbound");
    let mut pairs: Vec<(&str, &str)> = golden.pairs().iter().map(|(n, v)| (n.as_ref(), v.as_ref())).collect();
    pairs.extend([("ForwardedFrom", "+15005550002"), ("ForwardedFrom", "+15005550003")]);
    let once = VoiceWebhook::from_form(&golden).unwrap();
    assert_eq!(VoiceWebhook::from_form(&Form::from_pairs(&pairs)), Ok(once));
}

#[test]
fn an_inbound_call_asks_what_to_do() {
    let voice = VoiceWebhook::from_form(&golden!("voice_inbound")).unwrap();
    assert_eq!(voice.call_sid.as_str(), "CA0123456789abcdef0123456789abcdef");
    assert_eq!(voice.from.as_str(), "+15005550001");
    assert_eq!(voice.to.number().unwrap().as_str(), "+15005550006");
    assert_eq!((voice.direction, voice.status), (CallDirection::Inbound, CallStatus::Ringing));
    assert_eq!(voice.parent_call_sid, None);

    let change = voice.change(Some("Bakery".parse().unwrap()), 7 * SECOND);
    assert_eq!((change.status, change.source), (CallStatus::Ringing, CarrierSource::VoiceWebhook));
    assert_eq!((change.occurred_at, change.business.unwrap().as_str()), (7 * SECOND, "Bakery"));
}

#[test]
fn a_field_that_is_missing_or_malformed_is_named() {
    use Problem::*;
    let long = "must be \"CA\" and 32 hexadecimal digits, is 3 bytes long".to_owned();
    for (field, value, problem) in [
        ("CallSid", None, Missing),
        ("CallSid", Some(""), Missing),
        ("CallSid", Some("CA1"), Malformed(long)),
        ("CallSid", Some("7"), Malformed("must begin with \"CA\"".to_owned())),
        ("AccountSid", None, Missing),
        ("From", None, Missing),
        ("To", None, Missing),
        ("To", Some("nonsense"), Malformed("must be an E.164 number or an address such as sip:…".to_owned())),
        ("To", Some("anonymous"), Malformed("must be an E.164 number or an address such as sip:…".to_owned())),
        ("Direction", Some("up"), Malformed("is neither inbound nor outbound".to_owned())),
        ("CallStatus", Some("streaming"), Malformed("is not a call status".to_owned())),
        (
            "ParentCallSid",
            Some("CA1\u{fffd}"),
            Malformed("must be \"CA\" and 32 hexadecimal digits, is 6 bytes long".to_owned()),
        ),
    ] {
        assert_eq!(voice_with(field, value), Err(WebhookError { field, problem }), "{field} {value:?}");
    }
}

#[test]
fn an_error_reads_well_and_repeats_no_value() {
    let error = voice_with("To", Some("secret")).unwrap_err();
    assert_eq!(error.to_string(), "To: must be an E.164 number or an address such as sip:…");
    assert_eq!(voice_with("To", None).unwrap_err().to_string(), "To: is missing");
    let error = WebhookError::from(FormError::TooManyFields);
    assert_eq!(error.to_string(), "body: has more than 256 fields");
}

#[test]
fn a_caller_may_be_anybody() {
    for (text, party) in [
        ("", Party::Withheld),
        ("anonymous", Party::Withheld),
        ("Restricted", Party::Withheld),
        ("+266696687", Party::Withheld),
        ("sip:alice@example.com", Party::Address("sip:alice@example.com".into())),
        ("client:alice", Party::Address("client:alice".into())),
        ("\u{fffd}", Party::Address("\u{fffd}".into())),
    ] {
        assert_eq!(voice_with("From", Some(text)).unwrap().from, party, "{text}");
    }
    let to = voice_with("To", Some("sip:desk@example.sip.twilio.com")).unwrap().to;
    assert_eq!(to.number(), None);
}

#[test]
fn a_field_may_be_repeated_only_with_the_same_value() {
    let same = [("CallSid", "CA0123456789abcdef0123456789abcdef"); 2];
    let form = [same[0], same[1], ("CallStatus", "busy")];
    assert!(StatusWebhook::from_form(&Form::from_pairs(&form)).is_ok());
    let form = [same[0], ("CallStatus", "busy"), ("CallStatus", "failed")];
    assert_eq!(
        StatusWebhook::from_form(&Form::from_pairs(&form)),
        Err(WebhookError { field: "CallStatus", problem: Problem::Repeated })
    );
}

#[test]
fn who_answered_comes_with_the_time_that_it_took_to_find_out() {
    let pairs = [
        ("CallSid", "CA0123456789abcdef0123456789abcdef"),
        ("AccountSid", "AC0123456789abcdef0123456789abcdef"),
        ("AnsweredBy", "machine_end_beep"),
        ("MachineDetectionDuration", "5300"),
    ];
    let amd = AmdWebhook::from_form(&Form::from_pairs(&pairs)).unwrap();
    assert_eq!((amd.answered_by, amd.detection_ms), (AnsweredBy::MachineEndBeep, Some(5_300)));
    let change = amd.change(7 * SECOND);
    assert_eq!((change.status, change.source), (CallStatus::InProgress, CarrierSource::AmdCallback));
    assert_eq!((change.answered_by, change.machine_detection_ms), (Some(AnsweredBy::MachineEndBeep), Some(5_300)));

    let without = AmdWebhook::from_form(&Form::from_pairs(&pairs[..2])).unwrap_err();
    assert_eq!(without.to_string(), "AnsweredBy: is missing");
    let odd = [pairs[0], ("AnsweredBy", "a ghost")];
    assert!(AmdWebhook::from_form(&Form::from_pairs(&odd)).unwrap_err().to_string().contains("machine_start"));
    let status = StatusWebhook::from_form(&Form::from_pairs(&[pairs[0], ("CallStatus", "completed"), odd[1]]));
    assert_eq!(status.unwrap().answered_by, None, "the end of a call is worth more than that word");
}

#[test]
fn a_call_that_ended_says_when_and_how_long() {
    let status = StatusWebhook::from_form(&golden!("status_completed")).unwrap();
    assert_eq!((status.status, status.duration_s), (CallStatus::Completed, Some(59)));
    assert_eq!((status.sequence_number, status.parent_call_sid.clone()), (Some(2), None));
    assert_eq!(status.timestamp, Some(1_793_700_930 * SECOND));

    let change = status.change(0);
    assert_eq!((change.occurred_at, change.duration_s), (1_793_700_930 * SECOND, Some(59)));
    assert_eq!((change.reason.clone(), change.history_key()), (None, "status_callback/completed/2".to_owned()));
}

#[test]
fn a_dialled_leg_that_was_busy_says_why_and_whose_it_was() {
    let status = StatusWebhook::from_form(&golden!("status_dialled_leg_busy")).unwrap();
    let change = status.change(0);
    assert_eq!((change.status, change.direction), (CallStatus::Busy, Some(CallDirection::Outbound)));
    assert_eq!(change.parent_call_sid.unwrap().as_str(), "CA0123456789abcdef0123456789abcdef");
    assert_eq!(change.reason.as_deref(), Some("SIP 486"));
}

#[test]
fn the_same_status_comes_by_query_and_as_json() {
    let expected = StatusWebhook::from_form(&golden!("status_completed")).unwrap();
    let json = br#"{"CallSid":"CA0123456789abcdef0123456789abcdef","CallStatus":"completed","CallDuration":59,
        "From":"+15005550001","To":"+15005550006","Direction":"inbound","SequenceNumber":"2","SipResponseCode":200,
        "ParentCallSid":null,"Timestamp":"2026-11-03T10:15:30Z"}"#;
    assert_eq!(StatusWebhook::from_form(&Form::from_json(json).unwrap()), Ok(expected));
}

#[test]
fn numbers_must_be_numbers_and_a_strange_date_counts_as_none() {
    let with = |field, value| {
        let call = ("CallSid", "CA0123456789abcdef0123456789abcdef");
        StatusWebhook::from_form(&Form::from_pairs(&[call, ("CallStatus", "no_answer"), (field, value)]))
    };
    for field in ["CallDuration", "SequenceNumber", "SipResponseCode", "ErrorCode"] {
        for value in ["-1", "1.5", "soon", "99999999999999999999"] {
            assert_eq!(with(field, value).unwrap_err().field, field, "{value}");
        }
        assert!(with(field, "").is_ok() && with(field, " 7 ").is_ok());
    }
    assert_eq!(with("Timestamp", "yesterday").unwrap().timestamp, None);
    assert_eq!(with("ErrorCode", "13224").unwrap().change(5).reason.as_deref(), Some("error 13224"));
    assert_eq!(with("x", "").unwrap().change(5).occurred_at, 5);
}

#[test]
fn a_stream_that_failed_says_why() {
    let status = StreamStatusWebhook::from_form(&golden!("stream_status_error")).unwrap();
    assert_eq!((status.event, status.error.as_deref()), (StreamEvent::Failed, Some("WebSocket - Handshake Error")));
    assert_eq!(status.timestamp, Some(1_793_700_931_250_000));
    for (text, event) in [("stream-started", StreamEvent::Started), ("stream-stopped", StreamEvent::Stopped)] {
        assert_eq!(text.parse(), Ok(event));
    }
    let form = Form::from_pairs(&[("CallSid", "CA0123456789abcdef0123456789abcdef"), ("StreamEvent", "paused")]);
    assert_eq!(StreamStatusWebhook::from_form(&form).unwrap_err().field, "StreamEvent");
}

#[test]
fn a_stream_that_ended_asks_what_now() {
    let ended = StreamEndedWebhook::from_form(&golden!("stream_ended")).unwrap();
    assert_eq!((ended.status, ended.error.clone()), (Some(CallStatus::InProgress), None));
    assert_eq!(ended.change(3).unwrap().source, CarrierSource::StreamEnded);
    let bare = Form::from_pairs(&[("CallSid", "CA0123456789abcdef0123456789abcdef")]);
    assert_eq!(StreamEndedWebhook::from_form(&bare).unwrap().change(3), None);
    assert_eq!(StreamEndedWebhook::from_form(&Form::default()).unwrap_err().field, "CallSid");
}

#[test]
fn a_transfer_that_ended_says_how_and_of_which_leg() {
    let own = "CA0123456789abcdef0123456789abcdef";
    let leg = "CA00000000000000000000000000000002";
    let fields =
        [("CallSid", own), ("CallStatus", "in-progress"), ("DialCallSid", leg), ("DialCallStatus", "no-answer")];
    let ended = DialEndedWebhook::from_form(&Form::from_pairs(&fields)).unwrap();
    assert!(!ended.was_connected());
    let [of_leg, of_own] = &ended.changes(3)[..] else { panic!("two calls are told of") };
    assert_eq!((of_leg.call_sid.as_str(), of_leg.status), (leg, CallStatus::NoAnswer));
    assert_eq!(of_leg.parent_call_sid.as_ref().map(CallSid::as_str), Some(own));
    assert_eq!((of_own.call_sid.as_str(), of_own.status), (own, CallStatus::InProgress));
    assert_eq!(of_own.reason.as_deref(), Some("transfer: no-answer"));
    let nobody = DialEndedWebhook::from_form(&Form::from_pairs(&[fields[0], ("DialCallStatus", "failed")])).unwrap();
    assert_eq!(nobody.changes(3), []);
}

proptest! {
    #[test]
    fn any_body_is_a_webhook_or_an_error(body: Vec<u8>, json: bool) {
        let form = if json { Form::from_json(&body) } else { Form::from_urlencoded(&body) };
        if let Ok(form) = form {
            prop_assert!(VoiceWebhook::from_form(&form).is_err());
            prop_assert!(StatusWebhook::from_form(&form).is_err());
            prop_assert!(StreamEndedWebhook::from_form(&form).is_err());
            prop_assert!(StreamStatusWebhook::from_form(&form).is_err());
            prop_assert!(DialEndedWebhook::from_form(&form).is_err());
        }
    }

    #[test]
    fn whatever_a_field_holds_the_rest_is_read(
        field in proptest::sample::select(vec!["From", "To", "CallSid", "Timestamp", "CallDuration", "StreamError", "Direction"]),
        value: String,
    ) {
        let golden = golden!("status_completed");
        let mut pairs: Vec<(&str, &str)> = golden.pairs().iter().map(|(n, v)| (n.as_ref(), v.as_ref())).collect();
        pairs.retain(|(name, _)| *name != field);
        pairs.push((field, &value));
        let form = Form::from_pairs(&pairs);
        match StatusWebhook::from_form(&form) {
            Ok(status) => prop_assert_eq!(status.status, CallStatus::Completed),
            Err(error) => prop_assert_eq!(error.field, field),
        }
    }
}
