//! A text that is too long ends with a whole sentence.

/// The beginning of a text that has at most `limit` characters: up to the end of a sentence, where one ends in the
/// second half of what fits; else up to the end of a word there; else as much as fits.
pub(super) fn cut(text: &str, limit: usize) -> &str {
    let Some((end, _)) = text.char_indices().nth(limit) else { return text };
    let fits = &text[..end];
    let half = fits.char_indices().nth(limit / 2).map_or(0, |(at, _)| at);
    let next = text[end..].chars().next();
    let at =
        last_sentence(fits, next).filter(|at| *at > half).or_else(|| last_word(fits, next).filter(|at| *at > half));
    fits[..at.unwrap_or(end)].trim_end()
}

/// Where the last sentence ends, if one does. `next` is the character behind the text.
fn last_sentence(text: &str, next: Option<char>) -> Option<usize> {
    let mut behind = next;
    for (at, char) in text.char_indices().rev() {
        let ends = match char {
            '\n' => return Some(at),
            // A dot inside of 3.50 or of an address ends nothing.
            '.' | '!' | '?' | '…' => behind.is_none_or(char::is_whitespace),
            '。' | '！' | '？' => true,
            _ => false,
        };
        if ends {
            return Some(at + char.len_utf8());
        }
        // A quotation mark or a bracket behind the full stop belongs to the sentence.
        if !matches!(char, '"' | '”' | '»' | ')' | '’') {
            behind = Some(char);
        }
    }
    None
}

fn last_word(text: &str, next: Option<char>) -> Option<usize> {
    if next.is_some_and(char::is_whitespace) {
        return Some(text.len());
    }
    text.char_indices().rev().find(|(_, char)| char.is_whitespace()).map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_ends_with_a_sentence() {
        assert_eq!(cut("We bake. We sell. We deliver.", 20), "We bake. We sell.");
        assert_eq!(cut("We bake. We sell. We deliver.", 29), "We bake. We sell. We deliver.");
        assert_eq!(cut("Rolls are 0.50 each, and bread is 3.50 euro.", 38), "Rolls are 0.50 each, and bread is 3.50");
        assert_eq!(cut("Is it open? It is! Come in, please.", 25), "Is it open? It is!");
        assert_eq!(cut("A first rule\nanother rule that is long", 20), "A first rule");
        assert_eq!(cut("私はパン屋です。毎日焼きます。", 10), "私はパン屋です。");
        assert_eq!(cut("A sentence without an end goes on", 20), "A sentence without");
        assert_eq!(cut("Donaudampfschifffahrt", 5), "Donau");
        assert_eq!(cut("Anything.", 0), "");
    }

    proptest! {
        #[test]
        fn it_is_never_longer_and_always_the_beginning(text in "[a-zäö。.!? \n]{0,80}", limit in 0usize..60) {
            let short = cut(&text, limit);
            prop_assert!(short.chars().count() <= limit);
            prop_assert!(text.starts_with(short));
            if text.chars().count() <= limit {
                prop_assert_eq!(short, text.as_str());
            }
        }

        #[test]
        fn of_many_short_sentences_only_whole_ones_stay(words in proptest::collection::vec("[a-z]{1,9}", 20..60)) {
            let text = words.iter().map(|word| format!("{word}.")).collect::<Vec<_>>().join(" ");
            let short = cut(&text, 60);
            prop_assert!(short.is_empty() || short.ends_with('.'), "{}", short);
        }
    }
}
