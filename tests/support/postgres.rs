//! A PostgreSQL server of the test's own, under a temporary folder, spoken to over a socket in that folder.
//!
//! A shell stands between the test and the server and reads a pipe that the test holds: however the test ends,
//! the pipe closes, the shell stops the server and removes the folder.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// A server that can be stopped and started again.
pub struct Postgres {
    bin: PathBuf,
    dir: PathBuf,
    _keeper: Child,
}

impl Postgres {
    /// Starts one, or says why there is none. In CI, and where `TRUNKLINE_REQUIRE_POSTGRES=1`, there must be one.
    pub fn start() -> Option<Self> {
        let Some(bin) = installed() else {
            let is_required = std::env::var_os("TRUNKLINE_REQUIRE_POSTGRES").is_some_and(|set| set == "1");
            assert!(!is_required, "PostgreSQL is required here and no initdb was found: apt-get install postgresql");
            crate::skip::skipped("tests on PostgreSQL: its server is missing (postgresql)");
            return None;
        };
        let dir = tempfile::Builder::new().prefix("trunkline-pg-").tempdir_in("/tmp").unwrap().keep();
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o711)).unwrap();
        let is_root = fs::metadata(&dir).unwrap().uid() == 0;
        // The server refuses to run as root.
        let user = if is_root { "setpriv --reuid=nobody --regid=nogroup --clear-groups" } else { "" };
        let script = format!(
            r#"
            cd "$DIR"; trap '' INT HUP TERM
            mkdir pg; {owner}
            {user} "$BIN/initdb" -D "$DIR/pg/data" -U app --auth=trust -E UTF8 --no-locale --no-sync >"$DIR/initdb.log" 2>&1 \
                && echo ready || echo failed
            cat >/dev/null
            # One that was frozen can't be stopped.
            kill -CONT "$(head -n 1 "$DIR/pg/data/postmaster.pid" 2>/dev/null)" 2>/dev/null
            {user} "$BIN/pg_ctl" -D "$DIR/pg/data" -m immediate stop >/dev/null 2>&1
            rm -rf "$DIR"
            "#,
            owner = if is_root { "chown nobody:nogroup pg" } else { "" },
        );
        let mut keeper = Command::new("sh")
            .args(["-c", &script])
            .env("DIR", &dir)
            .env("BIN", &bin)
            .env("HOME", &dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "ready", "{}", fs::read_to_string(dir.join("initdb.log")).unwrap_or_default());
        let server = Self { bin, dir, _keeper: keeper };
        server.start_again();
        Some(server)
    }

    /// The server that the tests of this binary share; nobody may stop it.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Postgres>> = OnceLock::new();
        SHARED.get_or_init(Self::start).as_ref()
    }

    /// Makes a new, empty database and returns its URL.
    pub fn new_database(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let made = Command::new(self.bin.join("createdb"))
            .args(["-h", self.sockets().to_str().unwrap(), "-U", "app", &name])
            .output()
            .unwrap();
        assert!(made.status.success(), "createdb: {}", String::from_utf8_lossy(&made.stderr));
        self.url(&name)
    }

    /// The URL of a database, whether it is there or not.
    pub fn url(&self, name: &str) -> String {
        format!("postgres://app@localhost/{name}?host={}", self.sockets().display())
    }

    /// Kills every process of the server at once, as a power cut would.
    pub fn stop_immediately(&self) {
        self.pg_ctl(&["-m", "immediate", "stop"]);
    }

    /// Starts the server, which recovers by itself, and waits until it answers.
    pub fn start_again(&self) {
        let options = format!(
            "-c listen_addresses='' -k {} -c max_connections=60 -c log_min_messages=fatal",
            self.sockets().display()
        );
        let log = self.sockets().join("log");
        self.pg_ctl(&["-w", "-l", log.to_str().unwrap(), "-o", &options, "start"]);
    }

    /// Holds every process of the server where it stands, as a machine that hangs does: it neither answers nor
    /// refuses, and no connection ends.
    pub fn freeze(&self) {
        let main = self.main_process();
        signal("STOP", [main]); // first, so that there will be no more children
        signal("STOP", children(main));
    }

    /// Lets the server go on.
    pub fn thaw(&self) {
        let main = self.main_process();
        signal("CONT", children(main));
        signal("CONT", [main]);
    }

    fn main_process(&self) -> u32 {
        let file = fs::read_to_string(self.sockets().join("data/postmaster.pid")).unwrap();
        file.lines().next().unwrap().trim().parse().unwrap()
    }

    fn sockets(&self) -> PathBuf {
        self.dir.join("pg")
    }

    fn pg_ctl(&self, arguments: &[&str]) {
        let data = self.sockets().join("data");
        let is_root = fs::metadata(&self.dir).unwrap().uid() == 0;
        let program = self.bin.join("pg_ctl");
        let mut command = match is_root {
            true => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]).arg(program);
                command
            }
            false => Command::new(program),
        };
        let ran = command.arg("-D").arg(&data).args(arguments).stdout(Stdio::null()).status().unwrap();
        assert!(ran.success(), "pg_ctl {arguments:?}");
    }
}

/// The processes whose parent this is.
fn children(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_child = |process: &u32| {
        // "pid (name) state parent …"; one that has just ended has no file.
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
        after_name.split(' ').nth(1) == Some(&parent.to_string())
    };
    numbers.filter(is_child).collect()
}

fn signal(name: &str, processes: impl IntoIterator<Item = u32>) {
    for process in processes {
        // One that has just ended needs no signal.
        Command::new("sh").args(["-c", &format!("kill -{name} {process} 2>/dev/null")]).status().unwrap();
    }
}

fn installed() -> Option<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .chain(std::env::var_os("PATH").iter().flat_map(std::env::split_paths))
        .filter(|bin| ["initdb", "pg_ctl", "createdb"].iter().all(|program| is_program(&bin.join(program))))
        .collect();
    found.sort();
    found.pop()
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}
