//! A business: whose number was called, and what its agent is told.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::engine::ids::{BusinessId, PhoneNumber};

/// One `[[business]]` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Business {
    /// Its name; calls are stored under it.
    pub name: BusinessId,
    /// The number that its callers dial.
    pub number: CalledNumber,
    /// The first words of a call, spoken as they are; `None` leaves them to the agent.
    #[serde(default, with = "text")]
    pub greeting: Option<String>,
    /// What the agent is told to be and to know.
    #[serde(default)]
    pub prompt: String,
    /// The language to speak, as a BCP 47 tag.
    #[serde(default = "english")]
    pub language: String,
    /// The voice, in the vendor's words; `None` means the provider's setting.
    #[serde(default, with = "text")]
    pub voice: Option<String>,
    /// The number to which callers can be handed over.
    #[serde(default, with = "number")]
    pub transfer_to: Option<PhoneNumber>,
}

fn english() -> String {
    "en-US".to_owned()
}

/// Which number a business answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CalledNumber {
    /// `*`: every number that no other business has.
    Any,
    /// This number.
    Exact(PhoneNumber),
}

impl CalledNumber {
    /// Whether it is this number by name, not by catch-all.
    pub fn is_exactly(&self, called: &PhoneNumber) -> bool {
        matches!(self, Self::Exact(own) if own == called)
    }

    /// As it stands in the file.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Any => "*",
            Self::Exact(number) => number.as_str(),
        }
    }
}

impl Serialize for CalledNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for CalledNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.trim() {
            "*" => Ok(Self::Any),
            text => text.parse().map(Self::Exact).map_err(serde::de::Error::custom),
        }
    }
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
