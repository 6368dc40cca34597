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
    // Before anybody is told that it runs: whoever stops it then stops it in order.
    let signals = Signals::listen();
    summary.tell(&mut out, &server, &warnings);
    match signals.and_then(|signals| signals.wait(&server)) {
        Ok(true) => server.stop(),
        Ok(false) => {
            out.line("trunkline ended by a fault of its own");
            return ExitCode::FAILURE;
        }
        Err(error) => {
            out.line(format_args!("trunkline can't wait for signals: {error}"));
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// SIGINT and SIGTERM, which no longer end the process by themselves.
struct Signals {
    runtime: tokio::runtime::Runtime,
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let within = runtime.enter();
        let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        drop(within);
        Ok(Self { runtime, interrupt, terminate })
    }

    /// Waits for either: `true`; or for the service to end by itself: `false`.
    fn wait(self, server: &Server) -> std::io::Result<bool> {
        let Self { runtime, mut interrupt, mut terminate } = self;
        runtime.block_on(async {
            let mut look = tokio::time::interval(Duration::from_millis(500));
            loop {
                tokio::select! {
                    _ = interrupt.recv() => return Ok(true),
                    _ = terminate.recv() => return Ok(true),
                    _ = look.tick() => if !server.is_running() { return Ok(false) },
                }
            }
        })
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
        match server.admin_token_file() {
            Some(file) => out.line(format_args!(
                "  ready      API        http://{}/api/v1 (the administrator's token lies in {})",
                server.address(),
                file.display()
            )),
            None => out.line(format_args!("  ready      API        http://{}/api/v1", server.address())),
        }
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
