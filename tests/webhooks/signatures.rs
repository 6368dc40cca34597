//! Whose requests are the carrier's.

use futures_util::future::join_all;
use trunkline::app::Server;
use trunkline::telemetry::Telemetry;
use url::form_urlencoded;

use crate::http_service::{Asked, Caller, Http, Request, ask};
use crate::service;
use crate::service::{PUBLIC_URL, Service};

const HOST: &str = "calls.example.com";

/// Headers that a proxy sets, or rewrites.
type Headers = &'static [(&'static str, &'static str)];

/// A voice webhook, signed over this URL whatever its headers are.
fn voice(service: &Service, target: &str, headers: &[(&str, &str)], signed_url: &str) -> Request {
    let mut request = Request { target: target.to_owned(), ..Caller::new().voice() };
    for (name, value) in headers {
        request = request.with(name, value);
    }
    request.signed_over(service.token(), signed_url)
}

#[tokio::test]
async fn without_a_public_url_the_address_is_what_the_proxy_says() {
    let service = service(|config| config.http.public_url = None);
    let path = "/twilio/voice";
    let unsorted = "/twilio/voice?zone=b&account=%2B1&a=1";
    let cases: &[(&str, Headers, &str, u16)] = &[
        (path, &[], "http://calls.example.com/twilio/voice", 200),
        (path, &[("X-Forwarded-Proto", "https")], "https://calls.example.com/twilio/voice", 200),
        (path, &[("X-Forwarded-Proto", "https")], "https://calls.example.com:443/twilio/voice", 200),
        (path, &[("X-Forwarded-Proto", "https, http")], "https://calls.example.com/twilio/voice", 200),
        (path, &[("X-Forwarded-Proto", "https")], "http://calls.example.com/twilio/voice", 403),
        (path, &[("X-Forwarded-Proto", "https")], "https://other.example.com/twilio/voice", 403),
        (
            path,
            &[("Host", "10.0.0.7:8080"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", HOST)],
            "https://calls.example.com/twilio/voice",
            200,
        ),
        (path, &[("Host", "10.0.0.7:8080")], "https://calls.example.com/twilio/voice", 403),
        (
            path,
            &[("Host", "10.0.0.7"), ("Forwarded", "proto=https;host=calls.example.com")],
            "https://calls.example.com/twilio/voice",
            200,
        ),
        (path, &[("Host", "calls.example.com:8443")], "http://calls.example.com:8443/twilio/voice", 200),
        (path, &[("Host", "calls.example.com:8443")], "http://calls.example.com/twilio/voice", 200),
        (path, &[("Host", "calls.example.com:8443")], "http://calls.example.com:8444/twilio/voice", 403),
        (unsorted, &[], "http://calls.example.com/twilio/voice?zone=b&account=%2B1&a=1", 200),
        (unsorted, &[], "http://calls.example.com/twilio/voice?a=1&account=%2B1&zone=b", 403),
        (unsorted, &[], "http://calls.example.com/twilio/voice", 403),
        (path, &[], "http://calls.example.com/twilio/status", 403),
    ];
    let asked = cases.iter().map(async |(target, headers, signed_url, expected)| {
        let answer = ask(service.address(), &voice(&service, target, headers, signed_url)).await;
        assert_eq!(answer.status, *expected, "{headers:?}, signed over {signed_url}: {}", answer.body);
    });
    join_all(asked).await;
}

#[tokio::test]
async fn without_a_public_url_the_media_stream_leads_to_where_the_request_went() {
    let service = service(|config| config.http.public_url = None);
    let headers =
        [("Host", "10.0.0.7"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "calls.example.com:8443")];
    let request = voice(&service, "/twilio/voice", &headers, "https://calls.example.com:8443/twilio/voice");
    let answer = ask(service.address(), &request).await;
    assert!(answer.body.contains(r#"<Stream url="wss://calls.example.com:8443/twilio/media""#), "{answer:?}");
    assert!(answer.body.contains(r#"action="https://calls.example.com:8443/twilio/stream-ended#"#), "{answer:?}");
}

#[tokio::test]
async fn a_public_url_counts_and_nothing_that_the_request_says() {
    let plain = service(|_| {});
    let prefixed = service(|config| config.http.public_url = Some("https://calls.example.com/phone/".parse().unwrap()));
    let internal: &[(&str, &str)] = &[("Host", "10.0.0.7:8080")];
    let proxied: &[(&str, &str)] = &[("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "evil.example.com")];
    let cases = [
        (&plain, internal, format!("{PUBLIC_URL}/twilio/voice"), 200),
        (&plain, proxied, format!("{PUBLIC_URL}/twilio/voice"), 200),
        (&plain, proxied, "https://evil.example.com/twilio/voice".to_owned(), 403),
        (&plain, internal, "http://10.0.0.7:8080/twilio/voice".to_owned(), 403),
        (&prefixed, internal, "https://calls.example.com/phone/twilio/voice".to_owned(), 200),
        (&prefixed, internal, "https://calls.example.com/twilio/voice".to_owned(), 403),
    ];
    for (service, headers, signed_url, expected) in cases {
        let answer = ask(service.address(), &voice(service, "/twilio/voice", headers, &signed_url)).await;
        assert_eq!(answer.status, expected, "signed over {signed_url}");
    }
    let request = voice(&prefixed, "/twilio/voice", &[], "https://calls.example.com/phone/twilio/voice");
    let answer = ask(prefixed.address(), &request).await;
    assert!(answer.body.contains(r#"url="wss://calls.example.com/phone/twilio/media""#), "{answer:?}");
}

#[tokio::test]
async fn a_get_is_signed_over_its_query_as_it_stands() {
    let service = service(|_| {});
    let caller = Caller::new();
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(caller.fields("ringing", &[])).finish();
    let request = Request::get(&format!("/twilio/voice?{query}"));
    assert!(service.webhook(request.clone()).await.body.contains("<Connect"));
    assert!(service.store().call(&caller.sid()).unwrap().is_some());

    let changed = request.target.replace("CallStatus=ringing", "CallStatus=busy");
    let signed = request.signed(service.token(), PUBLIC_URL);
    assert_eq!(ask(service.address(), &Request { target: changed, ..signed }).await.status, 403);

    let request = Request::get(&format!("/twilio/status?{}", query.replace("ringing", "completed")));
    assert_eq!(service.webhook(request).await.status, 204);
    assert_eq!(service.store().call(&caller.sid()).unwrap().unwrap().status.as_str(), "completed");
}

#[tokio::test]
async fn a_json_body_is_signed_by_its_hash() {
    let service = service(|_| {});
    let caller = Caller::new();
    let body =
        |status: &str| serde_json::Map::from_iter(caller.fields(status, &[]).into_iter().map(|(n, v)| (n, v.into())));
    let json = |status: &str| serde_json::to_vec(&body(status)).unwrap();
    assert!(service.webhook(Request::json("/twilio/voice", json("ringing"))).await.body.contains("<Connect"));
    let request = Request::json("/twilio/status?tenant=7", json("completed"));
    assert_eq!(service.webhook(request.clone()).await.status, 204);
    assert_eq!(service.store().call(&caller.sid()).unwrap().unwrap().status.as_str(), "completed");
    let shouted = request.clone().with("Content-Type", "Application/JSON; charset=utf-8");
    assert_eq!(service.webhook(shouted).await.status, 204, "media types have no case");

    let signed = request.clone().signed(service.token(), PUBLIC_URL);
    let other = Request { body: json("busy"), ..signed };
    assert_eq!(ask(service.address(), &other).await.status, 403, "another body");
    let without_hash = Request { target: "/twilio/status".to_owned(), ..request };
    assert_eq!(service.webhook(without_hash).await.status, 403, "no hash, no trust");
}

#[tokio::test]
async fn while_the_token_is_changed_both_are_good() {
    let service = service(|config| config.twilio.auth_token_previous = Some("the one before".to_owned().into()));
    for (token, expected) in [("the one before", 200), (service.token(), 200), ("the one before that", 403)] {
        let request = Caller::new().voice().signed(token, PUBLIC_URL);
        assert_eq!(ask(service.address(), &request).await.status, expected, "{token}");
    }
}

#[tokio::test]
async fn a_stranger_is_refused_and_leaves_nothing_behind() {
    let service = service(|_| {});
    let caller = Caller::new();
    let status = caller.status("completed", &[]);
    let stream_status = caller.fields("in-progress", &[("StreamEvent", "stream-error")]);
    let requests = [
        caller.voice(),
        status.clone(),
        caller.stream_ended("completed"),
        caller.dial_ended("completed", &Caller::new().call_sid, "busy"),
        Request::form("/twilio/stream-status", &stream_status),
        Request::get(&format!("/twilio/voice?{}", String::from_utf8(caller.voice().body).unwrap())),
        Request::json("/twilio/status", r#"{"CallSid":"x"}"#),
    ];
    let right = status.clone().signed(service.token(), PUBLIC_URL);
    let right = right.headers.iter().find(|(name, _)| name == "X-Twilio-Signature").unwrap().1.clone();
    for request in &requests {
        let signed_by_another = request.clone().signed("another account's token", PUBLIC_URL);
        let mut strangers = vec![request.clone(), signed_by_another];
        for signature in ["", "x", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "not base64 but of that size!", "ü"] {
            strangers.push(request.clone().with("X-Twilio-Signature", signature));
        }
        if request.body != status.body {
            strangers.push(request.clone().with("X-Twilio-Signature", &right));
        }
        for stranger in strangers {
            let answer = ask(service.address(), &stranger).await;
            assert_eq!(answer.status, 403, "{stranger:?}");
            assert!(answer.body.starts_with("X-Twilio-Signature"), "{answer:?}");
        }
    }
    assert_eq!(service.store().call(&caller.sid()), Ok(None));
    assert_eq!(service.store().status_history(&caller.sid()), Ok(vec![]));
    assert_eq!(service.figure("media_faults_total{kind=\"reported_by_carrier\"}"), 0.0);
    assert!(service.figure("calls_refused_total{reason=\"bad_signature\"}") > 0.0);
}

/// The body promised is larger than any memory of ours, and comes slowly; the answer does not wait for it.
#[tokio::test]
async fn a_stranger_is_refused_before_the_body_is_read() {
    let service = service(|_| {});
    for signature in [None, Some("too short")] {
        let mut request = Caller::new().voice();
        if let Some(signature) = signature {
            request = request.with("X-Twilio-Signature", signature);
        }
        let mut connection = Http::to(service.address()).await;
        assert!(connection.send(&request.head(1 << 30)).await);
        assert!(connection.send(b"CallSid=").await);
        assert_eq!(connection.answer().await.expect("an answer before the body").status, 403);
        assert!(connection.is_closed().await, "what is not read can't be skipped either");
    }
}

#[tokio::test]
async fn without_a_token_every_webhook_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = service(|_| {}).config.clone();
    config.data_dir = folder.path().to_owned();
    config.twilio.auth_token = None;
    let server = Server::start(config, Telemetry::silent()).unwrap();
    for token in ["", "guess"] {
        let request = Caller::new().voice().signed(token, PUBLIC_URL);
        assert_eq!(ask(server.address(), &request).await.status, 403);
    }
}
