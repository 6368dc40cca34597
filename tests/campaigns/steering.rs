//! Pausing, resuming, cancelling, and hours in which nobody is called.

use serde_json::{Value, json};

use super::desk::{Desk, runtime};
use crate::databases::{self, Database};
use crate::http_service::Asked as _;
use crate::service::until;

on_both_databases! {
    nobody_is_called_while_a_campaign_is_paused
    a_cancelled_campaign_lets_its_calls_end_and_calls_nobody_else
    nobody_is_called_outside_of_the_hours
    a_node_that_stops_in_order_gives_its_campaigns_to_the_others_at_once
}

/// Steers a campaign; the answer must have this status.
async fn steer(desk: &Desk, id: &Value, how: &str, status: u16) -> Value {
    let answer = desk.api("POST", &format!("/campaigns/{}/{how}", id.as_str().unwrap()), None).await;
    assert_eq!(answer.status, status, "{answer:?}");
    answer.json()
}

fn nobody_is_called_while_a_campaign_is_paused(database: Database) {
    let desk = Desk::start(&database, |_| {});
    runtime().block_on(async {
        let made = desk.make(json!({ "concurrency": 1, "start": false }), 2).await;
        let id = &made["id"];
        steer(&desk, id, "pause", 409).await;
        assert_eq!(steer(&desk, id, "resume", 200).await["state"], "running");
        let first = desk.next_call(0).await;
        assert_eq!(steer(&desk, id, "pause", 200).await["state"], "paused");
        assert_eq!(steer(&desk, id, "pause", 200).await["state"], "paused", "asking twice changes nothing");
        desk.tell(&first, "completed").await;
        // The first is seen to have ended, and the run is given back without a second call.
        let paused = desk.until(id, "the end of the first", |now| now["progress"]["completed"] == 1).await;
        assert_eq!((&paused["state"], &paused["progress"]["queued"]), (&json!("paused"), &json!(1)));
        until("the run is given back", || desk.service.figure("campaigns_live") == 0.0).await;
        assert_eq!(desk.fake.calls().len(), 1);
        steer(&desk, id, "resume", 200).await;
        let second = desk.next_call(1).await;
        desk.tell(&second, "completed").await;
        desk.becomes(id, "completed").await;
        for how in ["resume", "pause", "cancel"] {
            let refused = steer(&desk, id, how, 409).await;
            assert_eq!(refused["detail"], "the campaign is completed");
        }
    });
}

fn a_cancelled_campaign_lets_its_calls_end_and_calls_nobody_else(database: Database) {
    let desk = Desk::start(&database, |_| {});
    runtime().block_on(async {
        let made = desk.make(json!({ "concurrency": 1 }), 3).await;
        let first = desk.next_call(0).await;
        assert_eq!(steer(&desk, &made["id"], "cancel", 200).await["state"], "cancelled");
        let now = desk.until(&made["id"], "the rest is cancelled", |now| now["progress"]["cancelled"] == 2).await;
        assert_eq!(now["progress"]["queued"], 0);
        desk.tell(&first, "completed").await;
        let now = desk.until(&made["id"], "the first has ended", |now| now["progress"]["completed"] == 1).await;
        assert_eq!(now["state"], "cancelled");
        steer(&desk, &made["id"], "resume", 409).await;
        let never = desk.make(json!({ "start": false }), 2).await;
        steer(&desk, &never["id"], "cancel", 200).await;
        desk.until(&never["id"], "all are cancelled", |now| now["progress"]["cancelled"] == 2).await;
        assert_eq!(desk.fake.calls().len(), 1);
    });
}

fn nobody_is_called_outside_of_the_hours(database: Database) {
    let desk = Desk::start(&database, |_| {});
    runtime().block_on(async {
        // A minute that was two hours ago, by the clock of the place, whenever this test runs.
        let now = jiff::Timestamp::from_microsecond(trunkline::clock::wall_micros()).unwrap();
        let there = now.to_zoned(jiff::tz::TimeZone::UTC);
        let hour = (there.hour() + 22) % 24;
        let closed = json!({ "windows": [format!("{hour:02}:00-{hour:02}:01")], "time_zone": "UTC" });
        let waits = desk.make(closed, 1).await;
        until("it is run", || desk.service.figure("campaigns_live") == 1.0).await;
        // One that may call is made later and calls; the other has been looked at in the meantime, and has not.
        let open = json!({ "leads": [{ "number": "+14155570000" }], "windows": ["00:00-24:00"], "time_zone": "UTC" });
        let made = desk.make(open, 0).await;
        let call = desk.next_call(0).await;
        desk.tell(&call, "completed").await;
        desk.becomes(&made["id"], "completed").await;
        assert_eq!(call.to, "+14155570000");
        assert_eq!(desk.fake.calls().len(), 1);
        let now = desk.get(&format!("/campaigns/{}", waits["id"].as_str().unwrap())).await;
        assert_eq!((&now["state"], &now["progress"]["queued"]), (&json!("running"), &json!(1)));
    });
}

fn a_node_that_stops_in_order_gives_its_campaigns_to_the_others_at_once(database: Database) {
    // It looks at a campaign that has nobody to call as seldom as may be.
    let mut desk = Desk::start(&database, |config| {
        (config.campaigns.heartbeat_s, config.campaigns.lease_s) = (200, 600);
    });
    runtime().block_on(async {
        let made = desk.make(json!({ "concurrency": 1, "windows": ["mon 00:00-00:01"] }), 1).await;
        until("it is run", || desk.service.figure("campaigns_live") == 1.0).await;
        let (store, now) = (desk.service.store(), trunkline::clock::wall_micros());
        let take = || store.take_campaigns(&"other".into(), now, std::time::Duration::from_secs(600), 8).unwrap();
        assert!(take().is_empty(), "it is held");
        assert!(desk.service.stops().await);
        let taken = take();
        assert_eq!(taken.len(), 1);
        assert_eq!(json!(taken[0].campaign().id.as_str()), made["id"]);
    });
}
