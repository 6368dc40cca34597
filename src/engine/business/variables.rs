//! What `{{name}}` in a prompt may stand for.

use super::Profile;

/// Names that every business has; none may give them a meaning of its own.
///
/// * `business_name`: the business's name;
/// * `business_number`: the first number that it has by name; empty if there is none;
/// * `transfer_number`: the number to which callers can be handed over; empty if there is none.
pub const BUILT_IN: [&str; 3] = ["business_name", "business_number", "transfer_number"];

/// The longest name of a variable, in bytes.
const LONGEST_NAME: usize = 32;

/// Words that a form or a program writes where a value is missing.
const NO_VALUES: [&str; 14] = [
    "none",
    "null",
    "nil",
    "undefined",
    "nan",
    "n/a",
    "test",
    "todo",
    "tbd",
    "xxx",
    "placeholder",
    "unknown",
    "lorem ipsum",
    "[object object]",
];

impl Profile {
    /// What a variable stands for; `None` for one that nobody defines.
    pub fn variable(&self, name: &str) -> Option<&str> {
        match name {
            "business_name" => Some(&self.name),
            "business_number" => Some(self.own_numbers().next().map_or("", |number| number.as_str())),
            "transfer_number" => Some(self.transfer_to.as_ref().map_or("", |number| number.as_str())),
            own => self.variables.get(own).map(String::as_str),
        }
    }
}

/// Whether the text stands where a value is missing: `None`, `test`, `{{name}}`, `<name>`, nothing at all. Spoken, it
/// becomes "Hello None".
pub fn is_placeholder(text: &str) -> bool {
    let text = text.trim();
    let lower = text.to_lowercase();
    let bare = lower.trim_matches(|c: char| matches!(c, '"' | '\'' | '.' | '-' | '_' | '*' | '?' | '!'));
    let is_wrapped = |open, close| text.starts_with(open) && text.ends_with(close);
    bare.is_empty()
        || NO_VALUES.contains(&bare)
        || text.contains("{{")
        || text.contains("}}")
        || text.contains("${")
        || text.contains("%s")
        || is_wrapped('<', '>')
        || is_wrapped('[', ']')
        || is_wrapped('{', '}')
}

/// Whether a variable may have this name: a small letter, then small letters, digits and `_`.
pub(super) fn is_name(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    text.len() <= LONGEST_NAME
        && text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase())
        && text.bytes().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_form_left_open_is_no_value() {
        for no_value in [
            "",
            "  ",
            "None",
            "none.",
            "NULL",
            "undefined",
            "test",
            "\"test\"",
            "{{name}}",
            "Hello {{x",
            "<name>",
            "[name]",
            "${n}",
            "N/A",
            "--",
            "%s",
        ] {
            assert!(is_placeholder(no_value), "{no_value:?}");
        }
        for value in ["Anna", "Nonesuch Bakery", "testing ground", "Null Street 5", "24/7", "0", "3 < 4", "a-b"] {
            assert!(!is_placeholder(value), "{value:?}");
        }
    }

    #[test]
    fn every_built_in_name_has_a_meaning() {
        let mut profile = Profile::named("Bakery");
        profile.numbers = vec!["*".parse().unwrap(), "+15005550006".parse().unwrap()];
        let meanings = BUILT_IN.map(|name| profile.variable(name).unwrap());
        assert_eq!(meanings, ["Bakery", "+15005550006", ""]);
        assert_eq!(profile.variable("street"), None);
        assert!(BUILT_IN.iter().all(|name| is_name(name)));
    }
}
