//! Recordings whose time is over are deleted at the carrier, then here, and then forgotten; on one node at a time, on either
//! database.

#[macro_use]
#[path = "support/databases.rs"]
mod databases;
#[path = "support/fake_recordings.rs"]
mod fake_recordings;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/skip.rs"]
mod skip;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::Arbiter;
use databases::{Database, until};
use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, SqliteConnection};
use fake_recordings::{Answer, FakeRecordings};
use futures_util::future::LocalBoxFuture;
use trunkline::actors::recording_keeper::{KeeperParts, RecordingKeeper, RecordingPlaces};
use trunkline::clock;
use trunkline::engine::ids::CallSid;
use trunkline::engine::recording::{RecordingId, RecordingState};
use trunkline::engine::status::{CallStatus, CarrierSource, StatusChange};
use trunkline::providers::recording_source::{BreakerSettings, TwilioRecordings, TwilioRecordingsSettings};
use trunkline::providers::recording_store::{Directory, KeepError, RecordingStore, SoundBytes};
use trunkline::store::Store;
use trunkline::store::recordings::{KeptFile, Recording, RecordingReport};
use trunkline::telemetry::Telemetry;

const ACCOUNT: &str = "AC00000000000000000000000000000002";
const HOUR: i64 = 3_600_000_000;
const BUSINESS: &str = "Bakery";

on_both_databases! {
    what_is_old_is_gone_everywhere_and_what_is_young_stays
    what_the_carrier_does_not_delete_is_kept_until_it_does
    what_the_carrier_says_of_one_recording_holds_up_no_other
    what_the_store_refuses_of_one_recording_holds_up_no_other
    a_business_keeps_the_youngest_of_what_it_may_keep
}

/// A service that keeps recordings, and the carrier that has them, too.
struct Desk {
    database: Database,
    store: Store,
    carrier: FakeRecordings,
    telemetry: Telemetry,
}

impl Desk {
    fn open(database: Database) -> Self {
        let (store, mut status) = database.open("a");
        until("the database answers", || store.ping().is_ok());
        // Whose the calls are, and that they are long over.
        for n in 1..=6 {
            let at = clock::wall_micros() - 30 * 24 * HOUR;
            let change = StatusChange::new(call(n), CallStatus::Completed, CarrierSource::StatusCallback, at);
            let change = StatusChange { business: Some(BUSINESS.parse().unwrap()), ..change };
            status.apply(&[change]).unwrap();
        }
        let carrier = FakeRecordings::start(ACCOUNT, "secret");
        Self { database, store, carrier, telemetry: Telemetry::for_tests() }
    }

    fn folder(&self) -> PathBuf {
        self.database.folder.path().join("recordings")
    }

    /// A recording of 1,000,000 bytes that came so many hours ago.
    fn has(&self, id: &RecordingId, call: CallSid, hours: i64) {
        let key = format!("2026/11/{id}.wav");
        let place = self.folder().join(&key);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::write(&place, "sound").unwrap();
        let file = KeptFile { key, content_type: "audio/wav".to_owned(), bytes: 1_000_000, sha256: String::new() };
        let url = Some("https://api.twilio.com/x".to_owned());
        let report = RecordingReport {
            file: Some(file),
            url,
            ..RecordingReport::new(id.clone(), call, RecordingState::Fetched)
        };
        self.store.hear_of_recording(&report, clock::wall_micros() - hours * HOUR).unwrap();
    }

    /// Nothing is left to do about the words of these calls.
    fn settle(&self) {
        let settle = "UPDATE recording_work SET state = 'settled', lease_until = 0";
        match self.database.url.strip_prefix("sqlite:") {
            Some(path) => {
                let mut conn = SqliteConnection::establish(path).unwrap();
                conn.batch_execute("PRAGMA busy_timeout = 10000").unwrap();
                conn.batch_execute(settle).unwrap();
            }
            #[cfg(feature = "postgres")]
            None => diesel::PgConnection::establish(&self.database.url).unwrap().batch_execute(settle).unwrap(),
            #[cfg(not(feature = "postgres"))]
            None => unreachable!("this build knows no other database"),
        }
    }

    fn recording(&self, id: &RecordingId) -> Recording {
        self.store.recording(id).unwrap().unwrap()
    }

    fn is_gone(&self, id: &RecordingId) -> bool {
        let recording = self.recording(id);
        let is_forgotten = recording.state == RecordingState::Expired;
        assert_eq!((recording.file.is_none(), recording.url.is_none()), (is_forgotten, is_forgotten));
        assert_eq!(recording.deleted_at.is_some(), is_forgotten);
        is_forgotten
    }

