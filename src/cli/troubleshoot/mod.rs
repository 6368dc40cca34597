//! `trunkline troubleshoot`: what happened on a call, how good it was, and what to do. Beside a service that runs, or
//! without: the database is read and not written.

mod json;
mod list;
mod page;
mod render;
#[cfg(test)]
mod tests;
mod waterfall;

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use crate::cli::out::Out;
use crate::cli::{ConfigArgs, load_config};
use crate::config::Config;
use crate::engine::ids::CallSid;
use crate::store::recordings::Recording;
use crate::store::{CallPeek, CallRecord, StoreError};

/// The exit code if there is nothing to show.
const NOTHING: u8 = 1;
/// How many calls `--list` shows.
const LISTED: u32 = 20;

/// Options of `troubleshoot`.
#[derive(Clone, Debug, Args)]
#[group(id = "which", required = true, multiple = false, args = ["call", "last", "list"])]
pub struct TroubleshootArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// The call, by its sid
    #[arg(value_name = "CALL")]
    call: Option<CallSid>,
    /// The newest call that is over
    #[arg(long)]
    last: bool,
    /// The twenty newest calls with their verdicts
    #[arg(long)]
    list: bool,
    /// Print JSON instead of a text for people: one object, with --list one for each line
    #[arg(long)]
    json: bool,
}

/// Everything that is known of a call that is over.
struct Story {
    record: CallRecord,
    recordings: Vec<Recording>,
}

/// Shows what was asked for.
pub fn run(args: &TroubleshootArgs) -> ExitCode {
    let config = match load_config(&args.config.sources()) {
        Ok((config, _)) => config,
        Err(code) => return code,
    };
    match show(args, &config) {
        Ok(text) => {
            Out::stdout().text(text);
            ExitCode::SUCCESS
        }
        Err(why_not) => {
            Out::stderr().line(why_not);
            ExitCode::from(NOTHING)
        }
    }
}

/// The text to print; or why there is none.
fn show(args: &TroubleshootArgs, config: &Config) -> Result<String, String> {
    let unread = |error: StoreError| format!("calls can't be read: {error}");
    let patience = Duration::from_millis(config.database.connect_timeout_ms.into());
    let mut peek = CallPeek::open(config.database_url().expose(), patience).map_err(unread)?;
    let none = || "there is no call in this database: is the configuration the one of the service?".to_owned();
    if args.list {
        let calls = peek.newest(LISTED).map_err(unread)?;
        return match calls.as_slice() {
            [] => Err(none()),
            calls if args.json => Ok(list::as_json(calls)),
            calls => Ok(list::as_text(calls)),
        };
    }
    let call = match &args.call {
        Some(call) => call.clone(),
        None => match peek.last_over().map_err(unread)? {
            Some(call) => call,
            None if peek.newest(1).map_err(unread)?.is_empty() => return Err(none()),
            None => {
                return Err("no call is over yet: `trunkline troubleshoot --list` shows those that go on".to_owned());
            }
        },
    };
    let found = peek.call(&call).map_err(unread)?;
    let Some((record, recordings)) = found else {
        return Err(format!("{call} is unknown: `trunkline troubleshoot --list` shows the newest calls"));
    };
    if record.end.is_none() && !record.row.status.is_final() {
        let status = record.row.status.as_str();
        return Err(format!("{call} is not over ({status}): it is judged by its final figures, so ask again then"));
    }
    let story = Story { record, recordings };
    if args.json { json::of(story) } else { Ok(render::text(&story)) }
}
