//! A real Asterisk 22, on ports of its own, for as long as the test lasts.
//!
//! It is Debian's, unpacked into a folder by `tests/asterisk.sh` and run by that folder's own loader: nothing of it is
//! installed here. `TRUNKLINE_ASTERISK_ROOT` names another folder.
#![allow(dead_code, reason = "each test binary uses its own part")]

pub mod phone;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use serde_json::Value;
use tempfile::TempDir;
use trunkline::clock;

/// Whose password the REST interface takes.
pub const ARI_USER: &str = "trunkline";
pub const ARI_PASSWORD: &str = "a-password-for-tests-only";
/// Where callers' dialled numbers are looked up.
pub const CALLERS: &str = "callers";

/// How long Asterisk may take to be there, on a machine that builds something else meanwhile.
const STARTS_WITHIN: Duration = Duration::from_secs(40);
/// How often other ports are tried, should somebody have taken them meanwhile.
const TRIES: u32 = 3;
const MODULES: &str = include_str!("modules.conf");

/// One Asterisk.
pub struct Asterisk {
    child: Option<Child>,
    folder: TempDir,
    root: PathBuf,
    http: u16,
    sip: u16,
}

/// A port on loopback that nobody has.
pub fn free_port() -> u16 {
    // One that is free for both: SIP and media come by UDP, HTTP by TCP.
    loop {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = tcp.local_addr().unwrap().port();
        if UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// Where Asterisk is unpacked; `None`, and told, where it, or who calls it, can't be had.
fn root() -> Option<PathBuf> {
    if Command::new("sipp").arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        crate::skip::skipped("tests with a real Asterisk: SIPp is missing (sip-tester)");
        return None;
    }
    if let Some(root) = std::env::var_os("TRUNKLINE_ASTERISK_ROOT") {
        return Some(root.into());
    }
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("asterisk-22");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/asterisk.sh");
    let made = Command::new(script).arg(&root).output().unwrap();
    if made.status.success() {
        return Some(root);
    }
    let why = String::from_utf8_lossy(&made.stderr);
    crate::skip::skipped(&format!("tests with a real Asterisk: {}", why.trim()));
    None
}

impl Asterisk {
    /// One whose dialplan ends with this; `None`, and told, where there is none.
    pub async fn start(dialplan: &str) -> Option<Self> {
        let root = root()?;
        for _ in 0..TRIES {
            let folder = tempfile::Builder::new().prefix("trunkline-asterisk-").tempdir().unwrap();
            let mut asterisk = Self { child: None, folder, root: root.clone(), http: free_port(), sip: free_port() };
            asterisk.configure(dialplan);
            if asterisk.run().await {
                return Some(asterisk);
            }
        }
        panic!("Asterisk does not start");
    }

    /// Its REST interface.
    pub fn ari_url(&self) -> String {
        format!("http://127.0.0.1:{}/ari", self.http)
    }

    /// The port of that.
    pub const fn http(&self) -> u16 {
        self.http
    }

    /// Where it takes SIP calls.
    pub fn sip(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.sip))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn configure(&self, dialplan: &str) {
        let (here, root) = (self.folder.path().display(), self.root.display());
        let (http, sip) = (self.http, self.sip);
        fs::create_dir_all(self.path("run")).unwrap();
        let library = library(&self.root);
        let files = [
            (
                "asterisk.conf",
                format!(
                    "[directories]\nastetcdir => {here}\nastmoddir => {library}/asterisk/modules\n\
                     astvarlibdir => {root}/var/lib/asterisk\nastdatadir => {root}/usr/share/asterisk\n\
                     astcachedir => {here}/run\nastdbdir => {here}/run\nastkeydir => {here}/run\n\
                     astspooldir => {here}/run\nastrundir => {here}/run\nastlogdir => {here}/run\n\
                     [options]\nverbose = 3\nnocolor = yes\n",
                    library = library.display(),
                ),
            ),
            ("modules.conf", MODULES.to_owned()),
            ("logger.conf", "[general]\n[logfiles]\nconsole => notice,warning,error,verbose,dtmf\n".to_owned()),
            ("http.conf", format!("[general]\nenabled=yes\nbindaddr=127.0.0.1\nbindport={http}\n")),
            (
                "ari.conf",
                format!("[general]\nenabled=yes\n[{ARI_USER}]\ntype=user\nread_only=no\npassword={ARI_PASSWORD}\n"),
            ),
            ("rtp.conf", "[general]\nrtpstart=20000\nrtpend=29999\n".to_owned()),
            ("pjsip.conf", pjsip(sip)),
            ("extensions.conf", format!("[general]\n{dialplan}\n")),
        ];
        for (name, text) in files {
            fs::write(self.path(name), text).unwrap();
        }
    }

    /// Whether it is there: it may be told that a port is taken.
    pub async fn run(&mut self) -> bool {
        let library = library(&self.root);
        let loader = self.root.join("usr/lib64/ld-linux-x86-64.so.2");
        let loader = if loader.exists() { loader } else { library.join("ld-linux-aarch64.so.1") };
        let log = fs::File::options().create(true).append(true).open(self.path("console.log")).unwrap();
        let child = Command::new(loader)
            .arg("--library-path")
            .arg(&library)
            .arg(self.root.join("usr/sbin/asterisk"))
            .args(["-f", "-n", "-C"])
            .arg(self.path("asterisk.conf"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let child = self.child.insert(child);
        let deadline = clock::now() + STARTS_WITHIN;
        let http = self.http;
        while child.try_wait().unwrap().is_none() && clock::now() < deadline {
            if ask(http, "GET", "/asterisk/ping").is_some_and(|(status, _)| status == 200) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.kill();
        false
    }

    /// Ends it as a crash does: nobody is told anything.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().ok();
            child.wait().ok();
        }
    }

    /// Asks its REST interface: the status and the answer.
    pub fn ask(&self, method: &str, path: &str) -> (u16, Value) {
        ask(self.http, method, path).unwrap_or_else(|| panic!("{method} {path}: no answer"))
    }

    /// How many channels, and how many bridges, there are.
    pub fn channels_and_bridges(&self) -> (usize, usize) {
        let count = |path| self.ask("GET", path).1.as_array().unwrap().len();
        (count("/channels"), count("/bridges"))
    }

    /// What it said.
    pub fn console(&self) -> String {
        fs::read_to_string(self.path("console.log")).unwrap_or_default()
    }
}

impl Drop for Asterisk {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let console = self.console();
            let lines: Vec<&str> = console.lines().collect();
            eprintln!("what Asterisk said last:\n{}", lines[lines.len().saturating_sub(120)..].join("\n"));
        }
        self.kill();
    }
}

