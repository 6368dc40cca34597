//! The HTTP around a WebSocket: a request for an upgrade, its answer, the same from the other side (RFC 6455, 4).

use std::io;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long the other side may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest head of a request or an answer.
const LONGEST_HEAD: usize = 16 << 10;
/// RFC 6455, 1.3.
const MAGIC: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// The key of every upgrade of ours; it protects nobody from anything here.
const KEY: &str = "c3Rvcm0gc3Rvcm0gc3Rvcg==";

/// A head, and what came after it already.
#[derive(Debug, Default)]
pub struct Head {
    text: String,
    /// The first bytes behind it.
    pub rest: Vec<u8>,
}

impl Head {
    /// The first line.
    pub fn first_line(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.text
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(':'))
            .find(|(found, _)| found.trim().eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }

    /// Whether it is a request for an upgrade, with its answer.
    pub fn accepts(&self) -> Option<String> {
        let key = self.header("Sec-WebSocket-Key").filter(|_| self.text.starts_with("GET "))?;
        Some(format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n",
            accept(key)
        ))
    }
}

fn accept(key: &str) -> String {
    STANDARD.encode(Sha1::new().chain_update(key).chain_update(MAGIC).finalize())
}

/// Reads a head, in bounded time and space.
pub async fn read_head(socket: &mut TcpStream) -> io::Result<Head> {
    tokio::time::timeout(PATIENCE, read(socket)).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

async fn read(socket: &mut TcpStream) -> io::Result<Head> {
    let mut bytes = Vec::with_capacity(1_024);
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            let text = String::from_utf8(bytes).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
            return Ok(Head { text, rest });
        }
        if bytes.len() > LONGEST_HEAD {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if socket.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Why there is no WebSocket.
#[derive(Debug, thiserror::Error)]
pub enum UpgradeError {
    /// No connection, or a broken one.
    #[error("the upgrade failed: {0}")]
    Io(#[from] io::Error),
    /// Another answer than 101.
    #[error("the upgrade was answered with {0:?}")]
    Refused(String),
}

/// Asks for an upgrade; gives what the server sent behind its answer.
pub async fn request(
    socket: &mut TcpStream,
    host: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<Vec<u8>, UpgradeError> {
    let mut head = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n"
    );
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    socket.write_all(head.as_bytes()).await?;
    let answer = read_head(socket).await?;
    let is_open = answer.first_line().starts_with("HTTP/1.1 101")
        && answer.header("Sec-WebSocket-Accept") == Some(accept(KEY).as_str());
    if is_open { Ok(answer.rest) } else { Err(UpgradeError::Refused(answer.first_line().to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[test]
    fn the_example_of_the_rfc_is_accepted_as_it_says() {
        assert_eq!(accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[tokio::test]
    async fn both_sides_understand_each_other() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let head = read_head(&mut socket).await.unwrap();
            let answer = head.accepts().unwrap();
            socket.write_all(format!("{answer}early").as_bytes()).await.unwrap();
            head.header("x-kind").map(str::to_owned)
        });
        let mut socket = TcpStream::connect(address).await.unwrap();
        let rest = request(&mut socket, "h", "/p", &[("X-Kind", "storm")]).await.unwrap();
        assert_eq!(server.await.unwrap().as_deref(), Some("storm"));
        // What stands behind the answer may come with it or later.
        assert!(b"early".starts_with(&rest));
    }

    #[tokio::test]
    async fn a_refusal_is_told() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            read_head(&mut socket).await.unwrap();
            socket.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n").await.unwrap();
        });
        let mut socket = TcpStream::connect(address).await.unwrap();
        let refused = request(&mut socket, "h", "/p", &[]).await.unwrap_err();
        assert!(matches!(refused, UpgradeError::Refused(line) if line.contains("403")));
    }
}
