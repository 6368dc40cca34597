//! AudioSocket: the TCP connection with which an Asterisk PBX brings the audio of one call.
//!
//! A connection's life: its UUID within the time limit ([`door`] says whose call that is, or refuses), then the call is
//! reserved and claimed, and with the first audio, whose kind fixes the rate for as long as the call lasts, it begins.
//! The connection is read all the time, whatever else happens: Asterisk writes without waiting and ends a call whose
//! write fails. It is written to every 20 ms, silence included: Asterisk ends a call on which nothing moves.
//!
//! | file | what it is |
//! |---|---|
//! | `door` | the checks between a connection and a call, and what is told of its end |
//! | `crowd` | how many connections there may be |
//! | `wire` | the connection itself: bytes to messages, frames to bytes |
//! | `session` | one connection from the first byte to the last |
//! | `talk` | the part of it in which there is a call |
//! | `outbox` | what the call says, on its way to the connection |
//!
//! The end of the connection is the end of the call, as far as the record is concerned: closed by Asterisk, the caller has
//! left; closed by us, the dialplan goes on behind `AudioSocket()`. What is wrong is answered with kind `0x00` or a
//! close, never with `0xff`, which Asterisk takes for a broken call.

mod crowd;
mod door;
mod outbox;
mod session;
mod talk;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use crate::telemetry::{Event, Refusal};

pub use crowd::Crowd;
pub use door::{IsAllowed, Plans, SocketDoor};

/// A peer that acknowledges nothing for this long is gone.
const PEER_GONE_AFTER: Duration = Duration::from_secs(15);
/// How long to wait when the system has no connection to give: it lacks files or memory.
const SYSTEM_RECOVERS_IN: Duration = Duration::from_millis(100);

/// Takes connections on this thread as long as its event loop runs. Every thread that carries calls does, at the same
/// listener: the one that has time comes first.
///
/// # Errors
/// The system can't watch the listener.
pub fn listen(listener: std::net::TcpListener, door: Arc<SocketDoor>) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    actix_rt::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((socket, peer)) => take(socket, peer.ip().to_canonical(), &door),
                Err(_) => tokio::time::sleep(SYSTEM_RECOVERS_IN).await,
            }
        }
    });
    Ok(())
}

fn take(socket: TcpStream, peer: std::net::IpAddr, door: &Arc<SocketDoor>) {
    let place = match door.place_for(peer) {
        Ok(place) => place,
        Err(why) => return refuse(door, why),
    };
    // Without this a frame would wait for the acknowledgement of the one before it.
    if socket.set_nodelay(true).is_err() {
        return; // it is closed already
    }
    // Where the system knows no such limit, a dead peer is found by the call's own watchdog.
    socket2::SockRef::from(&socket).set_tcp_user_timeout(Some(PEER_GONE_AFTER)).ok();
    let door = Arc::clone(door);
    actix_rt::spawn(async move {
        session::run(socket, peer, door).await;
        drop(place);
    });
}

fn refuse(door: &SocketDoor, why: Refusal) {
    door.telemetry.record(Event::CallRefused { why });
}
