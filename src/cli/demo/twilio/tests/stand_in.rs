//! A few lines that stand in for the server, so that the carrier itself can be tested.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

use crate::cli::demo::twilio::sign;

pub const TOKEN: &str = "the account's token";

/// A request as it arrived.
#[derive(Clone, Debug, Default)]
pub struct Received {
    pub target: String,
    pub headers: BTreeMap<String, String>,
    pub fields: Vec<(String, String)>,
}

impl Received {
    pub fn field(&self, name: &str) -> &str {
        self.fields.iter().find(|(given, _)| given == name).map_or("", |(_, value)| value)
    }

    /// Whether it was signed for this URL.
    pub fn is_signed_for(&self, url: &str) -> bool {
        self.headers.get("x-twilio-signature") == Some(&sign(TOKEN, url, &self.fields))
    }
}

type Answer = Box<dyn Fn(&Received) -> (u16, &'static str, String) + Send + Sync>;
type Talk = Box<dyn Fn(Talker) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

pub struct StandIn {
    pub address: SocketAddr,
    pub requests: Arc<Mutex<Vec<Received>>>,
}

impl StandIn {
    pub async fn start<F>(
        answer: impl Fn(&Received) -> (u16, &'static str, String) + Send + Sync + 'static,
        talk: impl Fn(Talker) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::default();
        let (answer, talk): (Answer, Talk) = (Box::new(answer), Box::new(move |talker| Box::pin(talk(talker))));
        let (answer, talk) = (Arc::new(answer), Arc::new(talk));
        let kept = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&kept), Arc::clone(&answer), Arc::clone(&talk)));
            }
        });
        Self { address, requests }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn targets(&self) -> Vec<String> {
        self.requests.lock().unwrap().iter().map(|request| request.target.clone()).collect()
    }

    pub fn request(&self, target: &str) -> Received {
        self.requests.lock().unwrap().iter().find(|request| request.target == target).cloned().unwrap_or_default()
    }
}

async fn serve(mut stream: TcpStream, kept: Arc<Mutex<Vec<Received>>>, answer: Arc<Answer>, talk: Arc<Talk>) {
    let mut first = [0; 4];
    if stream.peek(&mut first).await.unwrap() > 0 && first.starts_with(b"G") {
        return upgrade(stream, kept, answer, talk).await;
    }
    let request = read(&mut stream).await;
    let (status, content_type, body) = answer(&request);
    kept.lock().unwrap().push(request);
    let head = format!("HTTP/1.1 {status} X\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
}

async fn read(stream: &mut TcpStream) -> Received {
    let mut raw = Vec::new();
    loop {
        stream.read_buf(&mut raw).await.unwrap();
        let text = String::from_utf8(raw.clone()).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let mut lines = head.split("\r\n");
        let target = lines.next().unwrap().split(' ').nth(1).unwrap().to_owned();
        let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        let headers: BTreeMap<_, _> = lines.filter_map(header).collect();
        if body.len() >= headers["content-length"].parse::<usize>().unwrap() {
            let fields = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
            return Received { target, headers, fields };
        }
    }
}

#[expect(clippy::result_large_err, reason = "the library's own callback type")]
async fn upgrade(stream: TcpStream, kept: Arc<Mutex<Vec<Received>>>, answer: Arc<Answer>, talk: Arc<Talk>) {
    let look = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        let headers = request.headers().iter();
        let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
        let received = Received { target: request.uri().to_string(), headers, ..Received::default() };
        let (status, _, _) = answer(&received);
        kept.lock().unwrap().push(received);
        if status == 200 {
            return Ok(response);
        }
        let mut refusal = ErrorResponse::new(None);
        *refusal.status_mut() = status.try_into().unwrap();
        Err(refusal)
    };
    if let Ok(socket) = accept_hdr_async(stream, look).await {
        talk(Talker { socket, stream_sid: String::new() }).await;
    }
}

/// The server's end of a media stream.
pub struct Talker {
    pub socket: WebSocketStream<TcpStream>,
    pub stream_sid: String,
}

impl Talker {
    /// The next message of the carrier; `None` at the end.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    return Some(serde_json::from_str(text.as_str()).unwrap_or(Value::Null));
                }
                Some(Ok(Message::Binary(bytes))) => return Some(json!({ "binary": bytes.len() })),
                Some(Ok(Message::Close(_))) => {}
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }

    /// The next message of this kind; others are passed over.
    pub async fn next_of(&mut self, event: &str) -> Option<Value> {
        loop {
            let message = self.next().await?;
            if message["event"] == event {
                return Some(message);
            }
        }
    }

    /// Reads up to `start`, which it gives.
    pub async fn started(&mut self) -> Value {
        let start = self.next_of("start").await.unwrap_or_default();
        self.stream_sid = start["streamSid"].as_str().unwrap_or_default().to_owned();
        start
    }

    pub async fn text(&mut self, text: String) {
        // The carrier may be gone; the test sees what it reports.
        let _ = self.socket.send(Message::text(text)).await;
    }

    pub async fn play(&mut self, audio: &[u8]) {
        let media = json!({ "payload": STANDARD.encode(audio) });
        self.text(json!({ "event": "media", "streamSid": self.stream_sid, "media": media }).to_string()).await;
    }

    pub async fn mark(&mut self, name: &str) {
        self.text(json!({ "event": "mark", "streamSid": self.stream_sid, "mark": { "name": name } }).to_string()).await;
    }

    pub async fn clear(&mut self) {
        self.text(json!({ "event": "clear", "streamSid": self.stream_sid }).to_string()).await;
    }

    pub async fn close(&mut self) {
        // As with a text.
        let _ = self.socket.close(None).await;
    }

    /// Reads until the carrier is gone.
    pub async fn listen(&mut self) {
        while self.next().await.is_some() {}
    }
}
