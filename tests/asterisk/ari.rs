//! By its REST interface: the dialplan sends callers into the application, the service does the rest.

use std::collections::BTreeSet;

use trunkline::config::{Config, MediaFormat};
use trunkline::engine::call::HangupCause;
use trunkline::engine::status::{CallDirection, CallStatus, CarrierSource};

use crate::asterisk::phone::{Codec, Phone};
use crate::asterisk::{ARI_PASSWORD, ARI_USER, Asterisk, CALLERS, free_port};
use crate::http_service::{Request, ask};
use crate::service::{MESSAGE, Service, TRANSFER_TO, until};
use crate::{CALLER, new_call, service, settled};

const ADMIN: &str = "an-administrators-token-for-tests-only";
/// Whom we call.
const CALLEE: &str = "+14155550111";
/// Where callers are handed over.
const COLLEAGUES: &str = "colleagues";
/// What follows when the application does not take a caller, and where they are handed over.
pub fn dialplan() -> String {
    format!(
        "[{CALLERS}]\nexten => trunkline,1,Stasis(trunkline)\n same => n,Answer()\n same => n,Echo()\n\
         exten => bakery,1,Set(AI_AGENT=Bakery Miller)\n same => n,Stasis(trunkline)\n same => n,Hangup()\n\
         [{COLLEAGUES}]\nexten => _+X.,1,Echo()\n"
    )
}

/// A service that steers this Asterisk.
pub fn steering(asterisk: &Asterisk, change: impl FnOnce(&mut Config)) -> Service {
    let url = asterisk.ari_url();
    service(|config| {
        let ari = &mut config.asterisk.ari;
        ari.url = Some(url.parse().unwrap());
        ari.username = ARI_USER.to_owned();
        ari.password = Some(ARI_PASSWORD.into());
        ari.transfer_context = COLLEAGUES.to_owned();
        change(config);
    })
}

pub async fn connected(service: &Service) {
    until("Asterisk's events come", || service.metric("ari_connected") == 1.0).await;
}

pub async fn nothing_is_left(asterisk: &Asterisk) {
    until("nothing is left in Asterisk", || asterisk.channels_and_bridges() == (0, 0)).await;
}

async fn leaves_a_message(format: MediaFormat, codec: Codec) {
    let Some(asterisk) = Asterisk::start(&dialplan()).await else { return };
    let service = steering(&asterisk, |config| config.asterisk.ari.format = format);
    connected(&service).await;
    let mut phone = Phone::dials(&asterisk, "trunkline", CALLER, codec).await;
    let greeted = phone.until_told_something(0).await;
    phone.speaks(MESSAGE);
    phone.until_told_something(greeted).await;
    phone.hangs_up().await;
    let call = new_call(&service, &mut BTreeSet::new()).await;
    let facts = settled(&service, &call).await;

    facts.assert_whole();
    assert!(facts.turns[1].text.starts_with("(spoken message of 4."), "{:?}", facts.conversation());
    assert_eq!((facts.cause(), facts.stats().barge_ins), (HangupCause::CallerHungUp, 0));
    let row = facts.row.as_ref().unwrap();
    assert_eq!(row.from.as_ref().unwrap().value.as_str(), CALLER);
    assert_eq!(row.to.as_ref().unwrap().value.as_str(), "trunkline");
    let told = |status, source| facts.history.iter().any(|change| (change.status, change.source) == (status, source));
    assert!(told(CallStatus::Initiated, CarrierSource::Ari), "{:?}", facts.history);
    nothing_is_left(&asterisk).await;
    until("Asterisk's end of it is on record", || {
        let history = service.store().status_history(&call.parse().unwrap()).unwrap();
        history.iter().any(|change| (change.status, change.source) == (CallStatus::Completed, CarrierSource::Ari))
    })
    .await;
    assert_eq!(service.metric("ari_failures_total"), 0.0);
    service.stops_at_once().await;
}

#[tokio::test]
async fn a_caller_at_8_khz_is_greeted_and_leaves_a_message() {
    leaves_a_message(MediaFormat::Slin, Codec::Narrow).await;
}

#[tokio::test]
async fn a_caller_at_16_khz_is_greeted_and_leaves_a_message() {
    leaves_a_message(MediaFormat::Slin16, Codec::Wide).await;
}

