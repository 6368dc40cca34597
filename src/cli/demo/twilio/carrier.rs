//! The carrier: its account, its webhooks, and the calls that it brings.

use std::net::SocketAddr;

use serde::Serialize;
use url::{Url, form_urlencoded};

use super::call::PhoneCall;
use super::carrier_error::CarrierError;
use super::http::{self, Answer, Request};
use super::ringing::{Ringing, StreamOptions};
use super::sid;
use super::signature::{Signature, sign};
use super::twiml::{self, Verb};
use crate::clock;

/// Which call, from whom, to whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CallIdentity {
    /// `CA` and 32 hexadecimal digits.
    pub call_sid: String,
    /// The caller's number.
    pub from: String,
    /// The number called.
    pub to: String,
}

impl CallIdentity {
    /// A call that never was before.
    pub fn fresh(from: &str, to: &str) -> Self {
        Self { call_sid: sid::fresh("CA"), from: from.to_owned(), to: to.to_owned() }
    }
}

/// The carrier, with one account and one number whose URLs are set to the server's.
#[derive(Clone, Debug)]
pub struct FakeTwilio {
    public_url: Url,
    address: Option<SocketAddr>,
    auth_token: String,
    account_sid: String,
    status_url: String,
}

impl FakeTwilio {
    /// A carrier whose number points to the server at `public_url` (`http://127.0.0.1:…` or, together with
    /// [`Self::through`], any `https://` URL).
    pub fn new(public_url: &str, auth_token: &str, account_sid: &str) -> Result<Self, CarrierError> {
        let wrong = |why: String| CarrierError::Url { what: "the server's URL", url: public_url.to_owned(), why };
        let url = Url::parse(public_url).map_err(|error| wrong(error.to_string()))?;
        let host = url.host().ok_or_else(|| wrong("it has no host".into()))?;
        let ip = match host {
            url::Host::Ipv4(ip) => Some(ip.into()),
            url::Host::Ipv6(ip) => Some(ip.into()),
            url::Host::Domain(_) => None,
        };
        let port = url.port_or_known_default().ok_or_else(|| wrong("it has no port".into()))?;
        Ok(Self {
            address: ip.map(|ip| SocketAddr::new(ip, port)),
            status_url: format!("{}/twilio/status#rc=5&rp=all", public_url.trim_end_matches('/')),
            public_url: url,
            auth_token: auth_token.to_owned(),
            account_sid: account_sid.to_owned(),
        })
    }

    /// Where the number's status changes are reported, as it is set at the carrier.
    pub fn status_url(&self) -> &str {
        &self.status_url
    }

    /// Brings everything for the public URL to this address instead, as a proxy does that ends TLS.
    pub fn through(mut self, address: SocketAddr) -> Self {
        self.address = Some(address);
        self
    }

    /// The account.
    pub fn account_sid(&self) -> &str {
        &self.account_sid
    }

    /// A call arrives and its media stream is opened.
    pub async fn inbound_call(&self, from: &str, to: &str) -> Result<PhoneCall, CarrierError> {
        self.ring(CallIdentity::fresh(from, to)).await?.connect(StreamOptions::default()).await
    }

    /// A call arrives: the voice webhook is asked, and its instructions are read.
    pub async fn ring(&self, call: CallIdentity) -> Result<Ringing, CarrierError> {
        let what = "the voice webhook";
        let url = self.resolve("/twilio/voice")?;
        let answer = self.post(what, &url, &self.call_fields(&call, "ringing"), Signature::Valid).await?;
        let answered_after = answer.took;
        let verbs = instructions(what, answer)?;
        Ok(Ringing { carrier: self.clone(), call, verbs, answered_after })
    }

    /// Somebody answers a call that the server had placed: its voice URL is asked, and the instructions are read.
    pub async fn answered(&self, call: CallIdentity, voice_url: &str) -> Result<Ringing, CarrierError> {
        let what = "the voice webhook";
        let mut fields = self.call_fields(&call, "in-progress");
        for (name, value) in &mut fields {
            if name == "Direction" {
                "outbound-api".clone_into(value);
            }
        }
        let answer = self.post(what, voice_url, &fields, Signature::Valid).await?;
        let answered_after = answer.took;
        let verbs = instructions(what, answer)?;
        Ok(Ringing { carrier: self.clone(), call, verbs, answered_after })
    }

    /// The status callback of a call: `completed` with its length in seconds, or any other status. Like the
    /// carrier, which was told so by `#rc=5&rp=all`, it tries up to five times more while there is no 2xx.
    pub async fn status_callback(
        &self,
        call: &CallIdentity,
        status: &str,
        seconds: Option<u64>,
    ) -> Result<Answer, CarrierError> {
        let mut fields = self.call_fields(call, status);
        let timestamp = jiff::fmt::rfc2822::to_string(&timestamp()).unwrap_or_default();
        let [callback, progress] = ["CallbackSource", "call-progress-events"].map(str::to_owned);
        fields.extend([(callback, progress), ("SequenceNumber".into(), "0".into()), ("Timestamp".into(), timestamp)]);
        if let Some(seconds) = seconds {
            fields.push(("CallDuration".into(), seconds.to_string()));
            fields.push(("Duration".into(), seconds.div_ceil(60).to_string()));
        }
        let mut answer = self.post("the status callback", &self.status_url, &fields, Signature::Valid).await;
        for _ in 0..retries(&self.status_url) {
            if matches!(&answer, Ok(answer) if answer.is_success()) {
                break;
            }
            answer = self.post("the status callback", &self.status_url, &fields, Signature::Valid).await;
        }
        answer
    }

