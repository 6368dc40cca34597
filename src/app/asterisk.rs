//! The socket for calls from an Asterisk PBX, if it is configured.

use std::net::{IpAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use actix::Addr;
use anyhow::Context;
use secrecy::{ExposeSecret, SecretString};

use crate::actors::business_keeper::Businesses;
use crate::actors::call_registry::CallRegistry;
use crate::actors::call_status::CallStatusActor;
use crate::actors::lateness::Overload;
use crate::config::{AudioSocketSettings, Config};
use crate::engine::audio::{Hz8k, Hz16k, Hz24k, Hz48k, Rate};
use crate::engine::wire::audiosocket::UuidSeal;
use crate::providers::voice_agent::local;
use crate::providers::webhook_receiver::Network;
use crate::telemetry::{Event, Telemetry};
use crate::transport::admission::ClaimCall;
use crate::transport::audiosocket::{self, Crowd, IsAllowed, Plans, SocketDoor};

use super::agents::Agents;
use super::plans::{Makings, plans};

/// Listens, if that is configured.
pub(super) fn listener(config: &Config) -> anyhow::Result<Option<TcpListener>> {
    let own = &config.asterisk.audiosocket;
    own.enabled
        .then(|| TcpListener::bind(own.listen))
        .transpose()
        .with_context(|| format!("asterisk.audiosocket.listen: can't listen on {}", own.listen))
}

/// Takes such calls on this thread, too.
pub(super) fn listen(listener: Option<&TcpListener>, door: &Arc<SocketDoor>, telemetry: &Telemetry) {
    let Some(listener) = listener else { return };
    let listened = listener.try_clone().and_then(|listener| audiosocket::listen(listener, Arc::clone(door)));
    if let Err(error) = listened {
        telemetry.record(Event::ServiceFailed { error: &format!("asterisk.audiosocket: {error}") });
    }
}

/// Decodes the recordings for calls at each rate that there can be.
pub(super) fn warm_up(config: &Config) {
    local::warm_up::<Hz8k>();
    if config.asterisk.audiosocket.enabled {
        local::warm_up::<Hz16k>();
        local::warm_up::<Hz24k>();
        local::warm_up::<Hz48k>();
    }
}

/// The UUIDs of this service: known on every node that has the same administrator's token.
pub(super) fn seal(admin: &SecretString) -> UuidSeal {
    UuidSeal::new(admin.expose_secret().as_bytes())
}

/// What the door is made of, besides what plans are.
pub(super) struct Hinges<'a> {
    pub makings: Makings,
    pub agents: Agents<Hz8k>,
    pub claim: ClaimCall,
    pub seal: UuidSeal,
    pub businesses: &'a Businesses,
    pub registry: &'a Addr<CallRegistry>,
    pub status: &'a Addr<CallStatusActor>,
    pub overload: &'a Arc<Overload>,
    pub is_stopping: &'a Arc<AtomicBool>,
    pub patience: Duration,
}

/// The door through which such calls come.
pub(super) fn door(hinges: Hinges<'_>) -> anyhow::Result<Arc<SocketDoor>> {
    // Closing the socket ends the call or lets the dialplan go on: there is nobody else to ask, for either.
    let makings = Makings { carrier: None, recorder: None, can_transfer: false, ..hinges.makings };
    let config = Arc::clone(&makings.config);
    let settings = &config.asterisk.audiosocket;
    Ok(Arc::new(SocketDoor {
        is_allowed: is_allowed(settings)?,
        crowd: Crowd::new(settings.max_connections, settings.connects_per_second),
        settings: settings.clone(),
        seal: hinges.seal,
        idle_timeout: Duration::from_millis(config.media.idle_timeout_ms.into()),
        patience: hinges.patience,
        businesses: hinges.businesses.clone(),
        store: makings.store.clone(),
        registry: hinges.registry.clone(),
        status: hinges.status.clone(),
        capacity: makings.capacity.clone(),
        overload: Arc::clone(hinges.overload),
        is_stopping: Arc::clone(hinges.is_stopping),
        claim: hinges.claim,
        telemetry: makings.telemetry.clone(),
        plans: Plans {
            hz8k: plans(makings.clone(), hinges.agents),
            hz16k: plans(makings.clone(), at_rate::<Hz16k>(&config)?),
            hz24k: plans(makings.clone(), at_rate::<Hz24k>(&config)?),
            hz48k: plans(makings, at_rate::<Hz48k>(&config)?),
        },
    }))
}

fn at_rate<R: Rate>(config: &Config) -> anyhow::Result<Agents<R>> {
    Agents::at_rate(config).context("agent")
}

fn is_allowed(settings: &AudioSocketSettings) -> anyhow::Result<IsAllowed> {
    let networks = settings.allowed().map(str::parse).collect::<Result<Vec<Network>, _>>();
    let networks = networks.context("asterisk.audiosocket.allow")?;
    Ok(Box::new(move |peer: IpAddr| networks.iter().any(|network| network.holds(peer))))
}
