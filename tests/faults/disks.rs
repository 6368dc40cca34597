//! The disk is full, or what stood on it is gone.

use std::cell::RefCell;

use futures_util::future::join_all;

use crate::databases::Database;
use crate::processes::{another_node, carrier_of, configured, metric, report_ends};
use crate::program::serve_with_mounts;
use crate::service::{Service, until};
use crate::{converse, runtime};

#[tokio::test]
async fn a_call_that_can_not_be_recorded_is_a_call_like_any_other() {
    let service = Service::start();
    let (folder, elsewhere) = (service.folder.path().join("recordings"), service.folder.path().join("elsewhere"));
    std::fs::rename(&folder, &elsewhere).unwrap();
    std::fs::write(&folder, "a file in place of the folder").unwrap();
    let (report, facts) = service.hang_up(converse(&service.carrier).await).await;
    facts.assert_whole();
    assert_eq!(report.complaints, []);
    assert_eq!(service.metric("call_file_failures_total{kind=\"recording\"}"), 1.0);
    assert!(service.server().files().lost() > 0 && !facts.recording.exists());
    let told = service.telemetry.logged().into_iter().filter(|line| line.contains("recording")).collect::<Vec<_>>();
    assert_eq!(told.len(), 1, "said once: {told:?}");

    std::fs::remove_file(&folder).unwrap();
    std::fs::rename(&elsewhere, &folder).unwrap();
    let (_, facts) = service.hang_up(converse(&service.carrier).await).await;
    assert!(facts.recording.exists(), "the next call tries anew");
    assert_eq!(service.metric("call_file_failures_total{kind=\"recording\"}"), 1.0);
}

/// The recording of a second is 32 kB: this disk is full after two.
#[test]
fn a_disk_that_fills_up_during_a_call_is_no_reason_to_end_it() {
    let database = Database::sqlite();
    let data_dir = tempfile::tempdir().unwrap();
    let recordings = data_dir.path().join("recordings");
    std::fs::create_dir(&recordings).unwrap();
    let mount = format!("mount -t tmpfs -o size=64k tmpfs {}", recordings.display());
    let Some(program) = serve_with_mounts(&mount) else { return };
    let service = configured(program, data_dir.path(), &database.url).listens();
    runtime().block_on(async {
        let report = converse(&carrier_of(&service)).await.hang_up().await.unwrap();
        assert_eq!(report.complaints, []);
        until("it is counted", || metric(&service, "call_file_failures_total{kind=\"recording\"}") == 1.0).await;
        until("the call is over", || metric(&service, "calls_live") == 0.0).await;
        assert_eq!(service.get("/ready").0, 200, "calls can be taken all the same");
        assert_eq!(service.stops().code, 0);
        let store = another_node(&database);
        let call = report.call.call_sid.parse().unwrap();
        assert_eq!(store.turns(&call).unwrap().len(), store.call_end(&call).unwrap().unwrap().stats.turns as usize);
    });
}

/// The database is away, and the disk on which records wait for it fills up.
#[test]
fn of_a_full_spool_everything_that_was_acknowledged_is_kept() {
    let database = Database::sqlite();
    let data_dir = tempfile::tempdir().unwrap();
    let spool = data_dir.path().join("spool");
    std::fs::create_dir(&spool).unwrap();
    let mount = format!("mount -t tmpfs -o size=64k tmpfs {}", spool.display());
    let Some(program) = serve_with_mounts(&mount) else { return };
    let service = configured(program, data_dir.path(), &database.url).listens();
    runtime().block_on(async {
        let stall = database.stall();
        let carrier = carrier_of(&service);
        let taken = RefCell::new(Vec::new());
        join_all((0..4).map(|_| report_ends(&carrier, &taken))).await;
        let (status, said) = service.get("/ready");
        assert!(status == 503 && said.contains("No space left"), "{said}");
        // Whoever calls now is answered, too.
        let report = converse(&carrier).await.hang_up().await.unwrap();
        assert_eq!(report.status_answer, Some(503));

        drop(stall);
        until("the service is ready", || service.get("/ready").0 == 200).await;
        let told = carrier.status_callback(&report.call, "completed", Some(9)).await.unwrap();
        assert_eq!(told.status, 204, "there is room again");
        assert_eq!(service.stops().code, 0);
        let store = another_node(&database);
        let taken = taken.into_inner();
        assert!(taken.len() > 20, "{} were taken", taken.len());
        for sid in taken {
            let row = store.call(&sid.parse().unwrap()).unwrap().unwrap_or_else(|| panic!("{sid} was acknowledged"));
            assert_eq!((row.status.as_str(), row.duration_s), ("completed", 42));
        }
        let call = report.call.call_sid.parse().unwrap();
        assert_eq!(store.turns(&call).unwrap().len(), store.call_end(&call).unwrap().unwrap().stats.turns as usize);
    });
}
