//! How a rule is applied: to the whole source, or to a planted piece of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::paths::{Named, Source};

pub struct Finding {
    pub line: usize,
    pub what: String,
}

impl Finding {
    pub fn at(named: &Named, what: &str) -> Self {
        Self { line: named.line, what: format!("{what} {}", named.path.join("::")) }
    }
}

pub type Rule = fn(&Source) -> Vec<Finding>;

#[track_caller]
pub fn assert_all_keep(rule: Rule) {
    let sources = rust_files("src");
    assert!(sources.len() > 20, "the source is found");
    let found = findings(&sources, rule);
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[track_caller]
pub fn assert_each_is_found(rule: Rule, planted: &[(&str, &str)]) {
    for (file, text) in planted {
        assert_eq!(findings(&[Source::read(file, text)], rule).len(), 1, "{file}: {text}");
    }
}

#[track_caller]
pub fn assert_none_is_found(rule: Rule, fine: &[(&str, &str)]) {
    for (file, text) in fine {
        assert_eq!(findings(&[Source::read(file, text)], rule), Vec::<String>::new(), "{file}: {text}");
    }
}

pub fn findings(sources: &[Source], rule: Rule) -> Vec<String> {
    let of = |source: &Source| {
        let found = rule(source).into_iter();
        let lines: BTreeSet<_> = found.map(|finding| (finding.line, finding.what)).collect();
        lines.into_iter().map(|(line, what)| format!("{}:{line}: {what}", source.file)).collect::<Vec<_>>()
    };
    sources.iter().flat_map(of).collect()
}

/// The lines on which these words follow each other.
pub fn phrases(source: &Source, words: &[&str]) -> Vec<usize> {
    let windows = source.tokens.windows(words.len());
    let found = windows.filter(|window| window.iter().zip(words).all(|(token, word)| token.text == *word));
    found.map(|window| window[0].line).collect()
}

pub fn rust_files(folder: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let file = path.strip_prefix(root()).unwrap().to_str().unwrap();
                found.push(Source::read(file, &fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}
