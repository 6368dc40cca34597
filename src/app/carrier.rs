//! What goes on beside calls, on a thread of its own, which carries no audio.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use actix::{Addr, Arbiter};

use crate::actors::asterisk::AriState;
use crate::actors::business_keeper::Businesses;
use crate::actors::call_registry::CallRegistry;
use crate::actors::call_status::CallStatusActor;
use crate::actors::campaign::keeper::CampaignKeeper;
use crate::actors::campaign::{CampaignParts, CampaignTimes};
use crate::actors::capacity::lease_keeper::LeaseKeeper;
use crate::actors::capacity::{BusinessLimits, CallLimits, Capacity, Sharing};
use crate::actors::dialler::resolver::{Patience, Resolver};
use crate::actors::dialler::{Dialler, DiallerSettings};
use crate::actors::metered;
use crate::actors::recording_starter::{RecordingStarter, StarterParts};
use crate::actors::recording_supervisor::{GiveBack, RecordingSupervisor};
use crate::actors::sweeper::{GRACE, Sweeper, SweeperParts};
use crate::config::{Config, DatabaseKind};
use crate::engine::ids::BusinessId;
use crate::engine::wire::twiml::callback_url;
use crate::providers::carrier::Carrier;
use crate::store::Store;
use crate::telemetry::Telemetry;

use super::asterisk;
use super::recording_places::Recordings;
use super::service::Core;

/// The limits of each business, as calls see them; where it has none of its own, those of the configuration.
struct Limits {
    config: Arc<Config>,
    businesses: Businesses,
}

impl CallLimits for Limits {
    fn all(&self) -> Option<u32> {
        limit(self.config.calls.max)
    }

    fn of(&self, business: &BusinessId) -> BusinessLimits {
        let own = self.businesses.now().get(business).map(|business| business.profile.limits).unwrap_or_default();
        let usual = &self.config.calls;
        BusinessLimits {
            calls: own.calls.or(limit(usual.max_per_business)),
            outbound: own.outbound.or(limit(usual.max_outbound_per_business)),
        }
    }

    fn businesses(&self) -> Vec<BusinessId> {
        self.businesses.now().all().map(|business| business.id.clone()).collect()
    }
}

/// 0 stands for no limit.
fn limit(set: u32) -> Option<u32> {
    (set > 0).then_some(set)
}

/// The count of calls that are alive: over all nodes of a PostgreSQL, or on this node alone.
pub(super) fn capacity(
    config: &Arc<Config>,
    businesses: &Businesses,
    store: &Store,
    node: &Arc<str>,
    patience: Duration,
) -> Capacity {
    let sharing = Sharing {
        store: store.clone(),
        node: Arc::clone(node),
        length: Duration::from_secs(config.calls.lease_s.into()),
        // A voice webhook also waits for its row, and has 350 ms in all.
        patience: patience * 2 / 3,
    };
    let is_shared = config.database_url().kind() == DatabaseKind::Postgres;
    let limits = Limits { config: Arc::clone(config), businesses: businesses.clone() };
    Capacity::new(Arc::new(limits), is_shared.then_some(sharing))
}

/// What ends after the last call.
pub(super) struct Beside {
    pub arbiter: Arbiter,
    pub capacity: Capacity,
    pub supervisor: Addr<RecordingSupervisor>,
    pub store: Store,
    pub node: Arc<str>,
    pub ari: Option<AriState>,
    /// How long the database may take for either of the things that are given back.
    pub patience: Duration,
}

/// How long giving back what is being done about recordings may take; without that, other nodes wait for the leases' end.
const GIVE_BACK_WITHIN: Duration = Duration::from_secs(2);

impl Beside {
    /// Ends what goes on beside calls, and gives back what this node holds: the others need not wait until it runs out, which
    /// it does by itself where the database is away.
    pub(super) async fn end(self) {
        let Self { arbiter, capacity, supervisor, store, node, ari, patience } = self;
        asterisk::leave(ari).await;
        metered::ask(&supervisor, GiveBack, GIVE_BACK_WITHIN).await.ok();
        arbiter.stop();
        capacity.give_back().await;
        let released = actix_rt::task::spawn_blocking(move || store.release_campaigns_of(&node));
        tokio::time::timeout(patience, released).await.ok();
    }
}

/// What is at hand for work beside calls.
pub(super) struct Bench<'a> {
    pub config: &'a Config,
    pub store: &'a Store,
    pub status: &'a Addr<CallStatusActor>,
    pub registry: &'a Addr<CallRegistry>,
    pub telemetry: &'a Telemetry,
    pub node: &'a Arc<str>,
}

