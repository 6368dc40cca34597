//! Who is logged in: sessions, in memory, and the cookie by which a browser shows that it has one.
//!
//! A session comes from a token and holds for as long as that does. It ends by itself when nothing was asked for a while, at
//! the latest after its longest life, and with the process. What is kept of the cookie is its hash.
//!
//! A cookie is sent by the browser whatever page asks. So whoever changes something shows a second text, which only a page
//! of ours can read ([`PROOF`]), and the cookie is never sent for another site's sake (`SameSite=Strict`).

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use actix_web::HttpRequest;
use actix_web::http::header::{COOKIE, HeaderName};
use subtle::ConstantTimeEq;
use url::Url;

use crate::config::ConsoleSettings;
use crate::http::api::Api;
use crate::http::api::caller::Caller;
use crate::http::api::problem::Problem;
use crate::http::api::token::{hash, random_text};

/// The header that shows that a request comes from a page of ours.
pub const PROOF: HeaderName = HeaderName::from_static("x-csrf-token");

const MICROS: i64 = 1_000_000;

/// Every session of this node.
pub struct SessionBook {
    idle: i64,
    longest: i64,
    most: usize,
    is_secure: bool,
    origin: Option<String>,
    sessions: RwLock<HashMap<String, Arc<Session>>>,
}

struct Session {
    /// The name of the token that it came from.
    token: Arc<str>,
    proof: Arc<str>,
    /// Microseconds since 1970-01-01 UTC, as every time here.
    began_at: i64,
    used_at: AtomicI64,
}

/// A session that was just opened.
#[derive(Debug)]
pub struct Opened {
    /// The value of its cookie: the only moment at which it is there.
    pub secret: String,
}

/// Somebody who is logged in.
#[derive(Clone, Debug)]
pub struct Login {
    /// Who.
    pub caller: Caller,
    /// What a page of ours shows with whatever changes something.
    pub proof: Arc<str>,
    /// When the session ends at the latest.
    pub ends_at: i64,
}

impl Login {
    /// Whether the request comes from a page of ours.
    pub fn is_proved_by(&self, request: &HttpRequest) -> bool {
        let given = request.headers().get(PROOF).map_or(b"".as_slice(), |value| value.as_bytes());
        given.ct_eq(self.proof.as_bytes()).into()
    }
}

impl SessionBook {
    /// An empty book of a service that is reached under this address.
    pub fn new(settings: &ConsoleSettings, public_url: Option<&Url>) -> Self {
        Self {
            idle: i64::from(settings.idle_s) * MICROS,
            longest: i64::from(settings.longest_s) * MICROS,
            most: settings.max_sessions as usize,
            is_secure: public_url.is_some_and(|url| url.scheme() == "https"),
            origin: public_url.map(|url| url.origin().ascii_serialization()),
            sessions: RwLock::default(),
        }
    }

    /// Opens a session for the holder of a token. Where there are as many as may be, the one that was idle for longest ends.
    ///
    /// # Errors
    /// The system has no random bytes.
    pub fn open(&self, caller: &Caller, now: i64) -> Result<Opened, getrandom::Error> {
        let (secret, proof) = (random_text()?, random_text()?);
        let session =
            Session { token: caller.token().into(), proof: proof.into(), began_at: now, used_at: AtomicI64::new(now) };
        let mut sessions = self.write();
        if sessions.len() >= self.most {
            sessions.retain(|_, session| self.is_alive(session, now));
        }
        while sessions.len() >= self.most {
            let used_at = |session: &Session| session.used_at.load(Ordering::Relaxed);
            let oldest = sessions.iter().min_by_key(|(_, session)| used_at(session)).map(|(key, _)| key.clone());
            oldest.and_then(|key| sessions.remove(&key));
        }
        sessions.insert(hash(&secret), Arc::new(session));
        Ok(Opened { secret })
    }

    /// Ends a session.
    pub fn close(&self, secret: &str) {
        self.write().remove(&hash(secret));
    }

