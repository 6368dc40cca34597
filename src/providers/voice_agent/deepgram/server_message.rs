//! What the vendor says, as far as we listen.

use serde::Deserialize;

/// One text message of the vendor.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "type")]
pub(super) enum ServerMessage {
    Welcome {},
    SettingsApplied {},
    ConversationText {
        role: Role,
        content: String,
    },
    UserStartedSpeaking {},
    AgentThinking {},
    AgentStartedSpeaking {},
    AgentAudioDone {},
    FunctionCallRequest {
        functions: Vec<FunctionCall>,
    },
    /// The caller went on speaking: these calls are void.
    FunctionCallCancelled {
        #[serde(default)]
        functions: Vec<FunctionId>,
    },
    /// The vendor executed a function of its own.
    FunctionCallResponse {},
    InjectionRefused {},
    PromptUpdated {},
    SpeakUpdated {},
    History {},
    Error {
        #[serde(default)]
        code: String,
    },
    Warning {
        #[serde(default)]
        code: String,
    },
    /// Something that we don't know, or that is not what it says it is.
    #[serde(skip)]
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Role {
    User,
    Assistant,
}

#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct FunctionCall {
    pub(super) id: String,
    pub(super) name: String,
    #[serde(default)]
    pub(super) arguments: String,
    #[serde(default)]
    pub(super) client_side: bool,
}

#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct FunctionId {
    pub(super) id: String,
}

impl ServerMessage {
    /// Reads a message; never fails.
    pub(super) fn parse(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or(Self::Unknown)
    }
}

/// Whether an error that comes in place of a confirmation may be gone at the next try: the vendor's parts could not be
/// reached, or were too slow.
pub(super) fn is_passing(code: &str) -> bool {
    matches!(code, "INTERNAL_SERVER_ERROR" | "CLIENT_MESSAGE_TIMEOUT")
        || code.starts_with("FAILED_TO_")
        || code.starts_with("ASR_")
}

/// An error's code, fit for an operator's eyes: codes are short and hold letters, digits and underscores.
pub(super) fn clean(code: &str) -> String {
    let code: String = code.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(60).collect();
    if code.is_empty() { "without a code".to_owned() } else { code }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn messages_are_read_as_the_vendor_writes_them() {
        let call = r#"{"type":"FunctionCallRequest","functions":[{"id":"f1","name":"hang_up","arguments":"{}","client_side":true}]}"#;
        let function =
            FunctionCall { id: "f1".into(), name: "hang_up".into(), arguments: "{}".into(), client_side: true };
        assert_eq!(ServerMessage::parse(call), ServerMessage::FunctionCallRequest { functions: vec![function] });
        let welcome = r#"{"type":"Welcome","request_id":"fc553ec9"}"#;
        assert_eq!(ServerMessage::parse(welcome), ServerMessage::Welcome {});
        assert_eq!(ServerMessage::parse(r#"{"type":"Tomorrow"}"#), ServerMessage::Unknown);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            ServerMessage::parse(&text);
            prop_assert!(clean(&text).len() <= 60);
        }
    }
}
