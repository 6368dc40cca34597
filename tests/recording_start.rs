//! Calls that the carrier records: asked once, as soon as the call is answered, whoever hears of that first.

#[macro_use]
#[path = "support/databases.rs"]
mod databases;
#[path = "support/http_service.rs"]
mod http_service;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/service.rs"]
mod service;
#[path = "support/skip.rs"]
mod skip;
#[path = "support/twilio_rest/mod.rs"]
mod twilio_rest;

use databases::Database;
use futures_util::future::join_all;
use http_service::{Asked as _, Caller, Request, ask};
use serde_json::{Value, json};
use service::{CALLED, CALLER, PUBLIC_URL, Service, until};
use trunkline::cli::demo::twilio::{CallIdentity, StreamOptions, fresh_sid};
use trunkline::config::Config;
use trunkline::engine::recording::{RecordingPolicy, RecordingState};
use twilio_rest::{Asked, Fault, PlacedCall, TwilioRestFake};

const ADMIN: &str = "an-administrators-token-of-these-tests";

on_both_databases! {
    a_call_is_recorded_once_however_often_and_to_whomever_it_is_told
    each_business_decides_for_itself_and_the_service_for_the_rest
    a_start_that_may_have_happened_is_not_tried_again
    the_carrier_takes_over_where_our_own_recording_fails
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Nodes on this database, and their carrier.
fn nodes<const N: usize>(
    database: &Database,
    names: [&str; N],
    change: impl Fn(&mut Config),
) -> (TwilioRestFake, [Service; N]) {
    let (account, token) = (service::ACCOUNT, fresh_sid(""));
    let fake = TwilioRestFake::start(account, &token);
    let nodes = names.map(|name| {
        Service::with(|config| {
            config.twilio.auth_token = Some(token.clone().into());
            config.twilio.api_url = fake.url.parse().unwrap();
            config.database.url = Some(database.url.parse().unwrap());
            config.spool.dir = database.spool(name);
            config.recording.policy = RecordingPolicy::Carrier;
            config.api.admin_token = Some(ADMIN.into());
            change(config);
        })
    });
    (fake, nodes)
}

fn goes_on(sid: &str) -> PlacedCall {
    PlacedCall {
        sid: sid.to_owned(),
        from: CALLER.to_owned(),
        to: CALLED.to_owned(),
        status: "in-progress".to_owned(),
        direction: "inbound".to_owned(),
        ..PlacedCall::default()
    }
}

/// A call that rings on this node, and of which the carrier knows.
async fn rings(fake: &TwilioRestFake, service: &Service) -> Caller {
    let caller = Caller::new();
    fake.knows(goes_on(&caller.call_sid));
    assert_eq!(service.webhook(caller.voice()).await.status, 200);
    caller
}

async fn is_answered(service: &Service, caller: &Caller) {
    assert_eq!(service.webhook(caller.status("in-progress", &[])).await.status, 204);
}

fn a_call_is_recorded_once_however_often_and_to_whomever_it_is_told(database: Database) {
    let (fake, nodes) = nodes(&database, ["a", "b"], |_| {});
    runtime().block_on(async {
        let mut calls = Vec::new();
        for _ in 0..5 {
            calls.push(rings(&fake, &nodes[0]).await);
        }
        // Both nodes are told of each call again and again, and a leg that one of them dials is no call to record.
        let mut leg = Caller::new();
        leg.to = CALLER.to_owned();
        fake.knows(goes_on(&leg.call_sid));
        let told = (0..10).flat_map(|_| &calls).enumerate();
        join_all(told.map(|(n, caller)| is_answered(&nodes[n % 2], caller))).await;
        let child = leg.status("in-progress", &[("ParentCallSid", &calls[0].call_sid)]);
        assert_eq!(nodes[1].webhook(child).await.status, 204);
        // … and one comes with its media stream.
        let identity = CallIdentity::fresh(CALLER, CALLED);
        fake.knows(goes_on(&identity.call_sid));
        let ringing = nodes[1].carrier.ring(identity.clone()).await.unwrap();
        let call = ringing.connect(StreamOptions::default()).await.unwrap();

        let started = |node: &Service| node.figure("carrier_recordings_total{result=\"started\"}");
        until("all are recorded", || nodes.iter().map(started).sum::<f64>() >= 6.0).await;
        nodes[1].hang_up(call).await;
        let mut expected: Vec<_> = calls.iter().map(|caller| caller.call_sid.clone()).collect();
        expected.push(identity.call_sid);
        expected.sort();
        let mut recorded = fake.recordings();
        recorded.sort();
        let status_url = format!("{PUBLIC_URL}/twilio/recording#rc=5&rp=all");
        assert_eq!(recorded, expected.iter().map(|sid| (sid.clone(), status_url.clone())).collect::<Vec<_>>());
        assert_eq!((fake.count(Asked::Record), started(&nodes[0]) + started(&nodes[1])), (6, 6.0));

        // It is known that a recording will come.
        let known = nodes[0].store().recordings_of(&calls[0].sid()).unwrap();
        assert!(matches!(&known[..], [one] if one.state == RecordingState::Started), "{known:?}");
    });
}

fn each_business_decides_for_itself_and_the_service_for_the_rest(database: Database) {
    let (fake, [service]) = nodes(&database, ["a"], |config| config.recording.policy = RecordingPolicy::Off);
    runtime().block_on(async {
        let reception = api(&service, "GET", "", None).await;
        assert_eq!(reception["recording"], Value::Null);
        let unrecorded = rings(&fake, &service).await;
        is_answered(&service, &unrecorded).await;

        let refused = api(&service, "PATCH", "", Some(json!({ "version": 1, "recording": "yes" }))).await;
        assert_eq!(refused["errors"][0]["field"], "recording", "{refused}");
        let edited = api(&service, "PATCH", "", Some(json!({ "version": 1, "recording": "both" }))).await;
        assert_eq!(edited["recording"], "both", "{edited}");
        let recorded = rings(&fake, &service).await;
        is_answered(&service, &recorded).await;
        until("it is recorded", || !fake.recordings().is_empty()).await;

        let edit = json!({ "version": edited["version"], "recording": null });
        assert_eq!(api(&service, "PATCH", "", Some(edit)).await["recording"], Value::Null);
        is_answered(&service, &rings(&fake, &service).await).await;
        let sids: Vec<String> = fake.recordings().into_iter().map(|(sid, _)| sid).collect();
        assert_eq!(sids, [recorded.call_sid]);
    });
}

/// What the interface answers about the reception.
async fn api(service: &Service, method: &'static str, path: &str, body: Option<Value>) -> Value {
    let request = Request::new(method, &format!("/api/v1/businesses/Reception{path}"))
        .with("Authorization", &format!("Bearer {ADMIN}"))
        .with("Content-Type", "application/json");
    let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
    ask(service.address(), &Request { body, ..request }).await.json()
}

fn a_start_that_may_have_happened_is_not_tried_again(database: Database) {
    let (fake, [service]) = nodes(&database, ["a"], |_| {});
    runtime().block_on(async {
        let caller = rings(&fake, &service).await;
        fake.fail(Asked::Record, [Fault::lie(500)]);
        is_answered(&service, &caller).await;
        until("it is told", || service.figure("carrier_recordings_total{result=\"failed\"}") == 1.0).await;
        for _ in 0..3 {
            is_answered(&service, &caller).await;
        }
        let over = rings(&fake, &service).await;
        fake.set(&over.call_sid, |call| call.status = "completed".to_owned());
        is_answered(&service, &over).await;
        until("a call that is over is no fault", || service.figure("carrier_recordings_total{result=\"over\"}") == 1.0)
            .await;
        assert_eq!(fake.count(Asked::Record), 2);
        let lines = service.telemetry.logged();
        assert_eq!(lines.iter().filter(|line| line.contains("carrier records nothing")).count(), 1, "{lines:#?}");
    });
}

fn the_carrier_takes_over_where_our_own_recording_fails(database: Database) {
    let (fake, [service]) = nodes(&database, ["a"], |config| {
        config.recording.policy = RecordingPolicy::Own;
        config.recording.on_failure = trunkline::config::OnRecordingFailure::Carrier;
        config.recording.min_free_mb = 1_000_000;
    });
    runtime().block_on(async {
        let identity = CallIdentity::fresh(CALLER, CALLED);
        fake.knows(goes_on(&identity.call_sid));
        let ringing = service.carrier.ring(identity.clone()).await.unwrap();
        let call = ringing.connect(StreamOptions::default()).await.unwrap();
        until("the carrier records", || !fake.recordings().is_empty()).await;
        let (report, facts) = service.hang_up(call).await;
        assert_eq!((report.complaints, facts.recording.exists()), (vec![], false));
        assert_eq!(service.metric("call_file_failures_total{kind=\"recording\"}"), 1.0);
    });
}
