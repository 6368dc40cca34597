//! Whole sessions with a fake OpenAI over real sockets.

#[path = "support/fake_openai/mod.rs"]
mod fake_openai;
#[path = "support/openai_call.rs"]
mod openai_call;

use std::time::Duration;

use fake_openai::{Answer, Command, FakeOpenAi, Script, Then};
use openai_call::{Call, answer, ended, r};
use trunkline::engine::audio::Hz8k;
use trunkline::engine::call::{Ask, ResponseOutcome, Tool, ToolResult, TurnOwner};
use trunkline::providers::voice_agent::openai_realtime::AudioFormat;
use trunkline::providers::voice_agent::{AgentEvent, AgentOrder};

#[tokio::test]
async fn the_greeting_is_spoken_as_given() {
    let answers = vec![Answer::saying("Bakery Miller, good morning!")];
    let fake = FakeOpenAi::start(Script { answers, ..Script::default() }).await;
    let mut call = Call::<Hz8k>::open(&fake, |_| {});
    call.ready().await;
    call.order(AgentOrder::Respond { response: r(1), ask: Ask::Greeting });
    let spoken = call.until_end(r(1)).await;
    assert_eq!(spoken.text, "Bakery Miller, good morning!");
    assert_eq!(spoken.outcome, ResponseOutcome::Completed);
    // The resampler keeps back the last 2 ms at most.
    let wanted = 28 * 65 * 8;
    assert!((wanted - 16..=wanted).contains(&spoken.samples.len()), "{} samples", spoken.samples.len());
    assert!(fake_openai::level(&spoken.samples) > 1_000.0);

    let sessions = fake.sessions();
    let create = sessions[0].heard_of("response.create")[0];
    let instructions = create["response"]["instructions"].as_str().unwrap();
    assert!(instructions.contains("Bakery Miller, good morning!") && instructions.contains("exactly"));
    assert_eq!(sessions[0].heard[0].1["type"], "session.update");
    call.leave(&fake).await;
    fake.assert_content();
}

#[tokio::test]
async fn two_turns_are_heard_by_the_vendors_ears_and_answered_by_ours() {
    let answers = vec![Answer::saying("Hello."), Answer::saying("At nine."), Answer::saying("You are welcome.")];
    let transcripts = vec!["When do you open?".into(), "Thank you.".into()];
    let fake = FakeOpenAi::start(Script { answers, transcripts, listens: true, ..Script::default() }).await;
    let mut call = Call::<Hz8k>::open(&fake, |_| {});
    // The caller speaks before anybody listens: it is kept.
    call.says_nothing(Duration::from_millis(400));
    call.ready().await;
    for (turn, words) in [(1, "When do you open?"), (2, "Thank you.")] {
        call.speaks(Duration::from_millis(600));
        call.says_nothing(Duration::from_millis(700));
        call.until("the onset", |event| *event == AgentEvent::CallerSpeechStarted).await;
        call.until("the end", |event| *event == AgentEvent::CallerSpeechEnded).await;
        let heard = call.until("the words", |event| matches!(event, AgentEvent::CallerText { .. })).await;
        let AgentEvent::CallerText { text, confidence } = heard else { unreachable!() };
        assert_eq!(text, words);
        let expected = (-0.2_f32).exp();
        assert!(confidence.is_some_and(|confidence| (confidence - expected).abs() < 1e-6), "{confidence:?}");
        call.order(answer(turn));
        assert_eq!(call.until_end(r(turn)).await.outcome, ResponseOutcome::Completed);
    }
    // Nothing but our own requests made it speak, and not a frame was lost: 400 + 2 × 1300 ms at 24 kHz.
    let sessions = fake.sessions();
    assert_eq!(sessions[0].said_of("response.created").len(), 2);
    fake.until("all audio", |sessions| sessions[0].samples == 3_000 * 24).await;
    fake.assert_content();
}

#[tokio::test]
async fn of_a_caller_who_speaks_too_early_the_last_seconds_are_kept() {
    let fake = FakeOpenAi::start(Script::default()).await;
    let mut call = Call::<Hz8k>::open(&fake, |_| {});
    call.says_nothing(Duration::from_secs(2));
    call.speaks(Duration::from_secs(4));
    call.ready().await;
    fake.until("four seconds", |sessions| sessions[0].samples >= 4_000 * 24).await;
    let sessions = fake.sessions();
    assert_eq!(sessions[0].samples, 4_000 * 24);
    assert!(fake_openai::level(&sessions[0].audio[..2_400]) > 1_000.0);
    assert!(sessions[0].heard_of("input_audio_buffer.append").len() < 20);
    fake.assert_content();
}

