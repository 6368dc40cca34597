//! Recordings through the real supervisor, its workers and the real database, with a carrier, a store and recognisers that are
//! played: each recording fetched once, each call's words settled once, whoever triggers and whoever dies.

#[path = "support/calls.rs"]
mod calls;
#[macro_use]
#[path = "support/databases.rs"]
mod databases;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/skip.rs"]
mod skip;

#[path = "recordings/crashes.rs"]
mod crashes;
#[path = "recordings/node.rs"]
mod node;
#[path = "recordings/steps.rs"]
mod steps;
#[path = "recordings/world.rs"]
mod world;
