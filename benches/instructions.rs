//! How many instructions each part of a call takes, held against the table beside this file.
//!
//! ```text
//! cargo bench --profile counted --bench instructions              counts, compares, fails where there are more
//! cargo bench --profile counted --bench instructions -- --renew   writes the table anew
//! ```
//!
//! A count does not depend on the machine's speed or on what else it does, so it can be checked anywhere. This program
//! runs itself under valgrind's callgrind, which counts between two calls of [`boundary`]: the parts are made ready
//! outside of what is counted. What is allowed above the table is [`TOLERANCE`]; another compiler than the table's
//! generates other code, so for one there is [`TOLERANCE_OF_ANOTHER_COMPILER`]. Fewer instructions than that below the
//! table fail, too: the table is to be renewed, or the next step back would go unnoticed.

mod parts;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode};

/// In percent. The same source and compiler count alike to a thousandth; 3 % are what the C library and its choice of
/// instructions differ by from one system to the next, and less than any change that is worth a look.
const TOLERANCE: f64 = 3.0;
/// In percent.
const TOLERANCE_OF_ANOTHER_COMPILER: f64 = 25.0;
/// How often each part is done while it is counted.
const TIMES: u64 = 200;
/// … and before, so that what grows has grown.
const WARM_UP: u64 = 50;

const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions.txt");
const RENEW: &str = "cargo bench --profile counted --bench instructions -- --renew";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let has = |word: &str| words.iter().any(|other| other == word);
    if has("--parts") {
        run_parts();
        return ExitCode::SUCCESS;
    }
    match counted().and_then(|counts| if has("--renew") { renew(&counts) } else { compare(&counts) }) {
        Ok(said) => {
            print!("{said}");
            ExitCode::SUCCESS
        }
        Err(said) => {
            print!("{said}");
            ExitCode::FAILURE
        }
    }
}

/// Does every part, each between two boundaries.
fn run_parts() {
    for (_, make) in parts::PARTS {
        let mut part = make();
        (0..WARM_UP).for_each(|_| part());
        boundary();
        (0..TIMES).for_each(|_| part());
        boundary();
    }
}

/// Callgrind writes down what it has counted, and begins anew, whenever this is called.
#[inline(never)]
fn boundary() {
    std::hint::black_box(());
}

/// Instructions by part, each for doing it once.
fn counted() -> Result<BTreeMap<&'static str, u64>, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let out = folder.path().join("counts");
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--dump-before=*instructions*boundary*", "--combine-dumps=no"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(own)
        .arg("--parts")
        .output()
        .map_err(|error| format!("valgrind can't be started: {error}\n"))?;
    if !output.status.success() {
        return Err(format!("valgrind: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)));
    }
    // Part N is counted from the boundary before it to the one after it: dump 2 N + 2, counted from 1.
    let count = |number: usize| count_of(folder.path(), number * 2 + 2).map(|count| count / TIMES);
    parts::PARTS.iter().enumerate().map(|(number, (name, _))| Ok((*name, count(number)?))).collect()
}

fn count_of(folder: &Path, dump: usize) -> Result<u64, String> {
    let path = folder.join(format!("counts.{dump}"));
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}\n", path.display()))?;
    let totals = text.lines().find_map(|line| line.strip_prefix("totals: ").or(line.strip_prefix("summary: ")));
    totals.and_then(|count| count.trim().parse().ok()).ok_or_else(|| format!("{}: no totals\n", path.display()))
}

fn compiler() -> String {
    let version = Command::new("rustc").arg("--version").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    format!("{version}, {}", std::env::consts::ARCH)
}

fn renew(counts: &BTreeMap<&str, u64>) -> Result<String, String> {
    let mut table = format!(
        "# Instructions for doing each part of a call once, as callgrind counts them. Compared by tests/run.sh.\n\
         # Written by: {RENEW}\n# {}\n",
        compiler()
    );
    for (name, count) in counts {
        writeln!(table, "{name:<20}{count:>12}").map_err(|error| error.to_string())?;
    }
    std::fs::write(TABLE, &table).map_err(|error| format!("{TABLE}: {error}\n"))?;
    Ok(table)
}

fn compare(counts: &BTreeMap<&str, u64>) -> Result<String, String> {
    let table = std::fs::read_to_string(TABLE).map_err(|error| format!("{TABLE}: {error}\n"))?;
    let compiler = compiler();
    let is_same = table.lines().any(|line| line.strip_prefix("# ") == Some(&compiler));
    let tolerance = if is_same { TOLERANCE } else { TOLERANCE_OF_ANOTHER_COMPILER };
    let rows = table.lines().filter(|line| !line.starts_with('#')).map(str::split_whitespace);
    let mut wanted: BTreeMap<&str, f64> =
        rows.filter_map(|mut row| Some((row.next()?, row.next()?.parse().ok()?))).collect();
    let (mut said, mut is_kept) = (format!("within {tolerance} % of the table, with {compiler}:\n"), true);
    for (name, count) in counts {
        let was = wanted.remove(name).unwrap_or(0.0);
        let change = (*count as f64 / was.max(1.0) - 1.0) * 100.0;
        let verdict = match change {
            _ if was == 0.0 => "is not in the table",
            change if change > tolerance => "MORE",
            change if change < -tolerance => "FEWER: keep it",
            _ => "",
        };
        is_kept &= verdict.is_empty();
        writeln!(said, "{name:<20}{count:>12}{was:>12}{change:>+8.1} % {verdict}")
            .map_err(|error| error.to_string())?;
    }
    for name in wanted.keys() {
        is_kept = false;
        writeln!(said, "{name:<20} is in the table, and there is no such part").map_err(|error| error.to_string())?;
    }
    if is_kept {
        return Ok(said);
    }
    Err(format!("{said}\nIf this is meant, write the table anew and say in the commit why: {RENEW}\n"))
}
