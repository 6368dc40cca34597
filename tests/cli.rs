//! The program itself: what it prints, how it ends.

#[path = "support/program.rs"]
mod program;
#[path = "support/skip.rs"]
mod skip;

use std::fs;
use std::time::Duration;

use program::{Ended, Running, trunkline};
use serde_json::Value;
use trunkline::cli::demo::twilio::{FakeTwilio, fresh_sid};
use trunkline::clock;

const PUBLIC_URL: &str = "https://calls.trunkline.example";

#[test]
fn it_says_who_it_is_and_what_it_can_do() {
    let version = trunkline(&["--version"]).ends();
    assert_eq!((version.code, version.out.as_str()), (0, concat!("trunkline ", env!("CARGO_PKG_VERSION"), "\n")));
    let help = trunkline(&["--help"]).ends();
    assert_eq!(help.code, 0);
    for command in ["demo", "serve", "config"] {
        assert!(help.out.contains(&format!("\n  {command}")), "{}", help.out);
    }
    assert_eq!((trunkline(&[]).ends().code, trunkline(&["dance"]).ends().code), (2, 2));
}

#[test]
fn a_configuration_is_checked_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trunkline.toml");
    let check = || trunkline(&["config", "check", "--config", file.to_str().unwrap()]).ends();
    fs::write(&file, "[limits]\nmax_call_ms = 120000\n").unwrap();
    let good = check();
    assert_eq!(good.code, 0, "{good:?}");
    assert!(good.out.contains("the service can start"), "{}", good.out);

    fs::write(&file, "[limits]\nmax_call_ms = 1\n[http]\nlistne = \"x\"\n[agent]\nprovider = \"openai\"\n").unwrap();
    let bad = check();
    assert_eq!(bad.code, 2, "{bad:?}");
    for finding in ["limits.max_call_ms", "http.listne", "http.listen", "OPENAI_API_KEY", "3 errors"] {
        assert!(bad.out.contains(finding), "{finding} in {}", bad.out);
    }
    let serve = trunkline(&["serve", "--config", file.to_str().unwrap()]).ends();
    assert_eq!(serve.code, 2, "the same findings keep the service from starting: {serve:?}");
    assert!(serve.err.contains("limits.max_call_ms"), "{}", serve.err);
    let missing = trunkline(&["config", "check", "--config", "/nowhere/trunkline.toml"]).ends();
    assert_eq!(missing.code, 2);
    assert!(missing.out.contains("/nowhere/trunkline.toml"), "{}", missing.out);
}

#[test]
fn a_first_start_says_where_the_administrators_token_lies_and_not_what_it_is() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let serve = || {
        trunkline(&["serve"])
            .env("TRUNKLINE__DATA_DIR", folder.path().to_str().unwrap())
            .env("TRUNKLINE__HTTP__LISTEN", "127.0.0.1:0")
    };
    let first = serve().listens();
    assert_eq!(first.get("/api/v1/calls").0, 401);
    let said = first.stops();
    let path = folder.path().join("admin-token");
    let token = fs::read_to_string(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(said.err.contains(path.to_str().unwrap()), "{}", said.err);
    assert!(said.err.contains("console    http://127.0.0.1:"), "{}", said.err);
    assert!(!said.err.contains(token.trim()) && !said.out.contains(token.trim()));

    let given = serve().env("TRUNKLINE_ADMIN_TOKEN", "too short").ends();
    assert_eq!(given.code, 2, "{given:?}");
    assert!(given.err.contains("api.admin_token") && !given.err.contains("too short"), "{}", given.err);
    let own = serve().env("TRUNKLINE_ADMIN_TOKEN", "0123456789abcdef0123456789abcdef").listens().stops();
    assert!(own.err.contains("API") && !own.err.contains("admin-token"), "{}", own.err);
    assert_eq!(fs::read_to_string(&path).unwrap(), token, "it is left alone");
}

#[test]
fn the_demo_keeps_its_promises() {
    let folder = tempfile::tempdir().unwrap();
    let began = clock::now();
    let demo = trunkline(&["demo", "--json", "--out", folder.path().to_str().unwrap()]).ends();
    let took = clock::now() - began;
    let report: Value = serde_json::from_str(&demo.out).unwrap_or_else(|error| panic!("{error}: {demo:?}"));
    assert_eq!((demo.code, &report["kept"]), (0, &Value::Bool(true)), "{}", report["promises"]);
    assert!(took < Duration::from_secs(30), "the demo took {took:?}");
    assert!(fs::metadata(report["recording"].as_str().unwrap()).unwrap().len() > 100_000);
}

#[test]
fn it_serves_until_it_is_told_to_stop() {
    let folder = tempfile::tempdir().unwrap();
    let service = serve(&[("TRUNKLINE__DATA_DIR", folder.path().to_str().unwrap())]);
    for path in ["/health", "/ready"] {
        let (status, body) = service.get(path);
        let body: Value = serde_json::from_str(&body).unwrap();
        let expected = if path == "/health" { "ok" } else { "ready" };
        assert_eq!((status, body["status"].as_str()), (200, Some(expected)), "{path}: {body}");
    }
    let (status, metrics) = service.get("/metrics");
    assert!(status == 200 && metrics.contains("\ntrunkline_calls_live 0\n"), "{metrics}");
    assert_eq!(service.get("/nothing").0, 404);

    let second = trunkline(&["serve", "--listen", "127.0.0.1:0"]);
    let second = second.env("TRUNKLINE__DATA_DIR", folder.path().to_str().unwrap()).ends();
    assert_eq!(second.code, 1, "{second:?}");
    assert!(second.err.contains("trunkline can't start") && second.err.contains("spool"), "{}", second.err);
    let port_taken = trunkline(&["serve", "--listen", &service.address.to_string()]);
    let elsewhere = tempfile::tempdir().unwrap();
    let port_taken = port_taken.env("TRUNKLINE__DATA_DIR", elsewhere.path().to_str().unwrap()).ends();
    assert_eq!(port_taken.code, 1, "{port_taken:?}");
    assert!(port_taken.err.contains("http.listen"), "{}", port_taken.err);

    let Ended { code, err, .. } = service.stops();
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("missing    Twilio: set TWILIO_AUTH_TOKEN"), "{err}");
}