    /// Any webhook: a POST of these fields to `url`, whose fragment (connection overrides) is neither sent
    /// nor signed.
    pub async fn post(
        &self,
        what: &'static str,
        url: &str,
        fields: &[(String, String)],
        signature: Signature,
    ) -> Result<Answer, CarrierError> {
        let url = url.split('#').next().unwrap_or(url);
        let (address, host, target) = self.route(what, url)?;
        let mut headers = vec![
            ("Host", host),
            ("User-Agent", "TwilioProxy/1.1".to_owned()),
            ("Accept", "*/*".to_owned()),
            ("X-Forwarded-Proto", self.public_url.scheme().to_owned()),
            ("I-Twilio-Idempotency-Token", sid::fresh("")),
            ("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8".to_owned()),
        ];
        headers.extend(self.signed(signature, url, fields).map(|signed| ("X-Twilio-Signature", signed)));
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = Request { method: "POST", target, headers, body };
        http::send(address, &request).await.map_err(|error| CarrierError::Http { what, error })
    }

    /// The fields that every webhook of a call has.
    pub fn call_fields(&self, call: &CallIdentity, status: &str) -> Vec<(String, String)> {
        [
            ("AccountSid", self.account_sid.as_str()),
            ("ApiVersion", "2010-04-01"),
            ("CallSid", &call.call_sid),
            ("CallStatus", status),
            ("Called", &call.to),
            ("CalledCity", ""),
            ("CalledCountry", "US"),
            ("CalledState", ""),
            ("CalledZip", ""),
            ("Caller", &call.from),
            ("CallerCity", "SAN FRANCISCO"),
            ("CallerCountry", "US"),
            ("CallerState", "CA"),
            ("CallerZip", "94105"),
            ("Direction", "inbound"),
            ("From", &call.from),
            ("FromCity", "SAN FRANCISCO"),
            ("FromCountry", "US"),
            ("FromState", "CA"),
            ("FromZip", "94105"),
            ("To", &call.to),
            ("ToCity", ""),
            ("ToCountry", "US"),
            ("ToState", ""),
            ("ToZip", ""),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    pub(super) fn signed(&self, signature: Signature, url: &str, fields: &[(String, String)]) -> Option<String> {
        match signature {
            Signature::Valid => Some(sign(&self.auth_token, url, fields)),
            Signature::Wrong => Some(sign("another account's token", url, fields)),
            Signature::Missing => None,
        }
    }

    /// A URL of the server, which may be relative to that of the voice webhook.
    pub(super) fn resolve(&self, url: &str) -> Result<String, CarrierError> {
        let wrong = |error: url::ParseError| CarrierError::Url {
            what: "a URL in the TwiML",
            url: url.to_owned(),
            why: error.to_string(),
        };
        let base = self.public_url.join("/twilio/voice").map_err(wrong)?;
        Ok(base.join(url).map_err(wrong)?.into())
    }

    /// Where a URL leads: the address to connect to, the host to name, and the path and query to ask for.
    pub(super) fn route(&self, what: &'static str, url: &str) -> Result<(SocketAddr, String, String), CarrierError> {
        let wrong = |why: &str| CarrierError::Url { what, url: url.to_owned(), why: why.to_owned() };
        let parsed = Url::parse(url).map_err(|error| wrong(&error.to_string()))?;
        let secure = |scheme: &str| matches!(scheme, "https" | "wss");
        if parsed.host() != self.public_url.host()
            || parsed.port_or_known_default() != self.public_url.port_or_known_default()
        {
            return Err(wrong("it leads to another server"));
        }
        if secure(parsed.scheme()) != secure(self.public_url.scheme()) {
            return Err(wrong("its scheme does not fit to the server's"));
        }
        let address = self.address.ok_or_else(|| wrong("the carrier was not told its address"))?;
        // As it was written, for it is what is signed.
        let authority = url.find("://").map_or(0, |at| at + 3);
        let path = url[authority..].find('/').map_or("/", |at| &url[authority + at..]);
        let host = match (parsed.host_str().unwrap_or_default(), parsed.port()) {
            (host, Some(port)) => format!("{host}:{port}"),
            (host, None) => host.to_owned(),
        };
        Ok((address, host, path.to_owned()))
    }
}

/// The instructions in an answer: HTTP 200, XML, and nothing that the carrier does not know.
pub(super) fn instructions(what: &'static str, answer: Answer) -> Result<Vec<Verb>, CarrierError> {
    if answer.status != 200 || !matches!(answer.content_type.as_str(), "text/xml" | "application/xml") {
        let Answer { status, content_type, .. } = answer;
        return Err(CarrierError::Answer { what, status, content_type });
    }
    twiml::parse(&answer.body).map_err(|error| CarrierError::Twiml { what, error })
}

/// How many more times a callback is tried: the connection override `rc` in the URL's fragment, 0 to 5.
fn retries(url: &str) -> u32 {
    let fragment = url.split_once('#').map_or("", |(_, fragment)| fragment);
    let count = form_urlencoded::parse(fragment.as_bytes()).find(|(name, _)| name == "rc");
    count.and_then(|(_, count)| count.parse().ok()).map_or(1, |count: u32| count.min(5))
}

/// Now, as a date.
pub(super) fn timestamp() -> jiff::Zoned {
    let now = jiff::Timestamp::from_microsecond(clock::wall_micros()).unwrap_or_default();
    now.to_zoned(jiff::tz::TimeZone::UTC)
}
