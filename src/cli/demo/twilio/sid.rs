//! Fresh identifiers, as the carrier invents them.

use std::hash::{BuildHasher, RandomState};

/// Two letters and 32 hexadecimal digits that nobody has seen before.
pub fn fresh(prefix: &str) -> String {
    // Each `RandomState` has its own keys, so that the hash of nothing is a random number.
    let random = || RandomState::new().hash_one(());
    format!("{prefix}{:016x}{:016x}", random(), random())
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_two_are_alike() {
        let (one, two) = (super::fresh("CA"), super::fresh("CA"));
        assert_ne!(one, two);
        assert!(one.starts_with("CA") && one.len() == 34, "{one}");
    }
}
