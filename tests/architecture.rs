//! Who may import whom, and what may stand where: DESIGN §3, kept by a test.
//!
//! Each rule reads the source as words (comments and texts are not code) and says `file:line` of what breaks
//! it. Test code inside `src/` keeps the same rules. Below each rule stands a test that it can fail.

use std::collections::BTreeSet;
use std::fs;

mod architecture {
    pub mod check;
    pub mod paths;
    pub mod tokens;
}

use architecture::check::{
    Finding, assert_all_keep, assert_each_is_found, assert_none_is_found, findings, phrases, root, rust_files,
};
use architecture::paths::{Named, Source};

/// Each module and what it may import of this crate, besides itself.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("engine", &[]),
    ("store", &["engine"]),
    ("providers", &["engine"]),
    ("telemetry", &["engine"]),
    ("config", &["engine"]),
    ("clock", &["engine"]),
    ("actors", &["engine", "store", "providers", "telemetry", "config", "clock"]),
    ("transport", &["engine", "store", "telemetry", "config", "clock", "actors"]),
    ("http", &["engine", "store", "telemetry", "config", "clock", "actors"]),
    ("app", &["engine", "store", "providers", "telemetry", "config", "clock", "actors", "transport", "http"]),
    ("cli", &["engine", "store", "providers", "telemetry", "config", "clock", "actors", "transport", "http", "app"]),
    (
        "main",
        &["engine", "store", "providers", "telemetry", "config", "clock", "actors", "transport", "http", "app", "cli"],
    ),
    ("lib", &[]),
];

/// The same inside of `engine`.
const ENGINE_MAY_IMPORT: &[(&str, &[&str])] = &[
    ("time", &[]),
    ("admission", &[]),
    ("ids", &[]),
    ("audio", &["time", "ids"]),
    ("business", &["time", "ids", "recording"]),
    ("call", &["time", "ids", "audio", "status", "recording", "prompt", "quality"]),
    ("campaign", &["time", "ids", "business", "outbound", "status"]),
    ("status", &["time", "ids", "audio", "call", "recording", "prompt", "quality"]),
    ("recording", &["time", "ids", "audio", "call", "status", "prompt", "quality", "transcript"]),
    ("transcript", &["time", "ids", "audio", "call"]),
    ("prompt", &["time", "ids", "audio", "business", "call", "status", "recording", "quality"]),
    ("quality", &["time", "ids", "audio", "call", "status", "recording", "prompt"]),
    ("capacity", &["time", "ids"]),
    ("delivery", &["time", "ids"]),
    ("outbound", &["time", "ids"]),
    ("wire", &["time", "ids", "audio", "call", "status", "recording", "prompt", "quality"]),
];

/// Crates that `engine` must not know; with everything named after them (`actix_web`, `tokio_rustls` …).
const IMPURE_CRATES: &[&str] = &["actix", "awc", "tokio", "diesel", "slog"];

/// Parts of the standard library that `engine` must not know.
const IMPURE_STD: &[&str] = &["fs", "net", "env", "process", "thread"];

/// What can be asked for the time, by type.
const CLOCKS: &[&str] = &["Instant", "SystemTime", "Timestamp", "Zoned", "Utc", "Local"];

const LOG_MACROS: &[&str] = &["trace", "debug", "info", "warn", "error", "crit", "log"];

/// What may lie at the top of the repository.
const TOP_LEVEL: &[&str] = &[
    ".ci",
    ".git",
    ".gitignore",
    "Cargo.lock",
    "Cargo.toml",
    "Dockerfile",
    "README.md",
    "benches",
    "clippy.toml",
    "config",
    "deny.toml",
    "deploy",
    "diesel.toml",
    "docs",
    "migrations",
    "rustfmt.toml",
    "src",
    "tests",
];

/// How long a file may be, in lines, before it must say why.
const LONG: usize = 450;

/// Files that are longer, and the reason.
const LONG_FILES: &[(&str, &str)] = &[];

/// Crates that must not come in: a second crypto provider makes TLS panic at run time, and OpenSSL needs a system library.
const BANNED_CRATES: &[&str] = &["aws-lc-rs", "aws-lc-sys", "openssl-sys"];

