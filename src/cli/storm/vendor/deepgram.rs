//! What the vendor says where it plays Deepgram's Voice Agent. Names and nesting are those of its API reference ("Voice Agent").

use serde_json::{Value, json};

/// Where that interface is.
pub const PATH: &str = "/v1/agent/converse";

/// The connection is open.
pub fn welcome() -> Value {
    json!({ "type": "Welcome", "request_id": "00000000-0000-4000-8000-000000000000" })
}

/// What was asked for is so.
pub fn settings_applied() -> Value {
    json!({ "type": "SettingsApplied" })
}

/// The caller began.
pub fn user_started_speaking() -> Value {
    json!({ "type": "UserStartedSpeaking" })
}

/// The caller finished: the words, and that they are thought about.
pub fn user_said(words: &str) -> [Value; 2] {
    [
        json!({ "type": "ConversationText", "role": "user", "content": words }),
        json!({ "type": "AgentThinking", "content": "" }),
    ]
}

/// The words of a response, in front of its sound.
pub fn agent_says(words: &str) -> Value {
    json!({ "type": "ConversationText", "role": "assistant", "content": words })
}

/// All of the response's sound was sent.
pub fn audio_done() -> Value {
    json!({ "type": "AgentAudioDone" })
}
