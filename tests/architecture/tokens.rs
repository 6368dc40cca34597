//! Rust source as words, without comments and texts: enough to see what a file names.

/// A word or a punctuation mark, and the line it stands on (from 1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub text: String,
    pub line: usize,
}

/// The words of a source text. `::` is one token; numbers are words; texts and characters become `""`.
pub fn tokens(source: &str) -> Vec<Token> {
    let mut reader = Reader { rest: source, line: 1 };
    let mut tokens = Vec::new();
    while let Some(token) = reader.next_token() {
        tokens.push(token);
    }
    tokens
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
}

impl Reader<'_> {
    fn next_token(&mut self) -> Option<Token> {
        loop {
            let first = self.rest.chars().next()?;
            let line = self.line;
            let token = |text: &str| Some(Token { text: text.to_owned(), line });
            if first.is_whitespace() {
                self.skip(first.len_utf8());
            } else if self.rest.starts_with("//") {
                self.skip(self.rest.find('\n').unwrap_or(self.rest.len()));
            } else if self.rest.starts_with("/*") {
                self.skip(block_comment(self.rest));
            } else if let Some(length) = text_literal(self.rest).or_else(|| char_literal(self.rest)) {
                self.skip(length);
                return token("\"\"");
            } else if is_word(first) {
                let word = &self.rest[..self.rest.find(|c| !is_word(c)).unwrap_or(self.rest.len())];
                let found = token(word);
                self.skip(word.len());
                return found;
            } else if self.rest.starts_with("::") {
                self.skip(2);
                return token("::");
            } else {
                self.skip(first.len_utf8());
                return token(first.encode_utf8(&mut [0; 4]));
            }
        }
    }

    fn skip(&mut self, bytes: usize) {
        let (skipped, rest) = self.rest.split_at(bytes);
        self.line += skipped.matches('\n').count();
        self.rest = rest;
    }
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// The length of the block comment at the start, which may hold others.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let here = &text.as_bytes()[at..];
        if here.starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if here.starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
        } else {
            at += 1;
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// The length of the text at the start, if one stands there: `"…"`, `b"…"`, `c"…"`, `r#"…"#` and so on.
fn text_literal(text: &str) -> Option<usize> {
    let prefix = ["br", "cr", "b", "c", "r", ""].into_iter().find(|prefix| {
        let rest = text.strip_prefix(*prefix).map(|rest| rest.trim_start_matches('#'));
        let is_raw = prefix.ends_with('r');
        rest.is_some_and(|rest| rest.starts_with('"')) && (is_raw || text[prefix.len()..].starts_with('"'))
    })?;
    let rest = &text[prefix.len()..];
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    let inside = prefix.len() + hashes + 1;
    if prefix.ends_with('r') {
        let end = format!("\"{}", "#".repeat(hashes));
        return Some(text[inside..].find(&end).map_or(text.len(), |at| inside + at + end.len()));
    }
    let mut is_escaped = false;
    let end = text[inside..].char_indices().find(|(_, c)| {
        let is_end = *c == '"' && !is_escaped;
        is_escaped = *c == '\\' && !is_escaped;
        is_end
    });
    Some(end.map_or(text.len(), |(at, _)| inside + at + 1))
}

/// The length of the character at the start, if one stands there and not a lifetime.
fn char_literal(text: &str) -> Option<usize> {
    let start = if text.starts_with("b'") { 2 } else { 1 };
    if !text.starts_with('\'') && start == 1 {
        return None;
    }
    let mut inside = text[start..].chars();
    let first = inside.next()?;
    if first == '\\' {
        let escaped = inside.next()?.len_utf8();
        let end = text[start + 1 + escaped..].find('\'')?;
        return Some(start + 1 + escaped + end + 1);
    }
    (inside.next()? == '\'').then(|| start + first.len_utf8() + 1)
}

#[cfg(test)]
mod tests {
    use super::tokens;

    fn words(source: &str) -> Vec<String> {
        tokens(source).into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn what_is_not_code_is_no_word() {
        let source = r####"
            // tokio
            /// tokio::spawn
            /* tokio /* slog */ diesel */
            let a = "tokio \" slog"; let b = r#"slog " tokio"#; let c = b"diesel"; let d = '"'; let e = '\'';
            fn f<'a>(x: &'a str) -> char { '\u{1F600}' }
        "####;
        let words = words(source).join(" ");
        assert_eq!(
            words,
            "let a = \"\" ; let b = \"\" ; let c = \"\" ; let d = \"\" ; let e = \"\" ; \
             fn f < ' a > ( x : & ' a str ) - > char { \"\" }"
        );
    }

    #[test]
    fn words_know_their_line() {
        let found = tokens("a\n/*\n*/ b \"\n\" c::d");
        let at: Vec<_> = found.iter().map(|token| (token.text.as_str(), token.line)).collect();
        assert_eq!(at, [("a", 1), ("b", 3), ("\"\"", 3), ("c", 4), ("::", 4), ("d", 4)]);
    }

    #[test]
    fn an_unfinished_text_ends_with_the_file() {
        for source in ["\"abc", "r#\"abc\"", "/* abc", "b'", "'", "'\\", "c\"", "r#", "é'é"] {
            words(source);
        }
    }
}
