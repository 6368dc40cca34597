//! What can go wrong with the store, and what the caller may do about it.

use thiserror::Error;

/// Why something was not stored, not read, or the store not opened. No message repeats a password, a number
/// or words of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StoreError {
    /// The URL's scheme names no database that is known.
    #[error(
        "database.url must begin with sqlite: or postgres://, not with {scheme:?}; for the embedded database write sqlite:data/trunkline.db"
    )]
    UnknownScheme {
        /// What stands before the colon; empty if there is no colon.
        scheme: String,
    },
    /// The URL names PostgreSQL and this build can't speak to it.
    #[error(
        "database.url names PostgreSQL, which this build leaves out: build with `--features postgres`, or write sqlite:data/trunkline.db"
    )]
    PostgresNotBuilt,
    /// The URL can't be used, or the server said no to it (name, password, no such database).
    #[error("database.url can't be used: {0}")]
    BadUrl(String),
    /// The schema can't be brought up to date.
    #[error("the database can't be migrated: {0}")]
    Migration(String),
    /// Another process uses the spool directory.
    #[error("the spool directory {dir} is used by another process; give each node its own data_dir")]
    SpoolInUse {
        /// The directory.
        dir: String,
    },
    /// The spool can't be read or written: disk full, no permission, broken disk.
    #[error("the spool can't be used: {0}")]
    Spool(String),
    /// The database does not answer now.
    #[error("the database does not answer: {0}")]
    Unavailable(String),
    /// The database is well, and others hold what this needs; the same again will do.
    #[error("the database is busy: {0}")]
    Busy(String),
    /// The database answers, and will never take this record.
    #[error("the database does not take this record: {0}")]
    Rejected(String),
    /// Storing this record brought a panic; it was set aside.
    #[error("a fault of ours kept this record from being stored: {0}")]
    Quarantined(String),
    /// A row holds what no version of this program writes.
    #[error("{field} holds a value that makes no sense")]
    Corrupt {
        /// Table and column.
        field: &'static str,
    },
    /// The call has a turn writer already.
    #[error("call {0} has a turn writer already")]
    SecondTurnWriter(String),
    /// The store is being closed.
    #[error("the store is stopping")]
    Stopping,
}

impl StoreError {
    /// Whether a later attempt could succeed.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Unavailable(_) => true,
            Self::Busy(_) => true,
            Self::Spool(_) => true,
            Self::Stopping => true,
            Self::UnknownScheme { .. } => false,
            Self::PostgresNotBuilt => false,
            Self::BadUrl(_) => false,
            Self::Migration(_) => false,
            Self::SpoolInUse { .. } => false,
            Self::Rejected(_) => false,
            Self::Quarantined(_) => false,
            Self::Corrupt { .. } => false,
            Self::SecondTurnWriter(_) => false,
        }
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Closed(error) => Self::Unavailable(error),
            Fault::Away(error) => Self::Unavailable(error),
            Fault::Contended(error) => Self::Busy(error),
            Fault::Locked(error) => Self::Busy(error),
            Fault::Data(error) => Self::Rejected(error),
            Fault::Panicked(error) => Self::Quarantined(error),
            Fault::Corrupt(field) => Self::Corrupt { field },
        }
    }
}

/// Whose fault it is that a statement failed. Private to the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The connection is gone; another one may work at once.
    Closed(String),
    /// The database can't do its work now.
    Away(String),
    /// Another transaction was in the way; the same again will do.
    Contended(String),
    /// Another transaction was in the way for as long as a lock is waited for.
    Locked(String),
    /// The record's own: it will never be taken.
    Data(String),
    /// Ours.
    Panicked(String),
    /// A stored value that can't be read back: table and column.
    Corrupt(&'static str),
}

impl Fault {
    /// Whether the record is to blame, and not the database.
    pub fn is_the_records(&self) -> bool {
        matches!(self, Self::Data(_) | Self::Panicked(_) | Self::Corrupt(_))
    }

    /// What a database or driver said, judged by its words where there is nothing better: Diesel passes no
    /// SQLSTATE on. What is not recognised counts as the database's trouble, so that nothing is set aside
    /// that could still be stored.
    pub fn from_message(message: String) -> Self {
        const CLOSED: [&str; 5] = [
            "server closed the connection",
            "terminating connection",
            "connection to server was lost",
            "no connection to the server",
            "SSL connection has been closed",
        ];
        const CONTENDED: [&str; 2] = ["deadlock detected", "could not serialize access"];
        const LOCKED: &str = "canceling statement due to lock timeout";
        const DATA: [&str; 6] = [
            "invalid byte sequence",
            "out of range",
            "value too long",
            "invalid input syntax",
            "string or blob too big",
            "datatype mismatch",
        ];
        let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
        if says(&CLOSED) {
            Self::Closed(message)
        } else if says(&CONTENDED) {
            Self::Contended(message)
        } else if message.contains(LOCKED) {
            Self::Locked(message)
        } else if says(&DATA) {
            Self::Data(message)
        } else {
            Self::Away(message)
        }
    }
}

impl From<diesel::result::Error> for Fault {
    fn from(error: diesel::result::Error) -> Self {
        use diesel::result::{DatabaseErrorKind as Kind, Error};
        match error {
            Error::DatabaseError(kind, said) => {
                // The details repeat values of the row; only the first line is passed on.
                let message = said.message().lines().next().unwrap_or_default().to_owned();
                match kind {
                    Kind::UniqueViolation
                    | Kind::ForeignKeyViolation
                    | Kind::RestrictViolation
                    | Kind::NotNullViolation
                    | Kind::CheckViolation
                    | Kind::ExclusionViolation => Self::Data(message),
                    Kind::SerializationFailure => Self::Contended(message),
                    Kind::ClosedConnection | Kind::UnableToSendCommand => Self::Closed(message),
                    _ => Self::from_message(message),
                }
            }
            Error::BrokenTransactionManager | Error::AlreadyInTransaction | Error::NotInTransaction => {
                Self::Closed(error.to_string())
            }
            Error::SerializationError(_) | Error::QueryBuilderError(_) | Error::InvalidCString(_) => {
                Self::Data(error.to_string())
            }
            Error::DeserializationError(_) => Self::Corrupt("a column"),
            other => Self::Away(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_judged_by_its_words() {
        let cases = [
            ("database is locked", false),
            ("database or disk is full", false),
            ("terminating connection due to administrator command", false),
            ("deadlock detected", false),
            ("the database system is starting up", false),
            ("relation \"calls\" does not exist", false),
            ("invalid byte sequence for encoding \"UTF8\": 0x00", true),
            ("bigint out of range", true),
        ];
        for (message, is_the_records) in cases {
            assert_eq!(Fault::from_message(message.to_owned()).is_the_records(), is_the_records, "{message}");
        }
    }

    #[test]
    fn a_transaction_that_others_were_in_the_way_of_says_nothing_against_the_database() {
        for message in [
            "deadlock detected",
            "could not serialize access due to concurrent update",
            "could not serialize access due to read/write dependencies among transactions",
            "canceling statement due to lock timeout",
        ] {
            let fault = Fault::from_message(message.to_owned());
            assert!(matches!(fault, Fault::Contended(_) | Fault::Locked(_)), "{fault:?}");
            let error = StoreError::from(fault);
            assert!(matches!(error, StoreError::Busy(_)) && error.is_retryable(), "{error:?}");
        }
        let stuck = Fault::from_message("canceling statement due to statement timeout".to_owned());
        assert!(matches!(stuck, Fault::Away(_)), "{stuck:?}");
    }
}
