//! The prompt: what the voice agent is told to be. One builder makes it; nobody else can.

use std::sync::Arc;

use crate::engine::ids::BusinessId;

/// The instructions for the voice agent. Only [`PromptBuilder`] makes one, once per call; its clones share the text.
#[derive(Clone, PartialEq, Eq)]
pub struct Prompt(Arc<str>);

impl Prompt {
    /// The whole text, to be sent to the vendor. It is not for logs.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Prompt {
    /// The length only.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Prompt({} bytes)", self.0.len())
    }
}

/// Puts a prompt together from a business's own words and the rules that hold for every call.
#[derive(Clone, Debug)]
pub struct PromptBuilder<'a> {
    /// Who is called.
    pub business: &'a BusinessId,
    /// The business's own instructions.
    pub instructions: &'a str,
    /// The language to speak, as a BCP 47 tag.
    pub language: &'a str,
}

impl PromptBuilder<'_> {
    /// The prompt of one call.
    pub fn build(&self) -> Prompt {
        let own = match self.instructions.trim() {
            "" => "Find out what the caller wants, answer what you know, and offer to take a message.",
            given => given,
        };
        let text = format!(
            "You answer the telephone for {business}. Speak the language {language} unless the caller clearly \
             wants another. Keep each answer to one or two short sentences, as spoken on a telephone: no lists, no \
             markup. Never invent facts about the business. When the conversation is over, say goodbye and call \
             the tool hang_up.\n\n{own}",
            business = self.business,
            language = self.language,
        );
        Prompt(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_business_speaks_and_debug_says_nothing() {
        let business: BusinessId = "Bakery".parse().unwrap();
        let prompt =
            PromptBuilder { business: &business, instructions: "Bread is sold out.", language: "en-GB" }.build();
        assert!(prompt.as_str().contains("Bakery") && prompt.as_str().contains("Bread is sold out."));
        assert!(!format!("{prompt:?}").contains("Bread"));
    }
}
