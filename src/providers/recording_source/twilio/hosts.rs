//! Where a recording may be fetched from, and who is shown the account's password there.

use std::net::IpAddr;
use std::str::FromStr;

use thiserror::Error;
use url::{Host, Url};

/// Hosts that recordings may come from: a name, or `*.` and the end of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedHost {
    name: String,
    is_ending: bool,
}

/// It is neither the name of a host nor the end of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("is neither the name of a host nor *. and the end of one")]
pub struct BadHost;

impl FromStr for AllowedHost {
    type Err = BadHost;

    fn from_str(text: &str) -> Result<Self, BadHost> {
        let (name, is_ending) = text.strip_prefix("*.").map_or((text, false), |name| (name, true));
        let host = Host::parse(name).map_err(|_| BadHost)?;
        let is_plain = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'));
        match (&host, is_ending) {
            (Host::Domain(name), _) if !is_plain(name) => Err(BadHost),
            (Host::Domain(name), true) if !name.contains('.') => Err(BadHost),
            (Host::Domain(name), _) => Ok(Self { name: name.clone(), is_ending }),
            (Host::Ipv4(_) | Host::Ipv6(_), true) => Err(BadHost),
            (Host::Ipv4(_) | Host::Ipv6(_), false) => Ok(Self { name: host.to_string(), is_ending }),
        }
    }
}

impl AllowedHost {
    fn allows(&self, host: &str) -> bool {
        match host.strip_suffix(self.name.as_str()) {
            Some("") => !self.is_ending,
            Some(front) => self.is_ending && front.ends_with('.'),
            None => false,
        }
    }
}

/// The carrier's interface, and the hosts that its recordings lie on.
#[derive(Clone, Debug)]
pub(super) struct Hosts {
    api: Url,
    allowed: Vec<AllowedHost>,
}

/// The names of the carrier itself: of its regions, for one.
const CARRIERS_OWN: &str = ".twilio.com";

impl Hosts {
    pub(super) const fn new(api: Url, allowed: Vec<AllowedHost>) -> Self {
        Self { api, allowed }
    }

    pub(super) const fn api(&self) -> &Url {
        &self.api
    }

    /// The host of a URL that may be asked; otherwise what it may not be.
    pub(super) fn admit<'a>(&self, url: &'a Url) -> Result<&'a str, String> {
        let host = url.host_str().unwrap_or_default();
        let is_encrypted = url.scheme() == "https" || url.scheme() == "http" && is_this_machine(url);
        let is_allowed = url.origin() == self.api.origin() || self.allowed.iter().any(|allowed| allowed.allows(host));
        match (is_allowed, is_encrypted) {
            (true, true) => Ok(host),
            (true, false) => Err(format!("{}://{host}", url.scheme())),
            (false, _) => Err(host.to_owned()),
        }
    }

    /// Whether the account's password is shown there: to the carrier itself, and to nobody that it sends us to.
    pub(super) fn knows_us(&self, url: &Url) -> bool {
        let is_carriers = url.host_str().is_some_and(|host| host.ends_with(CARRIERS_OWN));
        url.origin() == self.api.origin() || is_carriers && url.scheme() == "https" && url.port().is_none()
    }
}

/// Whether nothing between here and there can listen.
pub(super) fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(allowed: &[&str]) -> Hosts {
        let allowed = allowed.iter().map(|text| text.parse().unwrap()).collect();
        Hosts::new("https://api.twilio.com".parse().unwrap(), allowed)
    }

    #[test]
    fn only_the_carrier_and_what_is_named_may_be_asked() {
        let hosts = hosts(&["*.twilio.com", "media.example", "127.0.0.1"]);
        for (url, is_admitted) in [
            ("https://api.twilio.com/2010-04-01/x.wav", true),
            ("https://api.dublin.ie1.twilio.com/x", true),
            ("https://API.TWILIO.COM/x", true),
            ("https://media.example/x", true),
            ("http://127.0.0.1:9000/x", true),
            ("http://api.twilio.com/x", false),
            ("http://media.example/x", false),
            ("https://twilio.com/x", false),
            ("https://eviltwilio.com/x", false),
            ("https://api.twilio.com.evil.example/x", false),
            ("https://evil.media.example/x", false),
            ("https://api.twilio.com@evil.example/x", false),
            ("https://169.254.169.254/latest", false),
            ("http://localhost/x", false),
            ("file:///etc/passwd", false),
        ] {
            assert_eq!(hosts.admit(&url.parse().unwrap()).is_ok(), is_admitted, "{url}");
        }
        assert!(hosts.admit(&"https://api.twilio.com:444/x".parse().unwrap()).is_ok(), "a port is no host");
    }

    #[test]
    fn nobody_but_the_carrier_is_shown_the_password() {
        let hosts = hosts(&["*.twilio.com", "media.example"]);
        for (url, is_shown) in [
            ("https://api.twilio.com/x", true),
            ("https://api.dublin.ie1.twilio.com/x", true),
            ("https://media.example/x", false),
            ("https://api.twilio.com:444/x", false),
            ("http://api.twilio.com/x", false),
            ("https://eviltwilio.com/x", false),
        ] {
            assert_eq!(hosts.knows_us(&url.parse().unwrap()), is_shown, "{url}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for wrong in ["", "*", "*.", "*.com", "https://x.example", "a b", "x.example/y", "*.127.0.0.1", "x.example:80"]
        {
            assert_eq!(wrong.parse::<AllowedHost>(), Err(BadHost), "{wrong}");
        }
    }
}
