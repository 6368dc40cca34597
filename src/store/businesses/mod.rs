//! Businesses: who they are, what they were told under which version, and whose a number is.
//!
//! Every edit locks the one row of `business_changes` first and counts it up, so that edits happen one after the other,
//! on all nodes together, and a node that polls [`Store::business_change`] knows when to read again.

mod peek;
mod read;
mod rows;
mod seed;
mod write;

use thiserror::Error;

use crate::engine::business::{Business, CalledNumber, PromptTexts};
use crate::engine::ids::BusinessId;

use super::Store;
use super::error::StoreError;

pub use peek::{Peeked, peek};
pub use seed::Seeded;
pub use write::BusinessWriter;

/// A business as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBusiness {
    /// The business.
    pub business: Business,
    /// Whether the configuration's file named it first.
    pub is_seeded: bool,
    /// Whether it was edited since; the file has no say then.
    pub is_edited: bool,
    /// When it was made: microseconds since 1970-01-01 UTC.
    pub created_at: i64,
    /// When it was last changed: microseconds since 1970-01-01 UTC.
    pub updated_at: i64,
}

/// What a business was told under one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusinessVersion {
    /// Which version.
    pub version: u32,
    /// When it began: microseconds since 1970-01-01 UTC.
    pub changed_at: i64,
    /// Who made it: the name of a token, or `configuration`.
    pub changed_by: String,
    /// The fields that differ from the version before, as in `prompts.inbound`; `created` and `deleted` stand alone.
    pub changed: Vec<String>,
    /// The prompts.
    pub prompts: PromptTexts,
    /// The variables.
    pub variables: std::collections::BTreeMap<String, String>,
}

/// Who edits, and when.
#[derive(Clone, Copy, Debug)]
pub struct Editor<'a> {
    /// The name of a token, or `configuration`.
    pub by: &'a str,
    /// Microseconds since 1970-01-01 UTC.
    pub at: i64,
}

/// Why a business was not edited.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EditError {
    /// There is none with this id.
    #[error("there is no such business")]
    NotFound,
    /// It was edited meanwhile.
    #[error("the business has version {current} by now")]
    Stale {
        /// The version that it has.
        current: u32,
    },
    /// There is one with this id, or was.
    #[error("there is or was a business with this id")]
    Exists,
    /// Other businesses have these numbers.
    #[error("numbers that other businesses have")]
    NumbersTaken(Vec<CalledNumber>),
    /// It could not be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// A writer of businesses, with a connection of its own.
    pub fn business_writer(&self) -> BusinessWriter {
        BusinessWriter::new(&self.shared)
    }
}

/// The word under which the configuration's file is the editor.
pub const CONFIGURATION: &str = "configuration";

/// What is wrong with a business's id that was read back.
pub(super) fn id_of(text: &str) -> Result<BusinessId, super::error::Fault> {
    text.parse().map_err(|_| super::error::Fault::Corrupt("businesses.id"))
}
