//! The one place where the demo touches the service: starting it, and reading what it wrote down.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use super::twilio::fresh_sid;
use crate::app::Server;
use crate::cli::telemetry;
use crate::config::Config;
use crate::engine::call::{CallStats, HangupCause, Turn};
use crate::engine::ids::CallSid;
use crate::engine::recording::RecordingPolicy;
use crate::store::Store;
use crate::store::call_files::CallFiles;

/// The address that the carrier knows. Everything for it is brought to the server on loopback, as by a proxy
/// that ends TLS; so signatures are checked as they are in service.
pub const PUBLIC_URL: &str = "https://demo.trunkline.example";
/// How long what a call has told may take to be stored.
const FLUSH: Duration = Duration::from_secs(1);

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

/// A service that runs in this process.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it keeps.
    pub store: Store,
    /// The files that its calls write.
    pub files: CallFiles,
    /// How it is stopped.
    pub stop: Box<dyn FnOnce()>,
}

impl DemoServer for Running {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn facts(&self, call_sid: &str) -> Result<CallFacts> {
        let call: CallSid = call_sid.parse()?;
        // What the call has told so far is to be in the database, and if it is not, the turns will show it.
        self.store.flush(FLUSH);
        self.files.settle(FLUSH);
        let row = self.store.call(&call)?;
        let recording = self.files.recording_path(&call);
        Ok(CallFacts {
            status: row.as_ref().map_or(String::new(), |row| row.status.as_str().to_owned()),
            duration_s: row.map_or(0, |row| row.duration_s),
            turns: self.store.turns(&call)?,
            end: self.store.call_end(&call)?.map(|end| (end.cause, end.stats)),
            recording: recording.exists().then_some(recording),
        })
    }

    fn stop(self: Box<Self>) {
        (self.stop)();
    }
}

/// The shipped configuration, with its own folder, a free port, the demo's carrier, and everything kept that
/// can be looked at afterwards.
fn config(data_dir: &Path, identity: &Identity) -> Result<Config> {
    let mut config = Config::default();
    config.data_dir = data_dir.to_owned();
    config.http.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    config.http.public_url = Some(PUBLIC_URL.parse()?);
    config.twilio.account_sid = Some(identity.account_sid.parse()?);
    config.twilio.auth_token = Some(identity.auth_token.clone().into());
    // The one call is taken however busy the machine is; what it was worth is in the report.
    config.media.max_lateness_ms = 0;
    config.recording.policy = RecordingPolicy::Own;
    config.journal.enabled = true;
    Ok(config)
}

/// Starts the service with its data in `data_dir`, on a free port of the loopback interface.
pub fn start(data_dir: &Path, identity: &Identity) -> Result<Box<dyn DemoServer>> {
    let config = config(data_dir, identity)?;
    let (telemetry, log) = telemetry::start(&config);
    let server = Server::start(config, telemetry)?;
    let (address, store, files) = (server.address(), server.store().clone(), server.files().clone());
    let stop = Box::new(move || {
        server.stop();
        drop(log); // writes the lines that still wait
    });
    Ok(Box::new(Running { address, store, files, stop }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::call::{Farewell, Speaker};
    use crate::engine::status::{CallStatus, CarrierSource, StatusChange};
    use crate::store::call_files::CallFilesSettings;
    use crate::store::{self, CallEnd, StoreSettings};

    #[test]
    fn what_the_service_wrote_down_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), &Identity::fresh()).unwrap();
        let settings = StoreSettings::new(config.database_url().expose(), config.spool_dir());
        let (store, mut status_writer) = store::open(settings).unwrap();
        let call: CallSid = fresh_sid("CA").parse().unwrap();
        let stopped = std::rc::Rc::new(std::cell::Cell::new(false));
        let stop = {
            let stopped = stopped.clone();
            Box::new(move || stopped.set(true))
        };
        let address = config.http.listen;
        let files = CallFiles::open(CallFilesSettings::under(folder.path()), |_| {}).unwrap();
        let recording = files.recording_path(&call);
        let server: Box<dyn DemoServer> = Box::new(Running { address, store: store.clone(), files, stop });
        assert_eq!(server.facts(call.as_str()).unwrap(), CallFacts::default());

        let change = StatusChange {
            duration_s: Some(7),
            ..StatusChange::new(call.clone(), CallStatus::Completed, CarrierSource::StatusCallback, 1)
        };
        status_writer.apply(&[change]).unwrap();
        let turn = Turn {
            number: 1,
            speaker: Speaker::Agent,
            text: "Hello.".into(),
            heard_text: "Hello.".into(),
            confidence: None,
            started_ms: 0,
            ended_ms: 500,
            interrupted: false,
        };
        let mut writer = store.turn_writer(call.clone()).unwrap();
        writer.turn(turn.clone());
        assert!(!server.facts(call.as_str()).unwrap().are_final());
        let (cause, stats) = (HangupCause::CallerHungUp, CallStats::default());
        writer.end(CallEnd { cause, farewell: Farewell::HangUp, stats: stats.clone(), ended_at: 2 });
        std::fs::write(&recording, "").unwrap();

        let facts = server.facts(call.as_str()).unwrap();
        let expected = CallFacts {
            status: "completed".into(),
            duration_s: 7,
            turns: vec![turn],
            end: Some((cause, stats)),
            recording: Some(recording),
        };
        assert_eq!(facts, expected);
        assert!(facts.are_final());
        server.stop();
        assert!(stopped.get());
    }
}
