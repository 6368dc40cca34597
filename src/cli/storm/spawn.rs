//! Servers that the storm starts itself: on a core of their own, in a folder that goes with them.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, bail};

use super::process::Process;
use crate::clock;

/// How long a server may take to listen.
const LISTENS_WITHIN: Duration = Duration::from_secs(20);
/// How long it may take to stop in good order.
const STOPS_WITHIN: Duration = Duration::from_secs(10);
/// What servers of this program say when they listen; the address follows.
const LISTENS: &str = "listens on http://";
/// … and, before that, where calls from a PBX are taken, if they are.
const TAKES: &str = "takes calls from Asterisk at ";

/// A server that was started. It is stopped when it is dropped.
pub struct Spawned {
    child: Child,
    /// Where it listens: `http://…`.
    pub url: String,
    /// Where it takes calls from a PBX, if it does.
    pub audiosocket: Option<SocketAddr>,
}

/// How a server is started.
pub struct Spawning<'a> {
    /// Its arguments.
    pub args: Vec<String>,
    /// Its environment, besides ours.
    pub environment: Vec<(String, String)>,
    /// The core it is held to.
    pub core: Option<usize>,
    /// The folder in which it starts.
    pub folder: &'a Path,
}

impl Spawned {
    /// Starts this very program and waits until it listens.
    pub fn start(spawning: Spawning<'_>) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("this program has no path")?;
        let mut command = match spawning.core {
            Some(core) => {
                let mut command = Command::new("taskset");
                command.arg("-c").arg(core.to_string()).arg(program);
                command
            }
            None => Command::new(program),
        };
        let mut child = command
            .args(spawning.args)
            .envs(spawning.environment)
            .current_dir(spawning.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("the server can't be started")?;
        let stderr = child.stderr.take().context("the server has no standard error")?;
        let (found, wait) = mpsc::channel();
        // Reads to the end, so that a server that has much to say is never held up by us.
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                // Whoever waited knows the address by then.
                found.send(line).ok();
            }
        });
        let mut spawned = Self { child, url: String::new(), audiosocket: None };
        let deadline = clock::now() + LISTENS_WITHIN;
        let mut said = Vec::new();
        while let Ok(line) = wait.recv_timeout(deadline.saturating_duration_since(clock::now())) {
            if let Some((_, address)) = line.split_once(TAKES) {
                spawned.audiosocket = address.trim().parse().ok();
            }
            if let Some((_, address)) = line.split_once(LISTENS) {
                spawned.url = format!("http://{}", address.trim());
                return Ok(spawned);
            }
            said.push(line);
        }
        bail!("the server does not listen; it said:\n{}", said.join("\n"))
    }

    /// Its process.
    pub fn process(&self) -> Process {
        Process::new(self.child.id())
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        // One that can't be told to stop is killed below.
        Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status().ok();
        let deadline = clock::now() + STOPS_WITHIN;
        while clock::now() < deadline {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A folder that goes with whoever made it.
pub struct Folder(PathBuf);

impl Folder {
    /// A new one among the temporary ones.
    pub fn new() -> anyhow::Result<Self> {
        let name = format!("trunkline-storm-{}", &crate::cli::demo::twilio::fresh_sid("")[..12]);
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).with_context(|| format!("the folder {} can't be made", path.display()))?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left lies among the temporary files.
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// Whether processes can be held to cores here, and these two are there.
pub fn can_pin((server, storm): (usize, usize)) -> bool {
    let quiet = |command: &mut Command| {
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    server != storm
        && [server, storm].iter().all(|core| quiet(Command::new("taskset").args(["-c", &core.to_string(), "true"])))
}

/// Holds this process, with all its threads, to a core. Whether it is.
pub fn pin_self(core: usize) -> bool {
    let own = std::process::id().to_string();
    let mut command = Command::new("taskset");
    command.args(["-a", "-c", "-p", &core.to_string(), &own]).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Lets this process, and those that it starts, open as many files as the system allows. A storm of a thousand
/// calls needs some thousands.
pub fn allow_many_files() {
    let Ok(limits) = std::fs::read_to_string("/proc/self/limits") else { return };
    let Some(line) = limits.lines().find_map(|line| line.strip_prefix("Max open files")) else { return };
    let Some(most) = line.split_whitespace().nth(1) else { return };
    let own = std::process::id().to_string();
    let limit = format!("--nofile={most}:{most}");
    let mut command = Command::new("prlimit");
    // Where it can't be done, calls that find no descriptor say so.
    command.args(["--pid", &own, &limit]).stdout(Stdio::null()).stderr(Stdio::null()).status().ok();
}

/// The commit of the checkout in which this program lies, or that the program is older than that.
pub fn commit() -> String {
    let Ok(program) = std::env::current_exe() else { return "commit unknown".to_owned() };
    let git = |words: &[&str]| {
        let mut git = Command::new("git");
        git.arg("-C").arg(program.parent()?).args(words).stderr(Stdio::null());
        let output = git.output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["describe", "--always", "--dirty", "--abbrev=12"]) else {
        return "commit unknown".to_owned();
    };
    let committed_at = git(&["log", "-1", "--format=%ct"]).and_then(|seconds| seconds.parse().ok());
    let built_at = program.metadata().and_then(|file| file.modified()).ok();
    let is_older = committed_at.map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds)).zip(built_at);
    match is_older.is_some_and(|(committed_at, built_at)| built_at < committed_at) {
        true => format!("built before {commit}"),
        false => commit,
    }
}
