//! The shipped defaults with a file, the environment and the command line laid over them, still untyped.
//!
//! What can't be laid over (an unknown key, a secret, a section where a value belongs) is a finding and is left out.

use std::collections::BTreeMap;
use std::path::Path;

use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use super::DEFAULT_TOML;
use super::finding::{Finding, Source};
use super::nearest::nearest;
use super::secrets;

/// In front of the variables that set one value each.
pub(super) const PREFIX: &str = "TRUNKLINE__";

/// Values so far, where each came from, and what was wrong with the others.
pub(super) struct Layers {
    /// Everything but the businesses.
    pub(super) values: Table,
    /// The entries of `[[business]]`.
    pub(super) businesses: Vec<Table>,
    /// Where the values came from that are not the shipped ones.
    pub(super) sources: BTreeMap<String, Source>,
    /// What was wrong.
    pub(super) findings: Vec<Finding>,
    /// The shipped defaults, businesses included: what is known.
    pub(super) shipped: Table,
}

impl Layers {
    /// The shipped defaults alone.
    pub(super) fn shipped() -> Self {
        let shipped: Table = DEFAULT_TOML.parse().expect("the shipped defaults are built in, and a test reads them");
        let mut values = shipped.clone();
        let businesses = entries(values.remove("business")).unwrap_or_default();
        Self { values, businesses, sources: BTreeMap::new(), findings: Vec::new(), shipped }
    }

    /// Where the value at `path` came from: its own source, or the source of what it stands in.
    pub(super) fn source(&self, path: &str) -> Source {
        source_in(&self.sources, path)
    }

    /// Lays the text of a file over.
    pub(super) fn lay_file(&mut self, path: &Path, text: &str) {
        let spanned = match DeTable::parse(text) {
            Ok(spanned) => spanned,
            Err(error) => {
                let line = error.span().map_or(0, |span| line_at(text, span.start));
                let remedy = "mend the line; https://toml.io shows how values are written, and texts need quotes";
                let source = Source::File { path: path.to_owned(), line };
                return self.findings.push(Finding::error("(file)", source, one_line(error.message()), remedy));
            }
        };
        let lines = &mut BTreeMap::new();
        note_lines("", spanned.get_ref(), text, lines);
        let Ok(given) = text.parse::<Table>() else {
            let source = Source::File { path: path.to_owned(), line: 0 };
            return self.findings.push(Finding::error("(file)", source, "is not TOML", "see https://toml.io"));
        };
        let source = |key: &str| Source::File { path: path.to_owned(), line: lines.get(key).copied().unwrap_or(0) };
        self.lay_table("", given, &source);
    }

    fn lay_table(&mut self, at: &str, given: Table, source: &dyn Fn(&str) -> Source) {
        for (key, value) in given {
            let path = if at.is_empty() { key } else { format!("{at}.{key}") };
            let is_section = value_at(&self.shipped, &path).map(Value::is_table);
            match (is_section, value) {
                (_, value) if path == "business" => self.lay_businesses(value, source),
                (None, _) => {
                    let finding = unknown(&path, source(&path), shipped_paths(&self.shipped));
                    self.findings.push(finding);
                }
                (Some(true), Value::Table(given)) => self.lay_table(&path, given, source),
                (Some(true), _) => {
                    let remedy = format!("write [{path}] on a line of its own and its settings below");
                    self.findings.push(Finding::error(&path, source(&path), "is a section, not a value", remedy));
                }
                (Some(false), Value::Table(_)) => {
                    let remedy = format!("write {path} as one value");
                    self.findings.push(Finding::error(&path, source(&path), "is one value, not a section", remedy));
                }
                (Some(false), value) => self.set(&path, value, source(&path)),
            }
        }
    }

    fn lay_businesses(&mut self, value: Value, source: &dyn Fn(&str) -> Source) {
        let Some(entries) = entries(Some(value)) else {
            let remedy = "write each business below a line [[business]] of its own";
            self.findings.push(Finding::error("business", source("business"), "is a list of sections", remedy));
            return;
        };
        self.sources.insert("business".to_owned(), source("business"));
        for (index, entry) in entries.iter().enumerate() {
            let path = format!("business[{index}]");
            self.sources.insert(path.clone(), source(&path));
            for key in entry.keys() {
                let path = format!("{path}.{key}");
                self.sources.insert(path.clone(), source(&path));
            }
        }
        self.businesses = entries;
    }

