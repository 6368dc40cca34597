//! One line of the spool: a checksum, a space, the record as JSON, a line feed.
//!
//! The checksum is the first 8 bytes of the SHA-256 of the JSON, in hexadecimal. JSON escapes line feeds inside
//! of texts, so a line feed always ends a line.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

const CHECKSUM_CHARS: usize = 16;

/// Appends one line.
pub(super) fn encode(json: &str, lines: &mut Vec<u8>) {
    lines.extend_from_slice(checksum(json.as_bytes()).as_bytes());
    lines.push(b' ');
    lines.extend_from_slice(json.as_bytes());
    lines.push(b'\n');
}

/// The JSON of a line, given without its line feed; `None` if the line is torn or was changed.
pub(super) fn decode(line: &[u8]) -> Option<&str> {
    let (sum, rest) = line.split_at_checked(CHECKSUM_CHARS)?;
    let json = rest.strip_prefix(b" ")?;
    if checksum(json).as_bytes() != sum {
        return None;
    }
    std::str::from_utf8(json).ok()
}

fn checksum(json: &[u8]) -> String {
    let hash = Sha256::digest(json);
    hash.iter().take(CHECKSUM_CHARS / 2).fold(String::with_capacity(CHECKSUM_CHARS), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a String takes everything");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_line_comes_back_as_it_was_written(json in "[^\n]*") {
            let mut line = vec![];
            encode(&json, &mut line);
            prop_assert_eq!(line.pop(), Some(b'\n'));
            prop_assert_eq!(decode(&line), Some(json.as_str()));
        }

        #[test]
        fn a_line_that_was_changed_is_noticed(json in "[^\n]+", at: prop::sample::Index, flip in 1u8..) {
            let mut line = vec![];
            encode(&json, &mut line);
            line.pop();
            let at = at.index(line.len());
            line[at] ^= flip;
            prop_assert_eq!(decode(&line), None);
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            decode(&bytes);
        }
    }
}