#[test]
fn the_program_itself_says_whether_the_service_answers() {
    let folder = tempfile::tempdir().unwrap();
    let service = serve(&[("TRUNKLINE__DATA_DIR", folder.path().to_str().unwrap())]);
    let listen = service.address.to_string();
    let asks = |arguments: &[&str]| trunkline(arguments).env("TRUNKLINE__HTTP__LISTEN", &listen).ends();

    let health = asks(&["health"]);
    assert!(health.code == 0 && health.out.contains(r#""status":"ok""#), "{health:?}");
    let ready = asks(&["health", "--ready"]);
    assert!(ready.code == 0 && ready.out.contains(r#""name":"database""#), "{ready:?}");

    service.stops();
    let gone = asks(&["health"]);
    assert!(gone.code == 1 && gone.err.contains("is the service running"), "{gone:?}");
}

#[test]
fn its_secrets_may_stand_in_files_and_a_call_is_two_lines() {
    let folder = tempfile::tempdir().unwrap();
    let (account, token) = (fresh_sid("AC"), fresh_sid(""));
    let secret = folder.path().join("token");
    fs::write(&secret, format!("{token}\n")).unwrap();
    let data_dir = folder.path().join("data");
    let service = serve(&[
        ("TRUNKLINE__DATA_DIR", data_dir.to_str().unwrap()),
        ("TRUNKLINE__HTTP__PUBLIC_URL", PUBLIC_URL),
        ("TRUNKLINE__LOG__LEVEL", "debug"),
        ("TRUNKLINE__LOG__FORMAT", "json"),
        ("TRUNKLINE__LOCAL__SPEECH", "clips"),
        ("TRUNKLINE__MEDIA__MAX_LATENESS_MS", "0"),
        ("TWILIO_ACCOUNT_SID", &account),
        ("TWILIO_AUTH_TOKEN_FILE", secret.to_str().unwrap()),
    ]);
    let carrier = FakeTwilio::new(PUBLIC_URL, &token, &account).unwrap().through(service.address);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let report = runtime.block_on(async {
        let call = carrier.inbound_call("+14155550100", "+14155550199").await.unwrap();
        call.wait_until_agent_has_spoken_for(Duration::from_millis(500), program::PATIENCE).await.unwrap();
        call.hang_up().await.unwrap()
    });
    assert_eq!((report.status_answer, report.complaints), (Some(204), vec![]));
    let Ended { code, err, .. } = service.stops();
    assert_eq!(code, 0, "{err}");
    assert!(!err.contains(&token) && !err.contains("4155550100") && !err.contains("4155550199"), "{err}");
    let lines: Vec<Value> = err.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let said: Vec<&str> = lines.iter().map(|line| line["msg"].as_str().unwrap()).collect();
    assert_eq!(said, ["listening", "call began", "call ended", "stopping"]);
    assert_eq!(lines[2]["call_sid"], report.call.call_sid);
}

#[test]
fn told_to_stop_twice_it_ends_its_calls_at_once_and_keeps_what_they_said() {
    let folder = tempfile::tempdir().unwrap();
    let (account, token) = (fresh_sid("AC"), fresh_sid(""));
    let service = serve(&[
        ("TRUNKLINE__DATA_DIR", folder.path().to_str().unwrap()),
        ("TRUNKLINE__HTTP__PUBLIC_URL", PUBLIC_URL),
        ("TRUNKLINE__HTTP__DRAIN_MS", "3600000"),
        ("TRUNKLINE__LOCAL__SPEECH", "clips"),
        ("TWILIO_ACCOUNT_SID", &account),
        ("TWILIO_AUTH_TOKEN", &token),
    ]);
    let carrier = FakeTwilio::new(PUBLIC_URL, &token, &account).unwrap().through(service.address);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let Ended { code, err, .. } = runtime.block_on(async {
        let call = carrier.inbound_call("+14155550100", "+14155550199").await.unwrap();
        call.wait_until_agent_has_spoken_for(Duration::from_millis(300), program::PATIENCE).await.unwrap();
        // The caller stays on the line meanwhile.
        let ended = tokio::task::spawn_blocking(move || stops_when_told_twice(service)).await.unwrap();
        drop(call);
        ended
    });
    assert_eq!(code, 0, "{err}");
    assert!(err.lines().any(|line| line.contains("call ended") && line.contains("draining")), "{err}");
}

/// Within seconds, whatever it was given to drain.
fn stops_when_told_twice(service: Running) -> Ended {
    service.told_to_stop();
    let until = clock::now() + program::PATIENCE;
    while service.get("/ready").0 != 503 {
        assert!(clock::now() < until, "a service that stops is not ready");
    }
    service.stops()
}

/// A service on a free port with these variables, listening.
fn serve(variables: &[(&str, &str)]) -> Running {
    let program = trunkline(&["serve", "--listen", "127.0.0.1:0"]);
    variables.iter().fold(program, |program, (name, value)| program.env(name, value)).listens()
}
