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
mod hooks;
mod plans;
mod playback;
mod recording_places;
mod recordings;
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
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use anyhow::{Context, anyhow};
use secrecy::{ExposeSecret, SecretString};

use crate::actors::business_keeper::{BusinessKeeper, Businesses};
use crate::actors::call_registry::CallRegistry;
use crate::actors::call_status::{CallStatusActor, CallStatusSettings, observe_store};
use crate::actors::lateness::{self, Overload};
use crate::actors::prompts::Prompts;
use crate::actors::recording_supervisor::RecordingDesk;
use crate::config::Config;
use crate::engine::wire::auth::RequestAuth;
use crate::engine::wire::token::MediaTokens;
use crate::http::api::Api;
use crate::http::api::asterisk::AsteriskDesk;
use crate::http::api::businesses::BusinessDoor;
use crate::http::api::calls::place::DialDesk;
use crate::http::api::campaigns::CampaignDesk;
use crate::http::health::Checks;
use crate::http::webhooks::Webhooks;
use crate::store::call_files::{CallFiles, CallFilesSettings};
use crate::store::{self, Store, StoreSettings};
use crate::telemetry::{Event, Telemetry};
use crate::transport::twilio_stream::{self, StreamDoor};

use admin_token::admin_token;
pub use playback::recording_store;
pub use recording_places::sweep_recordings;
pub use stop::Hurry;
use stop::{LAST_WORDS, Stop};

/// A peer that acknowledges nothing for this long is gone: its socket is closed.
const PEER_GONE_AFTER: Duration = Duration::from_secs(15);

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

/// What the service is made of, before it runs.
struct Parts {
    config: Arc<Config>,
    telemetry: Telemetry,
    store: Store,
    files: CallFiles,
    admin: SecretString,
    /// The socket for calls from a PBX.
    pbx: Option<TcpListener>,
}

impl Parts {
    async fn run(
        self,
        listener: TcpListener,
        status_writer: store::StatusWriter,
        started: mpsc::Sender<anyhow::Result<Remote>>,
    ) {
        match self.listen(listener, status_writer) {
            Err(error) => drop(started.send(Err(error))),
            Ok((server, remote, beside)) => {
                drop(started.send(Ok(remote)));
                if let Err(error) = server.await {
                    self.telemetry.record(Event::ServiceFailed { error: &error.to_string() });
                }
                beside.end().await;
            }
        }
    }

