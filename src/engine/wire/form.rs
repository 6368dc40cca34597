//! The fields of a webhook, wherever they stood: in a form, in a query, in a JSON object.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value;
use thiserror::Error;
use url::form_urlencoded;

/// The longest body or query that is read, in bytes. Twilio's are about 1,000.
pub const MAX_FORM_BYTES: usize = 64 * 1024;
/// The most fields that are read. Twilio sends about 40.
pub const MAX_FORM_FIELDS: usize = 256;

/// Why a body can't be read at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FormError {
    /// More than [`MAX_FORM_BYTES`].
    #[error("is {0} bytes long; {MAX_FORM_BYTES} is the most that is read")]
    TooLong(usize),
    /// More than [`MAX_FORM_FIELDS`].
    #[error("has more than {MAX_FORM_FIELDS} fields")]
    TooManyFields,
    /// Not a JSON object.
    #[error("is not a JSON object")]
    NotJson,
}

/// Names and values, decoded, in the order in which they came. A name may come more than once.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Form<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Form<'a> {
    /// Reads a form (`application/x-www-form-urlencoded`) or the query of a URL, without its `?`.
    ///
    /// Every text is a form; what is not UTF-8 becomes U+FFFD.
    pub fn from_urlencoded(text: &'a [u8]) -> Result<Self, FormError> {
        if text.len() > MAX_FORM_BYTES {
            return Err(FormError::TooLong(text.len()));
        }
        let fields: Vec<_> = form_urlencoded::parse(text).take(MAX_FORM_FIELDS + 1).collect();
        if fields.len() > MAX_FORM_FIELDS {
            return Err(FormError::TooManyFields);
        }
        Ok(Self(fields))
    }

    /// Reads a JSON object. `null` is an absent field; numbers and truth values become their text, and so do
    /// lists and objects.
    pub fn from_json(text: &[u8]) -> Result<Self, FormError> {
        if text.len() > MAX_FORM_BYTES {
            return Err(FormError::TooLong(text.len()));
        }
        let mut reader = serde_json::Deserializer::from_slice(text);
        let fields = reader.deserialize_map(JsonFields).map_err(|_| FormError::NotJson)?;
        reader.end().map_err(|_| FormError::NotJson)?;
        fields.map(Self).ok_or(FormError::TooManyFields)
    }

    /// Takes fields that are decoded already.
    pub fn from_pairs(pairs: &[(&'a str, &'a str)]) -> Self {
        Self(pairs.iter().map(|&(name, value)| (name.into(), value.into())).collect())
    }

    /// All fields.
    pub fn pairs(&self) -> &[(Cow<'a, str>, Cow<'a, str>)] {
        &self.0
    }

    /// The values of every field of this name.
    pub fn values<'f>(&'f self, name: &'f str) -> impl Iterator<Item = &'f str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_ref())
    }
}

impl fmt::Debug for Form<'_> {
    /// The names only: values are personal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// Collects the fields of a JSON object in order, repeated ones too; `None` if there are too many.
struct JsonFields;

impl<'de> Visitor<'de> for JsonFields {
    type Value = Option<Vec<(Cow<'static, str>, Cow<'static, str>)>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        let mut seen = 0_usize;
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            seen += 1;
            let text = match value {
                _ if seen > MAX_FORM_FIELDS => continue,
                Value::Null => continue,
                Value::String(text) => text,
                other => serde_json::to_string(&other).map_err(A::Error::custom)?,
            };
            fields.push((name.into(), text.into()));
        }
        Ok((seen <= MAX_FORM_FIELDS).then_some(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_form_keeps_order_repetition_and_empty_values() {
        let form = Form::from_urlencoded(b"To=%2B15005550006&Empty=&To=again+and%20again&&flag").unwrap();
        assert_eq!(
            form,
            Form::from_pairs(&[("To", "+15005550006"), ("Empty", ""), ("To", "again and again"), ("flag", "")])
        );
        assert_eq!(form.values("To").collect::<Vec<_>>(), ["+15005550006", "again and again"]);
    }

    #[test]
    fn a_json_body_has_the_same_fields() {
        let form = Form::from_json(br#"{"To":"+1500","CallDuration":12,"Ok":true,"No":null,"Deep":{"a":[1]}}"#);
        let expected = [("To", "+1500"), ("CallDuration", "12"), ("Ok", "true"), ("Deep", r#"{"a":[1]}"#)];
        assert_eq!(form, Ok(Form::from_pairs(&expected)));
        for wrong in ["", "[]", "7", "{", "{}{}", "{\"a\":}", "\u{feff}{}"] {
            assert_eq!(Form::from_json(wrong.as_bytes()), Err(FormError::NotJson), "{wrong:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        let form = Form::from_urlencoded(b"From=%ff%FE&%00=%zz").unwrap();
        assert_eq!(form, Form::from_pairs(&[("From", "\u{fffd}\u{fffd}"), ("\0", "%zz")]));
        assert_eq!(Form::from_json(b"{\"a\":\"\xff\"}"), Err(FormError::NotJson));
    }

    #[test]
    fn ten_thousand_fields_are_refused() {
        let many = "a=1&".repeat(10_000);
        assert_eq!(Form::from_urlencoded(many.as_bytes()), Err(FormError::TooManyFields));
        let many: Vec<_> = (0..6_000).map(|n| format!("\"{n}\":0")).collect();
        let many = format!("{{{}}}", many.join(","));
        assert_eq!(Form::from_json(many.as_bytes()), Err(FormError::TooManyFields));
        let long = "a".repeat(MAX_FORM_BYTES + 1);
        assert_eq!(Form::from_urlencoded(long.as_bytes()), Err(FormError::TooLong(MAX_FORM_BYTES + 1)));
        assert_eq!(Form::from_json(long.as_bytes()), Err(FormError::TooLong(MAX_FORM_BYTES + 1)));
    }

    #[test]
    fn debug_shows_no_value() {
        let form = Form::from_pairs(&[("From", "+15005550006")]);
        assert_eq!(format!("{form:?}"), r#"{"From"}"#);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_form_or_an_error(bytes: Vec<u8>) {
            prop_assert!(Form::from_urlencoded(&bytes).is_ok());
            if let Ok(form) = Form::from_json(&bytes) {
                prop_assert!(form.pairs().len() <= MAX_FORM_FIELDS);
            }
        }

        #[test]
        fn what_was_encoded_comes_back(pairs in proptest::collection::vec((".*", ".*"), 0..9)) {
            let text = form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
            let form = Form::from_urlencoded(text.as_bytes()).unwrap();
            let back: Vec<_> = form.pairs().iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
            prop_assert_eq!(back, pairs);
        }
    }
}
