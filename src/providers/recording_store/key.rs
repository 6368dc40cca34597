//! Keys: relative paths that mean the same in a directory and in a bucket.

use std::io;

use super::KeepError;

/// Refuses what would lie outside of the store, or under another name in one than in the other.
pub(super) fn check(key: &str) -> Result<&str, KeepError> {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    let is_name = |part: &str| !part.is_empty() && !part.starts_with('.') && part.chars().all(is_plain);
    match key.split('/').all(is_name) {
        true => Ok(key),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{key:?} is no key of a recording")).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_leads_out_of_the_store() {
        for good in ["2026/11/RE1.wav", "own/CA0.wav", "a", "a-b_c.d"] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in ["", "/", "/etc/passwd", "a//b", "a/../b", "..", "./a", "a/", "a\\b", "a b", "a%2fb", ".hidden", "é"]
        {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
