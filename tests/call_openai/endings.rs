//! How calls with OpenAI end: by a tool, by either side, or not yet.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;
use trunkline::cli::demo::twilio::{EndedBy, PhoneCall, Verb};
use trunkline::config::{Config, OpenAiAudio};
use trunkline::engine::call::{Farewell, HangupCause, Speaker};

use crate::fake_openai::{Answer, FakeOpenAi, Script, SessionLog};
use crate::openai_service::{GREETING, OFFICE, PATIENCE, Service, voice};

const MS: Duration = Duration::from_millis(1);
const GOODBYE: &str = "Thank you for calling, goodbye!";

async fn vendor(answers: impl IntoIterator<Item = Answer>) -> FakeOpenAi {
    let answers = [Answer::saying(GREETING)].into_iter().chain(answers).collect();
    FakeOpenAi::start(Script { answers, listens: true, ..Script::default() }).await
}

/// The caller listens to the greeting and says something.
async fn after_the_first_words(service: &Service) -> PhoneCall {
    let call = service.call().await;
    service.until_turn(&call, GREETING).await;
    call.speak(&voice(700 * MS)).await.unwrap();
    call
}

/// What each tool call was answered with, in order.
fn outputs(log: &SessionLog) -> Vec<Value> {
    let items = log.heard_of("conversation.item.create").into_iter().map(|event| &event["item"]);
    let outputs = items.filter(|item| item["type"] == "function_call_output");
    outputs.map(|item| serde_json::from_str(item["output"].as_str().unwrap()).unwrap()).collect()
}

/// A call that a tool ends, with last words or without.
async fn a_tool_ends_it(answer: Answer, audio: OpenAiAudio, cause: HangupCause, farewell: Farewell, verb: Verb) {
    let last_words = answer.texts.concat();
    let fake = vendor([answer]).await;
    let service = Service::with_audio(&fake, audio);
    let call = after_the_first_words(&service).await;
    let ended = service.until_ended(call).await;
    fake.until("the end of the session", |sessions| sessions[0].over.is_some()).await;
    fake.assert_content();
    let (log, journal, report) = (&fake.sessions()[0], &ended.journal, &ended.report);
    assert_eq!((ended.cause, &ended.farewell), (cause, &farewell), "{journal}");
    assert_eq!((report.ended_by, report.close_code), (EndedBy::Server, Some(1_000)));
    assert_eq!(report.farewell, [verb]);
    assert_eq!(outputs(log), [serde_json::json!({ "ok": true })], "{journal}");
    assert_eq!(log.left, Some("close"));
    let mark = report.marks.last().unwrap();
    let heard_at = mark.answered.unwrap_or_else(|| panic!("{mark:?} was not heard\n{journal}"));
    assert!(!mark.cleared && heard_at <= report.length, "{mark:?}");
    if !last_words.is_empty() {
        assert_eq!(ended.conversation().last(), Some(&format!("agent: {last_words}")), "{journal}");
        let from = Duration::from_millis(ended.turns.last().unwrap().started_ms.into()).saturating_sub(500 * MS);
        let heard = ended.heard_between(from, report.length).len() as u32 * MS / 8;
        let meant = last_words.len() as u32 * 65 * MS;
        assert!(heard + 20 * MS >= meant, "{heard:?} of {meant:?} were heard\n{journal}");
    }
}

