//! Images and containers in a store of their own, which ends with the test.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use tempfile::TempDir;

use crate::skip::skipped;

/// What the image is built from; of Debian's own packages where no registry can be reached.
const BASE: &str = "docker.io/library/debian:bookworm-slim";
const RELEASE: &str = "bookworm";

/// What podman needs to know of a machine without systemd, and of one where limits can't be raised.
const CONTAINERS_CONF: &str = r#"
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"#;

pub struct Podman {
    folder: TempDir,
}

impl Podman {
    /// `None`, with a word, where there is none, or where it can't have the image that ours is built from.
    pub fn with_base_image() -> Option<Self> {
        if !on_bookworm() {
            skipped("the container: the program under test was not built on Debian bookworm");
            return None;
        }
        if Command::new("podman").arg("--version").output().is_err() || Command::new("runc").arg("-v").output().is_err()
        {
            skipped("the container: podman or runc is missing");
            return None;
        }
        let podman = Self { folder: TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap() };
        std::fs::write(podman.path("containers.conf"), CONTAINERS_CONF).unwrap();
        if podman.pulls_base() || podman.makes_base() {
            return Some(podman);
        }
        skipped("the container: no registry has the image of Debian bookworm, and mmdebstrap can't make it");
        None
    }

    fn pulls_base(&self) -> bool {
        let within = Duration::from_secs(60).as_secs().to_string();
        let mut pull = Command::new("timeout");
        pull.args([within.as_str(), "podman"]).args(self.options()).args(["pull", "--quiet", BASE]);
        self.environment(&mut pull).output().is_ok_and(|pulled| pulled.status.success())
    }

    fn makes_base(&self) -> bool {
        let kept = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{RELEASE}.tar"));
        if !kept.exists() {
            let making = self.path("base.tar");
            let mut make = Command::new("mmdebstrap");
            make.args(["--quiet", "--variant=minbase", "--include=ca-certificates"]);
            make.args(["--dpkgopt=path-exclude=/usr/share/{doc,man,locale}/*", RELEASE]).arg(&making);
            if !make.output().is_ok_and(|made| made.status.success()) {
                return false;
            }
            std::fs::rename(making, &kept).unwrap();
        }
        self.command(&["import", "--quiet", kept.to_str().unwrap(), BASE]).output().unwrap().status.success()
    }

    /// What a command prints.
    ///
    /// # Panics
    /// It fails.
    pub fn run(&self, arguments: &[&str]) -> String {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&stderr);
        assert!(status.success(), "podman {arguments:?}: {status}\n{said}");
        String::from_utf8_lossy(&stdout).trim().to_owned()
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("podman");
        command.args(self.options()).args(arguments);
        self.environment(&mut command);
        command
    }

    fn options(&self) -> [String; 3] {
        let at = |name| self.path(name).to_str().unwrap().to_owned();
        [format!("--root={}", at("root")), format!("--runroot={}", at("run")), "--storage-driver=overlay".to_owned()]
    }

    fn environment<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env("CONTAINERS_CONF", self.path("containers.conf"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        // What is left of containers and mounts, also after a test that failed.
        self.command(&["rm", "--all", "--force", "--time=0"]).output().ok();
        self.command(&["rmi", "--all", "--force"]).output().ok();
        self.command(&["umount", "--all", "--force"]).output().ok();
    }
}

fn on_bookworm() -> bool {
    let system = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    system.lines().any(|line| line == "VERSION_CODENAME=bookworm")
}
