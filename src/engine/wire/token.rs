//! The media token: our own proof that a media socket belongs to a call that we answered.
//!
//! The answer to the voice webhook puts it into a `<Parameter>` of the stream, and Twilio gives it back in the
//! stream's `start`. It is signed, bound to the call, and needs nothing stored, so that every node that has
//! the secret can verify it; that it is used once is for the database to say.
//!
//! It also carries what the media side needs from the voice webhook. In bytes, before base64url without
//! padding:
//!
//! | bytes | what |
//! |---|---|
//! | 1 | version, 2 |
//! | 1 | direction: 0 inbound, 1 outbound |
//! | 8 | issued at: seconds since 1970-01-01 UTC, big-endian |
//! | 1 + 0 to 16 | the length of the caller's number, and the number; 0 where there is none |
//! | 1 + 0 to 16 | the same of the called number |
//! | 1 to 256 | the business's id, UTF-8 |
//! | 32 | HMAC-SHA256 over all of these and the CallSid |
//!
//! At most 443 characters: with its name it fits into the 500 that Twilio allows for a parameter. Version 1, without the
//! numbers, is still read: another node of the service may be older.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use thiserror::Error;

use crate::engine::ids::{BusinessId, CallSid, PhoneNumber};
use crate::engine::status::CallDirection;

/// The name of the stream's parameter that carries the token.
pub const TOKEN_PARAMETER: &str = "token";
/// How far the clocks of two nodes may be apart.
pub const CLOCK_SKEW: Duration = Duration::from_secs(60);

/// What a token says, and we said when we issued it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaClaims {
    /// Whose call it is.
    pub business: BusinessId,
    /// Who called whom.
    pub direction: CallDirection,
    /// The caller's number, where it is one and known.
    pub from: Option<PhoneNumber>,
    /// The called number, where it is one.
    pub to: Option<PhoneNumber>,
}

/// Why a token isn't accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TokenError {
    /// Not a token at all.
    #[error("is not a media token")]
    Malformed,
    /// Signed with another secret, for another call, or changed.
    #[error("is not signed for this call")]
    Forged,
    /// Too old.
    #[error("was issued {0:?} ago")]
    Expired(Duration),
    /// Issued later than now, by more than [`CLOCK_SKEW`].
    #[error("was issued in the future")]
    NotYet,
}

/// Issues and verifies media tokens.
#[derive(Clone)]
pub struct MediaTokens {
    issuing: Hmac<Sha256>,
    accepted: Vec<Hmac<Sha256>>,
}

impl MediaTokens {
    /// With a key derived from this secret, so that the secret may serve other ends too.
    pub fn new(secret: &[u8]) -> Self {
        let key = derived(secret);
        Self { issuing: key.clone(), accepted: vec![key] }
    }

    /// The same, accepting tokens that were issued with this secret too: the one before, while it is changed.
    pub fn accepting(mut self, earlier: &[u8]) -> Self {
        self.accepted.push(derived(earlier));
        self
    }

