//! Alerts and dashboards, against a real Prometheus that scrapes a real service with calls on it.

#[path = "support/program.rs"]
mod program;
#[path = "support/skip.rs"]
mod skip;

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use program::{Running, trunkline};

const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";
const TOKEN: &str = "0123456789abcdef0123456789abcdef";

fn deployed(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/monitoring").join(name)
}

fn has(program: &str) -> bool {
    let there = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if there.is_err() {
        skip::skipped(&format!("alerts and dashboards: {program} is missing (prometheus)"));
    }
    there.is_ok()
}

#[test]
fn each_alert_fires_on_what_it_is_for_and_none_on_a_service_that_is_well() {
    if !has("promtool") {
        return;
    }
    for (what, file) in [
        (&["check", "config"], "prometheus.yml"),
        (&["check", "rules"], "alerts.yml"),
        (&["test", "rules"], "alerts_test.yml"),
    ] {
        let said = Command::new("promtool").args(what).arg(deployed(file)).output().unwrap();
        let words = String::from_utf8([said.stdout, said.stderr].concat()).unwrap();
        assert!(said.status.success(), "promtool {what:?} {file}: {words}");
    }
}

#[test]
fn each_alert_is_tested_and_has_a_section_that_says_what_to_do() {
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    let (rules, tests) = (read(&deployed("alerts.yml")), read(&deployed("alerts_test.yml")));
    let guide = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md"));
    let names: BTreeSet<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(names.len() > 15, "{names:?}");
    for name in &names {
        assert!(tests.contains(&format!("alertname: {name}\n")), "{name} is not tested");
        assert!(guide.contains(&format!("\n## {name}\n")), "{name} has no section");
        let runbook = format!("runbook: docs/operations.md#{}\n", name.to_lowercase());
        assert!(rules.contains(&runbook), "{name} does not name its section");
    }
}

#[test]
fn the_operations_guide_names_settings_that_there_are() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = std::fs::read_to_string(root.join("docs/operations.md")).unwrap();
    let shipped: toml::Table = std::fs::read_to_string(root.join("config/default.toml")).unwrap().parse().unwrap();
    let mut seen = 0;
    for word in guide.split('`').skip(1).step_by(2) {
        let Some((section, key)) = word.split_once('.') else { continue };
        let Some(section) = shipped.get(section).and_then(toml::Value::as_table) else { continue };
        assert!(section.contains_key(key), "{word} is no setting");
        seen += 1;
    }
    assert!(seen >= 5, "{seen}");
}

#[test]
fn every_expression_of_the_dashboards_has_a_series_while_ten_callers_talk() {
    if !has("prometheus") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let vendor = free_port();
    let service = serve(folder.path(), vendor);
    let prometheus = Prometheus::scraping(service.address, folder.path());
    let storm = Command::new(env!("CARGO_BIN_EXE_trunkline"))
        .args(["storm", "--json", "--url", &format!("http://{}", service.address)])
        .args(["--account", ACCOUNT, "--token", TOKEN, "--vendor-listen", &format!("127.0.0.1:{vendor}")])
        .args(["--calls=10", "--call-length=8", "--ramp=2", "--hold=22", "--slo=none,lost=0,errors=0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let storm = storm.wait_with_output().unwrap();
    assert!(storm.status.success(), "{}", String::from_utf8_lossy(&storm.stdout));

    let expressions = dashboards();
    assert!(expressions.len() > 50, "{}", expressions.len());
    for (dashboard, panel, expression) in expressions {
        let series = prometheus.until_there_is(&expression);
        assert!(series, "{dashboard}, {panel}: nothing comes of\n{expression}");
    }
    let firing = prometheus.query(r#"ALERTS{alertstate="firing"}"#);
    assert_eq!(firing, Vec::<Value>::new(), "a service that is well");
}

/// Dashboard, panel and expression, with what Grafana fills in.
fn dashboards() -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(deployed("grafana/dashboards")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let dashboard: Value = serde_json::from_str(&text).unwrap();
        let title = dashboard["title"].as_str().unwrap();
        for panel in dashboard["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let expression = target["expr"].as_str().unwrap();
                let filled = expression.replace("$__rate_interval", "1m").replace("$instance", ".*");
                assert!(!filled.contains('$'), "{filled}");
                found.push((title.to_owned(), panel["title"].as_str().unwrap().to_owned(), filled));
            }
        }
    }
    assert_eq!(found.iter().map(|(title, ..)| title).collect::<BTreeSet<_>>().len(), 5);
    found
}

fn serve(folder: &Path, vendor: u16) -> Running {
    let vendor = format!("ws://127.0.0.1:{vendor}/v1/realtime");
    let port = free_port();
    let address = format!("127.0.0.1:{port}");
    trunkline(&["serve", "--listen", &address])
        .env("TRUNKLINE__DATA_DIR", folder.join("data").to_str().unwrap())
        .env("TRUNKLINE__HTTP__PUBLIC_URL", &format!("http://{address}"))
        .env("TRUNKLINE__AGENT__PROVIDER", "openai")
        .env("TRUNKLINE__OPENAI__URL", &vendor)
        .env("OPENAI_API_KEY", "key-of-the-fake")
        .env("TWILIO_ACCOUNT_SID", ACCOUNT)
        .env("TWILIO_AUTH_TOKEN", TOKEN)
        .listens()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

struct Prometheus {
    process: Child,
    address: SocketAddr,
}

impl Prometheus {
    /// With the rules that are deployed, and one target.
    fn scraping(target: SocketAddr, folder: &Path) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let config = folder.join("prometheus.yml");
        let rules = deployed("alerts.yml");
        let text = format!(
            "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\nrule_files: [{:?}]\nscrape_configs:\n  - job_name: trunkline\n    static_configs: [{{ targets: [\"{target}\"] }}]\n",
            rules.to_str().unwrap()
        );
        std::fs::write(&config, text).unwrap();
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("series").display()))
            .arg(format!("--web.listen-address={address}"))
            .args(["--log.level=error"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let prometheus = Self { process, address };
        assert!(prometheus.until_there_is(r#"up{job="trunkline"} == 1"#), "Prometheus does not scrape");
        prometheus
    }

    fn until_there_is(&self, expression: &str) -> bool {
        let until = trunkline::clock::now() + Duration::from_secs(20);
        loop {
            if !self.query(expression).is_empty() {
                return true;
            }
            if trunkline::clock::now() > until {
                return false;
            }
            std::thread::park_timeout(Duration::from_millis(200));
        }
    }

    /// The series that come of it; none while Prometheus does not answer.
    fn query(&self, expression: &str) -> Vec<Value> {
        let query: String = url::form_urlencoded::byte_serialize(expression.as_bytes()).collect();
        let answer = get(self.address, &format!("/api/v1/query?query={query}"));
        let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
        answer["data"]["result"].as_array().cloned().unwrap_or_default()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// The body of an answer; empty while nobody answers.
fn get(address: SocketAddr, path: &str) -> String {
    use std::io::{Read as _, Write as _};
    let read = || -> std::io::Result<String> {
        let mut connection = std::net::TcpStream::connect(address)?;
        write!(connection, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = read().unwrap_or_default();
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
}
