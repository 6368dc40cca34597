//! Two processes on one PostgreSQL share a campaign, and one of them is killed in the middle of it: everybody is called at most
//! once, though the carrier does not answer, answers late, and lies about what it did.
#![cfg(feature = "postgres")]

mod campaigns {
    pub mod webhook;
}
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

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use campaigns::webhook::{OURS, number, status_fields};
use databases::Database;
use http_service::{Answer, Request, ask};
use program::{Running, trunkline};
use serde_json::{Value, json};
use service::{PUBLIC_URL, ms};
use trunkline::clock;
use twilio_rest::{Asked, Fault, PlacedCall, TwilioRestFake};

const LEADS: usize = 60;
const ACCOUNT: &str = "AC00000000000000000000000000000001";
const TOKEN: &str = "f0e1d2c3b4a5968778695a4b3c2d1e0f";
const ADMIN: &str = "an-administrators-token-of-these-tests";
/// One of the two is killed once the carrier has so many calls.
const KILL_AFTER: usize = 20;
/// The whole campaign: what is never told is given up 30 s after its dialling.
const WITHIN: Duration = Duration::from_secs(170);

fn process(data_dir: &Path, database: &Database, carrier: &TwilioRestFake) -> Running {
    trunkline(&["serve"])
        .env("TRUNKLINE__DATA_DIR", data_dir.to_str().unwrap())
        .env("TRUNKLINE__HTTP__LISTEN", "127.0.0.1:0")
        .env("TRUNKLINE__HTTP__PUBLIC_URL", PUBLIC_URL)
        .env("TRUNKLINE__TWILIO__API_URL", &carrier.url)
        .env("TRUNKLINE__CALLS__MAX_OUTBOUND_PER_BUSINESS", "0")
        // Nobody asks the carrier: only the job's id in the address of a webhook can tell.
        .env("TRUNKLINE__CALLS__RESOLVE_AFTER_S", "600")
        .env("TRUNKLINE__CAMPAIGNS__LEASE_S", "4")
        .env("TRUNKLINE__CAMPAIGNS__HEARTBEAT_S", "1")
        .env("TRUNKLINE__CAMPAIGNS__UNKNOWN_S", "30")
        .env("TWILIO_ACCOUNT_SID", ACCOUNT)
        .env("TWILIO_AUTH_TOKEN", TOKEN)
        .env("TRUNKLINE_ADMIN_TOKEN", ADMIN)
        .env("DATABASE_URL", &database.url)
        .listens()
}

/// What each of the sixty requests meets.
fn faults() -> Vec<Fault> {
    let fine = || Fault::Late(Duration::ZERO);
    (0..LEADS)
        .map(|n| match n % 12 {
            2 => Fault::lie(500),
            4 => Fault::Late(ms(1_500)),
            6 => Fault::Silent { is_done: true },
            8 => Fault::Garbage,
            10 if n % 24 == 10 => Fault::Silent { is_done: false },
            10 => Fault::status(503),
            11 => Fault::status(400),
            _ => fine(),
        })
        .collect()
}

async fn api(node: SocketAddr, method: &'static str, path: &str, body: Option<Value>) -> Value {
    let request = Request::new(method, &format!("/api/v1{path}")).with("Authorization", &format!("Bearer {ADMIN}"));
    let request = match body {
        Some(body) => {
            Request { body: body.to_string().into_bytes(), ..request.with("Content-Type", "application/json") }
        }
        None => request,
    };
    let answer = patiently(node, &request, |status| method == "POST" || status != 503).await;
    assert!(answer.status < 300, "{method} {path}: {answer:?}");
    answer.json()
}

/// Asks again while the answer is none, as the carrier does and as a 503 says: a database that is busy may be away for a moment.
async fn patiently(node: SocketAddr, request: &Request, is_answer: impl Fn(u16) -> bool) -> Answer {
    let deadline = clock::now() + service::PATIENCE;
    loop {
        let answer = ask(node, request).await;
        if is_answer(answer.status) || clock::now() > deadline {
            return answer;
        }
        tokio::time::sleep(ms(200)).await;
    }
}

/// How the call to this number ends: different ones, and the same however often it is asked.
fn end_of(call: &PlacedCall) -> &'static str {
    ["completed", "busy", "no-answer"][call.to.bytes().last().unwrap() as usize % 3]
}

