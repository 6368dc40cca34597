//! Opening the WebSocket: addresses, TLS, and what a refusal means.

use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use secrecy::ExposeSecret as _;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Response, StatusCode, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, handshake};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config};
use url::Url;

use crate::engine::call::AgentLoss;
use crate::providers::voice_agent::secure::{TlsFault, is_this_machine, tls};

use super::server_event::clean;
use super::settings::OpenAiSettings;

pub(super) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The largest message that is read: more than a minute of linear audio in one delta.
const LARGEST_MESSAGE: usize = 8 << 20;
/// Small buffers: there is one socket per call. What is written at once is 20 ms of audio, 1.3 kB; a delta of 200 ms
/// is 2.1 kB in µ-law, and for a longer one there is room as soon as its length is known.
const BUFFER: usize = 4 << 10;
/// What may wait for a vendor that does not read: 20 s of linear audio.
const LARGEST_BACKLOG: usize = 2 << 20;

/// Why no session can ever be opened with these settings.
#[derive(Debug, Error)]
pub enum OpenAiSetupError {
    /// Not an address.
    #[error("openai.url is not a URL: {0}")]
    Url(#[from] url::ParseError),
    /// Neither `wss://` nor `ws://`.
    #[error("openai.url must begin with wss://")]
    Scheme,
    /// The key would travel in the clear.
    #[error("openai.url may begin with ws:// only where the host is this machine; use wss://")]
    Insecure,
    /// The key can't stand in a header.
    #[error("the API key must be one line of ASCII text")]
    Key,
    /// Nobody can be trusted.
    #[error(transparent)]
    Tls(#[from] TlsFault),
}

/// Everything that a connection needs, made once.
pub(super) struct Gate {
    address: Url,
    authorization: HeaderValue,
    connector: Connector,
}

/// A socket that is open.
pub(super) struct Opened {
    pub(super) socket: Socket,
    /// The vendor's clock at that moment, in seconds since 1970, if it said.
    pub(super) vendor_time: Option<i64>,
}

/// A socket that is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NotOpened {
    pub(super) loss: AgentLoss,
    pub(super) detail: String,
}

impl Gate {
    /// Checks the settings. Certificates are those of the system (`SSL_CERT_FILE` and `SSL_CERT_DIR` name others)
    /// unless `roots` are given.
    pub(super) fn new(settings: &OpenAiSettings, roots: Option<RootCertStore>) -> Result<Self, OpenAiSetupError> {
        let mut address = Url::parse(&settings.url)?;
        address.query_pairs_mut().append_pair("model", &settings.model);
        let connector = match address.scheme() {
            "wss" => Connector::Rustls(Arc::new(tls(roots)?)),
            "ws" if is_this_machine(&address) => Connector::Plain,
            "ws" => return Err(OpenAiSetupError::Insecure),
            _ => return Err(OpenAiSetupError::Scheme),
        };
        let authorization = format!("Bearer {}", settings.api_key.expose_secret());
        let mut authorization = HeaderValue::try_from(authorization).map_err(|_| OpenAiSetupError::Key)?;
        authorization.set_sensitive(true);
        Ok(Self { address, authorization, connector })
    }

    /// Opens a socket, within `limit`.
    pub(super) async fn open(self: Arc<Self>, limit: Duration) -> Result<Opened, NotOpened> {
        match tokio::time::timeout(limit, self.connect()).await {
            Ok(Ok((socket, answer))) => Ok(Opened { socket, vendor_time: vendor_time(&answer) }),
            Ok(Err(error)) => Err(not_opened(&error)),
            Err(_) => Err(unreachable("no connection in time")),
        }
    }

    async fn connect(&self) -> Result<(Socket, handshake::client::Response), tungstenite::Error> {
        let mut request = self.address.as_str().into_client_request()?;
        request.headers_mut().insert(header::AUTHORIZATION, self.authorization.clone());
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER)
            .write_buffer_size(BUFFER)
            .max_write_buffer_size(LARGEST_BACKLOG)
            .max_message_size(Some(LARGEST_MESSAGE))
            .max_frame_size(Some(LARGEST_MESSAGE));
        // Without Nagle: a frame of 20 ms must not wait for the one before it.
        connect_async_tls_with_config(request, Some(config), true, Some(self.connector.clone())).await
    }
}

/// The vendor's `Date`: its `expires_at` is by the same clock, which is not ours.
fn vendor_time<T>(answer: &Response<T>) -> Option<i64> {
    let date = answer.headers().get(header::DATE)?.to_str().ok()?;
    Some(jiff::fmt::rfc2822::parse(date).ok()?.timestamp().as_second())
}

fn not_opened(error: &tungstenite::Error) -> NotOpened {
    match error {
        tungstenite::Error::Http(answer) => refused_by_http(answer.status(), answer.body().as_deref()),
        // The texts of these hold addresses and certificates' names, nothing of the call.
        tungstenite::Error::Io(error) => unreachable(&format!("connection failed: {}", error.kind())),
        tungstenite::Error::Tls(error) => unreachable(&format!("TLS failed: {error}")),
        _ => unreachable("no WebSocket there"),
    }
}

fn refused_by_http(status: StatusCode, body: Option<&[u8]>) -> NotOpened {
    let body = String::from_utf8_lossy(body.unwrap_or_default());
    let is_quota = body.contains("insufficient_quota");
    let loss = match status.as_u16() {
        429 if !is_quota => AgentLoss::Unreachable,
        408 | 500.. => AgentLoss::Unreachable,
        _ => AgentLoss::Refused,
    };
    let why = if is_quota { ", insufficient_quota" } else { "" };
    NotOpened { loss, detail: format!("HTTP {}{why}", status.as_u16()) }
}

fn unreachable(detail: &str) -> NotOpened {
    NotOpened { loss: AgentLoss::Unreachable, detail: detail.to_owned() }
}

/// The connection is there, and nobody at its other end.
pub(super) fn silent(was_ready: bool) -> NotOpened {
    let loss = if was_ready { AgentLoss::Dropped } else { AgentLoss::Unreachable };
    NotOpened { loss, detail: "no answer to a ping".to_owned() }
}

/// What the vendor's close frame means, `was_ready` telling whether the session was ever confirmed. The
/// vendor closes with 3000 and above for reasons that another try won't mend.
pub(super) fn closed(code: Option<u16>, reason: &str, was_ready: bool) -> NotOpened {
    let detail = match code {
        Some(code) => format!("closed with {code} {}", clean(reason)).trim_end().to_owned(),
        None => "connection lost".to_owned(),
    };
    let loss = match code {
        Some(3000..) if !was_ready => AgentLoss::Refused,
        _ if was_ready => AgentLoss::Dropped,
        _ => AgentLoss::Unreachable,
    };
    NotOpened { loss, detail }
}
