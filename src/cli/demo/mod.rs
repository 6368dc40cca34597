//! `trunkline demo`: a whole call on loopback, with the real server and a carrier that is played.
//!
//! [`server`] starts the service in a folder of its own; [`twilio`] brings it a call; [`script`] is what the
//! caller does; [`report`] says what came of it and whether each promise was kept.

mod progress;
mod promise;
mod render;
pub mod report;
pub mod script;
pub mod server;
pub mod twilio;
mod voices;
pub mod wav_check;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::cli::DemoArgs;
use crate::cli::out::Out;
use crate::clock;
use progress::Progress;
use report::DemoReport;
use script::Scenario;
use server::{CallFacts, DemoServer};
use twilio::{CallReport, FakeTwilio};

/// The caller's number and the number called; both from the range that is kept for examples.
const CALLER: &str = "+14155550100";
const CALLED: &str = "+14155550199";
/// How long the service may take to write down how the call ended.
const SETTLE: Duration = Duration::from_secs(5);

/// Plays the call and tells of it. Success only if every promise was kept.
pub fn run(args: DemoArgs) -> ExitCode {
    let mut progress = Progress::new(args.json);
    let outcome = data_dir(&args).and_then(|data_dir| rehearse(&data_dir, &mut progress));
    let (text, kept) = match (outcome, args.json) {
        (Ok(report), true) => (report.to_json(), report.kept),
        (Ok(report), false) => (render::render(&report), report.kept),
        (Err(error), true) => (report::failure_json(&format!("{error:#}")), false),
        (Err(error), false) => (format!("The demo could not be played: {error:#}\n"), false),
    };
    Out::stdout().text(text);
    if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn rehearse(data_dir: &Path, progress: &mut Progress) -> Result<DemoReport> {
    let identity = server::Identity::fresh();
    let server = server::start(data_dir, &identity).context("the server does not start")?;
    progress.say(&format!("the server listens on {}, its data is in {}", server.address(), data_dir.display()));
    let report = play(server.as_ref(), &identity, &voices::SCENARIO, progress);
    server.stop();
    Ok(DemoReport { data_dir: Some(data_dir.to_owned()), ..report? })
}

/// Brings the server a call and looks at everything that is left of it.
fn play(
    server: &dyn DemoServer,
    identity: &server::Identity,
    scenario: &Scenario<'_>,
    progress: &mut Progress,
) -> Result<DemoReport> {
    let began = clock::now();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let carrier = FakeTwilio::new(server::PUBLIC_URL, &identity.auth_token, &identity.account_sid)?;
    let carrier = carrier.through(server.address());
    let call = runtime.block_on(script::play(&carrier, CALLER, CALLED, scenario, progress))?;
    let facts = runtime.block_on(settled(server, &call))?;
    progress.say("the call is over, and the server has written down how it ended");
    let wav = match &facts.recording {
        Some(path) => wav_check::check(path, &call.caller_sounds(), &call.agent_sounds()),
        None => Err(wav_check::WavError::Missing),
    };
    Ok(DemoReport::new(call, facts, wav, clock::now() - began))
}

/// What the server knows of the call, as soon as it knows how the call ended.
async fn settled(server: &dyn DemoServer, call: &CallReport) -> Result<CallFacts> {
    let deadline = clock::now() + SETTLE;
    loop {
        let facts = server.facts(&call.call.call_sid)?;
        if facts.are_final() || clock::now() > deadline {
            return Ok(facts);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn data_dir(args: &DemoArgs) -> Result<PathBuf> {
    let dir = match &args.out {
        Some(dir) => dir.clone(),
        None => std::env::temp_dir().join(format!("trunkline-demo-{}", &twilio::fresh_sid("")[..8])),
    };
    std::fs::create_dir_all(&dir).with_context(|| format!("the folder {} can't be made", dir.display()))?;
    Ok(dir)
}

#[cfg(test)]
mod tests;
