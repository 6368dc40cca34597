use super::*;
use crate::engine::audio::Hz8k;
use crate::engine::call::{Tool, ToolResult};

const NOW: Duration = Duration::ZERO;
const R1: ResponseId = ResponseId::from_engine(1);
const V1: ResponseId = ResponseId::from_vendor(1);

fn ready() -> Session {
    let mut session = Session::new(&DeepgramSettings::default(), Some("Hello.".into()), false);
    let told = said(&mut session, r#"{"type":"SettingsApplied"}"#);
    assert_eq!(told, [Action::Tell(AgentEvent::Ready { detects_turns: true })]);
    session
}

fn said(session: &mut Session, text: &str) -> Vec<Action<Hz8k>> {
    session.handle(NOW, ServerMessage::parse(text))
}

fn ended(response: ResponseId, outcome: ResponseOutcome) -> Action<Hz8k> {
    Action::Tell(AgentEvent::ResponseEnded { response, outcome })
}

#[test]
fn the_greeting_is_said_once_and_carries_the_calls_number() {
    let mut session = ready();
    let sent = session.order::<Hz8k>(NOW, AgentOrder::Respond { response: R1, ask: Ask::Greeting });
    assert_eq!(sent, [Action::Send(r#"{"message":"Hello.","type":"InjectAgentMessage"}"#.into())]);
    let heard = session.audio::<Hz8k>(NOW, &[1, 0, 2, 0]);
    let chunk = Chunk::new(vec![1, 2]);
    let audio = Action::Tell(AgentEvent::Audio { response: R1, chunk });
    assert_eq!(heard, [Action::Tell(AgentEvent::ResponseStarted(R1)), audio]);
    assert_eq!(said(&mut session, r#"{"type":"AgentAudioDone"}"#), [ended(R1, ResponseOutcome::Completed)]);
}

#[test]
fn the_caller_who_interrupts_ends_the_response() {
    let mut session = ready();
    session.audio::<Hz8k>(NOW, &[1, 0]);
    let told = said(&mut session, r#"{"type":"UserStartedSpeaking"}"#);
    assert_eq!(told, [Action::Tell(AgentEvent::CallerSpeechStarted), ended(V1, ResponseOutcome::Cancelled)]);
}

#[test]
fn a_cancelled_response_is_swallowed_up_to_its_end() {
    let mut session = ready();
    session.audio::<Hz8k>(NOW, &[1, 0]);
    assert_eq!(session.order(NOW, AgentOrder::Cancel(V1)), [ended(V1, ResponseOutcome::Cancelled)]);
    let stale = session.audio::<Hz8k>(NOW, &[1, 0]);
    assert_eq!(stale, [Action::Tell(AgentEvent::Counted(AgentCounter::StaleAudio))]);
    assert!(said(&mut session, r#"{"type":"AgentAudioDone"}"#).is_empty());
    let next = session.audio::<Hz8k>(NOW, &[1, 0]);
    assert_eq!(next[0], Action::Tell(AgentEvent::ResponseStarted(ResponseId::from_vendor(2))));
}

#[test]
fn every_function_of_a_request_is_called_and_answered_once() {
    let mut session = ready();
    let request = r#"{"type":"FunctionCallRequest","functions":[
        {"id":"a","name":"hang_up","arguments":"{}","client_side":true},
        {"id":"b","name":"pizza","arguments":"{}","client_side":true},
        {"id":"c","name":"theirs","arguments":"{}","client_side":false}]}"#;
    let called = said(&mut session, request);
    let hang_up = ToolCall { call_id: "a".into(), response: None, tool: Tool::HangUp };
    assert_eq!(called.len(), 2);
    assert_eq!(called[0], Action::Tell(AgentEvent::ToolCalled(hang_up)));
    assert!(said(&mut session, request).is_empty());
    for (id, answers) in [("a", 1), ("a", 0), ("b", 1), ("c", 0)] {
        let order = AgentOrder::ToolResult { call_id: id.into(), result: ToolResult::Done };
        assert_eq!(session.order::<Hz8k>(NOW, order).len(), answers, "{id}");
    }
}

#[test]
fn an_answer_that_never_comes_is_a_stall() {
    let mut session = ready();
    session.order::<Hz8k>(NOW, AgentOrder::Respond { response: R1, ask: Ask::Reprompt });
    assert!(session.expire::<Hz8k>(Duration::from_secs(5)).is_empty());
    assert!(matches!(session.expire::<Hz8k>(Duration::from_secs(6))[..], [Action::Lose(AgentLoss::Stalled, _)]));
}

#[test]
fn an_error_before_the_settings_are_applied_is_a_refusal() {
    let mut session = Session::new(&DeepgramSettings::default(), None, false);
    let told = said(&mut session, r#"{"type":"Error","description":"secret","code":"INVALID_SETTINGS"}"#);
    assert_eq!(told, [Action::Refused("INVALID_SETTINGS".into())]);
}
