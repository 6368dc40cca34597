//! `trunkline storm`: many callers at once, and what they heard.
//!
//! ```text
//!            webhooks, TwiML, callbacks
//! caller ────────────────────────────────▶ server            each call once
//! line   ◀──── media, mark, clear ───────▶ server            each call 50 times a second
//!                                          server ◀────────▶ vendor
//! fleet: one tick each ms drives all lines and the vendor, on one thread
//! ```
//!
//! * [`storm`] is the course: ramp, hold, end. [`args`] is the command line, [`talk`] what a caller does.
//! * [`caller`] makes one call; [`line`] is its media stream with its [`ear`]; [`fleet`] ticks.
//! * [`vendor`] is the voice agent's vendor. What it says is stamped ([`stamp`]), so that what is heard can be
//!   checked to the sample ([`sequence`]) and timed from the vendor's mouth to the caller's ear.
//! * [`frame`], [`media`], [`messages`], [`upgrade`] are the wire: the storm's own, shared with nobody, made to cost little.
//! * [`process`] reads what the server costs, [`figures`] what it says of itself, [`spawn`] starts it, [`floor`] is what it is compared with.
//! * [`stats`] and [`spread`] count; [`report`], [`slo`], [`render`], [`scaling`], [`progress`] tell.

pub mod args;
mod caller;
mod chance;
mod ear;
mod figures;
mod fleet;
mod floor;
mod frame;
mod line;
mod media;
mod messages;
mod process;
mod progress;
mod render;
mod report;
mod scaling;
mod sequence;
mod slo;
pub mod spawn;
mod spread;
mod stamp;
mod stats;
#[allow(clippy::module_inception, reason = "the course of a storm is what the module is about")]
mod storm;
mod talk;
mod upgrade;
mod vendor;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::rc::Rc;

use anyhow::{Context, ensure};
use clap::ValueEnum as _;
use tokio::task::LocalSet;

use crate::cli::UNUSABLE;
use crate::cli::demo::twilio::fresh_sid;
use crate::cli::out::Out;
use args::{Agent, Plan, Protocol, StormArgs};
use process::Process;
use progress::Progress;
use report::{Report, Run, Stage};
use spawn::{Folder, Spawned, Spawning};
use stats::Stats;
use storm::{ENGINE, FLOOR, Target};
use vendor::Vendor;

/// A free port of this machine.
const ANY_PORT: SocketAddr = SocketAddr::V4(std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 0));

