//! One socket from the first message to the last.

use std::sync::Arc;

use actix_http::ws::CloseCode;
use tokio::time::timeout;

use crate::engine::ids::BusinessId;
use crate::engine::wire::browser::{FromBrowser, ToBrowser, decode};
use crate::telemetry::{Event, Refusal};

use super::door::{BrowserDoor, Guest, Refused};
use super::outbox::Outbox;
use super::talk;
use super::wire::{Came, Wire};

/// Carries one socket until it is closed.
pub(super) async fn run(mut wire: Wire, outbox: Outbox, door: Arc<BrowserDoor>, guest: Guest) {
    let wanted = match timeout(door.start_timeout, start(&mut wire, &outbox)).await {
        Ok(Start::Call(wanted)) => wanted,
        Ok(Start::Gone) => return outbox.close(CloseCode::Normal),
        Ok(Start::Senseless) => return refuse(&outbox, &door, (Refusal::BadToken, "the first message must be start")),
        Err(_) => return refuse(&outbox, &door, (Refusal::StartTimeout, "no start came")),
    };
    // A call that is claimed is a call, even if its caller has left by then.
    match door.admit(&guest, wanted).await {
        Ok((admission, reservation)) => talk::run(wire, outbox, door, admission, reservation).await,
        Err(refused) => refuse(&outbox, &door, refused),
    }
}

/// How a socket begins.
enum Start {
    /// With a call to this business.
    Call(Option<BusinessId>),
    /// With something else.
    Senseless,
    /// Not at all.
    Gone,
}

async fn start(wire: &mut Wire, outbox: &Outbox) -> Start {
    loop {
        match wire.next().await {
            Came::Text(text) => {
                return match std::str::from_utf8(&text).map(decode) {
                    Ok(Ok(FromBrowser::Start(business))) => Start::Call(business),
                    Ok(Ok(_) | Err(_)) | Err(_) => Start::Senseless,
                };
            }
            Came::Sound(_) => return Start::Senseless,
            Came::Ping(bytes) => outbox.pong(&bytes),
            Came::Closed | Came::Lost => return Start::Gone,
        }
    }
}

fn refuse(outbox: &Outbox, door: &BrowserDoor, (why, reason): Refused) {
    door.telemetry.record(Event::CallRefused { why });
    outbox.tell(&ToBrowser::Refused { reason });
    outbox.close(CloseCode::Policy);
}
