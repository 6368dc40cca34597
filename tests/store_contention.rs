//! Transactions that are in each other's way, and a commit that is late: neither is a database that is away.

#[path = "support/calls.rs"]
mod calls;
#[macro_use]
#[path = "support/databases.rs"]
mod databases;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/skip.rs"]
mod skip;

use calls::{call, life_of};
use databases::Database;

on_both_databases! {
    whoever_has_time_is_not_sent_away_because_somebody_lost_patience
}

fn whoever_has_time_is_not_sent_away_because_somebody_lost_patience(database: Database) {
    let (store, mut writer) = database.open("a");
    databases::until("the database answers", || store.ping().is_ok());
    writer.apply(&life_of(&call(1))).unwrap();
    for _ in 0..20 {
        writer.spool().database_is_silent();
        assert_eq!(store.call(&call(1)).unwrap().map(|row| row.duration_s), Some(42));
    }
}

#[cfg(feature = "postgres")]
mod on_postgres_alone {
    use std::sync::mpsc;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use diesel::connection::SimpleConnection;
    use diesel::{Connection, PgConnection};
    use trunkline::store::{ApiToken, DatabaseState, Observer, Store, StoreError, StoreSettings, TokenScope};

    use super::*;

    fn token(n: u32) -> ApiToken {
        ApiToken {
            id: format!("{n:016x}"),
            name: "of a test".to_owned(),
            scope: TokenScope::Viewer,
            hash: format!("{n:064x}"),
            created_at: 1,
            expires_at: None,
            last_used_at: None,
            revoked_at: None,
        }
    }

    fn somebody_else(database: &Database, does: &str) -> PgConnection {
        let mut conn = PgConnection::establish(&database.url).unwrap();
        conn.batch_execute(does).unwrap();
        conn
    }

    fn is_well(store: &Store) -> bool {
        store.health().database == DatabaseState::Up
    }

    #[test]
    fn a_lock_that_is_not_had_in_time_is_no_outage() {
        let Some(database) = Database::shared_postgres() else { return };
        let told = Arc::new(Mutex::new(Vec::new()));
        let list = Arc::clone(&told);
        let observer = Observer::new(move |event| list.lock().unwrap().push(format!("{event:?}")));
        let busy_timeout = Duration::from_millis(100);
        let (store, mut writer) = databases::open(StoreSettings { observer, busy_timeout, ..database.settings("a") });
        let holder = somebody_else(&database, "BEGIN; LOCK TABLE api_tokens IN ACCESS EXCLUSIVE MODE");

        let kept = store.add_token(&token(1));
        assert!(matches!(&kept, Err(StoreError::Busy(_))), "{kept:?}");
        let read = store.tokens_in_use();
        assert!(matches!(&read, Err(StoreError::Busy(_))), "{read:?}");
        assert!(is_well(&store), "{:?}", store.health());
        writer.apply(&life_of(&call(1))).unwrap();

        drop(holder);
        databases::until("the lock is free", || store.add_token(&token(1)).is_ok());
        assert_eq!(store.tokens_in_use(), Ok(vec![token(1)]));
        assert_eq!(*told.lock().unwrap(), [] as [String; 0], "nothing is said of an outage");
    }

    #[test]
    fn whoever_loses_a_deadlock_tries_again() {
        let Some(database) = Database::shared_postgres() else { return };
        let (store, _writer) = database.open("a");
        store.add_token(&token(1)).unwrap();
        store.add_token(&token(2)).unwrap();
        // It never finds the deadlock itself, so it is the store whose transaction is ended for it.
        let update = |n: u32| format!("UPDATE api_tokens SET name = 'elsewhere' WHERE id = '{n:016x}'");
        let begin = format!("SET deadlock_timeout = '10min'; BEGIN; {}", update(2));
        let mut other = somebody_else(&database, &begin);

        let (tell, told) = mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let used = [1, 2].map(|n| (token(n).id, 7));
                tell.send(store.note_tokens_used(&used)).unwrap();
            });
            let waits = "SELECT 1 / count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
                         AND datname = current_database()";
            databases::until("the store waits for the other", || {
                somebody_else(&database, "SELECT 1").batch_execute(waits).is_ok()
            });
            other.batch_execute(&update(1)).unwrap();
            assert!(told.try_recv().is_err(), "it goes on to wait, for the whole of the other's transaction");
            other.batch_execute("COMMIT").unwrap();
            told.recv_timeout(databases::DEADLINE).unwrap().unwrap();
        });
        let kept = store.tokens_in_use().unwrap();
        assert!(kept.iter().all(|token| token.name == "elsewhere" && token.last_used_at == Some(7)), "{kept:?}");
        assert!(is_well(&store));
    }
}
