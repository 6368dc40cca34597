//! A real S3 server that checks signatures: s3rver, from Node's package index.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

const PACKAGE: &str = "s3rver@3.7.1";
/// Says on which port it listens, and ends when its input does. Its one account is `S3RVER` with the key `S3RVER`.
const SERVE: &str = "\
const S3rver = require('s3rver');
const server = new S3rver({
  address: '127.0.0.1', port: 0, silent: true, directory: process.argv[1], configureBuckets: [{ name: 'sound' }],
});
server.run().then((address) => console.log(address.port));
process.stdin.on('end', () => process.exit()).resume();
";

/// The server with an empty bucket `sound`, for as long as this lives.
pub struct S3rver {
    pub url: String,
    child: Child,
    _files: tempfile::TempDir,
}

impl S3rver {
    /// `None`, and told, where it can't be installed.
    pub fn start() -> Option<Self> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(PACKAGE.replace('@', "-"));
        let is_there = || folder.join("node_modules/s3rver/package.json").exists();
        if !is_there() {
            std::fs::create_dir_all(&folder).unwrap();
            let mut install = Command::new("npm");
            install.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", PACKAGE]).current_dir(&folder);
            let installed = install.stdin(Stdio::null()).stdout(Stdio::null()).status();
            if !installed.is_ok_and(|status| status.success()) || !is_there() {
                crate::skip::skipped(&format!(
                    "checks with {PACKAGE}: it can't be installed (node with npm, and a package index, are needed)"
                ));
                return None;
            }
        }
        let files = tempfile::tempdir().unwrap();
        let mut child = Command::new("node")
            .args(["-e", SERVE])
            .arg(files.path())
            .current_dir(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        let port = port.trim();
        assert!(!port.is_empty(), "s3rver did not start");
        Some(Self { url: format!("http://127.0.0.1:{port}"), child, _files: files })
    }
}

impl Drop for S3rver {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
