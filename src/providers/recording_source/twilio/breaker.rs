//! A host that fails again and again is left alone for a while: asking it helps nobody.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

/// When a host is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerSettings {
    /// After so many recordings in a row that it failed to give.
    pub failures: u32,
    /// For so long. Then one recording is asked for, and on its outcome depends the rest.
    pub pause: Duration,
}

/// Who failed how often. Hosts that don't fail are not remembered, so it stays small.
#[derive(Debug)]
pub(super) struct Breaker {
    settings: BreakerSettings,
    hosts: RefCell<HashMap<String, Failing>>,
}

#[derive(Clone, Copy, Debug)]
struct Failing {
    times: u32,
    alone_until: Option<Instant>,
}

impl Breaker {
    pub(super) fn new(settings: BreakerSettings) -> Self {
        Self { settings, hosts: RefCell::default() }
    }

    /// What is asked for one recording.
    pub(super) fn round(&self) -> Round<'_> {
        Round { breaker: self, hosts: RefCell::default() }
    }

    /// Lets one ask, unless the host is left alone; then, for how much longer.
    ///
    /// Whoever asks first after that time is the one who tries it: until its outcome is told, or as much time passes
    /// again, nobody else is let.
    fn admit(&self, host: &str, now: Instant) -> Result<(), Duration> {
        let mut hosts = self.hosts.borrow_mut();
        let Some(until) = hosts.get_mut(host).and_then(|failing| failing.alone_until.as_mut()) else { return Ok(()) };
        if *until > now {
            return Err(*until - now);
        }
        *until = now + self.settings.pause;
        Ok(())
    }

    /// It did what it was asked.
    fn worked(&self, host: &str) {
        self.hosts.borrow_mut().remove(host);
    }

    /// It didn't; `wait` is how long it wants to be left alone, if it said so.
    fn failed(&self, host: &str, wait: Option<Duration>, now: Instant) {
        let mut hosts = self.hosts.borrow_mut();
        let failing = hosts.entry(host.to_owned()).or_insert(Failing { times: 0, alone_until: None });
        failing.times = failing.times.saturating_add(1);
        let pause = (failing.times >= self.settings.failures).then_some(self.settings.pause);
        if let Some(pause) = pause.max(wait) {
            failing.alone_until = Some(now + pause).max(failing.alone_until);
        }
    }
}

/// What is asked for one recording, under however many addresses: it counts once for each host, when it is over.
#[derive(Debug)]
pub(super) struct Round<'a> {
    breaker: &'a Breaker,
    hosts: RefCell<HashMap<String, Seen>>,
}

/// What was seen of a host.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    has_worked: bool,
    wait: Option<Duration>,
}

impl Round<'_> {
    /// Lets this round ask, unless the host is left alone; then, for how much longer.
    pub(super) fn admit(&self, host: &str) -> Result<(), Duration> {
        if !self.hosts.borrow().contains_key(host) {
            self.breaker.admit(host, Instant::now())?;
            self.hosts.borrow_mut().insert(host.to_owned(), Seen::default());
        }
        Ok(())
    }

    /// It did what it was asked.
    pub(super) fn worked(&self, host: &str) {
        if let Some(seen) = self.hosts.borrow_mut().get_mut(host) {
            seen.has_worked = true;
        }
    }

    /// It didn't, and wants to be left alone for this long.
    pub(super) fn must_wait(&self, host: &str, wait: Duration) {
        if let Some(seen) = self.hosts.borrow_mut().get_mut(host) {
            seen.wait = seen.wait.max(Some(wait));
        }
    }
}

impl Drop for Round<'_> {
    /// A host that was asked and of which nothing good was seen has failed, also when nobody waited any longer.
    fn drop(&mut self) {
        for (host, seen) in self.hosts.get_mut().drain() {
            match seen {
                Seen { has_worked: true, wait: None } => self.breaker.worked(&host),
                Seen { wait, .. } => self.breaker.failed(&host, wait, Instant::now()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "api.twilio.com";
    const PAUSE: Duration = Duration::from_secs(30);

    fn breaker() -> Breaker {
        Breaker::new(BreakerSettings { failures: 3, pause: PAUSE })
    }

    #[test]
    fn the_third_failure_in_a_row_leaves_the_host_alone_and_nobody_else() {
        let (breaker, now) = (breaker(), Instant::now());
        for _ in 0..2 {
            breaker.failed(HOST, None, now);
            assert_eq!(breaker.admit(HOST, now), Ok(()));
        }
        breaker.worked(HOST);
        for _ in 0..3 {
            assert_eq!(breaker.admit(HOST, now), Ok(()));
            breaker.failed(HOST, None, now);
        }
        assert_eq!(breaker.admit(HOST, now + PAUSE / 3), Err(PAUSE * 2 / 3));
        assert_eq!(breaker.admit("media.twilio.com", now), Ok(()));
    }

    #[test]
    fn one_tries_whether_it_is_back_and_the_others_wait_for_what_comes_of_it() {
        let (breaker, now) = (breaker(), Instant::now());
        (0..3).for_each(|_| breaker.failed(HOST, None, now));
        let later = now + PAUSE;
        assert_eq!(breaker.admit(HOST, later), Ok(()));
        assert_eq!(breaker.admit(HOST, later), Err(PAUSE));
        breaker.failed(HOST, None, later);
        assert!(breaker.admit(HOST, later + PAUSE / 2).is_err());
        assert_eq!(breaker.admit(HOST, later + PAUSE), Ok(()));
        breaker.worked(HOST);
        assert_eq!((breaker.admit(HOST, later + PAUSE), breaker.hosts.borrow().len()), (Ok(()), 0));
    }

    #[test]
    fn a_try_that_nobody_ends_keeps_the_host_alone_for_no_longer_than_a_pause() {
        let (breaker, now) = (breaker(), Instant::now());
        (0..3).for_each(|_| breaker.failed(HOST, None, now));
        assert_eq!(breaker.admit(HOST, now + PAUSE), Ok(()));
        assert_eq!(breaker.admit(HOST, now + PAUSE * 2), Ok(()));
    }

    #[test]
    fn a_host_that_says_how_long_it_wants_to_rest_is_left_alone_at_once() {
        let (breaker, now) = (breaker(), Instant::now());
        breaker.failed(HOST, Some(Duration::from_secs(90)), now);
        assert_eq!(breaker.admit(HOST, now), Err(Duration::from_secs(90)));
    }

    #[test]
    fn a_round_counts_once_for_each_host_and_what_nobody_waited_for_has_failed() {
        let breaker = breaker();
        for _ in 0..2 {
            let round = breaker.round();
            for _ in 0..4 {
                assert_eq!(round.admit(HOST), Ok(()));
                assert_eq!(round.admit("media.twilio.com"), Ok(()));
            }
            round.worked("media.twilio.com");
        }
        assert_eq!(breaker.hosts.borrow()[HOST].times, 2);
        assert_eq!(breaker.hosts.borrow().len(), 1);
        breaker.round().admit(HOST).unwrap();
        assert!(breaker.round().admit(HOST).is_err(), "nobody waited for the third time");
    }
}
