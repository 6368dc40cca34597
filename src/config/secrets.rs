//! Secrets: variables of the environment, or files that variables name. Never settings.

use std::fs::File;
use std::io::Read;

use secrecy::SecretString;

use super::Config;
use super::environment::Environment;
use super::finding::{Finding, Source};

/// A setting that is secret.
pub(super) struct Secret {
    /// Where it would stand, were it a setting.
    pub(super) path: &'static str,
    /// What holds it.
    pub(super) variable: &'static str,
    /// Where it is kept.
    pub(super) slot: fn(&mut Config) -> &mut Option<SecretString>,
    /// Whether it is there.
    pub(super) is_set: fn(&Config) -> bool,
}

/// Every secret.
pub(super) const SECRETS: [Secret; 10] = [
    Secret {
        path: "twilio.auth_token",
        variable: "TWILIO_AUTH_TOKEN",
        slot: |config| &mut config.twilio.auth_token,
        is_set: |config| config.twilio.auth_token.is_some(),
    },
    Secret {
        path: "twilio.auth_token_previous",
        variable: "TWILIO_AUTH_TOKEN_PREVIOUS",
        slot: |config| &mut config.twilio.auth_token_previous,
        is_set: |config| config.twilio.auth_token_previous.is_some(),
    },
    Secret {
        path: "openai.api_key",
        variable: "OPENAI_API_KEY",
        slot: |config| &mut config.openai.api_key,
        is_set: |config| config.openai.api_key.is_some(),
    },
    Secret {
        path: "transcription.api_key",
        variable: "TRANSCRIPTION_API_KEY",
        slot: |config| &mut config.transcription.api_key,
        is_set: |config| config.transcription.api_key.is_some(),
    },
    Secret {
        path: "deepgram.api_key",
        variable: "DEEPGRAM_API_KEY",
        slot: |config| &mut config.deepgram.api_key,
        is_set: |config| config.deepgram.api_key.is_some(),
    },
    Secret {
        path: "summary.api_key",
        variable: "SUMMARY_API_KEY",
        slot: |config| &mut config.summary.api_key,
        is_set: |config| config.summary.api_key.is_some(),
    },
    Secret {
        path: "recordings.s3_secret_access_key",
        variable: "AWS_SECRET_ACCESS_KEY",
        slot: |config| &mut config.recordings.s3_secret_access_key,
        is_set: |config| config.recordings.s3_secret_access_key.is_some(),
    },
    Secret {
        path: "recordings.s3_session_token",
        variable: "AWS_SESSION_TOKEN",
        slot: |config| &mut config.recordings.s3_session_token,
        is_set: |config| config.recordings.s3_session_token.is_some(),
    },
    Secret {
        path: "asterisk.ari.password",
        variable: "ASTERISK_ARI_PASSWORD",
        slot: |config| &mut config.asterisk.ari.password,
        is_set: |config| config.asterisk.ari.password.is_some(),
    },
    Secret {
        path: "api.admin_token",
        variable: "TRUNKLINE_ADMIN_TOKEN",
        slot: |config| &mut config.api.admin_token,
        is_set: |config| config.api.admin_token.is_some(),
    },
];

/// No secret is longer; a file that is, is not a secret.
const MAX_BYTES: u64 = 16 * 1024;

/// The variable that holds the secret which somebody tried to set at `path`.
pub(super) fn variable_for(path: &str) -> Option<&'static str> {
    SECRETS.iter().find(|secret| secret.path == path).map(|secret| secret.variable)
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
