//! Telemetry as the configuration wants it.

use crate::clock;
use crate::config::{Config, LogFormat as Format, LogLevel as Level};
use crate::telemetry::{LogFormat, LogGuard, LogLevel, Telemetry};

/// Starts telemetry on standard error. The guard must live until the process ends.
pub fn start(config: &Config) -> (Telemetry, LogGuard) {
    let level = match config.log.level {
        Level::Error => LogLevel::Error,
        Level::Warn => LogLevel::Warn,
        Level::Info => LogLevel::Info,
        Level::Debug => LogLevel::Debug,
    };
    let format = match config.log.format {
        Format::Terminal => LogFormat::Terminal,
        Format::Json => LogFormat::Json,
    };
    Telemetry::start(level, format, clock::now)
}
