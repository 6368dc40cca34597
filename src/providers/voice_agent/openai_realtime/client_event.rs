//! What we say to the vendor. Field names and nesting are those of the GA interface ("Client events" in
//! OpenAI's API reference, Realtime); audio is written by [`sound`](super::sound), without a tree.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use crate::engine::call::{Ask, Speaker, ToolResult, TurnOwner};
use crate::engine::ids::{Digit, ResponseId};
use crate::engine::prompt::SPEECH_RECOGNITION;

use super::lifecycle::{Attempt, Confirmed};
use super::plan::Plan;
use super::settings::{AudioFormat, NoiseReduction};
use super::tools;

/// The key under which a response carries our number, there and back.
pub(super) const RESPONSE_TAG: &str = "trunkline_response";

/// One message to the vendor. Only the constructors below make one, and all but [`ClientEvent::session_update`]
/// want the proof that the session is confirmed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub(super) struct ClientEvent(Message);

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type")]
enum Message {
    #[serde(rename = "session.update")]
    SessionUpdate { event_id: &'static str, session: Value },
    #[serde(rename = "conversation.item.create")]
    ItemCreate {
        #[serde(skip_serializing_if = "Option::is_none")]
        previous_item_id: Option<String>,
        item: Value,
    },
    #[serde(rename = "conversation.item.truncate")]
    ItemTruncate { item_id: String, content_index: u32, audio_end_ms: u64 },
    #[serde(rename = "conversation.item.delete")]
    ItemDelete { item_id: String },
    #[serde(rename = "response.create")]
    ResponseCreate { event_id: String, response: ResponseParams },
    #[serde(rename = "response.cancel")]
    ResponseCancel { event_id: String, response_id: String },
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct ResponseParams {
    metadata: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instructions: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<&'static str>,
}

/// The `event_id` of every `session.update`: an error that carries it is a refusal.
pub(super) const UPDATE_ID: &str = "update";

/// The `event_id` of the `response.create` for `response`.
pub(super) fn create_id(response: ResponseId) -> String {
    format!("create_{response}")
}

impl ClientEvent {
    /// What the session is to be.
    pub(super) fn session_update(plan: &Plan, format: AudioFormat, attempt: Attempt) -> Self {
        Self(Message::SessionUpdate { event_id: UPDATE_ID, session: session(plan, format, attempt) })
    }

    /// Speak.
    pub(super) fn respond(_: Confirmed, plan: &Plan, response: ResponseId, ask: &Ask) -> Self {
        let (instructions, tool_choice) = match ask {
            Ask::Answer | Ask::Again => (None, None),
            Ask::Greeting => (Some(plan.greeting_instructions()), Some("none")),
            Ask::Reprompt => (Some(plan.reprompt_instructions()), Some("none")),
        };
        let metadata = BTreeMap::from([(RESPONSE_TAG, response.to_string())]);
        let response_params = ResponseParams { metadata, instructions, tool_choice };
        Self(Message::ResponseCreate { event_id: create_id(response), response: response_params })
    }

    /// Stop generating the vendor's response `vendor_id`.
    pub(super) fn cancel(_: Confirmed, vendor_id: &str) -> Self {
        Self(Message::ResponseCancel { event_id: format!("cancel_{vendor_id}"), response_id: vendor_id.to_owned() })
    }

    /// The caller heard so much of the item's audio.
    pub(super) fn truncate(_: Confirmed, item_id: &str, content_index: u32, heard: Duration) -> Self {
        let audio_end_ms = heard.as_millis() as u64;
        Self(Message::ItemTruncate { item_id: item_id.to_owned(), content_index, audio_end_ms })
    }

    /// The item never happened.
    pub(super) fn delete(_: Confirmed, item_id: &str) -> Self {
        Self(Message::ItemDelete { item_id: item_id.to_owned() })
    }

    /// The caller pressed a key: told as the system, for the caller did not say it.
    pub(super) fn dtmf(_: Confirmed, digit: Digit) -> Self {
        let text = format!("The caller pressed the key {} on the telephone's keypad.", digit.as_char());
        let content = json!([{ "type": "input_text", "text": text }]);
        let item = json!({ "type": "message", "role": "system", "content": content });
        Self(Message::ItemCreate { previous_item_id: None, item })
    }

    /// The answer to a tool call.
    pub(super) fn tool_output(_: Confirmed, call_id: &str, result: &ToolResult) -> Self {
        let output = tools::output(result);
        let item = json!({ "type": "function_call_output", "call_id": call_id, "output": output });
        Self(Message::ItemCreate { previous_item_id: None, item })
    }

    /// Something that was said earlier, in a session that is gone. `after` names the item that it follows.
    pub(super) fn said_before(_: Confirmed, id: &str, after: Option<&str>, speaker: Speaker, text: &str) -> Self {
        let (role, kind) = match speaker {
            Speaker::Caller => ("user", "input_text"),
            Speaker::Agent => ("assistant", "output_text"),
        };
        let content = json!([{ "type": kind, "text": text }]);
        let item = json!({ "id": id, "type": "message", "role": role, "content": content });
        Self(Message::ItemCreate { previous_item_id: after.map(str::to_owned), item })
    }

    /// The message as it goes out.
    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings, numbers and trees of them always serialize")
    }
}

fn session(plan: &Plan, format: AudioFormat, attempt: Attempt) -> Value {
    let settings = &plan.settings;
    let vendors_turn = settings.turns == TurnOwner::Vendor;
    let mut turn_detection = json!({
        "type": "server_vad", "create_response": vendors_turn, "interrupt_response": vendors_turn,
    });
    let mut input = json!({ "format": format_json(format) });
    let mut output = json!({ "format": format_json(format) });
    let mut session = json!({
        "type": "realtime",
        "output_modalities": ["audio"],
        "instructions": plan.instructions.as_str(),
        "tools": tools::offered(plan.may_transfer),
        "tool_choice": "auto",
    });
    if attempt == Attempt::Full {
        output["voice"] = json!(plan.voice);
    }
    if attempt != Attempt::Reduced {
        turn_detection["threshold"] = json!(settings.vad_threshold);
        turn_detection["prefix_padding_ms"] = json!(settings.prefix_padding_ms);
        turn_detection["silence_duration_ms"] = json!(settings.silence_duration_ms);
        input["noise_reduction"] = match settings.noise_reduction {
            NoiseReduction::Off => Value::Null,
            NoiseReduction::NearField => json!({ "type": "near_field" }),
            NoiseReduction::FarField => json!({ "type": "far_field" }),
        };
        if settings.writes_down() {
            session["include"] = json!(["item.input_audio_transcription.logprobs"]);
        }
        if let Some(tokens) = settings.max_output_tokens {
            session["max_output_tokens"] = json!(tokens);
        }
    }
    input["transcription"] = transcription(plan, attempt);
    input["turn_detection"] = turn_detection;
    session["audio"] = json!({ "input": input, "output": output });
    session
}

/// How the caller's audio becomes words; `null` is the vendor's word for not at all.
fn transcription(plan: &Plan, attempt: Attempt) -> Value {
    if !plan.settings.writes_down() {
        return Value::Null;
    }
    let mut transcription = json!({ "model": plan.settings.transcription_model });
    if let Some(language) = plan.spoken_language().filter(|_| attempt != Attempt::Reduced) {
        transcription["language"] = json!(language);
    }
    // The models that tell speakers apart take none.
    if attempt == Attempt::Full && !plan.settings.transcription_model.contains("diarize") {
        transcription["prompt"] = json!(SPEECH_RECOGNITION);
    }
    transcription
}

fn format_json(format: AudioFormat) -> Value {
    match format {
        AudioFormat::Pcmu => json!({ "type": "audio/pcmu" }),
        AudioFormat::Pcm24 => json!({ "type": "audio/pcm", "rate": 24_000 }),
    }
}
