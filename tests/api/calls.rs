//! Calls, as an operator sees and ends them.

use serde_json::{Value, json};
use trunkline::engine::quality::judge;

use crate::databases::Database;
use crate::http_service::{Asked as _, Caller};
use crate::service::{CALLED, CALLER, PATIENCE, Service, ms, until};
use crate::{ADMIN, BAKERY, FLORIST, Interface, problem, service};

#[tokio::test]
async fn an_operator_watches_a_call_and_ends_it() {
    let service = service(|_| {});
    let call = service.carrier.inbound_call(CALLER, BAKERY).await.unwrap();
    let sid = call.identity().call_sid.clone();
    let store = service.store();
    let row = sid.parse().unwrap();
    until("its row is there", || store.call(&row).unwrap().is_some_and(|row| row.answered_at.is_some())).await;
    call.wait_until_agent_has_spoken_for(ms(20), PATIENCE).await.unwrap();
    let live = service.read("/calls/live").await.json();
    assert_eq!(live["items"].as_array().unwrap().len(), 1, "{live}");
    assert_eq!((&live["items"][0]["call_sid"], &live["items"][0]["business"]), (&json!(sid), &json!("Bakery")));
    assert_eq!(live["items"][0]["direction"], "inbound");
    let florist = service.token_for("business Florist").await;
    assert_eq!(service.read_as(&florist, "/calls/live").await.json(), json!({ "items": [] }));
    let path = format!("/calls/{sid}/hangup");
    assert_eq!(service.post(&florist, &path, &Value::Null).await.status, 404, "it is not theirs to end");
    assert_eq!(service.post(&service.token_for("viewer").await, &path, &Value::Null).await.status, 403);

    let bakery = service.token_for("business Bakery").await;
    let ended = service.post(&bakery, &path, &Value::Null).await;
    assert_eq!((ended.status, ended.json()), (202, json!({ "call_sid": sid })));
    let (_, facts) = service.ended(call).await;
    assert_eq!(facts.cause().as_str(), "operator_hung_up");

    let record = service.read(&format!("/calls/{sid}")).await.json();
    assert_eq!((&record["call"]["call_sid"], &record["call"]["from"]), (&json!(sid), &json!(CALLER)), "{record}");
    assert_eq!(record["end"]["cause"], "operator_hung_up");
    let judged = judge(facts.stats(), facts.cause());
    let quality = &record["end"]["quality"];
    assert_eq!((&quality["score"], &quality["verdict"]), (&json!(judged.score), &json!(judged.verdict.word())));
    let named: Vec<_> = judged.findings.iter().map(|finding| json!(finding.fault.word())).collect();
    let told: Vec<_> = quality["findings"].as_array().unwrap().iter().map(|finding| finding["fault"].clone()).collect();
    assert_eq!(told, named, "{quality}");
    let count = |list: &str| record[list].as_array().unwrap().len();
    assert_eq!(count("turns"), facts.turns.len());
    assert_eq!(count("timeline"), facts.events.len());
    assert!(count("history") >= 2 && count("timeline") > 0, "{record}");
    assert_eq!(service.read("/calls/live").await.json(), json!({ "items": [] }));
}

#[tokio::test]
async fn a_call_that_is_not_alive_here_is_ended_by_its_carrier_or_not_at_all() {
    let service = service(|_| {}); // its carrier's interface can't be reached
    let (open, over) = (Caller::new(), Caller::new());
    assert_eq!(service.webhook(open.status("in-progress", &[])).await.status, 204);
    assert_eq!(service.webhook(over.status("completed", &[])).await.status, 204);
    for (sid, status, word) in [
        (open.call_sid.as_str(), 503, "the carrier can't be reached"),
        (&over.call_sid, 409, "is over"),
        ("CA00000000000000000000000000000000", 404, "no such call"),
        ("nonsense", 404, "no such call"),
    ] {
        let answer = service.post(ADMIN, &format!("/calls/{sid}/hangup"), &Value::Null).await;
        let detail = problem(&answer)["detail"].as_str().unwrap().to_owned();
        assert!(answer.status == status && detail.contains(word), "{answer:?}");
    }
}

#[tokio::test]
async fn the_list_is_filtered_by_everything_that_is_given() {
    let databases = [Some(Database::sqlite()), cfg!(feature = "postgres").then(Database::shared_postgres).flatten()];
    for database in databases.into_iter().flatten() {
        let service = service(|config| config.database.url = Some(database.url.parse().unwrap()));
        let mut sids = Vec::new();
        for (number, status, second) in
            [(BAKERY, "completed", 1), (BAKERY, "busy", 2), (FLORIST, "completed", 3), (CALLED, "ringing", 4)]
        {
            sids.push(a_call(&service, number, status, second).await);
        }
        for (query, expected) in [
            ("", vec![3, 2, 1, 0]),
            ("?business=Bakery", vec![1, 0]),
            ("?status=completed", vec![2, 0]),
            ("?business=Bakery&status=completed", vec![0]),
            ("?direction=inbound", vec![3, 2, 1, 0]),
            ("?direction=outbound", vec![]),
            ("?number=%2B14155550171", vec![1, 0]),
            ("?number=+14155550100", vec![3, 2, 1, 0]),
            ("?since=2020-11-03T10:15:02Z", vec![3, 2, 1]),
            ("?until=2020-11-03T10:15:02Z", vec![0]),
            ("?since=2020-11-03T11:15:02%2B01:00&until=2020-11-03T10:15:04Z", vec![2, 1]),
            ("?since=2999-01-01T00:00:00Z", vec![]),
        ] {
            let page = service.read(&format!("/calls{query}")).await.json();
            let found: Vec<&str> =
                page["items"].as_array().unwrap().iter().map(|call| call["call_sid"].as_str().unwrap()).collect();
            let expected: Vec<&str> = expected.into_iter().map(|index: usize| sids[index].as_str()).collect();
            assert_eq!(found, expected, "{query}");
            assert_eq!(page["next_cursor"], Value::Null);
        }
        let page = service.read("/calls?limit=3").await.json();
        let next = page["next_cursor"].as_str().unwrap();
        let rest = service.read(&format!("/calls?limit=3&cursor={next}")).await.json();
        assert_eq!((&rest["items"][0]["call_sid"], &rest["next_cursor"]), (&json!(sids[0]), &Value::Null));
        assert_eq!(rest["items"].as_array().unwrap().len(), 1);
    }
}

/// A call to this number that came to this status at 10:15 and so many seconds; its name.
async fn a_call(service: &Service, number: &str, status: &str, second: u32) -> String {
    let caller = Caller::of(number);
    let at = format!("Tue, 03 Nov 2020 10:15:{second:02} +0000");
    let mut fields = caller.fields(status, &[("Timestamp", &at)]);
    fields.retain(|(name, _)| name != "Business");
    let request = crate::http_service::Request::form("/twilio/status", &fields);
    // The voice webhook is what looks the business up.
    assert_eq!(service.webhook(caller.voice()).await.status, 200);
    assert_eq!(service.webhook(request).await.status, 204);
    let store = service.store();
    let sid = caller.sid();
    until("the row is there", || store.call(&sid).unwrap().is_some()).await;
    caller.call_sid
}