    /// A token for this call. `now_unix_s`: seconds since 1970-01-01 UTC.
    pub fn issue(&self, call_sid: &CallSid, now_unix_s: i64, claims: &MediaClaims) -> String {
        let direction = match claims.direction {
            CallDirection::Inbound => INBOUND,
            CallDirection::Outbound => OUTBOUND,
        };
        let mut bytes = vec![VERSION, direction];
        bytes.extend(now_unix_s.to_be_bytes());
        for number in [&claims.from, &claims.to] {
            let digits = number.as_ref().map_or("", PhoneNumber::as_str);
            bytes.push(digits.len() as u8); // E.164 has at most 16 characters
            bytes.extend(digits.as_bytes());
        }
        bytes.extend(claims.business.as_str().as_bytes());
        let mac = mac(&self.issuing, &bytes, call_sid).finalize().into_bytes();
        bytes.extend(mac);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// What the token says, if we issued it for this call and not more than `max_age` ago.
    pub fn verify(
        &self,
        token: &str,
        call_sid: &CallSid,
        now_unix_s: i64,
        max_age: Duration,
    ) -> Result<MediaClaims, TokenError> {
        if token.len() > LONGEST {
            return Err(TokenError::Malformed);
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| TokenError::Malformed)?;
        let (said, signature) = bytes.split_last_chunk::<MAC>().ok_or(TokenError::Malformed)?;
        let is_ours = |key: &Hmac<Sha256>| mac(key, said, call_sid).verify_slice(signature).is_ok();
        if !self.accepted.iter().any(is_ours) {
            return Err(TokenError::Forged);
        }

        let ([version, direction], rest) = said.split_first_chunk().ok_or(TokenError::Malformed)?;
        let (issued_at, rest) = rest.split_first_chunk().ok_or(TokenError::Malformed)?;
        let (from, to, business) = match *version {
            WITHOUT_NUMBERS => (None, None, rest),
            VERSION => {
                let (from, rest) = number(rest)?;
                let (to, rest) = number(rest)?;
                (from, to, rest)
            }
            _ => return Err(TokenError::Malformed),
        };
        let direction = match *direction {
            INBOUND => CallDirection::Inbound,
            OUTBOUND => CallDirection::Outbound,
            _ => return Err(TokenError::Malformed),
        };
        let business = std::str::from_utf8(business).ok().and_then(|name| name.parse().ok());
        let business = business.ok_or(TokenError::Malformed)?;

        let age = now_unix_s.saturating_sub(i64::from_be_bytes(*issued_at));
        match u64::try_from(age).map(Duration::from_secs) {
            Ok(age) if age > max_age => Err(TokenError::Expired(age)),
            Err(_) if age.unsigned_abs() > CLOCK_SKEW.as_secs() => Err(TokenError::NotYet),
            _ => Ok(MediaClaims { business, direction, from, to }),
        }
    }
}

impl fmt::Debug for MediaTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MediaTokens")
    }
}

/// A number behind its length, and what follows.
fn number(bytes: &[u8]) -> Result<(Option<PhoneNumber>, &[u8]), TokenError> {
    let (length, rest) = bytes.split_first().ok_or(TokenError::Malformed)?;
    let (digits, rest) = rest.split_at_checked(usize::from(*length)).ok_or(TokenError::Malformed)?;
    let text = std::str::from_utf8(digits).map_err(|_| TokenError::Malformed)?;
    match text {
        "" => Ok((None, rest)),
        text => Ok((Some(text.parse().map_err(|_| TokenError::Malformed)?), rest)),
    }
}

/// The CallSid has a fixed length and comes first, so no other pair of texts gives the same bytes.
fn mac(key: &Hmac<Sha256>, said: &[u8], call_sid: &CallSid) -> Hmac<Sha256> {
    key.clone().chain_update(call_sid.as_str()).chain_update(said)
}

fn derived(secret: &[u8]) -> Hmac<Sha256> {
    keyed(&keyed(secret).chain_update(b"trunkline media token, version 1").finalize().into_bytes())
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes a key of any length")
}

