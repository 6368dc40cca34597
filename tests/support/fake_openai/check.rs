//! What a client may say, field by field: the GA interface's "Client events".

use serde_json::{Map, Value};

/// Why a message is not one of the interface, if it isn't.
pub fn complaint(event: &Value) -> Option<String> {
    check_event(event).err()
}

type Checked = Result<(), String>;

fn check_event(event: &Value) -> Checked {
    let kind = event["type"].as_str().ok_or("a message without type")?;
    let of = |required: &[&str], optional: &[&str]| {
        fields(kind, event, &with(required, &["type"]), &with(optional, &["event_id"]))
    };
    match kind {
        "session.update" => {
            of(&["session"], &[])?;
            check_session(&event["session"])
        }
        "input_audio_buffer.append" => {
            of(&["audio"], &[])?;
            text(kind, event, "audio").map(drop)
        }
        "conversation.item.create" => {
            of(&["item"], &["previous_item_id"])?;
            check_item(&event["item"])
        }
        "conversation.item.truncate" => {
            of(&["item_id", "content_index", "audio_end_ms"], &[])?;
            whole(kind, event, "content_index")?;
            whole(kind, event, "audio_end_ms")
        }
        "conversation.item.delete" => of(&["item_id"], &[]),
        "response.create" => {
            of(&["response"], &[])?;
            check_response(&event["response"])
        }
        "response.cancel" => of(&["response_id"], &[]),
        other => Err(format!("a message of unknown type {other}")),
    }
}

fn check_session(session: &Value) -> Checked {
    let name = "session";
    let optional =
        ["audio", "include", "instructions", "max_output_tokens", "output_modalities", "tool_choice", "tools"];
    fields(name, session, &["type"], &optional)?;
    equal(name, session, "type", &["realtime"])?;
    if let Some(modalities) = session.get("output_modalities")
        && *modalities != serde_json::json!(["audio"])
    {
        return Err("output_modalities is not [\"audio\"]".to_owned());
    }
    if let Some(tokens) = session.get("max_output_tokens")
        && *tokens != "inf"
        && !tokens.as_u64().is_some_and(|tokens| (1..=4096).contains(&tokens))
    {
        return Err("max_output_tokens is not 1 to 4096, nor inf".to_owned());
    }
    for tool in session["tools"].as_array().into_iter().flatten() {
        fields("tool", tool, &["type", "name", "description", "parameters"], &[])?;
        equal("tool", tool, "type", &["function"])?;
    }
    let Some(audio) = session.get("audio") else { return Ok(()) };
    fields("audio", audio, &[], &["input", "output"])?;
    if let Some(input) = audio.get("input") {
        fields("audio.input", input, &[], &["format", "noise_reduction", "transcription", "turn_detection"])?;
        check_format(&input["format"])?;
        if !input["noise_reduction"].is_null() {
            fields("noise_reduction", &input["noise_reduction"], &["type"], &[])?;
            equal("noise_reduction", &input["noise_reduction"], "type", &["near_field", "far_field"])?;
        }
        if !input["transcription"].is_null() {
            fields("transcription", &input["transcription"], &["model"], &["language", "prompt"])?;
        }
        let turns = &input["turn_detection"];
        let optional =
            ["create_response", "interrupt_response", "prefix_padding_ms", "silence_duration_ms", "threshold"];
        fields("turn_detection", turns, &["type"], &optional)?;
        equal("turn_detection", turns, "type", &["server_vad"])?;
        for flag in ["create_response", "interrupt_response"] {
            if turns.get(flag).is_some_and(|flag| !flag.is_boolean()) {
                return Err(format!("turn_detection.{flag} is no truth value"));
            }
        }
    }
    if let Some(output) = audio.get("output") {
        fields("audio.output", output, &[], &["format", "voice", "speed"])?;
        check_format(&output["format"])?;
    }
    Ok(())
}

fn check_format(format: &Value) -> Checked {
    match format["type"].as_str() {
        Some("audio/pcm") if format["rate"] == 24_000 => fields("format", format, &["type", "rate"], &[]),
        Some("audio/pcmu") => fields("format", format, &["type"], &[]),
        _ => Err(format!("no audio format: {format}")),
    }
}

fn check_response(response: &Value) -> Checked {
    fields("response", response, &[], &["instructions", "metadata", "tool_choice"])?;
    let metadata = response["metadata"].as_object().into_iter().flatten();
    for (key, value) in metadata {
        let is_legal = key.len() <= 64 && value.as_str().is_some_and(|value| value.len() <= 512);
        if !is_legal {
            return Err(format!("metadata.{key} is no text of at most 512 characters"));
        }
    }
    if response.get("tool_choice").is_some() {
        equal("response", response, "tool_choice", &["none", "auto", "required"])?;
    }
    Ok(())
}

fn check_item(item: &Value) -> Checked {
    match item["type"].as_str() {
        Some("message") => {
            fields("item", item, &["type", "role", "content"], &["id"])?;
            let wanted = match item["role"].as_str() {
                Some("user" | "system") => "input_text",
                Some("assistant") => "output_text",
                _ => return Err("item.role is none".to_owned()),
            };
            let content = item["content"].as_array().filter(|c| !c.is_empty()).ok_or("item.content is empty")?;
            for part in content {
                fields("content", part, &["type", "text"], &[])?;
                equal("content", part, "type", &[wanted])?;
                text("content", part, "text")?;
            }
            Ok(())
        }
        Some("function_call_output") => {
            fields("item", item, &["type", "call_id", "output"], &["id"])?;
            text("item", item, "output").map(drop)
        }
        _ => Err("item.type is none that a client may create".to_owned()),
    }
}

fn with<'a>(names: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [names, more].concat()
}

fn fields(name: &str, value: &Value, required: &[&str], optional: &[&str]) -> Checked {
    let object: &Map<String, Value> = value.as_object().ok_or_else(|| format!("{name} is no object"))?;
    for field in required {
        if !object.contains_key(*field) {
            return Err(format!("{name} lacks {field}"));
        }
    }
    match object.keys().find(|key| !required.contains(&key.as_str()) && !optional.contains(&key.as_str())) {
        Some(unknown) => Err(format!("{name} has an unknown field {unknown}")),
        None => Ok(()),
    }
}

fn text<'a>(name: &str, value: &'a Value, field: &str) -> Result<&'a str, String> {
    value[field].as_str().ok_or_else(|| format!("{name}.{field} is no text"))
}

fn whole(name: &str, value: &Value, field: &str) -> Checked {
    value[field].as_u64().map(drop).ok_or_else(|| format!("{name}.{field} is no whole number"))
}

fn equal(name: &str, value: &Value, field: &str, wanted: &[&str]) -> Checked {
    let found = text(name, value, field)?;
    if wanted.contains(&found) { Ok(()) } else { Err(format!("{name}.{field} is {found}, not one of {wanted:?}")) }
}
