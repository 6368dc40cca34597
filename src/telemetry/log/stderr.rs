//! Lines on standard error, through a queue that never blocks whoever logs.

use std::io::{self, Write};
use std::sync::mpsc;
use std::time::Duration;

use prometheus::IntCounter;
use slog::{Drain, Logger, OwnedKVList, Record};
use slog_async::{AsyncCore, AsyncGuard};

use super::whole_lines::WholeLines;

/// How many lines wait to be written at most. A whole second of faults fits; more is dropped and counted.
const WAITING: usize = 4_096;

/// How long the end of the process waits for lines to be written: a terminal that nobody reads must not stop it.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The least important line that is still written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Something is lost.
    Error,
    /// Something may be.
    Warn,
    /// A call began, a call ended.
    Info,
    /// For finding faults.
    Debug,
}

/// For whom lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// People.
    Terminal,
    /// Machines: one JSON object for each line.
    Json,
}

/// Writes what still waits when it is dropped, for 2 s at most.
#[must_use = "lines that still wait are lost when this is dropped early"]
pub struct LogGuard(Option<AsyncGuard>);

impl Drop for LogGuard {
    fn drop(&mut self) {
        let (written, wait) = mpsc::channel::<()>();
        let guard = self.0.take();
        let writer = std::thread::Builder::new().name("last-words".to_owned()).spawn(move || {
            drop(guard);
            drop(written);
        });
        if writer.is_ok() {
            // Closed: all is written. Late: nobody reads, and the process ends without.
            wait.recv_timeout(LAST_WORDS).ok();
        }
    }
}

/// A logger on standard error, and its guard. Lines for which there is no room are counted in `dropped`.
pub(in crate::telemetry) fn to_stderr(level: LogLevel, format: LogFormat, dropped: IntCounter) -> (Logger, LogGuard) {
    match format {
        LogFormat::Terminal => queued(terminal(io::stderr()).ignore_res(), level, dropped),
        LogFormat::Json => queued(json(io::stderr()).ignore_res(), level, dropped),
    }
}

fn terminal<W: Write>(to: W) -> impl Drain<Ok = (), Err = io::Error> {
    let decorator = slog_term::PlainDecorator::new(WholeLines::new(to));
    slog_term::FullFormat::new(decorator).use_utc_timestamp().use_original_order().build()
}

fn json<W: Write>(to: W) -> impl Drain<Ok = (), Err = io::Error> {
    let severity = slog::o!("severity" => slog::FnValue(|record| record.level().as_str()));
    slog_json::Json::new(WholeLines::new(to)).add_default_keys().add_key_value(severity).build()
}

fn queued<D>(drain: D, level: LogLevel, dropped: IntCounter) -> (Logger, LogGuard)
where
    D: Drain<Ok = (), Err = slog::Never> + Send + 'static,
{
    let queue = AsyncCore::custom(drain).chan_size(WAITING).blocking(false).thread_name("log".to_owned());
    let (queue, guard) = queue.build_with_guard();
    let least = match level {
        LogLevel::Error => slog::Level::Error,
        LogLevel::Warn => slog::Level::Warning,
        LogLevel::Info => slog::Level::Info,
        LogLevel::Debug => slog::Level::Debug,
    };
    let drain = Counted { queue, dropped }.filter_level(least).ignore_res();
    (Logger::root(drain, slog::o!()), LogGuard(Some(guard)))
}

/// A queue that drops what does not fit, and counts it.
struct Counted {
    queue: AsyncCore,
    dropped: IntCounter,
}

impl Drain for Counted {
    type Ok = ();
    type Err = slog::Never;

    fn log(&self, record: &Record<'_>, values: &OwnedKVList) -> Result<(), slog::Never> {
        if self.queue.log(record, values).is_err() {
            self.dropped.inc();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    /// Writes nothing while the test holds the lock.
    struct Stuck(Arc<Mutex<u64>>);

    impl Drain for Stuck {
        type Ok = ();
        type Err = slog::Never;

        fn log(&self, _: &Record<'_>, _: &OwnedKVList) -> Result<(), slog::Never> {
            *self.0.lock().unwrap() += 1;
            Ok(())
        }
    }

    #[test]
    fn a_terminal_that_is_stuck_blocks_nobody_and_what_is_lost_is_counted() {
        let written = Arc::new(Mutex::new(0));
        let dropped = IntCounter::new("dropped", "dropped").unwrap();
        let (log, guard) = queued(Stuck(Arc::clone(&written)), LogLevel::Info, dropped.clone());
        let stuck = written.lock().unwrap();
        for _ in 0..2 * WAITING {
            slog::info!(log, "x");
            slog::debug!(log, "below the level: neither written nor lost");
        }
        drop(stuck);
        drop(guard);
        let (written, dropped) = (*written.lock().unwrap(), dropped.get());
        assert_eq!(written + dropped, 2 * WAITING as u64);
        assert!(dropped >= WAITING as u64 - 1, "{dropped}");
    }

    /// Keeps each write apart.
    #[derive(Clone, Default)]
    struct Writes(Arc<Mutex<Vec<String>>>);

    impl Write for Writes {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if !bytes.is_empty() {
                self.0.lock().unwrap().push(String::from_utf8(bytes.to_vec()).unwrap());
            }
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn each_record_is_one_write_in_either_format() {
        let writes = Writes::default();
        for drain in [
            Box::new(terminal(writes.clone())) as Box<dyn Drain<Ok = (), Err = io::Error> + Send>,
            Box::new(json(writes.clone())),
        ] {
            let log = Logger::root(Mutex::new(drain.ignore_res()).fuse(), slog::o!());
            slog::info!(log, "listening"; "listen" => "127.0.0.1:1", "database" => "postgres");
            slog::info!(log, "stopping");
        }
        let written = writes.0.lock().unwrap();
        assert_eq!(written.len(), 4, "{written:?}");
        assert!(written.iter().all(|line| line.ends_with('\n') && line.matches('\n').count() == 1), "{written:?}");
    }
}
