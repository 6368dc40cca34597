//! A processor that has too little time: live calls come before new ones.

use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use trunkline::cli::demo::twilio::{CallIdentity, FakeTwilio, Ringing, Verb};
use trunkline::clock;

use crate::databases::Database;
use crate::processes::{another_node, carrier_of, configured, metric};
use crate::program::{Running, trunkline};
use crate::runtime;
use crate::service::{CALLED, CALLER, PATIENCE, ms, until};

/// What is late for the service, in milliseconds.
const LIMIT: &str = "200";

#[test]
fn a_service_that_is_late_refuses_new_calls_with_a_sentence_keeps_live_ones_and_takes_new_ones_again() {
    let (data_dir, database) = (tempfile::tempdir().unwrap(), Database::sqlite());
    let program = configured(trunkline(&["serve"]), data_dir.path(), &database.url);
    let service = program.env("TRUNKLINE__MEDIA__MAX_LATENESS_MS", LIMIT).listens();
    runtime().block_on(async {
        let carrier = carrier_of(&service);
        let live = carrier.inbound_call(CALLER, CALLED).await.unwrap();
        until("ticks are counted", || metric(&service, "tick_lateness_seconds_count") > 0.0).await;

        let stalls = Stalls::begin(service.pid());
        let refused = rings_until(&carrier, |ringing| ringing.stream().is_none()).await;
        let words = "We are sorry, all our lines are busy. Please call again in a few minutes. Goodbye.";
        assert!(matches!(&refused.verbs[..], [Verb::Say(said), Verb::Hangup] if said == words), "{:?}", refused.verbs);
        assert!(metric(&service, "calls_refused_total{reason=\"overloaded\"}") > 0.0);
        assert!(metric(&service, "late_threads") > 0.0);
        let (status, checks) = service.get("/ready");
        assert!(status == 503 && checks.contains("live calls are served late"), "{status}: {checks}");
        stalls.end();

        rings_until(&carrier, |ringing| ringing.stream().is_some()).await;
        assert_eq!((metric(&service, "late_threads"), service.get("/ready").0), (0.0, 200));
        live.wait_until_agent_has_spoken_for(ms(300), PATIENCE).await.unwrap();
        let report = live.hang_up().await.unwrap();
        assert_eq!(report.complaints, []);

        let row = another_node(&database).call(&refused.call.call_sid.parse().unwrap()).unwrap().unwrap();
        assert_eq!((row.status.as_str(), row.business.unwrap().value.as_str()), ("rejected", "Reception"));
    });
}

/// Calls again and again until the answer is such.
async fn rings_until(carrier: &FakeTwilio, is_such: impl Fn(&Ringing) -> bool) -> Ringing {
    let deadline = clock::now() + PATIENCE;
    loop {
        let ringing = carrier.ring(CallIdentity::fresh(CALLER, CALLED)).await.unwrap();
        if is_such(&ringing) {
            return ringing;
        }
        assert!(clock::now() < deadline, "in the end: {:?}", ringing.verbs);
        tokio::time::sleep(ms(50)).await;
    }
}

/// A process that stands still for most of the time.
struct Stalls {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

impl Stalls {
    fn begin(pid: u32) -> Self {
        let (stop, stopped) = mpsc::channel::<()>();
        let lasts = move |time: Duration| stopped.recv_timeout(time) == Err(mpsc::RecvTimeoutError::Timeout);
        let thread = std::thread::spawn(move || {
            while {
                Running::signal(pid, "STOP");
                let goes_on = lasts(ms(300));
                Running::signal(pid, "CONT");
                goes_on && lasts(ms(100))
            } {}
        });
        Self { stop, thread }
    }

    fn end(self) {
        self.stop.send(()).unwrap();
        self.thread.join().unwrap();
    }
}
