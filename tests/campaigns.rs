//! Campaigns on one node, against both databases and a carrier that is strict and lies: everybody is called once, a few at a
//! time, and whatever the carrier does not say is found out.

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

mod campaigns {
    pub mod desk;
    mod lists;
    mod steering;
    pub mod webhook;
}

use campaigns::desk::{Desk, runtime};
use databases::Database;
use http_service::Asked as _;
use serde_json::json;
use service::ms;
use trunkline::engine::delivery::EventKind;
use twilio_rest::Fault;

on_both_databases! {
    everybody_is_called_once_and_never_more_at_a_time_than_was_asked_for
    a_slot_is_free_whichever_end_of_a_call_is_seen
    what_the_carrier_does_not_say_is_found_out_and_nobody_is_called_twice
}

fn everybody_is_called_once_and_never_more_at_a_time_than_was_asked_for(database: Database) {
    let desk = Desk::start(&database, |_| {});
    runtime().block_on(async {
        // Nothing is sent to it: there is no secret. What is to be told is noted all the same.
        let listens = json!({ "version": 1, "webhook_url": "https://receiver.example/trunkline" });
        assert_eq!(desk.api("PATCH", "/businesses/Reception", Some(listens)).await.status, 200);
        let made = desk.make(json!({ "concurrency": 2 }), 7).await;
        assert_eq!((&made["state"], &made["progress"]["total"]), (&json!("running"), &json!(7)));
        let mut told = 0;
        while told < 7 {
            let call = desk.next_call(told).await;
            assert!(desk.fake.calls().len() <= told + 2, "two at a time");
            desk.tell(&call, "ringing").await;
            desk.tell(&call, if told % 2 == 0 { "completed" } else { "no-answer" }).await;
            told += 1;
        }
        let done = desk.becomes(&made["id"], "completed").await;
        assert_eq!((&done["progress"]["completed"], &done["progress"]["failed"]), (&json!(4), &json!(3)), "{done}");
        assert!(done["ended_at"].is_string());
        let told = desk.service.store().deliveries(&"Reception".parse().unwrap(), None, None, 50).unwrap();
        let ended: Vec<_> = told.iter().filter(|told| told.kind == EventKind::CampaignCompleted).collect();
        let figures = json!({
            "campaign": made["id"], "name": "Autumn", "leads": 7, "outcomes": { "completed": 4, "no-answer": 3 },
        });
        assert_eq!(ended.iter().map(|told| told.body.clone().unwrap()).collect::<Vec<_>>(), [figures]);
        let leads = desk.leads(&made["id"]).await;
        for (n, lead) in leads.iter().enumerate() {
            let call = desk.call_to(lead["number"].as_str().unwrap());
            assert_eq!(lead["call_sid"], json!(call.sid));
            assert_eq!(lead["outcome"], if n % 2 == 0 { "completed" } else { "no-answer" });
            assert_eq!((&lead["attempts"], lead["position"].as_u64()), (&json!(1), Some(n as u64 + 1)));
            assert!(call.field("Url").unwrap().contains(lead["job"].as_str().unwrap()));
        }
        assert_eq!(desk.fake.count(twilio_rest::Asked::Place), 7, "nobody who did not answer is called again");
        assert_eq!(desk.service.figure("leads_dialled_total"), 7.0);
    });
}

fn a_slot_is_free_whichever_end_of_a_call_is_seen(database: Database) {
    let desk = Desk::start(&database, |config| config.calls.max_outbound_per_business = 1);
    runtime().block_on(async {
        let made = desk.make(json!({}), 3).await;
        // The first: its media stream ends, and the carrier never tells.
        let first = desk.next_call(0).await;
        let phone = desk.answer(&first).await;
        phone.wait_until_agent_has_spoken_for(ms(200), service::PATIENCE).await.unwrap();
        phone.hang_up().await.unwrap();
        // The second: the carrier tells. The third is called when that has ended.
        let second = desk.next_call(1).await;
        desk.tell(&second, "busy").await;
        let third = desk.next_call(2).await;
        desk.tell(&third, "canceled").await;
        let done = desk.becomes(&made["id"], "completed").await;
        assert_eq!((&done["progress"]["completed"], &done["progress"]["failed"]), (&json!(1), &json!(2)), "{done}");
    });
}

fn what_the_carrier_does_not_say_is_found_out_and_nobody_is_called_twice(database: Database) {
    let desk = Desk::start(&database, |config| config.calls.resolve_after_s = 1);
    runtime().block_on(async {
        // It places the first and says that it did not; the second it does not place and does not say so; it refuses the third.
        desk.fake.fail(twilio_rest::Asked::Place, [Fault::lie(500), Fault::status(503), Fault::status(400)]);
        let made = desk.make(json!({ "concurrency": 1 }), 4).await;
        let first = desk.next_call(0).await;
        desk.tell(&first, "completed").await;
        let last = desk.next_call(1).await;
        desk.tell(&last, "completed").await;
        let done = desk.becomes(&made["id"], "completed").await;
        assert_eq!((&done["progress"]["completed"], &done["progress"]["failed"]), (&json!(2), &json!(2)), "{done}");
        let leads = desk.leads(&made["id"]).await;
        assert_eq!(leads[0]["call_sid"], json!(desk.call_to(leads[0]["number"].as_str().unwrap()).sid));
        for lead in &leads[1..3] {
            assert_eq!((&lead["outcome"], &lead["call_sid"]), (&json!("not-placed"), &json!(null)), "{lead}");
            assert!(lead["error"].is_string());
        }
        assert_eq!((desk.fake.count(twilio_rest::Asked::Place), desk.fake.calls().len()), (4, 2));
    });
}
