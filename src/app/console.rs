//! The console, and the calls that are placed from it.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::{self, Data, ServiceConfig};
use anyhow::Context;

use crate::engine::audio::Hz16k;
use crate::http::api::Api;
use crate::http::console;
use crate::transport::browser::{self, BrowserDoor, Guest};

use super::agents::Agents;
use super::plans::{Makings, plans};
use super::service::Core;

/// The door through which a browser's calls come; `None` if there is no console.
pub(super) fn door(core: &Core, makings: Makings, api: &Data<Api>) -> anyhow::Result<Option<Data<BrowserDoor>>> {
    let config = Arc::clone(&makings.config);
    if !config.console.enabled {
        return Ok(None);
    }
    // Closing the socket ends the call: there is nobody else to ask.
    let makings = Makings { carrier: None, recorder: None, can_transfer: false, ..makings };
    let api = api.clone();
    Ok(Some(Data::new(BrowserDoor {
        may_call: Box::new(move |request| console::door::may_call(request, &api).map(|business| Guest { business })),
        start_timeout: Duration::from_millis(config.media.start_timeout_ms.into()),
        businesses: core.businesses.businesses.clone(),
        registry: core.registry.clone(),
        status: core.status.clone(),
        capacity: makings.capacity.clone(),
        overload: Arc::clone(&core.overload),
        is_stopping: Arc::clone(&core.is_stopping),
        claim: Arc::clone(&core.claim),
        telemetry: makings.telemetry.clone(),
        plan: plans(makings, Agents::<Hz16k>::at_rate(&config).context("agent")?),
    })))
}

/// Opens the console to the thread that asks.
pub(super) fn open(door: &Option<Data<BrowserDoor>>, app: &mut ServiceConfig) {
    let Some(door) = door else { return };
    app.app_data(door.clone())
        .service(crate::http::only("GET", "/console/call").route(web::get().to(browser::accept)))
        .configure(console::routes);
}
