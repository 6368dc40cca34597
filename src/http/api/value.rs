//! Values that several things have in common: how they are written, how they are read, what the document says of them.

use std::fmt;

use jiff::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::schema::{KnownFormat, Object, ObjectBuilder, SchemaFormat, Type};

use crate::engine::call::{HangupCause, Speaker};
use crate::engine::delivery::{DeliveryState, EventKind};
use crate::engine::ids::PhoneNumber;
use crate::engine::quality::{Fault, Severity, Verdict};
use crate::engine::status::{CallDirection, CallStatus};

/// A moment: RFC 3339 outside, microseconds since 1970-01-01 UTC inside.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub i64);

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // A moment that no calendar knows can't have been stored by us.
        serializer.serialize_some(&Timestamp::from_microsecond(self.0).ok().map(|at| at.to_string()))
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = unplussed(String::deserialize(deserializer)?);
        let at = text.parse::<Timestamp>().map_err(|_| D::Error::custom("give a time as in 2026-11-24T09:30:00Z"))?;
        Ok(Self(at.as_microsecond()))
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A telephone number that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number(pub PhoneNumber);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        unplussed(String::deserialize(deserializer)?).parse().map(Self).map_err(D::Error::custom)
    }
}

/// The text with a `+` for a space: in a query that nobody escaped, a plus arrives as a space.
fn unplussed(text: String) -> String {
    match text.split_once('T') {
        Some((day, time)) => format!("{day}T{}", time.replace(' ', "+")),
        None if text.starts_with(' ') => text.replacen(' ', "+", 1),
        None => text,
    }
}

/// What the document says of a type, under the name of the type.
macro_rules! described {
    ($type:ident: $schema:expr) => {
        impl utoipa::PartialSchema for $type {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                $schema.into()
            }
        }

        impl utoipa::ToSchema for $type {
            fn name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }
        }
    };
}
pub(super) use described;

/// A text, in the document.
fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

/// One of these words, in the document.
fn one_of(words: impl IntoIterator<Item = &'static str>) -> Object {
    text().enum_values(Some(words)).build()
}

/// For `value_type` alone: what a text holds that the code keeps in a type of its own.
macro_rules! texts {
    ($($(#[$doc:meta])+ $name:ident: $schema:expr;)+) => {
        $($(#[$doc])+ pub struct $name; described!($name: $schema);)+
    };
}

described!(Moment: text().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))).build());
described!(Number: text().pattern(Some("^\\+[1-9][0-9]{1,14}$")).build());

texts! {
    /// A call's name.
    CallName: text().pattern(Some("^CA[0-9a-fA-F]{32}$")).build();
    /// The `next_cursor` of a page.
    PageCursor: text().pattern(Some("^[A-Za-z0-9_-]+$")).build();
    /// What people call a thing: 1 to 100 characters.
    Title: text().min_length(Some(1)).max_length(Some(100)).pattern(Some(ONE_LINE)).build();
    /// A business's name.
    BusinessName: text().min_length(Some(1)).max_length(Some(64)).pattern(Some(ONE_LINE)).build();
    /// How far a call has come, in the carrier's words; `rejected` is our own refusal.
    Status: one_of(CallStatus::ALL.map(CallStatus::as_str));
    /// Which way a call goes, seen from us.
    Direction: one_of([CallDirection::Inbound, CallDirection::Outbound].map(CallDirection::as_str));
    /// Who ended a call, and why.
    Cause: one_of(HangupCause::ALL.map(HangupCause::as_str));
    /// What a call's score means to a person.
    VerdictWord: one_of(Verdict::ALL.map(Verdict::word));
    /// What went wrong on a call.
    FaultName: one_of(Fault::ALL.map(Fault::word));
    /// How much that matters.
    Weight: one_of(Severity::ALL.map(Severity::word));
    /// Who spoke.
    Side: one_of([Speaker::Caller, Speaker::Agent].map(Speaker::as_str));
    /// An event's name.
    EventName: text().pattern(Some("^evt_[0-9a-f]{32}$")).build();
    /// What a business is told of.
    Happening: one_of(EventKind::ALL.map(EventKind::as_str));
    /// What has become of an outgoing webhook.
    HookState: one_of(DeliveryState::ALL.map(DeliveryState::as_str));
    /// What the carrier was told to do after a call.
    After: one_of(["hang_up", "dial", "apologise"]);
}

/// Text without control characters that is not all space.
pub(super) const ONE_LINE: &str = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$";

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json};

    #[test]
    fn a_moment_is_written_in_utc_and_read_in_any_zone() {
        let noon = Moment(1_795_521_600_000_000);
        assert_eq!(serde_json::to_value(noon).unwrap(), json!("2026-11-24T12:00:00Z"));
        assert_eq!(serde_json::to_value(Moment(1_795_521_600_000_001)).unwrap(), json!("2026-11-24T12:00:00.000001Z"));
        for text in ["2026-11-24T12:00:00Z", "2026-11-24T13:00:00+01:00", "2026-11-24T13:00:00 01:00"] {
            assert_eq!(from_value::<Moment>(json!(text)).unwrap(), noon, "{text}");
        }
        for wrong in ["", "2026-11-24", "2026-11-24T12:00:00", "noon", "1795521600"] {
            assert!(from_value::<Moment>(json!(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_number_whose_plus_was_lost_on_the_way_is_understood() {
        for text in ["+15005550006", " 15005550006"] {
            assert_eq!(from_value::<Number>(json!(text)).unwrap().0.as_str(), "+15005550006");
        }
        for wrong in ["15005550006", "+0", "anonymous", ""] {
            assert!(from_value::<Number>(json!(wrong)).is_err(), "{wrong}");
        }
    }
}
