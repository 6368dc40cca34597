//! The database goes away while calls come in and go on.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use trunkline::clock;
use trunkline::config::Config;
use trunkline::engine::call::Speaker;

use crate::databases::Database;
use crate::http_service::{Asked, Caller, Request, ask};
use crate::service::{PUBLIC_URL, Service, until};
use crate::{Outage, converse, in_every_outage, on, runtime};

in_every_outage! {
    calls_are_answered_and_go_on_and_nothing_is_lost
    a_database_that_comes_later_is_waited_for
    what_neither_database_nor_disk_takes_is_refused
}

/// What the carrier's voice webhook may take.
const ANSWER_WITHIN: Duration = Duration::from_millis(350);
const WEBHOOKS: usize = 240;
/// How many are on their way at once.
const ABREAST: usize = 4;

fn calls_are_answered_and_go_on_and_nothing_is_lost(database: Database, outage: Outage) {
    runtime().block_on(async {
        let service = on(&database);
        let before = Caller::new();
        assert_eq!(service.webhook(before.voice()).await.status, 200);

        let stall = outage.begin(&database);
        let callers: Vec<Caller> = (0..WEBHOOKS).map(|_| Caller::new()).collect();
        assert_answered_in_time(&service, &callers).await;
        assert_eq!(service.webhook(before.status("completed", &[("CallDuration", "7")])).await.status, 204);
        let call = converse(&service.carrier).await;
        assert_eq!(readiness(&service).await, (503, false, true));
        let report = call.hang_up().await.unwrap();
        assert_eq!(report.complaints, [], "the carrier notices nothing");
        let answer = service.webhook(callers[0].stream_ended("in-progress")).await;
        assert_eq!(answer.status, 200, "how the call ended can't be looked up, and is not waited for: {answer:?}");
        assert!(service.store().health().spool_records_waiting > WEBHOOKS as u64);

        outage.end(&database, stall);
        everything_is_in_the_database(&service).await;
        let facts = service.settled(&report.call.call_sid).await;
        facts.assert_whole();
        assert_eq!(facts.turns.iter().filter(|turn| turn.speaker == Speaker::Agent).count(), 2, "{:?}", facts.turns);
        assert_eq!(facts.count("answered"), 1, "{:?}", facts.events);
        let said: Vec<_> = facts.history.iter().map(|change| change.status.as_str()).collect();
        assert!(["ringing", "in-progress", "completed"].iter().all(|status| said.contains(status)), "{said:?}");
        assert!(facts.recording.exists());
        let store = service.store();
        let status = |caller: &Caller| store.call(&caller.sid()).unwrap().map(|row| row.status.as_str());
        assert!(callers.iter().skip(1).all(|caller| status(caller) == Some("ringing")));
        assert_eq!(status(&callers[0]), Some("in-progress"));
        assert_eq!(status(&before), Some("completed"));
        let health = store.health();
        assert_eq!((health.records_lost, health.records_rejected), (0, 0));
    });
}

/// The 99th percentile. What the machine takes for a request that needs nothing is not the service's doing.
async fn assert_answered_in_time(service: &Service, callers: &[Caller]) {
    let took = stream::iter(callers).map(async |caller| {
        let health = Request::get("/health");
        let voice = caller.voice().signed(service.token(), PUBLIC_URL);
        let [began, asked, answered] = [
            clock::now(),
            {
                ask(service.address(), &health).await;
                clock::now()
            },
            {
                let answer = ask(service.address(), &voice).await;
                assert!(answer.status == 200 && answer.body.contains("<Connect"), "{answer:?}");
                clock::now()
            },
        ];
        (answered - asked, asked - began)
    });
    let (mut voice, mut idle): (Vec<_>, Vec<_>) = took.buffer_unordered(ABREAST).unzip().await;
    voice.sort();
    idle.sort();
    let p99 = |sorted: &[Duration]| sorted[sorted.len() * 99 / 100];
    let [p99, idle, median, slowest] = [p99(&voice), p99(&idle), voice[voice.len() / 2], voice[voice.len() - 1]];
    println!("voice webhook: median {median:?}, p99 {p99:?}, slowest {slowest:?}; /health: p99 {idle:?}");
    assert!(p99 < ANSWER_WITHIN + idle, "p99 {p99:?}, median {median:?}; /health: {idle:?}");
}

/// The status of `/ready`, and whether database and spool are well.
async fn readiness(service: &Service) -> (u16, bool, bool) {
    let answer = service.get("/ready").await;
    let said = answer.json();
    let is_ok = |name: &str| {
        let checks = said["checks"].as_array().unwrap();
        checks.iter().find(|check| check["name"] == name).unwrap()["ok"].as_bool().unwrap()
    };
    (answer.status, is_ok("database"), is_ok("spool"))
}

