//! What a setting means: its words in `config/default.toml`.

use std::collections::BTreeMap;

use super::DEFAULT_TOML;
use super::nearest::nearest;
use super::secrets::SECRETS;

/// A setting, or a section of them, as it is documented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// Its path, as in `http.listen`; of a business without a number, as in `business.name`.
    pub path: String,
    /// What it is, its unit and range, its default and the reason for that.
    pub words: String,
    /// The settings in it, if it is a section.
    pub holds: Vec<String>,
}

/// What `path` means.
///
/// # Errors
/// There is no such setting; perhaps another one was meant, which is given then.
pub fn describe(path: &str) -> Result<Described, Option<String>> {
    let wanted = without_numbers(path);
    if let Some(secret) = SECRETS.iter().find(|secret| secret.path == wanted) {
        let words = format!(
            "A secret: it never stands in a file of settings, and is never shown. It is the variable {variable}, or the \
             content of the file that {variable}_FILE names.",
            variable = secret.variable
        );
        return Ok(Described { path: wanted, words, holds: Vec::new() });
    }
    let all = documented();
    match all.get(&wanted) {
        Some(words) => {
            let inside = format!("{wanted}.");
            let holds = all.keys().filter(|key| key.starts_with(&inside)).cloned().collect();
            Ok(Described { path: wanted, words: words.clone(), holds })
        }
        None => Err(nearest(&wanted, all.keys().map(String::as_str)).map(str::to_owned)),
    }
}

/// `business[3].name` is documented as `business.name`.
fn without_numbers(path: &str) -> String {
    let mut plain = String::with_capacity(path.len());
    let mut is_number = false;
    for letter in path.trim().chars() {
        match letter {
            '[' => is_number = true,
            ']' => is_number = false,
            _ if is_number => {}
            _ => plain.push(letter),
        }
    }
    plain
}

/// The comment above each setting and each section, by its path.
fn documented() -> BTreeMap<String, String> {
    let (mut all, mut section, mut words) = (BTreeMap::new(), String::new(), String::new());
    for line in DEFAULT_TOML.lines() {
        if let Some(comment) = line.strip_prefix('#') {
            words.push_str(comment.strip_prefix(' ').unwrap_or(comment));
            words.push('\n');
            continue;
        }
        let words = std::mem::take(&mut words).trim_end().to_owned();
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']).to_owned();
            all.insert(section.clone(), words);
        } else if let Some((key, _)) = line.split_once(" = ") {
            let path = if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") };
            all.insert(path, words);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn every_setting_is_described() {
        for setting in Config::default().explain() {
            let described = describe(&setting.path).unwrap_or_else(|near| panic!("{}: {near:?}", setting.path));
            assert!(described.words.len() > 20, "{described:?}");
        }
    }

    #[test]
    fn a_section_tells_what_it_holds() {
        let http = describe("http").unwrap();
        assert!(
            http.holds.contains(&"http.listen".to_owned()) && http.holds.iter().all(|key| key.starts_with("http."))
        );
        assert_eq!(describe("business[0].name").unwrap().path, "business.name");
    }

    #[test]
    fn a_secret_names_its_variable() {
        assert!(describe("openai.api_key").unwrap().words.contains("OPENAI_API_KEY_FILE"));
    }

    #[test]
    fn what_is_no_setting_says_which_one_was_meant() {
        assert_eq!(describe("http.lisetn"), Err(Some("http.listen".to_owned())));
        assert_eq!(describe("colour.of.the.sky"), Err(None));
    }
}
