//! The whole program: killed in the middle of an outage, and started with what can't be right.

use std::cell::RefCell;
use std::path::Path;

use futures_util::future::join_all;
use trunkline::cli::demo::twilio::{CallIdentity, FakeTwilio, fresh_sid};
use trunkline::store::Store;

use crate::databases::{self, Database};
use crate::program::{Ended, Program, Running, trunkline};
use crate::service::{CALLED, CALLER, PUBLIC_URL, until};
use crate::{Outage, converse, in_every_outage, runtime};

in_every_outage! {
    what_was_acknowledged_survives_kill_9_in_the_middle_of_an_outage
}

const TOKEN: &str = "f0e1d2c3b4a5968778695a4b3c2d1e0f";
const ACCOUNT: &str = "AC00112233445566778899aabbccddeeff";

/// The environment of a service with this data directory and this database.
pub fn configured(program: Program, data_dir: &Path, database_url: &str) -> Program {
    program
        .env("TRUNKLINE__DATA_DIR", data_dir.to_str().unwrap())
        .env("TRUNKLINE__HTTP__LISTEN", "127.0.0.1:0")
        .env("TRUNKLINE__HTTP__PUBLIC_URL", PUBLIC_URL)
        .env("TRUNKLINE__LOCAL__SPEECH", "clips")
        .env("TRUNKLINE__RECORDING__POLICY", "own")
        // On a machine that tests at once whatever it can, every call is late now and then.
        .env("TRUNKLINE__MEDIA__MAX_LATENESS_MS", "0")
        // Nobody answers there: no test must ever reach the real one.
        .env("TRUNKLINE__TWILIO__API_URL", "http://127.0.0.1:9")
        .env("TWILIO_AUTH_TOKEN", TOKEN)
        .env("TWILIO_ACCOUNT_SID", ACCOUNT)
        .env("DATABASE_URL", database_url)
}

pub fn carrier_of(service: &Running) -> FakeTwilio {
    FakeTwilio::new(PUBLIC_URL, TOKEN, ACCOUNT).unwrap().through(service.address)
}

/// The value of a metric; 0 where nothing was counted.
pub fn metric(service: &Running, series: &str) -> f64 {
    let (_, figures) = service.get("/metrics");
    let name = format!("trunkline_{series} ");
    figures.lines().find_map(|line| line.strip_prefix(&name)).map_or(0.0, |value| value.parse().unwrap())
}

/// The store, as another node sees it.
pub fn another_node(database: &Database) -> Store {
    database.open("another node").0
}

/// Reports ends of calls, one after the other, until the service is gone; the SIDs of those that were taken.
pub async fn report_ends(carrier: &FakeTwilio, taken: &RefCell<Vec<String>>) {
    loop {
        let call = CallIdentity { call_sid: fresh_sid("CA"), from: CALLER.to_owned(), to: CALLED.to_owned() };
        let status = format!("{PUBLIC_URL}/twilio/status");
        let mut fields = carrier.call_fields(&call, "completed");
        fields.push(("CallDuration".to_owned(), "42".to_owned()));
        match carrier.post("the status callback", &status, &fields, Default::default()).await {
            Ok(answer) if answer.status == 204 => taken.borrow_mut().push(call.call_sid),
            Ok(answer) if answer.status == 503 => return,
            Ok(answer) => panic!("{answer:?}"),
            Err(_) => return,
        }
    }
}

