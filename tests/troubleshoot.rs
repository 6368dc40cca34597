//! `trunkline troubleshoot`, beside a service that runs on the same database.

#[path = "support/program.rs"]
mod program;
#[path = "support/service.rs"]
mod service;
#[path = "support/skip.rs"]
mod skip;

use std::fs;
use std::path::Path;

use program::{Ended, trunkline};
use serde_json::{Value, json};
use service::{CALLER, INTERRUPTION, PATIENCE, Service, ms, until};
use trunkline::engine::quality::{Fault, judge};

async fn troubleshoot(service: &Service, arguments: &[&str]) -> Ended {
    let all: Vec<&str> = [&["troubleshoot"], arguments].concat();
    let program = trunkline(&all).env("TRUNKLINE__DATA_DIR", service.folder.path().to_str().unwrap());
    tokio::task::spawn_blocking(move || program.ends()).await.unwrap()
}

/// The object that it prints for this call.
async fn object(service: &Service, which: &str) -> Value {
    let told = troubleshoot(service, &[which, "--json"]).await;
    assert_eq!((told.code, told.err.as_str(), told.out.lines().count()), (0, "", 1), "{told:?}");
    serde_json::from_str(&told.out).unwrap()
}

#[tokio::test]
async fn a_call_is_told_with_its_verdict_turns_and_interruption() {
    let service = Service::start();
    let call = service.call().await;
    call.wait_until_agent_has_spoken_for(ms(1_200), PATIENCE).await.unwrap();
    call.speak(INTERRUPTION).await.unwrap();
    call.wait_until_agent_has_spoken_for(ms(300), PATIENCE).await.unwrap();
    let (report, facts) = service.hang_up(call).await;
    let (sid, quality) = (&report.call.call_sid, judge(facts.stats(), facts.cause()));

    let told = troubleshoot(&service, &[sid]).await;
    assert_eq!((told.code, told.err.as_str()), (0, ""), "{told:?}");
    assert!(told.out.lines().all(|line| line.chars().count() <= 80), "{}", told.out);
    for said in [
        format!("Call {sid}\n"),
        format!("inbound from {CALLER} to "),
        "the agent of business Reception".to_owned(),
        "caller_hung_up: the caller hung up".to_owned(),
        format!("{}, {} of 100 points", quality.verdict.word(), quality.score),
        "completed ".to_owned(),
        "Hello. Thank you for calling.".to_owned(),
        "cut short; heard: ".to_owned(),
        "ms of the agent's words, decided in ".to_owned(),
        format!("{} times, {} frames missing", facts.stats().underflow_events, facts.stats().underflow_frames),
        "Errors of the agent\n  none\n".to_owned(),
    ] {
        assert!(told.out.contains(&said), "{said:?} in\n{}", told.out);
    }
    assert_eq!(told.out.matches("decided in").count(), facts.stats().barge_ins as usize);
    for finding in &quality.findings {
        assert!(told.out.contains(finding.fault.word()), "{}", told.out);
    }
    assert_eq!(told.out.contains("nothing is wrong with this call"), quality.findings.is_empty());

    let found = object(&service, sid).await;
    assert_eq!(
        (&found["call"]["call_sid"], &found["end"]["cause"]),
        (&json!(sid), &json!("caller_hung_up")),
        "{found}"
    );
    assert_eq!(found["end"]["quality"]["score"], json!(quality.score));
    assert_eq!(found["turns"].as_array().unwrap().len(), facts.turns.len());
    let first_audio = facts.events.iter().find(|event| event.what == "first_audio").unwrap();
    assert_eq!(found["waits"][0], json!({ "turn": 1, "wait_ms": first_audio.ids["after_ms"] }));
    assert_eq!(found["figures"]["agent_frames"], json!(facts.stats().agent_frames));

    assert_eq!(object(&service, "--last").await["call"], found["call"]);
    let told = troubleshoot(&service, &["--list"]).await;
    let line = format!(" {sid} {:<9} {:>3} Reception\n", quality.verdict.word(), quality.score);
    assert!(told.code == 0 && told.out.ends_with(&line) && told.out.lines().count() == 1, "{told:?}");
    let listed: Value = serde_json::from_str(&troubleshoot(&service, &["--list", "--json"]).await.out).unwrap();
    assert_eq!((&listed["call_sid"], &listed["verdict"]), (&json!(sid), &json!(quality.verdict.word())));
    service.stops_at_once().await;
}

