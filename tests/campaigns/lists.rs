//! What is taken as a list, and what is told of one that is not.

use serde_json::{Value, json};

use super::desk::{Desk, runtime};
use super::webhook::{OURS, number};
use crate::databases::{self, Database};

on_both_databases! {
    a_list_is_taken_whole_or_not_at_all
    a_business_sees_its_own_campaigns_and_no_other
}

fn fields(problem: &Value) -> Vec<&str> {
    problem["errors"].as_array().unwrap().iter().map(|error| error["field"].as_str().unwrap()).collect()
}

fn a_list_is_taken_whole_or_not_at_all(database: Database) {
    let desk = Desk::start(&database, |config| config.campaigns.max_leads = 5);
    runtime().block_on(async {
        let bad = format!("number,customer\n{},Anna\n5551,Ben\n{OURS},Ida\n{},Carl\n", number(1), number(1));
        let refused = desk.try_make(json!({ "csv": bad }), 0, 422).await;
        assert_eq!(fields(&refused), ["csv line 3", "csv line 4", "csv line 5"], "{refused}");
        assert!(refused["errors"][2]["detail"].as_str().unwrap().contains("line 2"), "{refused}");
        let rows = json!([{ "number": number(1) }, { "number": "0800" }, { "number": number(1) }]);
        let refused = desk.try_make(json!({ "leads": rows }), 0, 422).await;
        assert_eq!(fields(&refused), ["leads[1].number", "leads[2].number"], "{refused}");
        for (more, leads, field) in [
            (json!({}), 6, "leads"),
            (json!({}), 0, "leads"),
            (json!({ "csv": "number\n" }), 1, "leads"),
            (json!({ "csv": "number\n" }), 0, "csv"),
            (json!({ "windows": ["09:00-17:00", "mon 9-17"] }), 1, "windows[1]"),
            (json!({ "time_zone": "Berlin" }), 1, "time_zone"),
            (json!({ "from": "+14155550000" }), 1, "from"),
            (json!({ "concurrency": 0 }), 1, "concurrency"),
            (json!({ "on_machine": "leave_message" }), 1, "message"),
            (json!({ "name": " " }), 1, "name"),
            (json!({ "colour": "red" }), 1, "colour"),
        ] {
            let refused = desk.try_make(more, leads, 422).await;
            assert_eq!(fields(&refused), [field], "{refused}");
        }
        assert_eq!(desk.get("/campaigns").await["items"], json!([]), "nothing of it was kept");

        let good = format!("\u{feff}customer;number\r\n\"Anna; of the Mill\";{}\r\n;{}\r\n", number(1), number(2));
        let asked = json!({
            "csv": good, "start": false, "context": { "offer": "bread" }, "windows": ["Mon-Fri 09:00-17:30"],
            "time_zone": "europe/berlin",
        });
        let made = desk.make(asked, 0).await;
        assert_eq!((&made["state"], &made["progress"]["queued"]), (&json!("pending"), &json!(2)), "{made}");
        assert_eq!(
            (&made["windows"], &made["time_zone"]),
            (&json!(["mon,tue,wed,thu,fri 09:00-17:30"]), &json!("Europe/Berlin"))
        );
        let leads = desk.leads(&made["id"]).await;
        assert_eq!(leads[0]["variables"], json!({ "customer": "Anna; of the Mill" }));
        assert_eq!((&leads[1]["variables"], &leads[1]["attempts"]), (&json!({}), &json!(0)));
        assert_eq!(desk.get("/campaigns").await["items"][0]["id"], made["id"]);
        assert!(desk.called().is_empty());
    });
}

fn a_business_sees_its_own_campaigns_and_no_other(database: Database) {
    let desk = Desk::start(&database, |config| {
        let mut florist = config.business[0].clone();
        florist.name = "Florist".parse().unwrap();
        florist.number = "+14155550198".parse().unwrap();
        config.business.push(florist);
    });
    runtime().block_on(async {
        let made = desk.make(json!({ "start": false }), 2).await;
        let path = format!("/campaigns/{}", made["id"].as_str().unwrap());
        let token = json!({ "name": "florist", "scope": "business", "business": "Florist" });
        let theirs = desk.api("POST", "/tokens", Some(token)).await.json()["text"].as_str().unwrap().to_owned();
        let viewer = json!({ "name": "viewer", "scope": "viewer" });
        let viewer = desk.api("POST", "/tokens", Some(viewer)).await.json()["text"].as_str().unwrap().to_owned();
        for (method, path) in [
            ("GET", path.clone()),
            ("GET", format!("{path}/leads")),
            ("POST", format!("{path}/pause")),
            ("POST", format!("{path}/resume")),
            ("POST", format!("{path}/cancel")),
            ("GET", "/campaigns/CP00000000000000000000000000000000".to_owned()),
            ("GET", "/campaigns/none".to_owned()),
        ] {
            assert_eq!(desk.ask_as(&theirs, method, &path, None).await.status, 404, "{method} {path}");
        }
        assert_eq!(desk.ask_as(&theirs, "GET", "/campaigns", None).await.json()["items"], json!([]));
        let body = json!({ "business": "Reception", "name": "x", "leads": [{ "number": number(1) }] });
        assert_eq!(desk.ask_as(&theirs, "POST", "/campaigns", Some(body)).await.status, 404);
        assert_eq!(desk.ask_as(&viewer, "GET", &path, None).await.status, 200);
        assert_eq!(desk.ask_as(&viewer, "POST", &format!("{path}/cancel"), None).await.status, 403);
        let unknown = json!({ "business": "Nobody" });
        desk.try_make(unknown, 1, 404).await;
    });
}
