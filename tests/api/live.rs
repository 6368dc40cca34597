//! What live calls tell, as it happens, to those who may see it.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::http_service::Request;
use crate::service::{CALLER, PATIENCE, Service, ms};
use crate::{ADMIN, BAKERY, Interface, service};

/// Somebody who watches, and all that was told so far.
struct Watching {
    socket: TcpStream,
    told: String,
}

impl Watching {
    async fn with(service: &Service, token: &str) -> Self {
        let mut socket = TcpStream::connect(service.address()).await.unwrap();
        let request = Request::get("/console/live").with("Authorization", &format!("Bearer {token}"));
        socket.write_all(&request.bytes()).await.unwrap();
        Self { socket, told: String::new() }
    }

    /// Reads until this was told.
    async fn sees(&mut self, what: &str) {
        while !self.told.contains(what) {
            assert!(self.reads().await, "{what}: the stream ended after {}", self.told);
        }
    }

    /// Reads on: whether there was more.
    async fn reads(&mut self) -> bool {
        let mut bytes = [0; 16_384];
        let read = timeout(PATIENCE, self.socket.read(&mut bytes)).await;
        let read = read.unwrap_or_else(|_| panic!("nothing more was told after {}", self.told)).unwrap_or(0);
        self.told += std::str::from_utf8(&bytes[..read]).unwrap();
        read > 0
    }
}

#[tokio::test]
async fn who_watches_sees_a_call_begin_be_greeted_and_end_and_nothing_of_others() {
    let service = service(|_| {});
    let bakery = service.token_for("business Bakery").await;
    let florist = service.token_for("business Florist").await;
    let viewer = service.token_for("viewer").await;
    let mut owner = Watching::with(&service, &bakery).await;
    let mut other = Watching::with(&service, &florist).await;
    let mut unread = Watching::with(&service, &viewer).await; // it reads when all is over
    for watching in [&mut owner, &mut other] {
        watching.sees("event: snapshot\ndata: {\"calls\":[]}").await;
        assert!(watching.told.to_lowercase().contains("content-type: text/event-stream"), "{}", watching.told);
    }

    let call = service.carrier.inbound_call(CALLER, BAKERY).await.unwrap();
    let sid = call.identity().call_sid.clone();
    owner.sees("event: began").await;
    call.wait_until_agent_has_spoken_for(ms(20), PATIENCE).await.unwrap();
    owner.sees("event: piece").await;
    let mut late = Watching::with(&service, ADMIN).await;
    late.sees("event: snapshot").await;
    assert!(late.told.contains(&sid), "{}", late.told);
    service.hang_up(call).await;

    for watching in [&mut owner, &mut late, &mut unread] {
        watching.sees("event: turn").await;
        watching.sees("\"heard_text\":").await;
        watching.sees("event: ended").await;
        watching.sees("\"cause\":\"caller_hung_up\"").await;
        assert!(watching.told.contains(&sid), "{}", watching.told);
    }
    assert!(owner.told.contains("\"speaker\":\"agent\",\"speaking\":true"), "{}", owner.told);

    // Revoked, it ends; until then it was told of nothing.
    let tokens = service.read("/tokens").await.json();
    let id =
        tokens["items"].as_array().unwrap().iter().find(|token| token["business"] == "Florist").unwrap()["id"].clone();
    let request = Request::new("DELETE", &format!("/api/v1/tokens/{}", id.as_str().unwrap()));
    assert_eq!(service.ask(ADMIN, request).await.status, 204);
    while other.reads().await {}
    assert!(!other.told.contains(&sid), "{}", other.told);
}

#[tokio::test]
async fn nobody_watches_without_a_token_or_a_session() {
    let service = service(|_| {});
    for token in ["", "a-guess"] {
        let mut stranger = Watching::with(&service, token).await;
        stranger.sees("HTTP/1.1 401").await;
    }
}

#[tokio::test]
async fn a_service_that_stops_is_not_held_up_by_those_who_watch() {
    let mut service = service(|_| {});
    let mut watching = Watching::with(&service, ADMIN).await;
    watching.sees("event: snapshot").await;
    assert!(service.stops().await);
    while watching.reads().await {}
}
