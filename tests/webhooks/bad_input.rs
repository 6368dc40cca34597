//! What is signed and makes no sense: 400 or 413 with the field named, never a panic, never a 5xx.

use futures_util::future::join_all;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::http_service::{Asked, Caller, Http, Request};
use crate::service;
use crate::service::PUBLIC_URL;

const ROUTES: [&str; 5] =
    ["/twilio/voice", "/twilio/status", "/twilio/stream-ended", "/twilio/stream-status", "/twilio/dial-ended"];

/// A good webhook of this route, but for one field.
fn spoilt(route: &str, field: &str, value: Option<&str>) -> Request {
    let more = [("StreamEvent", "stream-stopped"), ("DialCallStatus", "busy")];
    let mut fields = Caller::new().fields("in-progress", &more);
    fields.retain(|(name, _)| name != field);
    fields.extend(value.map(|value| (field.to_owned(), value.to_owned())));
    Request::form(route, &fields)
}

#[tokio::test]
async fn the_field_that_makes_no_sense_is_named() {
    let service = service(|_| {});
    let [voice, status, ended, stream, dialled] = ROUTES;
    let long = "9".repeat(5_000);
    let cases = [
        (voice, "CallSid", None),
        (voice, "CallSid", Some("")),
        (voice, "CallSid", Some("CA1")),
        (voice, "CallSid", Some("CA0123456789abcdef0123456789abcde\u{0}")),
        (voice, "CallSid", Some("CA0123456789abcdef0123456789abcd/..")),
        (voice, "CallSid", Some(long.as_str())),
        (voice, "AccountSid", Some("nobody")),
        (voice, "To", None),
        (voice, "To", Some("anonymous")),
        (voice, "From", None),
        (voice, "Direction", Some("sideways")),
        (voice, "CallStatus", Some("asleep")),
        (voice, "ParentCallSid", Some("CAx")),
        (status, "CallStatus", None),
        (status, "CallStatus", Some(long.as_str())),
        (status, "CallDuration", Some("-1")),
        (status, "CallDuration", Some("4294967296")),
        (status, "CallDuration", Some("1e3")),
        (status, "SequenceNumber", Some("first")),
        (status, "SipResponseCode", Some("70000")),
        (status, "ErrorCode", Some("12200x")),
        (ended, "CallSid", Some("\u{fffd}")),
        (ended, "StreamSid", Some("MZ")),
        (stream, "StreamEvent", None),
        (stream, "StreamEvent", Some("stream-exploded")),
        (dialled, "CallSid", None),
        (dialled, "DialCallStatus", None),
        (dialled, "DialCallStatus", Some("asleep")),
        (dialled, "DialCallSid", Some("CAx")),
        (dialled, "DialCallDuration", Some("-1")),
    ];
    let asked = cases.map(async |(route, field, value)| {
        let answer = service.webhook(spoilt(route, field, value)).await;
        assert_eq!(answer.status, 400, "{route} {field}={value:?}: {answer:?}");
        assert!(answer.body.starts_with(&format!("{field}: ")), "{route} {field}={value:?}: {}", answer.body);
        assert!(!answer.body.contains("99999"), "what was sent is not repeated");
    });
    join_all(asked).await;
    let answered =
        |route: &str| service.figure(&format!("webhooks_answered_total{{endpoint=\"{route}\",status=\"400\"}}"));
    let expected = ROUTES.map(|route| cases.iter().filter(|case| case.0 == route).count() as f64);
    assert_eq!(ROUTES.map(answered), expected);
}

#[tokio::test]
async fn a_field_with_two_values_has_none() {
    let service = service(|_| {});
    let request = Caller::new().status("completed", &[("CallSid", "CA00000000000000000000000000000001")]);
    let answer = service.webhook(request).await;
    assert_eq!((answer.status, answer.body.as_str()), (400, "CallSid: has more than one value\n"));
}

