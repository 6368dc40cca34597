//! What goes on beside calls, on a thread of its own, which carries no audio.

use std::sync::Arc;
use std::time::Duration;

use actix::{Addr, Arbiter};

use crate::actors::call_registry::CallRegistry;
use crate::actors::call_status::CallStatusActor;
use crate::actors::sweeper::{Sweeper, SweeperParts};
use crate::config::Config;
use crate::providers::carrier::Carrier;
use crate::store::Store;
use crate::telemetry::Telemetry;

/// What is at hand for work beside calls.
pub(super) struct Bench<'a> {
    pub config: &'a Config,
    pub store: &'a Store,
    pub status: &'a Addr<CallStatusActor>,
    pub registry: &'a Addr<CallRegistry>,
    pub telemetry: &'a Telemetry,
    pub node: Arc<str>,
}

impl Bench<'_> {
    /// Starts looking after calls that stay open, if there is a carrier to ask.
    pub(super) fn start_sweeper(&self, carrier: Option<&Arc<dyn Carrier>>, beside: &Arbiter) {
        let Some(carrier) = carrier else { return };
        let parts = SweeperParts {
            carrier: Arc::clone(carrier),
            store: self.store.clone(),
            status: self.status.clone(),
            registry: self.registry.clone(),
            telemetry: self.telemetry.clone(),
            node: Arc::clone(&self.node),
            max_call: Duration::from_millis(self.config.limits.max_call_ms.into()),
            every: Duration::from_secs(self.config.calls.sweep_every_s.into()),
        };
        Sweeper::start(parts, &beside.handle());
    }
}
