//! A browser that logs in and places a call, without a browser: what its pages send, and what they hear.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};
use trunkline::engine::audio::g711::decode_ulaw;
use trunkline::engine::audio::{Hz8k, Hz16k, Level, Resampler};

use crate::http_service::{Answer, Request, ask};
use crate::service::{PATIENCE, Service};

/// Louder than silence and what a resampler leaves of it.
const VOICED: u32 = 64;

/// Somebody who is logged in.
#[derive(Clone)]
pub struct Visitor {
    pub address: std::net::SocketAddr,
    pub origin: String,
    pub cookie: String,
    pub proof: String,
}

impl Visitor {
    /// Logs in with a token.
    pub async fn with(service: &Service, token: &str) -> Self {
        let origin = format!("http://{}", service.address());
        let answer = log_in(service, token, &origin).await;
        assert_eq!(answer.status, 204, "{answer:?}");
        let cookie = answer.header("Set-Cookie").unwrap().split(';').next().unwrap().to_owned();
        let mut visitor = Self { address: service.address(), origin, cookie, proof: String::new() };
        visitor.proof = visitor.get("/console/session").await.json()["csrf_token"].as_str().unwrap().to_owned();
        visitor
    }

    pub async fn get(&self, target: &str) -> Answer {
        ask(self.address, &Request::get(target).with("Cookie", &self.cookie)).await
    }

    /// Changes something, as a page of ours does.
    pub async fn send(&self, request: Request) -> Answer {
        ask(self.address, &request.with("Cookie", &self.cookie).with("X-CSRF-Token", &self.proof)).await
    }

