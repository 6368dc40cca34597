//! Which number a business answers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::engine::ids::{IdError, PhoneNumber};

/// Which number a business answers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum CalledNumber {
    /// `*`: every number that no other business has.
    Any,
    /// This number.
    Exact(PhoneNumber),
}

impl CalledNumber {
    /// As it is written.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Any => "*",
            Self::Exact(number) => number.as_str(),
        }
    }
}

impl FromStr for CalledNumber {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        match text.trim() {
            "*" => Ok(Self::Any),
            text => text.parse().map(Self::Exact),
        }
    }
}

impl TryFrom<String> for CalledNumber {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<CalledNumber> for String {
    fn from(number: CalledNumber) -> Self {
        number.as_str().to_owned()
    }
}

impl From<PhoneNumber> for CalledNumber {
    fn from(number: PhoneNumber) -> Self {
        Self::Exact(number)
    }
}

impl fmt::Display for CalledNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
