//! How many requests are answered: of each token, and of each peer that has none.
//!
//! A valid token always gets through to its own limit. Behind a proxy all peers are one, and a stranger who guesses
//! tokens there must not lock out those who have one. That a throttled stranger may go on guessing does no harm: a token
//! can't be guessed.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};

/// Which limit a request counts against.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Token(String),
    Peer(Option<IpAddr>),
}

type Limiter<C> = RateLimiter<Key, HashMapStateStore<Key>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// The limits. Each refills evenly over a minute and lets a minute's worth through at once.
pub struct Throttle<C: Clock + Clone = DefaultClock> {
    of_tokens: Limiter<C>,
    of_strangers: Limiter<C>,
    clock: C,
}

impl Throttle {
    /// Limits per minute: for each token, and for requests without a valid one from each peer.
    pub fn new(per_token: NonZeroU32, per_stranger: NonZeroU32) -> Self {
        Self::with(per_token, per_stranger, DefaultClock::default())
    }
}

impl<C: Clock + Clone> Throttle<C> {
    fn with(per_token: NonZeroU32, per_stranger: NonZeroU32, clock: C) -> Self {
        let limiter = |quota| RateLimiter::new(Quota::per_minute(quota), HashMapStateStore::default(), clock.clone());
        Self { of_tokens: limiter(per_token), of_strangers: limiter(per_stranger), clock }
    }

    /// Counts a request of this token; how long to wait if there were too many.
    pub fn token(&self, token: &str) -> Result<(), Duration> {
        self.count(&self.of_tokens, Key::Token(token.to_owned()))
    }

    /// Counts a request without a valid token; how long to wait if there were too many.
    pub fn stranger(&self, peer: Option<IpAddr>) -> Result<(), Duration> {
        self.count(&self.of_strangers, Key::Peer(peer.map(network)))
    }

    /// Forgets those who have not asked for a while.
    pub fn forget_old(&self) {
        for limiter in [&self.of_tokens, &self.of_strangers] {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }

    fn count(&self, limiter: &Limiter<C>, key: Key) -> Result<(), Duration> {
        limiter.check_key(&key).map_err(|refused| refused.wait_time_from(self.clock.now()))
    }
}

/// Whom an address counts for: itself, or of IPv6 the network of 64 bits that a single subscriber is given.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use governor::clock::FakeRelativeClock;

    fn throttle(clock: &FakeRelativeClock) -> Throttle<FakeRelativeClock> {
        let few = |count| NonZeroU32::new(count).unwrap();
        Throttle::with(few(4), few(2), clock.clone())
    }

    #[test]
    fn whoever_asks_too_often_is_told_how_long_to_wait() {
        let clock = FakeRelativeClock::default();
        let throttle = throttle(&clock);
        for _ in 0..4 {
            assert_eq!(throttle.token("a"), Ok(()));
        }
        let wait = throttle.token("a").unwrap_err();
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(15), "{wait:?}");
        assert_eq!(throttle.token("b"), Ok(()), "each token has a limit of its own");
        clock.advance(wait);
        assert_eq!(throttle.token("a"), Ok(()));
        assert!(throttle.token("a").is_err());
    }

    #[test]
    fn strangers_of_one_network_share_a_limit_and_do_not_touch_the_tokens() {
        let throttle = throttle(&FakeRelativeClock::default());
        let from = |text: &str| throttle.stranger(Some(text.parse().unwrap())).is_ok();
        assert!(from("2001:db8::1") && from("2001:db8::2:3"));
        assert!(!from("2001:db8::ffff") && from("2001:db8:0:1::1"));
        assert!(from("192.0.2.1") && from("::ffff:192.0.2.1"));
        assert!(!from("192.0.2.1") && from("192.0.2.2"));
        assert_eq!(throttle.token("a"), Ok(()));
    }

    #[test]
    fn those_who_stay_away_are_forgotten() {
        let clock = FakeRelativeClock::default();
        let throttle = throttle(&clock);
        for number in 0..1_000u32 {
            throttle.stranger(Some(IpAddr::from(number.to_be_bytes()))).unwrap();
        }
        assert_eq!(throttle.of_strangers.len(), 1_000);
        clock.advance(Duration::from_secs(120));
        throttle.forget_old();
        assert_eq!(throttle.of_strangers.len(), 0);
    }
}
