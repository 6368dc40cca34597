//! Where the database is. The URL may hold a password, so it is shown without.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;
use url::Url;

/// Which database it is. The URL's scheme says it; nothing is ever tried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseKind {
    /// A file, in this process.
    Sqlite,
    /// A server.
    Postgres,
}

/// The URL of a database. `Debug` and `Display` leave out the password and everything after `?`.
#[derive(Clone)]
pub struct DatabaseUrl {
    kind: DatabaseKind,
    text: SecretString,
}

/// The text names no kind of database that we know.
#[derive(Debug, PartialEq, Eq, Error)]
#[error("must begin with sqlite:, postgres:// or postgresql://")]
pub struct UnknownDatabase;

impl DatabaseUrl {
    /// The SQLite database in this file.
    pub fn sqlite(path: &Path) -> Self {
        Self { kind: DatabaseKind::Sqlite, text: format!("sqlite:{}", path.display()).into() }
    }

    /// Which database it is.
    pub fn kind(&self) -> DatabaseKind {
        self.kind
    }

    /// The whole URL, password included: for the one who connects.
    pub fn expose(&self) -> &str {
        self.text.expose_secret()
    }

    fn shown(&self) -> String {
        match self.kind {
            DatabaseKind::Sqlite => self.expose().split('?').next().unwrap_or_default().to_owned(),
            DatabaseKind::Postgres => shown_server(self.expose()),
        }
    }
}

fn shown_server(text: &str) -> String {
    let Ok(url) = Url::parse(text) else { return "postgres://…".to_owned() };
    let user = match url.username() {
        "" => String::new(),
        user => format!("{user}@"),
    };
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("postgres://{user}{}{port}{}", url.host_str().unwrap_or_default(), url.path())
}

impl FromStr for DatabaseUrl {
    type Err = UnknownDatabase;

    fn from_str(text: &str) -> Result<Self, UnknownDatabase> {
        let kind = match text {
            _ if text.strip_prefix("sqlite:").is_some_and(|path| !path.trim_start_matches('/').is_empty()) => {
                DatabaseKind::Sqlite
            }
            _ if text.starts_with("postgres://") || text.starts_with("postgresql://") => DatabaseKind::Postgres,
            _ => return Err(UnknownDatabase),
        };
        Ok(Self { kind, text: text.into() })
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.shown(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_says_which_database_it_is() {
        for (text, kind) in [
            ("sqlite:data/x.db", Ok(DatabaseKind::Sqlite)),
            ("sqlite:///srv/x.db", Ok(DatabaseKind::Sqlite)),
            ("postgres://u:p@h/x", Ok(DatabaseKind::Postgres)),
            ("postgresql://h/x", Ok(DatabaseKind::Postgres)),
            ("sqlite:", Err(UnknownDatabase)),
            ("host=h password=p", Err(UnknownDatabase)),
            ("mysql://h/x", Err(UnknownDatabase)),
            ("x.db", Err(UnknownDatabase)),
        ] {
            assert_eq!(text.parse::<DatabaseUrl>().map(|url| url.kind()), kind, "{text}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        for text in [
            "postgres://user:hunter2@db:5433/calls?sslmode=require&password=hunter2",
            "postgresql://user:hunter2@db:5433/calls",
            "postgres://user:hunter2@[broken/calls",
        ] {
            let url: DatabaseUrl = text.parse().unwrap();
            assert!(!format!("{url} {url:?}").contains("hunter2"), "{url}");
            assert_eq!(url.expose(), text);
        }
        let url: DatabaseUrl = "postgres://user:hunter2@db:5433/calls".parse().unwrap();
        assert_eq!(url.to_string(), "postgres://user@db:5433/calls");
    }
}