fn library(root: &Path) -> PathBuf {
    root.join("usr/lib").join(format!("{}-linux-gnu", std::env::consts::ARCH))
}

fn pjsip(sip: u16) -> String {
    format!(
        "[udp]\ntype=transport\nprotocol=udp\nbind=127.0.0.1:{sip}\n\
         [phones]\ntype=endpoint\ncontext={CALLERS}\ntransport=udp\ndisallow=all\nallow=ulaw,slin16\n\
         direct_media=no\nrtp_symmetric=yes\ndtmf_mode=rfc4733\nmedia_address=127.0.0.1\nuser_eq_phone=no\n\
         [phones]\ntype=identify\nendpoint=phones\nmatch=127.0.0.1\n"
    )
}

/// One request without anything between: the tests' own look must not depend on what they look at.
fn ask(port: u16, method: &str, path: &str) -> Option<(u16, Value)> {
    let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    socket.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    let secret = base64::engine::general_purpose::STANDARD.encode(format!("{ARI_USER}:{ARI_PASSWORD}"));
    write!(
        socket,
        "{method} /ari{path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {secret}\r\n\
         Connection: close\r\nContent-Length: 0\r\n\r\n"
    )
    .ok()?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).ok()?;
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Some((status, serde_json::from_str(body).unwrap_or(Value::Null)))
}
