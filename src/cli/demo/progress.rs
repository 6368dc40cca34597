//! What the demo says while the call goes on.

use std::io::Write as _;
use std::time::Instant;

use crate::clock;

/// Says what happens, with the seconds since it began.
pub struct Progress {
    began: Instant,
    to_stderr: bool,
}

impl Progress {
    /// Begins now. Where standard output is for the result alone, `to_stderr` keeps everything else away from it.
    pub fn new(to_stderr: bool) -> Self {
        Self { began: clock::now(), to_stderr }
    }

    /// Says one thing.
    pub fn say(&mut self, what: &str) {
        let line = format!("{:6.2} s  {what}\n", clock::now().duration_since(self.began).as_secs_f64());
        // A reader who has gone away does not stop the call.
        if self.to_stderr {
            std::io::stderr().lock().write_all(line.as_bytes()).ok();
        } else {
            std::io::stdout().lock().write_all(line.as_bytes()).ok();
        }
    }
}
