//! What breaks, and what must go on all the same: the database and the disk go away under the real service, which is
//! killed at the worst moment; callers notice nothing, and nothing that was acknowledged is lost.

#[path = "support/databases.rs"]
mod databases;
#[path = "support/http_service.rs"]
mod http_service;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/program.rs"]
mod program;
#[path = "support/service.rs"]
mod service;
#[path = "support/skip.rs"]
mod skip;

#[path = "faults/disks.rs"]
mod disks;
#[path = "faults/outages.rs"]
mod outages;
#[path = "faults/overload.rs"]
mod overload;
#[path = "faults/processes.rs"]
mod processes;

use databases::{Database, Stall};
use service::{INTERRUPTION, PATIENCE, Service, ms};
use trunkline::cli::demo::twilio::{FakeTwilio, PhoneCall};
use trunkline::config::Config;

/// How a database goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outage {
    /// Somebody else holds the lock that every writer needs.
    Locked,
    /// Its processes are killed.
    Killed,
    /// Its processes stand still: no answer, no refusal.
    Frozen,
}

impl Outage {
    fn begin(self, database: &Database) -> Option<Stall> {
        match (self, database.server()) {
            (Self::Locked, _) => return Some(database.stall()),
            (Self::Killed, Some(server)) => server.stop_immediately(),
            (Self::Frozen, Some(server)) => server.freeze(),
            (Self::Killed | Self::Frozen, None) => unreachable!("SQLite has no process"),
        }
        None
    }

    fn end(self, database: &Database, stall: Option<Stall>) {
        drop(stall);
        match (self, database.server()) {
            (Self::Killed, Some(server)) => server.start_again(),
            (Self::Frozen, Some(server)) => server.thaw(),
            (Self::Locked, _) | (_, None) => {}
        }
    }
}

/// Runs each test, a `fn(Database, Outage)`, with every way in which either database goes away.
macro_rules! in_every_outage {
    ($($test:ident)*) => {
        mod sqlite_locked {
            $(#[test] fn $test() { super::$test(crate::Database::sqlite(), crate::Outage::Locked) })*
        }
        in_every_outage!(@postgres postgres_locked Locked $($test)*);
        in_every_outage!(@postgres postgres_killed Killed $($test)*);
        in_every_outage!(@postgres postgres_frozen Frozen $($test)*);
    };
    (@postgres $name:ident $outage:ident $($test:ident)*) => {
        #[cfg(feature = "postgres")]
        mod $name {
            $(#[test] fn $test() {
                if let Some(database) = crate::Database::own_postgres() {
                    super::$test(database, crate::Outage::$outage)
                }
            })*
        }
    };
}
use in_every_outage;

/// A service on this database, which it waits for as long as it was shipped to.
fn on(database: &Database) -> Service {
    Service::with(|config| {
        config.database.patience_ms = Config::default().database.patience_ms;
        config.database.url = Some(database.url.parse().unwrap());
    })
}

/// For tests that are written once for each database.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A short call: the agent greets, the caller interrupts, the agent answers.
async fn converse(carrier: &FakeTwilio) -> PhoneCall {
    let call = carrier.inbound_call(service::CALLER, service::CALLED).await.unwrap();
    call.wait_until_agent_has_spoken_for(ms(800), PATIENCE).await.unwrap();
    call.speak(INTERRUPTION).await.unwrap();
    call.wait_until_agent_has_spoken_for(ms(300), PATIENCE).await.unwrap();
    call
}
