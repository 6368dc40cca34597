//! The carrier's REST interface: takes every request, answers that it was done, and keeps it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, mpsc};

/// What came.
#[derive(Debug)]
pub struct RestRequest {
    pub path: String,
    pub head: String,
    pub body: String,
}

impl RestRequest {
    pub fn has_credentials(&self, account_sid: &str, auth_token: &str) -> bool {
        let expected = format!("Basic {}", STANDARD.encode(format!("{account_sid}:{auth_token}")));
        let given = self.head.lines().filter_map(|line| line.split_once(": "));
        given.filter(|(name, _)| name.eq_ignore_ascii_case("authorization")).any(|(_, value)| value == expected)
    }
}

pub struct FakeRest {
    pub url: String,
    count: Arc<AtomicUsize>,
    requests: Mutex<mpsc::UnboundedReceiver<RestRequest>>,
}

impl FakeRest {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (tell, requests) = mpsc::unbounded_channel();
        let count = Arc::<AtomicUsize>::default();
        let counter = Arc::clone(&count);
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let (tell, counter) = (tell.clone(), Arc::clone(&counter));
                tokio::spawn(async move {
                    let request = answer(connection).await;
                    counter.fetch_add(1, Ordering::SeqCst);
                    // A test that has seen enough no longer listens.
                    tell.send(request).ok();
                });
            }
        });
        Self { url, count, requests: Mutex::new(requests) }
    }

    /// The next request, whenever it comes.
    pub async fn next(&self) -> RestRequest {
        let next = tokio::time::timeout(crate::service::PATIENCE, async { self.requests.lock().await.recv().await });
        next.await.expect("a request of the REST interface in time").unwrap()
    }

    /// How many requests there were.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

async fn answer(mut connection: TcpStream) -> RestRequest {
    let mut raw = Vec::new();
    let (head, mut body) = loop {
        assert_ne!(connection.read_buf(&mut raw).await.unwrap(), 0, "the request broke off: {raw:?}");
        let text = String::from_utf8_lossy(&raw);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            break (head.to_owned(), body.to_owned());
        }
    };
    let length =
        head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    while body.len() < length.unwrap_or(0) {
        let mut more = Vec::new();
        assert_ne!(connection.read_buf(&mut more).await.unwrap(), 0, "the body broke off");
        body.push_str(std::str::from_utf8(&more).unwrap());
    }
    connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}").await.unwrap();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    RestRequest { path, head, body }
}
