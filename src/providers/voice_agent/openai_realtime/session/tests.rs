use super::*;
use crate::engine::audio::Hz8k;
use crate::engine::business::Business;
use crate::engine::call::{Speaker, Tool, ToolCall, ToolResult, TurnOwner};
use crate::engine::prompt::{CallContext, Channel, PromptBuilder};
use crate::engine::status::CallDirection;
use crate::providers::voice_agent::AgentBrief;
use crate::providers::voice_agent::openai_realtime::settings::OpenAiSettings;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;

const SECOND: Duration = Duration::from_secs(1);

mod replaced;

/// A session under test: messages and orders go in as they are written, what comes out is one line each.
struct Desk {
    session: Session<Hz8k>,
    now: Duration,
}

impl Desk {
    fn new(set: impl FnOnce(&mut OpenAiSettings)) -> Self {
        let mut settings = OpenAiSettings::default();
        set(&mut settings);
        let business = Business::nameless(&"Bakery".parse().unwrap());
        let channel = Channel::Call(CallDirection::Inbound);
        let brief = AgentBrief {
            call: format!("CA{}", "0a".repeat(16)).parse().unwrap(),
            prompt: PromptBuilder { business: &business, channel }.build(&CallContext::default()),
            greeting: None,
            language: "en".to_owned(),
            voice: None,
            may_transfer: false,
            history: Vec::new(),
        };
        let format = settings.audio;
        let plan = Plan::new(Arc::new(settings), &brief);
        Self { session: Session::new(plan, format, History::default(), 0), now: Duration::ZERO }
    }

    /// One that is confirmed.
    fn ready() -> Self {
        let mut desk = Self::new(|_| {});
        desk.hear(json!({ "type": "session.created", "session": {} }));
        let echo = desk.echo();
        let out = desk.hear(echo);
        assert_eq!(out, ["decode Pcm24", "tell ready", "hear Pcm24"]);
        desk
    }

    /// The vendor's echo, as wanted.
    fn echo(&self) -> Value {
        let update = ClientEvent::session_update(&self.session.plan, self.session.format, Attempt::Full).to_json();
        let update: Value = serde_json::from_str(&update).unwrap();
        json!({ "type": "session.updated", "session": update["session"] })
    }

    fn hear(&mut self, event: Value) -> Vec<String> {
        let text = event.to_string();
        lines(self.session.handle(self.now, &ServerEvent::parse(&text)))
    }

    fn order(&mut self, order: AgentOrder) -> Vec<String> {
        lines(self.session.order(self.now, order))
    }

    fn respond(&mut self, number: u32) -> Vec<String> {
        self.order(AgentOrder::Respond { response: r(number), ask: Ask::Answer })
    }

    fn begin(&mut self, vendor_id: &str, number: u32) -> Vec<String> {
        let metadata = json!({ "trunkline_response": r(number).to_string() });
        self.hear(json!({ "type": "response.created", "response": { "id": vendor_id, "metadata": metadata } }))
    }

    fn done(&mut self, vendor_id: &str, status: &str) -> Vec<String> {
        self.hear(json!({ "type": "response.done", "response": { "id": vendor_id, "status": status } }))
    }

    /// 100 ms of audio in an item.
    fn audio(&mut self, vendor_id: &str, item: &str) -> Vec<String> {
        let delta = "AAAA".repeat(1_600);
        self.hear(json!({ "type": "response.output_audio.delta", "response_id": vendor_id, "item_id": item,
            "output_index": 0, "content_index": 0, "delta": delta }))
    }

    fn error(&mut self, code: &str, cause: &str) -> Vec<String> {
        let error = json!({ "type": "invalid_request_error", "code": code, "event_id": cause });
        self.hear(json!({ "type": "error", "error": error }))
    }

    fn tool(&mut self, vendor_id: &str, call_id: &str) -> Vec<String> {
        let item =
            json!({ "type": "function_call", "id": "i", "call_id": call_id, "name": "hang_up", "arguments": "{}" });
        self.hear(json!({ "type": "response.output_item.done", "response_id": vendor_id, "item": item }))
    }

    fn answer_tool(&mut self, call_id: &str) -> Vec<String> {
        self.order(AgentOrder::ToolResult { call_id: call_id.to_owned(), result: ToolResult::Done })
    }
}

fn r(number: u32) -> ResponseId {
    ResponseId::from_engine(number)
}

fn lines(actions: Actions<Hz8k>) -> Vec<String> {
    actions.into_iter().map(line).collect()
}

