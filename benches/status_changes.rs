//! How many status changes a second the one CallStatus actor takes, each answered only when it is durable, on each
//! database: `cargo bench --features postgres --bench status_changes`.
//!
//! So many askers as there are calls that change at once ask one after the other, as webhooks do; what waits while a
//! commit is under way shares the next one. Five changes are the life of a call. The database lies under the temporary
//! folder: TMPDIR says on which disk. PostgreSQL is Debian's, started for this alone, with its durable defaults.

#[path = "../tests/support/calls.rs"]
mod calls;
#[macro_use]
#[path = "../tests/support/databases.rs"]
mod databases;
#[path = "../tests/support/postgres.rs"]
mod postgres;
#[path = "../tests/support/skip.rs"]
mod skip;

use std::cell::Cell;
use std::time::{Duration, Instant};

use actix::System;
use calls::{call, life_of};
use databases::Database;
use futures_util::future::join_all;
use trunkline::actors::call_status::{CallStatusActor, CallStatusSettings, StatusOutcome, apply_status};
use trunkline::clock;
use trunkline::store::{self, StoreSettings};
use trunkline::telemetry::Telemetry;

/// How long is measured, for each number of askers.
const MEASURED: Duration = Duration::from_secs(4);

fn main() {
    measure("sqlite", &Database::sqlite());
    #[cfg(feature = "postgres")]
    if let Some(database) = Database::own_postgres() {
        measure("postgres", &database);
    }
    #[cfg(not(feature = "postgres"))]
    println!("postgres  not measured: this build does not have it (--features postgres)");
}

fn measure(name: &str, database: &Database) {
    let (store, writer) =
        store::open(StoreSettings::new(&database.url, database.spool("bench"))).expect("a database that was just made");
    System::new().block_on(async {
        let status = CallStatusActor::start(writer, CallStatusSettings::default(), Telemetry::silent());
        let next_call = Cell::new(0);
        for askers in [1, 16, 64, 256, 1_024] {
            let (mut times, spooled) = (Vec::new(), Cell::new(0));
            let until = clock::now() + MEASURED;
            let began = clock::now();
            let ask = async || {
                let mut times: Vec<Duration> = Vec::new();
                while clock::now() < until {
                    next_call.set(next_call.get() + 1);
                    for change in life_of(&call(next_call.get())) {
                        let asked: Instant = clock::now();
                        match apply_status(&status, change).await.expect("the database is there") {
                            StatusOutcome::Stored(_) => times.push(clock::now() - asked),
                            StatusOutcome::Spooled => spooled.set(spooled.get() + 1),
                        }
                    }
                }
                times
            };
            join_all((0..askers).map(|_| ask())).await.into_iter().for_each(|asker| times.extend(asker));
            let took = clock::now() - began;
            times.sort_unstable();
            let at = |share: f64| times.get((times.len() as f64 * share) as usize).copied().unwrap_or_default();
            println!(
                "{name:<10}{askers:>5} askers {:>8.0} changes/s, answered after {:>6.2} ms (p50), {:>6.2} ms (p99); \
                 {} went to the spool instead",
                times.len() as f64 / took.as_secs_f64(),
                at(0.5).as_secs_f64() * 1e3,
                at(0.99).as_secs_f64() * 1e3,
                spooled.get()
            );
        }
    });
    drop(store);
}
