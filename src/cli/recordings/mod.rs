//! `trunkline recordings`: what there is, what is wrong with it, and another try. Beside a service that runs, or without.
//!
//! It asks the database and the store of recordings that the configuration names; work that it makes is done by whichever node
//! runs.

mod list;
mod progress;
mod retry;
mod sweep;
mod verify;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};

use crate::cli::out::Out;
use crate::cli::storm::spawn::Folder;
use crate::cli::{ConfigArgs, load_config};
use crate::config::Config;
use crate::engine::ids::{BusinessId, CallSid};
use crate::engine::recording::RecordingState;
use crate::store::recordings::RecordingFilter;
use crate::store::{self, DatabaseState, Store, StoreSettings};

/// The exit code if something is wrong, or could not be done.
const WRONG: u8 = 1;
/// How many rows are read at once.
const PAGE: u32 = 200;

/// What can be done with recordings.
#[derive(Debug, Subcommand)]
pub enum RecordingsCommand {
    /// Show the recordings, the newest first
    #[command(after_long_help = "Examples:\n  \
                           trunkline recordings list\n      \
                               the fifty that were heard of last\n  \
                           trunkline recordings list --state failed --json\n      \
                               those that could not be fetched, one JSON object for each line\n\n\
                           Exit code: 0, or 1 if the database can't be asked, 2 if the configuration can't be used.")]
    List(ListArgs),
    /// Have recordings fetched that were given up
    #[command(
        long_about = "Makes recordings due again that were given up: those of the calls that are named, or with --failed all of \
                      them. A node that runs fetches them, at once, with as many tries as at first. One that was made here and \
                      that the store did not take (unkept) is brought there by the node that has its file.",
        after_long_help = "Examples:\n  \
                           trunkline recordings retry CA0123456789abcdef0123456789abcdef\n  \
                           trunkline recordings retry --failed\n      \
                               after an outage of the carrier, say\n\n\
                           Exit code: 0, 1 if a call has no recording or the database can't be asked, 2 if the \
                           configuration can't be used."
    )]
    Retry(RetryArgs),
    /// Read every recording that is kept, and compare it with what was stored
    #[command(
        long_about = "Reads every recording in the store from its first byte to its last, and compares size and SHA-256 with \
                      what the database knows. Changes nothing.",
        after_long_help = "Examples:\n  \
                           trunkline recordings verify\n  \
                           trunkline recordings verify --business Bakery\n\n\
                           Exit code: 0 if all are as they were stored, 1 if not, 2 if the configuration can't be used."
    )]
    Verify(VerifyArgs),
    /// Delete recordings whose time is over, now
    #[command(
        long_about = "Deletes what has been kept for longer than recordings.keep_s, and what is more than recordings.quota_mb of a \
                      business: at the carrier first, then here. A service that runs does the same every \
                      recordings.sweep_every_s.",
        after_long_help = "Examples:\n  \
                           trunkline recordings sweep --dry-run\n      \
                               what would be deleted for its age\n  \
                           trunkline recordings sweep\n\n\
                           Exit code: 0, 1 if something could not be deleted, 2 if the configuration can't be used."
    )]
    Sweep(SweepArgs),
}

/// Which recordings.
#[derive(Clone, Debug, Default, Args)]
pub struct Which {
    /// Those of this business alone, by its id
    #[arg(long, value_name = "BUSINESS")]
    business: Option<BusinessId>,
}

/// Options of `recordings list`.
#[derive(Clone, Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    which: Which,
    /// Those that are started, announced, fetched, failed, unkept, absent or expired
    #[arg(long)]
    state: Option<RecordingState>,
    /// At most so many
    #[arg(long, default_value_t = 50)]
    limit: u32,
    /// Print one JSON object for each line instead of a text for people
    #[arg(long)]
    json: bool,
}

/// Options of `recordings retry`.
#[derive(Clone, Debug, Args)]
pub struct RetryArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// The calls, by their sids
    #[arg(required_unless_present = "failed", value_name = "CALL")]
    calls: Vec<CallSid>,
    /// All that were given up
    #[arg(long, conflicts_with = "calls")]
    failed: bool,
    #[command(flatten)]
    which: Which,
}

/// Options of `recordings verify`.
#[derive(Clone, Debug, Args)]
pub struct VerifyArgs {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    which: Which,
}

/// Options of `recordings sweep`.
#[derive(Clone, Debug, Args)]
pub struct SweepArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Say what would be deleted for its age, and delete nothing
    #[arg(long)]
    dry_run: bool,
}

/// Does it.
pub fn run(command: &RecordingsCommand) -> ExitCode {
    let sources = match command {
        RecordingsCommand::List(args) => args.config.sources(),
        RecordingsCommand::Retry(args) => args.config.sources(),
        RecordingsCommand::Verify(args) => args.config.sources(),
        RecordingsCommand::Sweep(args) => args.config.sources(),
    };
    let config = match load_config(&sources) {
        Ok((config, _)) => config,
        Err(code) => return code,
    };
    let done = Opened::by(&config).and_then(|opened| match command {
        RecordingsCommand::List(args) => list::list(args, &opened.store, &mut Out::stdout()),
        RecordingsCommand::Retry(args) => retry::retry(args, &opened.store, &mut Out::stdout()),
        RecordingsCommand::Verify(args) => verify::verify(args, &config, &opened.store, &mut Out::stdout()),
        RecordingsCommand::Sweep(args) => sweep::sweep(args, &config, &opened.store, &mut Out::stdout()),
    });
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(WRONG),
        Err(error) => {
            Out::stderr().line(format_args!("{error:#}"));
            ExitCode::from(WRONG)
        }
    }
}

/// The database, opened beside whoever else uses it.
struct Opened {
    store: Store,
    /// The spool of this command alone, which keeps nothing: what can't be written is said and not kept for later.
    _spool: Folder,
}

impl Opened {
    fn by(config: &Config) -> anyhow::Result<Self> {
        let spool = Folder::new()?;
        let settings = StoreSettings {
            connect_timeout: Duration::from_millis(config.database.connect_timeout_ms.into()),
            ..StoreSettings::new(config.database_url().expose(), spool.path())
        };
        let (store, _) = store::open(settings).context("the database")?;
        match store.health().database {
            DatabaseState::Up => Ok(Self { store, _spool: spool }),
            state => bail!("the database does not answer ({state:?}); nothing was done"),
        }
    }
}

impl Which {
    fn in_state(&self, state: Option<RecordingState>) -> RecordingFilter {
        RecordingFilter { business: self.business.clone(), state }
    }
}
