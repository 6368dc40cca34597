//! Names of things, parsed once at the door and trusted after.
//!
//! Twilio's identifiers are two letters and 32 hexadecimal digits; telephone numbers are E.164 (ITU-T
//! E.164: `+`, then at most 15 digits, the first not 0).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a text is not the identifier it should be. The text itself is not repeated: it may be personal.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IdError {
    /// The two letters in front are missing.
    #[error("must begin with {0:?}")]
    Prefix(&'static str),
    /// Not the prefix and 32 hexadecimal digits.
    #[error("must be {0:?} and 32 hexadecimal digits, is {1} bytes long")]
    Length(&'static str, usize),
    /// A character that is not a hexadecimal digit.
    #[error("must hold only hexadecimal digits after {0:?}")]
    Digits(&'static str),
    /// Not an E.164 number.
    #[error("must be an E.164 number: '+', then 2 to 15 digits, the first not 0")]
    NotE164,
    /// Not a mark that this engine sends.
    #[error("is not one of our mark names")]
    NotAMark,
    /// A business's name that is empty or too long.
    #[error("must be 1 to 64 characters of text")]
    Name,
}

/// What serde needs to read and write a name as its text.
macro_rules! stored_as_text {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.to_string()
            }
        }
    };
}

macro_rules! twilio_sid {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The identifier as Twilio writes it.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Its digits as a number: the same for upper and lower case, and a third of the text's size.
            pub fn number(&self) -> u128 {
                let digits = self.0.chars().skip($prefix.len()).filter_map(|digit| digit.to_digit(16));
                digits.fold(0, |number, digit| number << 4 | u128::from(digit))
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let hex = text.strip_prefix($prefix).ok_or(IdError::Prefix($prefix))?;
                if hex.len() != 32 {
                    return Err(IdError::Length($prefix, text.len()));
                }
                if !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
                    return Err(IdError::Digits($prefix));
                }
                Ok(Self(text.into()))
            }
        }

        stored_as_text!($name);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

twilio_sid!(
    /// One call (one leg) at the carrier.
    CallSid,
    "CA"
);
twilio_sid!(
    /// One media stream of a call.
    StreamSid,
    "MZ"
);
twilio_sid!(
    /// One recording of a call.
    RecordingSid,
    "RE"
);
twilio_sid!(
    /// The account a call belongs to.
    AccountSid,
    "AC"
);
twilio_sid!(
    /// One call that we were asked to place: our own name for it, of the same form.
    JobId,
    "OB"
);
twilio_sid!(
    /// One campaign: our own name for it, of the same form.
    CampaignId,
    "CP"
);
twilio_sid!(
    /// One telephone number of an account, as the carrier files it.
    NumberSid,
    "PN"
);

/// A telephone number in E.164. It is personal: `Debug` shows the last two digits only.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PhoneNumber(Arc<str>);

impl PhoneNumber {
    /// The whole number, `+` first.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PhoneNumber {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let digits = text.strip_prefix('+').ok_or(IdError::NotE164)?;
        let legal =
            (2..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
        if legal { Ok(Self(text.into())) } else { Err(IdError::NotE164) }
    }
}

stored_as_text!(PhoneNumber);

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+…{}", &self.0[self.0.len() - 2..])
    }
}

/// The business (tenant) that a call belongs to, by its configured name: 1 to 64 characters.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BusinessId(Arc<str>);

impl BusinessId {
    /// The name as configured.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BusinessId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let legal = !text.trim().is_empty() && text.chars().count() <= 64 && !text.chars().any(char::is_control);
        if legal { Ok(Self(text.into())) } else { Err(IdError::Name) }
    }
}

stored_as_text!(BusinessId);

impl fmt::Display for BusinessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for BusinessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// One response of the agent within one call.
///
/// Every frame of agent audio carries it, so that nothing of an interrupted response is ever played.
/// The call machine numbers the responses that it asks for from 1 upward; where the vendor creates
/// responses itself, the provider numbers them with [`ResponseId::from_vendor`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResponseId(u32);

impl ResponseId {
    const VENDOR: u32 = 1 << 31;

    /// The `number`th response that the call machine asked for; numbers start at 1.
    pub const fn from_engine(number: u32) -> Self {
        Self(number & !Self::VENDOR)
    }

