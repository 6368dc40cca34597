//! A receiver of webhooks that answers as its script says, and keeps what came.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// What came.
#[derive(Clone, Debug)]
pub struct Webhook {
    pub head: String,
    pub body: String,
}

impl Webhook {
    pub fn header(&self, name: &str) -> &str {
        let headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers.filter(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value).next().unwrap_or_default()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// What a receiver does with one webhook.
#[derive(Clone, Debug)]
pub enum Deed {
    /// Answers with this status, and this address to go to.
    Answer(u16, Option<String>),
    /// Says nothing, for ever.
    Stall,
    /// Closes the connection.
    HangUp,
    /// Answers what is no HTTP.
    Babble,
}

pub struct Receiver {
    pub url: String,
    came: tokio::sync::Mutex<mpsc::UnboundedReceiver<Webhook>>,
}

impl Receiver {
    /// Does these deeds, one for each webhook, and then takes every one.
    pub async fn start(script: impl IntoIterator<Item = Deed>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hooks?of=us", listener.local_addr().unwrap());
        let script: Arc<Mutex<VecDeque<Deed>>> = Arc::new(Mutex::new(script.into_iter().collect()));
        let (tell, came) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let deed = script.lock().unwrap().pop_front().unwrap_or(Deed::Answer(204, None));
                tokio::spawn(serve(connection, deed, tell.clone()));
            }
        });
        Self { url, came: tokio::sync::Mutex::new(came) }
    }

    /// The next webhook, whenever it comes.
    pub async fn next(&self) -> Webhook {
        let next = tokio::time::timeout(crate::service::PATIENCE, async { self.came.lock().await.recv().await });
        next.await.expect("a webhook in time").unwrap()
    }

    /// Whether nothing more has come.
    pub async fn is_quiet(&self) -> bool {
        self.came.lock().await.try_recv().is_err()
    }
}

async fn serve(mut connection: TcpStream, deed: Deed, tell: mpsc::UnboundedSender<Webhook>) {
    let mut raw = Vec::new();
    let webhook = loop {
        if connection.read_buf(&mut raw).await.unwrap_or(0) == 0 {
            return;
        }
        let text = String::from_utf8_lossy(&raw).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let lower = head.to_ascii_lowercase();
        let length = lower.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
        if body.len() >= length.unwrap_or(0) {
            break Webhook { head: head.to_owned(), body: body.to_owned() };
        }
    };
    tell.send(webhook).ok(); // a test that has seen enough no longer listens
    let answer = match deed {
        Deed::Answer(status, location) => {
            let location = location.map(|to| format!("location: {to}\r\n")).unwrap_or_default();
            format!("HTTP/1.1 {status} So\r\n{location}content-length: 2\r\nconnection: close\r\n\r\n{{}}")
        }
        Deed::Babble => "220 mail.example.com ESMTP\r\n".to_owned(),
        Deed::HangUp => return,
        Deed::Stall => {
            std::future::pending::<()>().await;
            return;
        }
    };
    connection.write_all(answer.as_bytes()).await.ok();
}
