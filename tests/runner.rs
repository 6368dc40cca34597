//! What tests/run.sh makes of a test that left something out.

#[path = "support/skip.rs"]
mod skip;

use std::process::{Command, Output};

/// Runs a part of tests/run.sh, without its main program.
fn run_sh(script: &str, ci: &str) -> Output {
    let skips = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(skips.path(), "promtool: is missing\nthe SDK: is missing\npromtool: is missing\n").unwrap();
    let command = format!(". tests/run.sh; skips_file=$1; {script}");
    let mut bash = Command::new("bash");
    bash.args(["-c", &command, "bash"]).arg(skips.path()).current_dir(env!("CARGO_MANIFEST_DIR"));
    bash.env("CI", ci).output().unwrap()
}

#[test]
fn what_tests_left_out_is_told_once_each_and_fails_where_nothing_may_be() {
    let script = "passed=3; tell_skips_of_tests; finish";
    for (ci, code, last) in
        [("", 0, "3 passed, 0 failed"), ("true", 1, "3 passed, 2 failed"), ("1", 1, "3 passed, 2 failed")]
    {
        let output = run_sh(script, ci);
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(code), "CI={ci}: {text}");
        assert_eq!(text.lines().last(), Some(last), "CI={ci}: {text}");
        let told: Vec<&str> = text.lines().filter(|line| line.starts_with("skip  ")).collect();
        assert_eq!(told, ["skip  promtool: is missing", "skip  the SDK: is missing"], "CI={ci}");
    }
}

#[test]
fn a_skip_is_written_where_run_sh_reads_it() {
    // Variables are a whole process's: the test asks another one, which is this one again.
    const LIST: &str = "TRUNKLINE_SKIPS";
    if std::env::var_os("LEAVES_SOMETHING_OUT").is_some() {
        return skip::skipped("a thing: is missing");
    }
    for (ci, is_written) in [("", true), ("1", false), ("true", false)] {
        let list = tempfile::NamedTempFile::new().unwrap();
        let mut again = Command::new(std::env::current_exe().unwrap());
        again.args(["--exact", "a_skip_is_written_where_run_sh_reads_it"]);
        let output = again.env("LEAVES_SOMETHING_OUT", "1").env("CI", ci).env(LIST, list.path()).output().unwrap();
        assert_eq!(output.status.success(), is_written, "CI={ci}: {output:?}");
        let expected = if is_written { "a thing: is missing\n" } else { "" };
        assert_eq!(std::fs::read_to_string(list.path()).unwrap(), expected, "CI={ci}");
    }
}
