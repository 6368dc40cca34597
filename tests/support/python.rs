//! Python packages for the tests that hold us against somebody else's program.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The folder of the programs of an environment that has this package (as in `openai==3.52.0`), installed under
/// `target/` if need be. Without one the test is skipped, but not where `CI` is set.
pub fn programs_with(package: &str, module: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(package.replace("==", "-"));
    let programs = folder.join("bin");
    let python = programs.join("python");
    // Tests run beside each other: one installs it, the others wait for that.
    let lock = File::create(folder.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    let has_it = || run(Command::new(&python).args(["-c", &format!("import {module}")]));
    let installed = has_it()
        || (run(Command::new("python3").args(["-m", "venv"]).arg(&folder))
            && run(Command::new(&python).args(["-m", "pip", "install", "--quiet", package]))
            && has_it());
    if installed {
        return Some(programs);
    }
    crate::skip::skipped(&format!(
        "checks with {package}: it can't be installed (python3 with venv, and a package index, are needed)"
    ));
    None
}

fn run(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).status().is_ok_and(|status| status.success())
}
