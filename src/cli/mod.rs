//! The command line: what a person types, and what they read.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{Config, ConfigSources, Environment, Finding, Override};

pub mod config_check;
pub mod demo;
pub mod dialplan;
pub mod doctor;
pub mod health;
pub mod out;
pub mod recordings;
pub mod report;
pub mod serve;
pub mod storm;
pub mod telemetry;
pub mod troubleshoot;

use out::Out;

/// The exit code for a configuration, or a command line, that can't be used. clap's own errors have it too.
pub const UNUSABLE: u8 = 2;

/// Trunkline answers telephone calls with an AI voice agent.
#[derive(Debug, Parser)]
#[command(
    version,
    long_about = "Trunkline answers telephone calls with an AI voice agent: it carries the caller's voice to the agent and \
                  back, lets the caller interrupt, and keeps the one true record of each call.",
    after_long_help = "Where to begin:\n  \
                       trunkline demo            a whole call on this machine, in seconds, without any setting\n  \
                       trunkline serve           answer calls\n  \
                       trunkline config check    what is missing, and how to mend it",
    subcommand_required = true,
    arg_required_else_help = true
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What Trunkline can be told to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Answer calls until told to stop
    #[command(
        long_about = "Answers calls until it is told to stop (Ctrl-C or SIGTERM): then it takes no new call, and gives \
                      those that go on http.drain_ms to end. A second Ctrl-C or SIGTERM ends them at once; what they said \
                      is saved all the same.",
        after_long_help = "Examples:\n  \
                           trunkline serve\n      \
                               listen on 127.0.0.1:8080, the built-in receptionist answers\n  \
                           trunkline serve --config my.toml\n      \
                               with settings of your own\n  \
                           TWILIO_AUTH_TOKEN=… TRUNKLINE__HTTP__PUBLIC_URL=https://calls.example.com trunkline serve\n      \
                               behind a proxy that Twilio reaches; point the number's webhooks at it\n  \
                           OPENAI_API_KEY=… TRUNKLINE__AGENT__PROVIDER=openai trunkline serve\n      \
                               OpenAI Realtime answers\n\n\
                           Exit code: 0 after an orderly stop, 1 after a fault or if not everything was saved, 2 if the configuration can't be used."
    )]
    Serve(ServeArgs),
    /// Play a whole call on this machine and show what happened
    #[command(
        long_about = "Plays a whole call on this machine: starts the real server in a temporary folder on free ports, and \
                      plays Twilio and a caller against it, who speaks, interrupts the agent and hangs up. Shows the \
                      turns, what was heard of them, the timings and a verdict. Needs no key, no network, no setting.",
        after_long_help = "Examples:\n  \
                           trunkline demo\n      \
                               watch a call\n  \
                           trunkline demo --json | jq .verdict\n      \
                               the same for a machine\n  \
                           trunkline demo --out /tmp/call\n      \
                               leave recording, journal and database behind to look at\n\n\
                           Exit code: 0 only if every promise held."
    )]
    Demo(DemoArgs),
    /// Make many calls at once and measure what they hear and cost
    #[command(
        long_about = "Makes many calls at once, as Twilio or Asterisk would bring them, and measures what the callers heard and what the \
                      service cost: greeting, response, barge-in, gaps, lost audio, processor and memory for each call. \
                      With --spawn it starts the service and a fake voice agent itself; without, it storms what runs \
                      at --url.",
        after_long_help = "Examples:\n  \
                           trunkline storm --spawn --calls 100\n      \
                               100 calls to a service of its own, on this machine\n  \
                           trunkline storm --spawn --floor --calls 50,400 --json\n      \
                               memory for each call, and the same for a bare pass-through\n  \
                           trunkline storm --spawn --protocol audiosocket --calls 100\n      \
                               100 calls as Asterisk brings them\n  \
                           trunkline storm --url http://10.0.0.7:8080 --token … --account AC… --calls 20\n      \
                               20 calls to a service that runs\n  \
                           trunkline storm --calls 0 --vendor-listen 127.0.0.1:9000\n      \
                               be the fake voice agent, for a service whose openai.url points there\n\n\
                           Exit code: 0 if the result is valid and every limit was kept, 1 if not, 2 if the command \
                           line makes no sense."
    )]
    Storm(Box<storm::args::StormArgs>),
    /// Say whether calls can come in, and mend what keeps them away
    #[command(
        long_about = "Looks at the configuration and at the Twilio account: whether each number that a [[business]] of the \
                      configuration answers belongs to the account, and whether its voice URL and its status callback \
                      lead to this service. With --fix it sets both. The service need not run.",
        after_long_help = "Examples:\n  \
                           trunkline doctor\n      \
                               what is wrong, what follows from it, and how to mend it\n  \
                           trunkline doctor --config my.toml --fix\n      \
                               set the voice URL and the status callback of the numbers\n\n\
                           Exit code: 0 if all is well, 1 if something is wrong, 2 if the configuration can't be used."
    )]
    Doctor(DoctorArgs),
    /// Say whether the service on this machine answers
    #[command(
        long_about = "Asks the service on this machine, at http.listen, for its /health, or with --ready for its /ready, \
                      and prints the answer. For a container's health check, a supervisor, or a script that waits.",
        after_long_help = "Examples:\n  \
                           trunkline health\n      \
                               does the process answer?\n  \
                           trunkline health --ready\n      \
                               should calls be sent to it, and if not, why?\n\n\
                           Exit code: 0 if it does, 1 if it does not, 2 if the configuration can't be used."
    )]
    Health(HealthArgs),
    /// Show what happened on a call, how good it was, and what to do
    #[command(
        long_about = "Shows a call that is over from what the database knows of it: who answered, how it ended, its verdict \
                      and score, what the carrier said, each turn with the wait before it, interruptions, gaps, errors of \
                      the agent, and findings with cause, consequence and remedy. Only reads, also while the service runs. \
                      Shows words and numbers of callers: mind who reads along.",
        after_long_help = "Examples:\n  \
                           trunkline troubleshoot --list\n      \
                               the newest calls with their verdicts\n  \
                           trunkline troubleshoot --last\n      \
                               the newest call that is over\n  \
                           trunkline troubleshoot CA0123456789abcdef0123456789abcdef --json | jq .end.quality\n      \
                               the same for a machine\n\n\
                           Exit code: 0, 1 if there is no such call, it is not over or the database can't be read, 2 if the \
                           configuration or the command line can't be used."
    )]
    Troubleshoot(troubleshoot::TroubleshootArgs),
    /// Look after the recordings of calls
    #[command(subcommand)]
    Recordings(recordings::RecordingsCommand),
    /// Print what an Asterisk's dialplan needs
    #[command(
        long_about = "Prints what the dialplan of an Asterisk PBX needs so that its calls come to this service over \
                      AudioSocket, for the current configuration. docs/asterisk.md tells the rest.",
        after_long_help = "Examples:\n  \
                           trunkline dialplan >> /etc/asterisk/extensions.conf\n      \
                               let the PBX know; then `asterisk -rx 'dialplan reload'`\n  \
                           trunkline dialplan --config my.toml\n      \
                               with settings of your own\n\n\
                           Exit code: 0, or 2 if the configuration can't be used."
    )]
    Dialplan(DialplanArgs),
    /// Look at the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
}

