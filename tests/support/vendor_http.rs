//! A vendor's HTTP interface: reads whole requests, asks the test what to answer, and keeps them.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// How long a test waits for what must come.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// What came.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub query: Vec<(String, String)>,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    /// The value of a header, whose name is in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

/// What is answered.
pub enum Answer {
    Json(u16, Value),
    /// … with a header.
    With(u16, (&'static str, &'static str), Value),
    /// Nothing, until whoever asked has gone.
    Silence,
}

pub struct FakeVendor {
    pub url: String,
    requests: Arc<Mutex<Vec<Request>>>,
    left: Arc<Notify>,
}

impl FakeVendor {
    /// Starts on this test's event loop. `answer` gets each request and how many came before it.
    pub async fn start(answer: impl Fn(&Request, usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let (requests, left) = (Arc::<Mutex<Vec<Request>>>::default(), Arc::new(Notify::new()));
        let (kept, gone, answer) = (Arc::clone(&requests), Arc::clone(&left), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let (kept, gone, answer) = (Arc::clone(&kept), Arc::clone(&gone), Arc::clone(&answer));
                tokio::spawn(serve(
                    connection,
                    move |request| {
                        let mut kept = kept.lock().unwrap();
                        kept.push(request.clone());
                        answer(&request, kept.len() - 1)
                    },
                    gone,
                ));
            }
        });
        Self { url, requests, left }
    }

    /// Everything that came so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// Waits until somebody who got no answer has gone.
    pub async fn is_left(&self) {
        tokio::time::timeout(PATIENCE, self.left.notified()).await.expect("whoever asked goes");
    }
}

async fn serve(mut connection: TcpStream, answer: impl Fn(Request) -> Answer, left: Arc<Notify>) {
    let Some(request) = read(&mut connection).await else { return };
    let (status, header, body) = match answer(request) {
        Answer::Json(status, body) => (status, String::new(), body),
        Answer::With(status, (name, value), body) => (status, format!("{name}: {value}\r\n"), body),
        Answer::Silence => {
            while matches!(connection.read(&mut [0; 64]).await, Ok(1..)) {}
            return left.notify_one();
        }
    };
    let body = body.to_string();
    let head =
        format!("HTTP/1.1 {status} Said\r\nContent-Type: application/json\r\n{header}Content-Length: {}", body.len());
    // Whoever asked may have gone.
    connection.write_all(format!("{head}\r\nConnection: close\r\n\r\n{body}").as_bytes()).await.ok();
    connection.shutdown().await.ok();
}

/// A whole request; `None` if it breaks off.
async fn read(connection: &mut TcpStream) -> Option<Request> {
    let mut raw = Vec::new();
    let head_end = loop {
        if let Some(at) = raw.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        if connection.read_buf(&mut raw).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(raw[..head_end].to_vec()).expect("a head is text");
    let mut body = raw.split_off(head_end + 4);
    let mut lines = head.lines();
    let mut words = lines.next()?.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?);
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length").map(|(_, value)| value.parse().unwrap());
    while body.len() < length.unwrap_or(0) {
        if connection.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let query = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    Some(Request { method, path: path.to_owned(), query, headers, body })
}
