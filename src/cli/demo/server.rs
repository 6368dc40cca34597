//! The one place where the demo touches the service: starting it, and reading what it wrote down.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::twilio::fresh_sid;
use crate::engine::call::{CallStats, HangupCause, Turn};

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
pub fn start(data_dir: &Path, identity: &Identity) -> Result<Box<dyn DemoServer>> {
    anyhow::bail!("no service to start in {} for {}", data_dir.display(), identity.account_sid)
}
