//! The carrier: its account, its webhooks, and the calls that it brings.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use url::{Url, form_urlencoded};

use super::call::PhoneCall;
use super::complaint::Complaint;
use super::http::{self, Answer, HttpError, Request};
use super::line::{Line, Shared};
use super::message::Writer;
use super::mouth::Mouth;
use super::sid;
use super::signature::sign;
use super::twiml::{self, Connect, TwimlError, Verb};
use crate::clock;
use futures_util::SinkExt;

/// How long a refused upgrade's answer is waited for.
const UPGRADE_PATIENCE: Duration = Duration::from_secs(10);

/// Why a call did not come about, or did not go as it was wanted.
#[derive(Debug, Error)]
pub enum CarrierError {
    /// A URL that the carrier can't use.
    #[error("{what} {url:?} can't be used: {why}")]
    Url {
        /// Which URL.
        what: &'static str,
        /// As it was given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// A request that was not answered at all.
    #[error("{what}: {error}")]
    Http {
        /// Which request.
        what: &'static str,
        /// What happened.
        error: HttpError,
    },
    /// A request that was answered with something else than TwiML.
    #[error("{what} was answered with HTTP {status} and content type {content_type:?}")]
    Answer {
        /// Which request.
        what: &'static str,
        /// The HTTP status.
        status: u16,
        /// The content type.
        content_type: String,
    },
    /// TwiML that the carrier does not accept.
    #[error("{what} was answered with bad TwiML: {error}")]
    Twiml {
        /// Which request.
        what: &'static str,
        /// What is wrong.
        error: TwimlError,
    },
    /// The call was answered, but not with a media stream.
    #[error("the call was not connected; the instructions are {0:?}")]
    NotConnected(Vec<Verb>),
    /// The WebSocket upgrade was refused.
    #[error("31920: the upgrade was refused with HTTP {0}")]
    UpgradeRefused(u16),
    /// The WebSocket could not be opened for another reason.
    #[error("31921: the media stream could not be opened: {0}")]
    Upgrade(String),
    /// The stream ended before what was waited for.
    #[error("the stream ended while waiting for {waiting_for}")]
    StreamEnded {
        /// What was waited for.
        waiting_for: &'static str,
    },
    /// What was waited for did not come.
    #[error("waited {} ms for {waiting_for}", within.as_millis())]
    TimedOut {
        /// What was waited for.
        waiting_for: &'static str,
        /// How long.
        within: Duration,
    },
}

/// How a request is signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Signature {
    /// As it should be.
    #[default]
    Valid,
    /// With another account's token.
    Wrong,
    /// Not at all.
    Missing,
}

/// Which call, from whom, to whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CallIdentity {
    /// `CA` and 32 hexadecimal digits.
    pub call_sid: String,
    /// The caller's number.
    pub from: String,
    /// The number called.
    pub to: String,
}

impl CallIdentity {
    /// A call that never was before.
    pub fn fresh(from: &str, to: &str) -> Self {
        Self { call_sid: sid::fresh("CA"), from: from.to_owned(), to: to.to_owned() }
    }
}

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

/// The carrier, with one account and one number whose URLs are set to the server's.
#[derive(Clone, Debug)]
pub struct FakeTwilio {
    public_url: Url,
    address: Option<SocketAddr>,
    auth_token: String,
    account_sid: String,
    status_url: String,
}

impl FakeTwilio {
    /// A carrier whose number points to the server at `public_url` (`http://127.0.0.1:…` or, together with
    /// [`Self::through`], any `https://` URL).
    pub fn new(public_url: &str, auth_token: &str, account_sid: &str) -> Result<Self, CarrierError> {
        let wrong = |why: String| CarrierError::Url { what: "the server's URL", url: public_url.to_owned(), why };
        let url = Url::parse(public_url).map_err(|error| wrong(error.to_string()))?;
        let host = url.host().ok_or_else(|| wrong("it has no host".into()))?;
        let ip = match host {
            url::Host::Ipv4(ip) => Some(ip.into()),
            url::Host::Ipv6(ip) => Some(ip.into()),
            url::Host::Domain(_) => None,
        };
        let port = url.port_or_known_default().ok_or_else(|| wrong("it has no port".into()))?;
        Ok(Self {
            address: ip.map(|ip| SocketAddr::new(ip, port)),
            status_url: format!("{}/twilio/status#rc=5&rp=all", public_url.trim_end_matches('/')),
            public_url: url,
            auth_token: auth_token.to_owned(),
            account_sid: account_sid.to_owned(),
        })
    }

