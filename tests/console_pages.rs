//! The pages of the console in a real browser: calls are found, heard and read, businesses edited, campaigns steered.

#[path = "support/axe.rs"]
mod axe;
#[path = "support/calls.rs"]
mod calls;
#[path = "support/chromium.rs"]
mod chromium;
#[path = "support/http_service.rs"]
mod http_service;
#[path = "support/service.rs"]
mod service;
#[path = "support/skip.rs"]
mod skip;
#[path = "support/twilio_rest/mod.rs"]
mod twilio_rest;

mod console_pages {
    mod businesses;
    mod campaigns;
    mod history;
    mod live;
    mod manner;
    mod record;
    pub mod world;
}