#[test]
fn nobody_imports_upward_or_sideways() {
    assert_all_keep(imports_only_what_lies_below);
}

#[test]
fn an_upward_import_is_found() {
    let planted = [
        ("src/engine/status.rs", "use crate::store::Turn;"),
        ("src/engine/status.rs", "use crate::clock;"),
        ("src/engine/status.rs", "mod tests { use crate::clock; }"),
        ("src/telemetry/log.rs", "use crate::clock;"),
        ("src/store/mod.rs", "fn f() { crate::telemetry::count() }"),
        ("src/store/turns.rs", "use super::super::clock::now;"),
        ("src/config/mod.rs", "use crate::{engine::ids, providers::carrier};"),
        ("src/actors/call.rs", "mod tests { use crate::{actors, http::routes}; }"),
        ("src/transport/twilio.rs", "use crate::http;"),
        ("src/app.rs", "use crate::cli::Serve;"),
        ("src/http/mod.rs", "use crate::*;"),
        ("src/engine/ids.rs", "use super::call::Turn;"),
        ("src/engine/audio/vad.rs", "use crate::engine::call::Detector;"),
        ("src/engine/call/mod.rs", "use crate::engine::wire::twiml;"),
        ("src/engine/call/mod.rs", "use crate::engine::*;"),
        ("src/helpers/mod.rs", ""),
        ("src/engine/helpers.rs", ""),
        ("src/actors/call.rs", "use crate::helpers::x;"),
    ];
    assert_each_is_found(imports_only_what_lies_below, &planted);
    let fine = [
        ("src/engine/call/machine.rs", "use super::turn::Turn; use crate::engine::{ids::CallSid, time};"),
        ("src/actors/call.rs", "use crate::{engine, store::call_files, clock::now};"),
        ("src/main.rs", "trunkline::cli::run()"),
        ("src/telemetry/log.rs", "mod tests { use crate::clock::now; }"),
        ("src/telemetry/tests.rs", "use crate::clock::now;"),
    ];
    assert_none_is_found(imports_only_what_lies_below, &fine);
}

fn imports_only_what_lies_below(source: &Source) -> Vec<Finding> {
    let layer = source.layer();
    let inside_engine = source.module.get(1).filter(|_| layer == "engine");
    let unknown = |name: &str| vec![Finding { line: 1, what: format!("DESIGN §3 knows no {name}") }];
    let Some(allowed) = look_up(MAY_IMPORT, layer) else { return unknown(layer) };
    let engine_allowed = match inside_engine.map(|part| look_up(ENGINE_MAY_IMPORT, part)) {
        Some(None) => return unknown(&source.module.join("::")),
        Some(Some(allowed)) => allowed,
        None => &[],
    };
    let forbidden = |named: &&Named| {
        let mut segments = named.path.iter().map(String::as_str);
        if segments.next() != Some("crate") {
            return false;
        }
        match (segments.next(), segments.next(), inside_engine) {
            (None, ..) => layer != "lib",
            // A test of something that is told the time may read it to tell it.
            (Some("clock"), ..) if named.in_tests && inside_engine.is_none() => false,
            (Some("engine"), None, Some(_)) => true,
            (Some("engine"), Some(part), Some(own)) => part != own && !engine_allowed.contains(&part),
            (Some(module), ..) => layer != "lib" && module != layer && !allowed.contains(&module),
        }
    };
    let found = source.named.iter().filter(forbidden);
    found.map(|named| Finding::at(named, &format!("{layer} must not import"))).collect()
}

#[test]
fn actors_know_the_traits_of_providers_but_no_vendor() {
    assert_all_keep(names_no_vendor);
}

#[test]
fn a_vendor_in_an_actor_is_found() {
    assert_each_is_found(
        names_no_vendor,
        &[
            ("src/actors/call.rs", "use crate::providers::voice_agent::{VoiceAgent, openai_realtime::OpenAi};"),
            ("src/actors/call.rs", "fn f() { crate::providers::voice_agent::local::open() }"),
        ],
    );
    assert_none_is_found(
        names_no_vendor,
        &[
            ("src/actors/call.rs", "use crate::providers::{carrier::Carrier, voice_agent::{self, VoiceAgent}};"),
            ("src/app.rs", "use crate::providers::voice_agent::local::Local;"),
        ],
    );
}

