//! What the vendor's published messages allow.

use serde_json::Value;

/// What is wrong with a message of the client, if anything is.
pub fn complaint(message: &Value) -> Option<String> {
    let kind = message["type"].as_str()?;
    let (must, may): (&[&str], &[&str]) = match kind {
        "Settings" => (&["type", "audio", "agent"], &["tags", "experimental", "flags", "mip_opt_out"]),
        "InjectAgentMessage" => (&["type", "message"], &["behavior"]),
        "InjectUserMessage" => (&["type", "content"], &[]),
        "FunctionCallResponse" => (&["type", "id", "name", "content"], &[]),
        "KeepAlive" => (&["type"], &[]),
        _ => return Some(format!("{kind} is no message of the client's")),
    };
    fields(kind, message, must, may).or_else(|| match kind {
        "Settings" => settings(message),
        "InjectAgentMessage" => {
            let is_known = matches!(message["behavior"].as_str(), None | Some("default" | "queue" | "interrupt"));
            text(message, "message").or((!is_known).then(|| format!("behavior {}", message["behavior"])))
        }
        "InjectUserMessage" => text(message, "content"),
        "FunctionCallResponse" => ["id", "name", "content"].iter().find_map(|field| text(message, field)),
        _ => None,
    })
}

fn fields(of: &str, value: &Value, must: &[&str], may: &[&str]) -> Option<String> {
    let Some(object) = value.as_object() else { return Some(format!("{of} is no object")) };
    let missing = must.iter().find(|name| !object.contains_key(**name));
    let unknown = object.keys().find(|name| !must.contains(&name.as_str()) && !may.contains(&name.as_str()));
    missing.map(|name| format!("{of} without {name}")).or(unknown.map(|name| format!("{of} with {name}")))
}

fn text(value: &Value, field: &str) -> Option<String> {
    let is_text = value[field].as_str().is_some_and(|text| !text.trim().is_empty());
    (!is_text).then(|| format!("{field} is {}", value[field]))
}

fn settings(message: &Value) -> Option<String> {
    let (audio, agent) = (&message["audio"], &message["agent"]);
    fields("audio", audio, &["input", "output"], &[])
        .or_else(|| fields("input", &audio["input"], &["encoding", "sample_rate"], &[]))
        .or_else(|| fields("output", &audio["output"], &["encoding", "sample_rate", "container"], &["bitrate"]))
        .or_else(|| sound(&audio["input"]))
        .or_else(|| sound(&audio["output"]))
        .or_else(|| (audio["output"]["container"] != "none").then(|| "a container around the sound".to_owned()))
        .or_else(|| fields("agent", agent, &["listen", "think", "speak"], &["language", "context", "greeting"]))
        .or_else(|| provider("listen", &agent["listen"], &[]))
        .or_else(|| provider("think", &agent["think"], &["prompt", "functions", "context_length"]))
        .or_else(|| provider("speak", &agent["speak"], &[]))
        .or_else(|| text(&agent["think"], "prompt"))
        .or_else(|| agent["think"]["functions"].as_array().into_iter().flatten().find_map(function))
        .or_else(|| agent.get("language").and_then(|_| language(&agent["language"])))
        .or_else(|| agent.get("context").and_then(context))
}

fn sound(format: &Value) -> Option<String> {
    let is_known = format["encoding"] == "linear16"
        && matches!(format["sample_rate"].as_u64(), Some(8_000 | 16_000 | 24_000 | 32_000 | 48_000));
    (!is_known).then(|| format!("sound as {format}"))
}

fn provider(of: &str, value: &Value, may: &[&str]) -> Option<String> {
    fields(of, value, &["provider"], may)
        .or_else(|| fields("provider", &value["provider"], &["type", "model"], &["temperature"]))
        .or_else(|| text(&value["provider"], "type"))
        .or_else(|| text(&value["provider"], "model"))
}

fn function(function: &Value) -> Option<String> {
    fields("function", function, &["name", "description", "parameters"], &["endpoint", "defer_until_eot"])
        .or_else(|| fields("parameters", &function["parameters"], &["type", "properties"], &["required"]))
}

/// A primary language of two letters, or `multi`.
fn language(language: &Value) -> Option<String> {
    let is_known = language.as_str().is_some_and(|name| name.len() == 2 || name == "multi");
    (!is_known).then(|| format!("the language {language}"))
}

fn context(context: &Value) -> Option<String> {
    let message = |message: &Value| {
        let is_role = matches!(message["role"].as_str(), Some("user" | "assistant"));
        let is_history = message["type"] == "History" && is_role;
        fields("message", message, &["type", "role", "content"], &[])
            .or_else(|| text(message, "content"))
            .or((!is_history).then(|| format!("a history of {message}")))
    };
    fields("context", context, &["messages"], &[])
        .or_else(|| context["messages"].as_array().into_iter().flatten().find_map(message))
}