#[tokio::test]
async fn an_interrupted_answer_is_cancelled_once_and_cut_to_what_was_heard() {
    let answers = vec![Answer::default().then(5, Then::Hold), Answer::saying("Yes?")];
    let fake = FakeOpenAi::start(Script { answers, ..Script::default() }).await;
    let mut call = Call::<Hz8k>::open(&fake, |_| {});
    call.ready().await;
    call.order(answer(1));
    call.until_audio(r(1), Duration::from_millis(990)).await;
    fake.command(Command::SpeechStarted);
    call.until("the onset", |event| *event == AgentEvent::CallerSpeechStarted).await;
    call.order(AgentOrder::Cancel(r(1)));
    call.order(AgentOrder::Cancel(r(1)));
    call.order(AgentOrder::Truncate { response: r(1), heard: Duration::from_micros(640_900) });
    call.order(answer(2));
    assert_eq!(call.until_end(r(1)).await.outcome, ResponseOutcome::Cancelled);
    assert_eq!(call.until_end(r(2)).await.text, "Yes?");
    let sessions = fake.sessions();
    assert_eq!(sessions[0].heard_of("response.cancel").len(), 1);
    assert_eq!(sessions[0].heard_of("conversation.item.truncate")[0]["audio_end_ms"], 640);
    let order: Vec<_> = sessions[0].heard.iter().map(|(_, event)| event["type"].as_str().unwrap()).collect();
    let wanted =
        ["session.update", "response.create", "response.cancel", "conversation.item.truncate", "response.create"];
    assert_eq!(order, wanted);
    fake.assert_content();
}

#[tokio::test]
async fn what_was_not_heard_at_all_never_happened() {
    let two_items = Answer { texts: vec!["We open at nine.".into(), "Anything else?".into()], ..Answer::default() };
    let fake = FakeOpenAi::start(Script { answers: vec![two_items], ..Script::default() }).await;
    let mut call = Call::<Hz8k>::open(&fake, |_| {});
    call.ready().await;
    // Each item lasts 2 s: the first is truncated, the second deleted; then one of which nothing was heard.
    call.order(answer(1));
    call.until_end(r(1)).await;
    call.order(AgentOrder::Truncate { response: r(1), heard: Duration::from_millis(1_500) });
    fake.until_heard(0, "conversation.item.truncate", 1).await;
    fake.until_heard(0, "conversation.item.delete", 1).await;
    call.order(answer(2));
    call.until_end(r(2)).await;
    call.order(AgentOrder::Truncate { response: r(2), heard: Duration::ZERO });
    fake.until_heard(0, "conversation.item.delete", 3).await;
    // Played to its end after all: nothing is left to be said about it, however often it is said.
    call.order(answer(3));
    call.until_end(r(3)).await;
    call.order(AgentOrder::Truncate { response: r(3), heard: Duration::from_secs(9) });
    call.order(answer(4));
    call.until_end(r(4)).await;
    assert_eq!(fake.sessions()[0].heard_of("conversation.item.truncate").len(), 1);
    fake.assert_content();
}

