//! Calls that the service places: once each, whatever is lost on the way, and then like any other call.

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
use http_service::{Answer, Asked as _, Caller, Request, ask};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use service::{PATIENCE, PUBLIC_URL, Service, ms, until};
use trunkline::cli::demo::twilio::CallIdentity;
use trunkline::config::{Business, Config};
use trunkline::engine::outbound::OutboundOrder;
use twilio_rest::{Asked, Fault, PlacedCall, TwilioRestFake};

const ADMIN: &str = "an-administrators-token-of-these-tests";
const OURS: &str = "+14155550199";
const THEIRS: &str = "+14155550100";

on_both_databases! {
    a_call_is_placed_and_goes_on_like_any_other
    a_repeated_key_gives_the_first_call_and_dials_no_second_one
    a_call_that_was_written_down_and_never_dialled_is_dialled_when_it_is_asked_for_again
    nobody_shows_the_number_of_another_business
    an_unknown_outcome_is_told_by_the_first_webhook_and_never_dialled_again
    the_carrier_is_asked_about_what_stays_unknown
    what_a_machine_is_told_is_what_was_asked_for
    a_call_belongs_to_the_job_that_made_it_though_an_older_one_to_the_same_number_has_none
    a_service_that_stops_places_no_call_and_keeps_on_record_whom_it_does_not_take
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn start(database: &Database, change: impl FnOnce(&mut Config)) -> (TwilioRestFake, Service) {
    let mut fake = None;
    let service = Service::with(|config| {
        let token = config.twilio.auth_token.as_ref().unwrap().expose_secret().to_owned();
        let rest = TwilioRestFake::start(config.twilio.account_sid.as_ref().unwrap().as_str(), &token);
        rest.owns(OURS, "", "");
        config.twilio.api_url = rest.url.parse().unwrap();
        config.database.url = Some(database.url.parse().unwrap());
        config.spool.dir = database.spool("a");
        config.api.admin_token = Some(ADMIN.into());
        config.business[0].number = OURS.parse().unwrap();
        fake = Some(rest);
        change(config);
    });
    (fake.unwrap(), service)
}

async fn api(service: &Service, method: &'static str, path: &str, body: Option<Value>) -> Answer {
    let request = Request::new(method, &format!("/api/v1{path}")).with("Authorization", &format!("Bearer {ADMIN}"));
    let request = match body {
        Some(body) => {
            Request { body: body.to_string().into_bytes(), ..request.with("Content-Type", "application/json") }
        }
        None => request,
    };
    ask(service.address(), &request).await
}

/// Asks for a call to be placed; the answer must have this status.
async fn place(service: &Service, more: Value, status: u16) -> Value {
    let mut body = json!({ "to": THEIRS, "business": "Reception" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let answer = api(service, "POST", "/calls", Some(body)).await;
    assert_eq!(answer.status, status, "{answer:?}");
    answer.json()
}

async fn state(service: &Service, id: &str) -> Value {
    let answer = api(service, "GET", &format!("/outbound-calls/{id}"), None).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// Waits until a job has this state.
async fn becomes(service: &Service, id: &str, wanted: &str) -> Value {
    let deadline = trunkline::clock::now() + PATIENCE;
    loop {
        let now = state(service, id).await;
        if now["state"] == wanted {
            return now;
        }
        assert!(trunkline::clock::now() < deadline, "waited in vain for {wanted}: {now}");
        tokio::time::sleep(ms(50)).await;
    }
}

/// The webhook that the carrier sends to an address of this placed call.
async fn told(service: &Service, call: &PlacedCall, address: &str, status: &str, more: &[(&str, &str)]) {
    let url = call.field(address).unwrap_or_else(|| panic!("no {address} in {call:?}"));
    let target = url.split('#').next().unwrap().strip_prefix(PUBLIC_URL).unwrap();
    let own = [
        ("AccountSid", service.config.twilio.account_sid.as_ref().unwrap().as_str()),
        ("CallSid", &call.sid),
        ("CallStatus", status),
        ("Direction", "outbound-api"),
        ("From", OURS),
        ("To", THEIRS),
    ];
    let fields: Vec<_> =
        own.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let answer = service.webhook(Request::form(target, &fields)).await;
    assert!(matches!(answer.status, 200 | 204), "{answer:?}");
}

fn a_call_is_placed_and_goes_on_like_any_other(database: Database) {
    let (fake, service) = start(&database, |config| config.calls.max_outbound_per_business = 1);
    runtime().block_on(async {
        let job = place(&service, json!({ "context": { "customer": "Anna" } }), 201).await;
        let [call] = fake.calls().try_into().unwrap();
        assert_eq!((&job["state"], &job["call_sid"]), (&json!("placed"), &json!(call.sid)));
        assert_eq!((call.field("To"), call.field("From")), (Some(THEIRS), Some(OURS)));
        assert!(call.field("Url").unwrap().contains(job["id"].as_str().unwrap()));
        assert!(call.field("StatusCallback").unwrap().ends_with("#rc=5&rp=all"));
        assert_eq!(call.field("MachineDetection"), None);
        let full = place(&service, json!({}), 503).await;
        assert!(full["detail"].as_str().unwrap().contains("that the business placed"), "{full}");

        for (number, status) in [("0", "initiated"), ("1", "ringing"), ("2", "in-progress")] {
            told(&service, &call, "StatusCallback", status, &[("SequenceNumber", number)]).await;
        }
        let identity = CallIdentity { call_sid: call.sid.clone(), from: OURS.into(), to: THEIRS.into() };
        let ringing = service.carrier.answered(identity, call.field("Url").unwrap()).await.unwrap();
        let phone = ringing.connect(Default::default()).await.unwrap();
        phone.wait_until_agent_has_spoken_for(ms(500), PATIENCE).await.unwrap();
        let (_, facts) = service.hang_up(phone).await;
        told(&service, &call, "StatusCallback", "completed", &[("SequenceNumber", "3"), ("CallDuration", "9")]).await;
        let facts = service.facts(&call.sid).await.row.map(|row| (row, facts)).unwrap();
        let (row, facts) = facts;
        assert_eq!((row.status.as_str(), row.direction.unwrap().value.as_str()), ("completed", "outbound"));
        assert_eq!(row.business.unwrap().value.as_str(), "Reception");
        assert_eq!(facts.agent_turns().first().map(|turn| turn.number), Some(1), "the agent greets");
        place(&service, json!({}), 201).await;
        assert_eq!(fake.count(Asked::Place), 2);
    });
}

fn a_repeated_key_gives_the_first_call_and_dials_no_second_one(database: Database) {
    let (fake, service) = start(&database, |config| config.calls.max_outbound_per_business = 0);
    runtime().block_on(async {
        let body = json!({ "to": THEIRS, "business": "Reception", "idempotency_key": "order 7" });
        let asked = (0..8).map(|_| api(&service, "POST", "/calls", Some(body.clone())));
        let answers = join_all(asked).await;
        let ids: Vec<Value> = answers.iter().map(|answer| answer.json()["id"].clone()).collect();
        assert!(ids.iter().all(|id| *id == ids[0]), "{answers:?}");
        assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1, "{answers:?}");
        let again = place(&service, json!({ "idempotency_key": "order 7" }), 200).await;
        assert_eq!((&again["id"], &again["state"]), (&ids[0], &json!("placed")));
        let other = place(&service, json!({ "idempotency_key": "order 7", "to": "+14155550101" }), 409).await;
        assert!(other["detail"].as_str().unwrap().contains("idempotency_key"), "{other}");
        assert_eq!(fake.count(Asked::Place), 1);
    });
}

fn a_call_that_was_written_down_and_never_dialled_is_dialled_when_it_is_asked_for_again(database: Database) {
    let (fake, service) = start(&database, |config| config.calls.max_outbound_per_business = 0);
    runtime().block_on(async {
        // A node wrote it down, and died before it dialled.
        let id = format!("OB{}", "0".repeat(31) + "1");
        let order = OutboundOrder {
            business: "Reception".parse().unwrap(),
            to: THEIRS.parse().unwrap(),
            from: OURS.parse().unwrap(),
            context: Vec::new(),
            on_machine: service.config.calls.on_machine,
            message: None,
            idempotency_key: Some("order 7".to_owned()),
        };
        let long_ago = trunkline::clock::wall_micros() - 60_000_000;
        service.store().order_call(&id.parse().unwrap(), &order, long_ago).unwrap();
        let asked = (0..4).map(|_| place(&service, json!({ "idempotency_key": "order 7" }), 200));
        assert!(join_all(asked).await.iter().all(|job| job["id"] == json!(id)));
        let job = becomes(&service, &id, "placed").await;
        assert_eq!(job["call_sid"], json!(fake.calls()[0].sid));
        assert_eq!(fake.count(Asked::Place), 1);
    });
}

fn nobody_shows_the_number_of_another_business(database: Database) {
    let (fake, service) = start(&database, |config| {
        let bakery = Business { name: "Bakery".parse().unwrap(), ..config.business[0].clone() };
        config.business[0].number = "*".parse().unwrap();
        config.business.push(bakery);
    });
    runtime().block_on(async {
        let refused = place(&service, json!({ "from": OURS }), 422).await;
        assert_eq!(refused["errors"][0]["field"], "from", "it is the bakery's, also for the catch-all: {refused}");
        place(&service, json!({ "business": "Bakery", "from": OURS }), 201).await;
        place(&service, json!({ "from": "+14155550177" }), 201).await;
        assert_eq!(fake.count(Asked::Place), 2);
        let odd = place(&service, json!({ "idempotency_key": "a\0" }), 422).await;
        assert_eq!(odd["errors"][0]["field"], "idempotency_key", "{odd}");
    });
}

fn an_unknown_outcome_is_told_by_the_first_webhook_and_never_dialled_again(database: Database) {
    // Nobody asks the carrier here: only its webhook can tell.
    let (fake, service) = start(&database, |config| config.calls.resolve_after_s = 600);
    runtime().block_on(async {
        fake.fail(Asked::Place, [Fault::lie(500)]);
        let job = place(&service, json!({ "idempotency_key": "k" }), 202).await;
        assert_eq!((&job["state"], &job["call_sid"]), (&json!("unknown"), &Value::Null));
        assert_eq!(place(&service, json!({ "idempotency_key": "k" }), 200).await["state"], "unknown");
        let [call] = fake.calls().try_into().unwrap();
        told(&service, &call, "StatusCallback", "initiated", &[("SequenceNumber", "0")]).await;
        let job = becomes(&service, job["id"].as_str().unwrap(), "placed").await;
        assert_eq!(job["call_sid"], json!(call.sid));
        assert_eq!(fake.count(Asked::Place), 1);
        until("the slot goes to the call", || service.figure("capacity_slots_kept") == 1.0).await;
        told(&service, &call, "StatusCallback", "busy", &[("SequenceNumber", "1")]).await;
        until("it is free", || service.figure("capacity_slots_used") == 0.0).await;
    });
}

fn the_carrier_is_asked_about_what_stays_unknown(database: Database) {
    let (fake, service) = start(&database, |config| config.calls.resolve_after_s = 1);
    runtime().block_on(async {
        fake.fail(Asked::Place, [Fault::lie(502)]);
        let there = place(&service, json!({}), 202).await;
        let resolved = becomes(&service, there["id"].as_str().unwrap(), "placed").await;
        assert_eq!(resolved["call_sid"], json!(fake.calls()[0].sid));

        fake.fail(Asked::Place, [Fault::status(503), Fault::status(400)]);
        let nowhere = place(&service, json!({ "to": "+14155550101" }), 202).await;
        let resolved = becomes(&service, nowhere["id"].as_str().unwrap(), "not_placed").await;
        assert_eq!(resolved["error"], "the carrier knows of no such call");
        let refused = place(&service, json!({ "to": "+14155550102" }), 201).await;
        assert_eq!(refused["state"], "not_placed");
        assert!(refused["error"].as_str().unwrap().contains("HTTP 400"), "{refused}");
        assert_eq!((fake.count(Asked::Place), fake.calls().len()), (3, 1));
    });
}

fn what_a_machine_is_told_is_what_was_asked_for(database: Database) {
    let (fake, service) = start(&database, |config| config.calls.max_outbound_per_business = 0);
    let call_of = |job: &Value| {
        let sid = job["call_sid"].as_str().unwrap().to_owned();
        fake.calls().into_iter().find(|call| call.sid == sid).unwrap()
    };
    let machine = [("AnsweredBy", "machine_end_beep"), ("MachineDetectionDuration", "4100")];
    runtime().block_on(async {
        let message = "Your bread is ready & warm.";
        let left = place(&service, json!({ "on_machine": "leave_message", "message": message }), 201).await;
        let ended = place(&service, json!({ "on_machine": "hang_up", "to": "+14155550101" }), 201).await;
        let talks = place(&service, json!({ "on_machine": "talk_on", "to": "+14155550102" }), 201).await;
        let person = place(&service, json!({ "on_machine": "hang_up", "to": "+14155550103" }), 201).await;
        assert_eq!(call_of(&left).field("MachineDetection"), Some("DetectMessageEnd"));
        assert_eq!(call_of(&ended).field("MachineDetection"), Some("Enable"));
        for job in [&left, &ended, &talks] {
            told(&service, &call_of(job), "AsyncAmdStatusCallback", "in-progress", &machine).await;
        }
        told(&service, &call_of(&person), "AsyncAmdStatusCallback", "in-progress", &[("AnsweredBy", "human")]).await;
        until("the message is left and the call ended", || {
            !call_of(&left).changes.is_empty() && !call_of(&ended).changes.is_empty()
        })
        .await;
        let [(name, twiml)] = call_of(&left).changes[0].clone().try_into().unwrap();
        assert_eq!(name, "Twiml");
        assert!(twiml.contains("Your bread is ready &amp; warm.") && twiml.contains("<Hangup/>"), "{twiml}");
        assert_eq!(call_of(&ended).changes, [[("Status".to_owned(), "completed".to_owned())]]);
        assert!(call_of(&talks).changes.is_empty() && call_of(&person).changes.is_empty());
        let row = api(&service, "GET", &format!("/calls/{}", call_of(&talks).sid), None).await.json();
        assert_eq!(
            (&row["call"]["answered_by"], &row["call"]["machine_detection_ms"]),
            (&json!("machine_end_beep"), &json!(4100))
        );

        let bad = json!({ "on_machine": "leave_message", "from": "+14155550111", "idempotency_key": "" });
        let bad = place(&service, bad, 422).await;
        let fields: Vec<&str> =
            bad["errors"].as_array().unwrap().iter().map(|e| e["field"].as_str().unwrap()).collect();
        assert_eq!(fields, ["message", "idempotency_key", "from"], "{bad}");
        place(&service, json!({ "business": "Nobody" }), 404).await;
    });
}

fn a_call_belongs_to_the_job_that_made_it_though_an_older_one_to_the_same_number_has_none(database: Database) {
    let (fake, service) = start(&database, |config| config.calls.resolve_after_s = 1);
    runtime().block_on(async {
        // Nothing comes of the first; the carrier is about to be asked about it for the first time, or was in vain.
        fake.fail(Asked::Place, [Fault::status(503)]);
        let none = place(&service, json!({}), 202).await;
        until("the carrier is asked about it", || fake.count(Asked::List) > 0).await;
        // The second is there for longer than from one question to the next before the carrier says so.
        fake.fail(Asked::Place, [Fault::Late(ms(3_000))]);
        let there = place(&service, json!({}), 201).await;
        assert_eq!(there["call_sid"], json!(fake.calls()[0].sid));
        let resolved = becomes(&service, none["id"].as_str().unwrap(), "not_placed").await;
        assert_eq!(resolved["call_sid"], Value::Null);
        let there = state(&service, there["id"].as_str().unwrap()).await;
        assert_eq!((&there["state"], &there["call_sid"]), (&json!("placed"), &json!(fake.calls()[0].sid)));
    });
}

fn a_service_that_stops_places_no_call_and_keeps_on_record_whom_it_does_not_take(database: Database) {
    let (fake, mut service) = start(&database, |config| config.calls.max_outbound_per_business = 0);
    runtime().block_on(async {
        let placed = place(&service, json!({}), 201).await;
        let [call] = fake.calls().try_into().unwrap();
        let (store, address, token) = (service.store(), service.address(), service.token().to_owned());
        let account = service.config.twilio.account_sid.clone().unwrap();
        let goes_on = service.carrier.inbound_call(service::CALLER, OURS).await.unwrap();
        goes_on.wait_until_agent_has_spoken_for(ms(200), PATIENCE).await.unwrap();
        let while_it_stops = async {
            let deadline = trunkline::clock::now() + PATIENCE;
            while ask(address, &Request::get("/ready")).await.status != 503 {
                assert!(trunkline::clock::now() < deadline, "it never begins to stop");
                tokio::time::sleep(ms(10)).await;
            }
            let body = json!({ "to": "+14155550101", "business": "Reception" }).to_string().into_bytes();
            let order = Request::new("POST", "/api/v1/calls").with("Authorization", &format!("Bearer {ADMIN}"));
            let order = Request { body, ..order.with("Content-Type", "application/json") };
            let refused = ask(address, &order).await;
            assert_eq!((refused.status, &refused.json()["detail"]), (503, &json!("the service is stopping")));

            let comes_in = Caller { to: OURS.to_owned(), ..Caller::new() };
            let url = call.field("Url").unwrap().strip_prefix(PUBLIC_URL).unwrap();
            let mut fields = comes_in.fields("in-progress", &[]);
            for (name, value) in &mut fields {
                match name.as_str() {
                    "AccountSid" => account.as_str().clone_into(value),
                    "CallSid" => call.sid.clone_into(value),
                    "Direction" => "outbound-api".clone_into(value),
                    _ => {}
                }
            }
            for request in [comes_in.voice(), Request::form(url, &fields)] {
                let answer = ask(address, &request.signed(&token, PUBLIC_URL)).await;
                assert!(answer.body.contains("We are sorry") && answer.body.contains("<Hangup/>"), "{answer:?}");
            }
            goes_on.hang_up().await.unwrap();
            comes_in
        };
        let (is_saved, comes_in) = tokio::join!(service.stops(), while_it_stops);
        assert!(is_saved);
        for sid in [comes_in.call_sid.as_str(), placed["call_sid"].as_str().unwrap()] {
            let row = store.call(&sid.parse().unwrap()).unwrap().unwrap();
            assert_eq!((row.status.as_str(), row.business.unwrap().value.as_str()), ("rejected", "Reception"));
        }
        assert_eq!(fake.count(Asked::Place), 1);
    });
}
