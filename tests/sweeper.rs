//! Calls whose end nobody told: the carrier is asked, and its answer closes the row, on one node at a time.

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
use http_service::{Asked as _, Caller, Request};
use service::{Service, auth_token, until};
use trunkline::engine::status::{CallStatus, CarrierSource};
use twilio_rest::{Asked, Fault, PlacedCall, TwilioRestFake};

on_both_databases! {
    a_call_whose_end_was_lost_ends_as_the_carrier_says
    of_two_nodes_one_asks_and_each_call_is_asked_about_once
    a_carrier_that_can_not_be_asked_is_asked_again_later
    a_call_of_which_the_carrier_makes_no_sense_holds_up_no_other
}

/// Two nodes or one on this database, and the carrier that they ask each second.
fn nodes<const N: usize>(database: &Database, names: [&str; N]) -> (TwilioRestFake, [Service; N]) {
    let twilio = Service::start().config.twilio.clone();
    let fake = TwilioRestFake::start(
        twilio.account_sid.as_ref().unwrap().as_str(),
        secrecy::ExposeSecret::expose_secret(twilio.auth_token.as_ref().unwrap()),
    );
    let nodes = names.map(|name| {
        Service::with(|config| {
            config.twilio = twilio.clone();
            config.twilio.api_url = fake.url.parse().unwrap();
            config.database.url = Some(database.url.parse().unwrap());
            config.spool.dir = database.spool(name);
            config.calls.sweep_every_s = 1;
        })
    });
    assert!(nodes.iter().all(|node| auth_token(&node.config) == auth_token(&nodes[0].config)));
    (fake, nodes)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn at_the_carrier(caller: &Caller, status: &str) -> PlacedCall {
    PlacedCall {
        sid: caller.call_sid.clone(),
        from: service::CALLER.to_owned(),
        to: caller.to.clone(),
        status: status.to_owned(),
        direction: "inbound".to_owned(),
        duration: (status == "completed").then_some(42),
        ..PlacedCall::default()
    }
}

/// A call that somebody told the beginning of, years ago.
async fn begun(service: &Service, status: &str) -> Caller {
    let caller = Caller::new();
    let answer = service.webhook(caller.status(status, &[("SequenceNumber", "0")])).await;
    assert_eq!(answer.status, 204, "{answer:?}");
    caller
}

fn status_of(service: &Service, caller: &Caller) -> CallStatus {
    service.store().call(&caller.sid()).unwrap().unwrap().status
}

fn a_call_whose_end_was_lost_ends_as_the_carrier_says(database: Database) {
    let (fake, [service]) = nodes(&database, ["a"]);
    runtime().block_on(async {
        let [ended, busy, open] = [("in-progress", "completed"), ("ringing", "busy"), ("in-progress", "in-progress")]
            .map(|(told, known)| (told, known, Caller::new()));
        for (told, known, caller) in [&ended, &busy, &open] {
            fake.knows(at_the_carrier(caller, known));
            assert_eq!(service.webhook(caller.status(told, &[])).await.status, 204);
        }
        let [never_answered, spoken] = [begun(&service, "ringing").await, begun(&service, "in-progress").await];
        let is = |caller: &Caller, status| status_of(&service, caller) == status;
        until("all that are over are closed", || {
            is(&ended.2, CallStatus::Completed)
                && is(&busy.2, CallStatus::Busy)
                && is(&never_answered, CallStatus::Failed)
                && is(&spoken, CallStatus::Completed)
        })
        .await;
        assert_eq!(service.store().call(&ended.2.sid()).unwrap().unwrap().duration_s, 42);
        let history = service.store().status_history(&never_answered.sid()).unwrap();
        assert_eq!(history.last().unwrap().source, CarrierSource::Sweeper);
        assert_eq!(status_of(&service, &open.2), CallStatus::InProgress);
        assert_eq!(service.figure("calls_swept_total{result=\"closed\"}"), 2.0);
        assert_eq!(service.figure("calls_swept_total{result=\"unknown\"}"), 2.0);

        // It ends, and is asked about again.
        fake.set(&open.2.call_sid, |call| call.status = "completed".to_owned());
        until("the last is closed", || is(&open.2, CallStatus::Completed)).await;
        // News is worth more than the guess.
        let completed = never_answered.status("completed", &[("CallDuration", "7")]);
        assert_eq!(service.webhook(completed).await.status, 204);
        assert_eq!(status_of(&service, &never_answered), CallStatus::Completed);
    });
}

fn of_two_nodes_one_asks_and_each_call_is_asked_about_once(database: Database) {
    let (fake, nodes) = nodes(&database, ["a", "b"]);
    runtime().block_on(async {
        for n in 0..20 {
            let caller = Caller::new();
            fake.knows(at_the_carrier(&caller, "completed"));
            assert_eq!(nodes[n % 2].webhook(caller.status("in-progress", &[])).await.status, 204);
        }
        let swept = |node: &Service| node.figure("calls_swept_total{result=\"closed\"}");
        until("all are closed", || swept(&nodes[0]) + swept(&nodes[1]) >= 20.0).await;
        let asked: Vec<f64> = nodes.iter().map(swept).collect();
        assert!(asked == [20.0, 0.0] || asked == [0.0, 20.0], "{asked:?}");
        assert_eq!(fake.count(Asked::Fetch), 20);

        // The node that had the duty is gone; the other takes it over.
        let [first, second] = nodes;
        let (gone, left) = if asked[0] > 0.0 { (first, second) } else { (second, first) };
        drop(gone);
        let caller = Caller::new();
        fake.knows(at_the_carrier(&caller, "completed"));
        assert_eq!(left.webhook(caller.status("in-progress", &[])).await.status, 204);
        until("the other node closes it", || status_of(&left, &caller).is_final()).await;
    });
}

fn a_carrier_that_can_not_be_asked_is_asked_again_later(database: Database) {
    let (fake, [service]) = nodes(&database, ["a"]);
    runtime().block_on(async {
        fake.fail(Asked::Fetch, [Fault::status(401)]);
        let caller = begun(&service, "in-progress").await;
        fake.knows(at_the_carrier(&caller, "no-answer"));
        until("the row is closed", || status_of(&service, &caller) == CallStatus::NoAnswer).await;
        assert_eq!(service.figure("carrier_failures_total"), 1.0);
        let said = service.telemetry.logged();
        assert!(said.iter().any(|line| line.contains("credentials") && line.contains(&caller.call_sid)), "{said:#?}");
    });
}

fn a_call_of_which_the_carrier_makes_no_sense_holds_up_no_other(database: Database) {
    let (fake, [service]) = nodes(&database, ["a"]);
    runtime().block_on(async {
        let odd = begun(&service, "in-progress").await;
        fake.knows(at_the_carrier(&odd, "dancing"));
        until("it is asked about", || service.figure("carrier_failures_total") >= 1.0).await;
        let later = Caller::new();
        fake.knows(at_the_carrier(&later, "completed"));
        // It began after the other, so it is asked about after it.
        let began = [("Timestamp", "Wed, 04 Nov 2020 10:15:30 +0000")];
        let told = later.fields("in-progress", &began);
        assert_eq!(service.webhook(Request::form("/twilio/status", &told)).await.status, 204);
        until("the other is closed", || status_of(&service, &later) == CallStatus::Completed).await;
        assert_eq!(status_of(&service, &odd), CallStatus::InProgress);
        fake.set(&odd.call_sid, |call| call.status = "completed".to_owned());
        until("it is asked about again", || status_of(&service, &odd) == CallStatus::Completed).await;
    });
}
