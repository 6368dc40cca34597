use super::*;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;

use crate::engine::call::{AgentCounter, AgentLoss, CallStats, FrameDrop, HangupCause};
use crate::engine::ids::{BusinessId, CallSid};

fn call(number: u32) -> CallSid {
    format!("CA{number:032x}").parse().unwrap()
}

fn stats() -> CallStats {
    CallStats {
        length: Duration::from_secs(42),
        caller_frames: 2_100,
        forwarded_frames: 2_095,
        dropped_frames: 5,
        agent_frames: 900,
        underflow_events: 1,
        underflow_frames: 3,
        vad_frames: 2_100,
        vad_speech_frames: 700,
        turns: 4,
        barge_ins: 1,
        barge_in_slowest: Some(Duration::from_millis(20)),
        first_audio: Some(Duration::from_millis(310)),
        response_total: Duration::from_millis(1_000),
        responses: 2,
        ..CallStats::default()
    }
}

/// Everything that a good call of ten minutes brings.
fn good_call(telemetry: &Telemetry, number: u32) {
    let (call, business) = (call(number), "Bakery".parse::<BusinessId>().unwrap());
    let ms = Duration::from_millis;
    telemetry.record(Event::WebhookAnswered { endpoint: "/twilio/voice", status: 200, took: ms(12) });
    telemetry.record(Event::StatusStored { changed: true });
    telemetry.record(Event::CallBegan { call: &call, business: &business, agent: "openai" });
    telemetry.record(Event::FirstAudio { of: "greeting", after: ms(310) });
    for _ in 0..30_000 {
        telemetry.record(Event::FrameDropped { why: FrameDrop::AgentBehind });
    }
    telemetry.record(Event::BargeIn { reaction: ms(20) });
    telemetry.record(Event::FirstAudio { of: "answer", after: ms(480) });
    telemetry.record(Event::MediaFault { kind: "not_json" });
    telemetry.record(Event::AgentCounted { agent: "openai", counter: AgentCounter::UnknownEvent });
    telemetry.record(Event::AgentCounted { agent: "openai", counter: AgentCounter::Renewed });
    telemetry.record(Event::Spooled { kind: "turn" });
    telemetry.record(Event::CallEnded { call: &call, cause: HangupCause::CallerHungUp, stats: &stats() });
    telemetry.record(Event::WebhookAnswered { endpoint: "/twilio/status", status: 204, took: ms(9) });
}

/// Everything that can go wrong.
fn faults<'a>(call: &'a CallSid, error: &'a str) -> Vec<Event<'a>> {
    vec![
        Event::ConfigWarning { finding: error },
        Event::CallRefused { why: Refusal::BadSignature },
        Event::CallRefused { why: Refusal::Draining },
        Event::CallRefused { why: Refusal::Overloaded },
        Event::WebhookAnswered { endpoint: "/twilio/voice", status: 500, took: Duration::ZERO },
        Event::SpoolFailed { error },
        Event::SpoolRejected { error },
        Event::DatabaseLost { error },
        Event::AgentLost { call, agent: "openai", loss: AgentLoss::Refused, detail: error },
        Event::AgentLost { call, agent: "openai", loss: AgentLoss::Dropped, detail: error },
        Event::AgentCounted { agent: "openai", counter: AgentCounter::FormatFallback },
        Event::PanicCaught { actor: "call", message: error },
        Event::CallFileFailed { call, kind: "recording", error },
        Event::CarrierFailed { call, error },
        Event::AriLost { error },
        Event::AriFailed { error },
        Event::RecordingNotDeleted { call, place: "carrier", error },
        Event::PartialFilesNotSwept { error },
        Event::RecordingAsked { call, result: "failed", error },
        Event::PlaybackBroken { call, error },
        Event::OwnRecording { call, result: "delayed", error },
    ]
}

/// The value of a line of the rendered page.
fn metric(page: &str, series: &str) -> f64 {
    let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{series} is not in\n{page}")).parse().unwrap()
}

#[test]
fn a_good_call_logs_two_lines_and_the_second_has_everything() {
    let telemetry = Telemetry::for_tests();
    good_call(&telemetry, 1);
    let logged = telemetry.logged();
    assert_eq!(logged.len(), 2, "{logged:#?}");
    assert_eq!(logged[0], format!("INFO call began call_sid={} business=Bakery agent=openai", call(1)));
    assert!(logged[1].starts_with(&format!("INFO call ended call_sid={} cause=caller_hung_up seconds=42", call(1))));
    for pair in ["turns=4", "first_audio_ms=310", "response_mean_ms=500", "barge_ins=1", "dropped_frames=5"] {
        assert!(logged[1].contains(pair), "{pair} is not in {}", logged[1]);
    }
}

