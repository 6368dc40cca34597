//! Brings the schema up to date; the migrations are part of the program.

use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::db::{Conn, Db};
use super::error::Fault;

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
#[cfg(feature = "postgres")]
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// The key of the lock that lets one node migrate at a time: "trunklin" in ASCII.
#[cfg(feature = "postgres")]
const MIGRATION_LOCK: i64 = 0x7472_756e_6b6c_696e;

/// Applies what is missing, in one transaction. Any number of nodes may do so at once.
pub(super) fn migrate(db: &mut Db) -> Result<(), Fault> {
    db.transaction(|conn| {
        match conn {
            Conn::Sqlite(c) => c.run_pending_migrations(SQLITE).map(|_| ()),
            #[cfg(feature = "postgres")]
            Conn::Postgres(c) => {
                use diesel::RunQueryDsl;
                diesel::sql_query("SELECT pg_advisory_xact_lock($1)")
                    .bind::<diesel::sql_types::BigInt, _>(MIGRATION_LOCK)
                    .execute(c)?;
                c.run_pending_migrations(POSTGRES).map(|_| ())
            }
        }
        .map_err(|error| match Fault::from_message(error.to_string()) {
            Fault::Away(message) if !is_passing(&message) => Fault::Data(message),
            passing => passing,
        })
    })
}

/// Whether a migration failed for a reason that will pass.
fn is_passing(message: &str) -> bool {
    ["locked", "lock timeout", "shutting down", "starting up", "disk", "statement timeout"]
        .iter()
        .any(|word| message.contains(word))
}