    /// Opens the socket of a call; else the status of the refusal.
    pub async fn socket(&self) -> Result<WebSocketStream<TcpStream>, u16> {
        let mut request = format!("ws://{}/console/call", self.address).into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("Origin", self.origin.parse().unwrap());
        headers.insert("Cookie", self.cookie.parse().unwrap());
        headers.insert("Sec-WebSocket-Protocol", "trunkline.call.v1".parse().unwrap());
        match client_async(request, TcpStream::connect(self.address).await.unwrap()).await {
            Ok((socket, _)) => Ok(socket),
            Err(Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    /// Calls this business.
    pub async fn call(&self, business: &str) -> BrowserCall {
        let mut call = self.says(&json!({ "type": "start", "business": business })).await;
        let ready = call.told("ready").await;
        assert_eq!((&ready["rate_hz"], &ready["frame_ms"]), (&json!(16_000), &json!(20)));
        call.sid = ready["call_sid"].as_str().unwrap().to_owned();
        call
    }

    /// Opens a socket, and says this first.
    pub async fn says(&self, first: &Value) -> BrowserCall {
        let (mut sink, stream) = self.socket().await.unwrap().split();
        sink.send(Message::text(first.to_string())).await.unwrap();
        BrowserCall { sid: String::new(), sink, stream, to_say: Vec::new(), frames: 0, voiced: 0, is_deaf: false }
    }
}

pub async fn log_in(service: &Service, token: &str, origin: &str) -> Answer {
    let body = json!({ "token": token }).to_string();
    let request = Request::new("POST", "/console/login")
        .with("Content-Type", "application/json")
        .with("Origin", origin)
        .with("Host", &service.address().to_string());
    ask(service.address(), &Request { body: body.into(), ..request }).await
}

/// A call from a browser that plays what it gets at once, and says so.
pub struct BrowserCall {
    pub sid: String,
    sink: SplitSink<WebSocketStream<TcpStream>, Message>,
    stream: SplitStream<WebSocketStream<TcpStream>>,
    to_say: Vec<i16>,
    /// Frames of the agent, and those of them in which somebody speaks.
    pub frames: usize,
    pub voiced: usize,
    /// Whether marks are not sent back: nothing was heard.
    pub is_deaf: bool,
}

impl BrowserCall {
    /// What the caller says next, 8 kHz µ-law.
    pub fn speaks(&mut self, ulaw: &[u8]) {
        let (mut narrow, mut wide) = (vec![0; ulaw.len()], Vec::new());
        decode_ulaw(ulaw, &mut narrow);
        let mut resampler = Resampler::<Hz8k, Hz16k>::new();
        resampler.process(&narrow, &mut wide);
        self.to_say = wide;
    }

    pub async fn sends(&mut self, message: &Value) {
        self.sink.send(Message::text(message.to_string())).await.unwrap();
    }

    pub async fn sends_bytes(&mut self, bytes: Vec<u8>) {
        self.sink.send(Message::binary(bytes)).await.unwrap();
    }

    /// Waits for a text message of this type.
    pub async fn told(&mut self, kind: &str) -> Value {
        self.until(kind, |message| message["type"] == kind).await
    }

    /// Waits for a message, and speaks meanwhile as a microphone does: 20 ms every 20 ms.
    pub async fn until(&mut self, what: &str, mut is_it: impl FnMut(&Value) -> bool) -> Value {
        let wait = self.carry(&mut is_it);
        match timeout(PATIENCE, wait).await {
            Ok(Some(message)) => message,
            Ok(None) => panic!("the socket was closed before: {what}"),
            Err(_) => panic!("waited in vain: {what}"),
        }
    }

    /// Waits until the agent was heard to speak for so long from now on.
    pub async fn until_agent_spoke(&mut self, millis: usize) {
        let wanted = self.voiced + millis / 20;
        let wait = async {
            while self.voiced < wanted {
                assert!(self.carry(&mut |message| message["type"] == "levels").await.is_some(), "it is closed");
            }
        };
        timeout(PATIENCE, wait).await.expect("the agent speaks");
    }

    /// Waits until the agent was silent for so long.
    pub async fn until_agent_is_silent(&mut self, millis: u64) {
        let levels = millis / 100;
        let mut silent = 0;
        self.until("the agent is silent", |message| {
            if message["type"] == "levels" {
                silent = if message["agent_dbfs"].as_i64().unwrap() < -60 { silent + 1 } else { 0 };
            }
            silent >= levels
        })
        .await;
    }

    async fn carry(&mut self, is_it: &mut impl FnMut(&Value) -> bool) -> Option<Value> {
        let mut ticks = interval(Duration::from_millis(20));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {
                    let count = 320.min(self.to_say.len());
                    let mut frame: Vec<i16> = self.to_say.drain(..count).collect();
                    frame.resize(320, 0);
                    let bytes: Vec<u8> = frame.iter().flat_map(|sample| sample.to_le_bytes()).collect();
                    self.sink.send(Message::binary(bytes)).await.ok();
                }
                message = self.stream.next() => match message {
                    Some(Ok(Message::Text(text))) => {
                        let message: Value = serde_json::from_str(&text).unwrap();
                        if message["type"] == "mark" && !self.is_deaf {
                            self.sink.send(Message::text(text)).await.ok();
                        }
                        if is_it(&message) {
                            return Some(message);
                        }
                    }
                    Some(Ok(Message::Binary(bytes))) => {
                        assert_eq!(bytes.len(), 640, "20 ms at 16 kHz");
                        let samples: Vec<i16> =
                            bytes.as_chunks::<2>().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect();
                        self.frames += 1;
                        self.voiced += usize::from(Level::of_samples(&samples).peak > VOICED);
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return None,
                }
            }
        }
    }

    /// Waits for the end: whether it was said before the socket closed, and why.
    pub async fn ended(mut self) -> Option<String> {
        let ended = timeout(PATIENCE, self.carry(&mut |message| message["type"] == "ended")).await.expect("an end");
        let cause = ended?["cause"].as_str().map(str::to_owned);
        let closed = timeout(PATIENCE, self.carry(&mut |_| false)).await.expect("the socket is closed");
        assert_eq!(closed, None);
        cause
    }

    pub async fn hangs_up(mut self) -> Option<String> {
        self.sends(&json!({ "type": "hangup" })).await;
        self.ended().await
    }
}
