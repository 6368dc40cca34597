//! `trunkline serve`: the service, until it is told to stop.

mod summary;

use std::process::ExitCode;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::Server;
use crate::cli::out::Out;
use crate::cli::{ServeArgs, load_config, telemetry};

use summary::Summary;

/// Answers calls until told to stop.
pub fn run(args: ServeArgs) -> ExitCode {
    let (config, warnings) = match load_config(&args.sources()) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    let (telemetry, _guard) = telemetry::start(&config);
    let mut out = Out::stderr();
    let summary = Summary::of(&config, &warnings);
    let server = match Server::start(config, telemetry) {
        Ok(server) => server,
        Err(error) => {
            out.line(format_args!("trunkline can't start: {error:#}"));
            return ExitCode::FAILURE;
        }
    };
    let tell = |server: &Server| {
        let (store, businesses) = (server.store().health(), server.businesses().now());
        if let Some(pbx) = server.audiosocket() {
            out.line(format_args!("Trunkline takes calls from Asterisk at {pbx}"));
        }
        summary.tell(&mut out, server.address(), &store, server.admin_token_file(), &businesses);
    };
    let fault = match serve(server, tell) {
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
fn serve(server: Server, tell: impl FnOnce(&Server)) -> std::io::Result<Ending> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let mut signals = Signals::new()?;
        // Only now is anybody told that it runs: whoever stops it then stops it in order.
        tell(&server);
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
