//! `{{name}}` in a text.
//!
//! A name stands between two braces on either side, with or without blanks around it. What does not look like that is
//! text. Values are not looked into: a `{{name}}` in a value stays as it is.

/// The names that a text asks for, in order, each as often as it stands there; as they are written, also where no
/// variable could be called so.
pub fn names(text: &str) -> impl Iterator<Item = &str> {
    pieces(text).filter_map(|piece| match piece {
        Piece::Name(name) => Some(name),
        Piece::Text(_) => None,
    })
}

/// The text with each `{{name}}` replaced by its value; one without a value leaves nothing behind.
pub fn filled<'a>(text: &str, value: impl Fn(&str) -> Option<&'a str>) -> String {
    let mut filled = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece {
            Piece::Text(text) => filled.push_str(text),
            Piece::Name(name) => filled.push_str(value(name).unwrap_or_default()),
        }
    }
    filled
}

enum Piece<'a> {
    Text(&'a str),
    Name(&'a str),
}

fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (piece, behind) = match rest.find("{{") {
            None => (Piece::Text(rest), ""),
            Some(0) => match named(&rest[2..]) {
                Some((name, behind)) => (Piece::Name(name), behind),
                // One brace only: the next may begin a name.
                None => (Piece::Text(&rest[..1]), &rest[1..]),
            },
            Some(at) => (Piece::Text(&rest[..at]), &rest[at..]),
        };
        rest = behind;
        Some(piece)
    })
}

/// The name up to the closing braces, and what stands behind them.
fn named(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.split_at(text.find(['{', '}', '\n'])?);
    let (name, behind) = (name.trim(), rest.strip_prefix("}}")?);
    (!name.is_empty()).then_some((name, behind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fill(text: &str) -> String {
        filled(text, |name| match name {
            "shop" => Some("Miller"),
            "odd" => Some("{{shop}}"),
            _ => None,
        })
    }

    #[test]
    fn names_are_replaced_and_text_is_left_alone() {
        assert_eq!(fill("{{shop}} is {{ shop }}."), "Miller is Miller.");
        assert_eq!(fill("{{nobody}} here"), " here");
        assert_eq!(fill("{{odd}}"), "{{shop}}", "values are not looked into");
        for text in ["", "{", "{{", "{{}}", "{{ }}", "{shop}", "{{shop", "shop}}", "{{a{b}}", "{{a\nb}}"] {
            assert_eq!(fill(text), text);
        }
        assert_eq!(fill("{{{shop}}}"), "{Miller}");
        assert_eq!(names("{{a}} and {{ B }}").collect::<Vec<_>>(), ["a", "B"]);
    }

    #[test]
    fn a_hundred_thousand_braces_are_read_once() {
        let open = "{{".repeat(50_000);
        assert_eq!(fill(&open), open);
        assert_eq!(names(&format!("{open}}}}}")).count(), 0);
    }

    proptest! {
        #[test]
        fn a_text_without_braces_is_never_changed(text in "[^{]*") {
            prop_assert_eq!(fill(&text), text.clone());
            prop_assert_eq!(names(&text).count(), 0);
        }

        #[test]
        fn each_name_gives_its_value_wherever_it_stands(before in "[^{}]*", after in "[^{}]*", blanks in " {0,3}") {
            let text = format!("{before}{{{{{blanks}shop{blanks}}}}}{after}");
            prop_assert_eq!(fill(&text), format!("{before}Miller{after}"));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[{}a \n\u{5d0}]{0,40}") {
            fill(&text);
        }
    }
}
