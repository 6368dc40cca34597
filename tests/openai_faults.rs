//! What a session does when the vendor refuses, lies, stalls, drops or runs out of time.

#[path = "support/fake_openai/mod.rs"]
mod fake_openai;
#[path = "support/openai_call.rs"]
mod openai_call;

use std::process::{Command as Process, Stdio};
use std::time::Duration;

use fake_openai::{Answer, Command, End, ErrorScript, FakeOpenAi, Script, SessionScript, Then, Update};
use openai_call::{Call, answer, r, settings};
use rustls::RootCertStore;
use serde_json::json;
use trunkline::engine::audio::{Hz8k, Hz16k};
use trunkline::engine::call::{AgentCounter, AgentLoss, ResponseOutcome, Speaker};
use trunkline::providers::voice_agent::openai_realtime::{
    AudioFormat, OpenAiRealtime, OpenAiSettings, OpenAiSetupError,
};
use trunkline::providers::voice_agent::{AgentEvent, AgentOrder};

fn session(script: SessionScript) -> Script {
    Script { sessions: vec![script], ..Script::default() }
}

fn updates(updates: Vec<Update>) -> Script {
    session(SessionScript { updates, ..SessionScript::default() })
}

const UNKNOWN_PARAMETER: ErrorScript = ErrorScript::new("invalid_request_error", "unknown_parameter");

#[tokio::test]
async fn refused_settings_are_sent_once_more_without_what_can_be_missed() {
    let fake = FakeOpenAi::start(updates(vec![Update::Refuse(UNKNOWN_PARAMETER)])).await;
    let mut call = Call::<Hz8k>::open(&fake, |_| {});
    call.ready().await;
    let sessions = fake.sessions();
    let sent = sessions[0].heard_of("session.update");
    assert_eq!(sent.len(), 2);
    assert!(sent[0]["session"].pointer("/audio/input/noise_reduction").is_some());
    assert!(sent[1]["session"].pointer("/audio/input/noise_reduction").is_none());
    assert_eq!(sent[1]["session"].pointer("/audio/input/turn_detection/create_response"), Some(&json!(false)));
    fake.assert_content();
}

#[tokio::test]
async fn settings_refused_twice_lose_the_agent() {
    let refuse = || Update::Refuse(UNKNOWN_PARAMETER);
    let fake = FakeOpenAi::start(updates(vec![refuse(), refuse()])).await;
    let mut call = Call::<Hz8k>::open(&fake, |_| {});
    let (loss, detail) = call.until_lost().await;
    assert_eq!(loss, AgentLoss::Refused);
    assert_eq!(detail, "invalid_request_error / unknown_parameter");
    fake.assert_content();
}

#[tokio::test]
async fn settings_that_are_not_ours_are_not_accepted() {
    for pointer in ["/audio/input/turn_detection/create_response", "/audio/input/turn_detection/interrupt_response"] {
        let wrong = || Update::EchoInstead(pointer, json!(true));
        let fake = FakeOpenAi::start(updates(vec![wrong(), wrong()])).await;
        let mut call = Call::<Hz8k>::open(&fake, |_| {});
        let (loss, detail) = call.until_lost().await;
        assert_eq!(loss, AgentLoss::Refused, "{pointer}");
        assert!(detail.ends_with(&pointer[1..].replace('/', ".")), "{detail}");
        fake.assert_content();
    }
}

#[tokio::test]
async fn a_vendor_without_ulaw_is_spoken_to_in_linear_with_one_warning() {
    let linear = json!({ "type": "audio/pcm", "rate": 24_000 });
    let fake = FakeOpenAi::start(updates(vec![Update::EchoInstead("/audio/output/format", linear)])).await;
    let mut call = Call::<Hz8k>::open_with(&fake, |settings| settings.audio = AudioFormat::Pcmu, |_| {});
    call.ready().await;
    call.order(answer(1));
    assert_eq!(call.until_end(r(1)).await.outcome, ResponseOutcome::Completed);
    assert_eq!(call.counted(), [AgentCounter::FormatFallback]);
    assert_eq!(fake.sessions()[0].heard_of("session.update").len(), 2);
    fake.assert_content();
}

