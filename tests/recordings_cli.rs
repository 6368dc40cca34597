//! `trunkline recordings`, beside a service that runs on the same database.

#[path = "support/http_service.rs"]
mod http_service;
#[path = "support/program.rs"]
mod program;
#[path = "support/service.rs"]
mod service;
#[path = "support/skip.rs"]
mod skip;

use std::fs;

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, SqliteConnection};
use program::{Ended, trunkline};
use serde_json::Value;
use service::Service;
use sha2::{Digest, Sha256};
use trunkline::cli::demo::twilio::fresh_sid;
use trunkline::engine::ids::CallSid;
use trunkline::engine::recording::{RecordingId, RecordingState};
use trunkline::store::recordings::{KeptFile, RecordingReport};

fn recordings(service: &Service, arguments: &[&str]) -> Ended {
    let all: Vec<&str> = [&["recordings"], arguments].concat();
    trunkline(&all).env("TRUNKLINE__DATA_DIR", service.folder.path().to_str().unwrap()).ends()
}

fn report(service: &Service, at: i64, state: RecordingState, change: impl FnOnce(&mut RecordingReport)) -> CallSid {
    let call: CallSid = fresh_sid("CA").parse().unwrap();
    let mut report = RecordingReport::new(fresh_sid("RE").parse().unwrap(), call.clone(), state);
    change(&mut report);
    service.store().hear_of_recording(&report, at).unwrap();
    call
}

