//! What the demo says while the call goes on.

use std::time::Instant;

use crate::cli::out::Out;
use crate::clock;

/// Says what happens, with the seconds since it began.
pub struct Progress {
    began: Instant,
    out: Out,
}

impl Progress {
    /// Begins now. Where standard output is for the result alone, `to_stderr` keeps everything else away from it.
    pub fn new(to_stderr: bool) -> Self {
        let out = if to_stderr { Out::stderr() } else { Out::stdout() };
        Self { began: clock::now(), out }
    }

    /// Says one thing.
    pub fn say(&mut self, what: &str) {
        self.out.line(format_args!("{:6.2} s  {what}", clock::now().duration_since(self.began).as_secs_f64()));
    }
}