#[tokio::test]
async fn the_agent_hangs_up_or_transfers_after_its_last_words_were_heard() {
    use OpenAiAudio::{Pcm24, Pcmu};
    let dial = || Farewell::Dial(OFFICE.parse().unwrap());
    let (bye, wordless) = (Answer::saying(GOODBYE), Answer { texts: Vec::new(), ..Answer::default() });
    let moment = Answer::saying("I connect you.");
    let to_office = format!(r#"{{"number":"{OFFICE}"}}"#);
    let hang_up = |answer: &Answer| answer.clone().calling("hang_up", "{}");
    let cause = HangupCause::AgentHungUp;
    join_all([
        a_tool_ends_it(hang_up(&bye), Pcmu, cause, Farewell::HangUp, Verb::Hangup),
        a_tool_ends_it(hang_up(&bye), Pcm24, cause, Farewell::HangUp, Verb::Hangup),
        a_tool_ends_it(hang_up(&wordless), Pcmu, cause, Farewell::HangUp, Verb::Hangup),
        a_tool_ends_it(
            moment.clone().calling("transfer", "{}"),
            Pcmu,
            HangupCause::Transferred,
            dial(),
            Verb::Dial(OFFICE.to_owned()),
        ),
        a_tool_ends_it(
            moment.calling("transfer", &to_office),
            Pcm24,
            HangupCause::Transferred,
            dial(),
            Verb::Dial(OFFICE.to_owned()),
        ),
    ])
    .await;
}

/// A call in which the agent's tool calls (name, arguments, and what the refusal is to say) are refused: it is told
/// why, in order, and goes on.
async fn refused(tools: Vec<(&str, &str, &str)>, set: impl FnOnce(&mut Config)) {
    let calling = |answer: Answer, tool: &(&str, &str, &str)| answer.calling(tool.0, tool.1);
    let asks = tools.iter().fold(Answer::saying("One moment."), calling);
    let fake = vendor([asks, Answer::saying("I am afraid I can't.")]).await;
    let service = Service::start(&fake.url, set);
    let call = after_the_first_words(&service).await;
    service.until_turn(&call, "I am afraid I can't.").await;
    let ended = service.hang_up(call).await;
    fake.assert_content();
    let (log, journal) = (&fake.sessions()[0], &ended.journal);
    let outputs = outputs(log);
    assert_eq!(outputs.len(), tools.len(), "{outputs:?}\n{journal}");
    for (output, (_, _, error)) in outputs.iter().zip(&tools) {
        assert_eq!(output["ok"], false);
        assert!(output["error"].as_str().is_some_and(|why| why.contains(error)), "{output}");
    }
    assert_eq!(log.heard_of("response.create").len(), 3, "{journal}");
    // The answers to the tools stand before the request for the next response.
    let order: Vec<&str> = log.heard.iter().filter_map(|(_, event)| event["type"].as_str()).collect();
    let last_output = order.iter().rposition(|kind| *kind == "conversation.item.create").unwrap();
    assert_eq!(order[last_output + 1..].iter().find(|kind| !kind.starts_with("input_")), Some(&"response.create"));
    let agents: Vec<_> = ended.turns_of(Speaker::Agent).iter().map(|turn| turn.heard_text.clone()).collect();
    assert_eq!(agents, [GREETING, "One moment.", "I am afraid I can't."], "{journal}");
}

#[tokio::test]
async fn what_a_tool_may_not_do_is_refused_with_a_reason_and_the_call_goes_on() {
    let abroad = r#"{"number":"+15005550009"}"#;
    let only_own = "only the business's own number";
    tokio::join!(
        refused(vec![("transfer", abroad, only_own)], |_| {}),
        refused(vec![("transfer", "{}", "cannot be transferred")], |config| config.business[0].transfer_to = None),
        refused(
            vec![
                ("transfer", abroad, only_own),
                ("order_bread", "{}", "no such tool"),
                ("transfer", r#"{"number":"the boss"}"#, "number"),
            ],
            |config| config.openai.audio = OpenAiAudio::Pcm24,
        ),
    );
}

#[tokio::test]
async fn a_caller_who_interrupts_the_goodbye_keeps_the_line() {
    let fake = vendor([Answer::saying(GOODBYE).calling("hang_up", "{}"), Answer::saying("Until six.")]).await;
    let service = Service::with_audio(&fake, OpenAiAudio::Pcmu);
    let call = after_the_first_words(&service).await;
    call.wait_until_agent_has_spoken_for(500 * MS, PATIENCE).await.unwrap();
    call.speak(&voice(700 * MS)).await.unwrap();
    service.until_turn(&call, "Until six.").await;
    let ended = service.hang_up(call).await;
    fake.assert_content();
    assert_eq!(ended.conversation().last().map(String::as_str), Some("agent: Until six."), "{}", ended.journal);
    assert_eq!(ended.report.clears.len(), 1);
}

#[tokio::test]
async fn a_line_that_is_cut_closes_the_vendors_socket_too() {
    let fake = vendor([]).await;
    let service = Service::with_audio(&fake, OpenAiAudio::Pcmu);
    let call = after_the_first_words(&service).await;
    let zero = crate::openai_service::zero_of(&call, &fake);
    let ended = service.cut(call).await;
    fake.until("the end of the session", |sessions| sessions[0].over.is_some()).await;
    let after = fake.sessions()[0].over.unwrap().saturating_sub(zero).saturating_sub(ended.report.length);
    assert!(after <= 2_000 * MS, "{after:?}");
    fake.assert_content();
}
