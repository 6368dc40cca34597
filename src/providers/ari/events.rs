//! The socket on which Asterisk tells.

use std::time::Duration;

use base64::Engine as _;
use futures_util::{SinkExt as _, StreamExt as _};
use secrecy::ExposeSecret as _;
use tokio::net::TcpStream;
use tokio::time::{Interval, interval, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderValue, header};
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config};

use crate::engine::wire::ari::{AriEvent, AriEventError};
use crate::providers::https;

use super::{AriAnswer, AriError, AriEvents, AriSettings};

/// How often Asterisk is asked whether it is there.
const PING_EVERY: Duration = Duration::from_secs(5);

/// So many questions in a row without a word, and it is not: after 15 s.
const UNANSWERED: u32 = 2;

struct Events {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pings: Interval,
    /// Questions since something came.
    asked: u32,
}

pub(super) async fn connect(settings: &AriSettings) -> Result<Box<dyn AriEvents>, AriError> {
    let mut url = settings.url.clone();
    let is_tls = url.scheme() == "https";
    let scheme = if is_tls { "wss" } else { "ws" };
    if url.set_scheme(scheme).is_err() {
        return Err(AriError::Unreachable("the address is neither http:// nor https://".to_owned()));
    }
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().push("events");
    }
    // Of our own channels and bridges, and no others.
    url.query_pairs_mut().append_pair("app", &settings.application).append_pair("subscribeAll", "false");
    let connector = match is_tls {
        true => Connector::Rustls(https::tls().ok_or_else(|| unreachable("no certificates to trust can be read"))?),
        false => Connector::Plain,
    };
    let mut request = url.as_str().into_client_request().map_err(|error| unreachable(&error.to_string()))?;
    let secret = format!("{}:{}", settings.username, settings.password.expose_secret());
    let secret = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(secret));
    let mut secret = HeaderValue::try_from(secret).map_err(|_| unreachable("the password can't stand in a header"))?;
    secret.set_sensitive(true);
    request.headers_mut().insert(header::AUTHORIZATION, secret);
    let opened = connect_async_tls_with_config(request, None, true, Some(connector));
    let (socket, _) = match timeout(settings.answer_within, opened).await {
        Ok(opened) => opened.map_err(not_opened)?,
        Err(_) => return Err(unreachable("no events' socket in time")),
    };
    Ok(Box::new(Events { socket, pings: interval(PING_EVERY), asked: 0 }))
}

impl AriEvents for Events {
    fn next(&mut self) -> AriAnswer<'_, Result<AriEvent, AriEventError>> {
        Box::pin(async {
            loop {
                tokio::select! {
                    came = self.socket.next() => {
                        self.asked = 0;
                        match came {
                            Some(Ok(Message::Text(text))) => return Ok(AriEvent::parse(text.as_str())),
                            Some(Ok(Message::Close(_))) | None => return Err(lost("closed by Asterisk")),
                            Some(Ok(_)) => {}
                            Some(Err(error)) => return Err(lost(&error.to_string())),
                        }
                    }
                    _ = self.pings.tick() => {
                        if self.asked >= UNANSWERED {
                            return Err(lost("no answer to a ping"));
                        }
                        self.asked += 1;
                        let sent = timeout(PING_EVERY, self.socket.send(Message::Ping(Vec::new().into()))).await;
                        if !matches!(sent, Ok(Ok(()))) {
                            return Err(lost("it takes nothing"));
                        }
                    }
                }
            }
        })
    }
}

fn unreachable(why: &str) -> AriError {
    AriError::Unreachable(why.to_owned())
}

fn lost(why: &str) -> AriError {
    AriError::Unreachable(format!("the events' socket is lost: {why}"))
}

fn not_opened(error: tungstenite::Error) -> AriError {
    match error {
        tungstenite::Error::Http(answer) => match answer.status().as_u16() {
            status @ (401 | 403) => AriError::Unauthorised(status),
            404 => AriError::NotFound,
            status => AriError::Refused(status),
        },
        error => AriError::Unreachable(error.to_string()),
    }
}
