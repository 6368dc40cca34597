//! What a test leaves out, said where it is seen.

use std::fs::OpenOptions;
use std::io::Write as _;

/// Whether nothing may be left out: the variable `CI` is set to anything.
pub fn is_forbidden() -> bool {
    std::env::var_os("CI").is_some_and(|set| !set.is_empty())
}

/// Says what is left out, and why: as in `what promtool says of /metrics: promtool is missing`. tests/run.sh reads it
/// in the file that the variable `TRUNKLINE_SKIPS` names, since the runner hides what a test that passes says.
///
/// # Panics
/// Where nothing may be left out.
pub fn skipped(what_and_why: &str) {
    assert!(!is_forbidden(), "in CI nothing is left out, but {what_and_why}");
    eprintln!("SKIPPED: {what_and_why}");
    if let Some(list) = std::env::var_os("TRUNKLINE_SKIPS") {
        let mut list = OpenOptions::new().append(true).create(true).open(list).expect("the list of skips is written");
        list.write_all(format!("{what_and_why}\n").as_bytes()).expect("the list of skips is written");
    }
}