#[tokio::test]
async fn a_body_that_is_none_is_named_as_such() {
    let service = service(|_| {});
    let many = (0..10_000).map(|n| format!("{n}&")).collect::<String>();
    let many_json = format!("{{{}}}", (0..6_000).map(|n| format!("\"{n}\":0")).collect::<Vec<_>>().join(","));
    let deep = format!("{}1{}", "{\"a\":".repeat(5_000), "}".repeat(5_000));
    for route in ROUTES {
        let bodies = [
            (Request::raw_form(route, many.clone()), "body: has more than 256 fields"),
            (Request::raw_form(route, "a=1&".repeat(10_000)), "body: has more than 256 fields"),
            (Request::json(route, many_json.clone()), "body: has more than 256 fields"),
            (Request::json(route, ""), "body: is not a JSON object"),
            (Request::json(route, "[]"), "body: is not a JSON object"),
            (Request::json(route, "{\"CallSid\":"), "body: is not a JSON object"),
            (Request::json(route, deep.clone()), "body: is not a JSON object"),
            (Request::json(route, b"{\"CallSid\":\"\xff\xfe\"}".to_vec()), "body: is not a JSON object"),
            (Request::raw_form(route, ""), ": is missing"),
            (Request::raw_form(route, "&&&&=&=&"), ": is missing"),
            (Request::raw_form(route, b"\xff\xfe\x00\x80".to_vec()), ": is missing"),
            (Request::raw_form(route, b"CallSid=%ff%fe&CallStatus=%c0%af&To=%00".to_vec()), ": "),
        ];
        for (request, words) in bodies {
            let answer = service.webhook(request.clone()).await;
            assert_eq!(answer.status, 400, "{route} {:?}: {answer:?}", request.headers);
            assert!(answer.body.contains(words), "{route}: {answer:?}, not {words}");
        }
    }
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused_as_soon_as_it_is() {
    let service = service(|config| config.http.max_body_bytes = 4_096);
    for route in ROUTES {
        let mut fields = Caller::new().fields("ringing", &[]);
        fields.push(("Padding".to_owned(), "x".repeat(8_192)));
        let request = Request::form(route, &fields);
        let answer = service.webhook(request.clone()).await;
        assert_eq!((answer.status, answer.body.as_str()), (413, "body: is longer than 4096 bytes\n"), "{route}");

        // Promised: it need not even be sent.
        let mut connection = Http::to(service.address()).await;
        connection.send(&request.signed(service.token(), PUBLIC_URL).head(1 << 40)).await;
        assert_eq!(connection.answer().await.unwrap().status, 413, "{route}");
        assert!(connection.is_closed().await);
    }
    let whole = Caller::new().voice();
    assert_eq!(service.webhook(whole).await.status, 200);
}

#[tokio::test]
async fn whatever_the_limit_no_body_beyond_what_is_ever_read_is_taken() {
    let service = service(|config| config.http.max_body_bytes = 1 << 20);
    let mut fields = Caller::new().fields("ringing", &[]);
    fields.push(("Padding".to_owned(), "x".repeat(100_000)));
    let answer = service.webhook(Request::form("/twilio/voice", &fields)).await;
    assert_eq!(answer.status, 413, "{answer:?}");
    assert!(answer.body.starts_with("body: "), "{answer:?}");
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_not_waited_for_for_ever() {
    let service = service(|_| {});
    let request = Caller::new().voice().signed(service.token(), PUBLIC_URL);
    let mut connection = Http::to(service.address()).await;
    connection.send(&request.head(request.body.len())).await;
    connection.send(&request.body[..20]).await;
    let answer = connection.answer().await.expect("an answer");
    assert_eq!((answer.status, answer.body.as_str()), (400, "body: did not arrive\n"));
}

/// Bodies that are like those of the carrier, and bodies that are like nothing.
fn bodies() -> impl Strategy<Value = (bool, Vec<u8>)> {
    let names =
        "CallSid|CallStatus|To|From|Direction|AccountSid|CallDuration|StreamEvent|StreamSid|Timestamp|SequenceNumber|X";
    let values = prop_oneof![
        any::<String>(),
        "CA[0-9a-f]{32}",
        "AC[0-9a-f]{32}",
        "[+][0-9]{1,16}",
        "[-+]?[0-9]{1,25}",
        "completed|ringing|in-progress|inbound|stream-error",
    ];
    let fields = proptest::collection::vec((names, values), 0..12);
    let form = fields.clone().prop_map(|fields| {
        let text = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        (false, text.into_bytes())
    });
    let json = fields.prop_map(|fields| {
        let fields = fields.into_iter().map(|(name, value)| (name, serde_json::Value::from(value)));
        (true, serde_json::to_vec(&serde_json::Map::from_iter(fields)).unwrap())
    });
    let noise = (any::<bool>(), proptest::collection::vec(any::<u8>(), 0..600));
    prop_oneof![2 => form, 1 => json, 1 => noise]
}

#[test]
fn no_signed_body_brings_the_service_down() {
    let service = service(|_| {});
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut runner = TestRunner::new(ProptestConfig::with_cases(300));
    let outcome = runner.run(&(proptest::sample::select(&ROUTES[..]), bodies()), |(route, (is_json, body))| {
        let request = if is_json { Request::json(route, body) } else { Request::raw_form(route, body) };
        let answer = runtime.block_on(service.webhook(request));
        let is_named =
            || answer.body.split_once(": ").is_some_and(|(field, _)| field.chars().all(|c| c.is_ascii_alphabetic()));
        let is_right = matches!(answer.status, 200 | 204) || (answer.status == 400 && is_named());
        prop_assert!(is_right, "{answer:?}");
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(runtime.block_on(service.get("/health")).status, 200);
    let panics =
        service.telemetry.render().lines().filter(|line| line.starts_with("trunkline_panics_caught_total{")).count();
    assert_eq!(panics, 0);
}
