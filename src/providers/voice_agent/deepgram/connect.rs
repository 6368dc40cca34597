//! Opening the WebSocket: the address, TLS, and what a refusal means.

use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use secrecy::ExposeSecret as _;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderValue, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config};
use url::Url;

use crate::engine::call::AgentLoss;
use crate::providers::voice_agent::secure::{TlsFault, is_this_machine, tls};

use super::settings::DeepgramSettings;

pub(super) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The largest message that is read: more than a minute of linear audio at 48 kHz.
const LARGEST_MESSAGE: usize = 8 << 20;
/// Small buffers: there is one socket per call, and 20 ms of audio are 320 bytes to 1.9 kB.
const BUFFER: usize = 4 << 10;

/// Why no session can ever be opened with these settings.
#[derive(Debug, Error)]
pub enum DeepgramSetupError {
    /// Not an address.
    #[error("deepgram.url is not a URL: {0}")]
    Url(#[from] url::ParseError),
    /// Neither `wss://`, nor `ws://` to this machine: the key would travel in the clear.
    #[error("deepgram.url must begin with wss://; ws:// is only for a host that is this machine")]
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

impl Gate {
    pub(super) fn new(settings: &DeepgramSettings, roots: Option<RootCertStore>) -> Result<Self, DeepgramSetupError> {
        let address = Url::parse(&settings.url)?;
        let connector = match address.scheme() {
            "wss" => Connector::Rustls(Arc::new(tls(roots)?)),
            "ws" if is_this_machine(&address) => Connector::Plain,
            _ => return Err(DeepgramSetupError::Insecure),
        };
        let authorization = format!("Token {}", settings.api_key.expose_secret());
        let mut authorization = HeaderValue::try_from(authorization).map_err(|_| DeepgramSetupError::Key)?;
        authorization.set_sensitive(true);
        Ok(Self { address, authorization, connector })
    }

    /// Opens a socket, within `limit`; otherwise says what happened, for the machine and for the operator.
    pub(super) async fn open(&self, limit: Duration) -> Result<Socket, (AgentLoss, String)> {
        match tokio::time::timeout(limit, self.connect()).await {
            Ok(Ok(socket)) => Ok(socket),
            Ok(Err(error)) => Err(not_opened(&error)),
            Err(_) => Err((AgentLoss::Unreachable, "no connection in time".to_owned())),
        }
    }

    async fn connect(&self) -> Result<Socket, tungstenite::Error> {
        let mut request = self.address.as_str().into_client_request()?;
        request.headers_mut().insert(header::AUTHORIZATION, self.authorization.clone());
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER)
            .write_buffer_size(0)
            .max_message_size(Some(LARGEST_MESSAGE))
            .max_frame_size(Some(LARGEST_MESSAGE));
        // Without Nagle: a frame of 20 ms must not wait for the one before it.
        let opened = connect_async_tls_with_config(request, Some(config), true, Some(self.connector.clone())).await?;
        Ok(opened.0)
    }
}

fn not_opened(error: &tungstenite::Error) -> (AgentLoss, String) {
    match error {
        tungstenite::Error::Http(answer) => {
            let status = answer.status().as_u16();
            let is_passing = matches!(status, 408 | 429 | 500..);
            let loss = if is_passing { AgentLoss::Unreachable } else { AgentLoss::Refused };
            (loss, format!("HTTP {status}"))
        }
        tungstenite::Error::Io(error) => (AgentLoss::Unreachable, format!("connection failed: {}", error.kind())),
        tungstenite::Error::Tls(error) => (AgentLoss::Unreachable, format!("TLS failed: {error}")),
        _ => (AgentLoss::Unreachable, "no WebSocket there".to_owned()),
    }
}