#[tokio::test]
async fn a_key_counts_once_and_the_caller_is_hung_up_after_the_goodbye() {
    let Some(asterisk) = Asterisk::start(&dialplan()).await else { return };
    let service = steering(&asterisk, |_| {});
    connected(&service).await;
    let mut phone = Phone::dials(&asterisk, "trunkline", CALLER, Codec::Narrow).await;
    phone.until_told_something(0).await;
    phone.presses('#');
    phone.is_over().await;
    let call = new_call(&service, &mut BTreeSet::new()).await;
    let facts = settled(&service, &call).await;
    facts.assert_whole();
    assert_eq!((facts.cause(), facts.count("dtmf")), (HangupCause::AgentHungUp, 1));
    let goodbye = facts.agent_turns().pop().unwrap().clone();
    assert_eq!(goodbye.heard_text, goodbye.text, "all of it was heard");
    nothing_is_left(&asterisk).await;
    service.stops_at_once().await;
}

#[tokio::test]
async fn whose_call_it_is_the_dialplan_says_and_a_name_that_nobody_has_is_not_another_s_call() {
    let Some(asterisk) = Asterisk::start(&dialplan()).await else { return };
    let service = steering(&asterisk, |config| {
        let mut bakery = config.business[0].clone();
        bakery.name = "Bakery Miller".parse().unwrap();
        bakery.number = "+15005550001".parse().unwrap();
        config.business.push(bakery);
    });
    connected(&service).await;
    let mut known = BTreeSet::new();
    let mut phone = Phone::dials(&asterisk, "bakery", CALLER, Codec::Narrow).await;
    phone.until_spoken_to(0, 500).await;
    phone.hangs_up().await;
    let facts = settled(&service, &new_call(&service, &mut known).await).await;
    assert_eq!(facts.row.as_ref().unwrap().business.as_ref().unwrap().value.as_str(), "Bakery Miller");
    drop(service);

    let service = steering(&asterisk, |_| {});
    connected(&service).await;
    let mut phone = Phone::dials(&asterisk, "bakery", CALLER, Codec::Narrow).await;
    phone.ends().await;
    let (store, call) = (service.store(), new_call(&service, &mut BTreeSet::new()).await.parse().unwrap());
    until("it is refused", || store.call(&call).unwrap().is_some_and(|row| row.status == CallStatus::Rejected)).await;
    nothing_is_left(&asterisk).await;
    service.stops_at_once().await;
}

#[tokio::test]
async fn a_caller_is_handed_over_after_the_last_word_and_nothing_here_touches_them_then() {
    let Some(asterisk) = Asterisk::start(&dialplan()).await else { return };
    let service = steering(&asterisk, |config| {
        config.business[0].transfer_to = Some(TRANSFER_TO.parse().unwrap());
    });
    connected(&service).await;
    let mut phone = Phone::dials(&asterisk, "trunkline", CALLER, Codec::Narrow).await;
    phone.until_told_something(0).await;
    phone.presses('0');
    let call = new_call(&service, &mut BTreeSet::new()).await;
    let facts = settled(&service, &call).await;
    facts.assert_whole();
    assert_eq!(facts.cause(), HangupCause::Transferred);
    let last = facts.agent_turns().pop().unwrap().clone();
    assert_eq!(last.heard_text, last.text, "all of it was heard");

    until("what was made for the call is gone", || asterisk.channels_and_bridges() == (1, 0)).await;
    let (_, channels) = asterisk.ask("GET", "/channels");
    let plan = &channels[0]["dialplan"];
    assert_eq!((plan["context"].as_str(), plan["exten"].as_str()), (Some(COLLEAGUES), Some(TRANSFER_TO)));
    // There they are heard: their own voice comes back.
    let heard = phone.heard(|heard| heard.packets.len());
    phone.speaks(MESSAGE);
    phone.until_spoken_to(heard, 1_000).await;
    service.stops_at_once().await;
    phone.hangs_up().await;
    nothing_is_left(&asterisk).await;
}