fn line(action: Action<Hz8k>) -> String {
    match action {
        Action::Send(event) => {
            let event: Value = serde_json::from_str(&event.to_json()).unwrap();
            let of = |name: &str| event[name].as_str().map(|value| format!(" {value}")).unwrap_or_default();
            let at = event["audio_end_ms"].as_u64().map(|at| format!(" {at}")).unwrap_or_default();
            let tag = event.pointer("/response/metadata/trunkline_response").and_then(Value::as_str);
            let tag = tag.map(|tag| format!(" {tag}")).unwrap_or_default();
            let item = event.pointer("/item/call_id").and_then(Value::as_str);
            let item = item.map(|item| format!(" {item}")).unwrap_or_default();
            let kind = event["type"].as_str().unwrap();
            format!("send {kind}{}{}{at}{tag}{item}", of("response_id"), of("item_id"))
        }
        Action::Tell(event) => match event {
            AgentEvent::Ready { .. } => "tell ready".to_owned(),
            AgentEvent::ResponseStarted(id) => format!("tell {id} started"),
            AgentEvent::ResponseEnded { response, outcome } => format!("tell {response} {outcome:?}"),
            AgentEvent::Counted(counter) => format!("count {counter:?}"),
            AgentEvent::ToolCalled(ToolCall { call_id, tool: Tool::HangUp, .. }) => format!("tell hang_up {call_id}"),
            other => format!("tell {other:?}"),
        },
        Action::Play(id) => format!("play {id}"),
        Action::Hear(format) => format!("hear {format:?}"),
        Action::Decode(format) => format!("decode {format:?}"),
        Action::Replace(format) => format!("replace {format:?}"),
        Action::Lose { loss, detail } => format!("lose {loss:?}: {detail}"),
    }
}

#[test]
fn nothing_but_the_settings_is_sent_before_they_are_confirmed() {
    let mut desk = Desk::new(|_| {});
    assert_eq!(desk.respond(1), [""; 0]);
    assert_eq!(desk.order(AgentOrder::Dtmf('1'.try_into().unwrap())), [""; 0]);
    assert_eq!(desk.hear(json!({ "type": "session.created", "session": {} })), ["send session.update"]);
    assert_eq!(desk.respond(2), [""; 0]);
    let echo = desk.echo();
    let wanted =
        ["decode Pcm24", "tell ready", "hear Pcm24", "send response.create r1", "send conversation.item.create"];
    assert_eq!(desk.hear(echo), wanted);
}

#[test]
fn every_field_that_we_insist_on_is_compared() {
    let pointers = [
        ("/session/type", json!("transcription")),
        ("/session/instructions", json!("")),
        ("/session/audio/input/format", json!({ "type": "audio/pcmu" })),
        ("/session/audio/output/format", json!({ "type": "audio/pcm", "rate": 16_000 })),
        ("/session/audio/input/turn_detection", Value::Null),
        ("/session/audio/input/turn_detection/type", json!("semantic_vad")),
        ("/session/audio/input/turn_detection/create_response", json!(true)),
        ("/session/audio/input/turn_detection/interrupt_response", Value::Null),
        ("/session/audio/input/transcription", Value::Null),
    ];
    for (pointer, value) in pointers {
        let mut desk = Desk::new(|_| {});
        desk.hear(json!({ "type": "session.created", "session": {} }));
        let mut echo = desk.echo();
        *echo.pointer_mut(pointer).unwrap() = value;
        assert_eq!(desk.hear(echo.clone()), ["send session.update"], "{pointer}");
        let lost = desk.hear(echo);
        assert!(lost[0].starts_with("lose Refused: session.updated differs in "), "{pointer}: {lost:?}");
    }
}

#[test]
fn without_a_model_for_it_no_words_are_wanted_and_none_are_waited_for() {
    let mut desk = Desk::new(|settings| settings.transcription_model.clear());
    desk.hear(json!({ "type": "session.created", "session": {} }));
    let mut echo = desk.echo();
    assert_eq!(echo["session"]["audio"]["input"]["transcription"], Value::Null);
    assert_eq!(echo["session"].get("include"), None);
    echo["session"]["audio"]["input"]["transcription"] = json!({ "model": "whisper-1" });
    assert_eq!(desk.hear(echo.clone()), ["send session.update"], "words were not wanted");
    echo["session"]["audio"]["input"]["transcription"] = Value::Null;
    assert_eq!(desk.hear(echo), ["decode Pcm24", "tell ready", "hear Pcm24"]);
    desk.hear(json!({ "type": "input_audio_buffer.committed", "item_id": "item_1" }));
    assert!(desk.session.is_quiet(), "the session can be renewed");
}

#[test]
fn one_response_at_a_time_and_the_next_one_when_it_is_over() {
    let mut desk = Desk::ready();
    assert_eq!(desk.respond(1), ["send response.create r1"]);
    assert_eq!(desk.respond(1), [""; 0]);
    assert_eq!(desk.respond(2), [""; 0]);
    assert_eq!(desk.begin("a", 1), ["tell r1 started"]);
    assert_eq!(desk.respond(3), ["tell r2 Cancelled"]);
    assert_eq!(desk.audio("a", "i"), ["play r1"]);
    assert_eq!(desk.done("a", "completed"), ["tell r1 Completed", "send response.create r3"]);
    assert_eq!(desk.audio("a", "i"), ["count StaleAudio"]);
    assert_eq!(desk.done("a", "completed"), [""; 0]);
}

