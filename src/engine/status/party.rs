//! The two ends of a call, as the carrier names them.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::engine::ids::PhoneNumber;

/// The longest address that is kept, in bytes; a SIP URI of more than that is cut.
const LONGEST_ADDRESS: usize = 255;

/// A calling or a called party. It is personal: `Debug` shows no more than two digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Party {
    /// A telephone number.
    Number(PhoneNumber),
    /// What is not a number in E.164: `sip:desk@example.com`, `client:alice`, a short code.
    Address(Arc<str>),
    /// Somebody who keeps the number to themselves.
    Withheld,
}

impl Party {
    /// The number or address; `anonymous` for one who withheld it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Number(number) => number.as_str(),
            Self::Address(address) => address,
            Self::Withheld => "anonymous",
        }
    }

    /// The number, if it is one.
    pub const fn number(&self) -> Option<&PhoneNumber> {
        match self {
            Self::Number(number) => Some(number),
            Self::Address(_) | Self::Withheld => None,
        }
    }
}

/// What Twilio and its carriers send in place of a number that was withheld: words, and the same words typed
/// on a telephone's keys (`+266696687` is ANONYMOUS).
const WITHHELD: [&str; 12] = [
    "anonymous",
    "restricted",
    "blocked",
    "unknown",
    "unavailable",
    "private",
    "withheld",
    "+266696687",
    "+7378742833",
    "+2562533",
    "+8656696",
    "+86282452253",
];

impl FromStr for Party {
    type Err = Infallible;

    /// Every text is a party. An empty one is [`Party::Withheld`]; a space in front of a number was a `+`
    /// that nobody escaped in a form.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        let mut readable: String = text.chars().filter(|c| !c.is_control()).collect();
        readable.truncate(readable.floor_char_boundary(LONGEST_ADDRESS));
        let address = readable.trim();
        if address.is_empty() || WITHHELD.iter().any(|word| word.eq_ignore_ascii_case(address)) {
            return Ok(Self::Withheld);
        }
        let number = match readable.starts_with(' ') {
            true => format!("+{address}").parse(),
            false => address.parse(),
        };
        Ok(number.map_or_else(|_| Self::Address(address.into()), Self::Number))
    }
}

impl From<PhoneNumber> for Party {
    fn from(number: PhoneNumber) -> Self {
        Self::Number(number)
    }
}

impl From<String> for Party {
    fn from(text: String) -> Self {
        let Ok(party) = text.parse();
        party
    }
}

impl From<Party> for String {
    fn from(party: Party) -> Self {
        party.as_str().to_owned()
    }
}

impl fmt::Debug for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Address(address) => write!(f, "address of {} bytes", address.len()),
            Self::Withheld => f.write_str("withheld"),
        }
    }
}