/// A recording of this content.
fn kept(service: &Service, at: i64, content: &[u8]) -> CallSid {
    report(service, at, RecordingState::Fetched, |report| {
        let key = format!("2026/11/{}.wav", report.id);
        let path = service.folder.path().join("recordings").join(&key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        let sha256 = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
        let file = KeptFile { key, content_type: "audio/wav".to_owned(), bytes: content.len() as u64, sha256 };
        (report.file, report.length_ms) = (Some(file), Some(61_000));
    })
}

#[test]
fn what_there_is_is_listed_the_newest_first() {
    let service = Service::start();
    let first = kept(&service, 1_000_000, b"one");
    let failed = report(&service, 2_000_000, RecordingState::Failed, |report| {
        report.error = Some("the carrier has no such recording (404)".to_owned());
    });
    let told = recordings(&service, &["list"]);
    assert_eq!((told.code, told.err.as_str()), (0, ""), "{told:?}");
    let lines: Vec<&str> = told.out.lines().collect();
    assert_eq!((lines.len(), lines[2]), (3, "2 of 2 recordings"), "{told:?}");
    assert!(lines[0].contains(failed.as_str()) && lines[0].ends_with("no such recording (404)"), "{told:?}");
    assert!(lines[1].contains(first.as_str()) && lines[1].contains("61 s") && lines[1].contains("1 kB"), "{told:?}");

    let told = recordings(&service, &["list", "--json", "--state", "fetched"]);
    let found: Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!((&found["call_sid"], &found["bytes"]), (&first.to_string().into(), &3.into()), "{found}");
    assert_eq!(recordings(&service, &["list", "--state", "lost"]).code, 2);
    assert!(recordings(&service, &["list", "--business", "Bakery"]).out.contains("0 of 0"));
}

#[test]
fn every_byte_that_is_kept_is_compared_with_what_was_stored() {
    let service = Service::start();
    let calls = [b"one".as_slice(), &[7; 200_000], b"three", b"four"].map(|content| kept(&service, 1_000_000, content));
    let told = recordings(&service, &["verify"]);
    assert_eq!((told.code, told.out.as_str()), (0, "4 recordings are as they were stored, 0 are not\n"), "{told:?}");

    let place = |call: &CallSid| {
        let found = service.store().recordings_of(call).unwrap().remove(0);
        service.folder.path().join("recordings").join(found.file.unwrap().key)
    };
    fs::write(place(&calls[0]), "two").unwrap();
    fs::write(place(&calls[1]), "short").unwrap();
    fs::remove_file(place(&calls[2])).unwrap();
    let told = recordings(&service, &["verify"]);
    assert_eq!(told.code, 1, "{told:?}");
    for (call, what) in
        calls.iter().zip(["its content has changed", "it has 5 bytes, not 200000", "it is not in the store"])
    {
        assert!(told.out.contains(&format!("{call}: {what}")), "{told:?}");
    }
    assert!(told.out.ends_with("1 recordings are as they were stored, 3 are not\n"), "{told:?}");
}

#[test]
fn what_was_given_up_is_due_again() {
    let service = Service::start();
    let one = report(&service, 1_000_000, RecordingState::Failed, |_| {});
    let more = [(); 3].map(|()| report(&service, 1_000_000, RecordingState::Failed, |_| {}));
    let silent: CallSid = fresh_sid("CA").parse().unwrap();
    let own = RecordingReport::new(RecordingId::Own(silent.clone()), silent.clone(), RecordingState::Failed);
    service.store().hear_of_recording(&own, 1_000_000).unwrap();
    let state = |call: &CallSid| service.store().recordings_of(call).unwrap()[0].state;
    // One that the store of recordings did not take, of which some other node has the file.
    let unkept: CallSid = fresh_sid("CA").parse().unwrap();
    let own = RecordingReport::new(RecordingId::Own(unkept.clone()), unkept.clone(), RecordingState::Unkept);
    let error = Some("it can't be kept: the store refuses us (403 QuotaExceeded)".to_owned());
    service.store().hear_of_recording(&RecordingReport { error, ..own }, 2_000_000).unwrap();
    let told = recordings(&service, &["list", "--state", "unkept"]);
    let line = told.out.lines().next().unwrap();
    assert!(line.contains(unkept.as_str()) && line.contains("own") && line.contains("403 QuotaExceeded"), "{told:?}");

    let nobody = fresh_sid("CA");
    let told = recordings(&service, &["retry", one.as_str(), &nobody]);
    assert_eq!(told.code, 1, "{told:?}");
    assert!(told.out.contains(&format!("{one}: is due again")), "{told:?}");
    assert!(told.out.contains(&format!("{nobody}: there is no recording")), "{told:?}");
    assert_ne!(state(&one), RecordingState::Failed);
    assert!(more.iter().all(|call| state(call) == RecordingState::Failed), "nobody asked for these");

    let told = recordings(&service, &["retry", "--failed"]);
    assert_eq!(told.code, 0, "{told:?}");
    assert!(told.out.starts_with("4 recordings are due again"), "{told:?}");
    assert_eq!(state(&unkept), RecordingState::Started, "whoever has it brings it");
    assert!(more.iter().all(|call| state(call) != RecordingState::Failed));
    assert_eq!(state(&silent), RecordingState::Failed, "it was made here, and can be fetched from nowhere");
    assert_eq!(recordings(&service, &["retry"]).code, 2);
}

#[test]
fn what_was_kept_for_long_enough_is_deleted_by_hand() {
    let service = Service::with(|config| config.recordings.sweep_every_s = 86_400);
    let call: CallSid = fresh_sid("CA").parse().unwrap();
    let path = service.folder.path().join("recordings/old.wav");
    fs::write(&path, "old").unwrap();
    let file =
        KeptFile { key: "old.wav".to_owned(), content_type: "audio/wav".to_owned(), bytes: 3, sha256: "ab".repeat(32) };
    let own = RecordingReport::new(RecordingId::Own(call.clone()), call.clone(), RecordingState::Fetched);
    service.store().hear_of_recording(&RecordingReport { file: Some(file), ..own }, 1_000_000).unwrap();

    // Whatever else is to be done about the call is done.
    let database = service.config.database_url();
    let mut conn = SqliteConnection::establish(database.expose().strip_prefix("sqlite:").unwrap()).unwrap();
    conn.batch_execute("PRAGMA busy_timeout = 10000; UPDATE recording_work SET state = 'settled'").unwrap();

    let told = recordings(&service, &["sweep", "--dry-run"]);
    assert_eq!((told.code, path.exists()), (0, true), "nothing is deleted by looking: {told:?}");
    assert_eq!(told.out, format!("{call} {call}\n1 recordings would be deleted for their age\n"));
    let told = recordings(&service, &["sweep"]);
    assert_eq!((told.code, told.out.as_str()), (0, "1 recordings are deleted, 0 could not be\n"), "{told:?}");
    assert!(!path.exists());
    assert_eq!(service.store().recordings_of(&call).unwrap()[0].state, RecordingState::Expired);
}

#[test]
fn a_database_that_is_away_is_said() {
    let service = Service::start();
    let told = trunkline(&["recordings", "verify"])
        .env("TRUNKLINE__DATA_DIR", service.folder.path().to_str().unwrap())
        .env("DATABASE_URL", "sqlite:/proc/nothing/here.db")
        .ends();
    assert!(told.code == 1 && told.err.contains("database") && told.out.is_empty(), "{told:?}");
}
