//! Which database, and how to reach it: chosen by the URL's scheme, never by trial.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::r2d2::{ManageConnection, R2D2Connection};
use diesel::sqlite::SqliteConnection;
use diesel::{Connection, ConnectionError};

use super::db::{Conn, Db, both};
use super::error::{Fault, StoreError};

/// Where the database is.
pub(super) struct Target {
    place: Place,
    busy_timeout: Duration,
}

enum Place {
    Sqlite {
        path: PathBuf,
        gate: Arc<Mutex<()>>,
    },
    #[cfg(feature = "postgres")]
    Postgres {
        url: String,
    },
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum ConnectFault {
    /// The URL is wrong, or the server says no: trying again won't mend it.
    Wrong(String),
    /// Nobody answers, or not yet.
    Away(String),
}

impl Target {
    /// Reads a URL: `sqlite:path`, `sqlite:///path`, `postgres://user@host/name`.
    pub fn parse(url: &str, connect_timeout: Duration, busy_timeout: Duration) -> Result<Self, StoreError> {
        let (scheme, rest) = url.trim().split_once(':').unwrap_or(("", url));
        let place = match scheme {
            "sqlite" => sqlite(rest)?,
            "postgres" | "postgresql" => postgres(url.trim(), rest, connect_timeout)?,
            // Whatever stands before the first colon of a text without a scheme may be a secret.
            other if other.len() > 16 || other.contains(['=', '/', ' ', '@']) => {
                return Err(StoreError::UnknownScheme { scheme: String::new() });
            }
            other => return Err(StoreError::UnknownScheme { scheme: other.to_owned() }),
        };
        Ok(Self { place, busy_timeout })
    }

    /// `sqlite` or `postgres`.
    pub const fn name(&self) -> &'static str {
        match self.place {
            Place::Sqlite { .. } => "sqlite",
            #[cfg(feature = "postgres")]
            Place::Postgres { .. } => "postgres",
        }
    }

    /// Opens a connection. May block for as long as the timeouts allow.
    pub fn connect(&self) -> Result<Db, ConnectFault> {
        match &self.place {
            Place::Sqlite { path, gate } => {
                let path = path.to_str().ok_or_else(|| ConnectFault::Wrong("the path is not UTF-8".to_owned()))?;
                keep_private(path);
                let mut conn = SqliteConnection::establish(path).map_err(judge_sqlite)?;
                let wait_ms = self.busy_timeout.as_millis();
                // In this order: the first makes the others wait for a lock rather than fail. FULL, since an
                // answer to the carrier promises that the change outlives a power cut; group commit pays for it.
                for pragma in [
                    format!("PRAGMA busy_timeout = {wait_ms}"),
                    "PRAGMA journal_mode = WAL".to_owned(),
                    "PRAGMA synchronous = FULL".to_owned(),
                    "PRAGMA foreign_keys = ON".to_owned(),
                ] {
                    conn.batch_execute(&pragma)
                        .map_err(|error| judge_sqlite(ConnectionError::CouldntSetupConfiguration(error)))?;
                }
                Ok(Db { conn: Conn::Sqlite(conn), gate: Some(Arc::clone(gate)) })
            }
            #[cfg(feature = "postgres")]
            Place::Postgres { url } => {
                let mut conn = diesel::pg::PgConnection::establish(url).map_err(judge_postgres)?;
                let wait_ms = self.busy_timeout.as_millis();
                conn.batch_execute(&format!(
                    "SET lock_timeout = {wait_ms}; SET statement_timeout = 30000; \
                     SET idle_in_transaction_session_timeout = 30000"
                ))
                .map_err(|error| judge_postgres(ConnectionError::CouldntSetupConfiguration(error)))?;
                Ok(Db { conn: Conn::Postgres(conn), gate: None })
            }
        }
    }
}

fn sqlite(rest: &str) -> Result<Place, StoreError> {
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if path.is_empty() {
        return Err(StoreError::BadUrl("sqlite: wants a path, such as sqlite:data/trunkline.db".to_owned()));
    }
    if path.contains(":memory:") || path.starts_with("file:") {
        return Err(StoreError::BadUrl(
            "each connection would see another database in memory: name a file, such as sqlite:data/trunkline.db"
                .to_owned(),
        ));
    }
    let path = PathBuf::from(path);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .map_err(|error| StoreError::BadUrl(format!("the folder {} can't be made: {error}", folder.display())))?;
    }
    Ok(Place::Sqlite { path, gate: Arc::default() })
}

