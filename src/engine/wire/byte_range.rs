//! Which part of a file is asked for: the header `Range` of HTTP (RFC 9110, 14.1 and 14.2).
//!
//! One range is answered; who asks for several at once gets the whole, which the RFC allows and every player understands.
//!
//! ```
//! use trunkline::engine::wire::byte_range::{Wanted, wanted};
//!
//! assert_eq!(wanted("bytes=0-1", 10), Wanted::Part(0..2));
//! assert_eq!(wanted("bytes=8-", 10), Wanted::Part(8..10));
//! assert_eq!(wanted("bytes=-3", 10), Wanted::Part(7..10));
//! assert_eq!(wanted("bytes=10-", 10), Wanted::Nothing);
//! assert_eq!(wanted("seconds=1-2", 10), Wanted::Whole);
//! ```

use std::ops::Range;

/// What of a file is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All of it: nothing was asked for that counts.
    Whole,
    /// These bytes, at least one.
    Part(Range<u64>),
    /// Something that the file does not have.
    Nothing,
}

/// What `header` asks for of a file of `length` bytes. A header that breaks the rules counts as none.
pub fn wanted(header: &str, length: u64) -> Wanted {
    let Some((unit, ranges)) = header.split_once('=') else { return Wanted::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Wanted::Whole;
    }
    let mut given = ranges.split(',').map(str::trim).filter(|range| !range.is_empty());
    let (Some(range), None) = (given.next(), given.next()) else { return Wanted::Whole };
    let Some((first, last)) = range.split_once('-') else { return Wanted::Whole };
    match (position(first), position(last)) {
        (Some(Some(first)), Some(last)) => from_to(first, last, length),
        (Some(None), Some(Some(suffix))) => the_last(suffix, length),
        _ => Wanted::Whole,
    }
}

fn from_to(first: u64, last: Option<u64>, length: u64) -> Wanted {
    match last {
        Some(last) if last < first => Wanted::Whole,
        _ if first >= length => Wanted::Nothing,
        Some(last) => Wanted::Part(first..last.saturating_add(1).min(length)),
        None => Wanted::Part(first..length),
    }
}

fn the_last(bytes: u64, length: u64) -> Wanted {
    match bytes.min(length) {
        0 => Wanted::Nothing,
        bytes => Wanted::Part(length - bytes..length),
    }
}

/// A number, or nothing where there is none; `None` if it is neither. One that is too large is as large as can be.
fn position(text: &str) -> Option<Option<u64>> {
    match text {
        "" => Some(None),
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some(Some(digits.parse().unwrap_or(u64::MAX))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_form_of_a_range_is_understood() {
        for (header, expected) in [
            ("bytes=0-0", Wanted::Part(0..1)),
            ("bytes=0-99", Wanted::Part(0..100)),
            ("bytes=0-100", Wanted::Part(0..100)),
            ("bytes=99-", Wanted::Part(99..100)),
            ("bytes=5-18446744073709551615", Wanted::Part(5..100)),
            ("bytes=5-99999999999999999999999", Wanted::Part(5..100)),
            ("bytes=-1", Wanted::Part(99..100)),
            ("bytes=-1000", Wanted::Part(0..100)),
            ("Bytes = 1-2", Wanted::Part(1..3)),
            ("bytes= ,3-4,", Wanted::Part(3..5)),
            ("bytes=100-", Wanted::Nothing),
            ("bytes=99999999999999999999999-", Wanted::Nothing),
            ("bytes=100-200", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
        ] {
            assert_eq!(wanted(header, 100), expected, "{header}");
        }
    }

    #[test]
    fn what_breaks_the_rules_or_asks_for_several_counts_as_nothing() {
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=1",
            "bytes=2-1",
            "bytes=a-b",
            "bytes=1-2-3",
            "bytes=+1-2",
            "bytes=1 -2",
            "bytes=0x1-2",
            "lines=1-2",
            "bytes=0-1,3-4",
            "bytes=0-1,100-",
            "bytes:0-1",
        ] {
            assert_eq!(wanted(header, 100), Wanted::Whole, "{header}");
        }
        assert_eq!(wanted("bytes=0-", 0), Wanted::Nothing, "an empty file has no bytes");
        assert_eq!(wanted("bytes=-5", 0), Wanted::Nothing);
    }

    proptest! {
        #[test]
        fn a_part_lies_inside_of_the_file_and_is_never_empty(header in "(bytes=)?[-0-9, ]{0,24}", length in 0u64..1_000) {
            if let Wanted::Part(range) = wanted(&header, length) {
                prop_assert!(range.start < range.end && range.end <= length);
            }
        }

        #[test]
        fn any_range_inside_is_given_as_asked(first in 0u64..1_000, more in 0u64..1_000, rest in 1u64..1_000) {
            let (last, length) = (first + more, first + more + rest);
            prop_assert_eq!(wanted(&format!("bytes={first}-{last}"), length), Wanted::Part(first..last + 1));
            prop_assert_eq!(wanted(&format!("bytes={first}-"), length), Wanted::Part(first..length));
            prop_assert_eq!(wanted(&format!("bytes=-{rest}"), length), Wanted::Part(length - rest..length));
        }

        #[test]
        fn nothing_that_is_sent_makes_it_fall_over(header in ".{0,40}", length in any::<u64>()) {
            wanted(&header, length);
        }
    }
}
