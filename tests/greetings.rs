//! The built-in receptionist has a business's greeting ready before anybody calls, also after an edit.

#[path = "support/http_service.rs"]
mod http_service;
#[path = "support/program.rs"]
mod program;
#[path = "support/service.rs"]
mod service;
#[path = "support/skip.rs"]
mod skip;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use http_service::{Request, ask};
use program::trunkline;
use serde_json::json;

const ADMIN: &str = "an-administrators-token-of-these-tests";

/// A program of flite's name that writes down what it is asked to say, and says a tone.
fn flite(folder: &Path) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 8_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut wav = hound::WavWriter::create(folder.join("said.wav"), spec).unwrap();
    (0..4_000).for_each(|n| wav.write_sample(((f64::from(n) * 0.5).sin() * 8_000.0) as i16).unwrap());
    wav.finalize().unwrap();
    let shown = folder.display();
    let script = format!("#!/bin/sh\necho \"$@\" >>'{shown}/asked'\n/bin/cat '{shown}/said.wav'\n");
    std::fs::write(folder.join("flite"), script).unwrap();
    std::fs::set_permissions(folder.join("flite"), std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn a_greeting_is_spoken_ahead_at_the_start_and_after_an_edit() {
    let folder = tempfile::tempdir().unwrap();
    flite(folder.path());
    let file = folder.path().join("own.toml");
    let business = "[[business]]\nname = \"Bakery\"\nnumber = \"*\"\ngreeting = \"Good morning, bakery\"\n";
    std::fs::write(&file, business).unwrap();
    let node = trunkline(&["serve", "--config", file.to_str().unwrap()])
        .env("PATH", folder.path().to_str().unwrap())
        .env("TRUNKLINE__DATA_DIR", folder.path().join("data").to_str().unwrap())
        .env("TRUNKLINE__HTTP__LISTEN", "127.0.0.1:0")
        .env("TRUNKLINE__LOCAL__SPEECH", "flite")
        .env("TRUNKLINE_ADMIN_TOKEN", ADMIN)
        .listens();
    let asked = || std::fs::read_to_string(folder.path().join("asked")).unwrap_or_default();
    service::until("the greeting is spoken", || asked().contains("Good morning, bakery")).await;

    let edit = json!({ "version": 1, "greeting": "Good evening, bakery" });
    let request = Request::new("PATCH", "/api/v1/businesses/Bakery").with("Authorization", &format!("Bearer {ADMIN}"));
    let request = Request { body: edit.to_string().into_bytes(), ..request.with("Content-Type", "application/json") };
    let edited = ask(node.address, &request).await;
    assert_eq!(edited.status, 200, "{edited:?}");
    service::until("so is the new one", || asked().contains("Good evening, bakery")).await;
    assert_eq!(asked().matches("Good morning").count(), 1, "what is there is not spoken again: {}", asked());
    assert!(node.stops().code == 0);
}
