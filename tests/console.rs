//! The console in a real browser: somebody logs in, calls, is greeted, speaks, interrupts, and hangs up.

#[path = "support/chromium.rs"]
mod chromium;
#[path = "support/http_service.rs"]
mod http_service;
#[path = "support/service.rs"]
mod service;
#[path = "support/skip.rs"]
mod skip;

use std::path::Path;

use serde_json::json;
use trunkline::engine::call::HangupCause;

use chromium::Chromium;
use http_service::{Request, ask};
use service::{INTERRUPTION, MESSAGE, Service, silence, until};

const ADMIN: &str = "an-administrators-token-for-tests-only";

#[tokio::test]
async fn a_person_logs_in_calls_is_greeted_speaks_interrupts_and_hangs_up() {
    let folder = tempfile::tempdir().unwrap();
    let microphone = folder.path().join("microphone.wav");
    // The greeting takes 7 s; the answer that follows the message is interrupted in its middle.
    speak(&microphone, &[&silence(10_000), MESSAGE, &silence(3_000), INTERRUPTION, &silence(60_000)]);
    let Some(browser) = Chromium::with(&microphone).await else { return };
    let service = Service::with(|config| {
        config.http.public_url = None;
        config.api.admin_token = Some(ADMIN.into());
    });
    browser.goes_to(&format!("http://{}/console", service.address())).await;

    browser.sees("Log in").await;
    browser.types("input[name=token]", "a-guess").await;
    browser.clicks("form button").await;
    browser.sees_in("#login-problem", "not a valid token").await;
    browser.picture("login").await;
    browser.types("input[name=token]", ADMIN).await;
    browser.clicks("form button").await;
    browser.sees("Nobody is called.").await;

    browser.clicks("#call").await;
    browser.sees_in("#status", "Connected.").await;
    browser.sees_in(".captions", "Hello. Thank you for calling.").await;
    browser.sees_in(".captions .caller", "(spoken message of ").await;
    browser.sees_in(".captions", "Agent, interrupted").await;
    browser.picture("call").await;
    browser.clicks("#hangup").await;
    browser.sees_in("#status", "The call is over: you hung up.").await;

    let sid = browser.script("return document.querySelector('#sid code').innerText").await;
    let sid = sid.as_str().unwrap().to_owned();
    let (store, parsed) = (service.store(), sid.parse().unwrap());
    until("the row is closed", || store.call(&parsed).unwrap().is_some_and(|row| row.status.is_final())).await;
    let facts = service.settled(&sid).await;
    assert_eq!((facts.status(), facts.cause()), ("completed", HangupCause::CallerHungUp));
    let turns = facts.agent_turns();
    assert!(!turns[0].interrupted && turns[0].heard_text == turns[0].text, "the greeting was heard: {:?}", turns[0]);
    assert!(turns[1].interrupted && turns[1].heard_text.len() < turns[1].text.len(), "{:?}", turns[1]);
    assert!(facts.conversation().iter().any(|line| line.contains("spoken message")), "{:?}", facts.conversation());
    service.stops_at_once().await;
}

#[tokio::test]
async fn who_may_only_look_places_no_call_and_who_guesses_is_told_to_wait() {
    let folder = tempfile::tempdir().unwrap();
    let microphone = folder.path().join("microphone.wav");
    speak(&microphone, &[&silence(1_000)]);
    let Some(browser) = Chromium::with(&microphone).await else { return };
    let service = Service::with(|config| {
        config.http.public_url = None;
        config.api.admin_token = Some(ADMIN.into());
        config.api.strangers_per_minute = 2.try_into().unwrap();
    });
    let make = Request::new("POST", "/api/v1/tokens")
        .with("Authorization", &format!("Bearer {ADMIN}"))
        .with("Content-Type", "application/json");
    let body = json!({ "name": "the board on the wall", "scope": "viewer" }).to_string().into();
    let made = ask(service.address(), &Request { body, ..make }).await;
    let viewer = made.json()["text"].as_str().unwrap_or_else(|| panic!("{made:?}")).to_owned();

    browser.goes_to(&format!("http://{}/console", service.address())).await;
    browser.sees("Log in").await;
    browser.types("input[name=token]", &viewer).await;
    browser.clicks("form button").await;
    browser.sees_in("#may-not", "can’t place calls").await;
    browser.picture("call-of-a-viewer").await;

    browser.script("document.cookie = 'x=1'; return null").await;
    let told = browser.script("return document.cookie").await;
    assert!(!told.as_str().unwrap().contains("session"), "no script sees the session: {told}");
    browser.clicks("#logout").await;
    browser.sees("Log in").await;
    for _ in 0..3 {
        browser.types("input[name=token]", "a-guess").await;
        browser.clicks("form button").await;
        browser.sees_in("#login-problem", "Not logged in").await;
        browser.script("document.querySelector('#login-problem').textContent = ''; return null").await;
    }
    browser.types("input[name=token]", "a-guess").await;
    browser.clicks("form button").await;
    browser.sees_in("#login-problem", "too many").await;
    service.stops_at_once().await;
}

/// A WAV of these pieces of µ-law, one after the other.
fn speak(file: &Path, pieces: &[&[u8]]) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 8_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut wav = hound::WavWriter::create(file, spec).unwrap();
    let bytes = pieces.concat();
    let mut samples = vec![0; bytes.len()];
    trunkline::engine::audio::g711::decode_ulaw(&bytes, &mut samples);
    samples.into_iter().for_each(|sample| wav.write_sample(sample).unwrap());
    wav.finalize().unwrap();
}
