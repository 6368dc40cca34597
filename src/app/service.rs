//! What runs on the service's threads: the actors everybody shares, the work beside calls, and the doors callers come through.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::time::Duration;

use actix::{Addr, Arbiter};
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use anyhow::Context;
use secrecy::{ExposeSecret, SecretString};

use crate::actors::asterisk::{AriState, ExpectedCalls};
use crate::actors::business_keeper::{BusinessDesk, BusinessKeeper};
use crate::actors::call_registry::CallRegistry;
use crate::actors::call_status::{CallStatusActor, CallStatusSettings};
use crate::actors::capacity::Capacity;
use crate::actors::dialler::Dialler;
use crate::actors::lateness::{self, Overload};
use crate::actors::prompts::Prompts;
use crate::actors::recording_starter::RecordingStarter;
use crate::actors::recording_supervisor::RecordingSupervisor;
use crate::actors::shelf::MakeShelf;
use crate::config::Config;
use crate::engine::audio::Hz8k;
use crate::engine::wire::audiosocket::UuidSeal;
use crate::engine::wire::auth::RequestAuth;
use crate::engine::wire::token::MediaTokens;
use crate::providers::carrier::Carrier;
use crate::store::call_files::CallFiles;
use crate::store::{StatusWriter, Store};
use crate::telemetry::{Event, Telemetry};
use crate::transport::admission::ClaimCall;
use crate::transport::audiosocket::SocketDoor;
use crate::transport::twilio_stream::StreamDoor;

use super::agents::Agents;
use super::doors::Doors;
use super::plans::Makings;
use super::stop::{Hurry, LAST_WORDS};
use super::{Remote, asterisk, carrier, plans, playback, recording_places, recordings};

/// A peer that acknowledges nothing for this long is gone: its socket is closed.
const PEER_GONE_AFTER: Duration = Duration::from_secs(15);

/// What the service is made of, before it runs.
pub(super) struct Parts {
    pub config: Arc<Config>,
    pub telemetry: Telemetry,
    pub store: Store,
    pub files: CallFiles,
    pub admin: SecretString,
    /// The socket for calls from a PBX.
    pub pbx: Option<TcpListener>,
}

/// What every door and every worker shares.
pub(super) struct Core {
    pub status: Addr<CallStatusActor>,
    pub registry: Addr<CallRegistry>,
    pub businesses: BusinessDesk,
    pub agents: Agents<Hz8k>,
    pub prompts: Prompts,
    pub auth: RequestAuth,
    pub tokens: MediaTokens,
    pub seal: UuidSeal,
    /// Calls whose audio an Asterisk is about to bring.
    pub expected: ExpectedCalls,
    /// How the steering of an Asterisk stands, where there is one.
    pub ari: Option<AriState>,
    /// This service among the nodes of one database.
    pub node: Arc<str>,
    pub capacity: Capacity,
    pub carrier: Option<Arc<dyn Carrier>>,
    /// Who places calls where the carrier can't.
    pub pbx_carrier: Option<Arc<dyn Carrier>>,
    pub claim: ClaimCall,
    pub overload: Arc<Overload>,
    pub is_stopping: Arc<AtomicBool>,
    /// How long the database may take for something that somebody waits for.
    pub patience: Duration,
}

/// Who works beside calls, and can be told of them.
pub(super) struct Workers {
    pub recorder: Addr<RecordingStarter>,
    pub supervisor: Addr<RecordingSupervisor>,
    pub dialler: Option<Dialler>,
}

impl Parts {
    /// Runs until the service is stopped; tells `started` once it listens, or why it can't.
    pub(super) async fn run(
        self,
        listener: TcpListener,
        status_writer: StatusWriter,
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
        status_writer: StatusWriter,
    ) -> anyhow::Result<(actix_web::dev::Server, Remote, carrier::Beside)> {
        let address = listener.local_addr().context("http.listen")?;
        let mut core = self.core(status_writer)?;
        let beside = Arbiter::new();
        let pbx = self.pbx.as_ref();
        let steered = asterisk::steer(&self.config, &core, pbx, &self.store, &self.telemetry, &beside.handle())?;
        if let Some((ari, carrier)) = steered {
            core.ari = Some(ari);
            core.pbx_carrier = carrier.map(|carrier| Arc::new(carrier) as Arc<dyn Carrier>);
        }
        let (workers, shelves) = self.start_workers(&core, &beside)?;
        let makings = self.makings(&core, &workers);
        let pbx_door = asterisk::door(&core, makings.clone())?;
        let browsers = makings.clone();
        let media = web::Data::new(self.stream_door(&core, makings));
        let doors = Doors::new(self, &core, &workers, browsers, media, shelves)?;
        let server = self.serve(listener, doors, pbx_door, &core)?;
        self.telemetry.record(Event::ServiceStarted {
            listen: &address.to_string(),
            agent: core.agents.usual(),
            database: self.store.health().backend,
        });
        let remote = Remote {
            address,
            handle: server.handle(),
            registry: core.registry,
            arbiter: Arbiter::current(),
            is_stopping: core.is_stopping,
            businesses: core.businesses.businesses,
            hurry: Hurry::default(),
        };
        let beside = carrier::Beside {
            arbiter: beside,
            capacity: core.capacity,
            supervisor: workers.supervisor,
            store: self.store.clone(),
            node: core.node,
            ari: core.ari,
            patience: core.patience,
        };
        Ok((server, remote, beside))
    }

