//! The node dies in the middle of dialling: after it has written down that it will, before it hears what the carrier did.
//! Nothing is dialled twice, and what has become of the call is found out, on either database.

#[macro_use]
#[path = "support/databases.rs"]
mod databases;
#[path = "support/http_service.rs"]
mod http_service;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/program.rs"]
mod program;
#[path = "support/service.rs"]
mod service;
#[path = "support/skip.rs"]
mod skip;
#[path = "support/twilio_rest/mod.rs"]
mod twilio_rest;

use std::net::SocketAddr;
use std::path::Path;

use databases::Database;
use http_service::{Answer, Http, Request, ask};
use program::{Running, trunkline};
use serde_json::{Value, json};
use service::{ACCOUNT, PUBLIC_URL, ms};
use trunkline::clock;
use twilio_rest::{Asked, Fault, TwilioRestFake};

const TOKEN: &str = "f0e1d2c3b4a5968778695a4b3c2d1e0f";
const ADMIN: &str = "an-administrators-token-of-these-tests";
const OURS: &str = "+14155550199";
const THEIRS: &str = "+14155550100";

on_both_databases! {
    a_call_that_was_placed_when_the_node_died_is_known_by_the_job_in_its_webhook
    a_call_of_which_the_carrier_never_heard_is_not_placed_and_not_dialled_again
}

fn process(database: &Database, carrier: &TwilioRestFake, data_dir: &Path, resolve_after_s: &str) -> Running {
    trunkline(&["serve"])
        .env("TRUNKLINE__DATA_DIR", data_dir.to_str().unwrap())
        .env("TRUNKLINE__HTTP__LISTEN", "127.0.0.1:0")
        .env("TRUNKLINE__HTTP__PUBLIC_URL", PUBLIC_URL)
        .env("TRUNKLINE__TWILIO__API_URL", &carrier.url)
        .env("TRUNKLINE__CALLS__RESOLVE_AFTER_S", resolve_after_s)
        .env("TWILIO_ACCOUNT_SID", ACCOUNT)
        .env("TWILIO_AUTH_TOKEN", TOKEN)
        .env("TRUNKLINE_ADMIN_TOKEN", ADMIN)
        .env("DATABASE_URL", &database.url)
        .listens()
}

fn order() -> Request {
    let body = json!({ "to": THEIRS, "business": "Reception", "from": OURS, "idempotency_key": "order 7" });
    let request = Request::new("POST", "/api/v1/calls").with("Authorization", &format!("Bearer {ADMIN}"));
    Request { body: body.to_string().into_bytes(), ..request.with("Content-Type", "application/json") }
}

/// Asks until the answer is as it should be.
async fn until(node: SocketAddr, request: &Request, is_so: impl Fn(&Answer) -> bool) -> Value {
    let deadline = clock::now() + service::PATIENCE;
    loop {
        let answer = ask(node, request).await;
        if is_so(&answer) {
            return answer.json();
        }
        assert!(clock::now() < deadline, "waited in vain: {answer:?}");
        tokio::time::sleep(ms(50)).await;
    }
}

/// A node is asked to place a call and dies before the carrier answers; another one is there instead.
async fn after_the_death(
    database: &Database,
    carrier: &TwilioRestFake,
    fault: Fault,
    resolve_after_s: &str,
) -> Running {
    carrier.owns(OURS, "", "");
    carrier.fail(Asked::Place, [fault]);
    let first = process(database, carrier, &database.folder.path().join("a"), resolve_after_s);
    let mut asked = Http::to(first.address).await;
    assert!(asked.send(&order().bytes()).await);
    let deadline = clock::now() + service::PATIENCE;
    while carrier.count(Asked::Place) == 0 {
        assert!(clock::now() < deadline, "the carrier is asked");
        tokio::time::sleep(ms(10)).await;
    }
    drop(first); // kill -9
    process(database, carrier, &database.folder.path().join("b"), resolve_after_s)
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

fn a_call_that_was_placed_when_the_node_died_is_known_by_the_job_in_its_webhook(database: Database) {
    let carrier = TwilioRestFake::start(ACCOUNT, TOKEN);
    run(async {
        // Nobody asks the carrier: only the job's id in the address of a webhook can tell.
        let node = after_the_death(&database, &carrier, Fault::Silent { is_done: true }, "600").await;
        let job = until(node.address, &order(), |answer| answer.status == 200).await;
        assert_eq!((&job["state"], &job["call_sid"]), (&json!("dialling"), &Value::Null));
        let [call] = carrier.calls().try_into().unwrap();
        let url = call.field("StatusCallback").unwrap();
        let target = url.split('#').next().unwrap().strip_prefix(PUBLIC_URL).unwrap();
        assert!(target.contains(job["id"].as_str().unwrap()), "{target}");
        let fields =
            [("AccountSid", ACCOUNT), ("CallSid", &call.sid), ("CallStatus", "busy"), ("Direction", "outbound-api")];
        let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let told = ask(node.address, &Request::form(target, &fields).signed(TOKEN, PUBLIC_URL)).await;
        assert_eq!(told.status, 204, "{told:?}");

        let job = until(node.address, &order(), |answer| answer.json()["state"] == "placed").await;
        assert_eq!(job["call_sid"], json!(call.sid));
        let path = format!("/api/v1/calls/{}", call.sid);
        let shown = Request::get(&path).with("Authorization", &format!("Bearer {ADMIN}"));
        let shown = until(node.address, &shown, |answer| answer.status == 200).await;
        assert_eq!(shown["call"]["status"], "busy");
        assert_eq!(carrier.count(Asked::Place), 1, "one dial");
    });
}

fn a_call_of_which_the_carrier_never_heard_is_not_placed_and_not_dialled_again(database: Database) {
    let carrier = TwilioRestFake::start(ACCOUNT, TOKEN);
    run(async {
        let node = after_the_death(&database, &carrier, Fault::Silent { is_done: false }, "1").await;
        let job = until(node.address, &order(), |answer| answer.json()["state"] == "not_placed").await;
        assert_eq!((&job["error"], &job["call_sid"]), (&json!("the carrier knows of no such call"), &Value::Null));
        assert_eq!((carrier.count(Asked::Place), carrier.calls().len()), (1, 0), "it was asked once");
    });
}
