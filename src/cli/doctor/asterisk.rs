//! Whether calls from a PBX can come in: a call of our own, over its socket, and a look at what Asterisk knows of us.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::app;
use crate::cli::out::Out;
use crate::config::Config;
use crate::engine::audio::{FRAME, Hz8k, PcmFrame};
use crate::engine::wire::audiosocket::{CallUuid, Decoded, SocketMessage, decode, encode_audio, encode_id};
use crate::providers::ari::{Ari as _, AriError};

use super::complain;

/// How long a connection may take.
const CONNECTS_WITHIN: Duration = Duration::from_secs(2);
/// How long the agent may take to say its first word, the vendor's connection included.
const SPEAKS_WITHIN: Duration = Duration::from_secs(15);
/// Louder than silence, and what a resampler leaves of it.
const VOICED: u16 = 64;

/// Whether anything is to be looked at.
pub(super) fn is_used(config: &Config) -> bool {
    config.asterisk.audiosocket.enabled
}

/// How many things are wrong.
pub(super) async fn examine(config: &Config, out: &mut Out) -> usize {
    let mut wrong = 0;
    let audio = &config.asterisk.audiosocket;
    let socket = audio.reached_at(audio.listen);
    match call(&socket).await {
        Ok(()) => out.line(format_args!("ok: a call over {socket} hears the agent")),
        Err((what, remedy)) => {
            wrong += 1;
            complain(out, &format!("{socket}: {what}"), "no call from the PBX has an agent", remedy);
        }
    }
    let own = &config.asterisk.ari;
    let Some(ari) = app::asterisk_rest(own) else { return wrong };
    let registered = async {
        ari.ping().await?;
        ari.has_application(&own.app).await
    };
    let (what, remedy) = match registered.await {
        Ok(true) => {
            out.line(format_args!("ok: Asterisk has the application {}", own.app));
            return wrong;
        }
        Ok(false) => {
            (format!("Asterisk has no application {}", own.app), "start `trunkline serve` with this configuration")
        }
        Err(error) => (
            format!("asterisk.ari: {error}"),
            match error {
                AriError::Unauthorised(_) => "check asterisk.ari.username, ASTERISK_ARI_PASSWORD and ari.conf",
                _ => "check asterisk.ari.url, and that http.conf and ari.conf say enabled = yes",
            },
        ),
    };
    complain(out, &what, "no call comes by ARI", remedy);
    wrong + 1
}

/// Calls over the socket as the dialplan does, until the agent has said something.
async fn call(socket: &str) -> Result<(), (String, &'static str)> {
    let connected = timeout(CONNECTS_WITHIN, TcpStream::connect(socket)).await;
    let Ok(Ok(mut connection)) = connected else {
        return Err((
            "nobody listens there".to_owned(),
            "start `trunkline serve`, or check asterisk.audiosocket.advertise",
        ));
    };
    match timeout(SPEAKS_WITHIN, hear(&mut connection)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(why)) => Err((why, "see trunkline_calls_refused_total at /metrics, and asterisk.audiosocket.allow")),
        Err(_) => Err(("the agent says nothing".to_owned(), "see the service's log: the agent may be out of reach")),
    }
}

async fn hear(connection: &mut TcpStream) -> Result<(), String> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| error.to_string())?;
    // Of version 4, as the dialplan's are: never taken for one that the service issued.
    random[6] = 0x40 | random[6] & 0x0f;
    random[8] = 0x80 | random[8] & 0x3f;
    let closed = |_| "the call is refused".to_owned();
    connection.write_all(&encode_id(CallUuid::from_bytes(random))).await.map_err(closed)?;
    let (mut silence, mut heard) = (Vec::new(), Vec::new());
    encode_audio(&PcmFrame::<Hz8k>::silence(), &mut silence);
    let mut ticks = interval(FRAME);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut ear, mut mouth) = connection.split();
    loop {
        tokio::select! {
            _ = ticks.tick() => mouth.write_all(&silence).await.map_err(closed)?,
            came = ear.read_buf(&mut heard) => {
                if came.map_err(closed)? == 0 {
                    return Err("the call is refused".to_owned());
                }
                while let Some(Decoded { message, length }) = decode(&heard) {
                    match message {
                        Ok(SocketMessage::HangUp) => return Err("the call is refused".to_owned()),
                        Ok(SocketMessage::Audio { bytes, .. }) if is_voiced(bytes) => return Ok(()),
                        _ => {}
                    }
                    heard.drain(..length);
                }
            }
        }
    }
}

fn is_voiced(bytes: &[u8]) -> bool {
    bytes.as_chunks::<2>().0.iter().any(|pair| i16::from_le_bytes(*pair).unsigned_abs() > VOICED)
}