/// What can be done with a configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Say everything that is wrong with the configuration, and how to mend it
    #[command(
        long_about = "Reads the configuration just as `serve` does (the shipped defaults, the file, the environment) and \
                      says everything that is wrong at once: the setting, where its value came from, and what to do. \
                      Nothing is started and nothing is connected to. Secrets are never shown.",
        after_long_help = "Examples:\n  \
                           trunkline config check\n  \
                           trunkline config check --config my.toml --explain\n      \
                               list every setting, its value, and where it came from\n\n\
                           Exit code: 0 if the service would start (warnings or not), 2 if it would not.\n\
                           With --strict a warning gives 1."
    )]
    Check(ConfigCheckArgs),
}

/// Where the configuration is.
#[derive(Clone, Debug, Default, Args)]
pub struct ConfigArgs {
    /// A file of settings that differ from the defaults [default: the file that TRUNKLINE_CONFIG names, or none]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Options of `serve`.
#[derive(Clone, Debug, Default, Args)]
pub struct ServeArgs {
    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Listen here instead of at http.listen, as in 127.0.0.1:8080
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
}

/// Options of `demo`.
#[derive(Clone, Debug, Default, Args)]
pub struct DemoArgs {
    /// Print one JSON object instead of a text for people
    #[arg(long)]
    pub json: bool,
    /// Leave recording, journal and database in this directory [default: a new one among the temporary ones]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Options of `doctor`.
#[derive(Clone, Debug, Default, Args)]
pub struct DoctorArgs {
    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Set the voice URL and the status callback of the numbers that are wrong
    #[arg(long)]
    pub fix: bool,
}

/// Options of `health`.
#[derive(Clone, Debug, Default, Args)]
pub struct HealthArgs {
    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Ask whether calls should be sent to it, instead of whether it lives
    #[arg(long)]
    pub ready: bool,
}

/// Options of `dialplan`.
#[derive(Clone, Debug, Default, Args)]
pub struct DialplanArgs {
    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// Options of `config check`.
#[derive(Clone, Debug, Default, Args)]
pub struct ConfigCheckArgs {
    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// List every setting with its value and where it came from
    #[arg(long)]
    pub explain: bool,
    /// Exit with 1 if there are warnings
    #[arg(long)]
    pub strict: bool,
}

/// Parses the command line and does what it says.
pub fn run() -> ExitCode {
    match Cli::parse().command {
        Command::Serve(args) => serve::run(args),
        Command::Demo(args) => demo::run(args),
        Command::Storm(args) => storm::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Health(args) => health::run(&args),
        Command::Troubleshoot(args) => troubleshoot::run(&args),
        Command::Recordings(command) => recordings::run(&command),
        Command::Dialplan(args) => dialplan::run(&args),
        Command::Config(ConfigCommand::Check(args)) => config_check::run(&args),
    }
}

impl ConfigArgs {
    /// Where the configuration comes from: this file, the process's environment, no options.
    pub fn sources(&self) -> ConfigSources {
        let environment = Environment::of_process();
        ConfigSources { file: self.config.clone(), environment, overrides: Vec::new() }
    }
}

impl ServeArgs {
    /// Where the configuration comes from, `--listen` included.
    pub fn sources(&self) -> ConfigSources {
        let listen =
            self.listen.iter().map(|value| Override { path: "http.listen", value: value.clone(), option: "--listen" });
        ConfigSources { overrides: listen.collect(), ..self.config.sources() }
    }
}

/// The configuration and its warnings; or the exit code, after everything that is wrong was said on standard error.
pub fn load_config(sources: &ConfigSources) -> Result<(Config, Vec<Finding>), ExitCode> {
    Config::load(sources).map_err(|findings| {
        report::findings(&mut Out::stderr(), &findings);
        ExitCode::from(UNUSABLE)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_makes_sense() {
        Cli::command().debug_assert();
    }

    #[test]
    fn listen_wins_over_the_configuration() {
        let Command::Serve(args) = Cli::parse_from(["trunkline", "serve", "--listen", "127.0.0.1:9"]).command else {
            panic!("serve is serve");
        };
        let sources = ConfigSources { environment: Environment::default(), ..args.sources() };
        assert_eq!(Config::load(&sources).unwrap().0.http.listen.port(), 9);
    }

    #[test]
    fn every_command_tells_by_example_how_it_is_used() {
        fn commands(command: &clap::Command, found: &mut Vec<clap::Command>) {
            match command.get_subcommands().next() {
                None => found.push(command.clone()),
                Some(_) => command.get_subcommands().for_each(|inner| commands(inner, found)),
            }
        }
        let mut found = Vec::new();
        commands(&Cli::command(), &mut found);
        assert_eq!(found.len(), 12);
        for mut command in found {
            let help = command.render_long_help().to_string();
            assert!(help.contains("Examples:") && help.contains("Exit code:"), "{help}");
        }
    }
}
