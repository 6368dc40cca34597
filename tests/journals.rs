//! Journals of real calls: a machine that is told the same answers the same, to the microsecond.

use std::fs;
use std::path::{Path, PathBuf};

use trunkline::engine::call::CallMachine;
use trunkline::engine::call::journal::{Journal, header, input_line, output_line};

#[test]
fn real_calls_are_replayed_word_for_word() {
    let journals = golden();
    assert!(journals.len() >= 5, "{journals:?}");
    for path in journals {
        let written = fs::read_to_string(&path).unwrap();
        let replayed = replay(&written);
        for (number, (replayed, written)) in replayed.lines().zip(written.lines()).enumerate() {
            assert_eq!(replayed, written, "{}:{}", path.display(), number + 1);
        }
        assert_eq!(replayed.len(), written.len(), "{} goes on", path.display());
    }
}

#[test]
fn a_call_that_went_otherwise_is_noticed() {
    let path = folder().join("handed_over.txt");
    let written = fs::read_to_string(path).unwrap();
    let without_key: String =
        written.lines().filter(|line| !line.ends_with(" dtmf 0")).map(|line| format!("{line}\n")).collect();
    assert!(without_key.len() < written.len(), "somebody pressed a key");
    assert_ne!(replay(&without_key), without_key);
    assert!(!replay(&without_key).contains("Transferred"));
}

#[test]
#[ignore = "writes the answers anew, after a rule has changed"]
fn rewrite() {
    for path in golden() {
        let replayed = replay(&fs::read_to_string(&path).unwrap());
        fs::write(path, replayed).unwrap();
    }
}

/// The whole journal as it would be written today, from its settings and inputs alone.
fn replay(text: &str) -> String {
    let journal = Journal::parse(text).unwrap();
    let mut machine = CallMachine::new(journal.settings.clone());
    let mut lines = vec![header(&journal.settings)];
    let mut outputs = Vec::new();
    for (now, input) in journal.inputs {
        lines.push(input_line(now, &input));
        machine.handle(now, input, &mut outputs);
        lines.extend(outputs.drain(..).map(|output| output_line(now, &output)));
    }
    lines.join("\n") + "\n"
}

fn golden() -> Vec<PathBuf> {
    let files = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "txt")).collect()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/journals")
}
