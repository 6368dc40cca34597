//! Secrets: variables of the environment, or files that variables name. Never settings.

use std::fs::File;
use std::io::Read;

use super::environment::Environment;
use super::finding::{Finding, Source};

/// The settings that are secret, and the variables that hold them.
const SECRETS: [(&str, &str); 3] = [
    ("twilio.auth_token", "TWILIO_AUTH_TOKEN"),
    ("twilio.auth_token_previous", "TWILIO_AUTH_TOKEN_PREVIOUS"),
    ("openai.api_key", "OPENAI_API_KEY"),
];

/// No secret is longer; a file that is, is not a secret.
const MAX_BYTES: u64 = 16 * 1024;

/// The variable that holds the secret which somebody tried to set at `path`.
pub(super) fn variable_for(path: &str) -> Option<&'static str> {
    SECRETS.iter().find(|(secret, _)| *secret == path).map(|(_, variable)| *variable)
}

/// Every path that is a secret.
pub(super) fn paths() -> impl Iterator<Item = (&'static str, &'static str)> {
    SECRETS.into_iter()
}

/// The value of `variable`, or what stands in the file that `variable` + `_FILE` names.
pub(super) fn read(path: &str, variable: &str, environment: &Environment) -> Result<Option<(String, Source)>, Finding> {
    let file_variable = format!("{variable}_FILE");
    let named_file = Source::SecretFile(file_variable.clone());
    let (value, source) = match (environment.get(variable), environment.get(&file_variable)) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            let problem = format!("both {variable} and {file_variable} are set");
            return Err(Finding::error(path, Source::Variable(variable.to_owned()), problem, "unset one of them"));
        }
        (Some(value), None) => (value.trim().to_owned(), Source::Variable(variable.to_owned())),
        (None, Some(file)) => match read_file(file) {
            Ok(value) => (value, named_file),
            Err(problem) => {
                let remedy = format!("name a readable file that holds the secret and nothing else, or set {variable}");
                return Err(Finding::error(path, named_file, format!("{file:?}: {problem}"), remedy));
            }
        },
    };
    // A database's path may hold spaces; tokens and keys never do.
    let is_token = path != "database.url";
    if value.contains(|letter: char| letter.is_control() || is_token && !letter.is_ascii_graphic()) {
        let remedy = "give the value alone, without spaces, line breaks or words around it";
        return Err(Finding::error(path, source, "holds a character that no such value has", remedy));
    }
    Ok(Some((value, source)))
}

fn read_file(path: &str) -> Result<String, String> {
    let mut text = String::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if text.len() as u64 > MAX_BYTES {
        return Err(format!("longer than {MAX_BYTES} bytes"));
    }
    match text.trim() {
        "" => Err("empty".to_owned()),
        secret => Ok(secret.to_owned()),
    }
}