    /// The `number`th response that the vendor began by itself.
    pub const fn from_vendor(number: u32) -> Self {
        Self(number | Self::VENDOR)
    }

    /// Whether the vendor began it by itself.
    pub const fn is_vendors(self) -> bool {
        self.0 & Self::VENDOR != 0
    }
}

impl fmt::Display for ResponseId {
    /// `r7` for the engine's, `v7` for the vendor's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = if self.is_vendors() { 'v' } else { 'r' };
        write!(f, "{side}{}", self.0 & !Self::VENDOR)
    }
}

impl fmt::Debug for ResponseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ResponseId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let number = |digits: &str| match digits.parse::<u32>() {
            Ok(number) if number < Self::VENDOR => Ok(number),
            _ => Err(IdError::NotAMark),
        };
        match text.split_at_checked(1) {
            Some(("r", digits)) => number(digits).map(Self::from_engine),
            Some(("v", digits)) => number(digits).map(Self::from_vendor),
            _ => Err(IdError::NotAMark),
        }
    }
}

/// A point in the audio of one response: when it comes back, the caller has heard everything before it.
///
/// On the wire it is the text of its `Display`, as in `r3:1240` or, at the response's end, `r3:1980:end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mark {
    /// Whose audio it stands in.
    pub response: ResponseId,
    /// How much of the response's audio lies before it, in milliseconds.
    pub position_ms: u32,
    /// Whether the response's audio ends here.
    pub is_last: bool,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = if self.is_last { ":end" } else { "" };
        write!(f, "{}:{}{end}", self.response, self.position_ms)
    }
}

impl FromStr for Mark {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let (text, is_last) = match text.strip_suffix(":end") {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        let (response, position) = text.split_once(':').ok_or(IdError::NotAMark)?;
        Ok(Self { response: response.parse()?, position_ms: position.parse().map_err(|_| IdError::NotAMark)?, is_last })
    }
}

/// A key of the telephone's pad: `0` to `9`, `*`, `#`, `A` to `D`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digit(char);

impl Digit {
    /// The key's character.
    pub const fn as_char(self) -> char {
        self.0
    }
}

impl TryFrom<char> for Digit {
    type Error = char;

    fn try_from(key: char) -> Result<Self, char> {
        match key {
            '0'..='9' | '*' | '#' | 'A'..='D' => Ok(Self(key)),
            other => Err(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_call_sid_is_ca_and_32_hex_digits() {
        let sid = format!("CA{}", "0f".repeat(16));
        assert_eq!(sid.parse::<CallSid>().map(|s| s.number()), Ok(0x0f0f_0f0f_0f0f_0f0f_0f0f_0f0f_0f0f_0f0f));
        assert_eq!(sid.parse::<CallSid>().map(|s| s.to_string()), Ok(sid));
        assert_eq!("MZ00".parse::<CallSid>(), Err(IdError::Prefix("CA")));
        assert_eq!("CA00".parse::<CallSid>(), Err(IdError::Length("CA", 4)));
        assert_eq!(format!("CA{}", "zz".repeat(16)).parse::<CallSid>(), Err(IdError::Digits("CA")));
    }

    #[test]
    fn a_phone_number_is_e164_and_hides_itself_in_debug() {
        let number: PhoneNumber = "+15005550006".parse().unwrap();
        assert_eq!(format!("{number:?}"), "+…06");
        for wrong in ["", "+", "+0123", "15005550006", "+1234567890123456", "+1 500", "anonymous"] {
            assert_eq!(wrong.parse::<PhoneNumber>(), Err(IdError::NotE164), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn marks_come_back_as_they_were_sent(n in 0u32..1 << 31, vendor: bool, position_ms: u32, is_last: bool) {
            let response = if vendor { ResponseId::from_vendor(n) } else { ResponseId::from_engine(n) };
            let mark = Mark { response, position_ms, is_last };
            prop_assert_eq!(mark.to_string().parse::<Mark>(), Ok(mark));
        }

        #[test]
        fn no_text_makes_a_parser_panic(text: String) {
            let _ = (text.parse::<Mark>(), text.parse::<CallSid>(), text.parse::<PhoneNumber>(), text.parse::<ResponseId>());
        }
    }
}