/// By the name's form: below `providers::<need>`, what is written small is a vendor's module.
fn names_no_vendor(source: &Source) -> Vec<Finding> {
    let is_vendor = |named: &&Named| match &named.path[..] {
        [root, providers, _, below, ..] => {
            root == "crate" && providers == "providers" && below.starts_with(|c: char| c.is_lowercase())
        }
        _ => false,
    };
    let found = source.named.iter().filter(|_| source.layer() == "actors").filter(is_vendor);
    found.map(|named| Finding::at(named, "actors know traits, not vendors:")).collect()
}

#[test]
fn the_engine_is_pure() {
    assert_all_keep(touches_no_world);
}

#[test]
fn an_impure_word_in_the_engine_is_found() {
    let planted = [
        ("src/engine/a.rs", "use tokio::sync::mpsc;"),
        ("src/engine/a.rs", "#[actix_web::main] async fn f() {}"),
        ("src/engine/a.rs", "use std::{fmt, fs::File};"),
        ("src/engine/a.rs", "fn f(a: std::net::IpAddr) {}"),
        ("src/engine/a.rs", "let t = Instant::now();"),
        ("src/engine/a.rs", "let t = clock :: now ( );"),
        ("src/engine/a.rs", "mod tests { fn f() { Instant::now() } }"),
        ("src/engine/a.rs", "diesel::table! {}"),
        ("src/engine/a.rs", "slog_scope::info!(\"\")"),
    ];
    assert_each_is_found(touches_no_world, &planted);
    let fine = [
        (
            "src/engine/a.rs",
            "// tokio, std::fs and Instant::now() are for others\nlet slogan = \"actix\"; let now = 1;",
        ),
        ("src/store/a.rs", "use std::fs; use diesel::prelude::*;"),
    ];
    assert_none_is_found(touches_no_world, &fine);
}

fn touches_no_world(source: &Source) -> Vec<Finding> {
    if source.layer() != "engine" {
        return Vec::new();
    }
    let is_impure_crate = |word: &str| {
        let named_after =
            |name: &&&str| word.strip_prefix(**name).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'));
        IMPURE_CRATES.iter().find(named_after).is_some()
    };
    let crates = source.tokens.iter().filter(|token| is_impure_crate(&token.text));
    let crates = crates.map(|token| Finding { line: token.line, what: format!("engine is pure: {}", token.text) });
    let is_impure_std = |named: &&Named| match &named.path[..] {
        [root, part, ..] => root == "std" && IMPURE_STD.contains(&part.as_str()),
        _ => false,
    };
    let parts = source.named.iter().filter(is_impure_std).map(|named| Finding::at(named, "engine is pure:"));
    let clocks = phrases(source, &["::", "now", "("])
        .into_iter()
        .map(|line| Finding { line, what: "engine is told the time".into() });
    crates.chain(parts).chain(clocks).collect()
}

#[test]
fn only_the_clock_reads_the_time() {
    assert_all_keep(reads_no_clock);
}

#[test]
fn a_clock_reading_elsewhere_is_found() {
    let planted = [
        ("src/actors/call.rs", "let began = Instant::now();"),
        ("src/store/mod.rs", "std::time::SystemTime::now()"),
        ("src/providers/carrier.rs", "use std::time::Instant; fn f() { Instant::now() }"),
        ("src/providers/carrier.rs", "use tokio::time; fn f() { std::time::Instant::now() }"),
        ("src/providers/carrier.rs", "use tokio::time::Instant; fn f() { SystemTime::now() }"),
        ("src/actors/call.rs", "use tokio::time::Instant; fn f() { Instant::now() }"),
        ("src/http/api.rs", "jiff::Timestamp::now()"),
        ("src/app.rs", "START.get_or_init(Instant::now)"),
    ];
    assert_each_is_found(reads_no_clock, &planted);
    let fine = [
        ("src/clock.rs", "Instant::now()"),
        ("src/actors/call.rs", "let began: Instant = clock::now();"),
        ("src/providers/carrier.rs", "use tokio::time::{Instant, sleep}; fn f() { Instant::now() }"),
        ("src/providers/carrier.rs", "tokio::time::Instant::now()"),
        ("src/telemetry/limiter.rs", "mod tests { fn some_instant() -> Instant { Instant::now() } }"),
    ];
    assert_none_is_found(reads_no_clock, &fine);
}

