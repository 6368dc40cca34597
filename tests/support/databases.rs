//! The same test on both databases, and ways for a database to be away.
#![allow(dead_code, unused_macros, reason = "each test binary uses its own part")]

use std::path::PathBuf;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use trunkline::clock;
use trunkline::store::{self, StatusWriter, Store, StoreError, StoreSettings};

use super::postgres::Postgres;

/// How long a test waits for something that must happen.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Runs each test, a `fn(Database)`, on SQLite and on PostgreSQL.
macro_rules! on_both_databases {
    ($($test:ident)*) => {
        mod on_sqlite {
            $(#[test] fn $test() { super::$test(super::databases::Database::sqlite()) })*
        }
        #[cfg(feature = "postgres")]
        mod on_postgres {
            $(#[test] fn $test() {
                if let Some(database) = super::databases::Database::shared_postgres() {
                    super::$test(database)
                }
            })*
        }
    };
}

/// The same, on a server that the test may stop.
macro_rules! on_both_databases_alone {
    ($($test:ident)*) => {
        mod on_sqlite_alone {
            $(#[test] fn $test() { super::$test(super::databases::Database::sqlite()) })*
        }
        #[cfg(feature = "postgres")]
        mod on_postgres_alone {
            $(#[test] fn $test() {
                if let Some(database) = super::databases::Database::own_postgres() {
                    super::$test(database)
                }
            })*
        }
    };
}

/// An empty database, and a folder for the spools of its nodes.
pub struct Database {
    pub url: String,
    pub folder: tempfile::TempDir,
    server: Option<Postgres>,
}

/// Keeps everybody else from writing for as long as it lives.
pub enum Stall {
    Sqlite(SqliteConnection),
    #[cfg(feature = "postgres")]
    Postgres(diesel::PgConnection),
}

impl Database {
    pub fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { url: format!("sqlite:{}", folder.path().join("calls.db").display()), folder, server: None }
    }

    pub fn shared_postgres() -> Option<Self> {
        let url = Postgres::shared()?.new_database();
        Some(Self { url, folder: tempfile::tempdir().unwrap(), server: None })
    }

    pub fn own_postgres() -> Option<Self> {
        let server = Postgres::start()?;
        Some(Self { url: server.new_database(), folder: tempfile::tempdir().unwrap(), server: Some(server) })
    }

    pub fn spool(&self, node: &str) -> PathBuf {
        self.folder.path().join("spool").join(node)
    }

    pub fn settings(&self, node: &str) -> StoreSettings {
        // Longer than a busy test machine takes, shorter than a test.
        StoreSettings { patience: Duration::from_secs(2), ..StoreSettings::new(&self.url, self.spool(node)) }
    }

    pub fn open(&self, node: &str) -> (Store, StatusWriter) {
        open(self.settings(node))
    }

    /// The database goes away as rudely as it can: the server is killed; SQLite's file is locked.
    pub fn go_away(&self) -> Option<Stall> {
        match &self.server {
            Some(server) => {
                server.stop_immediately();
                None
            }
            None => Some(self.stall()),
        }
    }

    pub fn come_back(&self, stall: Option<Stall>) {
        drop(stall);
        if let Some(server) = &self.server {
            server.start_again();
        }
    }

    /// The server, if it is the test's own.
    pub fn server(&self) -> Option<&Postgres> {
        self.server.as_ref()
    }

    /// The database answers and lets nobody write.
    pub fn stall(&self) -> Stall {
        match self.url.strip_prefix("sqlite:") {
            Some(path) => {
                let mut conn = SqliteConnection::establish(path).unwrap();
                conn.batch_execute("PRAGMA busy_timeout = 10000").unwrap();
                conn.batch_execute("BEGIN EXCLUSIVE").unwrap();
                Stall::Sqlite(conn)
            }
            #[cfg(feature = "postgres")]
            None => {
                let mut conn = diesel::PgConnection::establish(&self.url).unwrap();
                conn.batch_execute(
                    "BEGIN; LOCK TABLE calls, turns, call_events, call_ends, media_claims IN ACCESS EXCLUSIVE MODE",
                )
                .unwrap();
                Stall::Postgres(conn)
            }
            #[cfg(not(feature = "postgres"))]
            None => unreachable!("this build knows no other database"),
        }
    }
}

/// Opens a store; one that was just closed frees its spool as soon as its threads have noticed.
pub fn open(settings: StoreSettings) -> (Store, StatusWriter) {
    let mut opened = None;
    until("the spool is free", || match store::open(settings.clone()) {
        Ok(store) => {
            opened = Some(store);
            true
        }
        Err(StoreError::SpoolInUse { .. }) => false,
        Err(error) => panic!("{error}"),
    });
    opened.unwrap()
}

/// Waits until something holds, and fails the test if it never does.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = clock::now() + DEADLINE;
    while !holds() {
        assert!(clock::now() < end, "never happened: {what}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}
