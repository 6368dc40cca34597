//! `trunkline serve`: the service, until it is told to stop.

use std::process::ExitCode;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::Server;
use crate::cli::out::Out;
use crate::cli::{ServeArgs, load_config, telemetry};
use crate::config::{AgentProvider, CalledNumber, Config, Finding};

/// Answers calls until told to stop.
pub fn run(args: ServeArgs) -> ExitCode {
    let (config, warnings) = match load_config(&args.sources()) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    let (telemetry, _guard) = telemetry::start(&config);
    let mut out = Out::stderr();
    let summary = Summary::of(&config);
    let server = match Server::start(config, telemetry) {
        Ok(server) => server,
        Err(error) => {
            out.line(format_args!("trunkline can't start: {error:#}"));
            return ExitCode::FAILURE;
        }
    };
    summary.tell(&mut out, &server, &warnings);
    let fault = match serve(server) {
        Ok(Ending::Stopped { is_saved: true }) => return ExitCode::SUCCESS,
        Ok(Ending::Stopped { is_saved: false }) => {
            "trunkline stopped before everything that calls said was on the disk".to_owned()
        }
        Ok(Ending::Failed) => "trunkline ended by a fault of its own".to_owned(),
        Err(error) => format!("trunkline can't wait for signals: {error}"),
    };
    out.line(fault);
    ExitCode::FAILURE
}

/// How the service ended.
enum Ending {
    /// It was told to.
    Stopped { is_saved: bool },
    /// It was not.
    Failed,
}

/// Serves until SIGINT or SIGTERM, then stops in order; a second signal cuts that short.
fn serve(server: Server) -> std::io::Result<Ending> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let mut signals = Signals::new()?;
        tokio::select! {
            () = signals.next() => {}
            () = failure(&server) => return Ok(Ending::Failed),
        }
        let hurry = server.hurry();
        let mut stop = tokio::task::spawn_blocking(move || server.stop());
        let is_saved = tokio::select! {
            stopped = &mut stop => stopped,
            () = signals.next() => {
                hurry.now();
                stop.await
            }
        };
        Ok(Ending::Stopped { is_saved: is_saved? })
    })
}

/// Until the service has ended by itself.
async fn failure(server: &Server) {
    let mut look = tokio::time::interval(Duration::from_millis(500));
    while server.is_running() {
        look.tick().await;
    }
}

/// SIGINT and SIGTERM.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Findings of the configuration that the summary says in its own words.
const SAID_ABOVE: [&str; 2] = ["twilio.auth_token", "business"];

/// What a person wants to know when the service starts.
struct Summary {
    ready: Vec<String>,
    missing: Vec<&'static str>,
    public_url: Option<String>,
}

impl Summary {
    fn of(config: &Config) -> Self {
        let mut ready = vec![match config.agent.provider {
            AgentProvider::Local => {
                "agent      the built-in receptionist (agent.provider = \"openai\" for OpenAI Realtime)".to_owned()
            }
            AgentProvider::OpenAi => format!("agent      OpenAI Realtime, {}", config.openai.model),
        }];
        for business in &config.business {
            let number = match &business.number {
                CalledNumber::Any => "every number ([[business]] entries of your own replace this)".to_owned(),
                CalledNumber::Exact(number) => number.as_str().to_owned(),
            };
            ready.push(format!("business   {} answers {number}", business.name));
        }
        let mut missing = Vec::new();
        if config.twilio.auth_token.is_none() {
            missing.push("Twilio: set TWILIO_AUTH_TOKEN; until then every webhook is refused");
        }
        if config.twilio.account_sid.is_none() {
            missing.push(
                "Twilio's REST interface: set TWILIO_ACCOUNT_SID, so that a call which does not end can be hung up",
            );
        }
        if config.http.public_url.is_none() {
            missing.push("http.public_url: the https:// address at which Twilio reaches this service; point the number's voice URL at <public_url>/twilio/voice and its status URL at <public_url>/twilio/status");
        }
        Self { ready, missing, public_url: config.http.public_url.as_ref().map(|url| url.to_string()) }
    }

    fn tell(&self, out: &mut Out, server: &Server, warnings: &[Finding]) {
        out.line(format_args!("Trunkline listens on http://{}", server.address()));
        out.line(format_args!("  ready      database {}", server.store().health().backend));
        for line in &self.ready {
            out.line(format_args!("  ready      {line}"));
        }
        if let Some(url) = &self.public_url {
            let url = url.trim_end_matches('/');
            out.line(format_args!("  Twilio     voice URL {url}/twilio/voice, status URL {url}/twilio/status"));
        }
        for line in &self.missing {
            out.line(format_args!("  missing    {line}"));
        }
        for finding in warnings.iter().filter(|finding| !SAID_ABOVE.contains(&finding.path.as_str())) {
            out.line(format_args!("  warning    {}", finding.in_one_line()));
        }
    }
}