#[tokio::test]
async fn tools_are_called_and_answered_after_their_response() {
    let answers = vec![
        Answer::saying("One moment.").calling("transfer", r#"{"number":"+15005550006"}"#).then(1, Then::Hold),
        Answer::saying("I am sorry, nobody answers. Goodbye.").calling("hang_up", "{}").calling("fly", "{}"),
    ];
    let fake = FakeOpenAi::start(Script { answers, ..Script::default() }).await;
    let mut call = Call::<Hz8k>::open(&fake, |brief| brief.may_transfer = true);
    call.ready().await;
    call.order(answer(1));
    fake.until("the first audio", |sessions| !sessions[0].said_of("response.output_audio.delta").is_empty()).await;
    fake.command(Command::GoOn);
    let transfer = call.until_tool().await;
    assert_eq!(transfer.tool, Tool::Transfer(Some("+15005550006".parse().unwrap())));
    assert_eq!(transfer.response, Some(r(1)));
    call.order(AgentOrder::ToolResult {
        call_id: transfer.call_id,
        result: ToolResult::Refused("nobody there".into()),
    });
    call.order(answer(2));
    call.until_end(r(1)).await;
    let hang_up = call.until_tool().await;
    assert_eq!(hang_up.tool, Tool::HangUp);
    let unknown = call.until_tool().await;
    assert!(matches!(unknown.tool, Tool::Unusable { .. }));
    call.until_end(r(2)).await;
    for call_id in [&hang_up.call_id, &hang_up.call_id, &unknown.call_id] {
        call.order(AgentOrder::ToolResult { call_id: call_id.clone(), result: ToolResult::Done });
    }
    fake.until_heard(0, "conversation.item.create", 3).await;
    let sessions = fake.sessions();
    let output = sessions[0].heard_of("conversation.item.create")[0]["item"]["output"].as_str().unwrap();
    assert_eq!(output, r#"{"error":"nobody there","ok":false}"#);
    assert_eq!(sessions[0].heard_of("response.create").len(), 2);
    fake.assert_content();
}

#[tokio::test]
async fn keys_are_told_by_the_system_and_not_by_the_caller() {
    let fake = FakeOpenAi::start(Script::default()).await;
    let mut call = Call::<Hz8k>::open(&fake, |_| {});
    call.ready().await;
    call.order(AgentOrder::Dtmf('5'.try_into().unwrap()));
    fake.until_heard(0, "conversation.item.create", 1).await;
    let sessions = fake.sessions();
    let item = &sessions[0].heard_of("conversation.item.create")[0]["item"];
    assert_eq!(item["role"], "system");
    assert!(item["content"][0]["text"].as_str().unwrap().contains('5'));
    fake.assert_content();
}

#[tokio::test]
async fn a_vendor_that_owns_the_turns_answers_by_itself() {
    let fake = FakeOpenAi::start(Script { listens: true, ..Script::default() }).await;
    let mut call = Call::<Hz8k>::open_with(&fake, |settings| settings.turns = TurnOwner::Vendor, |_| {});
    call.ready().await;
    call.speaks(Duration::from_millis(500));
    call.says_nothing(Duration::from_millis(700));
    let started = call.until("a response", |event| matches!(event, AgentEvent::ResponseStarted(_))).await;
    let AgentEvent::ResponseStarted(response) = started else { unreachable!() };
    assert!(response.is_vendors());
    assert_eq!(call.until_end(response).await.text, "We open at nine in the morning.");
    fake.assert_content();
}

#[tokio::test]
async fn a_response_that_nobody_asked_for_is_cancelled_and_never_told() {
    let fake = FakeOpenAi::start(Script::default()).await;
    let mut call = Call::<Hz8k>::open(&fake, |_| {});
    call.ready().await;
    let own = serde_json::json!({ "type": "response.created", "response": { "id": "resp_own", "object": "realtime.response",
        "status": "in_progress", "metadata": null } });
    fake.command(Command::Say(own));
    fake.until_heard(0, "response.cancel", 1).await;
    assert_eq!(fake.sessions()[0].heard_of("response.cancel")[0]["response_id"], "resp_own");
    assert_eq!(fake.complaints(), ["session 0: cancels the unknown response resp_own"]);
    call.order(answer(1));
    let done = serde_json::json!({ "type": "response.done", "response": { "id": "resp_own", "status": "cancelled" } });
    fake.command(Command::Say(done));
    assert_eq!(call.until_end(r(1)).await.outcome, ResponseOutcome::Completed);
    assert!(!call.seen().iter().any(|event| matches!(event, AgentEvent::ResponseStarted(id) if *id != r(1))));
}

#[tokio::test]
async fn ulaw_travels_as_it_is() {
    let answers = vec![Answer { pitch: 300.0, ..Answer::default() }];
    let fake = FakeOpenAi::start(Script { answers, ..Script::default() }).await;
    let mut call = Call::<Hz8k>::open_with(&fake, |settings| settings.audio = AudioFormat::Pcmu, |_| {});
    call.ready().await;
    call.speaks(Duration::from_secs(1));
    call.order(answer(1));
    let spoken = call.until_end(r(1)).await;
    assert_eq!(spoken.samples.len(), 16_000);
    fake.until("a second of µ-law", |sessions| sessions[0].was_ulaw && sessions[0].samples == 8_000).await;
    assert!(call.counted().is_empty(), "{:?}", call.counted());
    fake.assert_content();
}

#[tokio::test]
async fn ragged_audio_is_whole_again() {
    let answers = vec![Answer { ragged: true, ..Answer::default() }, Answer::default()];
    let fake = FakeOpenAi::start(Script { answers, ..Script::default() }).await;
    let mut call = Call::<Hz8k>::open(&fake, |_| {});
    call.ready().await;
    call.order(answer(1));
    let ragged = call.until_end(r(1)).await;
    call.order(answer(2));
    assert_eq!(ragged.samples, call.until_end(r(2)).await.samples);
    assert_eq!(call.seen().iter().filter(|event| ended(event)).count(), 2);
}

#[tokio::test]
async fn dropping_the_link_closes_the_socket_within_a_second() {
    let fake = FakeOpenAi::start(Script::default()).await;
    let mut call = Call::<Hz8k>::open(&fake, |_| {});
    call.ready().await;
    let took = call.leave(&fake).await;
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_eq!(fake.sessions()[0].left, Some("close"));
}
