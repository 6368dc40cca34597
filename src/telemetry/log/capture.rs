//! Lines kept in memory, for tests.

use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

use slog::{Drain, KV, Key, OwnedKVList, Record, Serializer};

/// Keeps every line as `LEVEL message key=value …`.
#[derive(Clone, Default)]
pub(in crate::telemetry) struct Captured(Arc<Mutex<Vec<String>>>);

impl Captured {
    pub(in crate::telemetry) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drain for Captured {
    type Ok = ();
    type Err = slog::Never;

    fn log(&self, record: &Record<'_>, _: &OwnedKVList) -> Result<(), slog::Never> {
        let mut pairs = Pairs(Vec::new());
        // A pair that can't be shown is missing in a test's line; the test says so.
        record.kv().serialize(record, &mut pairs).ok();
        // slog gives the pairs last first.
        pairs.0.reverse();
        let line = format!("{} {} {}", record.level().as_short_str(), record.msg(), pairs.0.join(" "));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line.trim_end().to_owned());
        Ok(())
    }
}

struct Pairs(Vec<String>);

impl Serializer for Pairs {
    fn emit_arguments(&mut self, key: Key, value: &fmt::Arguments<'_>) -> slog::Result {
        let mut pair = String::new();
        write!(pair, "{key}={value}")?;
        self.0.push(pair);
        Ok(())
    }
}
