//! The interface, asked by somebody else's program whatever its description allows, and much that it does not:
//! Schemathesis reads the OpenAPI document and judges every answer by it.

#[path = "support/calls.rs"]
mod calls;
#[path = "support/http_service.rs"]
mod http_service;
#[path = "support/python.rs"]
mod python;
#[path = "support/service.rs"]
mod service;
#[path = "support/skip.rs"]
mod skip;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use http_service::{Asked as _, Caller, Request, ask};
use serde_json::json;
use service::Service;

const SCHEMATHESIS: &str = "schemathesis==4.32.5";
const ADMIN: &str = "an-administrators-token-for-tests-only";

/// Rules that a schema does not know: which fields go together, and that a cursor comes from a page. A request that
/// fits the schema may break them, and is told so.
const NOT_ASKED: &str = "positive_data_acceptance";

#[tokio::test]
async fn every_answer_is_as_the_document_says() {
    let Some(programs) = python::programs_with(SCHEMATHESIS, "schemathesis") else { return };
    let service = Service::with(|config| {
        config.api.admin_token = Some(ADMIN.into());
        config.api.requests_per_minute = 1_000_000.try_into().unwrap();
        config.api.strangers_per_minute = 1_000_000.try_into().unwrap();
        // However busy the machine: a database that is there answers.
        config.api.read_timeout_ms = 30_000;
    });
    let call = a_whole_call(&service).await;
    let folder = tempfile::tempdir().unwrap();
    let judge = Judge {
        program: programs.join("st"),
        folder: folder.path(),
        url: format!("http://{}/api/v1", service.address()),
    };
    let document = format!("{}/openapi.json", judge.url);
    judge.agrees(&document, &["--max-examples", "25"]).await;

    // A call that is there, whatever else is asked for.
    fs::write(folder.path().join("schemathesis.toml"), format!("[parameters]\n\"path.call_sid\" = \"{call}\"\n"))
        .unwrap();
    judge.agrees(&document, &["--include-path-regex", "call_sid", "--max-examples", "5"]).await;

    // The judge must be able to say no: of a call that has no colour, and of a status that is not listed.
    let told = ask(service.address(), &Request::get("/api/v1/openapi.json").with("Authorization", &bearer())).await;
    for (path, wrong) in [
        ("/components/schemas/Call/required/0", json!("colour")),
        ("/components/schemas/Status/enum", json!(["queued"])),
    ] {
        let mut document = told.json();
        *document.pointer_mut(path).unwrap_or_else(|| panic!("there is no {path}")) = wrong;
        fs::write(folder.path().join("wrong.json"), document.to_string()).unwrap();
        let (agrees, findings) =
            judge.asked("wrong.json", &["--include-operation-id", "show_call", "--max-examples", "5"]).await;
        assert!(!agrees, "{path}: {findings}");
    }
    assert!(!service.telemetry.render().contains("status=\"50"), "{}", service.telemetry.render());
}

/// A call that is over, with everything that can be known of one; its name.
async fn a_whole_call(service: &Service) -> String {
    let caller = Caller::new();
    assert_eq!(service.webhook(caller.voice()).await.status, 200);
    assert_eq!(service.webhook(caller.status("completed", &[("CallDuration", "7")])).await.status, 204);
    let store = service.store();
    let mut writer = store.turn_writer(caller.sid()).unwrap();
    for number in 1..4 {
        writer.turn(calls::turn(number));
        writer.event(calls::event(number));
    }
    writer.end(calls::end());
    assert!(store.flush(service::PATIENCE));
    caller.call_sid
}

fn bearer() -> String {
    format!("Bearer {ADMIN}")
}

/// Schemathesis, in a folder of its own.
struct Judge<'a> {
    program: PathBuf,
    folder: &'a Path,
    url: String,
}

impl Judge<'_> {
    async fn agrees(&self, document: &str, options: &[&str]) {
        let (agrees, findings) = self.asked(document, options).await;
        assert!(agrees, "{findings}");
    }

    /// Whether every answer was right, and what it says.
    async fn asked(&self, document: &str, options: &[&str]) -> (bool, String) {
        let mut command = Command::new(&self.program);
        command.args(["run", document, "--url", &self.url, "--header", &format!("Authorization: {}", bearer())]);
        // The same questions each time: a fault that is found is found again.
        command.args(["--seed", "1", "--generation-database", "none", "--no-color"]);
        command.args(["--checks", "all", "--exclude-checks", NOT_ASKED, "--max-failures", "5"]).args(options);
        command.current_dir(self.folder).stdin(Stdio::null());
        let asked = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let said = [asked.stdout, asked.stderr].concat();
        // 0: all is well; 1: something is not. Anything else says that it could not ask.
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(matches!(asked.status.code(), Some(0 | 1)) && said.contains("Test cases:"), "{said}");
        (asked.status.success(), said)
    }
}
