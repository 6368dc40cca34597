//! The demo with a server that is not the real one: what the script, the report and the promises are worth.

mod receptionist;

use std::time::Duration;

use receptionist::{Manner, Receptionist};

use super::progress::Progress;
use super::report::DemoReport;
use super::script::Scenario;
use super::server::{DemoServer, Identity};
use super::twilio::ulaw::BYTES_PER_MS;
use super::{play, render};

fn tone(millis: usize) -> Vec<u8> {
    (0..millis * BYTES_PER_MS).map(|n| if n % 8 < 4 { 0x90 } else { 0x10 }).collect()
}

fn call(manner: Manner) -> DemoReport {
    let server: Box<dyn DemoServer> = Box::new(Receptionist::start(manner));
    let identity = Identity { account_sid: format!("AC{}", "0".repeat(32)), auth_token: receptionist::token() };
    let (message, interruption, goodbye) = (tone(400), tone(900), tone(300));
    let scenario = Scenario {
        message: &message,
        interruption: &interruption,
        goodbye: &goodbye,
        interrupt_after: Duration::from_millis(500),
    };
    let report = play(server.as_ref(), &identity, &scenario, &mut Progress::new(true)).unwrap();
    server.stop();
    report
}

fn broken(report: &DemoReport) -> Vec<&'static str> {
    report.promises.iter().filter(|promise| !promise.held).map(|promise| promise.name).collect()
}

#[test]
fn with_a_good_server_every_promise_is_kept_and_told() {
    let report = call(Manner::default());
    assert!(report.kept, "{}", render::render(&report));
    assert_eq!(report.promises.len(), 20);
    let text = render::render(&report);
    for part in ["heard: \"one two\", then interrupted", "heard: all of it", "completed", "call.wav", "kept"] {
        assert!(text.contains(part), "{part:?} is missing in:\n{text}");
    }
    assert!(text.ends_with("Verdict: every promise was kept, all 20 of them.\n"), "{text}");
    let json = report.to_json();
    assert_eq!(json.matches('\n').count(), 1, "one line");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["kept"], &json["status"]), (&true.into(), &"completed".into()));
    assert!(json["figures"]["barge_in_ear_ms"][0].as_u64().is_some_and(|reaction| reaction < 600), "{json}");
}

#[test]
fn a_server_that_speaks_on_after_its_clear_swaps_channels_and_invents_a_turn_is_seen_through() {
    let report = call(Manner { goes_on: true, swaps_channels: true, invents_a_turn: true });
    let expected = [
        "nothing of the interrupted response is sent after the clear",
        "the caller heard every stored turn of the agent",
        "the recording holds each voice where it spoke, and silence elsewhere",
    ];
    assert_eq!(broken(&report), expected);
    assert!(render::render(&report).contains("Verdict: 3 of 20 promises were broken.\n"));
    assert!(!report.kept);
}

#[test]
fn a_demo_that_could_not_be_played_is_an_object_too() {
    let json: serde_json::Value = serde_json::from_str(&super::report::failure_json("no \"server\"")).unwrap();
    assert_eq!((&json["kept"], &json["verdict"]), (&false.into(), &"no \"server\"".into()));
}
