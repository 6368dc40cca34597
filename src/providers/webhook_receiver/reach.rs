//! Where webhooks may go.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use thiserror::Error;
use url::{Host, Url};

use super::PostError;
use super::networks::{Network, is_public};

/// Something that is not public and may be reached all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// Every address in this network.
    Network(Network),
    /// Whatever this name leads to: a host's name in lower case, without a dot at its end.
    Host(String),
}

/// A text that names neither a network nor a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("is neither a network (10.0.0.0/8), nor an address, nor a host's name (hooks.internal)")]
pub struct BadAllowed;

impl FromStr for Allowed {
    type Err = BadAllowed;

    fn from_str(text: &str) -> Result<Self, BadAllowed> {
        let text = text.trim();
        if let Ok(network) = text.parse() {
            return Ok(Self::Network(network));
        }
        match Host::parse(text) {
            Ok(Host::Domain(name)) if !text.contains('/') => Ok(Self::Host(bare(&name))),
            Ok(_) | Err(_) => Err(BadAllowed),
        }
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(network) => network.fmt(f),
            Self::Host(name) => f.write_str(name),
        }
    }
}

/// Where webhooks may go: public addresses, by https; and what is allowed besides.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    allowed: Vec<Allowed>,
}

impl Reach {
    /// Public addresses, and these.
    pub fn new(allowed: Vec<Allowed>) -> Self {
        Self { allowed }
    }

    /// The URL, if a webhook may be sent there as far as can be seen without asking for the address of a name.
    ///
    /// # Errors
    /// It is none, holds a user, is not https, or is the address of a network that is not public.
    pub fn admit(&self, url: &str) -> Result<Url, PostError> {
        let url = Url::parse(url).map_err(|error| PostError::BadUrl(error.to_string()))?;
        let host = match url.host() {
            Some(host) => host.to_owned(),
            None => return Err(PostError::BadUrl("it names no host".to_owned())),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(PostError::BadUrl("it holds a user or a password".to_owned()));
        }
        let literal = match &host {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some(IpAddr::V4(*address)),
            Host::Ipv6(address) => Some(IpAddr::V6(*address)),
        };
        let is_allowed = match (&host, literal) {
            (Host::Domain(name), _) => self.allows_name(name),
            (_, Some(address)) => self.allows_address(address),
            (_, None) => false,
        };
        let forbidden = |what: &str| Err(PostError::Forbidden(what.to_owned()));
        match url.scheme() {
            "https" => {}
            "http" if is_allowed => {}
            "http" => return forbidden("http"),
            other => return Err(PostError::BadUrl(format!("{other} is not https"))),
        }
        match literal {
            Some(address) if !is_public(address) && !is_allowed => forbidden(&address.to_string()),
            Some(_) | None => Ok(url),
        }
    }

    /// Whether a webhook for the host of this name may be sent to this address.
    pub fn leads_to(&self, name: &str, address: IpAddr) -> bool {
        is_public(address) || self.allows_address(address) || self.allows_name(name)
    }

    fn allows_address(&self, address: IpAddr) -> bool {
        self.allowed.iter().any(|allowed| matches!(allowed, Allowed::Network(network) if network.holds(address)))
    }

    fn allows_name(&self, name: &str) -> bool {
        let name = bare(name);
        self.allowed.iter().any(|allowed| matches!(allowed, Allowed::Host(own) if *own == name))
    }
}

/// A name without the dot that may stand at its end, in lower case.
fn bare(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(allowed: &[&str]) -> Reach {
        Reach::new(allowed.iter().map(|text| text.parse().unwrap()).collect())
    }

    /// What is inside, in the spellings that have fooled others.
    const INSIDE: [&str; 42] = [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "017700000001",
        "127.255.255.254",
        "127.0.0.1.",
        "１２７.0.0.1",
        "127。0。0。1",
        "%31%32%37.0.0.1",
        "0",
        "0.0.0.0",
        "10.0.0.1",
        "0xa.0.0.1",
        "10.255.255.255",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "3232235777",
        "100.64.0.1",
        "100.127.255.255",
        "169.254.169.254",
        "2852039166",
        "192.0.0.8",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "[::1]",
        "[::]",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::ffff:10.0.0.1]",
        "[::127.0.0.1]",
        "[64:ff9b::10.0.0.1]",
        "[2002:7f00:1::]",
        "[fe80::1]",
        "[fd00::1]",
        "[ff02::1]",
    ];

    #[test]
    fn nothing_inside_is_reached_however_it_is_spelled() {
        for host in INSIDE {
            for path in ["/", ":443/", ":8080/hook?a=b"] {
                let url = format!("https://{host}{path}");
                let refused = reach(&[]).admit(&url);
                assert!(matches!(refused, Err(PostError::Forbidden(_))), "{url}: {refused:?}");
            }
        }
    }

    #[test]
    fn a_url_that_misleads_its_reader_is_refused() {
        for url in [
            "https://example.com@127.0.0.1/",
            "https://a:b@example.com/",
            "ftp://example.com/",
            "file:///etc/passwd",
            "https://",
            "gopher://127.0.0.1:6379/_",
            "javascript:1",
            "//example.com",
            "",
        ] {
            assert!(matches!(reach(&["127.0.0.0/8"]).admit(url), Err(PostError::BadUrl(_))), "{url}");
        }
        assert_eq!(reach(&[]).admit("http://example.com/"), Err(PostError::Forbidden("http".to_owned())));
        // What follows a backslash or a # is no host.
        assert_eq!(reach(&[]).admit("https://example.com\\@127.0.0.1/").unwrap().host_str(), Some("example.com"));
        assert_eq!(reach(&[]).admit("https://example.com#@127.0.0.1/").unwrap().host_str(), Some("example.com"));
    }

    #[test]
    fn a_name_is_judged_by_where_it_leads() {
        let inside: IpAddr = "10.0.0.7".parse().unwrap();
        let outside: IpAddr = "8.8.8.8".parse().unwrap();
        assert!(reach(&[]).admit("https://hooks.internal/").is_ok(), "a name tells nothing yet");
        assert!(!reach(&[]).leads_to("hooks.internal", inside));
        assert!(reach(&[]).leads_to("hooks.internal", outside));
        assert!(reach(&["hooks.internal"]).leads_to("Hooks.Internal.", inside));
        assert!(!reach(&["hooks.internal"]).leads_to("evil.hooks.internal", inside));
        assert!(reach(&["10.0.0.0/8"]).leads_to("any.example", inside));
    }

    #[test]
    fn what_is_allowed_may_be_reached_without_tls() {
        let allowed = reach(&["127.0.0.0/8", "hooks.internal", "::1"]);
        for url in ["http://127.0.0.1:9000/", "http://[::ffff:127.0.0.1]/", "http://hooks.internal/x", "http://[::1]/"]
        {
            assert!(allowed.admit(url).is_ok(), "{url}");
        }
        for url in ["http://localhost/", "http://10.0.0.1/", "http://[::2]/", "http://other.internal/"] {
            assert!(matches!(allowed.admit(url), Err(PostError::Forbidden(_))), "{url}");
        }
        for wrong in ["", "10.0.0.0/40", "http://x/", "a b", "*.example.com/"] {
            assert_eq!(wrong.parse::<Allowed>(), Err(BadAllowed), "{wrong}");
        }
    }
}
