//! `trunkline serve`.

use std::process::ExitCode;

use crate::cli::ServeArgs;
use crate::cli::out::Out;

/// Answers calls until told to stop.
pub fn run(_args: ServeArgs) -> ExitCode {
    Out::stderr().line("serve is not in this build");
    ExitCode::FAILURE
}