/// The carrier tells everything about a call, each piece to another node.
async fn tell(carrier: &TwilioRestFake, call: &PlacedCall, nodes: &[SocketAddr]) {
    let url = call.field("StatusCallback").unwrap();
    let target = url.split('#').next().unwrap().strip_prefix(PUBLIC_URL).unwrap();
    for (n, status) in ["initiated", "ringing", end_of(call)].into_iter().enumerate() {
        let request = Request::form(target, &status_fields(call, ACCOUNT, status)).signed(TOKEN, PUBLIC_URL);
        let answer = patiently(nodes[n % nodes.len()], &request, |status| status == 204).await;
        assert_eq!(answer.status, 204, "{answer:?}");
    }
    carrier.set(&call.sid, |call| end_of(&call.clone()).clone_into(&mut call.status));
}

#[test]
fn a_campaign_of_sixty_outlives_the_node_that_runs_it_and_calls_nobody_twice() {
    let Some(database) = Database::shared_postgres() else { return };
    let folder = tempfile::tempdir().unwrap();
    let carrier = TwilioRestFake::start(ACCOUNT, TOKEN);
    carrier.owns(OURS, "", "");
    carrier.fail(Asked::Place, faults());
    let mut first = Some(process(&folder.path().join("a"), &database, &carrier));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();

    let leads: Vec<Value> =
        (0..LEADS).map(|n| json!({ "number": number(n), "variables": { "n": n.to_string() } })).collect();
    let asked = json!({
        "business": "Reception", "name": "Autumn", "from": OURS, "concurrency": 10, "spacing_ms": 50, "leads": leads,
    });
    let (id, told) = runtime.block_on(async {
        let running = first.as_ref().unwrap();
        let made = api(running.address, "POST", "/campaigns", Some(asked)).await;
        let path = format!("/campaigns/{}", made["id"].as_str().unwrap());
        // The first holds the campaign by then, so it is the one that is killed.
        while carrier.calls().is_empty() {
            tokio::time::sleep(ms(20)).await;
        }
        (path, BTreeSet::<String>::new())
    });
    let second = process(&folder.path().join("b"), &database, &carrier);
    let leads = runtime.block_on(async {
        let (deadline, mut told) = (clock::now() + WITHIN, told);
        loop {
            let mut nodes = vec![second.address];
            nodes.extend(first.as_ref().map(|first| first.address));
            for call in carrier.calls() {
                if told.insert(call.sid.clone()) {
                    tell(&carrier, &call, &nodes).await;
                }
            }
            if carrier.calls().len() >= KILL_AFTER && first.is_some() {
                drop(first.take()); // kill -9, while it waits for answers
            }
            let now = api(second.address, "GET", &id, None).await;
            if now["state"] == "completed" && told.len() == carrier.calls().len() {
                break;
            }
            assert!(clock::now() < deadline, "the campaign comes to no end: {now}");
            tokio::time::sleep(ms(50)).await;
        }
        api(second.address, "GET", &format!("{id}/leads?limit=200"), None).await["items"].clone()
    });
    assert!(first.is_none(), "one was killed in the middle");
    assert_right(&carrier, leads.as_array().unwrap());
}

/// Nobody was called twice, and what is known of each lead is what happened.
fn assert_right(carrier: &TwilioRestFake, leads: &[Value]) {
    let calls = carrier.calls();
    assert!(carrier.count(Asked::Place) <= LEADS, "{} dials", carrier.count(Asked::Place));
    let called: BTreeMap<&str, &PlacedCall> = calls.iter().map(|call| (call.to.as_str(), call)).collect();
    assert_eq!(called.len(), calls.len(), "nobody twice");
    assert_eq!(leads.len(), LEADS);
    for lead in leads {
        assert_eq!(lead["attempts"], 1, "{lead}");
        match called.get(lead["number"].as_str().unwrap()) {
            Some(call) => {
                let job = lead["job"].as_str().unwrap();
                assert!(call.field("StatusCallback").unwrap().contains(job), "{lead} {call:?}");
                assert_eq!((&lead["call_sid"], &lead["outcome"]), (&json!(call.sid), &json!(end_of(call))), "{lead}");
            }
            None => {
                assert_eq!((&lead["state"], &lead["call_sid"]), (&json!("failed"), &Value::Null), "{lead}");
                assert!(["not-placed", "unknown"].contains(&lead["outcome"].as_str().unwrap()), "{lead}");
                assert!(lead["error"].is_string(), "{lead}");
            }
        }
    }
    let nodes: BTreeSet<&str> = leads.iter().map(|lead| lead["claimed_by"].as_str().unwrap()).collect();
    assert_eq!(nodes.len(), 2, "both have dialled: {nodes:?}");
    let lost = leads.iter().filter(|lead| lead["call_sid"].is_null()).count();
    println!("{} dials, {} calls, {lost} leads without one", carrier.count(Asked::Place), calls.len());
}
