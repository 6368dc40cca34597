//! A writer that passes lines on whole.

use std::io::{self, Write};

/// A longer line is written in more than one piece, in bytes. The end of a call has about 700.
const LONGEST: usize = 8_192;

/// Passes each line on in one write, its end included: others who write to the same place then stand before it or
/// after it. (`std::io::LineWriter` writes the end apart from a line that came in pieces.)
pub(super) struct WholeLines<W> {
    to: W,
    begun: Vec<u8>,
}

impl<W: Write> WholeLines<W> {
    pub(super) fn new(to: W) -> Self {
        Self { to, begun: Vec::new() }
    }
}

impl<W: Write> Write for WholeLines<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.begun.extend_from_slice(bytes);
        let whole = match self.begun.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => end + 1,
            None if self.begun.len() > LONGEST => self.begun.len(),
            None => 0,
        };
        let written = self.to.write_all(&self.begun[..whole]);
        // What could not be written is given up, or it would stand before every later line.
        self.begun.drain(..whole);
        written.map(|()| bytes.len())
    }

    /// Keeps a line that has no end yet.
    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Writes(Vec<String>);

    impl Write for Writes {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if !bytes.is_empty() {
                self.0.push(String::from_utf8(bytes.to_vec()).unwrap());
            }
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_that_comes_in_pieces_is_written_in_one() {
        let mut lines = WholeLines::new(Writes::default());
        for piece in ["call", " ended", "", "\n", "call began\ncall ", "ended\n", "and"] {
            lines.write_all(piece.as_bytes()).unwrap();
            lines.flush().unwrap();
        }
        assert_eq!(lines.to.0, ["call ended\n", "call began\n", "call ended\n"]);
    }

    #[test]
    fn a_line_without_end_is_not_kept_for_ever() {
        let mut lines = WholeLines::new(Writes::default());
        lines.write_all("x".repeat(LONGEST + 1).as_bytes()).unwrap();
        assert_eq!(lines.to.0.concat().len(), LONGEST + 1);
        assert!(lines.begun.is_empty());
    }
}
