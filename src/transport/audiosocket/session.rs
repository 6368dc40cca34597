//! One connection from the first byte to the last.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::actors::call_registry::Reservation;
use crate::clock;
use crate::engine::audio::{Hz8k, PcmFrame};
use crate::engine::call::Farewell;
use crate::engine::ids::{CallSid, Digit};
use crate::engine::wire::audiosocket::{AudioSocketError, CallUuid, SocketMessage, SocketRate, encode_audio};
use crate::telemetry::Refusal;
use crate::transport::admission::Admission;

use super::door::{Over, SocketDoor};
use super::refuse;
use super::talk::{self, Began};
use super::wire::{Came, Wire};

/// How many keys are kept before the call begins: more than anybody presses in that time.
const EARLY_KEYS: usize = 50;

/// Carries one connection until it is closed.
pub(super) async fn run(socket: TcpStream, peer: IpAddr, door: Arc<SocketDoor>) {
    let mut wire = Wire::new(socket);
    let handshake = std::time::Duration::from_millis(door.settings.handshake_ms.into());
    let id = match timeout(handshake, first_message(&mut wire)).await {
        Ok(Ok(Some(id))) => id,
        Ok(Ok(None)) => return, // somebody looked whether the port is open
        Ok(Err(why)) => return close(wire, &door, why).await,
        Err(_) => return close(wire, &door, Refusal::StartTimeout).await,
    };
    match admitted(&mut wire, &door, id, peer).await {
        Ok((admission, reservation)) => carry(wire, door, admission, reservation).await,
        Err(why) => close(wire, &door, why).await,
    }
}

async fn close(wire: Wire, door: &SocketDoor, why: Refusal) {
    refuse(door, why);
    wire.hang_up().await;
}

/// The UUID; nothing, if the connection is closed before anything came.
async fn first_message(wire: &mut Wire) -> Result<Option<CallUuid>, Refusal> {
    loop {
        match wire
            .next(|message| if let Ok(SocketMessage::Id(id)) = message { Ok(Some(id)) } else { Err(Refusal::NoUuid) })
        {
            Some(first) => return first,
            None if wire.fill().await == Came::More => {}
            None if wire.is_empty() => return Ok(None),
            None => return Err(Refusal::NoUuid),
        }
    }
}

/// Asks the door, and goes on reading meanwhile. A call that is claimed is a call, even if its caller has left by then.
async fn admitted(
    wire: &mut Wire,
    door: &Arc<SocketDoor>,
    id: CallUuid,
    peer: IpAddr,
) -> Result<(Admission, Reservation), Refusal> {
    let asked = door.admit(id, peer);
    tokio::pin!(asked);
    let mut is_open = true;
    loop {
        tokio::select! {
            answer = &mut asked => return answer,
            came = wire.fill(), if is_open => is_open = came == Came::More,
        }
    }
}

/// Waits for the rate, then carries the call.
async fn carry(mut wire: Wire, door: Arc<SocketDoor>, admission: Admission, reservation: Reservation) {
    let (call, since) = (admission.call.clone(), clock::wall_micros());
    let mut keys = Vec::new();
    match timeout(door.idle_timeout, rate(&mut wire, &mut keys)).await {
        Ok(Ok(rate)) => {
            let began = Began { wire, door: Arc::clone(&door), admission, reservation, keys, since };
            match rate {
                SocketRate::Hz8k => talk::run(began, &door.plans.hz8k).await,
                SocketRate::Hz16k => talk::run(began, &door.plans.hz16k).await,
                SocketRate::Hz24k => talk::run(began, &door.plans.hz24k).await,
                SocketRate::Hz48k => talk::run(began, &door.plans.hz48k).await,
            }
        }
        Ok(Err(NoRate::HungUp)) => {
            never_began(&door, &call, since, reservation, "the caller left before any audio came")
        }
        Ok(Err(NoRate::Unsupported)) => {
            refuse(&door, Refusal::MediaUnsupported);
            never_began(&door, &call, since, reservation, "its audio is of a kind that no call can have");
            wire.hang_up().await;
        }
        Err(_) => {
            refuse(&door, Refusal::StartTimeout);
            never_began(&door, &call, since, reservation, "no audio came");
            wire.hang_up().await;
        }
    }
}

fn never_began(door: &SocketDoor, call: &CallSid, since: i64, reservation: Reservation, reason: &'static str) {
    reservation.ended(Farewell::HangUp);
    door.over(call, since, Over::Failed(reason));
}

/// Why the rate of a call will not be known.
enum NoRate {
    HungUp,
    Unsupported,
}

/// The rate that the first audio has, which is left to be read. Until it comes, the caller hears silence, as 8 kHz: every
/// Asterisk knows that kind, whatever the call turns out to be.
async fn rate(wire: &mut Wire, keys: &mut Vec<Digit>) -> Result<SocketRate, NoRate> {
    let mut ticks = tokio::time::interval(crate::engine::audio::FRAME);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        while let Some(message) = wire.peek() {
            match message {
                Ok(SocketMessage::Audio { rate, .. }) => return Ok(rate),
                Ok(SocketMessage::HangUp) => return Err(NoRate::HungUp),
                Ok(SocketMessage::Digit(digit)) if keys.len() < EARLY_KEYS => keys.push(digit),
                Ok(SocketMessage::Digit(_) | SocketMessage::Id(_)) | Err(AudioSocketError::Digit) => {}
                Err(AudioSocketError::Rate(_) | AudioSocketError::Kind(_) | AudioSocketError::Id(_)) => {
                    return Err(NoRate::Unsupported);
                }
            }
            wire.next(|_| ());
        }
        tokio::select! {
            came = wire.fill() => if came != Came::More { return Err(NoRate::HungUp) },
            _ = ticks.tick() => {
                let sent = match wire.is_flushed() {
                    true => wire.send(|out| encode_audio(&PcmFrame::<Hz8k>::silence(), out)),
                    false => wire.flush(),
                };
                sent.map_err(|_| NoRate::HungUp)?;
            }
        }
    }
}
