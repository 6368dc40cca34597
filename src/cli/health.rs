//! `trunkline health`: whether the service on this machine answers, for whoever restarts it when it does not.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use crate::cli::out::Out;
use crate::cli::{HealthArgs, load_config};

/// How long the service may take to answer. It reads memory only, so this is long.
const WITHIN: Duration = Duration::from_secs(3);
/// More than it ever answers.
const MOST_BYTES: u64 = 64 * 1024;

/// Asks the service that the configuration describes.
pub fn run(args: &HealthArgs) -> ExitCode {
    let (config, _) = match load_config(&args.config.sources()) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    let path = if args.ready { "/ready" } else { "/health" };
    let address = reached_at(config.http.listen);
    match ask(address, path) {
        Ok(answer) if answer.status == 200 => {
            Out::stdout().line(answer.body);
            ExitCode::SUCCESS
        }
        Ok(answer) => {
            Out::stderr().line(format_args!("http://{address}{path} answers {}: {}", answer.status, answer.body));
            ExitCode::FAILURE
        }
        Err(error) => {
            let mut err = Out::stderr();
            err.line(format_args!("http://{address}{path}: {error}"));
            err.line("  is the service running, and is http.listen here what it is there?");
            ExitCode::FAILURE
        }
    }
}

/// Where what listens at `listen` is reached from this machine.
fn reached_at(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    body: String,
}

fn ask(address: SocketAddr, path: &str) -> io::Result<Answer> {
    let mut socket = TcpStream::connect_timeout(&address, WITHIN)?;
    socket.set_read_timeout(Some(WITHIN))?;
    socket.set_write_timeout(Some(WITHIN))?;
    write!(socket, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut text = Vec::new();
    socket.take(MOST_BYTES).read_to_end(&mut text)?;
    read(&String::from_utf8_lossy(&text)).ok_or_else(|| io::Error::other("what answers there is no HTTP server"))
}

fn read(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut words = head.lines().next()?.split(' ');
    if !words.next()?.starts_with("HTTP/1.") {
        return None;
    }
    Some(Answer { status: words.next()?.parse().ok()?, body: body.trim().to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_listens_everywhere_is_asked_here() {
        for (listen, asked) in
            [("0.0.0.0:8080", "127.0.0.1:8080"), ("[::]:81", "[::1]:81"), ("10.0.0.7:8080", "10.0.0.7:8080")]
        {
            assert_eq!(reached_at(listen.parse().unwrap()), asked.parse().unwrap());
        }
    }

    #[test]
    fn only_http_is_an_answer() {
        let answer = |status, body: &str| Some(Answer { status, body: body.to_owned() });
        assert_eq!(read("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"), answer(200, "{}"));
        assert_eq!(read("HTTP/1.1 503 Service Unavailable\r\n\r\nno\n"), answer(503, "no"));
        for other in ["", "SSH-2.0-OpenSSH_9.2\r\n\r\n", "HTTP/1.1 ok\r\n\r\n", "HTTP/1.1 200 OK\r\n"] {
            assert_eq!(read(other), None, "{other:?}");
        }
    }
}
