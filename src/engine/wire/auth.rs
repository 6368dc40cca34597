//! Whether a request is Twilio's: the signature, over the URL under which Twilio knows us.

use super::signature::{Payload, Signer, is_valid_any};

/// Checks signatures for one service: its auth tokens, and the address at which Twilio reaches it.
#[derive(Clone)]
pub struct RequestAuth {
    signers: Vec<Signer>,
    public_url: Option<String>,
    is_enforced: bool,
}

/// Where a request went, as it reached us.
#[derive(Clone, Copy, Debug)]
pub struct RequestTarget<'a> {
    /// `http`, `https`, `ws` or `wss`: of the connection, or as a proxy in front tells it.
    pub scheme: &'a str,
    /// Host and port, as in the `Host` header or as a proxy in front tells it.
    pub host: &'a str,
    /// Path and query, as they stand in the request line.
    pub path_and_query: &'a str,
}

impl RequestAuth {
    /// `public_url`, where it is set, stands for scheme and host of every request; a path in it (a proxy that
    /// strips a prefix) is put in front of the request's own. Without any token nothing is valid.
    pub fn new(auth_tokens: &[&[u8]], public_url: Option<&str>, is_enforced: bool) -> Self {
        let signers = auth_tokens.iter().map(|token| Signer::new(token)).collect();
        let public_url = public_url.map(|url| url.trim_end_matches('/').to_owned());
        Self { signers, public_url, is_enforced }
    }

    /// Whether reading the rest of the request is worth while: without a signature, or with one that isn't 20
    /// bytes in base64, it is not.
    pub fn could_be_valid(&self, signature: Option<&str>) -> bool {
        !self.is_enforced || (!self.signers.is_empty() && signature.is_some_and(|text| text.trim().len() == 28))
    }

    /// The address of a path of ours, as Twilio has to write it.
    pub fn url(&self, target: RequestTarget<'_>, path_and_query: &str) -> String {
        match &self.public_url {
            Some(base) => format!("{base}{path_and_query}"),
            None => {
                let scheme = match target.scheme {
                    "https" | "wss" => "https",
                    _ => "http",
                };
                format!("{scheme}://{}{path_and_query}", target.host)
            }
        }
    }

    /// Whether the request is signed by Twilio, or signatures are not asked for.
    ///
    /// A WebSocket's upgrade is signed over its `wss://` address; some gateways rewrite that to `https://`
    /// before they sign, so both are taken.
    pub fn is_valid(&self, target: RequestTarget<'_>, signature: Option<&str>, payload: Payload<'_>) -> bool {
        if !self.is_enforced {
            return true;
        }
        let Some(signature) = signature else { return false };
        let url = self.url(target, target.path_and_query);
        if is_valid_any(&self.signers, signature, &url, payload) {
            return true;
        }
        let is_upgrade = matches!(target.scheme, "ws" | "wss");
        is_upgrade && is_valid_any(&self.signers, signature, &super::twiml::websocket_url(&url), payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::wire::form::Form;

    const UPGRADE: RequestTarget<'_> =
        RequestTarget { scheme: "wss", host: "calls.example.com", path_and_query: "/twilio/media" };

    fn auth(public_url: Option<&str>) -> RequestAuth {
        RequestAuth::new(&[b"12345"], public_url, true)
    }

    #[test]
    fn an_upgrade_is_signed_over_its_wss_address() {
        let signature = Signer::new(b"12345").sign("wss://calls.example.com/twilio/media", &Form::from_pairs(&[]));
        assert!(auth(None).is_valid(UPGRADE, Some(&signature), Payload::None));
        assert!(!auth(None).is_valid(UPGRADE, None, Payload::None));
        assert!(!auth(Some("https://other.example.com")).is_valid(UPGRADE, Some(&signature), Payload::None));
    }

    #[test]
    fn behind_a_proxy_the_public_address_counts() {
        let inside = RequestTarget { scheme: "http", host: "10.0.0.7:8080", path_and_query: "/twilio/voice?x=1" };
        let form = Form::from_pairs(&[("CallSid", "CA1")]);
        let signature = Signer::new(b"12345").sign("https://calls.example.com/twilio/voice?x=1", &form);
        assert!(auth(Some("https://calls.example.com/")).is_valid(inside, Some(&signature), Payload::Form(&form)));
        assert!(!auth(None).is_valid(inside, Some(&signature), Payload::Form(&form)));
    }

    #[test]
    fn without_a_token_nothing_is_valid() {
        let none = RequestAuth::new(&[], None, true);
        assert!(!none.is_valid(UPGRADE, Some(""), Payload::None));
    }
}
