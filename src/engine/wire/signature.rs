//! `X-Twilio-Signature`: whether a request really comes from Twilio.
//!
//! The header is the base64 of HMAC-SHA1, keyed with the account's auth token, over the URL as Twilio knows
//! it and then, for a form, each field's name and value, sorted. The URL is taken as a text: sorting or
//! re-encoding its query would make it another one. For a JSON body, the URL's query has `bodySHA256`, and
//! nothing is appended. A WebSocket upgrade is signed over the `wss://` URL.
//!
//! Where Twilio isn't consistent, every reading is tried: with the port, without it, and with the
//! scheme's own port; with and without the slash at the end of a WebSocket's URL; with and without
//! [`RETRY_OVERRIDES`], which our callback URLs have and which no HTTP request carries.
//!
//! Rules: twilio.com/docs/usage/webhooks/webhooks-security, and the test vectors of Twilio's own libraries.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use url::form_urlencoded;

use super::form::Form;
use super::twiml::RETRY_OVERRIDES;

/// What came with the request, besides its URL.
#[derive(Clone, Copy, Debug)]
pub enum Payload<'a> {
    /// Nothing: a GET, or a WebSocket upgrade.
    None,
    /// A form.
    Form(&'a Form<'a>),
    /// A body of another kind, whose hash stands in the URL.
    Body(&'a [u8]),
}

/// Signs and checks with one auth token.
#[derive(Clone)]
pub struct Signer(Hmac<Sha1>);

impl Signer {
    /// For this auth token.
    pub fn new(auth_token: &[u8]) -> Self {
        Self(Hmac::new_from_slice(auth_token).expect("HMAC takes a key of any length"))
    }

    /// The header that Twilio would send with a form to this URL.
    pub fn sign(&self, url: &str, form: &Form<'_>) -> String {
        STANDARD.encode(self.mac(&[url], &sorted(form)))
    }

    /// Whether the header belongs to this request. Takes the same time however wrong it is.
    pub fn is_valid(&self, header: &str, url: &str, payload: Payload<'_>) -> bool {
        let Some(claimed) = decode(header) else { return false };
        let (fields, body_is_right) = match payload {
            Payload::None => (String::new(), Choice::from(1)),
            Payload::Form(form) => (sorted(form), Choice::from(1)),
            Payload::Body(body) => (String::new(), is_hash_in(url, body)),
        };
        let readings = Readings::of(url);
        let signed = readings.all().fold(Choice::from(0), |found, reading| {
            found | self.mac(&reading, &fields).as_slice().ct_eq(claimed.as_slice())
        });
        (signed & body_is_right).into()
    }

    fn mac(&self, url: &[&str], fields: &str) -> [u8; DIGEST] {
        let mut mac = self.0.clone();
        for part in url {
            mac.update(part.as_bytes());
        }
        mac.update(fields.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer")
    }
}

/// Whether any of the tokens fits: while an auth token is replaced, the old and the new one are both good.
pub fn is_valid_any(signers: &[Signer], header: &str, url: &str, payload: Payload<'_>) -> bool {
    signers.iter().fold(false, |valid, signer| valid | signer.is_valid(header, url, payload))
}

/// SHA-1's length in bytes.
const DIGEST: usize = 20;
/// … and as base64.
const HEADER: usize = 28;

fn decode(header: &str) -> Option<[u8; DIGEST]> {
    let mut digest = [0; DIGEST];
    match STANDARD.decode_slice(header, &mut digest) {
        Ok(DIGEST) if header.len() == HEADER => Some(digest),
        _ => None,
    }
}

/// Names and values, one after the other; a field that is repeated with the same value counts once.
fn sorted(form: &Form<'_>) -> String {
    let mut fields: Vec<_> = form.pairs().iter().collect();
    fields.sort();
    fields.dedup();
    fields.into_iter().flat_map(|(name, value)| [name.as_ref(), value.as_ref()]).collect()
}

/// Whether the URL's `bodySHA256` is the hexadecimal SHA-256 of this body.
fn is_hash_in(url: &str, body: &[u8]) -> Choice {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let query = query.split_once('#').map_or(query, |(query, _)| query);
    let hash = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "bodySHA256");
    let claimed = hash.map(|(_, hash)| hash.to_ascii_lowercase()).unwrap_or_default();
    let hash: String = Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect();
    hash.as_bytes().ct_eq(claimed.as_bytes())
}

/// The ways in which Twilio may have written a URL.
struct Readings<'a> {
    /// `https://user:pass@host`, without a port.
    origin: &'a str,
    /// `:443` or so: what stood there, nothing, and the scheme's own.
    ports: [&'a str; 3],
    /// Path and query: as it stood, and for a WebSocket with a slash more or less at the end.
    rests: [(&'a str, &'static str); 2],
    /// What follows: nothing, and the retry overrides of an HTTP callback.
    fragments: [&'static str; 2],
}

impl<'a> Readings<'a> {
    fn of(url: &'a str) -> Self {
        let url = url.split_once('#').map_or(url, |(url, _)| url);
        let (scheme, after) = url.split_once("://").unwrap_or(("", url));
        let (authority, rest) = after.split_at(after.find(['/', '?']).unwrap_or(after.len()));
        let host = authority.rfind('@').map_or(0, |at| at + 1);
        let colon = match authority[host..].rfind([':', ']']) {
            Some(at) if authority.as_bytes()[host + at] == b':' => host + at,
            _ => authority.len(),
        };
        let (bare, port) = authority.split_at(colon);
        let origin = &url[..url.len() - after.len() + bare.len()];

        let is = |name: &str| scheme.eq_ignore_ascii_case(name);
        let websocket = is("wss") || is("ws");
        let standard = if is("https") || is("wss") { ":443" } else { ":80" };
        let other = match rest.strip_suffix('/') {
            _ if !websocket => (rest, ""),
            Some(shorter) => (shorter, ""),
            None => (rest, "/"),
        };
        let overrides = if websocket { "" } else { RETRY_OVERRIDES };
        Self { origin, ports: [port, "", standard], rests: [(rest, ""), other], fragments: ["", overrides] }
    }

    fn all(&self) -> impl Iterator<Item = [&str; 5]> {
        self.ports.iter().flat_map(move |port| {
            self.rests.iter().flat_map(move |(rest, slash)| {
                self.fragments.iter().map(move |fragment| [self.origin, port, rest, slash, fragment])
            })
        })
    }
}

#[cfg(test)]
mod tests;
