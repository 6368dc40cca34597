//! The doors of the HTTP side: the carrier's webhooks and media sockets, the interface for operators, the probes.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::{self, Data, ServiceConfig};
use anyhow::Context;

use crate::actors::recording_supervisor::RecordingDesk;
use crate::actors::shelf::MakeShelf;
use crate::http::api::Api;
use crate::http::api::asterisk::AsteriskDesk;
use crate::http::api::businesses::BusinessDoor;
use crate::http::api::calls::place::DialDesk;
use crate::http::api::campaigns::CampaignDesk;
use crate::http::api::webhooks::HookDoor;
use crate::http::console::session::SessionBook;
use crate::http::health::Checks;
use crate::http::webhooks::Webhooks;
use crate::telemetry::Telemetry;
use crate::transport::browser::BrowserDoor;
use crate::transport::twilio_stream::{self, StreamDoor};

use super::plans::Makings;
use super::service::{Core, Parts, Workers};
use super::{api, checks, console, hooks};

/// Everything that answers over HTTP, shared by all threads.
pub(super) struct Doors {
    console: Option<Data<BrowserDoor>>,
    media: Data<StreamDoor>,
    webhooks: Data<Webhooks>,
    checks: Data<Checks>,
    figures: Data<Telemetry>,
    api: Data<Api>,
    shelves: MakeShelf,
    hooks: Data<HookDoor>,
    businesses: Data<BusinessDoor>,
    dial: Data<DialDesk>,
    campaigns: Data<CampaignDesk>,
    recordings: Data<RecordingDesk>,
    asterisk: Data<AsteriskDesk>,
}

impl Doors {
    /// # Errors
    ///
    /// A setting that a door is made of can't be used.
    pub(super) fn new(
        parts: &Parts,
        core: &Core,
        workers: &Workers,
        browsers: Makings,
        media: Data<StreamDoor>,
        shelves: MakeShelf,
    ) -> anyhow::Result<Self> {
        let (config, telemetry, store) = (&parts.config, &parts.telemetry, &parts.store);
        let recordings = RecordingDesk::new(store.clone(), Some(workers.supervisor.clone()), telemetry.clone());
        let api = Data::new(Api::new(
            config.api.clone(),
            &parts.admin,
            SessionBook::new(&config.console, config.http.public_url.as_ref()),
            store.clone(),
            config.database.pool,
            core.registry.clone(),
            telemetry.clone(),
        ));
        api::keep_fresh(&api);
        let console = console::door(core, browsers, &api)?;
        let businesses = &core.businesses.businesses;
        let (is_stopping, overload) = (Arc::clone(&core.is_stopping), Arc::clone(&core.overload));
        let checks = checks::checks(store.clone(), is_stopping, overload, core.ari.clone());
        Ok(Self {
            console,
            media,
            webhooks: Data::new(webhooks(parts, core, workers, recordings.clone())),
            checks: Data::new(Checks(checks)),
            figures: Data::new(telemetry.clone()),
            api,
            shelves,
            hooks: Data::new(hooks::start(config, store.clone(), telemetry.clone())?),
            businesses: Data::new(BusinessDoor {
                keeper: core.businesses.keeper.clone(),
                businesses: businesses.clone(),
                agents: config.agents(),
                refuse_receiver: hooks::refuse_receiver(config)?,
            }),
            dial: Data::new(DialDesk {
                dialler: workers.dialler.clone(),
                businesses: businesses.clone(),
                on_machine: config.calls.on_machine,
            }),
            campaigns: Data::new(CampaignDesk { settings: config.campaigns.clone() }),
            recordings: Data::new(recordings),
            asterisk: Data::new(asterisk_desk(parts, core)?),
        })
    }

    /// Opens them to the thread that asks.
    pub(super) fn open(&self, app: &mut ServiceConfig) {
        app.app_data(self.media.clone())
            .app_data(self.webhooks.clone())
            .app_data(self.checks.clone())
            .app_data(self.figures.clone())
            .app_data(self.api.clone())
            .app_data((self.shelves)())
            .app_data(self.hooks.clone())
            .app_data(self.businesses.clone())
            .app_data(web::PayloadConfig::new(self.api.settings.max_body_bytes))
            .app_data(self.dial.clone())
            .app_data(self.campaigns.clone())
            .app_data(self.recordings.clone())
            .app_data(self.asterisk.clone())
            .service(crate::http::only("GET", "/twilio/media").route(web::get().to(twilio_stream::accept)))
            .configure(|app| console::open(&self.console, app))
            .configure(crate::http::routes);
    }
}

fn webhooks(parts: &Parts, core: &Core, workers: &Workers, recordings: RecordingDesk) -> Webhooks {
    Webhooks {
        businesses: core.businesses.businesses.clone(),
        auth: core.auth.clone(),
        account: parts.config.twilio.account_sid.clone(),
        tokens: core.tokens.clone(),
        max_body_bytes: parts.config.http.max_body_bytes,
        // A little more than the actor's own patience: its answer, stored or spooled, is the usual one.
        status_patience: core.patience + Duration::from_millis(50),
        registry: core.registry.clone(),
        status: core.status.clone(),
        recorder: workers.recorder.clone(),
        capacity: core.capacity.clone(),
        dialler: workers.dialler.clone(),
        recordings,
        is_stopping: Arc::clone(&core.is_stopping),
        overload: Arc::clone(&core.overload),
        store: parts.store.clone(),
        telemetry: parts.telemetry.clone(),
    }
}

fn asterisk_desk(parts: &Parts, core: &Core) -> anyhow::Result<AsteriskDesk> {
    let listen = parts.pbx.as_ref().map(TcpListener::local_addr).transpose().context("asterisk.audiosocket.listen")?;
    Ok(AsteriskDesk {
        settings: parts.config.asterisk.audiosocket.clone(),
        listen,
        seal: core.seal.clone(),
        businesses: core.businesses.businesses.clone(),
        capacity: core.capacity.clone(),
        status: core.status.clone(),
        overload: Arc::clone(&core.overload),
        is_stopping: Arc::clone(&core.is_stopping),
    })
}
