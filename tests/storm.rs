//! `trunkline storm --spawn` against the service as it is built for tests: the counts are right, whatever the speed.

use std::process::{Command, Output};

use serde_json::Value;

/// How the storm ends is judged by what was lost or went wrong; no time is.
const COUNTS_ONLY: &str = "none,lost=0,doubled=0,refused=0,errors=0,unanswered=0";

fn storm(words: &[&str]) -> (Output, Value) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trunkline"));
    let output = command
        .args(["storm", "--spawn", "--json", "--set", "media.max_lateness_ms=0", "--slo", COUNTS_ONLY])
        .args(words)
        .output()
        .unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {}", String::from_utf8_lossy(&output.stderr));
    });
    (output, report)
}

fn assert_good(output: &Output, report: &Value) {
    let said = String::from_utf8_lossy(&output.stderr);
    // On a machine as busy as a test's, the storm may have had too little time of its own; that is no fault.
    assert!(output.status.success() || report["is_valid"] == false, "{report:#}\n{said}");
    for run in report["runs"].as_array().unwrap() {
        let stage = &run["stages"][0];
        assert_eq!((&stage["started"], &stage["completed"]), (&10.into(), &10.into()), "{report:#}\n{said}");
        for none in ["lost", "doubled", "stale", "foreign", "refused"] {
            assert_eq!(stage[none], 0, "{none}: {report:#}\n{said}");
        }
        assert_eq!(stage["errors"], serde_json::json!({}), "{said}");
        assert_eq!(stage["greeting"]["count"], 10, "{report:#}");
        assert!(stage["response"]["count"].as_u64() >= Some(10), "{report:#}");
        assert!(stage["engine"]["cpu_ms_per_call_second"].as_f64() > Some(0.0), "{report:#}");
    }
}

#[test]
fn ten_calls_are_answered_whole_by_the_engine_and_by_the_floor() {
    let words = ["--floor", "--calls", "10", "--ramp", "1", "--hold", "5", "--talk", "listen speak=600"];
    let (output, report) = storm(&[&words[..], &["--vendor-answer", "1000"]].concat());
    assert_eq!(report["runs"].as_array().map(Vec::len), Some(2));
    assert_good(&output, &report);
}

#[test]
fn linear_audio_is_followed_through_resampling() {
    let words = ["--calls", "10", "--ramp", "1", "--hold", "5", "--talk", "listen speak=600", "--audio", "pcm24"];
    let (output, report) = storm(&[&words[..], &["--vendor-answer", "1000"]].concat());
    assert_good(&output, &report);
    assert!(report["runs"][0]["stages"][0]["gap"]["count"].as_u64() > Some(100), "{report:#}");
}

#[test]
fn ten_calls_from_a_pbx_are_answered_whole() {
    let words = ["--protocol", "audiosocket", "--calls", "10", "--ramp", "1", "--hold", "5"];
    let (output, report) = storm(&[&words[..], &["--talk", "listen speak=600", "--vendor-answer", "1000"]].concat());
    assert_good(&output, &report);
}

#[test]
fn ten_calls_are_answered_whole_by_deepgram() {
    let words = ["--agent", "deepgram", "--calls", "10", "--ramp", "1", "--hold", "5", "--talk", "listen speak=600"];
    let (output, report) = storm(&[&words[..], &["--vendor-answer", "1000"]].concat());
    assert_good(&output, &report);
    assert_eq!(report["audio"], "pcm8", "{report:#}");
}

#[test]
fn a_command_line_that_makes_no_sense_is_refused_by_name() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trunkline"));
    let output = command.args(["storm", "--vendor-burst", "fast"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--vendor-burst"));
}
