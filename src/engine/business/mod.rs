//! A business (tenant): who answers which number, with which words, and how many calls at once.
//!
//! A [`Business`] is an id that never changes, a version that grows by each edit, and a [`Profile`], which is what
//! edits change. All businesses together are a [`Directory`]: the voice webhook asks it who answers a number, and it is
//! read from memory, whatever the database does. There is no first and no default business: a number that nobody has,
//! and no catch-all takes, is nobody's.
//!
//! Rules that a profile must keep are in [`Profile::faults`], the same for the configuration's file and for the API;
//! [`Profile::edited`] lays a JSON document over a profile and tells everything that is wrong with it at once.

mod called_number;
mod check;
mod directory;
mod edit;
pub mod template;
mod time_zone;
mod variables;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::engine::ids::{BusinessId, PhoneNumber};
use crate::engine::recording::RecordingPolicy;

pub use called_number::CalledNumber;
pub use check::{FieldFault, LONGEST_PROMPT, is_language_tag};
pub use directory::Directory;
pub use edit::{FIELDS, merged};
pub use time_zone::{Day, TimeZone, UnknownTimeZone};
pub use variables::{BUILT_IN, is_placeholder};

/// One business.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Business {
    /// Its id: calls are stored under it, and it never changes.
    pub id: BusinessId,
    /// Grows by each edit; 1 at first. 0 stands for one that the database has not seen yet.
    pub version: u32,
    /// Everything that can be edited.
    pub profile: Profile,
}

/// Everything about a business that can be edited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The name, as callers hear it: 1 to 64 characters.
    pub name: String,
    /// The numbers that its callers dial.
    pub numbers: Vec<CalledNumber>,
    /// The first words of a call, spoken as they are; `None` leaves them to the agent.
    pub greeting: Option<String>,
    /// The language to speak, as a BCP 47 tag.
    pub language: String,
    /// The voice, in the vendor's words; `None` means the provider's setting.
    pub voice: Option<String>,
    /// The voice agent, by its name: `local`, `openai`, `deepgram`; `None` means the service's setting.
    pub agent: Option<String>,
    /// What the agent is told to be and to know.
    pub prompts: PromptTexts,
    /// What `{{name}}` in the prompts stands for.
    pub variables: BTreeMap<String, String>,
    /// How many calls at once.
    pub limits: CallLimits,
    /// Where the business is, for what it calls today and now.
    pub time_zone: TimeZone,
    /// The number to which callers can be handed over.
    pub transfer_to: Option<PhoneNumber>,
    /// Where events are to be sent.
    pub webhook_url: Option<String>,
    /// Who records its calls; `None` means the service's setting.
    pub recording: Option<RecordingPolicy>,
}

/// A business's own prompts, one for each way in which it is spoken with. None of them ever stands in for another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptTexts {
    /// For calls that come in.
    pub inbound: Option<String>,
    /// For calls that we place.
    pub outbound: Option<String>,
    /// For messages.
    pub whatsapp: Option<String>,
}

/// How many calls a business may have at once; `None` means no limit of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallLimits {
    /// In both directions together.
    pub calls: Option<u32>,
    /// That we place.
    pub outbound: Option<u32>,
}

impl Profile {
    /// A business of this name that answers nothing yet, speaks American English and has no words of its own.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            numbers: Vec::new(),
            greeting: None,
            language: "en-US".to_owned(),
            voice: None,
            agent: None,
            prompts: PromptTexts::default(),
            variables: BTreeMap::new(),
            limits: CallLimits::default(),
            time_zone: TimeZone::UTC,
            transfer_to: None,
            webhook_url: None,
            recording: None,
        }
    }

    /// The numbers that it has by name, without the catch-all.
    pub fn own_numbers(&self) -> impl Iterator<Item = &PhoneNumber> {
        self.numbers.iter().filter_map(|number| match number {
            CalledNumber::Exact(number) => Some(number),
            CalledNumber::Any => None,
        })
    }
}

impl Business {
    /// The business of this id with the least that can be said: what answers for one that is not known here any more.
    pub fn nameless(id: &BusinessId) -> Self {
        Self { id: id.clone(), version: 0, profile: Profile::named(id.as_str()) }
    }
}