    fn core(&self, status_writer: StatusWriter) -> anyhow::Result<Core> {
        let (config, telemetry) = (&self.config, &self.telemetry);
        let patience = Duration::from_millis(config.database.patience_ms.into());
        let status_settings = CallStatusSettings { patience, ..CallStatusSettings::default() };
        let secrets: Vec<&[u8]> = config.twilio_tokens().map(|token| token.expose_secret().as_bytes()).collect();
        let public_url = config.http.public_url.as_ref().map(|url| url.as_str());
        let tokens = MediaTokens::new(&token_secret(&secrets)?);
        let prompts = Prompts::new(telemetry.clone());
        let first_look = Duration::from_millis(config.database.connect_timeout_ms.into());
        let businesses =
            BusinessKeeper::start(self.store.clone(), config.seeds(), prompts.clone(), first_look, telemetry.clone());
        let node = plans::node_name();
        Ok(Core {
            status: CallStatusActor::start(status_writer, status_settings, telemetry.clone()),
            registry: CallRegistry::start(telemetry.clone()),
            agents: Agents::new(config, &businesses.businesses, telemetry).context("agent")?,
            prompts,
            auth: RequestAuth::new(&secrets, public_url, config.twilio.validate_signatures),
            tokens: secrets.iter().skip(1).fold(tokens, |tokens, earlier| tokens.accepting(earlier)),
            seal: asterisk::seal(&self.admin),
            expected: ExpectedCalls::default(),
            ari: None,
            pbx_carrier: None,
            capacity: carrier::capacity(config, &businesses.businesses, &self.store, &node, patience),
            carrier: plans::carrier(config),
            claim: plans::claims(self.store.clone(), Arc::clone(&node)),
            businesses,
            node,
            overload: Arc::new(Overload::default()),
            is_stopping: Arc::new(AtomicBool::new(false)),
            patience,
        })
    }

    fn start_workers(&self, core: &Core, beside: &Arbiter) -> anyhow::Result<(Workers, MakeShelf)> {
        let (config, telemetry) = (&self.config, &self.telemetry);
        let bench = carrier::Bench {
            config,
            store: &self.store,
            status: &core.status,
            registry: &core.registry,
            telemetry,
            node: &core.node,
        };
        let carrier = core.carrier.as_ref();
        let businesses = &core.businesses.businesses;
        let recorder = bench.start_recorder(carrier, businesses, beside);
        let places = recording_places::Recordings::new(config)?;
        bench.start_recording_keeper(&places, beside);
        let kept = playback::kept_where(config, &places);
        playback::keep_own_recordings(kept, config, &self.files, &self.store, &recorder, telemetry, beside);
        let supervisor =
            recordings::start(config, &places, businesses, &self.store, &core.node, telemetry, &beside.handle())?;
        bench.start_lease_keeper(&core.capacity, beside);
        bench.start_sweeper(carrier.or(core.pbx_carrier.as_ref()), beside);
        let dialler = bench.dialler(core);
        bench.start_resolver(dialler.as_ref(), beside);
        bench.start_campaigns(dialler.as_ref(), &core.is_stopping, beside);
        Ok((Workers { recorder, supervisor, dialler }, playback::shelves(places)))
    }

    fn makings(&self, core: &Core, workers: &Workers) -> Makings {
        Makings {
            config: Arc::clone(&self.config),
            businesses: core.businesses.businesses.clone(),
            prompts: core.prompts.clone(),
            store: self.store.clone(),
            files: self.files.clone(),
            capacity: core.capacity.clone(),
            recorder: Some(workers.recorder.clone()),
            carrier: core.carrier.clone(),
            can_transfer: true,
            meter: plans::meter(&self.telemetry),
            telemetry: self.telemetry.clone(),
        }
    }

    fn stream_door(&self, core: &Core, makings: Makings) -> StreamDoor {
        let media = &self.config.media;
        StreamDoor {
            auth: core.auth.clone(),
            tokens: core.tokens.clone(),
            account: self.config.twilio.account_sid.clone(),
            token_max_age: Duration::from_secs(media.token_max_age_s.into()),
            start_timeout: Duration::from_millis(media.start_timeout_ms.into()),
            max_message_bytes: media.max_message_bytes,
            registry: core.registry.clone(),
            status: core.status.clone(),
            claim: Arc::clone(&core.claim),
            notes: plans::notes(self.store.clone(), core.patience),
            plan: plans::plans(makings, core.agents.clone()),
            telemetry: self.telemetry.clone(),
        }
    }

    /// Listens on as many threads as `http.workers` says; each carries calls of its own.
    fn serve(
        &self,
        listener: TcpListener,
        doors: Doors,
        pbx_door: Arc<SocketDoor>,
        core: &Core,
    ) -> anyhow::Result<actix_web::dev::Server> {
        let config = &self.config;
        let pbx = self.pbx.as_ref().map(TcpListener::try_clone).transpose().context("asterisk.audiosocket.listen")?;
        let max_lateness = Duration::from_millis(config.media.max_lateness_ms.into());
        let (overload, telemetry) = (Arc::clone(&core.overload), self.telemetry.clone());
        let workers = match config.http.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            set => set,
        };
        let (doors, pbx) = (Arc::new(doors), pbx.map(Arc::new));
        // Called once on each thread that carries calls.
        let server = HttpServer::new(move || {
            lateness::watch(max_lateness, Arc::clone(&overload), &telemetry);
            asterisk::listen(pbx.as_deref(), &pbx_door, &telemetry);
            App::new().wrap(from_fn(crate::http::close_to_strangers)).configure(|app| doors.open(app))
        });
        let server = server
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
            .context("http.listen")?;
        Ok(server.run())
    }
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