    /// Brings everything for the public URL to this address instead, as a proxy does that ends TLS.
    pub fn through(mut self, address: SocketAddr) -> Self {
        self.address = Some(address);
        self
    }

    /// The account.
    pub fn account_sid(&self) -> &str {
        &self.account_sid
    }

    /// A call arrives and its media stream is opened.
    pub async fn inbound_call(&self, from: &str, to: &str) -> Result<PhoneCall, CarrierError> {
        self.ring(CallIdentity::fresh(from, to)).await?.connect(StreamOptions::default()).await
    }

    /// A call arrives: the voice webhook is asked, and its instructions are read.
    pub async fn ring(&self, call: CallIdentity) -> Result<Ringing, CarrierError> {
        let what = "the voice webhook";
        let url = self.resolve("/twilio/voice")?;
        let answer = self.post(what, &url, &self.call_fields(&call, "ringing"), Signature::Valid).await?;
        let answered_after = answer.took;
        let verbs = instructions(what, answer)?;
        Ok(Ringing { carrier: self.clone(), call, verbs, answered_after })
    }

    /// The status callback of a call: `completed` with its length in seconds, or any other status. Like the
    /// carrier, which was told so by `#rc=5&rp=all`, it tries up to five times more while there is no 2xx.
    pub async fn status_callback(
        &self,
        call: &CallIdentity,
        status: &str,
        seconds: Option<u64>,
    ) -> Result<Answer, CarrierError> {
        let mut fields = self.call_fields(call, status);
        let timestamp = jiff::fmt::rfc2822::to_string(&timestamp()).unwrap_or_default();
        let [callback, progress] = ["CallbackSource", "call-progress-events"].map(str::to_owned);
        fields.extend([(callback, progress), ("SequenceNumber".into(), "0".into()), ("Timestamp".into(), timestamp)]);
        if let Some(seconds) = seconds {
            fields.push(("CallDuration".into(), seconds.to_string()));
            fields.push(("Duration".into(), seconds.div_ceil(60).to_string()));
        }
        let mut answer = self.post("the status callback", &self.status_url, &fields, Signature::Valid).await;
        for _ in 0..retries(&self.status_url) {
            if matches!(&answer, Ok(answer) if answer.is_success()) {
                break;
            }
            answer = self.post("the status callback", &self.status_url, &fields, Signature::Valid).await;
        }
        answer
    }

    /// Any webhook: a POST of these fields to `url`, whose fragment (connection overrides) is neither sent
    /// nor signed.
    pub async fn post(
        &self,
        what: &'static str,
        url: &str,
        fields: &[(String, String)],
        signature: Signature,
    ) -> Result<Answer, CarrierError> {
        let url = url.split('#').next().unwrap_or(url);
        let (address, host, target) = self.route(what, url)?;
        let mut headers = vec![
            ("Host", host),
            ("User-Agent", "TwilioProxy/1.1".to_owned()),
            ("Accept", "*/*".to_owned()),
            ("X-Forwarded-Proto", self.public_url.scheme().to_owned()),
            ("I-Twilio-Idempotency-Token", sid::fresh("")),
            ("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8".to_owned()),
        ];
        headers.extend(self.signed(signature, url, fields).map(|signed| ("X-Twilio-Signature", signed)));
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = Request { method: "POST", target, headers, body };
        http::send(address, &request).await.map_err(|error| CarrierError::Http { what, error })
    }