    fn find(&self, secret: &str, now: i64) -> Option<Arc<Session>> {
        let key = hash(secret);
        let found = self.read().get(&key).cloned()?;
        if !self.is_alive(&found, now) {
            self.write().remove(&key);
            return None;
        }
        found.used_at.fetch_max(now, Ordering::Relaxed);
        Some(found)
    }

    fn is_alive(&self, session: &Session, now: i64) -> bool {
        now < session.began_at + self.longest && now < session.used_at.load(Ordering::Relaxed) + self.idle
    }

    /// The cookie's name. The prefix makes browsers refuse it from anywhere but this host, and without encryption.
    fn cookie_name(&self) -> &'static str {
        if self.is_secure { "__Host-trunkline-session" } else { "trunkline-session" }
    }

    /// The header `Set-Cookie` that gives a browser its session, for as long as it runs.
    pub fn cookie(&self, opened: &Opened) -> String {
        let secure = if self.is_secure { "; Secure" } else { "" };
        format!("{}={}; Path=/; HttpOnly; SameSite=Strict{secure}", self.cookie_name(), opened.secret)
    }

    /// The header `Set-Cookie` that takes it away.
    pub fn no_cookie(&self) -> String {
        let secure = if self.is_secure { "; Secure" } else { "" };
        format!("{}=; Path=/; HttpOnly; SameSite=Strict{secure}; Max-Age=0", self.cookie_name())
    }

    /// What the browser's cookie says; of two of that name none counts.
    pub fn secret_of<'a>(&self, request: &'a HttpRequest) -> Option<&'a str> {
        let headers = request.headers().get_all(COOKIE).filter_map(|value| value.to_str().ok());
        let pairs = headers.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let mut ours = pairs.filter(|(name, _)| *name == self.cookie_name()).map(|(_, value)| value);
        match (ours.next(), ours.next()) {
            (Some(secret), None) => Some(secret),
            _ => None,
        }
    }

    /// Whether a browser says that a page of this service asks: its `Origin` is the public address, or the host that was
    /// asked. A request without one is not a page's.
    pub fn is_own_page(&self, request: &HttpRequest) -> bool {
        let mut given = request.headers().get_all("Origin").map(|value| value.to_str().unwrap_or_default());
        let (Some(origin), None) = (given.next(), given.next()) else { return false };
        if self.origin.as_deref() == Some(origin) {
            return true;
        }
        let host = request.headers().get("Host").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let of_host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        !host.is_empty() && of_host.is_some_and(|name| name.eq_ignore_ascii_case(host))
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<String, Arc<Session>>> {
        self.sessions.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<String, Arc<Session>>> {
        self.sessions.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who asks, by the session of the cookie; `None` if that is over, or its token is not valid any more.
pub fn of_request(api: &Api, request: &HttpRequest, now: i64) -> Option<Login> {
    let session = api.sessions.find(api.sessions.secret_of(request)?, now)?;
    let caller = api.tokens.holder(&session.token, now)?;
    Some(Login { caller, proof: Arc::clone(&session.proof), ends_at: session.began_at + api.sessions.longest })
}

/// What is answered to whoever changes something and can't show that a page of ours asks.
pub fn no_proof() -> Problem {
    Problem::forbidden("with a session, send the csrf_token of GET /console/session in the header X-CSRF-Token")
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;
    use crate::config::Config;
    use crate::store::TokenScope;

    fn book(change: impl FnOnce(&mut ConsoleSettings), public_url: Option<&str>) -> SessionBook {
        let mut settings = Config::default().console;
        change(&mut settings);
        SessionBook::new(&settings, public_url.map(|url| url.parse().unwrap()).as_ref())
    }

    fn caller() -> Caller {
        Caller::new("a token".into(), TokenScope::Admin)
    }

    const MINUTE: i64 = 60 * MICROS;

    #[test]
    fn a_session_ends_when_nothing_is_asked_and_at_the_latest_after_its_longest_life() {
        let book = book(|settings| (settings.idle_s, settings.longest_s) = (600, 3_600), None);
        let opened = book.open(&caller(), 0).unwrap();
        let is_alive = |minute| book.find(&opened.secret, minute * MINUTE).is_some();
        assert!(is_alive(9) && is_alive(18) && is_alive(27), "it is used");
        assert!(!is_alive(37), "ten minutes of nothing");
        assert!(!is_alive(28), "it is gone");

        let opened = book.open(&caller(), 0).unwrap();
        let is_alive = |minute| book.find(&opened.secret, minute * MINUTE).is_some();
        assert!((1..60).all(is_alive) && !is_alive(60));
    }

    #[test]
    fn who_comes_beyond_the_limit_ends_the_session_that_was_idle_for_longest() {
        let book = book(|settings| settings.max_sessions = 2, None);
        let first = book.open(&caller(), 0).unwrap();
        let second = book.open(&caller(), 1).unwrap();
        assert!(book.find(&first.secret, 2).is_some());
        let third = book.open(&caller(), 3).unwrap();
        let alive = [&first, &second, &third].map(|opened| book.find(&opened.secret, 4).is_some());
        assert_eq!(alive, [true, false, true]);
        book.close(&third.secret);
        assert!(book.find(&third.secret, 4).is_none());
        assert!(book.find("", 4).is_none());
    }

    #[test]
    fn the_cookie_is_for_us_alone_and_encrypted_where_the_service_is() {
        let opened = Opened { secret: "s".into() };
        let plain = book(|_| {}, Some("http://calls.example.com"));
        assert_eq!(plain.cookie(&opened), "trunkline-session=s; Path=/; HttpOnly; SameSite=Strict");
        let secure = book(|_| {}, Some("https://calls.example.com"));
        assert_eq!(secure.cookie(&opened), "__Host-trunkline-session=s; Path=/; HttpOnly; SameSite=Strict; Secure");
        assert!(secure.no_cookie().ends_with("; Secure; Max-Age=0"));
    }

    #[test]
    fn of_two_cookies_of_the_name_none_counts() {
        let book = book(|_| {}, None);
        let secret = |header: &str| {
            let request = TestRequest::default().insert_header(("Cookie", header)).to_http_request();
            book.secret_of(&request).map(str::to_owned)
        };
        assert_eq!(secret("a=b; trunkline-session=one; c"), Some("one".to_owned()));
        assert_eq!(secret("trunkline-session=one; trunkline-session=two"), None);
        assert_eq!(secret("Trunkline-Session=one"), None);
        assert_eq!(secret(""), None);
    }

    #[test]
    fn only_a_page_of_the_service_itself_is_its_own() {
        let book = book(|_| {}, Some("https://calls.example.com/x"));
        let is_own = |origin: &str, host: &str| {
            let request = TestRequest::default().insert_header(("Origin", origin)).insert_header(("Host", host));
            book.is_own_page(&request.to_http_request())
        };
        assert!(is_own("https://calls.example.com", "10.0.0.7:8080"), "a proxy may say another host");
        assert!(is_own("http://127.0.0.1:8080", "127.0.0.1:8080"));
        for origin in [
            "http://calls.example.com",
            "https://calls.example.com.evil.example",
            "null",
            "",
            "file://",
            "https://evil.example",
            "ftp://127.0.0.1:8080",
            "http://127.0.0.1:8081",
        ] {
            assert!(!is_own(origin, "127.0.0.1:8080"), "{origin}");
        }
        assert!(!is_own("http://", ""));
        assert!(!book.is_own_page(&TestRequest::default().insert_header(("Host", "a")).to_http_request()));
    }

    #[test]
    fn the_proof_is_the_session_s_own() {
        let login = Login { caller: caller(), proof: "p".into(), ends_at: 0 };
        let with = |proof: &str| TestRequest::default().insert_header((PROOF, proof)).to_http_request();
        assert!(login.is_proved_by(&with("p")));
        assert!(!login.is_proved_by(&with("")) && !login.is_proved_by(&with("q")));
        assert!(!login.is_proved_by(&TestRequest::default().to_http_request()));
    }
}
