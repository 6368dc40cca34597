//! The command line of `storm`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::{Args, ValueEnum};

use super::slo::Slo;
use super::stamp::{Audio, VALUES};
use super::talk::{self, Talk};
use super::vendor::{Faults, VendorShape};

/// Options of `storm`.
#[derive(Clone, Debug, Args)]
pub struct StormArgs {
    /// The service's address
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080", help_heading = "Target")]
    pub url: String,
    /// How calls come: as Twilio brings them, or as Asterisk does
    #[arg(long, value_enum, default_value_t = Protocol::Twilio, help_heading = "Target")]
    pub protocol: Protocol,
    /// With --protocol audiosocket: where the service takes such calls
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8090", help_heading = "Target")]
    pub audiosocket: SocketAddr,
    /// The account's auth token, with which webhooks are signed
    #[arg(long, env = "TWILIO_AUTH_TOKEN", hide_env_values = true, help_heading = "Target")]
    pub token: Option<String>,
    /// The account
    #[arg(long, env = "TWILIO_ACCOUNT_SID", help_heading = "Target")]
    pub account: Option<String>,
    /// Start the service, too: the fake vendor behind it, server and storm on a core each
    #[arg(long, help_heading = "Target")]
    pub spawn: bool,
    /// With --spawn: storm a bare pass-through as well. With --listen: be that pass-through
    #[arg(long, help_heading = "Target")]
    pub floor: bool,
    /// The address of the pass-through
    #[arg(long, value_name = "ADDRESS:PORT", requires = "floor", help_heading = "Target")]
    pub listen: Option<SocketAddr>,
    /// The vendor of the pass-through
    #[arg(long, value_name = "URL", requires = "listen", help_heading = "Target")]
    pub vendor_url: Option<String>,
    /// With --spawn: record the calls
    #[arg(long, requires = "spawn", help_heading = "Target")]
    pub record: bool,
    /// With --spawn: a setting of the service, as in http.workers=2
    #[arg(long, value_name = "SECTION.KEY=VALUE", requires = "spawn", help_heading = "Target")]
    pub set: Vec<String>,
    /// With --spawn: the cores of server and storm, if there are two and taskset
    #[arg(long, value_name = "SERVER,STORM", default_value = "0,1", help_heading = "Target")]
    pub cores: String,
    /// The process whose cost is measured, on this machine
    #[arg(long, value_name = "PID", conflicts_with = "spawn", help_heading = "Target")]
    pub engine_pid: Option<u32>,