    /// The fields that every webhook of a call has.
    pub fn call_fields(&self, call: &CallIdentity, status: &str) -> Vec<(String, String)> {
        [
            ("AccountSid", self.account_sid.as_str()),
            ("ApiVersion", "2010-04-01"),
            ("CallSid", &call.call_sid),
            ("CallStatus", status),
            ("Called", &call.to),
            ("CalledCity", ""),
            ("CalledCountry", "US"),
            ("CalledState", ""),
            ("CalledZip", ""),
            ("Caller", &call.from),
            ("CallerCity", "SAN FRANCISCO"),
            ("CallerCountry", "US"),
            ("CallerState", "CA"),
            ("CallerZip", "94105"),
            ("Direction", "inbound"),
            ("From", &call.from),
            ("FromCity", "SAN FRANCISCO"),
            ("FromCountry", "US"),
            ("FromState", "CA"),
            ("FromZip", "94105"),
            ("To", &call.to),
            ("ToCity", ""),
            ("ToCountry", "US"),
            ("ToState", ""),
            ("ToZip", ""),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    fn signed(&self, signature: Signature, url: &str, fields: &[(String, String)]) -> Option<String> {
        match signature {
            Signature::Valid => Some(sign(&self.auth_token, url, fields)),
            Signature::Wrong => Some(sign("another account's token", url, fields)),
            Signature::Missing => None,
        }
    }

    /// A URL of the server, which may be relative to that of the voice webhook.
    fn resolve(&self, url: &str) -> Result<String, CarrierError> {
        let wrong = |error: url::ParseError| CarrierError::Url {
            what: "a URL in the TwiML",
            url: url.to_owned(),
            why: error.to_string(),
        };
        let base = self.public_url.join("/twilio/voice").map_err(wrong)?;
        Ok(base.join(url).map_err(wrong)?.into())
    }

    /// Where a URL leads: the address to connect to, the host to name, and the path and query to ask for.
    fn route(&self, what: &'static str, url: &str) -> Result<(SocketAddr, String, String), CarrierError> {
        let wrong = |why: &str| CarrierError::Url { what, url: url.to_owned(), why: why.to_owned() };
        let parsed = Url::parse(url).map_err(|error| wrong(&error.to_string()))?;
        let secure = |scheme: &str| matches!(scheme, "https" | "wss");
        if parsed.host() != self.public_url.host()
            || parsed.port_or_known_default() != self.public_url.port_or_known_default()
        {
            return Err(wrong("it leads to another server"));
        }
        if secure(parsed.scheme()) != secure(self.public_url.scheme()) {
            return Err(wrong("its scheme does not fit to the server's"));
        }
        let address = self.address.ok_or_else(|| wrong("the carrier was not told its address"))?;
        // As it was written, for it is what is signed.
        let authority = url.find("://").map_or(0, |at| at + 3);
        let path = url[authority..].find('/').map_or("/", |at| &url[authority + at..]);
        let host = match (parsed.host_str().unwrap_or_default(), parsed.port()) {
            (host, Some(port)) => format!("{host}:{port}"),
            (host, None) => host.to_owned(),
        };
        Ok((address, host, path.to_owned()))
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

    /// Opens the media stream that the instructions ask for. A second time makes a second socket.
    pub async fn connect(self, options: StreamOptions) -> Result<PhoneCall, CarrierError> {
        let Some(stream) = self.stream().cloned() else {
            return Err(CarrierError::NotConnected(self.verbs));
        };
        let stream_sid = sid::fresh("MZ");
        let mut callbacks = Vec::new();
        let mut socket = self.open(&stream.url, &options).await?;
        let broken = |error: WsError| CarrierError::Upgrade(error.to_string());
        let mut writer = Writer::new(&self.carrier.account_sid, &self.call.call_sid, &stream_sid);
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
                ("AccountSid", carrier.account_sid.clone()),
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

/// The instructions in an answer: HTTP 200, XML, and nothing that the carrier does not know.
fn instructions(what: &'static str, answer: Answer) -> Result<Vec<Verb>, CarrierError> {
    if answer.status != 200 || !matches!(answer.content_type.as_str(), "text/xml" | "application/xml") {
        let Answer { status, content_type, .. } = answer;
        return Err(CarrierError::Answer { what, status, content_type });
    }
    twiml::parse(&answer.body).map_err(|error| CarrierError::Twiml { what, error })
}

/// How many more times a callback is tried: the connection override `rc` in the URL's fragment, 0 to 5.
fn retries(url: &str) -> u32 {
    let fragment = url.split_once('#').map_or("", |(_, fragment)| fragment);
    let count = form_urlencoded::parse(fragment.as_bytes()).find(|(name, _)| name == "rc");
    count.and_then(|(_, count)| count.parse().ok()).map_or(1, |count: u32| count.min(5))
}

fn timestamp() -> jiff::Zoned {
    let now = jiff::Timestamp::from_microsecond(clock::wall_micros()).unwrap_or_default();
    now.to_zoned(jiff::tz::TimeZone::UTC)
}