#[test]
fn a_cancel_goes_out_once_and_only_while_it_means_something() {
    let cancel = |number| AgentOrder::Cancel(r(number));
    // In progress: once, and what the vendor says to one that came late is no error.
    let mut desk = Desk::ready();
    desk.respond(1);
    desk.begin("a", 1);
    assert_eq!(desk.order(cancel(1)), ["send response.cancel a"]);
    assert_eq!(desk.order(cancel(1)), [""; 0]);
    assert_eq!(desk.audio("a", "i"), ["play r1"]);
    assert_eq!(desk.error("response_cancel_not_active", "cancel_a"), [""; 0]);
    assert_eq!(desk.done("a", "cancelled"), ["tell r1 Cancelled"]);
    assert_eq!(desk.order(cancel(1)), [""; 0]);
    // Asked for, not begun: as soon as it has a name.
    desk.respond(2);
    assert_eq!(desk.order(cancel(2)), [""; 0]);
    assert_eq!(desk.begin("b", 2), ["tell r2 started", "send response.cancel b"]);
    assert_eq!(desk.order(cancel(2)), [""; 0]);
    // Waiting: it never goes out.
    desk.respond(3);
    assert_eq!(desk.order(cancel(3)), ["tell r3 Cancelled"]);
    assert_eq!(desk.done("b", "cancelled"), ["tell r2 Cancelled"]);
    assert_eq!(desk.order(cancel(9)), [""; 0]);
}

#[test]
fn a_refused_request_ends_and_the_next_one_has_its_turn() {
    let mut desk = Desk::ready();
    desk.respond(1);
    desk.respond(2);
    let refused = desk.error("conversation_already_has_active_response", "create_r1");
    assert_eq!(refused, ["count VendorError", "tell r1 Failed", "send response.create r2"]);
    assert_eq!(desk.error("invalid_value", "something_else"), ["count VendorError"]);
}

#[test]
fn truncation_goes_through_the_items_in_order() {
    let table: [(u64, &[&str]); 7] = [
        (0, &["send conversation.item.delete i", "send conversation.item.delete j"]),
        (150, &["send conversation.item.truncate i 150", "send conversation.item.delete j"]),
        (200, &["send conversation.item.delete j"]),
        (201, &["send conversation.item.truncate j 1"]),
        (299, &["send conversation.item.truncate j 99"]),
        (300, &[]),
        (9_999, &[]),
    ];
    for (heard, wanted) in table {
        for while_running in [false, true] {
            let mut desk = Desk::ready();
            desk.respond(1);
            desk.begin("a", 1);
            for item in ["i", "i", "j"] {
                desk.audio("a", item);
            }
            let truncate = AgentOrder::Truncate { response: r(1), heard: Duration::from_millis(heard) };
            if while_running {
                assert_eq!(desk.order(truncate.clone()), [""; 0]);
                let out = desk.done("a", "cancelled");
                assert_eq!(
                    (out[0].as_str(), &out[1..]),
                    ("tell r1 Cancelled", &wanted.map_to_strings()[..]),
                    "{heard}"
                );
            } else {
                desk.done("a", "completed");
                assert_eq!(desk.order(truncate.clone()), wanted, "{heard}");
            }
            assert_eq!(desk.order(truncate), [""; 0], "twice");
        }
    }
}

trait MapToStrings {
    fn map_to_strings(&self) -> Vec<String>;
}

impl MapToStrings for &[&str] {
    fn map_to_strings(&self) -> Vec<String> {
        self.iter().map(|line| (*line).to_owned()).collect()
    }
}

#[test]
fn a_tool_is_answered_once_after_its_response() {
    let mut desk = Desk::ready();
    desk.respond(1);
    desk.begin("a", 1);
    assert_eq!(desk.tool("a", "c1"), ["tell hang_up c1"]);
    assert_eq!(desk.tool("a", "c1"), [""; 0]);
    assert_eq!(desk.answer_tool("c1"), [""; 0]);
    assert_eq!(desk.answer_tool("c1"), [""; 0]);
    assert_eq!(desk.respond(2), [""; 0]);
    assert_eq!(
        desk.done("a", "completed"),
        ["tell r1 Completed", "send conversation.item.create c1", "send response.create r2"]
    );
    assert_eq!(desk.answer_tool("c1"), [""; 0]);
    desk.begin("b", 2);
    desk.tool("b", "c2");
    desk.done("b", "completed");
    assert_eq!(desk.answer_tool("c2"), ["send conversation.item.create c2"]);
}

