//! `trunkline demo`.

use std::process::ExitCode;

use crate::cli::DemoArgs;
use crate::cli::out::Out;

/// Plays a whole call on this machine.
pub fn run(_args: DemoArgs) -> ExitCode {
    Out::stderr().line("demo is not in this build");
    ExitCode::FAILURE
}