async fn everything_is_in_the_database(service: &Service) {
    let store = service.store();
    until("the database is back and has everything", || {
        let health = store.health();
        health.is_ready() && health.spool_records_waiting == 0 && health.journal_records_waiting == 0
    })
    .await;
    assert_eq!(readiness(service).await, (200, true, true));
}

fn a_database_that_comes_later_is_waited_for(database: Database, outage: Outage) {
    if outage == Outage::Locked && database.server().is_some() {
        return; // there is no table yet that could be locked
    }
    runtime().block_on(async {
        let stall = outage.begin(&database);
        let service = on(&database);
        assert_eq!(readiness(&service).await, (503, false, true));
        assert_eq!(service.get("/health").await.status, 200);
        let caller = Caller::new();
        assert!(service.webhook(caller.voice()).await.body.contains("<Connect"));
        assert_eq!(service.webhook(caller.status("completed", &[("CallDuration", "7")])).await.status, 204);

        outage.end(&database, stall);
        everything_is_in_the_database(&service).await;
        let row = service.store().call(&caller.sid()).unwrap().unwrap();
        assert_eq!((row.status.as_str(), row.duration_s), ("completed", 7));
    });
}

fn what_neither_database_nor_disk_takes_is_refused(database: Database, outage: Outage) {
    runtime().block_on(async {
        let service = on(&database);
        let (spool, elsewhere) = (service.config.spool_dir(), service.folder.path().join("elsewhere"));
        let stall = outage.begin(&database);
        std::fs::rename(&spool, &elsewhere).unwrap();

        let caller = Caller::new();
        let status = caller.status("completed", &[("CallDuration", "7")]);
        let answer = service.webhook(status.clone()).await;
        assert_eq!((answer.status, answer.body.as_str()), (503, "the change could not be stored; try again\n"));
        assert_eq!(service.figure("webhooks_answered_total{endpoint=\"/twilio/status\",status=\"503\"}"), 1.0);
        assert!(service.figure("spool_failures_total") >= 1.0 && service.figure("status_not_stored_total") >= 1.0);
        assert_eq!(readiness(&service).await, (503, false, false));

        // A caller is answered and talked with all the same; the carrier tries its status six times in vain.
        let report = converse(&service.carrier).await.hang_up().await.unwrap();
        assert_eq!(report.status_answer, Some(503));
        assert_eq!(report.complaints.len(), 1, "{:?}", report.complaints);

        std::fs::rename(&elsewhere, &spool).unwrap();
        let store = service.store();
        until("the disk takes records again", || store.health().spool_error.is_none()).await;
        assert_eq!(service.webhook(status).await.status, 204, "the carrier tries again");
        outage.end(&database, stall);
        everything_is_in_the_database(&service).await;
        assert_eq!(store.call(&caller.sid()).unwrap().unwrap().duration_s, 7);
        assert_eq!(store.health().records_lost, 0);
        let facts = service.settled(&report.call.call_sid).await;
        assert_eq!(facts.turns.len(), facts.stats().turns as usize, "what was said waited in memory");
    });
}

#[test]
fn a_stop_that_can_not_save_everything_says_so() {
    let database = Database::sqlite();
    runtime().block_on(async {
        let mut service = on(&database);
        let stall = database.stall();
        std::fs::rename(service.config.spool_dir(), service.folder.path().join("elsewhere")).unwrap();
        converse(&service.carrier).await.hang_up().await.unwrap();
        assert!(!service.stops().await, "neither the database nor the disk took what was said");
        let lines = service.telemetry.logged();
        let line = "ERRO stopped before everything that calls said was on the disk what=records";
        assert!(lines.iter().any(|other| other == line), "{lines:?}");
        drop(stall);
    });
}

/// The address alone is wrong: nobody is there, and somebody may come.
#[test]
fn nobody_at_the_databases_address_is_no_reason_not_to_start() {
    if !cfg!(feature = "postgres") {
        return;
    }
    runtime().block_on(async {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let url = format!("postgres://app:hunter2@{address}/calls");
        drop(listener);
        let service = Service::with(|config: &mut Config| config.database.url = Some(url.parse().unwrap()));
        assert_eq!(readiness(&service).await, (503, false, true));
        let said = service.get("/ready").await.body;
        assert!(!said.contains("hunter2"), "{said}");
        assert!(service.webhook(Caller::new().voice()).await.body.contains("<Connect"));
    });
}