#[tokio::test]
async fn a_carrier_that_talks_nonsense_is_named_with_a_remedy() {
    let service = Service::start();
    let call = service.call().await;
    call.wait_until_agent_has_spoken_for(ms(300), PATIENCE).await.unwrap();
    for _ in 0..12 {
        call.send_text("no sense at all");
    }
    call.wait_until_agent_has_spoken_for(ms(1_200), PATIENCE).await.unwrap();
    let (report, facts) = service.hang_up(call).await;
    assert_eq!(facts.stats().media_faults, 12);

    let told = troubleshoot(&service, &[&report.call.call_sid]).await;
    let named = [
        "  media-faults: minor, 20 points; messages without sense: 12\n",
        "    cause       messages on the media socket made no sense\n",
        "    so          what they carried was lost\n",
        "    remedy      check what stands between the carrier and this service\n",
    ]
    .concat();
    assert!(told.code == 0 && told.out.contains(&named), "{}", told.out);
    let found = object(&service, "--last").await;
    let findings = found["end"]["quality"]["findings"].as_array().unwrap();
    assert!(findings.iter().any(|finding| finding["fault"] == "media-faults" && finding["points"] == 20), "{found}");
}

#[tokio::test]
async fn what_can_not_be_told_is_said_plainly() {
    let service = Service::start();
    let none = troubleshoot(&service, &["--last"]).await;
    assert!(none.code == 1 && none.err.starts_with("there is no call in this database"), "{none:?}");
    assert_eq!(troubleshoot(&service, &["--list"]).await.code, 1);

    let call = service.call().await;
    let sid = call.identity().call_sid.clone();
    let (store, row) = (service.store(), sid.parse().unwrap());
    until("its row is there", || store.call(&row).unwrap().is_some_and(|row| row.answered_at.is_some())).await;
    let live = troubleshoot(&service, &[&sid]).await;
    assert_eq!((live.code, live.out.as_str()), (1, ""), "{live:?}");
    assert!(live.err.starts_with(&format!("{sid} is not over (in-progress)")), "{live:?}");
    let none_over = troubleshoot(&service, &["--last"]).await;
    assert!(none_over.code == 1 && none_over.err.starts_with("no call is over yet"), "{none_over:?}");
    assert!(troubleshoot(&service, &["--list"]).await.out.contains(&format!("{sid} in-progress")));

    let nobody = "CA00000000000000000000000000000000";
    let unknown = troubleshoot(&service, &[nobody]).await;
    assert!(unknown.code == 1 && unknown.err.starts_with(&format!("{nobody} is unknown")), "{unknown:?}");
    for unusable in [&[][..], &["--last", "--list"], &[nobody, "--last"], &["nonsense"]] {
        assert_eq!(troubleshoot(&service, unusable).await.code, 2, "{unusable:?}");
    }
    let program = trunkline(&["troubleshoot", "--last", "--config", "/nowhere.toml"]);
    assert_eq!(program.ends().code, 2);
    service.hang_up(call).await;
}

#[test]
fn a_database_that_is_not_there_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("nothing");
    let told = trunkline(&["troubleshoot", "--last"]).env("TRUNKLINE__DATA_DIR", place.to_str().unwrap()).ends();
    assert!(told.code == 1 && told.err.starts_with("there is no call in this database"), "{told:?}");
    assert!(!place.exists());
}

#[test]
fn the_guide_has_the_table_by_which_calls_are_judged() {
    let read = |path: &str| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let (source, guide) = (read("src/engine/quality/mod.rs"), read("docs/troubleshooting.md"));
    let rows = |text: &str, begin: &str| -> Vec<String> {
        let row = |line: &str| line.strip_prefix(begin).filter(|row| row.starts_with("| `")).map(str::to_owned);
        text.lines().filter_map(row).collect()
    };
    let in_guide: Vec<String> = rows(&guide, "").into_iter().filter(|row| row.matches('|').count() == 5).collect();
    assert_eq!(in_guide, rows(&source, "//! "));
    let named: Vec<&str> = in_guide.iter().filter_map(|row| row.split('`').nth(1)).collect();
    assert_eq!(named, Fault::ALL.map(Fault::word));
}
