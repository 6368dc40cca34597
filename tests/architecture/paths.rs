//! What a file names: the paths in its `use` statements and in its code, as seen from the crate's root.

use super::tokens::{Token, tokens};

/// A path that a file names, such as `crate::engine::ids` or `std::fs`, and its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its segments; the first is `crate` for whatever lies in this crate and was named from its root.
    pub path: Vec<String>,
    pub line: usize,
    /// Whether test code names it.
    pub in_tests: bool,
}

impl Named {
    fn new(module: &[String], path: &[String], line: usize) -> Self {
        Self { path: resolve(module, path), line, in_tests: module.iter().any(|name| name == "tests") }
    }
}

/// One source file, taken apart.
pub struct Source {
    /// As in `src/engine/ids.rs`.
    pub file: String,
    /// Where it stands in the crate: `["engine", "ids"]`; empty for `lib.rs`.
    pub module: Vec<String>,
    pub tokens: Vec<Token>,
    pub named: Vec<Named>,
    pub lines: usize,
}

impl Source {
    pub fn read(file: &str, text: &str) -> Self {
        let module = module_of(file);
        let tokens = tokens(text);
        let named = named(&module, &tokens);
        Self { file: file.to_owned(), module, tokens, named, lines: text.lines().count() }
    }

    /// The top-level module, as in `engine`.
    pub fn layer(&self) -> &str {
        self.module.first().map_or("lib", String::as_str)
    }
}

fn module_of(file: &str) -> Vec<String> {
    let path = file.trim_start_matches("src/").trim_end_matches(".rs");
    let segments = path.split('/').map(str::to_owned);
    segments.filter(|segment| segment != "mod" && segment != "lib").collect()
}

fn named(file: &[String], tokens: &[Token]) -> Vec<Named> {
    let mut named = Vec::new();
    // Inline modules that are open: name, and the depth of braces outside of them.
    let mut inside: Vec<(String, usize)> = Vec::new();
    let (mut depth, mut at) = (0, 0);
    while at < tokens.len() {
        let text = |ahead: usize| tokens.get(at + ahead).map_or("", |token| token.text.as_str());
        let here = || file.iter().cloned().chain(inside.iter().map(|(name, _)| name.clone())).collect::<Vec<_>>();
        match text(0) {
            "mod" if text(2) == "{" => {
                inside.push((text(1).to_owned(), depth));
                at += 2;
                continue;
            }
            "{" => depth += 1,
            "}" => {
                depth = depth.saturating_sub(1);
                if inside.last().is_some_and(|(_, outside)| *outside == depth) {
                    inside.pop();
                }
            }
            // `use<'a, T>` in a type names nothing.
            "use" if text(1) != "<" => {
                let module = here();
                at = tree(tokens, at + 1, &[], &mut |path, line| named.push(Named::new(&module, path, line)));
            }
            word if is_name(word) && text(1) == "::" => {
                let (path, line) = (path_at(tokens, at), tokens[at].line);
                at += 2 * path.len() - 2;
                named.push(Named::new(&here(), &path, line));
            }
            _ => {}
        }
        at += 1;
    }
    named
}

/// Reads one branch of a `use` tree from `at` on; returns where it ends.
fn tree(tokens: &[Token], mut at: usize, stem: &[String], found: &mut impl FnMut(&[String], usize)) -> usize {
    let mut path = stem.to_vec();
    let line = tokens.get(at).map_or(0, |token| token.line);
    while let Some(token) = tokens.get(at) {
        match token.text.as_str() {
            "::" => at += 1,
            "as" => at += 2,
            "{" => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token.text != "}") {
                    at = tree(tokens, at, &path, found);
                    at += usize::from(tokens.get(at).is_some_and(|token| token.text == ","));
                }
                return at + 1;
            }
            "," | "}" | ";" => break,
            segment => {
                path.push(segment.to_owned());
                at += 1;
            }
        }
    }
    found(&path, line);
    at
}

fn path_at(tokens: &[Token], mut at: usize) -> Vec<String> {
    let mut path = vec![tokens[at].text.clone()];
    while tokens.get(at + 1).is_some_and(|token| token.text == "::")
        && tokens.get(at + 2).is_some_and(|token| is_name(&token.text))
    {
        at += 2;
        path.push(tokens[at].text.clone());
    }
    path
}

fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c == '_' || c.is_alphabetic())
}

/// A path seen from the crate's root, if it begins in this crate; otherwise as it is.
fn resolve(module: &[String], path: &[String]) -> Vec<String> {
    let mut base = module.to_vec();
    let mut rest = path;
    match path.first().map(String::as_str) {
        Some("crate" | "trunkline") => base.clear(),
        Some("self") => {}
        Some("super") => {
            base.pop();
        }
        _ => return path.to_vec(),
    }
    rest = &rest[1..];
    while let Some(("super", further)) = rest.split_first().map(|(first, further)| (first.as_str(), further)) {
        base.pop();
        rest = further;
    }
    let rest = rest.iter().filter(|segment| *segment != "self" && *segment != "*");
    std::iter::once("crate".to_owned()).chain(base).chain(rest.cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::Source;

    fn named(file: &str, text: &str) -> Vec<String> {
        Source::read(file, text).named.iter().map(|named| format!("{} {}", named.line, named.path.join("::"))).collect()
    }

    #[test]
    fn a_use_tree_names_each_of_its_leaves() {
        let text =
            "use std::{fs, io::{self, Read as R}};\npub use crate::engine::{\n  ids::*,\n  call::{Turn, Input},\n};";
        let leaves = [
            "1 std::fs",
            "1 std::io::self",
            "1 std::io::Read",
            "3 crate::engine::ids",
            "4 crate::engine::call::Turn",
            "4 crate::engine::call::Input",
        ];
        assert_eq!(named("src/app.rs", text), leaves);
    }

    #[test]
    fn super_and_self_are_followed_through_files_and_inline_modules() {
        let text = "use super::turn::Turn; use self::a::B; mod tests { use super::*; mod deep { use super::super::super::x; } }\nuse super::super::store;";
        let names = [
            "1 crate::engine::call::turn::Turn",
            "1 crate::engine::call::machine::a::B",
            "1 crate::engine::call::machine",
            "1 crate::engine::call::x",
            "2 crate::engine::store",
        ];
        assert_eq!(named("src/engine/call/machine.rs", text), names);
        assert_eq!(named("src/engine/call/mod.rs", "use super::ids;"), ["1 crate::engine::ids"]);
        assert_eq!(named("src/lib.rs", "use self::store;"), ["1 crate::store"]);
    }

    #[test]
    fn paths_in_code_are_seen() {
        let text =
            "fn f(x: crate::store::Turn) -> Vec<u8> {\n std::fs::read::<X>(\"crate::http\") }\nimpl A + use<'a, B> {}";
        assert_eq!(named("src/app.rs", text), ["1 crate::store::Turn", "2 std::fs::read"]);
        assert_eq!(named("src/main.rs", "trunkline::cli::run()"), ["1 crate::cli::run"]);
    }

    #[test]
    fn broken_source_is_read_to_its_end() {
        for text in ["use", "use {", "use a::{b, {", "mod x {", "}}}", "a::", "::", "use ::std::fs;"] {
            named("src/app.rs", text);
        }
        assert_eq!(named("src/app.rs", "use ::std::fs;"), ["1 std::fs"]);
    }
}