#[tokio::test]
async fn linear_audio_under_the_name_of_ulaw_is_found_out_before_it_is_played() {
    let lies = session(SessionScript { lies: true, ..SessionScript::default() });
    let fake = FakeOpenAi::start(lies).await;
    let mut call = Call::<Hz8k>::open_with(&fake, |settings| settings.audio = AudioFormat::Pcmu, |_| {});
    call.ready().await;
    call.speaks(Duration::from_millis(200));
    call.order(answer(1));
    call.order(answer(2));
    let first = call.until_end(r(1)).await;
    call.speaks(Duration::from_millis(200));
    let second = call.until_end(r(2)).await;
    // Both are 2 s of a tone, not 12 s of noise.
    for spoken in [&first, &second] {
        assert!((15_900..=16_000).contains(&spoken.samples.len()), "{} samples", spoken.samples.len());
    }
    assert_eq!(call.counted(), [AgentCounter::FormatFallback]);
    fake.until_heard(0, "session.update", 2).await;
    // The caller was heard in µ-law at first, in linear then, and all the time.
    fake.until("all audio", |sessions| sessions[0].samples == 200 * 8 + 200 * 24 && !sessions[0].was_ulaw).await;
    fake.assert_content();
}

#[tokio::test]
async fn a_session_that_cannot_change_its_format_is_replaced() {
    let first = SessionScript {
        lies: true,
        updates: vec![Update::Accept, Update::Refuse(UNKNOWN_PARAMETER)],
        ..SessionScript::default()
    };
    let sessions = vec![first, SessionScript::default()];
    let fake = FakeOpenAi::start(Script { sessions, ..Script::default() }).await;
    let mut call = Call::<Hz8k>::open_with(&fake, |settings| settings.audio = AudioFormat::Pcmu, |_| {});
    call.ready().await;
    call.order(answer(1));
    assert!((15_900..=16_000).contains(&call.until_end(r(1)).await.samples.len()));
    call.until("a new session", |event| *event == AgentEvent::Counted(AgentCounter::Renewed)).await;
    call.order(answer(2));
    call.until_end(r(2)).await;
    assert_eq!(call.counted(), [AgentCounter::FormatFallback, AgentCounter::Renewed]);
    assert_eq!(fake.sessions()[1].heard_of("response.create").len(), 1);
    fake.assert_content();
}