impl Bench<'_> {
    /// Starts leasing slots, and freeing those of calls that never start.
    pub(super) fn start_lease_keeper(&self, capacity: &Capacity, beside: &Arbiter) {
        // A token that is too old starts no media stream any more.
        let kept_for = Duration::from_secs(self.config.media.token_max_age_s.into());
        LeaseKeeper::start(capacity.clone(), kept_for, self.telemetry.clone(), &beside.handle());
    }

    /// Who places calls: the carrier, if its credentials and our own address are known, or else a PBX.
    pub(super) fn dialler(&self, core: &Core) -> Option<Dialler> {
        let public_url = self.config.http.public_url.as_ref().map(|url| url.as_str().trim_end_matches('/').to_owned());
        let (carrier, public_url) = match (&core.carrier, public_url, &core.pbx_carrier) {
            (Some(carrier), Some(url), _) => (carrier, url),
            // It asks us nothing over HTTP.
            (_, _, Some(pbx)) => (pbx, String::new()),
            (_, _, None) => return None,
        };
        let max_call = Duration::from_millis(self.config.limits.max_call_ms.into());
        let settings = DiallerSettings {
            carrier: Arc::clone(carrier),
            public_url,
            ring_for: Duration::from_secs(self.config.calls.ring_s.into()),
            time_limit: max_call + GRACE,
            is_stopping: Arc::clone(&core.is_stopping),
            overload: Arc::clone(&core.overload),
        };
        let (capacity, status) = (core.capacity.clone(), self.status.clone());
        Some(Dialler::new(settings, self.store.clone(), capacity, status, self.telemetry.clone()))
    }

    /// Starts having the carrier record calls, where that is asked for.
    pub(super) fn start_recorder(
        &self,
        carrier: Option<&Arc<dyn Carrier>>,
        businesses: &Businesses,
        beside: &Arbiter,
    ) -> Addr<RecordingStarter> {
        let public_url = self.config.http.public_url.as_ref();
        let status_url = |url: &str| callback_url(&format!("{}/twilio/recording", url.trim_end_matches('/')));
        let parts = StarterParts {
            carrier: carrier.cloned(),
            status_url: public_url.map(|url| status_url(url.as_str())),
            businesses: businesses.clone(),
            policy: self.config.recording.policy,
            store: self.store.clone(),
            node: Arc::clone(self.node),
            telemetry: self.telemetry.clone(),
        };
        RecordingStarter::start(parts, &beside.handle())
    }

    /// Starts asking about calls that the carrier did not say it placed.
    pub(super) fn start_resolver(&self, dialler: Option<&Dialler>, beside: &Arbiter) {
        let Some(dialler) = dialler else { return };
        let every = Duration::from_secs(self.config.calls.resolve_after_s.into());
        let patience = Patience { every, give_up: every * 8 };
        Resolver::start(dialler.clone(), Arc::clone(self.node), patience, &beside.handle());
    }

    /// Starts running campaigns, if calls can be placed.
    pub(super) fn start_campaigns(&self, dialler: Option<&Dialler>, is_stopping: &Arc<AtomicBool>, beside: &Arbiter) {
        let Some(dialler) = dialler else { return };
        let seconds = |set: u32| Duration::from_secs(set.into());
        let set = &self.config.campaigns;
        let parts = CampaignParts {
            store: self.store.clone(),
            dialler: dialler.clone(),
            telemetry: self.telemetry.clone(),
            node: Arc::clone(self.node),
            times: CampaignTimes {
                lease: seconds(set.lease_s),
                heartbeat: seconds(set.heartbeat_s),
                unknown: seconds(set.unknown_s),
            },
            is_stopping: Arc::clone(is_stopping),
        };
        CampaignKeeper::start(parts, &beside.handle());
    }

    /// Starts deleting recordings whose time is over.
    pub(super) fn start_recording_keeper(&self, places: &Recordings, beside: &Arbiter) {
        let (store, telemetry) = (self.store.clone(), self.telemetry.clone());
        places.start_keeper(self.config, store, telemetry, Arc::clone(self.node), &beside.handle());
    }

    /// Starts looking after calls that stay open, if there is a carrier to ask.
    pub(super) fn start_sweeper(&self, carrier: Option<&Arc<dyn Carrier>>, beside: &Arbiter) {
        let Some(carrier) = carrier else { return };
        let parts = SweeperParts {
            carrier: Arc::clone(carrier),
            store: self.store.clone(),
            status: self.status.clone(),
            registry: self.registry.clone(),
            telemetry: self.telemetry.clone(),
            node: Arc::clone(self.node),
            max_call: Duration::from_millis(self.config.limits.max_call_ms.into()),
            every: Duration::from_secs(self.config.calls.sweep_every_s.into()),
        };
        Sweeper::start(parts, &beside.handle());
    }
}
