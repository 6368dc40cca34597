//! Log lines: which events make one, how often, and where they go.

mod capture;
mod limiter;
mod lines;
mod redact;
mod stderr;
mod whole_lines;

pub(super) use capture::Captured;
pub(super) use limiter::Limiter;
pub(super) use stderr::to_stderr;

pub use redact::redact;
pub use stderr::{LogFormat, LogGuard, LogLevel};