    fn has_file(&self, id: &RecordingId) -> bool {
        self.folder().join(format!("2026/11/{id}.wav")).exists()
    }

    /// Starts a node's keeper.
    fn keep(&self, node: &str, keep: Option<Duration>, quota: Option<u64>) -> Arbiter {
        let folder = self.folder();
        self.keep_in(node, keep, quota, move || Rc::new(Directory::new(folder)))
    }

    /// … of recordings in this store.
    fn keep_in(
        &self,
        node: &str,
        keep: Option<Duration>,
        quota: Option<u64>,
        store: impl FnOnce() -> Rc<dyn RecordingStore> + Send + 'static,
    ) -> Arbiter {
        let parts = KeeperParts {
            store: self.store.clone(),
            telemetry: self.telemetry.clone(),
            node: Arc::from(node),
            keep,
            quota,
            every: Duration::from_millis(200),
            sweep_partial: Arc::new(|_| Ok(1)),
            partial_after: Duration::from_secs(60),
        };
        let settings = TwilioRecordingsSettings {
            api_url: self.carrier.url.parse().unwrap(),
            account: ACCOUNT.parse().unwrap(),
            auth_token: "secret".to_owned().into(),
            allowed_hosts: vec![],
            answer_within: Duration::from_secs(30),
            look_again_after: Duration::ZERO,
            fetch_within: Duration::from_secs(60),
            most_bytes: 1 << 20,
            breaker: BreakerSettings { failures: 1_000, pause: Duration::from_secs(1) },
        };
        let places = move || RecordingPlaces { source: Some(Rc::new(TwilioRecordings::new(settings))), store: store() };
        let arbiter = Arbiter::new();
        RecordingKeeper::start(parts, places, &arbiter.handle());
        arbiter
    }

    fn counts(&self, series: &str) -> f64 {
        let page = self.telemetry.render();
        let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().unwrap())
    }
}

fn call(n: u32) -> CallSid {
    format!("CA{n:032x}").parse().unwrap()
}

fn id(n: u32) -> RecordingId {
    format!("RE{n:032x}").parse().unwrap()
}

fn delete_path(id: &RecordingId) -> String {
    format!("/2010-04-01/Accounts/{ACCOUNT}/Recordings/{id}.json")
}

fn in_a_system(test: impl FnOnce()) {
    actix::System::new().block_on(async { test() });
}

fn what_is_old_is_gone_everywhere_and_what_is_young_stays(database: Database) {
    in_a_system(|| {
        let desk = Desk::open(database);
        let own = RecordingId::Own(call(3));
        desk.has(&id(1), call(1), 200);
        desk.has(&id(2), call(2), 2);
        desk.has(&own, call(3), 200);
        desk.has(&id(4), call(4), 200);
        desk.settle();
        // Something is still to be done about this one.
        desk.has(&id(5), call(5), 200);
        desk.carrier.on_method("DELETE", &delete_path(&id(1)), [Answer::new(204, "")]);
        // What a crash left of one on its way into the store.
        let left = desk.folder().join("2026/11/left.moving");
        std::fs::write(&left, "so").unwrap();
        let long_ago = std::time::UNIX_EPOCH + Duration::from_micros((clock::wall_micros() - 72 * HOUR) as u64);
        std::fs::File::options().write(true).open(&left).unwrap().set_modified(long_ago).unwrap();
        // Its owner has deleted this one, at the carrier and here: both answer that there is none.
        std::fs::remove_file(desk.folder().join(format!("2026/11/{}.wav", id(4)))).unwrap();
        let keepers = ["a", "b"].map(|node| desk.keep(node, Some(Duration::from_secs(168 * 3_600)), None));
        until("what is old is gone", || [&id(1), &own, &id(4)].iter().all(|id| desk.is_gone(id)));
        until("it is counted", || desk.counts("trunkline_recordings_kept") == 2.0);
        until("what a crash left is gone", || !left.exists());
        assert!(!desk.has_file(&id(1)) && !desk.has_file(&own));
        for stays in [id(2), id(5)] {
            assert!(!desk.is_gone(&stays) && desk.has_file(&stays), "{stays}");
        }
        let mut asked = desk.carrier.asked_for();
        asked.sort();
        asked.dedup();
        assert_eq!(asked, [delete_path(&id(1)), delete_path(&id(4))], "the carrier has none of our own");
        assert_eq!(desk.counts("trunkline_recordings_deleted_total{why=\"age\"}"), 3.0);
        assert_eq!(desk.counts("trunkline_recordings_kept_bytes"), 2_000_000.0);
        assert!(desk.counts("trunkline_partial_recordings_swept_total") >= 2.0, "each node sweeps its own");
        for keeper in keepers {
            keeper.stop();
        }
    });
}

