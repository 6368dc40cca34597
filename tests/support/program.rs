//! The program as a process.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a test waits for what must come.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// A command that was not started yet; its environment is empty.
pub struct Program(Command);

/// How a process ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub out: String,
    pub err: String,
}

pub fn trunkline(arguments: &[&str]) -> Program {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trunkline"));
    command.args(arguments).env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Program(command)
}

/// The service, on mounts of its own that end with it; `None`, with a word, where a test may not mount.
pub fn serve_with_mounts(mounts: &str) -> Option<Program> {
    // Root may; anybody else may within a name space where they are root.
    let wrappers: [&[&str]; 2] = [&["--mount"], &["--mount", "--map-root-user"]];
    let may = |wrapper: &&&[&str]| {
        let mut unshare = Command::new("unshare");
        let tried =
            unshare.args(**wrapper).args(["mount", "-t", "tmpfs", "none", "/mnt"]).stderr(Stdio::null()).status();
        tried.is_ok_and(|status| status.success())
    };
    let Some(wrapper) = wrappers.iter().find(may) else {
        crate::skip::skipped("tests with a full disk: nobody may mount anything here");
        return None;
    };
    let mut command = Command::new("unshare");
    let script = format!("{mounts} && exec \"$0\" serve");
    command.args(*wrapper).args(["sh", "-c", &script, env!("CARGO_BIN_EXE_trunkline")]);
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Some(Program(command))
}

impl Program {
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.0.env(name, value);
        self
    }

    /// Runs it to its end.
    pub fn ends(mut self) -> Ended {
        let output = self.0.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ended { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Starts it and waits until it says where it listens.
    pub fn listens(mut self) -> Running {
        let mut process = self.0.spawn().unwrap();
        let (said, listens) = mpsc::channel();
        let stderr = process.stderr.take().unwrap();
        let reader = std::thread::spawn(move || read(stderr, &said));
        let mut running = Running { process, reader: Some(reader), address: SocketAddr::from(([0; 4], 0)) };
        running.address = listens.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{:?}", running.stop()));
        running
    }
}

/// Everything on standard error; where the service listens is told as soon as it is said.
fn read(stderr: ChildStderr, said: &mpsc::Sender<SocketAddr>) -> String {
    let mut all = String::new();
    for line in BufReader::new(stderr).lines() {
        let line = line.unwrap();
        if let Some(address) = line.strip_prefix("Trunkline listens on http://") {
            said.send(address.parse().unwrap()).ok(); // nobody waits for a second one
        }
        all.push_str(&line);
        all.push('\n');
    }
    all
}

/// A service. Dropping it kills it.
pub struct Running {
    process: Child,
    reader: Option<JoinHandle<String>>,
    pub address: SocketAddr,
}

impl Running {
    /// Its process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Sends a signal to a process.
    pub fn signal(pid: u32, signal: &str) {
        let sent = Command::new("sh").args(["-c", &format!("kill -{signal} {pid}")]).status().unwrap();
        assert!(sent.success());
    }

    /// Status and body.
    pub fn get(&self, path: &str) -> (u16, String) {
        self.get_with(path, "")
    }

    /// The same, asked with these header lines besides.
    pub fn get_with(&self, path: &str, headers: &str) -> (u16, String) {
        let mut connection = TcpStream::connect(self.address).unwrap();
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(connection, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n").unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }

    /// Tells it to stop, and does not wait.
    pub fn told_to_stop(&self) {
        let killed = Command::new("sh").args(["-c", &format!("kill -INT {}", self.process.id())]).status().unwrap();
        assert!(killed.success());
    }

    /// Tells it to stop, as a supervisor does, and waits until it has: within seconds, since no call is alive.
    pub fn stops(mut self) -> Ended {
        self.stop()
    }

    fn stop(&mut self) -> Ended {
        Self::signal(self.pid(), "TERM");
        let (ended, wait) = mpsc::channel();
        let reader = self.reader.take().unwrap();
        // Its end closes standard error, which ends the reader.
        std::thread::spawn(move || ended.send(reader.join().unwrap()));
        let err = wait.recv_timeout(Duration::from_secs(15)).expect("it stops within seconds");
        let mut out = String::new();
        self.process.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        Ended { code: self.process.wait().unwrap().code().unwrap_or(-1), out, err }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended can't be killed, and need not.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
