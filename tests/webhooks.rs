//! The HTTP side of the real service, over real sockets: who is let in, what is answered, what stays behind.

#[macro_use]
#[path = "support/databases.rs"]
mod databases;
#[path = "support/http_service.rs"]
mod http_service;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/service.rs"]
mod service;
#[path = "support/skip.rs"]
mod skip;

#[path = "webhooks/answers.rs"]
mod answers;
#[path = "webhooks/bad_input.rs"]
mod bad_input;
#[path = "webhooks/connections.rs"]
mod connections;
#[path = "webhooks/operations.rs"]
mod operations;
#[path = "webhooks/recording.rs"]
mod recording;
#[path = "webhooks/signatures.rs"]
mod signatures;
#[path = "webhooks/status.rs"]
mod status;

use service::Service;
use trunkline::config::Config;

/// A service whose answers wait for the database, however busy the machine: what was answered is stored.
fn service(change: impl FnOnce(&mut Config)) -> Service {
    Service::with(change)
}
