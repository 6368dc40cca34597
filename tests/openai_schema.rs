//! Everything that our client and the fake OpenAI say is held against the models of OpenAI's published SDK.

#[path = "support/fake_openai/mod.rs"]
mod fake_openai;
#[path = "support/openai_call.rs"]
mod openai_call;
#[path = "support/python.rs"]
mod python;
#[path = "support/skip.rs"]
mod skip;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command as Process, Stdio};
use std::time::Duration;

use fake_openai::{Answer, Command, End, ErrorScript, FakeOpenAi, Script, SessionLog, SessionScript, Then, Update};
use openai_call::{Call, answer, r};
use serde_json::{Value, json};
use trunkline::engine::audio::Hz8k;
use trunkline::engine::call::{Ask, Speaker, ToolResult};
use trunkline::providers::voice_agent::openai_realtime::{AudioFormat, NoiseReduction, OpenAiSettings};
use trunkline::providers::voice_agent::{AgentEvent, AgentOrder};

/// The SDK whose models are asked.
const SDK: &str = "openai==3.52.0";

#[tokio::test]
async fn every_message_is_one_of_the_published_interface() {
    let Some(programs) = python::programs_with(SDK, "openai.types.realtime") else { return };
    let python = programs.join("python");
    let mut sessions = a_long_conversation().await;
    sessions.append(&mut a_ulaw_conversation().await);
    let lines: String = sessions.iter().flat_map(records).map(|record| format!("{record}\n")).collect();
    let (is_clean, findings) = ask(&python, &lines);
    assert!(is_clean, "{findings}");

    // The judge itself must be able to say no.
    let wrong = [
        json!({ "side": "client", "event": { "type": "response.cancel", "response": "r" } }),
        json!({ "side": "client", "event": { "type": "response.create", "response": { "modalities": ["audio"] } } }),
        json!({ "side": "server", "event": { "type": "response.audio.delta" } }),
        json!({ "side": "server", "event": { "type": "session.created", "event_id": "e", "session": { "type": "realtime" } } }),
    ];
    for record in wrong {
        assert!(!ask(&python, &format!("{record}\n")).0, "{record}");
    }
}

fn records(log: &SessionLog) -> Vec<Value> {
    let client = log.heard.iter().map(|(_, event)| json!({ "side": "client", "event": event }));
    let server = log.said.iter().map(|(_, event)| json!({ "side": "server", "event": event }));
    client.chain(server).collect()
}

/// Says and hears at least one of everything.
async fn a_long_conversation() -> Vec<SessionLog> {
    let answers = vec![
        Answer::saying("Bakery Miller, good morning!"),
        Answer::default().then(3, Then::Hold),
        Answer::saying("Goodbye.").calling("hang_up", "{}"),
        Answer { end: End::Failed("server_error"), ..Answer::default() },
        Answer { end: End::Incomplete, ..Answer::default() },
    ];
    let refuse = Update::Refuse(ErrorScript::new("invalid_request_error", "unknown_parameter"));
    let first = SessionScript { updates: vec![refuse], ..SessionScript::default() };
    let script =
        Script { sessions: vec![first, SessionScript::default()], answers, listens: true, ..Script::default() };
    let fake = FakeOpenAi::start(script).await;
    let short = |settings: &mut OpenAiSettings| {
        settings.session_limit = Duration::from_millis(500);
    };
    let mut call = Call::<Hz8k>::open_with(&fake, short, |brief| {
        brief.may_transfer = true;
        brief.history = vec![(Speaker::Agent, "Hello.".into()), (Speaker::Caller, "Hello, I am Ann.".into())];
    });
    call.ready().await;
    call.order(AgentOrder::Respond { response: r(1), ask: Ask::Greeting });
    call.until_end(r(1)).await;
    call.speaks(Duration::from_millis(500));
    call.says_nothing(Duration::from_millis(700));
    call.until("the words", |event| matches!(event, AgentEvent::CallerText { .. })).await;
    call.order(answer(2));
    call.until_audio(r(2), Duration::from_millis(500)).await;
    call.order(AgentOrder::Cancel(r(2)));
    call.order(AgentOrder::Truncate { response: r(2), heard: Duration::from_millis(300) });
    call.order(AgentOrder::Dtmf('#'.try_into().unwrap()));
    call.order(AgentOrder::Respond { response: r(3), ask: Ask::Reprompt });
    let tool = call.until_tool().await;
    call.order(AgentOrder::ToolResult { call_id: tool.call_id, result: ToolResult::Done });
    for number in [4, 5] {
        call.order(AgentOrder::Respond { response: r(number), ask: Ask::Again });
        call.until_end(r(number)).await;
        call.order(AgentOrder::Truncate { response: r(number), heard: Duration::ZERO });
    }
    // Whichever of the two sessions it was then.
    let deleted = |log: &SessionLog| log.heard_of("conversation.item.delete").len();
    fake.until("two items deleted", |sessions| sessions.iter().map(deleted).sum::<usize>() >= 2).await;
    // On a slow machine it has a successor of its own by then.
    fake.until("the successor", |sessions| {
        sessions.iter().skip(1).any(|session| !session.heard_of("conversation.item.create").is_empty())
    })
    .await;
    call.leave(&fake).await;
    fake.assert_content();
    fake.sessions()
}

async fn a_ulaw_conversation() -> Vec<SessionLog> {
    let fake = FakeOpenAi::start(Script::default()).await;
    let set = |settings: &mut OpenAiSettings| {
        settings.audio = AudioFormat::Pcmu;
        settings.noise_reduction = NoiseReduction::Off;
        settings.max_output_tokens = None;
    };
    let mut call = Call::<Hz8k>::open_with(&fake, set, |brief| brief.greeting = None);
    call.ready().await;
    call.says_nothing(Duration::from_millis(100));
    call.order(AgentOrder::Respond { response: r(1), ask: Ask::Greeting });
    call.until_end(r(1)).await;
    fake.command(Command::Close(1001, "going away"));
    call.until_lost().await;
    fake.sessions()
}

fn ask(python: &Path, lines: &str) -> (bool, String) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/fake_openai/check_schema.py");
    let mut child = Process::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the interpreter was there a moment ago");
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}
