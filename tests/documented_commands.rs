//! What the guides, the help and the files of a deployment tell people to type is what the program understands.

use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use trunkline::cli::Cli;
use trunkline::config::describe;

/// A command as somebody may type it, and where it is told.
#[derive(Debug)]
struct Told {
    whence: String,
    arguments: Vec<String>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Everything that people read, with its name.
fn texts() -> Vec<(String, String)> {
    let mut files = vec![root().join("README.md"), root().join("Dockerfile"), root().join("config/default.toml")];
    let mut folders = vec![root().join("docs"), root().join("deploy")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    let name = |path: &PathBuf| path.strip_prefix(root()).unwrap().display().to_string();
    // Pictures are not read.
    files.iter().filter_map(|path| Some((name(path), std::fs::read_to_string(path).ok()?))).collect()
}

/// The blocks of a guide that a shell is given, each line of them whole.
fn shell_lines(guide: &str) -> Vec<String> {
    let blocks = guide.split("```").skip(1).step_by(2);
    let shell = blocks.filter_map(|block| block.strip_prefix("sh\n"));
    shell.flat_map(|block| block.replace("\\\n", " ").lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// What a guide has between backticks in its sentences.
fn named(guide: &str) -> Vec<String> {
    let sentences = guide.split("```").step_by(2);
    sentences.flat_map(|text| text.split('`').skip(1).step_by(2)).map(|span| span.replace('\n', " ")).collect()
}

/// The arguments of each `trunkline` in a line for a shell; variables before it, and what follows a pipe or a comment,
/// are none.
fn commands(line: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for part in line.split(" # ").next().unwrap_or_default().split(['|', ';', '&', '>']) {
        let words: Vec<&str> = part.split_whitespace().map(|word| word.trim_matches(['"', '\''])).collect();
        let is_variable = |word: &&&str| word.contains('=') || **word == "export";
        let rest = &words[words.iter().take_while(is_variable).count()..];
        let arguments = match rest {
            ["cargo", "run", rest @ ..] => rest.iter().position(|word| *word == "--").map(|at| &rest[at + 1..]),
            [program, rest @ ..] if program.rsplit('/').next() == Some("trunkline") => Some(rest),
            _ => None,
        };
        found.extend(arguments.map(|words| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()));
    }
    found.retain(|arguments| !arguments.is_empty());
    found
}

/// As the program reads its command line: `None` if it makes sense to it.
fn complaint(arguments: &[String]) -> Option<String> {
    let line = std::iter::once("trunkline").chain(arguments.iter().map(String::as_str));
    match Cli::try_parse_from(line) {
        Ok(_) => None,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => None,
        Err(error) => Some(error.to_string()),
    }
}

fn told(whence: &str, lines: impl IntoIterator<Item = String>) -> Vec<Told> {
    let of_line = |line: String| {
        commands(&line).into_iter().map(|arguments| Told { whence: whence.to_owned(), arguments }).collect::<Vec<_>>()
    };
    lines.into_iter().flat_map(of_line).collect()
}

fn assert_understood(all: &[Told]) {
    let wrong: Vec<String> = all
        .iter()
        .filter_map(|Told { whence, arguments }| Some(format!("{whence}: {arguments:?}: {}", complaint(arguments)?)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_command_for_a_shell_makes_sense() {
    let all: Vec<Told> = texts().iter().flat_map(|(name, text)| told(name, shell_lines(text))).collect();
    assert!(all.len() > 20, "{all:?}");
    assert_understood(&all);
}

#[test]
fn every_command_that_a_sentence_names_is_one() {
    // A name may leave out what it is about: with --help, only what it has is judged.
    let mut all: Vec<Told> = texts()
        .iter()
        .filter(|(name, _)| name.ends_with(".md") || name.ends_with(".toml"))
        .flat_map(|(name, text)| told(name, named(text)))
        .collect();
    all.iter_mut().for_each(|command| command.arguments.push("--help".to_owned()));
    assert!(all.len() > 20, "{all:?}");
    assert_understood(&all);
}

#[test]
fn every_example_of_the_help_makes_sense() {
    let mut commands = vec![Cli::command()];
    let (mut seen, mut all) = (0, Vec::new());
    while let Some(mut command) = commands.pop() {
        commands.extend(command.get_subcommands().cloned());
        let help = command.render_long_help().to_string();
        let examples = help.split_once("Examples:").map(|(_, rest)| rest.lines().map(|line| line.trim().to_owned()));
        let of_command = told(&format!("trunkline {} --help", command.get_name()), examples.into_iter().flatten());
        seen += usize::from(!of_command.is_empty());
        all.extend(of_command);
    }
    assert!(seen >= 14, "{seen} commands have examples");
    assert_understood(&all);
}

#[test]
fn every_program_line_of_a_unit_makes_sense() {
    let unit = std::fs::read_to_string(root().join("deploy/systemd/trunkline.service")).unwrap();
    let lines = unit.lines().filter_map(|line| line.strip_prefix("Exec")?.split_once('=')).map(|(_, line)| line);
    let all = told("trunkline.service", lines.map(str::to_owned));
    assert!(all.len() >= 2, "{all:?}");
    assert_understood(&all);
}

#[test]
fn every_variable_that_sets_a_value_names_a_setting() {
    let mut seen = 0;
    for (name, text) in texts() {
        for rest in text.split("TRUNKLINE__").skip(1) {
            let variable: String =
                rest.chars().take_while(|letter| letter.is_ascii_uppercase() || *letter == '_').collect();
            // As a pattern, or where a sentence says how such variables are named.
            if variable.is_empty() || variable == "SECTION__KEY" {
                continue;
            }
            let path = variable.trim_end_matches('_').to_lowercase().replace("__", ".");
            assert!(describe(&path).is_ok(), "{name}: TRUNKLINE__{variable} sets nothing");
            seen += 1;
        }
    }
    assert!(seen > 10, "{seen}");
}

#[test]
fn what_the_program_does_not_know_would_be_seen() {
    let shell =
        shell_lines("words\n```sh\nX=1 trunkline dance --fast   # a comment\ntrunkline \\\n  demo | jq .x\n```\n");
    let all = told("a guide", shell);
    let arguments: Vec<_> = all.iter().map(|command| command.arguments.join(" ")).collect();
    assert_eq!(arguments, ["dance --fast", "demo"]);
    assert!(complaint(&all[0].arguments).is_some() && complaint(&all[1].arguments).is_none());
    assert!(complaint(&["storm".to_owned(), "--no-such".to_owned(), "--help".to_owned()]).is_some());
    assert_eq!(commands("cargo run --release -- serve --config bakery.toml"), [["serve", "--config", "bakery.toml"]]);
}
