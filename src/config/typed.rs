//! From texts and numbers to typed settings, with every fault told and not only the first.

use serde::Deserialize;
use toml::{Table, Value};

use super::finding::Finding;
use super::layers::{Layers, unknown, value_at};
use super::{Business, Config};

/// The configuration, and for each of its businesses its place in the file. Faults are findings; what is faulty has
/// its shipped value, so that the rest can be checked too.
pub(super) fn read(layers: &mut Layers) -> (Config, Vec<usize>) {
    let mut config = read_sections(layers);
    let (indices, businesses) = read_businesses(layers).into_iter().unzip();
    config.business = businesses;
    (config, indices)
}

fn read_sections(layers: &mut Layers) -> Config {
    loop {
        let mut values = layers.values.clone();
        values.insert("business".to_owned(), Value::Array(Vec::new()));
        let (path, message) = match deserialize::<Config>(values) {
            Ok(config) => return config,
            Err(fault) => fault,
        };
        let finding = faulty(&path, value_at(&layers.values, &path), &message, layers);
        layers.findings.push(finding);
        if layers.put_back(&path).is_none() {
            return Config::default();
        }
    }
}

fn read_businesses(layers: &mut Layers) -> Vec<(usize, Business)> {
    let shipped = Layers::shipped().businesses.pop().unwrap_or_default();
    let given = std::mem::take(&mut layers.businesses);
    each_once(&given, layers);
    let read = |(index, entry)| Some((index, read_business(index, entry, &shipped, layers)?));
    given.into_iter().enumerate().filter_map(read).collect()
}

/// No two businesses have a name or a number in common, whatever else is wrong with them.
fn each_once(given: &[Table], layers: &mut Layers) {
    for (key, remedy) in
        [("name", "give each business a name of its own"), ("number", "give each number, and \"*\", to one business")]
    {
        let value = |entry: &Table| Some(entry.get(key)?.as_str()?.trim().to_owned()).filter(|text| !text.is_empty());
        for (index, entry) in given.iter().enumerate() {
            let Some(own) = value(entry) else { continue };
            if let Some(other) = given[..index].iter().position(|other| value(other).as_ref() == Some(&own)) {
                let path = format!("business[{index}].{key}");
                let problem = format!("is the {key} of business[{other}] too");
                layers.findings.push(Finding::error(&path, layers.source(&path), problem, remedy));
            }
        }
    }
}

fn read_business(index: usize, mut entry: Table, shipped: &Table, layers: &mut Layers) -> Option<Business> {
    let at = format!("business[{index}]");
    let before = layers.findings.len();
    let strange: Vec<String> = entry.keys().filter(|key| !shipped.contains_key(*key)).cloned().collect();
    for key in strange {
        entry.remove(&key);
        let path = format!("{at}.{key}");
        let known = shipped.keys().map(|key| format!("{at}.{key}")).collect();
        let finding = unknown(&path, layers.source(&path), known);
        layers.findings.push(finding);
    }
    for (key, remedy) in [
        ("name", "give it a name, as callers hear it"),
        ("number", "give the number that its callers dial, as in \"+15005550006\", or \"*\" for every other number"),
    ] {
        if !entry.contains_key(key) {
            let path = format!("{at}.{key}");
            layers.findings.push(Finding::error(&path, layers.source(&at), "is missing", remedy));
            entry.insert(key.to_owned(), shipped[key].clone());
        }
    }
    loop {
        let (key, message) = match deserialize::<Business>(entry.clone()) {
            Ok(business) => return (layers.findings.len() == before).then_some(business),
            Err(fault) => fault,
        };
        let finding = faulty(&format!("{at}.{key}"), entry.get(&key), &message, layers);
        layers.findings.push(finding);
        if entry.get(&key) == shipped.get(&key) {
            return None;
        }
        entry.insert(key.clone(), shipped.get(&key)?.clone());
    }
}

fn deserialize<T: for<'de> Deserialize<'de>>(values: Table) -> Result<T, (String, String)> {
    serde_path_to_error::deserialize(Value::Table(values))
        .map_err(|error| (error.path().to_string(), error.inner().message().to_owned()))
}

fn faulty(path: &str, value: Option<&Value>, message: &str, layers: &Layers) -> Finding {
    let message = message.lines().next().unwrap_or_default();
    let shown = match value {
        // It may hold a password.
        _ if path == "database.url" => String::new(),
        Some(value) if !message.contains(value.to_string().trim_matches('"')) => format!("{value}: "),
        _ => String::new(),
    };
    Finding::error(path, layers.source(path), format!("{shown}{message}"), remedy(path))
}

fn remedy(path: &str) -> &'static str {
    match path {
        "http.listen" => "give an address and a port, as in 127.0.0.1:8080 or [::1]:8080",
        "http.public_url" => "give the address under which Twilio reaches you, as in https://calls.example.com",
        "database.url" => "give sqlite:path or postgres://user@host/name",
        "twilio.account_sid" => "copy the Account SID from Twilio's console",
        "openai.url" | "deepgram.url" => "give a wss:// address",
        _ => "config/default.toml says what it may be, its unit and its default",
    }
}
