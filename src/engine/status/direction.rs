//! Who called whom.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Which way a call goes, seen from us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CallDirection {
    /// Somebody calls us.
    Inbound,
    /// We call somebody: by the REST interface, or as the second leg of a `<Dial>`.
    Outbound,
}

/// A word that is no direction.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("is neither inbound nor outbound")]
pub struct UnknownDirection;

impl CallDirection {
    /// The word that is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }
}

impl fmt::Display for CallDirection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for CallDirection {
    type Err = UnknownDirection;

    /// Takes our own words and Twilio's: `inbound`, `outbound-api`, `outbound-dial`.
    fn from_str(text: &str) -> Result<Self, UnknownDirection> {
        match text.trim().to_ascii_lowercase().as_str() {
            "inbound" => Ok(Self::Inbound),
            word if word.starts_with("outbound") => Ok(Self::Outbound),
            _ => Err(UnknownDirection),
        }
    }
}
