//! A business as the configuration seeds it: whose number was called, and what its agent is told.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::engine::business::{self, CallLimits, CalledNumber, Profile, PromptTexts, TimeZone};
use crate::engine::ids::{BusinessId, PhoneNumber};
use crate::engine::recording::RecordingPolicy;

/// One `[[business]]` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Business {
    /// Its name, and the id under which its calls are stored.
    pub name: BusinessId,
    /// The number that its callers dial.
    pub number: CalledNumber,
    /// The first words of a call, spoken as they are; `None` leaves them to the agent.
    #[serde(default, with = "text")]
    pub greeting: Option<String>,
    /// What the agent is told to be and to know when somebody calls.
    #[serde(default = "take_a_message")]
    pub prompt: String,
    /// The same for calls that we place.
    #[serde(default)]
    pub prompt_outbound: String,
    /// The same for messages.
    #[serde(default)]
    pub prompt_whatsapp: String,
    /// What `{{name}}` in the prompts stands for.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// The language to speak, as a BCP 47 tag.
    #[serde(default = "english")]
    pub language: String,
    /// Where the business is.
    #[serde(default = "utc")]
    pub time_zone: TimeZone,
    /// The voice agent; `None` means the service's setting.
    #[serde(default, with = "text")]
    pub agent: Option<String>,
    /// The voice, in the vendor's words; `None` means the provider's setting.
    #[serde(default, with = "text")]
    pub voice: Option<String>,
    /// The number to which callers can be handed over.
    #[serde(default, with = "number")]
    pub transfer_to: Option<PhoneNumber>,
    /// How many of its calls may be alive at once; 0 means the service's setting.
    #[serde(default)]
    pub max_calls: u32,
    /// How many of these may be calls that the service placed; 0 means the service's setting.
    #[serde(default)]
    pub max_outbound_calls: u32,
    /// Who records its calls; `None` means the service's setting.
    #[serde(default, with = "super::optional")]
    pub recording: Option<RecordingPolicy>,
}

impl Business {
    /// The business that the database is seeded with.
    pub fn seed(&self) -> business::Business {
        let limit = |most: u32| Some(most).filter(|most| *most > 0);
        let text = |text: &String| Some(text.clone()).filter(|text| !text.trim().is_empty());
        let profile = Profile {
            name: self.name.as_str().to_owned(),
            numbers: vec![self.number.clone()],
            greeting: self.greeting.clone(),
            language: self.language.clone(),
            voice: self.voice.clone(),
            agent: self.agent.clone(),
            prompts: PromptTexts {
                inbound: text(&self.prompt),
                outbound: text(&self.prompt_outbound),
                whatsapp: text(&self.prompt_whatsapp),
            },
            variables: self.variables.clone(),
            limits: CallLimits { calls: limit(self.max_calls), outbound: limit(self.max_outbound_calls) },
            time_zone: self.time_zone.clone(),
            transfer_to: self.transfer_to.clone(),
            webhook_url: None,
            recording: self.recording,
        };
        business::Business { id: self.name.clone(), version: 0, profile }
    }
}

fn english() -> String {
    "en-US".to_owned()
}

fn utc() -> TimeZone {
    TimeZone::UTC
}

/// What every business may be told, and no business was told in particular.
pub(super) fn take_a_message() -> String {
    "Find out what the caller wants, answer what you know, and offer to take a message.".to_owned()
}

/// Like [`super::optional`], but the text is kept as it is.
mod text {
    use super::{Deserialize, Deserializer, Serializer};

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
        Ok(Some(String::deserialize(deserializer)?).filter(|text| !text.trim().is_empty()))
    }

    pub(super) fn serialize<S: Serializer>(text: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(text.as_deref().unwrap_or_default())
    }
}

/// Like [`super::optional`], for a number, which is not displayed by accident.
mod number {
    use super::{PhoneNumber, Serializer};

    pub(super) use super::super::optional::deserialize;

    pub(super) fn serialize<S: Serializer>(number: &Option<PhoneNumber>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(number.as_ref().map_or("", PhoneNumber::as_str))
    }
}