fn what_the_carrier_does_not_delete_is_kept_until_it_does(database: Database) {
    in_a_system(|| {
        let desk = Desk::open(database);
        desk.has(&id(1), call(1), 200);
        desk.settle();
        let answers = [Answer::new(500, ""), Answer::new(401, ""), Answer::new(204, "")];
        desk.carrier.on_method("DELETE", &delete_path(&id(1)), answers);
        let keeper = desk.keep("a", Some(Duration::from_secs(168 * 3_600)), None);
        until("it was refused", || {
            let refused = desk.counts("trunkline_recordings_not_deleted_total{place=\"carrier\"}");
            // Our own file goes last, or a failure would leave the carrier's for good.
            assert!(desk.has_file(&id(1)) || desk.carrier.requests().len() >= 3);
            refused >= 2.0
        });
        until("it is gone", || desk.is_gone(&id(1)));
        assert!(!desk.has_file(&id(1)));
        assert_eq!(desk.carrier.requests().len(), 3);
        keeper.stop();
    });
}

fn what_the_carrier_says_of_one_recording_holds_up_no_other(database: Database) {
    in_a_system(|| {
        let desk = Desk::open(database);
        desk.has(&id(1), call(1), 300);
        desk.has(&id(2), call(2), 200);
        desk.settle();
        desk.carrier.on_method("DELETE", &delete_path(&id(1)), (0..1_000).map(|_| Answer::new(500, "")));
        desk.carrier.on_method("DELETE", &delete_path(&id(2)), [Answer::new(204, "")]);
        let keeper = desk.keep("a", Some(Duration::from_secs(168 * 3_600)), None);
        until("the other is gone", || desk.is_gone(&id(2)));
        assert!(!desk.is_gone(&id(1)) && desk.has_file(&id(1)));
        keeper.stop();
    });
}

/// A store that locks one of its recordings.
struct Locked {
    key: String,
    others: Directory,
}

impl RecordingStore for Locked {
    fn put<'a>(&'a self, _: &'a str, _: &'a Path) -> LocalBoxFuture<'a, Result<(), KeepError>> {
        unreachable!()
    }

    fn size<'a>(&'a self, _: &'a str) -> LocalBoxFuture<'a, Result<u64, KeepError>> {
        unreachable!()
    }

    fn read<'a>(&'a self, _: &'a str, _: Range<u64>) -> LocalBoxFuture<'a, Result<SoundBytes, KeepError>> {
        unreachable!()
    }

    fn copy_to<'a>(&'a self, _: &'a str, _: &'a Path) -> LocalBoxFuture<'a, Result<(), KeepError>> {
        unreachable!()
    }

    fn delete<'a>(&'a self, key: &'a str) -> LocalBoxFuture<'a, Result<(), KeepError>> {
        match key == self.key {
            true => Box::pin(async { Err(KeepError::Refused { status: 403, code: "AccessDenied".to_owned() }) }),
            false => self.others.delete(key),
        }
    }
}

fn what_the_store_refuses_of_one_recording_holds_up_no_other(database: Database) {
    in_a_system(|| {
        let desk = Desk::open(database);
        for n in 1..=2 {
            desk.has(&id(n), call(n), 200);
            desk.carrier.on_method("DELETE", &delete_path(&id(n)), [Answer::new(204, "")]);
        }
        desk.settle();
        let (key, others) = (format!("2026/11/{}.wav", id(1)), Directory::new(desk.folder()));
        let keep = Some(Duration::from_secs(168 * 3_600));
        let keeper = desk.keep_in("a", keep, None, || Rc::new(Locked { key, others }));
        until("the other is gone", || desk.is_gone(&id(2)));
        assert!(!desk.is_gone(&id(1)) && desk.has_file(&id(1)));
        keeper.stop();
    });
}

fn a_business_keeps_the_youngest_of_what_it_may_keep(database: Database) {
    in_a_system(|| {
        let desk = Desk::open(database);
        for n in 1..=5 {
            desk.has(&id(n), call(n), 10 - i64::from(n));
        }
        desk.settle();
        let keeper = desk.keep("a", None, Some(2_500_000));
        until("the oldest are gone", || (1..=3).all(|n| desk.is_gone(&id(n))));
        until("it is counted", || desk.counts("trunkline_recordings_kept") == 2.0);
        assert!((4..=5).all(|n| !desk.is_gone(&id(n)) && desk.has_file(&id(n))));
        assert_eq!(desk.counts("trunkline_recordings_deleted_total{why=\"quota\"}"), 3.0);
        keeper.stop();
    });
}
