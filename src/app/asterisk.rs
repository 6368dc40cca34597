//! The ways to an Asterisk PBX: the socket for its calls, and its REST interface, as far as they are configured.

use std::net::{IpAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix::ArbiterHandle;
use anyhow::Context;
use secrecy::{ExposeSecret, SecretString};

use crate::actors::asterisk::{AriCarrier, AriController, AriParts, AriState};
use crate::config::{self, AudioSocketSettings, Config};
use crate::engine::audio::{Hz8k, Hz16k, Hz24k, Hz48k, Rate};
use crate::engine::wire::audiosocket::UuidSeal;
use crate::providers::ari::{AriSettings, AsteriskRest};
use crate::providers::voice_agent::local;
use crate::providers::webhook_receiver::Network;
use crate::store::Store;
use crate::telemetry::{Event, Telemetry};
use crate::transport::audiosocket::{self, Crowd, IsAllowed, Plans, SocketDoor};

use super::agents::Agents;
use super::plans::{Makings, plans};
use super::service::Core;

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
    if config.asterisk.audiosocket.enabled || config.console.enabled {
        local::warm_up::<Hz16k>();
    }
    if config.asterisk.audiosocket.enabled {
        local::warm_up::<Hz24k>();
        local::warm_up::<Hz48k>();
    }
}

/// Steers the Asterisk of the configuration, if there is one, on this thread; what becomes of that, and who places
/// calls there, if any are.
pub(super) fn steer(
    config: &Config,
    core: &Core,
    listener: Option<&TcpListener>,
    store: &Store,
    telemetry: &Telemetry,
    arbiter: &ArbiterHandle,
) -> anyhow::Result<Option<(AriState, Option<AriCarrier>)>> {
    let config = &config.asterisk;
    let (own, audio) = (&config.ari, &config.audiosocket);
    let (Some(ari), Some(listener)) = (rest(own), listener) else { return Ok(None) };
    let parts = AriParts {
        ari: Arc::new(ari),
        app: own.app.clone(),
        media_host: audio.reached_at(listener.local_addr().context("asterisk.audiosocket.listen")?),
        media_format: own.format.as_str(),
        transfer_context: Some(own.transfer_context.clone()).filter(|context| !context.is_empty()),
        businesses: core.businesses.businesses.clone(),
        usual_business: audio.business.clone(),
        capacity: core.capacity.clone(),
        status: core.status.clone(),
        registry: core.registry.clone(),
        expected: core.expected.clone(),
        seal: core.seal.clone(),
        overload: Arc::clone(&core.overload),
        is_stopping: Arc::clone(&core.is_stopping),
        telemetry: telemetry.clone(),
    };
    let (controller, state) = AriController::start(parts, arbiter);
    let carrier = (!own.dial.is_empty()).then(|| AriCarrier {
        controller,
        store: store.clone(),
        dial: own.dial.clone(),
        answer_within: Duration::from_millis(own.answer_timeout_ms.into()),
    });
    Ok(Some((state, carrier)))
}

/// The REST interface of the Asterisk that is configured, if one is.
pub fn rest(own: &config::AriSettings) -> Option<AsteriskRest> {
    let (Some(url), Some(password)) = (&own.url, &own.password) else { return None };
    Some(AsteriskRest::new(AriSettings {
        url: url.clone(),
        username: own.username.clone(),
        password: password.clone(),
        application: own.app.clone(),
        answer_within: Duration::from_millis(own.answer_timeout_ms.into()),
    }))
}

/// How long calls may take to leave Asterisk after their end.
const LEAVES_WITHIN: Duration = Duration::from_secs(2);

/// Waits until nothing of ended calls is left in Asterisk, but not for long.
pub(super) async fn leave(ari: Option<AriState>) {
    let Some(ari) = ari.filter(|ari| ari.fault().is_none()) else { return };
    let none = async {
        while ari.calls() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LEAVES_WITHIN, none).await.ok();
}

/// The UUIDs of this service: known on every node that has the same administrator's token.
pub(super) fn seal(admin: &SecretString) -> UuidSeal {
    UuidSeal::new(admin.expose_secret().as_bytes())
}

/// The door through which such calls come.
pub(super) fn door(core: &Core, makings: Makings) -> anyhow::Result<Arc<SocketDoor>> {
    // Closing the socket ends the call or lets the dialplan go on: there is nobody else to ask, for either.
    let makings = Makings { carrier: None, recorder: None, can_transfer: false, ..makings };
    let config = Arc::clone(&makings.config);
    let settings = &config.asterisk.audiosocket;
    Ok(Arc::new(SocketDoor {
        is_allowed: is_allowed(settings)?,
        crowd: Crowd::new(settings.max_connections, settings.connects_per_second),
        settings: settings.clone(),
        seal: core.seal.clone(),
        expected: core.expected.clone(),
        idle_timeout: Duration::from_millis(config.media.idle_timeout_ms.into()),
        patience: core.patience,
        businesses: core.businesses.businesses.clone(),
        store: makings.store.clone(),
        registry: core.registry.clone(),
        status: core.status.clone(),
        capacity: makings.capacity.clone(),
        overload: Arc::clone(&core.overload),
        is_stopping: Arc::clone(&core.is_stopping),
        claim: Arc::clone(&core.claim),
        telemetry: makings.telemetry.clone(),
        plans: Plans {
            hz8k: plans(makings.clone(), core.agents.clone()),
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
