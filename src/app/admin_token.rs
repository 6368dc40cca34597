//! The administrator's own token: the operator's, else one that is made at the first start and kept beside the data.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use secrecy::SecretString;

use crate::config::Config;
use crate::http::api::token::random_text;

/// The token, and where it lies if it was not given.
pub(super) struct AdminToken {
    pub token: SecretString,
    pub file: Option<PathBuf>,
}

/// No token is longer; a file that is, is not a token.
const LONGEST: u64 = 1_024;
/// Shorter ones are no token of ours: a disk was full, or somebody wrote there.
const SHORTEST: usize = 32;

/// The token of this service; made and kept, if there is none.
pub(super) fn admin_token(config: &Config) -> anyhow::Result<AdminToken> {
    if let Some(token) = config.api.admin_token.clone() {
        return Ok(AdminToken { token, file: None });
    }
    let path = config.data_dir.join("admin-token");
    let token = match read(&path)? {
        Some(token) => token,
        None => make(&path).with_context(|| format!("{} can't be written", path.display()))?,
    };
    Ok(AdminToken { token: token.into(), file: Some(path) })
}

fn read(path: &Path) -> anyhow::Result<Option<String>> {
    let mut text = String::new();
    match OpenOptions::new().read(true).open(path) {
        Ok(file) => file
            .take(LONGEST)
            .read_to_string(&mut text)
            .with_context(|| format!("{} can't be read; remove it to have a new token", path.display()))?,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("{} can't be read", path.display())),
    };
    let token = text.trim();
    if token.len() < SHORTEST || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        bail!("{} holds no token of {SHORTEST} or more characters; remove it to have a new one", path.display());
    }
    Ok(Some(token.to_owned()))
}

/// Makes a token. The file has its name only once it is whole and on the disk.
fn make(path: &Path) -> anyhow::Result<String> {
    let token = random_text()?;
    let new = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(format!("{token}\n").as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;
    use std::os::unix::fs::PermissionsExt;

    fn config(folder: &Path) -> Config {
        let mut config = Config::default();
        config.data_dir = folder.to_owned();
        config
    }

    #[test]
    fn a_token_is_made_once_and_only_its_owner_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        let first = admin_token(&config).unwrap();
        let path = first.file.unwrap();
        assert_eq!(path, folder.path().join("admin-token"));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let again = admin_token(&config).unwrap();
        assert_eq!(again.token.expose_secret(), first.token.expose_secret());
        assert!(first.token.expose_secret().len() >= SHORTEST);
        std::fs::remove_file(path).unwrap();
        assert_ne!(admin_token(&config).unwrap().token.expose_secret(), first.token.expose_secret());
    }

    #[test]
    fn a_token_that_was_given_is_written_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(folder.path());
        config.api.admin_token = Some("0123456789abcdef0123456789abcdef".into());
        assert!(admin_token(&config).unwrap().file.is_none());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_that_holds_no_token_stops_the_start_and_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        for nothing in ["", "short\n", "thirty-two characters, but with spaces"] {
            std::fs::write(folder.path().join("admin-token"), nothing).unwrap();
            let error = admin_token(&config(folder.path())).err().unwrap().to_string();
            assert!(error.contains("remove it"), "{error}");
        }
    }
}