#[test]
fn who_owns_the_turns_decides_what_an_unasked_response_is() {
    let unasked = json!({ "type": "response.created", "response": { "id": "v", "metadata": null } });
    let mut engine = Desk::ready();
    assert_eq!(engine.hear(unasked.clone()), ["send response.cancel v"]);
    assert_eq!(engine.audio("v", "i"), ["count StaleAudio"]);
    assert_eq!(engine.respond(1), [""; 0]);
    assert_eq!(engine.done("v", "cancelled"), ["send response.create r1"]);

    let mut vendor = Desk::new(|settings| settings.turns = TurnOwner::Vendor);
    vendor.hear(json!({ "type": "session.created", "session": {} }));
    let echo = vendor.echo();
    vendor.hear(echo);
    assert_eq!(vendor.hear(unasked), ["tell v1 started"]);
    assert_eq!(vendor.audio("v", "i"), ["play v1"]);
    assert_eq!(vendor.order(AgentOrder::Cancel(ResponseId::from_vendor(1))), ["send response.cancel v"]);
}

#[test]
fn silence_of_the_vendor_is_bounded_in_every_state() {
    let mut opened = Desk::new(|_| {});
    assert_eq!(opened.session.deadline(), Some(5 * SECOND));
    assert_eq!(lines(opened.session.expire(5 * SECOND)), ["lose Unreachable: no session.created in time"]);
    opened.now = SECOND;
    opened.hear(json!({ "type": "session.created", "session": {} }));
    assert_eq!(lines(opened.session.expire(5 * SECOND)), [""; 0]);
    assert_eq!(lines(opened.session.expire(6 * SECOND)), ["lose Unreachable: no session.updated in time"]);

    let mut desk = Desk::ready();
    assert_eq!(desk.session.deadline(), None);
    desk.respond(1);
    assert_eq!(lines(desk.session.expire(4 * SECOND)), ["lose Stalled: no answer to response.create"]);
    desk.now = 2 * SECOND;
    desk.begin("a", 1);
    assert_eq!(desk.session.deadline(), Some(8 * SECOND));
    desk.now = 5 * SECOND;
    desk.audio("a", "i");
    assert_eq!(desk.session.deadline(), Some(11 * SECOND));
    desk.order(AgentOrder::Cancel(r(1)));
    assert_eq!(lines(desk.session.expire(9 * SECOND)), ["lose Stalled: a response does not go on"]);
    desk.done("a", "cancelled");
    assert_eq!(desk.session.deadline(), None);
}
/// What may happen to a session, for the property below.
fn happenings() -> impl Strategy<Value = Vec<(u8, u32)>> {
    prop::collection::vec((0_u8..16, 1_u32..5), 0..60)
}

proptest! {
    /// Whatever comes in whatever order: nothing panics, at most one response is asked for at a time, no response
    /// is cancelled twice, none ends twice, and nothing but settings is sent without the confirmation.
    #[test]
    fn nothing_illegal_is_sent(happenings in happenings()) {
        let mut desk = Desk::new(|_| {});
        let (mut begun, mut cancelled, mut ended) = (0, Vec::new(), Vec::new());
        for (what, n) in happenings {
            let name = format!("v{n}");
            desk.now += SECOND / 4;
            let was_ready = desk.session.is_ready();
            let echo = desk.echo();
            let out = match what {
                0 => desk.hear(json!({ "type": "session.created", "session": {} })),
                1..=3 => desk.hear(echo),
                4 => desk.respond(n),
                5 => {
                    begun += 1;
                    desk.begin(&format!("v{begun}"), n)
                }
                6 => desk.done(&name, "completed"),
                7 => desk.audio(&name, "i"),
                8 => desk.order(AgentOrder::Cancel(r(n))),
                9 => desk.order(AgentOrder::Truncate { response: r(n), heard: SECOND / 20 }),
                10 => desk.tool(&name, "c"),
                11 => desk.answer_tool("c"),
                12 => desk.error("invalid_value", &format!("create_r{n}")),
                13 => desk.hear(json!({ "type": "input_audio_buffer.speech_started" })),
                14 => lines(desk.session.fall_back(desk.now)),
                _ => lines(desk.session.expire(desk.now)),
            };
            for line in &out {
                let is_ready = was_ready || desk.session.is_ready();
                prop_assert!(!line.starts_with("send") || line == "send session.update" || is_ready, "{line}");
                if line.starts_with("send response.create") {
                    prop_assert!(desk.session.responses.asked.is_some());
                }
                if line.starts_with("send response.cancel") {
                    prop_assert!(!cancelled.contains(line), "{line} twice");
                    cancelled.push(line.clone());
                }
                if line.ends_with("Completed") {
                    prop_assert!(!ended.contains(line), "{line} twice");
                    ended.push(line.clone());
                }
            }
        }
    }
}
