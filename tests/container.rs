//! The image as it is deployed: nobody's rights, nothing written but its volume, and a stop that no caller hears.
//!
//! The stage that compiles is left out: the program under test stands in for what it makes.

#[path = "support/podman.rs"]
mod podman;
#[path = "support/skip.rs"]
mod skip;

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use podman::Podman;
use serde_json::Value;

const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";
const TOKEN: &str = "0123456789abcdef0123456789abcdef";
/// How long each caller stays, in seconds.
const HOLD: u64 = 12;

#[test]
fn the_image_serves_calls_as_nobody_and_stops_when_the_last_is_over() {
    let Some(podman) = Podman::with_base_image() else { return };
    build(&podman);
    let [http, vendor] = free_ports();
    let service = format!("http://127.0.0.1:{http}");
    start(&podman, http, vendor);

    let is_healthy = || podman.command(&["healthcheck", "run", "line"]).output().unwrap().status.success();
    assert!((0..100).any(|_| is_healthy() || {
        std::thread::park_timeout(Duration::from_millis(200));
        false
    }));
    assert_eq!(podman.run(&["exec", "line", "id", "-u"]), "10001");
    let status = podman.run(&["exec", "line", "cat", "/proc/1/status"]);
    assert!(status.contains("CapEff:\t0000000000000000") && status.contains("NoNewPrivs:\t1"), "{status}");
    let written = podman.command(&["exec", "line", "touch", "/etc/x"]).output().unwrap();
    assert!(!written.status.success(), "its root can be written");

    let storm = Command::new(env!("CARGO_BIN_EXE_trunkline"))
        .args(["storm", "--json", "--url", &service, "--account", ACCOUNT, "--token", TOKEN])
        .args(["--vendor-listen", &format!("127.0.0.1:{vendor}"), "--calls=3", "--ramp=1"])
        .args([format!("--hold={HOLD}"), "--slo=none,lost=0,doubled=0,refused=0,errors=0".to_owned()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    until_metrics_say(&service, "trunkline_calls_live 3");
    let stopped = podman.run(&["stop", "--time=60", "line"]);
    assert_eq!(stopped, "line");
    let report = storm.wait_with_output().unwrap();
    let said: Value = serde_json::from_slice(&report.stdout).unwrap_or_default();
    assert!(report.status.success(), "{said:#}\n{}", String::from_utf8_lossy(&report.stderr));

    let exit = podman.run(&["inspect", "--format={{.State.ExitCode}}", "line"]);
    let logs = podman.command(&["logs", "line"]).output().unwrap();
    assert_eq!(exit, "0", "{}", String::from_utf8_lossy(&logs.stderr));
}

fn build(podman: &Podman) {
    let made = podman.path("made/build/target/release");
    std::fs::create_dir_all(&made).unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_trunkline"), made.join("trunkline")).unwrap();
    let stand_in = format!("builder={}", podman.path("made").to_str().unwrap());
    // apt asks over plain HTTP; what verifies certificates is the machine's own.
    podman.run(&[
        "build",
        "--quiet",
        "--pull=never",
        "--format=docker",
        "--network=host",
        "--tag=trunkline",
        "--build-context",
        &stand_in,
        env!("CARGO_MANIFEST_DIR"),
    ]);
}

fn start(podman: &Podman, http: u16, vendor: u16) {
    let settings = [
        format!("TRUNKLINE__HTTP__LISTEN=127.0.0.1:{http}"),
        format!("TRUNKLINE__HTTP__PUBLIC_URL=http://127.0.0.1:{http}"),
        format!("TRUNKLINE__OPENAI__URL=ws://127.0.0.1:{vendor}/v1/realtime"),
        "TRUNKLINE__AGENT__PROVIDER=openai".to_owned(),
        "OPENAI_API_KEY=key-of-the-fake".to_owned(),
        format!("TWILIO_ACCOUNT_SID={ACCOUNT}"),
        format!("TWILIO_AUTH_TOKEN={TOKEN}"),
        "TRUNKLINE__HTTP__DRAIN_MS=60000".to_owned(),
    ];
    let file = podman.path("settings");
    std::fs::write(&file, settings.join("\n")).unwrap();
    podman.run(&[
        "run",
        "--detach",
        "--name=line",
        "--network=host",
        "--read-only",
        "--cap-drop=all",
        "--security-opt=no-new-privileges",
        "--pids-limit=200",
        "--env-file",
        file.to_str().unwrap(),
        "trunkline",
    ]);
}

fn free_ports() -> [u16; 2] {
    let free = [TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap()];
    free.map(|listener| listener.local_addr().unwrap().port())
}

fn until_metrics_say(service: &str, line: &str) {
    for _ in 0..200 {
        if get(service, "/metrics").lines().any(|said| said == line) {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(100));
    }
    panic!("never: {line}");
}

fn get(service: &str, path: &str) -> String {
    let mut connection = TcpStream::connect(service.trim_start_matches("http://")).unwrap();
    write!(connection, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}
