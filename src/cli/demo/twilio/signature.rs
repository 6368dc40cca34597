//! `X-Twilio-Signature`: HMAC-SHA1, keyed with the account's token, over the URL and the sorted form fields.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

/// How a request is signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Signature {
    /// As it should be.
    #[default]
    Valid,
    /// With another account's token.
    Wrong,
    /// Not at all.
    Missing,
}

/// The signature of a request to `url` with these form fields; none for a GET or a WebSocket upgrade.
pub fn sign(auth_token: &str, url: &str, fields: &[(String, String)]) -> String {
    let mut sorted: Vec<&(String, String)> = fields.iter().collect();
    sorted.sort();
    let mut mac = <Hmac<Sha1>>::new_from_slice(auth_token.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(url.as_bytes());
    for (name, value) in sorted {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    STANDARD.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_vendors_published_example_holds() {
        let fields = fields(&[
            ("To", "+18005551212"),
            ("CallSid", "CA1234567890ABCDE"),
            ("Caller", "+14158675309"),
            ("Digits", "1234"),
            ("From", "+14158675309"),
        ]);
        let signature = sign("12345", "https://mycompany.com/myapp.php?foo=1&bar=2", &fields);
        assert_eq!(signature, "RSOYDt4T1cUTdK1PDd93/VVr8B8=");
    }

    #[test]
    fn url_token_and_fields_each_matter() {
        let signed = sign("token", "wss://a.example/media", &[]);
        assert_ne!(signed, sign("other", "wss://a.example/media", &[]));
        assert_ne!(signed, sign("token", "https://a.example/media", &[]));
        assert_ne!(signed, sign("token", "wss://a.example/media", &fields(&[("A", "")])));
    }
}
