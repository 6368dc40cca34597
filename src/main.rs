//! Parses the command line, runs it, sets the exit code.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    // First of all, because whoever speaks TLS takes what is installed by then. It fails only if something is.
    rustls::crypto::ring::default_provider().install_default().ok();
    trunkline::cli::run()
}
