//! What a person reads: standard output and standard error, the only way onto them.

use std::fmt::Display;
use std::io::{self, Write};

/// Writes lines. When the reader has gone away (`trunkline … | head -1`), the rest is dropped without a fuss.
pub struct Out {
    to: Box<dyn Write + Send>,
    is_closed: bool,
}

impl Out {
    /// Standard output.
    pub fn stdout() -> Self {
        Self::to(io::stdout())
    }

    /// Standard error.
    pub fn stderr() -> Self {
        Self::to(io::stderr())
    }

    /// Anywhere.
    pub fn to(writer: impl Write + Send + 'static) -> Self {
        Self { to: Box::new(writer), is_closed: false }
    }

    /// Writes a line and shows it at once.
    pub fn line(&mut self, text: impl Display) {
        self.write(format_args!("{text}\n"));
    }

    /// Writes a text as it is and shows it at once, for progress on one line.
    pub fn text(&mut self, text: impl Display) {
        self.write(format_args!("{text}"));
    }

    /// Whether the reader has gone away.
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    fn write(&mut self, text: std::fmt::Arguments<'_>) {
        if !self.is_closed {
            // In one piece, or a log line could stand in the middle of it.
            self.is_closed = self.to.write_all(text.to_string().as_bytes()).and_then(|()| self.to.flush()).is_err();
        }
    }
}

/// What was written, for tests.
#[cfg(test)]
#[derive(Clone, Default)]
pub(super) struct Page(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

#[cfg(test)]
impl Page {
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[cfg(test)]
impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader that takes one write and leaves.
    struct Leaves(u32);

    impl Write for Leaves {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += 1;
            if self.0 > 1 { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(bytes.len()) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_leaves_is_no_fault() {
        let mut out = Out::to(Leaves(0));
        out.text("one");
        assert!(!out.is_closed());
        out.line("two");
        out.line("three");
        assert!(out.is_closed());
    }
}
