//! What we say to the vendor, as JSON texts; audio goes as binary messages.

use serde_json::{Value, json};

use crate::engine::call::{Speaker, ToolResult};
use crate::providers::voice_agent::AgentBrief;
use crate::providers::voice_agent::openai_realtime::tools;

use super::settings::DeepgramSettings;

/// Tells the vendor that we are there although no audio comes.
pub(super) const KEEP_ALIVE: &str = r#"{"type":"KeepAlive"}"#;

/// How much the vendor is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// Everything that was configured.
    Full,
    /// The same agent, without what a vendor may refuse: the language, the business's own voice, and what is new.
    Plain,
}

/// What the session is to be. Audio is linear, both ways, at the call's own rate.
pub(super) fn settings(settings: &DeepgramSettings, brief: &AgentBrief, rate_hz: u32, attempt: Attempt) -> String {
    let voice = brief.voice.as_ref().filter(|_| attempt == Attempt::Full).unwrap_or(&settings.voice);
    let mut agent = json!({
        "listen": { "provider": { "type": "deepgram", "model": settings.listen_model } },
        "think": {
            "provider": { "type": settings.think_provider, "model": settings.think_model },
            "prompt": brief.prompt.as_str(),
            "functions": functions(brief.may_transfer, attempt),
        },
        "speak": { "provider": { "type": "deepgram", "model": voice } },
    });
    if attempt == Attempt::Full
        && let Some(language) = brief.language.split('-').next().filter(|primary| !primary.is_empty())
    {
        agent["language"] = json!(language);
    }
    if !brief.history.is_empty() {
        let messages: Vec<Value> = brief.history.iter().map(said_before).collect();
        agent["context"] = json!({ "messages": messages });
    }
    let audio = json!({
        "input": { "encoding": "linear16", "sample_rate": rate_hz },
        "output": { "encoding": "linear16", "sample_rate": rate_hz, "container": "none" },
    });
    json!({ "type": "Settings", "audio": audio, "agent": agent }).to_string()
}

/// Speak these words, also when somebody is just speaking.
pub(super) fn say(words: &str) -> String {
    json!({ "type": "InjectAgentMessage", "message": words, "behavior": "queue" }).to_string()
}

/// Answer these words, as if the caller had said them.
pub(super) fn hear(words: &str) -> String {
    json!({ "type": "InjectUserMessage", "content": words }).to_string()
}

/// The answer to a function call.
pub(super) fn function_result(id: &str, name: &str, result: &ToolResult) -> String {
    json!({ "type": "FunctionCallResponse", "id": id, "name": name, "content": tools::output(result) }).to_string()
}

/// The vendor's functions have no `type` and know no `additionalProperties`.
/// Both can't be undone: they wait until the vendor is sure that the caller has finished.
fn functions(may_transfer: bool, attempt: Attempt) -> Value {
    let mut functions = tools::offered(may_transfer);
    for function in functions.as_array_mut().into_iter().flatten() {
        if let Some(function) = function.as_object_mut() {
            function.remove("type");
            if attempt == Attempt::Full {
                function.insert("defer_until_eot".to_owned(), json!(true));
            }
            if let Some(parameters) = function.get_mut("parameters").and_then(Value::as_object_mut) {
                parameters.remove("additionalProperties");
            }
        }
    }
    functions
}

fn said_before((speaker, words): &(Speaker, String)) -> Value {
    let role = match speaker {
        Speaker::Caller => "user",
        Speaker::Agent => "assistant",
    };
    json!({ "type": "History", "role": role, "content": words })
}
