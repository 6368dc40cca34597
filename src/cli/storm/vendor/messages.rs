//! What the vendor says, as text. Names and nesting are those of the GA interface ("Server events" in OpenAI's
//! API reference, Realtime).

use serde_json::{Value, json};

/// The names of one response and its one item.
#[derive(Clone, Debug)]
pub struct Names {
    pub response: String,
    pub item: String,
}

impl Names {
    pub fn new(number: u64) -> Self {
        Self { response: format!("resp_{number:012}"), item: format!("item_{number:012}") }
    }
}

/// The session as it is before anybody asked for anything.
pub fn session_created() -> Value {
    json!({ "type": "session.created", "event_id": "event_created", "session": {
        "type": "realtime", "object": "realtime.session", "id": "sess_storm", "model": "gpt-realtime",
        "output_modalities": ["audio"], "instructions": "Be friendly.", "tools": [], "tool_choice": "auto",
        "audio": {
            "input": { "format": { "type": "audio/pcm", "rate": 24_000 }, "transcription": null,
                "noise_reduction": null, "turn_detection": { "type": "server_vad", "create_response": true,
                    "interrupt_response": true, "threshold": 0.5, "silence_duration_ms": 200 } },
            "output": { "format": { "type": "audio/pcm", "rate": 24_000 }, "voice": "alloy", "speed": 1.0 },
        } } })
}

/// What was asked for is so.
pub fn session_updated(session: &Value) -> Value {
    json!({ "type": "session.updated", "event_id": "event_updated", "session": session })
}

/// The caller began.
pub fn speech_started(at_ms: u64, item: &str) -> Value {
    json!({ "type": "input_audio_buffer.speech_started", "event_id": "event_started", "audio_start_ms": at_ms,
        "item_id": item })
}

/// The caller finished: this, the item, and its words.
pub fn speech_stopped(at_ms: u64, item: &str, words: &str) -> [Value; 4] {
    let content = json!([{ "type": "input_audio", "transcript": null }]);
    [
        json!({ "type": "input_audio_buffer.speech_stopped", "event_id": "event_stopped", "audio_end_ms": at_ms,
            "item_id": item }),
        json!({ "type": "input_audio_buffer.committed", "event_id": "event_committed", "previous_item_id": null,
            "item_id": item }),
        json!({ "type": "conversation.item.added", "event_id": "event_added", "previous_item_id": null,
            "item": { "id": item, "object": "realtime.item", "type": "message", "status": "completed",
                "role": "user", "content": content } }),
        json!({ "type": "conversation.item.input_audio_transcription.completed", "event_id": "event_transcribed",
            "item_id": item, "content_index": 0, "transcript": words }),
    ]
}

/// A response begins.
pub fn response_created(names: &Names, metadata: &Value) -> Value {
    json!({ "type": "response.created", "event_id": "event_response", "response": {
        "object": "realtime.response", "id": names.response, "status": "in_progress", "status_details": null,
        "output": [], "metadata": metadata, "usage": null } })
}

/// … and gets its item.
pub fn item_added(names: &Names) -> [Value; 2] {
    [
        json!({ "type": "response.output_item.added", "event_id": "event_item", "response_id": names.response,
            "output_index": 0, "item": item(names, "in_progress", json!([])) }),
        json!({ "type": "response.content_part.added", "event_id": "event_part", "response_id": names.response,
            "item_id": names.item, "output_index": 0, "content_index": 0,
            "part": { "type": "audio", "transcript": "" } }),
    ]
}

/// A response has said everything, or as much as it was let.
pub fn response_done(names: &Names, metadata: &Value, is_whole: bool, words: &str) -> Vec<Value> {
    let status = if is_whole { "completed" } else { "cancelled" };
    let content = json!([{ "type": "output_audio", "transcript": words }]);
    let place = |kind: &str| {
        json!({ "type": kind, "event_id": "event_done", "response_id": names.response,
        "item_id": names.item, "output_index": 0, "content_index": 0 })
    };
    let mut all = Vec::new();
    if is_whole {
        all.push(place("response.output_audio.done"));
        let mut transcript = place("response.output_audio_transcript.done");
        transcript["transcript"] = json!(words);
        all.push(transcript);
        let mut part = place("response.content_part.done");
        part["part"] = json!({ "type": "audio", "transcript": words });
        all.push(part);
        all.push(json!({ "type": "response.output_item.done", "event_id": "event_done",
            "response_id": names.response, "output_index": 0, "item": item(names, "completed", content.clone()) }));
    }
    let details = if is_whole { Value::Null } else { json!({ "type": "cancelled", "reason": "client_cancelled" }) };
    all.push(json!({ "type": "response.done", "event_id": "event_done", "response": {
        "object": "realtime.response", "id": names.response, "status": status, "status_details": details,
        "output": [item(names, status, content)], "metadata": metadata,
        "usage": { "total_tokens": 253, "input_tokens": 132, "output_tokens": 121 } } }));
    all
}

/// The item was cut.
pub fn truncated(item: &Value, audio_end_ms: &Value) -> Value {
    json!({ "type": "conversation.item.truncated", "event_id": "event_truncated", "item_id": item,
        "content_index": 0, "audio_end_ms": audio_end_ms })
}

fn item(names: &Names, status: &str, content: Value) -> Value {
    json!({ "id": names.item, "object": "realtime.item", "type": "message", "status": status, "role": "assistant",
        "content": content })
}

/// Audio: written by hand, for it is nearly everything that a vendor says.
pub fn audio_delta(names: &Names, base64: &str, out: &mut Vec<u8>) {
    delta("response.output_audio.delta", names, base64, out);
}

/// Words of the audio.
pub fn transcript_delta(names: &Names, words: &str, out: &mut Vec<u8>) {
    delta("response.output_audio_transcript.delta", names, words, out);
}

fn delta(kind: &str, names: &Names, content: &str, out: &mut Vec<u8>) {
    for piece in [
        r#"{"type":""#,
        kind,
        r#"","event_id":"event_delta","response_id":""#,
        &names.response,
        r#"","item_id":""#,
        &names.item,
        r#"","output_index":0,"content_index":0,"delta":""#,
        content,
        r#""}"#,
    ] {
        out.extend_from_slice(piece.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delta_written_by_hand_is_json() {
        let mut out = Vec::new();
        audio_delta(&Names::new(7), "AAAA", &mut out);
        let value: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["type"], "response.output_audio.delta");
        assert_eq!((&value["response_id"], &value["delta"]), (&json!("resp_000000000007"), &json!("AAAA")));
    }
}
