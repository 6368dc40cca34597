//! Connections: kept where that helps, closed where it doesn't.

use crate::http_service::{Asked, Caller, Http, Request, ask};
use crate::service;
use crate::service::PUBLIC_URL;

#[tokio::test]
async fn the_carriers_connection_is_kept() {
    let service = service(|_| {});
    let mut connection = Http::to(service.address()).await;
    for _ in 0..5 {
        let caller = Caller::new();
        let signed = |request: Request| request.signed(service.token(), PUBLIC_URL);
        assert_eq!(connection.ask(&signed(caller.voice())).await.status, 200);
        assert_eq!(connection.ask(&signed(caller.status("completed", &[]))).await.status, 204);
        assert_eq!(connection.ask(&signed(caller.stream_ended("completed"))).await.status, 200);
    }
}

#[tokio::test]
async fn requests_that_come_at_once_are_answered_in_order() {
    let service = service(|_| {});
    let caller = Caller::new();
    let requests = [caller.voice(), caller.status("completed", &[]), caller.stream_ended("completed")];
    let bytes: Vec<u8> =
        requests.into_iter().flat_map(|request| request.signed(service.token(), PUBLIC_URL).bytes()).collect();
    let mut connection = Http::to(service.address()).await;
    // In pieces, as the network may cut it.
    for piece in bytes.chunks(97) {
        connection.send(piece).await;
    }
    for expected in [200, 204, 200] {
        assert_eq!(connection.answer().await.unwrap().status, expected);
    }
}

/// Who has shown no signature gets one answer for each connection: the time limit for a request's head holds
/// for a connection's first only.
#[tokio::test]
async fn a_strangers_connection_is_not_kept() {
    let service = service(|_| {});
    for request in
        [Request::get("/health"), Request::get("/nowhere"), Caller::new().voice(), Request::new("PUT", "/ready")]
    {
        let mut connection = Http::to(service.address()).await;
        let answer = connection.ask(&request).await;
        assert!(answer.header("Connection").is_some_and(|value| value.eq_ignore_ascii_case("close")), "{answer:?}");
        assert!(connection.is_closed().await, "{request:?}");
    }
}

#[tokio::test]
async fn a_head_that_comes_too_slowly_is_not_waited_for() {
    let service = service(|config| config.http.request_timeout_ms = 1_000);
    for head in ["", "POST /twi", "POST /twilio/voice HTTP/1.1\r\nHost: calls.example.com\r\nX-Slow: "] {
        let mut connection = Http::to(service.address()).await;
        connection.send(head.as_bytes()).await;
        // A byte now and then does not help.
        let mut dribble = tokio::time::interval(std::time::Duration::from_millis(50));
        let answer = loop {
            tokio::select! {
                answer = connection.answer() => break answer,
                _ = dribble.tick(), if !head.is_empty() => {}
            }
            connection.send(b"x").await;
        };
        assert_eq!(answer.map(|answer| answer.status).unwrap_or(408), 408, "{head:?}");
    }
    assert_eq!(ask(service.address(), &Request::get("/health")).await.status, 200);
}

#[tokio::test]
async fn what_is_no_http_is_refused() {
    let service = service(|_| {});
    let long = format!("GET /health HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    let many = format!("GET /health HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(10_000));
    let smuggled = "POST /twilio/voice HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n";
    for nonsense in
        ["\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n", "HELO example.com\r\n\r\n", long.as_str(), many.as_str(), smuggled]
    {
        let mut connection = Http::to(service.address()).await;
        connection.send(nonsense.as_bytes()).await;
        if let Some(answer) = connection.answer().await {
            assert!((400..500).contains(&answer.status), "{answer:?}");
        }
        assert!(connection.is_closed().await);
    }
    assert_eq!(ask(service.address(), &Request::get("/health")).await.status, 200);
}
