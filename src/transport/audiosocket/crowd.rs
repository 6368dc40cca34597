//! How many connections there may be: at once in all, and in a second from one address.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::telemetry::Refusal;

/// How many addresses are remembered before those that have been quiet are forgotten.
const ADDRESSES: usize = 1_000;

type Limiter<C> = RateLimiter<IpAddr, HashMapStateStore<IpAddr>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// The connections of this node.
pub struct Crowd<C: Clock + Clone = DefaultClock> {
    places: Arc<Semaphore>,
    rate: Limiter<C>,
}

/// The right to be connected, free for others once it is dropped.
pub(super) struct Place {
    _place: OwnedSemaphorePermit,
}

impl Crowd {
    /// So many at once, and so many in a second from one address.
    pub fn new(most: u32, per_second: NonZeroU32) -> Self {
        Self::with(most, per_second, DefaultClock::default())
    }
}

impl<C: Clock + Clone> Crowd<C> {
    fn with(most: u32, per_second: NonZeroU32, clock: C) -> Self {
        let rate = RateLimiter::new(Quota::per_second(per_second), HashMapStateStore::default(), clock);
        Self { places: Arc::new(Semaphore::new(most as usize)), rate }
    }

    /// A place for a connection from this address, if it may have one.
    pub(super) fn place_for(&self, peer: IpAddr) -> Result<Place, Refusal> {
        if self.rate.len() > ADDRESSES {
            self.rate.retain_recent();
        }
        self.rate.check_key(&network(peer)).map_err(|_| Refusal::TooManyConnects)?;
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Refusal::TooManySockets)?;
        Ok(Place { _place: place })
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
    use std::time::Duration;

    use governor::clock::FakeRelativeClock;

    use super::*;

    fn crowd(most: u32, per_second: u32) -> (Crowd<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        (Crowd::with(most, per_second.try_into().unwrap(), clock.clone()), clock)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_place_is_free_again_once_its_connection_is_gone() {
        let (crowd, _) = crowd(2, 100);
        let peer = address("10.0.0.1");
        let first = crowd.place_for(peer).unwrap();
        let _second = crowd.place_for(peer).unwrap();
        assert_eq!(crowd.place_for(peer).err(), Some(Refusal::TooManySockets));
        drop(first);
        assert!(crowd.place_for(peer).is_ok());
    }

    #[test]
    fn who_connects_too_often_is_refused_and_others_are_not() {
        let (crowd, clock) = crowd(1_000, 3);
        let (peer, neighbour) = (address("2001:db8::1"), address("2001:db8::2"));
        let taken = (0..5).filter(|_| crowd.place_for(peer).is_ok()).count();
        assert_eq!(taken, 3);
        assert_eq!(crowd.place_for(neighbour).err(), Some(Refusal::TooManyConnects), "the same subscriber");
        assert!(crowd.place_for(address("2001:db8:1::1")).is_ok());
        clock.advance(Duration::from_secs(1));
        assert!(crowd.place_for(peer).is_ok());
    }
}