#[test]
fn what_goes_wrong_is_said_once_and_counted_each_time() {
    let telemetry = Telemetry::for_tests();
    let call = call(1);
    for _ in 0..100 {
        faults(&call, "no").into_iter().skip(1).for_each(|fault| telemetry.record(fault));
    }
    let logged = telemetry.logged();
    assert_eq!(logged.len(), 19, "all but the refusal while draining: {logged:#?}");
    assert!(logged.iter().all(|line| line.starts_with("WARN") || line.starts_with("ERRO")));
    assert_eq!(metric(&telemetry.render(), "trunkline_agent_losses_total{agent=\"openai\",loss=\"dropped\"}"), 100.0);
    assert_eq!(metric(&telemetry.render(), "trunkline_calls_refused_total{reason=\"draining\"}"), 100.0);
}

/// What [`hand_moved`] shows, in seconds after its start. One test moves it.
static SECONDS: AtomicU64 = AtomicU64::new(0);

#[allow(clippy::disallowed_methods, reason = "instants are only made by clocks; this one is counted from")]
fn hand_moved() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    *START.get_or_init(Instant::now) + Duration::from_secs(SECONDS.load(Ordering::Relaxed))
}

#[test]
fn a_fault_that_goes_on_is_said_again_after_a_while_with_the_number_held_back() {
    let mut telemetry = Telemetry::for_tests();
    Arc::get_mut(&mut telemetry.0).unwrap().now = Some(hand_moved);
    for seconds in [0, 1, 4, 5, 6] {
        SECONDS.store(seconds, Ordering::Relaxed);
        telemetry.record(Event::SpoolFailed { error: "disk full" });
    }
    let line = "ERRO spool can't be written: records are lost error=disk full";
    assert_eq!(telemetry.logged(), [line.to_owned(), format!("{line} held_back=2")]);
    assert_eq!(metric(&telemetry.render(), "trunkline_log_lines_held_back_total"), 3.0);
    assert_eq!(metric(&telemetry.render(), "trunkline_spool_failures_total"), 5.0);
}

#[test]
fn the_database_is_lost_once_and_comes_back_once() {
    let telemetry = Telemetry::for_tests();
    telemetry.record(Event::DatabaseBack);
    for _ in 0..3 {
        telemetry.record(Event::DatabaseLost { error: "refused" });
    }
    assert_eq!(metric(&telemetry.render(), "trunkline_database_up"), 0.0);
    telemetry.record(Event::DatabaseBack);
    telemetry.record(Event::DatabaseBack);
    assert_eq!(metric(&telemetry.render(), "trunkline_database_up"), 1.0);
    assert_eq!(telemetry.logged().len(), 2, "{:#?}", telemetry.logged());
}

