//! Plain HTTP to the service, byte by byte, and webhooks signed as the carrier signs them.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use trunkline::cli::demo::twilio::{fresh_sid, sign};
use url::form_urlencoded;

use crate::service::{ACCOUNT, CALLED, CALLER, PUBLIC_URL, Service, auth_token};

/// How long an answer is waited for before the test fails.
const PATIENCE: Duration = Duration::from_secs(40);

/// One connection, kept alive for as long as the server does.
pub struct Http {
    socket: TcpStream,
    received: Vec<u8>,
}

/// What the server said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let headers = self.head.lines().filter_map(|line| line.split_once(':'));
        headers.filter(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Http {
    pub async fn to(address: SocketAddr) -> Self {
        Self { socket: TcpStream::connect(address).await.unwrap(), received: Vec::new() }
    }

    /// Sends bytes as they are; whether the server still takes any.
    pub async fn send(&mut self, bytes: &[u8]) -> bool {
        self.socket.write_all(bytes).await.is_ok()
    }

    /// Asks, and waits for the answer.
    pub async fn ask(&mut self, request: &Request) -> Answer {
        self.send(&request.bytes()).await;
        let answer = match request.method {
            "HEAD" => self.answer_to_head().await,
            _ => self.answer().await,
        };
        answer.unwrap_or_else(|| panic!("no answer to {} {}", request.method, request.target))
    }

    /// The next answer; `None` if the server closes the connection instead.
    pub async fn answer(&mut self) -> Option<Answer> {
        tokio::time::timeout(PATIENCE, self.read(true)).await.expect("an answer, or the end, in time")
    }

    async fn answer_to_head(&mut self) -> Option<Answer> {
        tokio::time::timeout(PATIENCE, self.read(false)).await.expect("an answer, or the end, in time")
    }

    /// Whether the server closes the connection without saying anything more.
    pub async fn is_closed(&mut self) -> bool {
        self.answer().await.is_none()
    }

    async fn read(&mut self, has_body: bool) -> Option<Answer> {
        let head_ends = loop {
            if let Some(at) = self.received.windows(4).position(|window| window == b"\r\n\r\n") {
                break at;
            }
            self.receive().await?;
        };
        let head = String::from_utf8(self.received[..head_ends].to_vec()).expect("the head is text");
        let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).expect("HTTP/1.1").parse().unwrap();
        let mut answer = Answer { status, head, body: String::new() };
        self.received.drain(..head_ends + 4);
        let length: usize = answer.header("Content-Length").map_or(0, |length| length.parse().unwrap());
        if answer.header("Transfer-Encoding").is_some() {
            let is_table = answer.header("Content-Type").is_some_and(|kind| kind.starts_with("text/csv"));
            assert!(is_table, "every answer but a table has a length: {answer:?}");
            answer.body = String::from_utf8(self.chunks().await?).expect("the body is text");
        } else if has_body {
            while self.received.len() < length {
                self.receive().await?;
            }
            answer.body = String::from_utf8(self.received.drain(..length).collect()).expect("the body is text");
        }
        Some(answer)
    }

    /// A body in chunks (RFC 9112, 7.1); `None` if it breaks off.
    async fn chunks(&mut self) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line_ends = loop {
                if let Some(at) = self.received.windows(2).position(|window| window == b"\r\n") {
                    break at;
                }
                self.receive().await?;
            };
            let line = String::from_utf8(self.received.drain(..line_ends + 2).collect()).expect("a length is text");
            let length = usize::from_str_radix(line.trim(), 16).expect("a chunk begins with its length");
            while self.received.len() < length + 2 {
                self.receive().await?;
            }
            body.extend(self.received.drain(..length));
            self.received.drain(..2);
            if length == 0 {
                return Some(body);
            }
        }
    }

    async fn receive(&mut self) -> Option<()> {
        match self.socket.read_buf(&mut self.received).await {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(()),
        }
    }
}

/// Asks once, on a connection of its own.
pub async fn ask(address: SocketAddr, request: &Request) -> Answer {
    Http::to(address).await.ask(request).await
}

