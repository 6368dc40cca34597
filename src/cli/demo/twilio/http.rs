//! A request of the carrier and its answer: HTTP/1.1, one connection for each.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::clock;

/// How long the carrier waits for an answer (Twilio's default read timeout).
const PATIENCE: Duration = Duration::from_secs(15);
/// The largest answer that is read (Twilio's limit for TwiML is 64 KB).
const LARGEST_ANSWER: u64 = 64 * 1024;

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum HttpError {
    /// Nobody listens, or the connection broke.
    #[error("11205: no connection: {0}")]
    Io(#[from] io::Error),
    /// Nothing came in time.
    #[error("11205: no answer within {} s", PATIENCE.as_secs())]
    TimedOut,
    /// What came is not HTTP.
    #[error("11200: the answer is not HTTP: {0}")]
    NotHttp(&'static str),
}

/// What is sent.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// Path and query.
    pub target: String,
    /// Headers besides the length.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The content type without parameters, in lower case; empty if none was given.
    pub content_type: String,
    /// The body.
    pub body: String,
    /// From the first byte sent to the last received.
    pub took: Duration,
}

impl Answer {
    /// Whether the status is 200 to 299.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Sends a request to `to` and waits for the answer.
pub async fn send(to: SocketAddr, request: &Request) -> Result<Answer, HttpError> {
    let began = clock::now();
    let raw = timeout(PATIENCE, exchange(to, request)).await.map_err(|_| HttpError::TimedOut)??;
    let mut answer = parse(&raw).map_err(HttpError::NotHttp)?;
    answer.took = clock::now().duration_since(began);
    Ok(answer)
}

async fn exchange(to: SocketAddr, request: &Request) -> io::Result<Vec<u8>> {
    let mut head = format!("{} {} HTTP/1.1\r\nConnection: close\r\n", request.method, request.target);
    for (name, value) in &request.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n{}", request.body.len(), request.body));
    let mut connection = TcpStream::connect(to).await?;
    connection.write_all(head.as_bytes()).await?;
    let mut raw = Vec::new();
    connection.take(LARGEST_ANSWER).read_to_end(&mut raw).await?;
    Ok(raw)
}

fn parse(raw: &[u8]) -> Result<Answer, &'static str> {
    let end = raw.windows(4).position(|window| window == b"\r\n\r\n").ok_or("the head does not end")?;
    let head = std::str::from_utf8(&raw[..end]).map_err(|_| "the head is not text")?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")).ok_or("no HTTP/1.1 status line")?;
    let status = status.get(..3).and_then(|code| code.parse().ok()).ok_or("the status is no number")?;
    let (mut length, mut chunked, mut content_type) = (None, false, String::new());
    for line in lines {
        let (name, value) = line.split_once(':').ok_or("a header without a colon")?;
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = Some(value.trim().parse::<usize>().map_err(|_| "the length is no number")?),
            "transfer-encoding" => chunked = value.trim().eq_ignore_ascii_case("chunked"),
            "content-type" => {
                content_type = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            }
            _ => {}
        }
    }
    let rest = &raw[end + 4..];
    let body = match length {
        _ if chunked => unchunk(rest)?,
        Some(length) => rest.get(..length).ok_or("the body is shorter than its length")?.to_vec(),
        None => rest.to_vec(),
    };
    let body = String::from_utf8(body).map_err(|_| "the body is not UTF-8")?;
    Ok(Answer { status, content_type, body, took: Duration::ZERO })
}

fn unchunk(mut rest: &[u8]) -> Result<Vec<u8>, &'static str> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n").ok_or("a chunk without a size")?;
        let size = std::str::from_utf8(&rest[..end]).ok().and_then(|line| line.split(';').next());
        let size = size
            .and_then(|digits| usize::from_str_radix(digits.trim(), 16).ok())
            .ok_or("a chunk's size is no number")?;
        rest = &rest[end + 2..];
        if size == 0 {
            return Ok(body);
        }
        body.extend_from_slice(rest.get(..size).ok_or("a chunk is cut")?);
        rest = rest.get(size + 2..).ok_or("a chunk does not end")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn answers_are_read_with_length_in_chunks_and_to_the_end() {
        let answer =
            parse(b"HTTP/1.1 200 OK\r\nContent-Type: Text/XML; charset=utf-8\r\nContent-Length: 4\r\n\r\n<A/>")
                .unwrap();
        assert_eq!((answer.status, answer.content_type.as_str(), answer.body.as_str()), (200, "text/xml", "<A/>"));
        let answer =
            parse(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n<A\r\n2;x=y\r\n/>\r\n0\r\n\r\n").unwrap();
        assert_eq!(answer.body, "<A/>");
        let answer = parse(b"HTTP/1.1 403 Forbidden\r\n\r\nno").unwrap();
        assert_eq!((answer.status, answer.is_success(), answer.body.as_str()), (403, false, "no"));
    }

    #[test]
    fn what_is_not_http_is_refused() {
        let wrong: [(&[u8], &str); 5] = [
            (b"", "the head does not end"),
            (b"SIP/2.0 200 OK\r\n\r\n", "no HTTP/1.1 status line"),
            (b"HTTP/1.1 abc\r\n\r\n", "the status is no number"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", "the body is shorter than its length"),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "a chunk's size is no number"),
        ];
        for (raw, complaint) in wrong {
            assert_eq!(parse(raw), Err(complaint));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(tail: Vec<u8>, chunked: bool) {
            let head = if chunked { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" } else { "HTTP/1.1 200 OK\r\n" };
            let _ = parse(&[head.as_bytes(), &tail].concat());
        }
    }
}