#[test]
fn no_line_holds_what_is_personal_whatever_others_put_into_their_errors() {
    let telemetry = Telemetry::for_tests();
    let call = call(0xabc_def);
    faults(&call, "+15005550006 via postgres://u:hunter2@db\nsk-abc")
        .into_iter()
        .for_each(|fault| telemetry.record(fault));
    let text = telemetry.logged().join("\n");
    for secret in ["15005550006", "hunter2", "sk-abc", "\nsk"] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[test]
fn figures_of_calls_are_summed_at_their_end() {
    let telemetry = Telemetry::silent();
    good_call(&telemetry, 1);
    good_call(&telemetry, 2);
    let business = "Bakery".parse::<BusinessId>().unwrap();
    telemetry.record(Event::CallBegan { call: &call(3), business: &business, agent: "local" });
    let page = telemetry.render();
    for (series, value) in [
        ("trunkline_calls_live", 1.0),
        ("trunkline_calls_begun_total", 3.0),
        ("trunkline_calls_ended_total{cause=\"caller_hung_up\"}", 2.0),
        ("trunkline_calls_ended_total{cause=\"internal_fault\"}", 0.0),
        ("trunkline_call_verdicts_total{verdict=\"EXCELLENT\"}", 2.0),
        ("trunkline_call_verdicts_total{verdict=\"CRITICAL\"}", 0.0),
        ("trunkline_call_duration_seconds_sum", 84.0),
        ("trunkline_caller_frames_total", 4_200.0),
        ("trunkline_underflow_frames_total", 6.0),
        ("trunkline_caller_frames_dropped_total{reason=\"agent_behind\"}", 60_000.0),
        ("trunkline_barge_in_reaction_seconds_bucket{le=\"0.02\"}", 2.0),
        ("trunkline_first_audio_seconds_count{of=\"greeting\"}", 2.0),
        ("trunkline_webhooks_answered_total{endpoint=\"/twilio/voice\",status=\"200\"}", 2.0),
        ("trunkline_log_lines_dropped_total", 0.0),
    ] {
        assert_eq!(metric(&page, series), value, "{series}");
    }
}

#[test]
fn more_calls_make_no_more_time_series() {
    let telemetry = Telemetry::silent();
    good_call(&telemetry, 1);
    faults(&call(1), "x").into_iter().for_each(|fault| telemetry.record(fault));
    let few = telemetry.render().lines().count();
    for number in 2..20 {
        good_call(&telemetry, number);
        faults(&call(number), "y").into_iter().for_each(|fault| telemetry.record(fault));
    }
    assert_eq!(telemetry.render().lines().count(), few);
    assert!(!telemetry.render().contains("Bakery") && !telemetry.render().contains("CA000"));
}

#[test]
fn a_mailbox_is_metered_by_kind_of_actor() {
    let telemetry = Telemetry::silent();
    let meter = telemetry.mailbox("call");
    (0..3).for_each(|_| meter.actor_started());
    meter.actor_ended();
    for _ in 0..3 {
        telemetry.mailbox("call").enqueued();
    }
    meter.dequeued(Duration::from_millis(2));
    meter.handled(Duration::from_micros(60));
    meter.refused();
    assert_eq!(meter.depth(), 1);
    let page = telemetry.render();
    for (series, value) in [
        ("trunkline_actors_alive{actor=\"call\"}", 2.0),
        ("trunkline_mailbox_depth{actor=\"call\"}", 1.0),
        ("trunkline_mailbox_handled_total{actor=\"call\"}", 1.0),
        ("trunkline_mailbox_refused_total{actor=\"call\"}", 1.0),
        ("trunkline_mailbox_wait_seconds_bucket{actor=\"call\",le=\"0.005\"}", 1.0),
        ("trunkline_mailbox_handling_seconds_bucket{actor=\"call\",le=\"0.00005\"}", 0.0),
        ("trunkline_mailbox_handling_seconds_bucket{actor=\"call\",le=\"0.0001\"}", 1.0),
    ] {
        assert_eq!(metric(&page, series), value, "{series}");
    }
}

#[test]
fn ticks_are_counted_once_they_are_flushed_and_late_threads_while_they_are_late() {
    let telemetry = Telemetry::silent();
    let meter = telemetry.thread_meter();
    meter.ticked(Duration::from_micros(400));
    meter.ticked(Duration::from_micros(16_500));
    assert_eq!(metric(&telemetry.render(), "trunkline_tick_lateness_seconds_count"), 0.0);
    meter.flush();
    let mut other = telemetry.thread_meter();
    other.tasks_alive(3);
    other.tasks_alive(2);
    telemetry.record(Event::ThreadLate);
    let page = telemetry.render();
    for (series, value) in [
        ("trunkline_tick_lateness_seconds_count", 2.0),
        ("trunkline_tick_lateness_seconds_bucket{le=\"0.015\"}", 1.0),
        ("trunkline_tick_lateness_seconds_bucket{le=\"0.02\"}", 2.0),
        ("trunkline_late_threads", 1.0),
        ("trunkline_tasks_alive", 2.0),
    ] {
        assert_eq!(metric(&page, series), value, "{series}");
    }
    telemetry.record(Event::ThreadInTime);
    drop(other);
    let page = telemetry.render();
    assert_eq!((metric(&page, "trunkline_late_threads"), metric(&page, "trunkline_tasks_alive")), (0.0, 0.0));
}

#[test]
fn every_metric_is_named_helped_and_counted_as_prometheus_wants() {
    let telemetry = Telemetry::silent();
    telemetry.mailbox("call").enqueued();
    good_call(&telemetry, 1);
    faults(&call(1), "x").into_iter().for_each(|fault| telemetry.record(fault));
    let page = telemetry.render();
    // What the system says of the process has the names that every exporter gives it.
    let is_ours = |name: &str| name.starts_with("trunkline_") || name.starts_with("process_");
    for line in page.lines() {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["#", "HELP", name, ..] => assert!(is_ours(name), "{line}"),
            ["#", "TYPE", name, "counter"] => assert!(name.ends_with("_total"), "{line}"),
            ["#", "TYPE", name, "histogram"] => assert!(name.ends_with("_seconds"), "{line}"),
            ["#", "TYPE", name, "gauge"] => assert!(!name.ends_with("_total"), "{line}"),
            [series, value] => assert!(is_ours(series) && value.parse::<f64>().is_ok(), "{line}"),
            _ => panic!("{line}"),
        }
    }
    promtool_accepts(&page);
}

/// Where promtool is installed (Debian: prometheus), it has the last word.
fn promtool_accepts(page: &str) {
    let promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut promtool) = promtool else {
        println!("skipped: promtool is not installed (apt-get install prometheus)");
        return;
    };
    promtool.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{complaint}");
}
