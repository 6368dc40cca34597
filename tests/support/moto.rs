//! A real S3 server: moto's, from Python's package index.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

/// Says on which port it listens, and ends when its input does.
const SERVE: &str = "\
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address='127.0.0.1', port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
";

/// The server, for as long as this lives.
pub struct Moto {
    pub url: String,
    child: Child,
}

impl Moto {
    /// `None`, and told, where it can't be installed.
    pub fn start() -> Option<Self> {
        let programs = crate::python::programs_with("moto[s3,server]==5.2.5", "moto.server")?;
        let mut child = Command::new(programs.join("python"))
            .args(["-c", SERVE])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        let port = port.trim();
        assert!(!port.is_empty(), "moto did not start");
        Some(Self { url: format!("http://127.0.0.1:{port}"), child })
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
