//! `Trunkline-Signature`: how a receiver knows that a webhook is ours, and not an old one that somebody sends again.
//!
//! The header is `t=<unix seconds>,v1=<hex>`; the digits are HMAC-SHA256, keyed with the whole text of the business's
//! secret, over the seconds, a dot and the body's bytes. While a secret is replaced there are two `v1`, one for each
//! secret, and a receiver takes the webhook if it finds its own among them.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use thiserror::Error;

/// What a business's webhooks are signed with. It is no text that can be printed by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// In front of every secret, so that one that was put where it does not belong can be found.
const PREFIX: &str = "whsec_";

impl Secret {
    /// A secret of 32 random bytes: `whsec_` and 64 hexadecimal digits.
    pub fn of(random: [u8; 32]) -> Self {
        Self(format!("{PREFIX}{}", hex(&random)))
    }

    /// As it was stored.
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// Its name, which is none of the secret: 16 hexadecimal digits.
    pub fn id(&self) -> String {
        hex(&Sha256::digest(self.0.as_bytes())[..8])
    }

    /// The text, for the business and for the store.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// The header of a body that is sent at this time, in seconds since 1970-01-01 UTC.
pub fn header(secrets: &[Secret], at: i64, body: &[u8]) -> String {
    secrets.iter().fold(format!("t={at}"), |header, secret| format!("{header},v1={}", hex(&mac(secret, at, body))))
}

/// Why a header does not speak for a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SignatureFault {
    /// It is not of the form `t=…,v1=…`.
    #[error("the header is not t=…,v1=…")]
    Form,
    /// It was made too long ago, or will be.
    #[error("the header's time is too far from now")]
    Stale,
    /// No `v1` fits this secret and this body.
    #[error("no signature fits")]
    Mismatch,
}

/// Whether a header speaks for a body at `now`, in seconds since 1970-01-01 UTC: what a receiver does, as
/// docs/webhooks.md shows it. It takes the same time however wrong a signature is.
///
/// # Errors
/// What is wrong with it.
pub fn verify(secret: &Secret, header: &str, body: &[u8], now: i64, tolerance_s: i64) -> Result<(), SignatureFault> {
    let mut parts = header.split(',').map(|part| part.split_once('='));
    let Some(Some(("t", at))) = parts.next() else { return Err(SignatureFault::Form) };
    let at: i64 = at.parse().map_err(|_| SignatureFault::Form)?;
    if now.abs_diff(at) > tolerance_s.unsigned_abs() {
        return Err(SignatureFault::Stale);
    }
    let own = hex(&mac(secret, at, body));
    let fits = parts.flatten().filter(|(name, _)| *name == "v1");
    let found = fits.fold(Choice::from(0), |found, (_, claimed)| found | own.as_bytes().ct_eq(claimed.as_bytes()));
    if found.into() { Ok(()) } else { Err(SignatureFault::Mismatch) }
}

fn mac(secret: &Secret, at: i64, body: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.0.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(format!("{at}.").as_bytes());
    mac.update(body);
    mac.finalize().into_bytes().into()
}

/// Hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Within so many seconds.
    const TOLERANCE: i64 = 300;

    #[test]
    fn the_signature_is_the_one_that_anybody_computes() {
        // printf '1795521600.{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_test
        let secret = Secret::stored("whsec_test".to_owned());
        let header = header(&[secret], 1_795_521_600, br#"{"id":"evt_1"}"#);
        assert_eq!(header, "t=1795521600,v1=9538f391fb924b98993de03c7dcdaa1e157244bc2a2a35a2e67f67632b2aa64f");
    }

    #[test]
    fn what_is_no_header_is_told_from_one_that_does_not_fit() {
        let secret = Secret::of([7; 32]);
        let good = header(std::slice::from_ref(&secret), 100, b"{}");
        let says = |header: &str, now| verify(&secret, header, b"{}", now, TOLERANCE);
        assert_eq!(says(&good, 100), Ok(()));
        assert_eq!(says(&good, 400), Ok(()));
        assert_eq!(says(&good, 401), Err(SignatureFault::Stale));
        assert_eq!(says(&good, -201), Err(SignatureFault::Stale));
        for wrong in ["", "t=", "t=x,v1=0", "v1=00", "v1=0,t=100", &good.replace("t=", "at=")] {
            assert_eq!(says(wrong, 100), Err(SignatureFault::Form), "{wrong}");
        }
        for wrong in ["t=100", "t=100,v1=", "t=100,v0=1", &good.replace("v1", "v2"), &good.replace("t=100", "t=101")] {
            assert_eq!(says(wrong, 100), Err(SignatureFault::Mismatch), "{wrong}");
        }
        assert!(!format!("{secret:?}").contains("07"));
    }

    proptest! {
        #[test]
        fn each_secret_of_an_overlap_fits_and_no_other(old: [u8; 32], new: [u8; 32], other: [u8; 32], body: Vec<u8>, at in 0i64..1 << 40) {
            prop_assume!(other != old && other != new);
            let header = header(&[Secret::of(new), Secret::of(old)], at, &body);
            prop_assert_eq!(verify(&Secret::of(old), &header, &body, at, TOLERANCE), Ok(()));
            prop_assert_eq!(verify(&Secret::of(new), &header, &body, at, TOLERANCE), Ok(()));
            prop_assert_eq!(verify(&Secret::of(other), &header, &body, at, TOLERANCE), Err(SignatureFault::Mismatch));
        }

        #[test]
        fn a_body_that_was_changed_is_refused(mut body in proptest::collection::vec(any::<u8>(), 1..200), at in 0usize..200, bit in 0u8..8) {
            let secret = Secret::of([1; 32]);
            let header = header(std::slice::from_ref(&secret), 5, &body);
            let at = at % body.len();
            body[at] ^= 1 << bit;
            prop_assert_eq!(verify(&secret, &header, &body, 5, TOLERANCE), Err(SignatureFault::Mismatch));
        }

        #[test]
        fn no_header_makes_a_receiver_panic(header: String, body: Vec<u8>) {
            prop_assert!(verify(&Secret::of([1; 32]), &header, &body, 0, TOLERANCE).is_err());
        }
    }
}