/// A request, as it will stand on the wire.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: &'static str,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn new(method: &'static str, target: &str) -> Self {
        let headers = vec![("Host".to_owned(), "calls.example.com".to_owned())];
        Self { method, target: target.to_owned(), headers, body: Vec::new() }
    }

    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// A form.
    pub fn form(target: &str, fields: &[(String, String)]) -> Self {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        Self::raw_form(target, body)
    }

    /// A form, encoded already, or what claims to be one.
    pub fn raw_form(target: &str, body: impl Into<Vec<u8>>) -> Self {
        let request = Self::new("POST", target).with("Content-Type", "application/x-www-form-urlencoded");
        Self { body: body.into(), ..request }
    }

    /// A JSON body, or what claims to be one; its hash stands in the query, as the carrier puts it there.
    pub fn json(target: &str, body: impl Into<Vec<u8>>) -> Self {
        use sha2::Digest;
        let body = body.into();
        let mut target = format!("{target}{}bodySHA256=", if target.contains('?') { '&' } else { '?' });
        for byte in sha2::Sha256::digest(&body) {
            write!(target, "{byte:02x}").unwrap();
        }
        Self { body, ..Self::new("POST", &target).with("Content-Type", "application/json") }
    }

    /// With this header, instead of one of the same name.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Signed for this address of the server.
    pub fn signed(self, auth_token: &str, base: &str) -> Self {
        let url = format!("{base}{}", self.target);
        self.signed_over(auth_token, &url)
    }

    /// Signed over this URL and the form in the body, if it is one.
    pub fn signed_over(self, auth_token: &str, url: &str) -> Self {
        let is_form = self.headers.iter().any(|(_, value)| value == "application/x-www-form-urlencoded");
        let body = if is_form { &self.body[..] } else { &[] };
        let mut fields: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
        fields.sort();
        fields.dedup();
        let signature = sign(auth_token, url, &fields);
        self.with("X-Twilio-Signature", &signature)
    }

    /// The head and the body.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head(self.body.len());
        bytes.extend(&self.body);
        bytes
    }

    /// The head alone, which promises a body of this length.
    pub fn head(&self, length: usize) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        if self.method == "POST" || length > 0 {
            write!(head, "Content-Length: {length}\r\n").unwrap();
        }
        head.push_str("\r\n");
        head.into_bytes()
    }
}

/// A call, as the carrier's webhooks name it.
#[derive(Clone, Debug)]
pub struct Caller {
    pub call_sid: String,
    pub to: String,
}

impl Caller {
    /// Who calls the number of every test.
    pub fn new() -> Self {
        Self::of(CALLED)
    }

    /// Who calls this number.
    pub fn of(to: &str) -> Self {
        Self { call_sid: fresh_sid("CA"), to: to.to_owned() }
    }

    pub fn sid(&self) -> trunkline::engine::ids::CallSid {
        self.call_sid.parse().unwrap()
    }

    /// The fields that every webhook of the call has, and these.
    pub fn fields(&self, status: &str, more: &[(&str, &str)]) -> Vec<(String, String)> {
        let own = [
            ("AccountSid", ACCOUNT),
            ("ApiVersion", "2010-04-01"),
            ("CallSid", &self.call_sid),
            ("CallStatus", status),
            ("Direction", "inbound"),
            ("From", CALLER),
            ("To", &self.to),
            ("ToCity", ""),
        ];
        own.iter().chain(more).map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    pub fn voice(&self) -> Request {
        Request::form("/twilio/voice", &self.fields("ringing", &[]))
    }

    /// The status callback; with the carrier's own time, as always.
    pub fn status(&self, status: &str, more: &[(&str, &str)]) -> Request {
        let mut fields = self.fields(status, &[("Timestamp", "Tue, 03 Nov 2020 10:15:30 +0000")]);
        fields.extend(more.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())));
        Request::form("/twilio/status", &fields)
    }

    /// What the carrier asks after a transfer whose second leg ended so.
    pub fn dial_ended(&self, status: &str, leg: &str, dialled: &str) -> Request {
        let more = [("DialCallSid", leg), ("DialCallStatus", dialled), ("DialCallDuration", "0")];
        Request::form("/twilio/dial-ended", &self.fields(status, &more))
    }

    pub fn amd(&self, answered_by: &str, millis: &str) -> Request {
        let more = [("AnsweredBy", answered_by), ("MachineDetectionDuration", millis)];
        Request::form("/twilio/amd", &self.fields("in-progress", &more))
    }

    pub fn stream_ended(&self, status: &str) -> Request {
        Request::form("/twilio/stream-ended", &self.fields(status, &[]))
    }
}

/// A service that is asked plain HTTP.
pub trait Asked {
    /// Asks with a signature for [`PUBLIC_URL`], on a connection of its own.
    fn webhook(&self, request: Request) -> impl Future<Output = Answer>;
    /// Asks as it is, on a connection of its own.
    fn get(&self, target: &str) -> impl Future<Output = Answer>;
    /// What the carrier signs with.
    fn token(&self) -> &str;
    /// The value of a metric, as [`Service::metric`], or 0 where nothing was counted yet.
    fn figure(&self, series: &str) -> f64;
}

impl Asked for Service {
    async fn webhook(&self, request: Request) -> Answer {
        ask(self.address(), &request.signed(self.token(), PUBLIC_URL)).await
    }

    async fn get(&self, target: &str) -> Answer {
        ask(self.address(), &Request::get(target)).await
    }
    fn token(&self) -> &str {
        auth_token(&self.config)
    }

    fn figure(&self, series: &str) -> f64 {
        let is_there = self.telemetry.render().contains(&format!("\ntrunkline_{series} "));
        if is_there { self.metric(series) } else { 0.0 }
    }
}
