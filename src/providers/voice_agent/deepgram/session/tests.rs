use super::*;
use crate::engine::audio::Hz8k;
use crate::engine::call::{Tool, ToolResult};
use crate::engine::ids::Digit;

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
    assert_eq!(sent, [Action::Send(r#"{"behavior":"queue","message":"Hello.","type":"InjectAgentMessage"}"#.into())]);
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

const HANG_UP: &str =
    r#"{"type":"FunctionCallRequest","functions":[{"id":"a","name":"hang_up","arguments":"{}","client_side":true}]}"#;
const DONE: &str = r#"{"type":"AgentAudioDone"}"#;

fn hang_up(response: Option<ResponseId>) -> Action<Hz8k> {
    Action::Tell(AgentEvent::ToolCalled(ToolCall { call_id: "a".into(), response, tool: Tool::HangUp }))
}

fn after(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn every_function_of_a_request_is_called_and_answered_once() {
    let mut session = ready();
    session.audio::<Hz8k>(NOW, &[1, 0]);
    let request = r#"{"type":"FunctionCallRequest","functions":[
        {"id":"a","name":"hang_up","arguments":"{}","client_side":true},
        {"id":"b","name":"pizza","arguments":"{}","client_side":true},
        {"id":"c","name":"theirs","arguments":"{}","client_side":false}]}"#;
    let called = said(&mut session, request);
    assert_eq!(called.len(), 2);
    assert_eq!(called[0], hang_up(Some(V1)));
    assert!(said(&mut session, request).is_empty());
    for (id, answers) in [("a", 1), ("a", 0), ("b", 1), ("c", 0)] {
        let order = AgentOrder::ToolResult { call_id: id.into(), result: ToolResult::Done };
        assert_eq!(session.order::<Hz8k>(NOW, order).len(), answers, "{id}");
    }
}

#[test]
fn a_goodbye_that_is_spoken_after_its_function_was_called_is_heard_first() {
    let mut session = ready();
    assert!(said(&mut session, HANG_UP).is_empty());
    assert!(session.expire::<Hz8k>(after(1_900)).is_empty());
    let begun = session.audio::<Hz8k>(after(1_950), &[1, 0]);
    assert_eq!(begun[0], Action::Tell(AgentEvent::ResponseStarted(V1)));
    assert!(session.expire::<Hz8k>(after(5_000)).is_empty(), "it still speaks");
    assert_eq!(said(&mut session, DONE), [ended(V1, ResponseOutcome::Completed), hang_up(None)]);
}

#[test]
fn a_function_without_words_is_called_after_two_seconds() {
    let mut session = ready();
    assert!(said(&mut session, HANG_UP).is_empty());
    assert!(session.expire::<Hz8k>(after(1_999)).is_empty());
    assert_eq!(session.expire(after(2_000)), [hang_up(None)]);
    assert!(session.expire::<Hz8k>(after(2_001)).is_empty());
}

#[test]
fn a_function_that_is_called_after_the_goodbye_is_called_at_once() {
    let mut session = ready();
    session.audio::<Hz8k>(NOW, &[1, 0]);
    said(&mut session, DONE);
    assert_eq!(said(&mut session, HANG_UP), [hang_up(None)]);
}

#[test]
fn a_caller_who_speaks_before_the_goodbye_keeps_the_line() {
    for (cancelled, is_open) in [
        (r#"{"type":"UserStartedSpeaking"}"#, true),
        (r#"{"type":"FunctionCallCancelled","functions":[{"id":"a"}]}"#, false),
    ] {
        let mut session = ready();
        said(&mut session, HANG_UP);
        said(&mut session, cancelled);
        assert!(session.expire::<Hz8k>(after(3_000)).is_empty(), "{cancelled}");
        assert_eq!(session.open_calls.contains_key("a"), is_open, "{cancelled}");
    }
}

#[test]
fn a_goodbye_that_the_call_interrupts_ends_nothing() {
    let refused = r#"{"content":"{\"error\":\"the caller interrupted; go on with them\",\"ok\":false}","id":"a","name":"hang_up","type":"FunctionCallResponse"}"#;
    let mut session = ready();
    session.audio::<Hz8k>(NOW, &[1, 0]);
    assert_eq!(session.order(NOW, AgentOrder::Cancel(V1)), [ended(V1, ResponseOutcome::Cancelled)]);
    assert_eq!(said(&mut session, HANG_UP), [Action::Send(refused.into())]);
    assert!(said(&mut session, DONE).is_empty());
    assert!(session.expire::<Hz8k>(after(3_000)).is_empty());
}

#[test]
fn words_that_come_after_their_sound_begin_no_response() {
    let mut session = ready();
    session.audio::<Hz8k>(NOW, &[1, 0]);
    said(&mut session, DONE);
    assert!(said(&mut session, r#"{"type":"ConversationText","role":"assistant","content":"Bye."}"#).is_empty());
    assert!(session.expire::<Hz8k>(after(7_900)).is_empty(), "nothing stalls");
}

#[test]
fn what_we_say_in_the_callers_name_is_no_turn_of_the_caller() {
    let mut session = ready();
    session.order::<Hz8k>(NOW, AgentOrder::Dtmf(Digit::try_from('4').unwrap()));
    let sent = session.order::<Hz8k>(NOW, AgentOrder::Respond { response: R1, ask: Ask::Answer });
    let pressed = "(The caller pressed 4.)";
    assert_eq!(sent, [Action::Send(client_message::hear(pressed))]);
    let echo = format!(r#"{{"type":"ConversationText","role":"user","content":"{pressed}"}}"#);
    assert!(said(&mut session, &echo).is_empty());
    assert_eq!(said(&mut session, &echo).len(), 2, "whoever says so really has said it");
}

#[test]
fn silence_is_bridged_every_eight_seconds_and_only_while_there_is_silence() {
    let mut session = ready();
    let alive = || vec![Action::Send(KEEP_ALIVE.to_owned())];
    let mut sent = Vec::new();
    for millis in (0..60_000).step_by(20) {
        if millis <= 20_000 {
            session.sent_audio(after(millis));
        }
        let actions = session.expire::<Hz8k>(after(millis));
        if !actions.is_empty() {
            assert_eq!(actions, alive());
            sent.push(millis);
        }
    }
    assert_eq!(sent, [28_000, 36_000, 44_000, 52_000]);
    let mut unconfirmed = Session::new(&DeepgramSettings::default(), None, false);
    assert!(unconfirmed.expire::<Hz8k>(after(9_000)).is_empty());
}

#[test]
fn a_session_is_given_up_before_the_vendor_does_so_but_in_no_sentence() {
    let mut session = ready();
    let limit = DeepgramSettings::default().session_limit;
    said(&mut session, r#"{"type":"UserStartedSpeaking"}"#);
    assert!(
        !session.expire::<Hz8k>(limit).iter().any(|action| matches!(action, Action::Lose(..))),
        "nor in the caller's"
    );
    session.audio::<Hz8k>(limit, &[1, 0]);
    assert!(!session.expire::<Hz8k>(limit).iter().any(|action| matches!(action, Action::Lose(..))));
    said(&mut session, DONE);
    assert!(matches!(session.expire::<Hz8k>(limit)[..], [Action::Lose(AgentLoss::Dropped, _)]));
}

#[test]
fn the_vendors_error_ends_the_session() {
    let error = |code: &str| format!(r#"{{"type":"Error","description":"secret","code":"{code}"}}"#);
    let dropped = Action::Lose(AgentLoss::Dropped, "the vendor reported FAILED_TO_THINK".into());
    assert_eq!(said(&mut ready(), &error("FAILED_TO_THINK")), [dropped]);
    let mut unconfirmed = Session::new(&DeepgramSettings::default(), None, false);
    let told = said(&mut unconfirmed, &error("INTERNAL_SERVER_ERROR"));
    assert!(matches!(told[..], [Action::Lose(AgentLoss::Unreachable, _)]));
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

fn agent_says(session: &mut Session, words: &str) -> Vec<Action<Hz8k>> {
    said(session, &format!(r#"{{"type":"ConversationText","role":"assistant","content":"{words}"}}"#))
}

fn user_said(session: &mut Session, words: &str) -> Vec<Action<Hz8k>> {
    said(session, &format!(r#"{{"type":"ConversationText","role":"user","content":"{words}"}}"#))
}

#[test]
fn sentences_that_come_one_by_one_are_kept_apart() {
    let mut session = ready();
    agent_says(&mut session, "We open at nine.");
    let text = Action::Tell(AgentEvent::Text { response: V1, text: " On Sunday we are closed.".into() });
    assert_eq!(agent_says(&mut session, "On Sunday we are closed."), [text]);
    session.audio::<Hz8k>(NOW, &[1, 0]);
    said(&mut session, DONE);
    let next = ResponseId::from_vendor(2);
    said(&mut session, r#"{"type":"UserStartedSpeaking"}"#);
    user_said(&mut session, "And on Monday?");
    let told = agent_says(&mut session, "At nine.");
    assert_eq!(told[1], Action::Tell(AgentEvent::Text { response: next, text: "At nine.".into() }));
}

#[test]
fn what_we_said_in_the_callers_name_is_never_the_callers_though_the_vendor_tells_of_it_or_not() {
    let mut session = ready();
    for ask in [Ask::Reprompt, Ask::Again] {
        session.order::<Hz8k>(NOW, AgentOrder::Respond { response: R1, ask });
    }
    assert!(user_said(&mut session, "(Nothing was heard. Say it again.)").is_empty(), "the first was never told of");
    assert_eq!(user_said(&mut session, "Hello?").len(), 2, "the caller");
}

#[test]
fn keys_wait_for_the_next_answer() {
    let mut session = ready();
    session.order::<Hz8k>(NOW, AgentOrder::Dtmf(Digit::try_from('1').unwrap()));
    session.order::<Hz8k>(NOW, AgentOrder::Respond { response: R1, ask: Ask::Reprompt });
    let sent = session.order::<Hz8k>(NOW, AgentOrder::Respond { response: R1, ask: Ask::Again });
    assert!(matches!(sent.last(), Some(Action::Send(text)) if text.contains("The caller pressed 1.")), "{sent:?}");
}
