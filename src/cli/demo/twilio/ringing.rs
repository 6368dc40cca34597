//! A call that was answered with TwiML, and the media stream that this asks for.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::SinkExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use super::call::PhoneCall;
use super::carrier::{CallIdentity, FakeTwilio, instructions, timestamp};
use super::carrier_error::CarrierError;
use super::complaint::Complaint;
use super::line::{Line, Shared};
use super::message::Writer;
use super::mouth::Mouth;
use super::sid;
use super::signature::Signature;
use super::twiml::{Connect, Verb};
use crate::clock;

/// How long a refused upgrade's answer is waited for.
const UPGRADE_PATIENCE: Duration = Duration::from_secs(10);

/// How a media stream is opened. The default is what the carrier does; the rest is for tests of the server's guard.
#[derive(Clone, Debug)]
pub struct StreamOptions {
    /// The upgrade's signature.
    pub signature: Signature,
    /// What to send in `start` instead of the parameters in the TwiML.
    pub parameters: Option<Vec<(String, String)>>,
    /// A WebSocket subprotocol to ask for.
    pub subprotocol: Option<&'static str>,
    /// Whether `start` is sent, and audio after it.
    pub start: bool,
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self { signature: Signature::Valid, parameters: None, subprotocol: None, start: true }
    }
}

/// A call that has been answered with instructions.
#[derive(Clone, Debug)]
pub struct Ringing {
    pub(super) carrier: FakeTwilio,
    /// Which call.
    pub call: CallIdentity,
    /// What the server wants done.
    pub verbs: Vec<Verb>,
    /// How long the webhook took.
    pub answered_after: Duration,
}

impl Ringing {
    /// The media stream that the server wants, if it wants one.
    pub fn stream(&self) -> Option<&Connect> {
        match self.verbs.first() {
            Some(Verb::Connect(connect)) => Some(connect),
            _ => None,
        }
    }

    /// The same call, whose media stream a balancer brings to this address.
    pub fn through(mut self, address: SocketAddr) -> Self {
        self.carrier = self.carrier.through(address);
        self
    }

    /// Opens the media stream that the instructions ask for. A second time makes a second socket.
    pub async fn connect(self, options: StreamOptions) -> Result<PhoneCall, CarrierError> {
        let Some(stream) = self.stream().cloned() else {
            return Err(CarrierError::NotConnected(self.verbs));
        };
        let stream_sid = sid::fresh("MZ");
        let mut callbacks = Vec::new();
        let mut socket = self.open(&stream.url, &options).await?;
        let broken = |error: WsError| CarrierError::Upgrade(error.to_string());
        let mut writer = Writer::new(self.carrier.account_sid(), &self.call.call_sid, &stream_sid);
        socket.send(Message::text(writer.connected())).await.map_err(broken)?;
        let shared = Shared::new(clock::now());
        if options.start {
            let parameters = options.parameters.as_deref().unwrap_or(&stream.parameters);
            socket.send(Message::text(writer.start(parameters))).await.map_err(broken)?;
            self.stream_event("stream-started", &stream_sid, &mut callbacks);
        }
        let (orders, received) = mpsc::unbounded_channel();
        let line = Line {
            shared: shared.clone(),
            socket,
            writer,
            stream_sid: stream_sid.clone(),
            orders: received,
            started: options.start,
            mouth: Mouth::default(),
            frame: 1,
        };
        tokio::spawn(line.run());
        Ok(PhoneCall { ringing: self, stream_sid, shared, orders, callbacks })
    }

    async fn open(
        &self,
        url: &str,
        options: &StreamOptions,
    ) -> Result<tokio_tungstenite::WebSocketStream<TcpStream>, CarrierError> {
        let (address, _, _) = self.carrier.route("the stream's url", url)?;
        let broken = |error: &dyn std::fmt::Display| CarrierError::Upgrade(error.to_string());
        let mut request = url.into_client_request().map_err(|error| broken(&error))?;
        let headers = request.headers_mut();
        headers.insert("User-Agent", HeaderValue::from_static("Twilio.TmeWs/1.0"));
        headers.insert(
            "X-Forwarded-Proto",
            HeaderValue::from_static(if url.starts_with("wss:") { "https" } else { "http" }),
        );
        if let Some(signed) = self.carrier.signed(options.signature, url, &[]) {
            let signed = HeaderValue::from_str(&signed).map_err(|error| broken(&error))?;
            headers.insert("X-Twilio-Signature", signed);
        }
        if let Some(subprotocol) = options.subprotocol {
            headers.insert("Sec-WebSocket-Protocol", HeaderValue::from_static(subprotocol));
        }
        let connection = TcpStream::connect(address).await.map_err(|error| broken(&error))?;
        connection.set_nodelay(true).map_err(|error| broken(&error))?;
        let opened = tokio::time::timeout(UPGRADE_PATIENCE, client_async(request, connection)).await;
        match opened {
            Ok(Ok((socket, _))) => Ok(socket),
            Ok(Err(WsError::Http(answer))) => Err(CarrierError::UpgradeRefused(answer.status().as_u16())),
            Ok(Err(error)) => Err(broken(&error)),
            Err(_) => Err(CarrierError::Upgrade("no answer to the upgrade".to_owned())),
        }
    }

    /// Asks the `<Connect action>` how to go on, now that the server has ended the stream.
    pub(super) async fn ask_action(&self) -> Result<Vec<Verb>, CarrierError> {
        let Some(action) = self.stream().and_then(|stream| stream.action.as_deref()) else {
            return Ok(Vec::new());
        };
        let what = "the action request";
        let url = self.carrier.resolve(action)?;
        let fields = self.carrier.call_fields(&self.call, "in-progress");
        instructions(what, self.carrier.post(what, &url, &fields, Signature::Valid).await?)
    }

    /// Tells the stream's status callback, if there is one, what happened to the stream.
    pub(super) fn stream_event(
        &self,
        event: &'static str,
        stream_sid: &str,
        callbacks: &mut Vec<JoinHandle<Option<Complaint>>>,
    ) {
        let Some(callback) = self.stream().and_then(|stream| stream.status_callback.clone()) else {
            return;
        };
        let (carrier, call_sid, stream_sid) = (self.carrier.clone(), self.call.call_sid.clone(), stream_sid.to_owned());
        callbacks.push(tokio::spawn(async move {
            let fields = [
                ("AccountSid", carrier.account_sid().to_owned()),
                ("CallSid", call_sid),
                ("StreamSid", stream_sid.clone()),
                ("StreamName", stream_sid),
                ("StreamEvent", event.to_owned()),
                ("Timestamp", timestamp().timestamp().to_string()),
            ]
            .map(|(name, value)| (name.to_owned(), value));
            let told = match carrier.resolve(&callback) {
                Ok(url) => carrier.post("a stream callback", &url, &fields, Signature::Valid).await,
                Err(error) => Err(error),
            };
            let answer = match told {
                Ok(answer) if answer.is_success() => return None,
                Ok(answer) => format!("HTTP {}", answer.status),
                Err(error) => error.to_string(),
            };
            Some(Complaint::Webhook { what: format!("the stream callback {event}"), answer })
        }));
    }
}