#[tokio::test]
async fn every_way_of_not_getting_a_session_has_its_name() {
    let http =
        |status, body: &str| SessionScript { refuse_upgrade: Some((status, body.into())), ..SessionScript::default() };
    let error = |kind, code, close| SessionScript {
        refuse_session: Some((ErrorScript::new(kind, code), close)),
        ..SessionScript::default()
    };
    let mute = SessionScript { mute: true, ..SessionScript::default() };
    let ignore = SessionScript { updates: vec![Update::Ignore], ..SessionScript::default() };
    let table = [
        (http(401, ""), AgentLoss::Refused, "HTTP 401"),
        (http(404, ""), AgentLoss::Refused, "HTTP 404"),
        (http(429, r#"{"error":{"code":"insufficient_quota"}}"#), AgentLoss::Refused, "HTTP 429, insufficient_quota"),
        (http(429, ""), AgentLoss::Unreachable, "HTTP 429"),
        (http(503, ""), AgentLoss::Unreachable, "HTTP 503"),
        (
            error("invalid_request_error", "invalid_api_key", 3000),
            AgentLoss::Refused,
            "invalid_request_error / invalid_api_key",
        ),
        (
            error("invalid_request_error", "model_not_found", 4000),
            AgentLoss::Refused,
            "invalid_request_error / model_not_found",
        ),
        (mute, AgentLoss::Unreachable, "no session.created in time"),
        (ignore, AgentLoss::Unreachable, "no session.updated in time"),
    ];
    for (script, loss, detail) in table {
        let fake = FakeOpenAi::start(session(script)).await;
        let hurry = |settings: &mut OpenAiSettings| {
            settings.created_timeout = Duration::from_millis(150);
            settings.confirm_timeout = Duration::from_millis(150);
        };
        let mut call = Call::<Hz8k>::open_with(&fake, hurry, |_| {});
        assert_eq!(call.until_lost().await, (loss, detail.to_owned()));
    }
    let mut nobody = settings("ws://127.0.0.1:1/v1/realtime");
    nobody.connect_timeout = Duration::from_secs(2);
    let mut call = Call::<Hz8k>::of(&OpenAiRealtime::new(nobody).unwrap(), |_| {});
    assert_eq!(call.until_lost().await.0, AgentLoss::Unreachable);
}

#[tokio::test]
async fn a_vendor_that_falls_silent_is_given_up() {
    for then in [(0, Then::Stall), (3, Then::Stall)] {
        let answers = vec![Answer::default().then(then.0, then.1)];
        let fake = FakeOpenAi::start(Script { answers, ..Script::default() }).await;
        let hurry = |settings: &mut OpenAiSettings| {
            settings.progress_stall = Duration::from_millis(200);
        };
        let mut call = Call::<Hz8k>::open_with(&fake, hurry, |_| {});
        call.ready().await;
        call.order(answer(1));
        assert_eq!(call.until_lost().await, (AgentLoss::Stalled, "a response does not go on".to_owned()));
        assert_eq!(call.until_end(r(1)).await.outcome, ResponseOutcome::Failed);
        fake.assert_content();
    }
}

#[tokio::test]
async fn a_vendor_that_does_not_even_answer_a_ping_is_gone() {
    let fake = FakeOpenAi::start(Script::default()).await;
    let hurry = |settings: &mut OpenAiSettings| settings.ping_after = Duration::from_millis(100);
    let mut call = Call::<Hz8k>::open_with(&fake, hurry, |_| {});
    call.ready().await;
    fake.until_pinged(0, 2).await;
    fake.command(Command::Freeze);
    assert_eq!(call.until_lost().await, (AgentLoss::Dropped, "no answer to a ping".to_owned()));
}

#[tokio::test]
async fn a_connection_that_breaks_is_told_once_and_ends_every_response() {
    let answers = vec![Answer::default().then(3, Then::Drop)];
    let fake = FakeOpenAi::start(Script { answers, ..Script::default() }).await;
    let mut call = Call::<Hz8k>::open(&fake, |_| {});
    call.ready().await;
    call.order(answer(1));
    let (loss, _) = call.until_lost().await;
    assert_eq!(loss, AgentLoss::Dropped);
    assert_eq!(call.until_end(r(1)).await.outcome, ResponseOutcome::Failed);
}

#[tokio::test]
async fn failures_that_end_nothing_are_counted() {
    let answers = vec![
        Answer { end: End::Failed("rate_limit_exceeded"), ..Answer::default() },
        Answer { end: End::Incomplete, ..Answer::default() },
        Answer { end: End::Failed("insufficient_quota"), ..Answer::default() },
    ];
    let fake = FakeOpenAi::start(Script { answers, ..Script::default() }).await;
    let mut call = Call::<Hz8k>::open(&fake, |_| {});
    call.ready().await;
    fake.command(Command::Say(json!({ "type": "session.sang_a_song" })));
    fake.command(Command::Say(json!({ "type": "error", "error": { "type": "server_error", "message": "" } })));
    fake.command(Command::Say(
        json!({ "type": "response.output_audio.delta", "response_id": "resp_gone", "item_id": "i",
        "output_index": 0, "content_index": 0, "delta": "AAAA" }),
    ));
    let cancel_raced = json!({ "type": "invalid_request_error", "code": "response_cancel_not_active", "message": "" });
    fake.command(Command::Say(json!({ "type": "error", "error": cancel_raced })));
    for number in [1, 2] {
        call.order(answer(number));
        assert_eq!(call.until_end(r(number)).await.outcome, ResponseOutcome::Failed);
    }
    assert_eq!(call.counted(), [AgentCounter::UnknownEvent, AgentCounter::VendorError, AgentCounter::StaleAudio]);
    call.order(answer(3));
    assert_eq!(call.until_lost().await, (AgentLoss::Refused, "server_error / insufficient_quota".to_owned()));
}

#[tokio::test]
async fn a_session_is_renewed_while_nobody_speaks_and_the_caller_loses_nothing() {
    let answers = vec![Answer::saying("We open at nine and close at five."), Answer::saying("Yes.")];
    let fake = FakeOpenAi::start(Script { answers, ..Script::default() }).await;
    let short = |settings: &mut OpenAiSettings| {
        settings.session_limit = Duration::from_millis(600);
        settings.prefix_padding_ms = 200;
    };
    let mut call = Call::<Hz8k>::open_with(&fake, short, |brief| {
        brief.history = vec![(Speaker::Agent, "Hello.".into()), (Speaker::Caller, "Hello, I am Ann.".into())];
    });
    call.ready().await;
    // The renewal falls due while the caller speaks.
    fake.command_to(0, Command::SpeechStarted);
    call.until("the onset", |event| *event == AgentEvent::CallerSpeechStarted).await;
    fake.until("the successor's confirmation", |s| s.len() == 2 && !s[1].said_of("session.updated").is_empty()).await;
    call.speaks(Duration::from_millis(400));
    fake.until("all audio", |sessions| sessions[0].samples == 400 * 24).await;
    assert_eq!(fake.sessions()[1].samples, 0);
    // Nor while the agent does.
    fake.command_to(0, Command::SpeechStopped);
    call.order(answer(1));
    call.until_end(r(1)).await;
    call.until("the renewal", |event| *event == AgentEvent::Counted(AgentCounter::Renewed)).await;
    call.speaks(Duration::from_millis(100));
    fake.until("padding and speech", |sessions| sessions[1].samples == 300 * 24).await;

    let sessions = fake.sessions();
    let told = |number: usize| -> Vec<(String, String)> {
        let items = sessions[number].heard_of("conversation.item.create").into_iter();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        items.map(|event| (text(&event["item"]["role"]), text(&event["item"]["content"][0]["text"]))).collect()
    };
    let said = |role: &str, text: &str| (role.to_owned(), text.to_owned());
    assert_eq!(told(0), [said("assistant", "Hello."), said("user", "Hello, I am Ann.")]);
    let whole = [
        said("assistant", "Hello."),
        said("user", "Hello, I am Ann."),
        said("user", "When do you open?"),
        said("assistant", "We open at nine and close at five."),
    ];
    assert_eq!(told(1), whole);

    // The caller interrupts what was generated by the session that is gone.
    call.order(AgentOrder::Truncate { response: r(1), heard: Duration::from_millis(1_105) });
    fake.until_heard(1, "conversation.item.delete", 1).await;
    fake.until_heard(1, "conversation.item.create", 5).await;
    let cut = fake.sessions()[1].heard_of("conversation.item.create")[4]["item"]["content"][0]["text"].clone();
    assert_eq!(cut, "We open at nine");
    call.order(answer(2));
    assert_eq!(call.until_end(r(2)).await.text, "Yes.");
    fake.until("the old session's goodbye", |sessions| sessions[0].left == Some("close")).await;
    fake.assert_content();
}

#[tokio::test]
async fn the_time_limit_is_the_one_that_the_vendor_tells_and_a_failed_renewal_is_tried_again() {
    let first = SessionScript { lifetime: Some(Duration::from_secs(3)), ..SessionScript::default() };
    let busy = SessionScript { refuse_upgrade: Some((503, String::new())), ..SessionScript::default() };
    let fake =
        FakeOpenAi::start(Script { sessions: vec![first, busy, SessionScript::default()], ..Script::default() }).await;
    let patient = |settings: &mut OpenAiSettings| {
        settings.renew_retry = Duration::from_millis(100);
    };
    let mut call = Call::<Hz8k>::open_with(&fake, patient, |_| {});
    call.ready().await;
    call.until("the renewal", |event| *event == AgentEvent::Counted(AgentCounter::Renewed)).await;
    call.order(answer(1));
    assert_eq!(call.until_end(r(1)).await.outcome, ResponseOutcome::Completed);
    fake.assert_content();
}

#[tokio::test]
async fn a_session_that_ends_under_an_answer_hands_over_to_its_successor() {
    let answers = vec![Answer::default().then(3, Then::Hold), Answer::saying("Once more.")];
    let fake = FakeOpenAi::start(Script { answers, ..Script::default() }).await;
    let short = |settings: &mut OpenAiSettings| {
        settings.session_limit = Duration::from_millis(400);
    };
    let mut call = Call::<Hz8k>::open_with(&fake, short, |_| {});
    call.ready().await;
    call.order(answer(1));
    fake.until("the successor's confirmation", |s| s.len() == 2 && !s[1].said_of("session.updated").is_empty()).await;
    call.until_audio(r(1), Duration::from_millis(500)).await;
    fake.command_to(0, Command::Close(1001, "Your session hit the maximum duration."));
    assert_eq!(call.until_end(r(1)).await.outcome, ResponseOutcome::Failed);
    call.until("the renewal", |event| *event == AgentEvent::Counted(AgentCounter::Renewed)).await;
    call.order(answer(2));
    assert_eq!(call.until_end(r(2)).await.text, "Once more.");
    fake.assert_content();
}

#[tokio::test]
async fn a_wideband_call_speaks_over_tls() {
    let fake = FakeOpenAi::start_tls(Script::default()).await;
    let mut roots = RootCertStore::empty();
    roots.add(fake.certificate.clone().unwrap()).unwrap();
    let agent = OpenAiRealtime::with_roots(settings(&fake.url), roots).unwrap();
    let mut call = Call::<Hz16k>::of(&agent, |_| {});
    call.ready().await;
    call.order(answer(1));
    assert!((31_900..=32_000).contains(&call.until_end(r(1)).await.samples.len()));
    fake.assert_content();
}

#[tokio::test]
async fn a_vendor_that_nobody_vouches_for_is_not_spoken_to() {
    let fake = FakeOpenAi::start_tls(Script::default()).await;
    let other = FakeOpenAi::start_tls(Script::default()).await;
    let mut roots = RootCertStore::empty();
    roots.add(other.certificate.clone().unwrap()).unwrap();
    let agent = OpenAiRealtime::with_roots(settings(&fake.url), roots).unwrap();
    let mut call = Call::<Hz8k>::of(&agent, |_| {});
    assert_eq!(call.until_lost().await.0, AgentLoss::Unreachable);
    assert!(fake.sessions().is_empty());
}

/// Run by the next test, in a process whose `SSL_CERT_FILE` is set; its address comes on standard input.
#[tokio::test]
#[ignore = "a part of ssl_cert_file_names_who_is_trusted"]
async fn speaks_with_whom_ssl_cert_file_trusts() {
    let mut url = String::new();
    std::io::stdin().read_line(&mut url).unwrap();
    let agent = OpenAiRealtime::new(settings(url.trim())).unwrap();
    Call::<Hz8k>::of(&agent, |_| {}).ready().await;
}

#[tokio::test]
async fn ssl_cert_file_names_who_is_trusted() {
    let fake = FakeOpenAi::start_tls(Script::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("roots.pem");
    std::fs::write(&file, fake_openai::pem(fake.certificate.as_ref().unwrap())).unwrap();
    let mut child = Process::new(std::env::current_exe().unwrap())
        .args(["--exact", "speaks_with_whom_ssl_cert_file_trusts", "--ignored"])
        .env("SSL_CERT_FILE", &file)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), format!("{}\n", fake.url).as_bytes()).unwrap();
    let status = tokio::task::spawn_blocking(move || child.wait()).await.unwrap().unwrap();
    assert!(status.success());
    assert_eq!(fake.sessions().len(), 1);
}

#[test]
fn settings_that_would_give_the_key_away_are_refused() {
    for url in ["ws://api.openai.com/v1/realtime", "ws://127.0.0.1.example.org/v1"] {
        assert!(matches!(OpenAiRealtime::new(settings(url)), Err(OpenAiSetupError::Insecure)), "{url}");
    }
    assert!(matches!(OpenAiRealtime::new(settings("https://api.openai.com")), Err(OpenAiSetupError::Scheme)));
    assert!(matches!(OpenAiRealtime::new(settings("nonsense")), Err(OpenAiSetupError::Url(_))));
    for url in ["ws://localhost:1/v1/realtime", "ws://[::1]:1/v1/realtime"] {
        assert!(OpenAiRealtime::new(settings(url)).is_ok(), "{url}");
    }
}
