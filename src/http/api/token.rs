//! The text of a token: how one is made, read and compared.
//!
//! A stored token is `tlk_`, its id (16 hexadecimal digits, no secret), `_`, and 256 random bits in base64url. What is
//! kept of it is the SHA-256 of the whole. A slow hash, as passwords need, would protect nothing here: nobody can
//! guess 256 random bits, however fast a guess is. It would only let strangers keep our processors busy.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// In front of every stored token, so that one that was put where it does not belong can be found.
const PREFIX: &str = "tlk_";

/// A token that was just made: the only moment at which its text is there.
pub struct Minted {
    /// Its id.
    pub id: String,
    /// Its text, for its holder.
    pub text: String,
    /// What is kept of it.
    pub hash: String,
}

/// Makes a token.
///
/// # Errors
/// The system has no random bytes.
pub fn mint() -> Result<Minted, getrandom::Error> {
    let mut name = [0; 8];
    getrandom::fill(&mut name)?;
    let id = hex(&name);
    let text = format!("{PREFIX}{id}_{}", random_text()?);
    let hash = hash(&text);
    Ok(Minted { id, text, hash })
}

/// 256 random bits, as text.
///
/// # Errors
/// The system has no random bytes.
pub fn random_text() -> Result<String, getrandom::Error> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret)?;
    Ok(URL_SAFE_NO_PAD.encode(secret))
}

/// The id in a token's text; `None` if it is none of ours.
pub fn id(text: &str) -> Option<&str> {
    let (id, _) = text.strip_prefix(PREFIX)?.split_once('_')?;
    (id.len() == 16).then_some(id)
}

/// What is kept of a token.
pub fn hash(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

/// Whether this is the token of that hash. Takes the same time whatever is given.
pub fn is_token_of(text: &str, hash_of_it: &str) -> bool {
    hash(text).as_bytes().ct_eq(hash_of_it.as_bytes()).into()
}

/// Hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_token_is_known_by_its_id_and_its_hash() {
        let (one, other) = (mint().unwrap(), mint().unwrap());
        assert_eq!(id(&one.text), Some(one.id.as_str()));
        assert!(is_token_of(&one.text, &one.hash));
        assert!(!is_token_of(&other.text, &one.hash));
        assert!(!one.hash.contains(&one.text) && one.hash.len() == 64);
        assert_eq!(hash("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "FIPS 180-4");
    }

    proptest! {
        #[test]
        fn no_other_text_is_the_token(text: String) {
            let token = mint().unwrap();
            prop_assert!(!is_token_of(&text, &token.hash));
            prop_assert!(id(&text).is_none());
        }
    }
}