    /// Calls at once; several are stages, one after the other, as in 50,400. 0: be the vendor, nothing else
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "10", help_heading = "Calls")]
    pub calls: Vec<usize>,
    /// How long it takes until they are there, in seconds
    #[arg(long, value_name = "S", default_value_t = 5.0, help_heading = "Calls")]
    pub ramp: f64,
    /// How long they are held, in seconds, in each stage
    #[arg(long, value_name = "S", default_value_t = 20.0, help_heading = "Calls")]
    pub hold: f64,
    /// What a caller does: listen, speak=MS, interrupt=MS, wait=MS; again and again
    #[arg(long, default_value = talk::DEFAULT, help_heading = "Calls")]
    pub talk: String,
    /// How long a call is, in seconds; then the next one begins [default: until the end]
    #[arg(long, value_name = "S", help_heading = "Calls")]
    pub call_length: Option<f64>,
    /// Instead of --hold: until so many calls are over
    #[arg(long, value_name = "M", requires = "call_length", help_heading = "Calls")]
    pub total: Option<u64>,
    /// Besides, while they are held: so many short calls begin each second
    #[arg(long, value_name = "R", default_value_t = 0.0, help_heading = "Calls")]
    pub starts_per_second: f64,

    /// Where the fake vendor listens [default with --spawn: a free port; else there is none]
    #[arg(long, value_name = "ADDRESS:PORT", help_heading = "Vendor")]
    pub vendor_listen: Option<SocketAddr>,
    /// Whose voice agent the fake vendor is
    #[arg(long, value_enum, default_value_t = Agent::OpenAi, help_heading = "Vendor")]
    pub agent: Agent,
    /// How audio travels between service and OpenAI; Deepgram has it as the call has it
    #[arg(long, value_enum, default_value_t = Audio::Pcmu, help_heading = "Vendor")]
    pub audio: Audio,
    /// How audio comes: milliseconds in a delta, and how many times faster than real time
    #[arg(long, value_name = "MSxSPEED", default_value = "200x4", help_heading = "Vendor")]
    pub vendor_burst: String,
    /// How much later than that a delta may be, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 0, help_heading = "Vendor")]
    pub vendor_jitter: u64,
    /// From response.create to the first delta, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 300, help_heading = "Vendor")]
    pub vendor_think: u64,
    /// How long each response is, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 4_000, help_heading = "Vendor")]
    pub vendor_answer: u64,
    /// What goes wrong on purpose, in percent: stall=1,drop=1,refuse=1
    #[arg(long, value_name = "KIND=PERCENT", value_delimiter = ',', help_heading = "Vendor")]
    pub vendor_faults: Vec<String>,

    /// Limits, as in gap_p99=30,lost=0; none takes the usual ones away
    #[arg(long, default_value = "", help_heading = "Verdict")]
    pub slo: String,
    /// Write the cost of calls as a table, stage by stage
    #[arg(long, value_name = "FILE", help_heading = "Verdict")]
    pub table: Option<PathBuf>,
    /// … and as a picture (SVG)
    #[arg(long, value_name = "FILE", help_heading = "Verdict")]
    pub picture: Option<PathBuf>,
    /// Print one JSON object instead of a text for people
    #[arg(long, help_heading = "Verdict")]
    pub json: bool,
}

/// How calls come to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// Twilio Media Streams, with their webhooks.
    Twilio,
    /// Asterisk's AudioSocket, at 8 kHz, as a plain dialplan opens it.
    Audiosocket,
}

/// Whose voice agent is stormed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Agent {
    /// OpenAI Realtime.
    #[value(name = "openai")]
    OpenAi,
    /// Deepgram's Voice Agent.
    Deepgram,
}

/// What is to be done to a server.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Calls at once, stage by stage.
    pub stages: Vec<usize>,
    /// How long it takes until they are there.
    pub ramp: Duration,
    /// How long they are held.
    pub hold: Duration,
    /// What callers do.
    pub talk: Talk,
    /// How long a call is.
    pub call_length: Option<Duration>,
    /// How many calls there are in all, if that is what ends the storm.
    pub total: Option<u64>,
    /// Short calls each second, besides.
    pub starts_per_second: f64,
    /// How audio travels to the vendor.
    pub audio: Audio,
    /// How the vendor behaves.
    pub vendor: VendorShape,
    /// What is promised.
    pub slo: Slo,
}

impl StormArgs {
    /// Everything that is not a matter of where.
    pub fn plan(&self) -> anyhow::Result<Plan> {
        let seconds = |name: &str, value: f64| {
            Duration::try_from_secs_f64(value)
                .ok()
                .filter(|time| time.as_secs() <= 86_400 * 7)
                .with_context(|| format!("--{name}: {value} is no time between 0 and a week, in seconds"))
        };
        ensure!(self.calls.is_sorted(), "--calls: stages can only grow");
        ensure!(self.total.is_none() || self.calls.len() == 1, "--total: there can be one stage only");
        ensure!((0.0..=1_000.0).contains(&self.starts_per_second), "--starts-per-second: 0 to 1000");
        Ok(Plan {
            stages: self.calls.clone(),
            ramp: seconds("ramp", self.ramp)?,
            hold: seconds("hold", self.hold)?,
            talk: self.talk.parse().context("--talk")?,
            call_length: self.call_length.map(|length| seconds("call-length", length)).transpose()?,
            total: self.total,
            starts_per_second: self.starts_per_second,
            audio: match self.agent {
                Agent::OpenAi => self.audio,
                Agent::Deepgram => Audio::Pcm8,
            },
            vendor: self.vendor()?,
            slo: self.slo.parse().context("--slo")?,
        })
    }