/// A test may make an instant to count from; the engine's tests need none.
fn reads_no_clock(source: &Source) -> Vec<Finding> {
    if source.file == "src/clock.rs" {
        return Vec::new();
    }
    let reads_clock = |named: &&Named| match &named.path[..] {
        [.., clock, now] => CLOCKS.contains(&clock.as_str()) && now == "now" && !named.in_tests,
        _ => false,
    };
    let reads_clock = |named: &&Named| reads_clock(named) && !reads_the_timers_clock(source, named);
    let found = source.named.iter().filter(reads_clock);
    found.map(|named| Finding::at(named, "only src/clock.rs reads the time:")).collect()
}

/// Providers get the time as timers, and may ask tokio what the timers' clock shows: a test that pauses it holds
/// both. `clock.rs` shows another one, which goes on.
fn reads_the_timers_clock(source: &Source, named: &Named) -> bool {
    let imports = |path: &[&str]| source.named.iter().any(|other| other.path == path);
    let path: Vec<&str> = named.path.iter().map(String::as_str).collect();
    source.layer() == "providers"
        && match path[..] {
            ["tokio", "time", "Instant", "now"] => true,
            ["Instant", "now"] => imports(&["tokio", "time", "Instant"]) && !imports(&["std", "time", "Instant"]),
            _ => false,
        }
}

#[test]
fn only_telemetry_and_the_command_line_log() {
    assert_all_keep(logs_nothing);
}

#[test]
fn a_log_line_elsewhere_is_found() {
    let planted = [
        ("src/actors/call.rs", "use slog::Logger;"),
        ("src/http/mod.rs", "info!(log, \"hello\");"),
        ("src/store/mod.rs", "log::error!(\"hello\");"),
    ];
    assert_each_is_found(logs_nothing, &planted);
    let fine = [
        ("src/telemetry/log.rs", "use slog::info; info!(log, \"\");"),
        ("src/cli/serve.rs", "error!(log, \"\");"),
        ("src/actors/call.rs", "#[error(\"no\")] let info = !error;"),
    ];
    assert_none_is_found(logs_nothing, &fine);
}

fn logs_nothing(source: &Source) -> Vec<Finding> {
    if matches!(source.layer(), "telemetry" | "cli") {
        return Vec::new();
    }
    let macros = LOG_MACROS.iter().flat_map(|name| phrases(source, &[name, "!", "("]));
    let crates = source.tokens.iter().filter(|token| token.text.split('_').next() == Some("slog"));
    let lines = macros.chain(crates.map(|token| token.line));
    lines.map(|line| Finding { line, what: "only telemetry and cli log: add an event instead".into() }).collect()
}

#[test]
fn only_the_store_knows_sql() {
    assert_all_keep(knows_no_sql);
}

#[test]
fn sql_elsewhere_is_found() {
    let planted = [
        ("src/http/api.rs", "use diesel::prelude::*;"),
        ("src/actors/call_status.rs", "use crate::store::{Store, schema::calls};"),
        ("src/app.rs", "diesel_migrations::embed_migrations!()"),
    ];
    assert_each_is_found(knows_no_sql, &planted);
    let fine = [("src/store/calls.rs", "use super::schema::calls; use diesel::prelude::*;")];
    assert_none_is_found(knows_no_sql, &fine);
}

fn knows_no_sql(source: &Source) -> Vec<Finding> {
    if source.layer() == "store" {
        return Vec::new();
    }
    let crates = source.tokens.iter().filter(|token| token.text.split('_').next() == Some("diesel"));
    let schema =
        source.named.iter().filter(|named| named.path.starts_with(&["crate", "store", "schema"].map(String::from)));
    let lines = crates.map(|token| token.line).chain(schema.map(|named| named.line));
    lines.map(|line| Finding { line, what: "only store knows SQL".into() }).collect()
}

