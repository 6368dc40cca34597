//! The composition root: configuration in, a running service out, and an orderly stop.
//!
//! Who holds what is decided here and nowhere else: the one `StatusWriter` moves into the one CallStatus actor;
//! each call gets its own `TurnWriter`; everybody else can only ask.

mod admin_token;
mod agents;
mod api;
mod asterisk;
mod carrier;
mod checks;
mod console;
mod doors;
mod hooks;
mod plans;
mod playback;
mod recording_places;
mod recordings;
mod service;
mod stop;
pub mod transcripts;

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::time::Duration;

use actix::{Addr, System};
use actix_web::dev::ServerHandle;
use anyhow::{Context, anyhow};

use crate::actors::business_keeper::Businesses;
use crate::actors::call_registry::CallRegistry;
use crate::actors::call_status::observe_store;
use crate::config::Config;
use crate::store::call_files::{CallFiles, CallFilesSettings};
use crate::store::{self, Store, StoreSettings};
use crate::telemetry::{Event, Telemetry};

use admin_token::admin_token;
pub use asterisk::rest as asterisk_rest;
pub use playback::recording_store;
pub use recording_places::sweep_recordings;
use service::Parts;
pub use stop::Hurry;
use stop::Stop;

/// The running service.
pub struct Server {
    address: SocketAddr,
    audiosocket: Option<SocketAddr>,
    store: Store,
    files: CallFiles,
    businesses: Businesses,
    admin_token_file: Option<PathBuf>,
    stop: Option<Stop>,
}

/// The service, seen from another thread.
#[derive(Clone)]
struct Remote {
    address: SocketAddr,
    handle: ServerHandle,
    registry: Addr<CallRegistry>,
    arbiter: actix::ArbiterHandle,
    is_stopping: Arc<AtomicBool>,
    businesses: Businesses,
    hurry: Hurry,
}

impl Server {
    /// Starts the service on threads of its own; returns when it listens.
    ///
    /// # Errors
    ///
    /// The address is taken, the data directory can't be written, the database's URL can't be right.
    pub fn start(config: Config, telemetry: Telemetry) -> anyhow::Result<Self> {
        let config = Arc::new(config);
        let mut folder = std::fs::DirBuilder::new();
        // What callers said is nobody else's business.
        std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700)
            .recursive(true)
            .create(&config.data_dir)
            .with_context(|| format!("data_dir {} can't be made", config.data_dir.display()))?;
        let listener = TcpListener::bind(config.http.listen)
            .with_context(|| format!("http.listen: can't listen on {}", config.http.listen))?;
        let pbx = asterisk::listener(&config)?;
        let audiosocket =
            pbx.as_ref().map(TcpListener::local_addr).transpose().context("asterisk.audiosocket.listen")?;
        // Whatever the agent: its stand-in speaks when it fails, and then at once.
        let of_rates = Arc::clone(&config);
        let clips = std::thread::Builder::new()
            .name("clips".to_owned())
            .spawn(move || asterisk::warm_up(&of_rates))
            .context("no thread for the recordings")?;
        let (store, status_writer) = store::open(store_settings(&config, &telemetry)).context("database")?;
        let files = open_files(&config, &telemetry)?;
        let admin = admin_token(&config)?;
        let parts = Parts {
            config: Arc::clone(&config),
            telemetry: telemetry.clone(),
            store: store.clone(),
            files: files.clone(),
            admin: admin.token,
            pbx,
        };
        // Before the first call, and after the database, which takes as long to open.
        clips.join().map_err(|_| anyhow!("the recordings can't be decoded"))?;
        let (started, wait) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("trunkline".to_owned())
            .spawn(move || System::new().block_on(parts.run(listener, status_writer, started)))
            .context("no thread for the service")?;
        let remote = wait.recv().map_err(|_| anyhow!("the service ended while it started"))??;
        let drain = Duration::from_millis(config.http.drain_ms.into());
        let businesses = remote.businesses.clone();
        let admin_token_file = admin.file;
        Ok(Self {
            address: remote.address,
            audiosocket,
            store,
            files,
            businesses,
            admin_token_file,
            stop: Some(Stop { thread, remote, drain, telemetry }),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it takes calls from a PBX, if it does.
    pub fn audiosocket(&self) -> Option<SocketAddr> {
        self.audiosocket
    }

    /// Whether it still serves; a fault of its own ends it.
    pub fn is_running(&self) -> bool {
        self.stop.as_ref().is_some_and(|stop| !stop.thread.is_finished())
    }

    /// Its database, for reading.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The businesses that it serves.
    pub fn businesses(&self) -> &Businesses {
        &self.businesses
    }

    /// The files that its calls write.
    pub fn files(&self) -> &CallFiles {
        &self.files
    }

    /// Where the administrator's token lies, if nobody gave one.
    pub fn admin_token_file(&self) -> Option<&Path> {
        self.admin_token_file.as_deref()
    }

    /// Stops in order: no new calls, the live ones may end within `http.drain_ms`, then they are ended; the carrier is told
    /// what it asks about calls that have just ended; then everything that was said is on the disk: whether it is.
    pub fn stop(mut self) -> bool {
        self.stop.take().is_none_or(|stop| stop.now(&self.store, &self.files))
    }

    /// What cuts [`Server::stop`] short: calls are then ended at once, and only the disk is waited for.
    pub fn hurry(&self) -> Hurry {
        self.stop.as_ref().map_or_else(Hurry::default, |stop| stop.remote.hurry.clone())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            stop.now(&self.store, &self.files);
        }
    }
}

fn store_settings(config: &Config, telemetry: &Telemetry) -> StoreSettings {
    StoreSettings {
        read_connections: config.database.pool,
        connect_timeout: Duration::from_millis(config.database.connect_timeout_ms.into()),
        patience: Duration::from_millis(config.database.patience_ms.into()),
        observer: observe_store(telemetry.clone()),
        ..StoreSettings::new(config.database_url().expose(), config.spool_dir())
    }
}

fn open_files(config: &Config, telemetry: &Telemetry) -> anyhow::Result<CallFiles> {
    let telemetry = telemetry.clone();
    let settings = CallFilesSettings {
        min_free_bytes: u64::from(config.recording.min_free_mb) * 1_000_000,
        ..CallFilesSettings::under(&config.data_dir)
    };
    CallFiles::open(settings, move |failure| {
        let error = failure.error.to_string();
        telemetry.record(Event::CallFileFailed { call: failure.call, kind: failure.file.as_str(), error: &error });
    })
    .with_context(|| format!("data_dir {}", config.data_dir.display()))
}