    fn vendor(&self) -> anyhow::Result<VendorShape> {
        let burst = self.vendor_burst.split_once('x');
        let burst = burst.and_then(|(chunk, speed)| Some((chunk.parse().ok()?, speed.parse().ok()?)));
        let (chunk_ms, speed): (u64, f64) = burst.context("--vendor-burst: MSxSPEED, as in 200x4")?;
        let is_chunk = (20..=2_000).contains(&chunk_ms) && chunk_ms.is_multiple_of(20);
        ensure!(is_chunk, "--vendor-burst: a delta has 20 to 2000 ms, a multiple of 20");
        ensure!((0.1..=1_000.0).contains(&speed), "--vendor-burst: 0.1 to 1000 times real time");
        let longest = u64::from(VALUES) * 20 - 2_000;
        ensure!((20..=longest).contains(&self.vendor_answer), "--vendor-answer: 20 to {longest} ms");
        let mut faults = Faults::default();
        for fault in &self.vendor_faults {
            let (kind, percent) = fault.split_once('=').context("--vendor-faults: KIND=PERCENT")?;
            let percent = f64::from_str(percent).ok().filter(|percent| (0.0..=100.0).contains(percent));
            let percent = percent.context("--vendor-faults: 0 to 100 percent")?;
            match kind {
                "stall" => faults.stall = percent,
                "drop" => faults.drop = percent,
                "refuse" => faults.refuse = percent,
                _ => bail!("--vendor-faults: {kind:?} is none of stall, drop, refuse"),
            }
        }
        Ok(VendorShape {
            think_ms: self.vendor_think,
            answer_ms: self.vendor_answer,
            chunk_ms,
            speed,
            jitter_ms: self.vendor_jitter,
            faults,
        })
    }

    /// The cores of server and storm.
    pub fn cores(&self) -> anyhow::Result<(usize, usize)> {
        let cores =
            self.cores.split_once(',').and_then(|(server, storm)| Some((server.parse().ok()?, storm.parse().ok()?)));
        cores.context("--cores: SERVER,STORM, as in 0,1")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        storm: StormArgs,
    }

    fn plan(words: &str) -> anyhow::Result<Plan> {
        Line::try_parse_from(std::iter::once("storm").chain(words.split_whitespace()))?.storm.plan()
    }

    #[test]
    fn the_defaults_make_sense_and_everything_can_be_chosen() {
        assert_eq!(plan("").unwrap().vendor, VendorShape::default());
        let chosen =
            plan("--calls 50,400 --vendor-burst 100x1.5 --vendor-faults stall=1,refuse=0.5 --hold 0.5").unwrap();
        assert_eq!((chosen.stages, chosen.hold), (vec![50, 400], Duration::from_millis(500)));
        assert_eq!((chosen.vendor.chunk_ms, chosen.vendor.speed), (100, 1.5));
        assert_eq!(chosen.vendor.faults, Faults { stall: 1.0, drop: 0.0, refuse: 0.5 });
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        for (words, name) in [
            ("--calls 400,50", "--calls"),
            ("--hold=-1", "--hold"),
            ("--vendor-burst 30x4", "--vendor-burst"),
            ("--vendor-burst 20", "--vendor-burst"),
            ("--vendor-burst 20x0", "--vendor-burst"),
            ("--vendor-answer 99999999", "--vendor-answer"),
            ("--vendor-faults rain=1", "--vendor-faults"),
            ("--vendor-faults drop=101", "--vendor-faults"),
            ("--talk sing", "--talk"),
            ("--slo x=1", "--slo"),
            ("--calls 1,2 --call-length 1 --total 5", "--total"),
        ] {
            let error = plan(words).unwrap_err().to_string();
            assert!(error.contains(name), "{words}: {error}");
        }
    }
}