    /// Lays one text over, as the environment and the command line give it. It becomes what the setting is.
    pub(super) fn lay_text(&mut self, path: &str, text: &str, source: Source) {
        if path == "business" || path.starts_with("business.") {
            let remedy = "list businesses in a file and name it with TRUNKLINE_CONFIG";
            return self.findings.push(Finding::error(path, source, "can't be set by a single variable", remedy));
        }
        let Some(shipped) = value_at(&self.shipped, path) else {
            let finding = unknown(path, source, shipped_paths(&self.shipped));
            return self.findings.push(finding);
        };
        let (value, wanted) = match shipped {
            Value::Integer(_) => (text.trim().parse().ok().map(Value::Integer), "a whole number"),
            Value::Float(_) => (text.trim().parse().ok().map(Value::Float), "a number"),
            Value::Boolean(_) => (text.trim().parse().ok().map(Value::Boolean), "true or false"),
            Value::String(_) => (Some(Value::String(text.to_owned())), "a text"),
            _ => (None, "the name of one setting, as in TRUNKLINE__LOG__LEVEL"),
        };
        match value {
            Some(value) => self.set(path, value, source),
            None => {
                let problem = format!("{text:?} is not {wanted}");
                self.findings.push(Finding::error(path, source, problem, format!("give {wanted}")));
            }
        }
    }

    fn set(&mut self, path: &str, value: Value, source: Source) {
        put(&mut self.values, path, value);
        self.sources.insert(path.to_owned(), source);
    }

    /// Puts the shipped value back at the setting at or above `path`, so that reading can go on behind a fault.
    /// `None` if there is nothing to put back.
    pub(super) fn put_back(&mut self, path: &str) -> Option<()> {
        let mut path = path;
        loop {
            match value_at(&self.shipped, path) {
                Some(Value::Table(_)) => return None,
                Some(value) if value_at(&self.values, path) == Some(value) => return None,
                Some(value) => {
                    let value = value.clone();
                    put(&mut self.values, path, value);
                    return Some(());
                }
                None => path = path.rsplit_once('.')?.0,
            }
        }
    }
}

/// Where the value at `path` came from, by what is noted of it and of what it stands in.
pub(super) fn source_in(sources: &BTreeMap<String, Source>, path: &str) -> Source {
    let above = path.rsplit_once(['.', '[']).map(|(above, _)| above);
    match (sources.get(path), above) {
        (Some(source), _) => source.clone(),
        (None, Some(above)) => source_in(sources, above),
        (None, None) => Source::Shipped,
    }
}

/// The finding for a key that nobody knows, with the one that was probably meant.
pub(super) fn unknown(path: &str, source: Source, known: Vec<String>) -> Finding {
    if let Some(variable) = secrets::variable_for(path) {
        let remedy = format!("remove it, and set the variable {variable} or {variable}_FILE");
        return Finding::error(path, source, "is a secret, and secrets are no settings", remedy);
    }
    let meant = nearest(path, known.iter().map(String::as_str));
    let remedy = match (meant, &source) {
        (Some(meant), Source::Variable(_)) => {
            format!("did you mean {PREFIX}{}?", meant.to_uppercase().replace('.', "__"))
        }
        (Some(meant), _) => format!("did you mean {meant}?"),
        (None, _) => "remove it; `trunkline config check --explain` lists every setting".to_owned(),
    };
    Finding::error(path, source, "is not a setting", remedy)
}

/// The paths of all values in a table, businesses excepted.
pub(super) fn shipped_paths(table: &Table) -> Vec<String> {
    let mut paths = Vec::new();
    for (key, value) in table {
        match value {
            Value::Table(section) => {
                paths.extend(shipped_paths(section).into_iter().map(|inner| format!("{key}.{inner}")));
            }
            Value::Array(_) if key == "business" => {}
            _ => paths.push(key.clone()),
        }
    }
    paths
}

fn entries(value: Option<Value>) -> Option<Vec<Table>> {
    let Some(Value::Array(values)) = value else { return None };
    values
        .into_iter()
        .map(|value| match value {
            Value::Table(entry) => Some(entry),
            _ => None,
        })
        .collect()
}

pub(super) fn value_at<'a>(table: &'a Table, path: &str) -> Option<&'a Value> {
    match path.split_once('.') {
        None => table.get(path),
        Some((section, rest)) => value_at(table.get(section)?.as_table()?, rest),
    }
}

fn put(table: &mut Table, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            table.insert(path.to_owned(), value);
        }
        Some((section, rest)) => {
            let inner = table.entry(section.to_owned()).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

fn note_lines(at: &str, table: &DeTable<'_>, text: &str, lines: &mut BTreeMap<String, usize>) {
    for (key, value) in table {
        let name = key.get_ref();
        let path = if at.is_empty() { name.to_string() } else { format!("{at}.{name}") };
        lines.insert(path.clone(), line_at(text, key.span().start));
        match value.get_ref() {
            DeValue::Table(inner) => note_lines(&path, inner, text, lines),
            DeValue::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    let path = format!("{path}[{index}]");
                    lines.insert(path.clone(), line_at(text, item.span().start));
                    if let DeValue::Table(inner) = item.get_ref() {
                        note_lines(&path, inner, text, lines);
                    }
                }
            }
            _ => {}
        }
    }
}

fn line_at(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

/// A parser's complaint without the line it complains of, which may hold anything.
fn one_line(message: &str) -> String {
    message.lines().collect::<Vec<_>>().join(", ")
}