#[cfg(feature = "postgres")]
fn postgres(url: &str, rest: &str, connect_timeout: Duration) -> Result<Place, StoreError> {
    if !rest.starts_with("//") || rest.len() == 2 {
        return Err(StoreError::BadUrl("it must look like postgres://user:password@host:5432/name".to_owned()));
    }
    let mut url = url.to_owned();
    // A server that is gone must be noticed: by the kernel, since libpq waits for ever. libpq's finest unit for
    // the connection is a second.
    for (name, value) in [
        ("connect_timeout", connect_timeout.as_secs().max(2).to_string()),
        ("tcp_user_timeout", "5000".to_owned()),
        ("keepalives_idle", "10".to_owned()),
        ("keepalives_interval", "3".to_owned()),
        ("keepalives_count", "3".to_owned()),
        ("application_name", "trunkline".to_owned()),
    ] {
        if !url.contains(&format!("{name}=")) {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.push_str(&format!("{name}={value}"));
        }
    }
    Ok(Place::Postgres { url })
}

#[cfg(not(feature = "postgres"))]
fn postgres(_: &str, _: &str, _: Duration) -> Result<Place, StoreError> {
    Err(StoreError::PostgresNotBuilt)
}

/// Makes the database's file before SQLite does, so that only its owner can read what callers said. Where that
/// fails, SQLite says why.
fn keep_private(path: &str) {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path).ok();
}

fn judge_sqlite(error: ConnectionError) -> ConnectFault {
    let message = error.to_string();
    let is_wrong =
        ["unable to open database file", "file is not a database", "malformed"].iter().any(|w| message.contains(w));
    if is_wrong { ConnectFault::Wrong(message) } else { ConnectFault::Away(message) }
}

#[cfg(feature = "postgres")]
fn judge_postgres(error: ConnectionError) -> ConnectFault {
    const NO: [&str; 8] = [
        "password authentication failed",
        "no password supplied",
        "no pg_hba.conf entry",
        "database \"",
        "role \"",
        "invalid ",
        "missing ",
        "unexpected ",
    ];
    // One line per address that was tried, with hints between them.
    let message = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    let is_wrong = match &error {
        ConnectionError::BadConnection(_) => NO.iter().any(|word| message.contains(word)),
        ConnectionError::InvalidConnectionUrl(_) | ConnectionError::InvalidCString(_) => true,
        _ => false,
    };
    if is_wrong { ConnectFault::Wrong(message) } else { ConnectFault::Away(message) }
}

/// Makes the connections of the pool that readers share.
pub(super) struct Manager(pub Arc<Target>);

/// What the pool says when it has no connection.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct PoolError(String);

impl ManageConnection for Manager {
    type Connection = Db;
    type Error = PoolError;

    fn connect(&self) -> Result<Db, PoolError> {
        self.0.connect().map_err(|fault| match fault {
            ConnectFault::Wrong(error) => PoolError(error),
            ConnectFault::Away(error) => PoolError(error),
        })
    }

    fn is_valid(&self, db: &mut Db) -> Result<(), PoolError> {
        both!(&mut db.conn, |c| c.ping()).map_err(|error| PoolError(error.to_string()))
    }

    fn has_broken(&self, db: &mut Db) -> bool {
        std::thread::panicking() || both!(&mut db.conn, |c| c.is_broken())
    }
}

impl From<ConnectFault> for Fault {
    fn from(fault: ConnectFault) -> Self {
        match fault {
            ConnectFault::Wrong(error) => Self::Away(error),
            ConnectFault::Away(error) => Self::Away(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<&'static str, StoreError> {
        Target::parse(url, Duration::from_secs(2), Duration::from_secs(5)).map(|target| target.name())
    }

    #[test]
    fn the_scheme_chooses_the_database() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/calls.db");
        assert_eq!(parse(&format!("sqlite:{}", path.display())), Ok("sqlite"));
        assert_eq!(parse(&format!("sqlite://{}", path.display())), Ok("sqlite"));
        if cfg!(feature = "postgres") {
            assert_eq!(parse("postgres://app@127.0.0.1/calls"), Ok("postgres"));
            assert_eq!(parse("postgresql:///calls?host=/run/pg"), Ok("postgres"));
        } else {
            assert_eq!(parse("postgres://app@127.0.0.1/calls"), Err(StoreError::PostgresNotBuilt));
        }
    }

    #[test]
    fn a_url_that_names_no_database_is_refused_without_repeating_a_secret() {
        let unknown = |scheme: &str| Err(StoreError::UnknownScheme { scheme: scheme.to_owned() });
        assert_eq!(parse("mysql://root:secret@host/x"), unknown("mysql"));
        assert_eq!(parse("data/calls.db"), unknown(""));
        assert_eq!(parse("host=db password=se:cret dbname=x"), unknown(""));
        assert_eq!(parse(""), unknown(""));
        for url in ["sqlite:", "sqlite::memory:", "sqlite:file::memory:?cache=shared"] {
            assert!(matches!(parse(url), Err(StoreError::BadUrl(_))), "{url}");
        }
    }
}