#[tokio::test]
async fn the_doctor_calls_by_the_socket_and_finds_the_application() {
    let Some(asterisk) = Asterisk::start(&dialplan()).await else { return };
    let service = steering(&asterisk, |_| {});
    connected(&service).await;
    let socket = service.server().audiosocket().unwrap().to_string();
    let (url, folder) = (asterisk.ari_url(), tempfile::tempdir().unwrap());
    let doctor = async |app: &str| {
        let mut doctor = tokio::process::Command::new(env!("CARGO_BIN_EXE_trunkline"));
        doctor.arg("doctor").env_clear().current_dir(folder.path()).envs([
            ("TRUNKLINE__ASTERISK__AUDIOSOCKET__ENABLED", "true"),
            ("TRUNKLINE__ASTERISK__AUDIOSOCKET__LISTEN", &socket),
            ("TRUNKLINE__ASTERISK__ARI__URL", &url),
            ("TRUNKLINE__ASTERISK__ARI__USERNAME", ARI_USER),
            ("TRUNKLINE__ASTERISK__ARI__APP", app),
            ("ASTERISK_ARI_PASSWORD", ARI_PASSWORD),
        ]);
        let ended = doctor.output().await.unwrap();
        (ended.status.code(), String::from_utf8(ended.stdout).unwrap())
    };
    let (code, said) = doctor("trunkline").await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("hears the agent") && said.contains("has the application trunkline"), "{said}");
    let (code, said) = doctor("another").await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("Asterisk has no application another"), "{said}");
    let mut known = BTreeSet::new();
    for _ in 0..2 {
        let facts = settled(&service, &new_call(&service, &mut known).await).await;
        assert_eq!(facts.cause(), HangupCause::CallerHungUp);
    }
    drop(service);
    let (code, said) = doctor("trunkline").await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("nobody listens there") && said.contains("2 things are wrong"), "{said}");
}

/// Asks for a call to this number.
async fn order(service: &Service, to: &str) -> serde_json::Value {
    let body = serde_json::json!({ "to": to, "business": "Reception", "from": CALLER }).to_string();
    let request = Request::json("/api/v1/calls", body).with("Authorization", &format!("Bearer {ADMIN}"));
    let answer = ask(service.address(), &request).await;
    assert!(answer.status < 300, "{}: {}", answer.status, answer.body);
    answer.json()
}

#[tokio::test]
async fn a_call_is_placed_and_whoever_answers_talks_with_the_agent() {
    let Some(asterisk) = Asterisk::start(&dialplan()).await else { return };
    let port = free_port();
    let service = steering(&asterisk, |config| {
        config.http.public_url = None;
        config.api.admin_token = Some(ADMIN.into());
        config.calls.ring_s = 5;
        config.business[0].number = CALLER.parse().unwrap();
        config.asterisk.ari.dial = format!("PJSIP/phones/sip:{{number}}@127.0.0.1:{port}");
    });
    connected(&service).await;
    let mut phone = Phone::answers_at(port, Codec::Narrow).await;
    let placed = order(&service, CALLEE).await;
    let call = placed["call_sid"].as_str().unwrap().to_owned();
    phone.until_told_something(0).await;
    phone.presses('#');
    phone.is_over().await;
    let facts = settled(&service, &call).await;
    facts.assert_whole();
    assert_eq!((facts.cause(), facts.count("dtmf")), (HangupCause::AgentHungUp, 1));
    let row = facts.row.as_ref().unwrap();
    assert_eq!(row.direction.as_ref().unwrap().value, CallDirection::Outbound);
    assert_eq!(row.to.as_ref().unwrap().value.as_str(), CALLEE);
    assert_eq!(row.from.as_ref().unwrap().value.as_str(), CALLER);
    let told: Vec<_> = facts.history.iter().map(|change| change.status).collect();
    assert!(told.contains(&CallStatus::Ringing), "{told:?}");
    nothing_is_left(&asterisk).await;
    assert_eq!(service.metric("ari_failures_total"), 0.0);

    // Nobody is there any more.
    let call = order(&service, CALLEE).await["call_sid"].as_str().unwrap().parse().unwrap();
    let store = service.store();
    until("it has failed", || store.call(&call).unwrap().is_some_and(|row| row.status.is_final())).await;
    assert_ne!(store.call(&call).unwrap().unwrap().status, CallStatus::Completed);
    nothing_is_left(&asterisk).await;
    service.stops_at_once().await;
}