const VERSION: u8 = 2;
/// The version of tokens that hold no numbers.
const WITHOUT_NUMBERS: u8 = 1;
const INBOUND: u8 = 0;
const OUTBOUND: u8 = 1;
/// The signature's length in bytes.
const MAC: usize = 32;
/// The longest token, in characters: version, direction, time, two numbers, 64 characters of 4 bytes, signature.
const LONGEST: usize = (1 + 1 + 8 + 2 * (1 + 16) + 256 + MAC) * 4 / 3 + 1;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: i64 = 1_800_000_000;
    const MINUTE: Duration = Duration::from_secs(60);

    fn call(last: char) -> CallSid {
        format!("CA0123456789abcdef0123456789abcde{last}").parse().unwrap()
    }

    fn claims() -> MediaClaims {
        MediaClaims {
            business: "Bäckerei Süß".parse().unwrap(),
            direction: CallDirection::Inbound,
            from: Some("+14155550100".parse().unwrap()),
            to: None,
        }
    }

    #[test]
    fn a_token_says_what_was_put_into_it() {
        let tokens = MediaTokens::new(b"secret");
        for direction in [CallDirection::Inbound, CallDirection::Outbound] {
            let claims = MediaClaims { direction, ..claims() };
            let token = tokens.issue(&call('f'), NOW, &claims);
            assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'), "{token}");
            assert_eq!(tokens.verify(&token, &call('f'), NOW + 3, MINUTE), Ok(claims.clone()));
            assert_eq!(MediaTokens::new(b"secret").verify(&token, &call('f'), NOW, MINUTE), Ok(claims), "another node");
        }
    }

    #[test]
    fn a_token_is_for_one_call_and_one_secret() {
        let token = MediaTokens::new(b"secret").issue(&call('f'), NOW, &claims());
        let verify = |secret: &[u8], token: &str, call| MediaTokens::new(secret).verify(token, &call, NOW, MINUTE);
        assert_eq!(verify(b"secret", &token, call('e')), Err(TokenError::Forged));
        assert_eq!(verify(b"other", &token, call('f')), Err(TokenError::Forged));
        assert_eq!(verify(b"", &token, call('f')), Err(TokenError::Forged));
        for wrong in ["", "AQ", "\u{738b}", " ", &"A".repeat(444)] {
            assert_eq!(verify(b"secret", wrong, call('f')), Err(TokenError::Malformed), "{wrong}");
        }
        assert_eq!(verify(b"secret", &"A".repeat(86), call('f')), Err(TokenError::Forged));
    }

    #[test]
    fn a_token_has_its_time() {
        let tokens = MediaTokens::new(b"secret");
        let token = tokens.issue(&call('f'), NOW, &claims());
        let at = |now| tokens.verify(&token, &call('f'), now, MINUTE).map(drop);
        assert_eq!(at(NOW + 60), Ok(()));
        assert_eq!(at(NOW + 61), Err(TokenError::Expired(Duration::from_secs(61))));
        assert_eq!(at(NOW - 60), Ok(()), "the clock of another node");
        assert_eq!(at(NOW - 61), Err(TokenError::NotYet));
        assert_eq!(at(i64::MIN), Err(TokenError::NotYet));
        assert!(matches!(at(i64::MAX), Err(TokenError::Expired(_))));
    }

    #[test]
    fn the_longest_name_fits_into_twilios_parameter() {
        let longest = "+123456789012345".parse::<PhoneNumber>().ok();
        let business = "\u{1f4de}".repeat(64).parse().unwrap();
        let claims = MediaClaims { business, from: longest.clone(), to: longest, ..claims() };
        let tokens = MediaTokens::new(b"secret");
        let token = tokens.issue(&call('f'), NOW, &claims);
        assert_eq!((token.len(), LONGEST), (443, 443));
        assert!(TOKEN_PARAMETER.len() + token.len() <= 500);
        assert_eq!(tokens.verify(&token, &call('f'), NOW, MINUTE), Ok(claims));
    }

    #[test]
    fn a_token_of_an_older_node_has_no_numbers() {
        let tokens = MediaTokens::new(b"secret");
        let mut bytes = vec![WITHOUT_NUMBERS, OUTBOUND];
        bytes.extend(NOW.to_be_bytes());
        bytes.extend(b"Bakery");
        let signature = mac(&tokens.issuing, &bytes, &call('f')).finalize().into_bytes();
        bytes.extend(signature);
        let said = tokens.verify(&URL_SAFE_NO_PAD.encode(bytes), &call('f'), NOW, MINUTE);
        let (business, direction) = ("Bakery".parse().unwrap(), CallDirection::Outbound);
        assert_eq!(said, Ok(MediaClaims { business, direction, from: None, to: None }));
    }

    proptest! {
        #[test]
        fn no_text_is_a_token(text: String) {
            prop_assert!(MediaTokens::new(b"secret").verify(&text, &call('f'), NOW, MINUTE).is_err());
        }

        #[test]
        fn a_token_with_one_character_changed_is_none(at in 0usize..80, to in "[A-Za-z0-9_-]") {
            let tokens = MediaTokens::new(b"secret");
            let token = tokens.issue(&call('f'), NOW, &claims());
            let at = at % token.len();
            let mut changed = token.clone();
            changed.replace_range(at..=at, &to);
            prop_assume!(changed != token);
            prop_assert!(tokens.verify(&changed, &call('f'), NOW, MINUTE).is_err());
        }
    }
}