/// Storms, and tells what came of it. Success only if the result is valid and every limit was kept.
pub fn run(args: &StormArgs) -> ExitCode {
    let plan = match args.plan().and_then(|plan| Ok((plan, args.cores()?))) {
        Ok(plan) => plan,
        Err(error) => {
            Out::stderr().line(format_args!("{error:#}"));
            return ExitCode::from(UNUSABLE);
        }
    };
    match start(args, &plan.0, plan.1) {
        Ok(code) => code,
        Err(error) => {
            Out::stderr().line(format_args!("The storm did not come: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn start(args: &StormArgs, plan: &Plan, cores: (usize, usize)) -> anyhow::Result<ExitCode> {
    ensure!(!args.floor || args.agent == Agent::OpenAi, "--floor: the pass-through knows --agent openai only");
    if let Some(listen) = args.listen {
        let vendor = args.vendor_url.as_deref().context("--listen needs --vendor-url")?;
        return floor::run(listen, vendor, plan.audio);
    }
    ensure!(!args.floor || args.spawn, "--floor needs --spawn, or --listen");
    let has_floor = args.protocol == Protocol::Twilio;
    ensure!(!args.floor || has_floor, "--floor: the pass-through knows --protocol twilio only");
    spawn::allow_many_files();
    let pinned = (args.spawn && spawn::can_pin(cores) && spawn::pin_self(cores.1)).then_some(cores);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let runs = runtime.block_on(LocalSet::new().run_until(all(args, plan, pinned)))?;
    if runs.is_empty() {
        return Ok(ExitCode::SUCCESS); // a vendor that was stopped
    }
    let is_valid = runs.iter().flat_map(|run| &run.stages).all(Stage::is_valid);
    let is_kept = is_valid && runs.iter().flat_map(|run| &run.promises).all(|promise| promise.is_kept);
    let report = Report {
        version: env!("CARGO_PKG_VERSION"),
        build: if cfg!(debug_assertions) { "debug" } else { "release" },
        commit: spawn::commit(),
        command: command(),
        machine: process::machine(),
        pinned,
        talk: args.talk.clone(),
        audio: plan.audio,
        vendor: plan.vendor.clone(),
        is_valid,
        is_kept,
        runs,
    };
    let text = match args.json {
        true => serde_json::to_string_pretty(&report).context("the report")? + "\n",
        false => render::render(&report),
    };
    Out::stdout().text(text);
    let files = [(&args.table, scaling::table(&report)), (&args.picture, scaling::picture(&report))];
    for (path, text) in files.iter().filter_map(|(path, text)| Some((path.as_ref()?, text))) {
        std::fs::write(path, text).with_context(|| format!("{} can't be written", path.display()))?;
    }
    Ok(if report.is_kept { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The command line, without what is secret in it.
fn command() -> String {
    let mut words = Vec::new();
    let mut is_secret = false;
    for word in std::env::args() {
        let hidden = word.starts_with("--token=");
        words.push(if std::mem::take(&mut is_secret) || hidden { "…".to_owned() } else { word.clone() });
        is_secret = word == "--token";
    }
    words.join(" ")
}

async fn all(args: &StormArgs, plan: &Plan, pinned: Option<(usize, usize)>) -> anyhow::Result<Vec<Run>> {
    let mut progress = Progress::new();
    let stats = Rc::new(RefCell::new(Stats::default()));
    let is_vendor_here = args.spawn || args.vendor_listen.is_some();
    let vendor = is_vendor_here.then(|| Vendor::new(plan.vendor.clone(), Rc::clone(&stats)));
    let mut vendor_url = String::new();
    if let Some(vendor) = &vendor {
        let address = vendor.listen(args.vendor_listen.unwrap_or(ANY_PORT)).await.context("--vendor-listen")?;
        let path = match args.agent {
            Agent::OpenAi => "/v1/realtime",
            Agent::Deepgram => vendor::deepgram::PATH,
        };
        vendor_url = format!("ws://{address}{path}");
        progress.say(&format!("the vendor listens on {vendor_url}"));
    }
    if let (Some(vendor), [0]) = (&vendor, &plan.stages[..]) {
        return be_the_vendor(vendor).await;
    }
    let (token, account) = (args.token.clone(), args.account.clone());
    if !args.spawn {
        let (token, account) = match args.protocol {
            Protocol::Audiosocket => (token.unwrap_or_default(), account.unwrap_or_default()),
            Protocol::Twilio => (
                token.context("--token, or TWILIO_AUTH_TOKEN: what are webhooks signed with?")?,
                account.context("--account, or TWILIO_ACCOUNT_SID: whose calls are they?")?,
            ),
        };
        let target = Target {
            subject: ENGINE,
            url: args.url.clone(),
            token,
            account,
            audiosocket: (args.protocol == Protocol::Audiosocket).then_some(args.audiosocket),
            process: args.engine_pid.map(Process::new),
        };
        return Ok(vec![storm::storm(plan, &target, vendor, stats, &mut progress).await?]);
    }
    let mut runs = Vec::new();
    let subjects: &[&'static str] = if args.floor { &[ENGINE, FLOOR] } else { &[ENGINE] };
    for &subject in subjects {
        let mut target = Target {
            subject,
            url: String::new(),
            token: fresh_sid(""),
            account: fresh_sid("AC"),
            audiosocket: None,
            process: None,
        };
        let folder = Folder::new()?;
        let (words, environment) = match subject {
            ENGINE => engine(args, &target, &vendor_url, &folder),
            _ => (floor_words(&vendor_url, plan), Vec::new()),
        };
        let core = pinned.map(|(server, _)| server);
        let server = Spawned::start(Spawning { args: words, environment, core, folder: folder.path() })?;
        target.url = server.url.clone();
        target.process = Some(server.process());
        if args.protocol == Protocol::Audiosocket {
            target.audiosocket = Some(server.audiosocket.context("the server takes no calls from a PBX")?);
        }
        progress.say(&format!("the {subject} is process {}, at {}", server.process().pid(), server.url));
        runs.push(storm::storm(plan, &target, vendor.clone(), Rc::clone(&stats), &mut progress).await?);
    }
    Ok(runs)
}

/// Serves as a vendor until it is stopped.
async fn be_the_vendor(vendor: &Vendor) -> anyhow::Result<Vec<Run>> {
    let stopped = tokio::signal::ctrl_c();
    tokio::pin!(stopped);
    loop {
        tokio::select! {
            _ = &mut stopped => return Ok(Vec::new()),
            () = tokio::time::sleep(std::time::Duration::from_millis(1)) => vendor.tick(crate::clock::now()),
        }
    }
}

fn floor_words(vendor_url: &str, plan: &Plan) -> Vec<String> {
    let words = ["storm", "--floor", "--listen", "127.0.0.1:0", "--vendor-url", vendor_url, "--audio"];
    words.into_iter().chain([plan.audio.as_str()]).map(str::to_owned).collect()
}

/// The service's arguments and settings: on one thread, with the vendor of the storm, and nobody else to call.
fn engine(
    args: &StormArgs,
    target: &Target,
    vendor_url: &str,
    folder: &Folder,
) -> (Vec<String>, Vec<(String, String)>) {
    let words = ["serve", "--listen", "127.0.0.1:0"].map(str::to_owned);
    let data_dir = folder.path().join("data");
    let (vendor, _path) = vendor_url.trim_start_matches("ws://").split_once('/').unwrap_or_default();
    let nobody = format!("http://{vendor}");
    let agent = args.agent.to_possible_value().map_or_else(String::new, |agent| agent.get_name().to_owned());
    let url = format!("{agent}.url");
    let mut settings = vec![
        ("TWILIO_AUTH_TOKEN".to_owned(), target.token.clone()),
        ("TWILIO_ACCOUNT_SID".to_owned(), target.account.clone()),
        (format!("{}_API_KEY", agent.to_uppercase()), "storm".to_owned()),
        // An empty one counts as none: nothing of ours may reach a database that is somebody's.
        ("DATABASE_URL".to_owned(), String::new()),
        ("TRUNKLINE_CONFIG".to_owned(), String::new()),
    ];
    let (record, is_pbx) =
        (if args.record { "own" } else { "off" }, (args.protocol == Protocol::Audiosocket).to_string());
    let own = [
        ("data_dir", data_dir.to_string_lossy().into_owned()),
        ("agent.provider", agent),
        (&url, vendor_url.to_owned()),
        ("openai.audio", args.audio.as_str().to_owned()),
        ("twilio.api_url", nobody),
        ("http.workers", "1".to_owned()),
        ("recording.policy", record.to_owned()),
        ("asterisk.audiosocket.enabled", is_pbx),
        ("asterisk.audiosocket.listen", "127.0.0.1:0".to_owned()),
        ("asterisk.audiosocket.max_connections", "100000".to_owned()),
        ("asterisk.audiosocket.connects_per_second", "10000".to_owned()),
    ];
    let given = args.set.iter().filter_map(|setting| setting.split_once('='));
    let own = own.iter().map(|(key, value)| (*key, value.as_str())).chain(given);
    settings.extend(
        own.map(|(key, value)| (format!("TRUNKLINE__{}", key.replace('.', "__").to_uppercase()), value.to_owned())),
    );
    (words.to_vec(), settings)
}
