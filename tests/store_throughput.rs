//! How many status changes a second each database takes: `cargo test --test store_throughput -- --ignored --nocapture`.

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
use trunkline::clock;
use trunkline::engine::status::StatusChange;

fn measure(database: Database) {
    let (_store, mut writer) = database.open("a");
    let mut first = 1;
    for batch in [1, 8, 64, 256] {
        let calls = if batch == 1 { 100 } else { 600 };
        let changes: Vec<StatusChange> = (first..first + calls).flat_map(|n| life_of(&call(n))).collect();
        first += calls;
        let begun = clock::now();
        for changes in changes.chunks(batch) {
            writer.apply(changes).unwrap();
        }
        let took = clock::now() - begun;
        println!(
            "{}: {batch:>3} changes per commit: {:>6.0} changes/s, {:>6.2} ms per commit",
            database.url.split(':').next().unwrap(),
            changes.len() as f64 / took.as_secs_f64(),
            took.as_secs_f64() * 1e3 / changes.len().div_ceil(batch) as f64,
        );
    }
}

#[test]
#[ignore = "a measurement"]
fn status_changes_a_second_on_sqlite() {
    measure(Database::sqlite());
}

#[cfg(feature = "postgres")]
#[test]
#[ignore = "a measurement"]
fn status_changes_a_second_on_postgres() {
    if let Some(database) = Database::shared_postgres() {
        measure(database);
    }
}
