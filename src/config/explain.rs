//! What every setting is now, and where that came from.

use toml::{Table, Value};

use super::Config;
use super::finding::Source;
use super::layers::source_in;
use super::secrets::SECRETS;

/// One setting as it is in force. Secrets are only said to be set or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// The setting, as in `http.listen`.
    pub path: String,
    /// Its value as it would stand in a file.
    pub value: String,
    /// Where it came from.
    pub source: Source,
}

impl Config {
    /// Every setting, by its path.
    pub fn explain(&self) -> Vec<Explained> {
        let table = Table::try_from(self).expect("every setting is a text, a number or a yes-or-no");
        let mut explained = Vec::new();
        self.explain_table("", &table, &mut explained);
        for secret in SECRETS {
            let value = if (secret.is_set)(self) { "(set, secret)" } else { "(not set)" };
            self.push(secret.path.to_owned(), value.to_owned(), &mut explained);
        }
        explained.sort_by(|a, b| a.path.cmp(&b.path));
        explained
    }

    /// Where the value at `path` came from.
    pub(super) fn source(&self, path: &str) -> Source {
        source_in(&self.sources, path)
    }

    fn explain_table(&self, at: &str, table: &Table, explained: &mut Vec<Explained>) {
        for (key, value) in table {
            let path = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
            match value {
                Value::Table(section) => self.explain_table(&path, section, explained),
                Value::Array(entries) => {
                    for (index, entry) in entries.iter().enumerate() {
                        let entry = entry.as_table().expect("the only list is that of businesses");
                        self.explain_table(&format!("{path}[{index}]"), entry, explained);
                    }
                }
                // Fractions are single precision; in double precision they would show digits that nobody wrote.
                Value::Float(number) => self.push(path, (*number as f32).to_string(), explained),
                value => self.push(path, value.to_string(), explained),
            }
        }
    }

    fn push(&self, path: String, value: String, explained: &mut Vec<Explained>) {
        let source = self.source(&path);
        explained.push(Explained { path, value, source });
    }
}