    fn listen(
        &self,
        listener: TcpListener,
        status_writer: store::StatusWriter,
    ) -> anyhow::Result<(actix_web::dev::Server, Remote, carrier::Beside)> {
        let (config, telemetry) = (&self.config, &self.telemetry);
        let address = listener.local_addr().context("http.listen")?;
        let patience = Duration::from_millis(config.database.patience_ms.into());
        let status_settings = CallStatusSettings { patience, ..CallStatusSettings::default() };
        let status = CallStatusActor::start(status_writer, status_settings, telemetry.clone());
        let registry = CallRegistry::start(telemetry.clone());
        let secrets: Vec<&[u8]> = config.twilio_tokens().map(|token| token.expose_secret().as_bytes()).collect();
        let public_url = config.http.public_url.as_ref().map(|url| url.as_str());
        let auth = RequestAuth::new(&secrets, public_url, config.twilio.validate_signatures);
        let tokens = MediaTokens::new(&token_secret(&secrets)?);
        let tokens = secrets.iter().skip(1).fold(tokens, |tokens, earlier| tokens.accepting(earlier));
        let prompts = Prompts::new(telemetry.clone());
        let first_look = Duration::from_millis(config.database.connect_timeout_ms.into());
        let desk =
            BusinessKeeper::start(self.store.clone(), config.seeds(), prompts.clone(), first_look, telemetry.clone());
        let businesses = desk.businesses;
        let agents = agents::Agents::new(config, &businesses, telemetry).context("agent")?;
        let usual_agent = agents.usual();

        let node = plans::node_name();
        let capacity = carrier::capacity(config, &businesses, &self.store, &node, patience);
        let beside = actix::Arbiter::new();
        let bench =
            carrier::Bench { config, store: &self.store, status: &status, registry: &registry, telemetry, node: &node };
        let rest = plans::carrier(config);
        let recorder = bench.start_recorder(rest.as_ref(), &businesses, &beside);
        let places = recording_places::Recordings::new(config)?;
        bench.start_recording_keeper(&places, &beside);
        let kept = playback::kept_where(config, &places);
        playback::keep_own_recordings(kept, config, &self.files, &self.store, &recorder, telemetry, &beside);
        let supervisor =
            recordings::start(config, &places, &businesses, &self.store, &node, telemetry, &beside.handle())?;
        let shelves = playback::shelves(places);
        let is_stopping = Arc::new(AtomicBool::new(false));
        let overload = Arc::new(Overload::default());
        let claim = plans::claims(self.store.clone(), Arc::clone(&node));
        let makings = plans::Makings {
            config: Arc::clone(config),
            businesses: businesses.clone(),
            prompts,
            store: self.store.clone(),
            files: self.files.clone(),
            capacity: capacity.clone(),
            recorder: Some(recorder.clone()),
            carrier: rest.clone(),
            can_transfer: true,
            meter: plans::meter(telemetry),
            telemetry: telemetry.clone(),
        };
        let seal = asterisk::seal(&self.admin);
        let pbx_door = asterisk::door(asterisk::Hinges {
            makings: makings.clone(),
            agents: agents.clone(),
            claim: Arc::clone(&claim),
            seal: seal.clone(),
            businesses: &businesses,
            registry: &registry,
            status: &status,
            overload: &overload,
            is_stopping: &is_stopping,
            patience,
        })?;
        let door = web::Data::new(StreamDoor {
            auth: auth.clone(),
            tokens: tokens.clone(),
            account: config.twilio.account_sid.clone(),
            token_max_age: Duration::from_secs(config.media.token_max_age_s.into()),
            start_timeout: Duration::from_millis(config.media.start_timeout_ms.into()),
            max_message_bytes: config.media.max_message_bytes,
            registry: registry.clone(),
            status: status.clone(),
            claim,
            notes: plans::notes(self.store.clone(), patience),
            plan: plans::plans(makings, agents),
            telemetry: telemetry.clone(),
        });
        bench.start_lease_keeper(&capacity, &beside);
        bench.start_sweeper(rest.as_ref(), &beside);
        let dialler = bench.dialler(rest, &capacity, &is_stopping, &overload);
        bench.start_resolver(dialler.as_ref(), &beside);
        bench.start_campaigns(dialler.as_ref(), &is_stopping, &beside);
        let recordings = RecordingDesk::new(self.store.clone(), Some(supervisor.clone()), telemetry.clone());
        let webhooks = web::Data::new(Webhooks {
            businesses: businesses.clone(),
            auth,
            account: config.twilio.account_sid.clone(),
            tokens,
            max_body_bytes: config.http.max_body_bytes,
            // A little more than the actor's own patience: its answer, stored or spooled, is the usual one.
            status_patience: patience + Duration::from_millis(50),
            registry: registry.clone(),
            status: status.clone(),
            recorder,
            capacity: capacity.clone(),
            dialler: dialler.clone(),
            recordings: recordings.clone(),
            is_stopping: Arc::clone(&is_stopping),
            overload: Arc::clone(&overload),
            store: self.store.clone(),
            telemetry: telemetry.clone(),
        });
        let api = web::Data::new(Api::new(
            config.api.clone(),
            &self.admin,
            self.store.clone(),
            config.database.pool,
            registry.clone(),
            telemetry.clone(),
        ));
        api::keep_fresh(&api);
        let business_door = web::Data::new(BusinessDoor {
            keeper: desk.keeper,
            businesses: businesses.clone(),
            agents: config.agents(),
            refuse_receiver: hooks::refuse_receiver(config)?,
        });
        let hooks = web::Data::new(hooks::start(config, self.store.clone(), telemetry.clone())?);
        let campaign_desk = web::Data::new(CampaignDesk { settings: config.campaigns.clone() });
        let dial_desk =
            web::Data::new(DialDesk { dialler, businesses: businesses.clone(), on_machine: config.calls.on_machine });
        let pbx = self.pbx.as_ref().map(TcpListener::try_clone).transpose().context("asterisk.audiosocket.listen")?;
        let pbx = pbx.map(Arc::new);
        let asterisk_desk = web::Data::new(AsteriskDesk {
            settings: config.asterisk.audiosocket.clone(),
            listen: pbx.as_deref().map(TcpListener::local_addr).transpose().context("asterisk.audiosocket.listen")?,
            seal,
            businesses: businesses.clone(),
            capacity: capacity.clone(),
            status: status.clone(),
            overload: Arc::clone(&overload),
            is_stopping: Arc::clone(&is_stopping),
        });
        let checks =
            web::Data::new(Checks(checks::checks(self.store.clone(), Arc::clone(&is_stopping), Arc::clone(&overload))));
        let figures = web::Data::new(telemetry.clone());
        let recordings = web::Data::new(recordings);
        let workers = match config.http.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            set => set,
        };
        let max_lateness = Duration::from_millis(config.media.max_lateness_ms.into());
        // Called once on each thread that carries calls.
        let server = HttpServer::new(move || {
            lateness::watch(max_lateness, Arc::clone(&overload), &figures);
            asterisk::listen(pbx.as_deref(), &pbx_door, &figures);
            App::new()
                .wrap(from_fn(crate::http::close_to_strangers))
                .app_data(door.clone())
                .app_data(webhooks.clone())
                .app_data(checks.clone())
                .app_data(figures.clone())
                .app_data(api.clone())
                .app_data(shelves())
                .app_data(hooks.clone())
                .app_data(business_door.clone())
                .app_data(web::PayloadConfig::new(api.settings.max_body_bytes))
                .app_data(dial_desk.clone())
                .app_data(campaign_desk.clone())
                .app_data(recordings.clone())
                .app_data(asterisk_desk.clone())
                .service(crate::http::only("GET", "/twilio/media").route(web::get().to(twilio_stream::accept)))
                .configure(crate::http::routes)
        })
        .workers(workers)
        .max_connections(config.http.max_connections)
        .client_request_timeout(Duration::from_millis(config.http.request_timeout_ms.into()))
        .shutdown_timeout(LAST_WORDS.as_secs())
        .disable_signals()
        .on_connect(|connection, _| {
            if let Some(socket) = connection.downcast_ref::<actix_web::rt::net::TcpStream>() {
                let socket = socket2::SockRef::from(socket);
                // Where the system knows no such limit, a dead peer is found by the call's own watchdog.
                socket.set_tcp_user_timeout(Some(PEER_GONE_AFTER)).ok();
                socket.set_tcp_nodelay(true).ok();
            }
        })
        .listen(listener)
        .context("http.listen")?
        .run();
        let handle = server.handle();
        let arbiter = actix::Arbiter::current();
        let backend = self.store.health().backend;
        telemetry.record(Event::ServiceStarted { listen: &address.to_string(), agent: usual_agent, database: backend });
        let remote = Remote { address, handle, registry, arbiter, is_stopping, businesses, hurry: Hurry::default() };
        let beside =
            carrier::Beside { arbiter: beside, capacity, supervisor, store: self.store.clone(), node, patience };
        Ok((server, remote, beside))
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

/// What media tokens are signed with: the auth token, which every node has. Without one (signatures are off,
/// on loopback) a secret of this process's own.
fn token_secret(auth_tokens: &[&[u8]]) -> anyhow::Result<Vec<u8>> {
    if let Some(token) = auth_tokens.first() {
        return Ok(token.to_vec());
    }
    let mut secret = vec![0; 32];
    let mut source = std::fs::File::open("/dev/urandom").context("no source of random bytes")?;
    std::io::Read::read_exact(&mut source, &mut secret).context("no random bytes")?;
    Ok(secret)
}
