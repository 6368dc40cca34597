//! Free text of others (a database, a vendor, a panic), made fit for a line.

/// No text is longer in a line, in characters.
const LONGEST: usize = 300;

/// As many digits may be a telephone number: the shortest that E.164 numbers have in practice.
const DIGITS: usize = 7;

/// The text in one line, without telephone numbers, passwords in addresses, and keys; at most 300 characters.
///
/// It rather hides a harmless number than shows a caller's: seven digits, with spaces, hyphens or brackets between
/// them or not, are `…`.
pub fn redact(text: &str) -> String {
    let one_line: String = text.chars().take(LONGEST).map(|c| if c.is_control() { ' ' } else { c }).collect();
    without_numbers(&without_secrets(&one_line))
}

fn without_numbers(text: &str) -> String {
    let is_part = |c: char| c.is_numeric() || matches!(c, ' ' | '-' | '(' | ')');
    let (mut shown, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(start) = rest.find(char::is_numeric) {
        let (before, run) = rest.split_at(start);
        let length = run.find(|c| !is_part(c)).unwrap_or(run.len());
        let length = run[..length].trim_end_matches(|c: char| !c.is_numeric()).len();
        let digits = run[..length].chars().filter(|c| c.is_numeric()).count();
        shown.push_str(before);
        shown.push_str(if digits >= DIGITS { "…" } else { &run[..length] });
        rest = &run[length..];
    }
    shown.push_str(rest);
    shown
}

fn without_secrets(text: &str) -> String {
    let shown = text.split(' ').map(|word| match word.split_once("://") {
        Some((scheme, rest)) if rest.contains('@') => {
            format!("{scheme}://…@{}", rest.rsplit_once('@').map_or("", |(_, host)| host))
        }
        _ if word.contains("sk-") => format!("{}…", word.split("sk-").next().unwrap_or_default()),
        _ => word.to_owned(),
    });
    let mut words: Vec<String> = shown.collect();
    for i in 1..words.len() {
        if words[i - 1].eq_ignore_ascii_case("bearer") {
            words[i] = "…".to_owned();
        }
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_personal_or_secret_is_hidden_and_the_rest_is_kept() {
        for (text, shown) in [
            ("no route to +15005550006", "no route to +…"),
            ("from=(+1 (500) 555-0006)", "from=(+…)"),
            ("connect to 127.0.0.1:5432 failed after 2500 ms", "connect to 127.0.0.1:5432 failed after 2500 ms"),
            ("HTTP 503", "HTTP 503"),
            ("postgres://calls:hunter2@db:5432/calls is down", "postgres://…@db:5432/calls is down"),
            ("Incorrect API key provided: sk-proj-abc. Ask", "Incorrect API key provided: … Ask"),
            ("Authorization: Bearer abcdef!", "Authorization: Bearer …"),
            ("first\nsecond", "first second"),
        ] {
            assert_eq!(redact(text), shown);
        }
        assert_eq!(redact(&"a".repeat(1_000)).len(), LONGEST);
    }

    proptest! {
        #[test]
        fn no_telephone_number_is_ever_shown(before in "[a-z +]{0,9}", number in "[1-9][0-9]{6,14}", after: String) {
            let shown = redact(&format!("{before}+{number}{after}"));
            prop_assert!(!shown.contains(&number), "{}", shown);
        }
    }
}
