//! What operators ask: is it alive, shall it get calls, what are its figures. And what nobody may ask.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use crate::http_service::{Asked, Caller, Request, ask};
use crate::service::{INTERRUPTION, PATIENCE, ms};
use crate::skip;
use crate::{databases, service};

#[tokio::test]
async fn health_says_that_the_process_answers() {
    let service = service(|_| {});
    let answer = service.get("/health").await;
    assert_eq!((answer.status, answer.header("Content-Type")), (200, Some("application/json")));
    let said = answer.json();
    assert_eq!(said["status"], "ok");
    said["timestamp"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
}

#[tokio::test]
async fn ready_names_every_check() {
    let service = service(|_| {});
    let answer = service.get("/ready").await;
    let said = answer.json();
    assert_eq!((answer.status, &said["status"]), (200, &"ready".into()), "{said}");
    said["timestamp"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let checks = said["checks"].as_array().unwrap();
    assert_eq!(
        checks.iter().map(|check| check["name"].as_str().unwrap()).collect::<Vec<_>>(),
        ["database", "spool", "calls"]
    );
    assert!(checks.iter().all(|check| check["ok"] == true && check["detail"].is_string()), "{said}");
}

#[tokio::test]
async fn ready_is_no_while_the_database_is_away() {
    let database = databases::Database::sqlite();
    let service = service(|config| {
        config.database.url = Some(database.url.parse().unwrap());
        config.database.patience_ms = 100;
    });
    let stall = database.stall();
    assert_eq!(service.webhook(Caller::new().status("completed", &[])).await.status, 204);
    let answer = service.get("/ready").await;
    let said = answer.json();
    assert_eq!((answer.status, &said["status"]), (503, &"not ready".into()), "{said}");
    let is_ok = |name: &str| {
        said["checks"].as_array().unwrap().iter().find(|check| check["name"] == name).unwrap()["ok"].clone()
    };
    assert_eq!((is_ok("database"), is_ok("spool")), (false.into(), true.into()), "{said}");
    assert_eq!(service.get("/health").await.status, 200, "the process is alive all the same");
    drop(stall);
    crate::service::until("the database is back", || service.store().health().is_ready()).await;
    assert_eq!(service.get("/ready").await.status, 200);
}

#[tokio::test]
async fn other_methods_are_refused_and_the_right_ones_named() {
    let service = service(|_| {});
    for (method, target, allowed) in [
        ("PUT", "/twilio/voice", "GET, POST"),
        ("DELETE", "/twilio/status", "GET, POST"),
        ("GET", "/twilio/stream-ended", "POST"),
        ("GET", "/twilio/dial-ended", "POST"),
        ("GET", "/twilio/stream-status", "POST"),
        ("POST", "/twilio/media", "GET"),
        ("POST", "/health", "GET, HEAD"),
        ("POST", "/ready", "GET, HEAD"),
        ("PATCH", "/metrics", "GET, HEAD"),
        ("HEAD", "/twilio/voice", "GET, POST"),
        ("TRACE", "/health", "GET, HEAD"),
        ("OPTIONS", "/health", "GET, HEAD"),
        ("BREW", "/health", "GET, HEAD"),
    ] {
        let answer = ask(service.address(), &Request::new(method, target)).await;
        assert_eq!((answer.status, answer.header("Allow")), (405, Some(allowed)), "{method} {target}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_404() {
    let service = service(|_| {});
    for target in [
        "/",
        "/twilio",
        "/twilio/voice/",
        "/twilio/voice/x",
        "//twilio/voice",
        "/metrics/../ready",
        "/%2e%2e/etc/passwd",
        "/api",
    ] {
        let request = Request::get(target);
        assert_eq!(ask(service.address(), &request).await.status, 404, "{target}");
        assert_eq!(ask(service.address(), &Request::new("HEAD", target)).await.status, 404, "{target}");
    }
}

#[tokio::test]
async fn a_balancer_may_ask_by_head() {
    let service = service(|_| {});
    for target in ["/health", "/ready", "/metrics"] {
        let answer = ask(service.address(), &Request::new("HEAD", target)).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{target}");
    }
}

/// A whole call, and whatever else makes figures.
#[tokio::test]
async fn the_figures_are_such_as_prometheus_takes() {
    let service = service(|_| {});
    let call = service.call().await;
    call.wait_until_agent_has_spoken_for(ms(300), PATIENCE).await.unwrap();
    call.press('7');
    call.speak(INTERRUPTION).await.unwrap();
    call.send_text("nonsense");
    let (report, facts) = service.hang_up(call).await;
    assert_eq!(facts.status(), "completed", "{report:?}");
    service.webhook(Request::raw_form("/twilio/status", "")).await;
    ask(service.address(), &Caller::new().voice()).await;

    let answer = service.get("/metrics").await;
    assert_eq!(answer.header("Content-Type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    for series in [
        "calls_begun_total 1",
        "calls_live 0",
        "database_up 1",
        "calls_refused_total{reason=\"bad_signature\"} 1",
        "webhooks_answered_total{endpoint=\"/twilio/voice\",status=\"200\"} 1",
        "webhooks_answered_total{endpoint=\"/twilio/voice\",status=\"403\"} 1",
        "webhooks_answered_total{endpoint=\"/twilio/status\",status=\"400\"} 1",
        "webhook_duration_seconds_count{endpoint=\"/twilio/voice\"} 2",
        "media_faults_total{kind=\"not_json\"} 1",
    ] {
        let line = format!("trunkline_{series}");
        assert!(answer.body.lines().any(|other| other == line), "{line} is not in\n{}", answer.body);
    }
    assert!(!answer.body.contains(&report.call.call_sid) && !answer.body.contains(&report.call.from));
    assert_promtool_accepts(&answer.body);
}

fn assert_promtool_accepts(figures: &str) {
    let spawned = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut promtool = match spawned {
        Ok(promtool) => promtool,
        Err(error) => {
            return skip::skipped(&format!(
                "what promtool says of /metrics: promtool is missing (prometheus): {error}"
            ));
        }
    };
    promtool.stdin.take().unwrap().write_all(figures.as_bytes()).unwrap();
    let said = promtool.wait_with_output().unwrap();
    let words = [said.stdout, said.stderr].concat();
    assert!(said.status.success() && words.is_empty(), "{}\n{figures}", String::from_utf8_lossy(&words));
}

/// The names and labels of all series, without their values.
fn series(figures: &str) -> BTreeSet<String> {
    let lines = figures.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
}

#[tokio::test]
async fn a_thousand_callers_make_no_more_series_than_one() {
    let service = service(|config| config.business.truncate(1));
    let round = async |n: usize| {
        let caller = Caller::of(&format!("+1415556{n:04}"));
        let unknown = Request::get(&format!("/nowhere/{n}"));
        let agent = format!("Agent{n}/1.0");
        service.webhook(caller.voice().with("User-Agent", &agent)).await;
        service.webhook(caller.status("completed", &[("CallDuration", &n.to_string())])).await;
        service.webhook(caller.stream_ended("completed")).await;
        service
            .webhook(Request::form("/twilio/stream-status", &caller.fields("x", &[("StreamEvent", &format!("e{n}"))])))
            .await;
        service
            .webhook(Request::form("/twilio/stream-status", &caller.fields("x", &[("StreamEvent", "stream-error")])))
            .await;
        ask(service.address(), &caller.voice()).await;
        ask(service.address(), &unknown).await;
    };
    round(0).await;
    let first = series(&service.get("/metrics").await.body);
    for n in 1..=100 {
        futures_util::future::join_all((0..10).map(|k| round(n * 10 + k))).await;
    }
    let last = series(&service.get("/metrics").await.body);
    let new: Vec<_> = last.difference(&first).collect();
    assert!(new.is_empty(), "new series: {new:?}");
}
