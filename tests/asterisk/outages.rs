//! What becomes of calls when Asterisk, or the way to it, goes away.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use trunkline::clock;
use trunkline::engine::call::HangupCause;

use crate::ari::{connected, dialplan, nothing_is_left, steering};
use crate::asterisk::Asterisk;
use crate::asterisk::phone::{Codec, Phone};
use crate::service::{Service, until};
use crate::{CALLER, new_call, settled};

/// What the way to Asterisk does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Open,
    /// Nothing gets through, and nobody is told.
    Silent,
    /// What was open is closed, and nothing is opened.
    Cut,
}

/// The way to Asterisk's HTTP, in the test's hands.
struct Road {
    address: SocketAddr,
    way: Arc<watch::Sender<Way>>,
}

impl Road {
    async fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let way = Arc::new(watch::Sender::new(Way::Open));
        let open = Arc::clone(&way);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let way = open.subscribe();
                if *way.borrow() != Way::Cut {
                    tokio::spawn(carry(near, port, way));
                }
            }
        });
        Self { address, way }
    }

    fn is(&self, way: Way) {
        self.way.send_replace(way);
    }

    fn url(&self) -> String {
        format!("http://{}/ari", self.address)
    }
}

async fn carry(mut near: TcpStream, port: u16, mut way: watch::Receiver<Way>) {
    let Ok(mut far) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else { return };
    loop {
        let now = *way.borrow_and_update();
        match now {
            Way::Cut => return,
            Way::Silent => drop(way.changed().await),
            Way::Open => tokio::select! {
                _ = tokio::io::copy_bidirectional(&mut near, &mut far) => return,
                _ = way.changed() => {}
            },
        }
    }
}

/// Whether new calls may be sent to a service, as it says.
async fn is_ready(service: &Service) -> bool {
    let request = crate::http_service::Request::get("/ready");
    crate::http_service::ask(service.address(), &request).await.status == 200
}

async fn becomes_ready(service: &Service, ready: bool) {
    let deadline = clock::now() + crate::service::PATIENCE;
    while is_ready(service).await != ready {
        assert!(clock::now() < deadline, "/ready does not become {ready}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn while_nobody_hears_asterisk_calls_go_on_and_afterwards_there_are_as_many_as_it_has() {
    let Some(asterisk) = Asterisk::start(&dialplan()).await else { return };
    let road = Road::to(asterisk.http()).await;
    let service = steering(&asterisk, |config| config.asterisk.ari.url = Some(road.url().parse().unwrap()));
    connected(&service).await;
    assert!(is_ready(&service).await);
    let mut known = BTreeSet::new();
    let mut leaves = Phone::dials(&asterisk, "trunkline", CALLER, Codec::Narrow).await;
    leaves.until_spoken_to(0, 500).await;
    let left = new_call(&service, &mut known).await;
    let mut stays = Phone::dials(&asterisk, "trunkline", CALLER, Codec::Narrow).await;
    stays.until_spoken_to(0, 500).await;
    let stayed = new_call(&service, &mut known).await;

    road.is(Way::Silent);
    let silent_since = clock::now();
    until("it is noticed", || service.metric("ari_connected") == 0.0).await;
    let noticed = clock::now() - silent_since;
    assert!(noticed < Duration::from_secs(20), "that Asterisk is lost was noticed after {noticed:?}");
    road.is(Way::Cut);
    becomes_ready(&service, false).await;
    leaves.hangs_up().await;
    let heard = stays.heard(|heard| heard.packets.len());
    stays.presses('1');
    stays.until_spoken_to(heard, 200).await;
    // The dialplan knows something else for whoever calls meanwhile: it echoes.
    let mut echoed = Phone::dials(&asterisk, "trunkline", CALLER, Codec::Narrow).await;
    echoed.speaks(crate::service::INTERRUPTION);
    echoed.until_spoken_to(0, 200).await;
    echoed.hangs_up().await;

    road.is(Way::Open);
    becomes_ready(&service, true).await;
    settled(&service, &left).await;
    // The caller and the channel of the audio, in a bridge.
    until("what the caller left is gone", || asterisk.channels_and_bridges() == (2, 1)).await;
    assert_eq!(service.metric("calls_live"), 1.0);
    stays.hangs_up().await;
    let facts = settled(&service, &stayed).await;
    facts.assert_whole();
    assert_eq!(facts.cause(), HangupCause::CallerHungUp);
    nothing_is_left(&asterisk).await;
    service.stops_at_once().await;
}

#[tokio::test]
async fn an_asterisk_that_dies_ends_its_calls_and_brings_new_ones_once_it_is_back() {
    let Some(mut asterisk) = Asterisk::start(&dialplan()).await else { return };
    let service = steering(&asterisk, |_| {});
    connected(&service).await;
    let mut known = BTreeSet::new();
    let phone = Phone::dials(&asterisk, "trunkline", CALLER, Codec::Narrow).await;
    phone.until_spoken_to(0, 500).await;
    let call = new_call(&service, &mut known).await;

    asterisk.kill();
    settled(&service, &call).await.assert_whole();
    becomes_ready(&service, false).await;
    assert_eq!(service.metric("calls_live"), 0.0);
    drop(phone);

    assert!(asterisk.run().await, "it is back");
    becomes_ready(&service, true).await;
    let mut phone = Phone::dials(&asterisk, "trunkline", CALLER, Codec::Narrow).await;
    phone.until_spoken_to(0, 500).await;
    phone.hangs_up().await;
    settled(&service, &new_call(&service, &mut known).await).await.assert_whole();
    nothing_is_left(&asterisk).await;
    service.stops_at_once().await;
}

#[tokio::test]
async fn a_caller_who_waits_when_the_service_is_back_gets_a_call() {
    let Some(asterisk) = Asterisk::start(&dialplan()).await else { return };
    let road = Road::to(asterisk.http()).await;
    let service = steering(&asterisk, |config| config.asterisk.ari.url = Some(road.url().parse().unwrap()));
    connected(&service).await;
    let mut phone = Phone::dials(&asterisk, "trunkline", CALLER, Codec::Narrow).await;
    phone.until_spoken_to(0, 500).await;
    // It goes without being able to tell Asterisk anything.
    road.is(Way::Cut);
    becomes_ready(&service, false).await;
    drop(service);
    until("the audio's channel is gone", || asterisk.channels_and_bridges().0 == 1).await;

    let service = steering(&asterisk, |_| {});
    let heard = phone.heard(|heard| heard.packets.len());
    phone.until_spoken_to(heard, 500).await;
    until("what was left of the first call is gone", || asterisk.channels_and_bridges() == (2, 1)).await;
    phone.hangs_up().await;
    let facts = settled(&service, &new_call(&service, &mut BTreeSet::new()).await).await;
    facts.assert_whole();
    nothing_is_left(&asterisk).await;
    service.stops_at_once().await;
}

#[tokio::test]
async fn a_wrong_password_is_said_where_it_is_seen() {
    let Some(asterisk) = Asterisk::start(&dialplan()).await else { return };
    let service = steering(&asterisk, |config| config.asterisk.ari.password = Some("another".into()));
    let request = crate::http_service::Request::get("/ready");
    let deadline = clock::now() + crate::service::PATIENCE;
    loop {
        let answer = crate::http_service::ask(service.address(), &request).await;
        assert_eq!(answer.status, 503);
        if answer.body.contains("Asterisk refused the user or the password (HTTP 401)") {
            break;
        }
        assert!(clock::now() < deadline, "{}", answer.body);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    service.stops_at_once().await;
}