fn what_was_acknowledged_survives_kill_9_in_the_middle_of_an_outage(database: Database, outage: Outage) {
    let data_dir = tempfile::tempdir().unwrap();
    let start = || configured(trunkline(&["serve"]), data_dir.path(), &database.url).listens();
    runtime().block_on(async {
        let service = start();
        let stall = outage.begin(&database);
        let carrier = carrier_of(&service);
        let report = converse(&carrier).await.hang_up().await.unwrap();
        assert_eq!(report.complaints, []);
        until("the call's end is on the disk", || metric(&service, "spooled_total{kind=\"end\"}") == 1.0).await;

        let taken = RefCell::new(Vec::new());
        let kill = async {
            until("some ends are taken", || taken.borrow().len() >= 60).await;
            drop(service);
        };
        let reports = join_all((0..4).map(|_| report_ends(&carrier, &taken)));
        futures_util::future::join(kill, reports).await;

        // Started again while nothing is mended; then it is.
        let again = start();
        until("the outage is noticed", || again.get("/ready").0 == 503).await;
        let told = carrier_of(&again).status_callback(&CallIdentity::fresh(CALLER, CALLED), "completed", Some(1)).await;
        assert_eq!(told.unwrap().status, 204);
        outage.end(&database, stall);
        until("the service is ready", || again.get("/ready").0 == 200).await;
        until("the spool is empty", || again.get("/ready").1.contains("\"0 records wait")).await;

        let store = another_node(&database);
        for sid in taken.borrow().iter() {
            let row = store.call(&sid.parse().unwrap()).unwrap().unwrap_or_else(|| panic!("{sid} was acknowledged"));
            assert_eq!((row.status.as_str(), row.duration_s), ("completed", 42));
        }
        let call = report.call.call_sid.parse().unwrap();
        let end = store.call_end(&call).unwrap().expect("the end was on the disk");
        assert_eq!(store.turns(&call).unwrap().len(), end.stats.turns as usize);
        assert_eq!(store.call_events(&call).unwrap().iter().filter(|event| event.what == "ended").count(), 1);
        assert_eq!(store.call(&call).unwrap().unwrap().status.as_str(), "completed");
        assert_eq!(again.stops().code, 0);
    });
}

#[test]
fn a_database_that_can_not_be_right_is_told_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let garbage = folder.path().join("garbage.db");
    std::fs::write(
        &garbage,
        "this is no database, whatever its name is, and it is long enough to be looked at. ".repeat(99),
    )
    .unwrap();
    let mut cases = vec![
        ("mysql://root:hunter2@localhost/calls".to_owned(), 2, "database.url"),
        ("hunter2".to_owned(), 2, "database.url"),
        ("sqlite:".to_owned(), 2, "database.url"),
        ("sqlite::memory:".to_owned(), 1, "name a file"),
        ("sqlite:/proc/nowhere/calls.db".to_owned(), 1, "/proc/nowhere"),
        (format!("sqlite:{}", garbage.display()), 1, "file is not a database"),
    ];
    let server = if cfg!(feature = "postgres") { databases::Database::own_postgres() } else { None };
    if let Some(server) = server.as_ref().and_then(Database::server) {
        let elsewhere = |url: String| url.replace("app@", "nobody:hunter2@");
        cases.push((server.url("nosuch"), 1, "database \"nosuch\" does not exist"));
        cases.push((elsewhere(server.url("postgres")), 1, "role \"nobody\" does not exist"));
    }
    for (url, code, words) in cases {
        let data_dir = folder.path().join("data");
        let Ended { code: ended, out, err } = configured(trunkline(&["serve"]), &data_dir, &url).ends();
        assert_eq!(ended, code, "{url}: {err}");
        assert!(err.contains(words), "{url}: {err}");
        assert!(out.is_empty() && !err.contains("hunter2") && !err.contains("panicked"), "{url}: {err}");
    }
}

#[test]
fn a_data_directory_is_one_process_own() {
    let database = Database::sqlite();
    let data_dir = tempfile::tempdir().unwrap();
    let first = configured(trunkline(&["serve"]), data_dir.path(), &database.url).listens();
    let second = configured(trunkline(&["serve"]), data_dir.path(), &database.url).ends();
    assert_eq!(second.code, 1, "{second:?}");
    assert!(second.err.contains("used by another process; give each node its own data_dir"), "{second:?}");
    assert_eq!(first.get("/ready").0, 200, "the first goes on");

    let file = data_dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let third = configured(trunkline(&["serve"]), &file, &database.url).ends();
    assert!(third.code == 1 && third.err.contains("data_dir"), "{third:?}");
}