#[test]
fn what_one_actor_owns_is_not_behind_a_lock() {
    assert_all_keep(shares_no_lock);
}

#[test]
fn a_shared_lock_is_found() {
    let planted = [
        ("src/actors/call.rs", "struct Call { state: Arc<Mutex<State>> }"),
        ("src/engine/call/machine.rs", "let x: Arc < RwLock < u8 >>;"),
    ];
    assert_each_is_found(shares_no_lock, &planted);
    assert_none_is_found(shares_no_lock, &[("src/store/mod.rs", "Arc<Mutex<Connection>>")]);
}

fn shares_no_lock(source: &Source) -> Vec<Finding> {
    if !matches!(source.layer(), "engine" | "actors") {
        return Vec::new();
    }
    let found = ["Mutex", "RwLock"].into_iter().flat_map(|lock| phrases(source, &["Arc", "<", lock]));
    found.map(|line| Finding { line, what: "one actor owns it: no shared lock".into() }).collect()
}

#[test]
fn a_long_file_says_why() {
    let (mut sources, mut tests) = (rust_files("src"), rust_files("tests"));
    sources.append(&mut tests);
    assert_eq!(findings(&sources, is_short), Vec::<String>::new());
    let stale = LONG_FILES.iter().filter(|(file, _)| !sources.iter().any(|s| s.file == *file && s.lines > LONG));
    assert_eq!(stale.collect::<Vec<_>>(), Vec::<&(&str, &str)>::new(), "no longer long");
}

#[test]
fn a_long_file_without_a_reason_is_found() {
    assert_each_is_found(is_short, &[("src/app.rs", &"\n".repeat(LONG + 1))]);
    assert_none_is_found(is_short, &[("src/app.rs", &"\n".repeat(LONG))]);
}

fn is_short(source: &Source) -> Vec<Finding> {
    let has_reason = LONG_FILES.iter().any(|(file, _)| *file == source.file);
    let what = format!("{} lines: split the type, or list the file with a reason", source.lines);
    if source.lines > LONG && !has_reason { vec![Finding { line: LONG + 1, what }] } else { Vec::new() }
}

#[test]
fn the_top_of_the_repository_holds_only_what_the_design_lists() {
    let names = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let ignored = fs::read_to_string(root().join(".gitignore")).unwrap();
    assert_eq!(strangers(names, &ignored), BTreeSet::new());
}

#[test]
fn a_stranger_at_the_top_is_found() {
    let names = ["src", "target", "scripts", ".dockerignore"].map(str::to_owned);
    let found = strangers(names.into_iter(), "/target\n");
    assert_eq!(found, BTreeSet::from(["scripts".to_owned(), ".dockerignore".to_owned()]));
}

fn strangers(names: impl Iterator<Item = String>, ignored: &str) -> BTreeSet<String> {
    let is_ignored = |name: &str| ignored.lines().any(|line| line.trim_matches('/') == name);
    names.filter(|name| !TOP_LEVEL.contains(&name.as_str()) && !is_ignored(name)).collect()
}

#[test]
fn no_banned_crate_comes_in() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    assert!(lock.contains("name = \"rustls\""), "the file is read as it is written");
    assert_eq!(banned(&lock), Vec::<&str>::new());
    assert_eq!(banned("[[package]]\nname = \"aws-lc-sys\"\nversion = \"1\""), ["aws-lc-sys"]);
}

fn banned(lock: &str) -> Vec<&'static str> {
    let comes_in = |name: &&&str| lock.lines().any(|line| line == format!("name = \"{name}\""));
    BANNED_CRATES.iter().filter(comes_in).copied().collect()
}

fn look_up(table: &[(&str, &'static [&'static str])], name: &str) -> Option<&'static [&'static str]> {
    table.iter().find(|(module, _)| *module == name).map(|(_, allowed)| *allowed)
}
