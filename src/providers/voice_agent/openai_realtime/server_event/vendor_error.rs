//! What the vendor says is wrong.

use serde::Deserialize;

/// An error, as far as we repeat it: its message may hold words of the conversation, or half a key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(in super::super) struct VendorError {
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    param: Option<String>,
    #[serde(default)]
    event_id: Option<String>,
}

impl VendorError {
    /// The machine-readable code; empty where there is none.
    pub(in super::super) fn code(&self) -> &str {
        self.code.as_deref().unwrap_or_default()
    }

    /// Our message that caused it, where the vendor says so.
    pub(in super::super) fn caused_by(&self) -> Option<&str> {
        self.event_id.as_deref()
    }

    /// Whether no other session would fare better.
    pub(in super::super) fn is_final(&self) -> bool {
        let kind = self.kind.as_deref().unwrap_or_default();
        matches!(self.code(), "invalid_api_key" | "insufficient_quota" | "model_not_found" | "account_deactivated")
            || matches!(self.code(), "billing_hard_limit_reached" | "beta_api_shape_disabled")
            || matches!(kind, "authentication_error" | "insufficient_quota" | "permission_error")
    }

    /// Type, code and parameter, for the operator.
    pub(in super::super) fn describe(&self) -> String {
        let words = [&self.kind, &self.code, &self.param];
        let words: Vec<_> =
            words.into_iter().flatten().map(|word| clean(word)).filter(|word| !word.is_empty()).collect();
        if words.is_empty() { "unnamed error".to_owned() } else { words.join(" / ") }
    }
}

/// What of the vendor's text may be repeated: the characters of an identifier.
pub(in super::super) fn clean(text: &str) -> String {
    let legal = |c: &char| c.is_ascii_alphanumeric() || "_-.[]".contains(*c);
    text.chars().filter(legal).take(64).collect()
}
