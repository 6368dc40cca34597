//! The one place where the demo touches the service: starting it, and reading what it wrote down.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::twilio::fresh_sid;
use crate::app::Server;
use crate::cli::telemetry;
use crate::config::Config;
use crate::engine::call::{CallStats, HangupCause, Turn};
use crate::telemetry::LogGuard;

/// The address that the carrier knows. Everything for it is brought to the server on loopback, as by a proxy
/// that ends TLS; so signatures are checked as they are in service.
pub const PUBLIC_URL: &str = "https://demo.trunkline.example";

/// The account of the demo's carrier.
#[derive(Clone, Debug)]
pub struct Identity {
    /// `AC` and 32 hexadecimal digits.
    pub account_sid: String,
    /// What webhooks are signed with.
    pub auth_token: String,
}

impl Identity {
    /// An account that is as good as any, and good for this run only.
    pub fn fresh() -> Self {
        Self { account_sid: fresh_sid("AC"), auth_token: fresh_sid("") }
    }
}

/// A running service.
pub trait DemoServer {
    /// Where it listens.
    fn address(&self) -> SocketAddr;

    /// What it knows of this call by now.
    fn facts(&self, call_sid: &str) -> Result<CallFacts>;

    /// Stops it in good order, and waits until it has.
    fn stop(self: Box<Self>);
}

/// What the service wrote down of one call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallFacts {
    /// The call's status, in the carrier's words; empty as long as there is none.
    pub status: String,
    /// The length that the carrier reported.
    pub duration_s: u32,
    /// The turns, in order.
    pub turns: Vec<Turn>,
    /// Who ended the call and why, and its figures.
    pub end: Option<(HangupCause, CallStats)>,
    /// The WAV file of the call.
    pub recording: Option<PathBuf>,
}

impl CallFacts {
    /// Whether nothing more is to come.
    pub fn are_final(&self) -> bool {
        self.status == "completed" && self.end.is_some()
    }
}

/// Starts the service with its data in `data_dir`, on a free port of the loopback interface.
///
/// # Errors
///
/// The folder can't be written, or no port is free.
pub fn start(data_dir: &Path, identity: &Identity) -> Result<Box<dyn DemoServer>> {
    let mut config = Config::default();
    config.data_dir = data_dir.to_owned();
    config.http.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    config.http.public_url = Some(PUBLIC_URL.parse().context("the demo's address")?);
    config.twilio.account_sid = Some(identity.account_sid.parse().context("the demo's account")?);
    config.twilio.auth_token = Some(identity.auth_token.clone().into());
    config.recording.enabled = true;
    config.journal.enabled = true;
    let (telemetry, log) = telemetry::start(&config);
    Ok(Box::new(Service { server: Server::start(config, telemetry)?, _log: log }))
}

/// The service in this process, on threads of its own.
struct Service {
    server: Server,
    _log: LogGuard,
}

impl DemoServer for Service {
    fn address(&self) -> SocketAddr {
        self.server.address()
    }

    fn facts(&self, call_sid: &str) -> Result<CallFacts> {
        let call = call_sid.parse().context("the call's id")?;
        let store = self.server.store();
        let row = store.call(&call)?;
        let recording = self.server.files().recording_path(&call);
        Ok(CallFacts {
            status: row.as_ref().map(|row| row.status.as_str().to_owned()).unwrap_or_default(),
            duration_s: row.as_ref().map(|row| row.duration_s).unwrap_or_default(),
            turns: store.turns(&call)?,
            end: store.call_end(&call)?.map(|end| (end.cause, end.stats)),
            recording: recording.exists().then_some(recording),
        })
    }

    fn stop(self: Box<Self>) {
        self.server.stop();
    }
}
