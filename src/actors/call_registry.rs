//! Which calls are alive here: a directory, and nothing else.
//!
//! It also remembers, for a while after a call's end, what the carrier is to be told when it asks how to go on
//! after the media stream ([`FarewellOf`]), and that the call was here, so that a second media socket for it is
//! refused even after the first has ended.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use actix::prelude::*;
use thiserror::Error;

use crate::actors::call::{END_SEEN_WITHIN, EndSeen, HangUp};
use crate::actors::metered::{MailboxFigures, Metered, MeteredActor, order};
use crate::clock;
use crate::engine::call::{Farewell, HangupCause};
use crate::engine::ids::{BusinessId, CallSid};
use crate::engine::status::CallDirection;
use crate::telemetry::Telemetry;

/// A call's media stream was authenticated; the call is about to start. One call, one stream, once.
#[derive(Message)]
#[rtype(result = "Result<Reservation, NotRegistered>")]
pub struct ReserveCall(pub LiveCall);

/// A call that is alive here, as its media stream told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveCall {
    /// Which call.
    pub call: CallSid,
    /// Whose.
    pub business: BusinessId,
    /// Who called whom.
    pub direction: CallDirection,
    /// Since when: microseconds since 1970-01-01 UTC.
    pub since: i64,
}

/// A call's place in the directory. Whoever holds it says how the call ends; dropping it ends the call with an
/// apology, whatever happened.
pub struct Reservation {
    call: CallSid,
    registry: Addr<CallRegistry>,
    has_ended: bool,
}

impl Reservation {
    /// The call has started, and can be ended through these.
    pub fn started(&self, hang_up: Recipient<HangUp>, end_seen: Recipient<EndSeen>) {
        order(&self.registry, CallStarted { call: self.call.clone(), hang_up, end_seen });
    }

    /// The call is over; the carrier is told this when it asks.
    pub fn ended(mut self, farewell: Farewell) {
        self.end(farewell);
    }

    /// The call is another node's: it was never here, and only that node knows how it ends.
    pub fn withdraw(mut self) {
        self.has_ended = true;
        order(&self.registry, CallWithdrawn(self.call.clone()));
    }

    fn end(&mut self, farewell: Farewell) {
        if !std::mem::replace(&mut self.has_ended, true) {
            order(&self.registry, CallEnded { call: self.call.clone(), farewell });
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.end(Farewell::Apologise);
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct CallStarted {
    call: CallSid,
    hang_up: Recipient<HangUp>,
    end_seen: Recipient<EndSeen>,
}

#[derive(Message)]
#[rtype(result = "()")]
struct CallEnded {
    call: CallSid,
    farewell: Farewell,
}

#[derive(Message)]
#[rtype(result = "()")]
struct CallWithdrawn(CallSid);

/// What the carrier is to be told after a call's media stream has ended.
#[derive(Message)]
#[rtype(result = "FarewellOf")]
pub struct AskFarewell {
    /// Which call.
    pub call: CallSid,
    /// Whether the carrier says that the call is over, and not its stream alone.
    pub is_over: bool,
}

/// The registry's knowledge of a call whose stream has ended.
#[derive(Clone, Debug, PartialEq, Eq, MessageResponse)]
pub enum FarewellOf {
    /// It ended here, and this is to be done.
    Ended(Farewell),
    /// It was still alive here: the stream broke. It has been told.
    Alive,
    /// It was never here, or too long ago.
    Unknown,
}

/// The carrier has reported the end of a call.
#[derive(Message)]
#[rtype(result = "()")]
pub struct CarrierEnded(pub CallSid);

/// An operator ends a call: whether it was alive here.
#[derive(Message)]
#[rtype(result = "bool")]
pub struct HangUpCall(pub CallSid, pub HangupCause);

/// Which calls are alive here, the oldest first.
#[derive(Message)]
#[rtype(result = "Vec<LiveCall>")]
pub struct ListLiveCalls;

/// A call, if it is alive here.
#[derive(Message)]
#[rtype(result = "Option<LiveCall>")]
pub struct FindLiveCall(pub CallSid);

/// How many calls are alive here.
#[derive(Message)]
#[rtype(result = "usize")]
pub struct LiveCalls;

/// How many calls ended here a moment ago, and the carrier may still ask how to go on with them or report their end.
#[derive(Message)]
#[rtype(result = "usize")]
pub struct OpenEnds;

/// Take no new calls from now on.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Drain;

/// End every call that is alive, and each that is about to start.
#[derive(Message)]
#[rtype(result = "()")]
pub struct EndAll(pub HangupCause);

/// Why a call can't start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotRegistered {
    /// The call has, or had, a media stream here.
    #[error("the call has a media stream already")]
    SecondSocket,
    /// The service is stopping.
    #[error("the service is stopping")]
    Draining,
}

/// How long an ended call is remembered. The carrier asks within seconds; its retries end after a minute.
const REMEMBER: Duration = Duration::from_secs(90);
/// The end of a call is nobody's business any more after this, whatever happened: the carrier had 5 s to show it, and its
/// REST interface was asked three times, for 5 s each.
const OPEN_AT_MOST: Duration = Duration::from_secs(30);
/// How many ended calls are remembered at most.
const REMEMBER_MOST: usize = 100_000;

enum Entry {
    /// It is about to start; whether the carrier has ended it already.
    Reserved { is_over: bool, of: LiveCall },
    Alive {
        hang_up: Recipient<HangUp>,
        end_seen: Recipient<EndSeen>,
        of: LiveCall,
        /// Whether the carrier has ended it already.
        is_over: bool,
    },
    Ended {
        farewell: Farewell,
        end_seen: Option<Recipient<EndSeen>>,
        /// Whether the carrier has reported that the call is over.
        is_over: bool,
    },
}

impl Entry {
    fn alive(&self) -> Option<&LiveCall> {
        match self {
            Self::Alive { of, .. } => Some(of),
            Self::Reserved { .. } | Self::Ended { .. } => None,
        }
    }

    /// Whether the carrier, or the call itself, may still do something about a call that ended at `at`.
    fn is_open(&self, now: Instant, at: Instant) -> bool {
        let Self::Ended { farewell, end_seen, is_over } = self else { return false };
        let is_at_work = end_seen.as_ref().is_some_and(Recipient::connected); // it may yet ask the carrier to hang up
        let is_expected = match farewell {
            Farewell::Dial(_) => end_seen.is_some(), // once it dials, the call goes on without us
            Farewell::HangUp | Farewell::Apologise => true,
        };
        !is_over && (is_at_work || is_expected && now.duration_since(at) < END_SEEN_WITHIN)
    }
}

/// The directory of calls.
pub struct CallRegistry {
    calls: HashMap<CallSid, Entry>,
    ended: VecDeque<(Instant, CallSid)>,
    alive: usize,
    is_draining: bool,
    /// Why every call is ended, once that is so.
    ending: Option<HangupCause>,
}

impl CallRegistry {
    /// Starts the directory on this thread.
    pub fn start(telemetry: Telemetry) -> Addr<Self> {
        let meter = MailboxFigures::of::<Self>(&telemetry);
        let registry =
            Self { calls: HashMap::new(), ended: VecDeque::new(), alive: 0, is_draining: false, ending: None };
        Metered::start(registry, meter)
    }

    fn forget_old(&mut self) {
        let now = clock::now();
        while let Some((at, _)) = self.ended.front() {
            let is_old = now.duration_since(*at) > REMEMBER || self.ended.len() > REMEMBER_MOST;
            if !is_old {
                return;
            }
            if let Some((_, call)) = self.ended.pop_front() {
                self.calls.remove(&call);
            }
        }
    }
}

impl Actor for CallRegistry {
    type Context = Metered<Self>;
}

impl MeteredActor for CallRegistry {
    const KIND: &'static str = "call_registry";

    /// Its handlers only look up and insert: it goes on with what it has.
    fn panicked(&mut self, _message: &str, _ctx: &mut Metered<Self>) {}
}

impl Handler<ReserveCall> for CallRegistry {
    type Result = Result<Reservation, NotRegistered>;

    fn handle(&mut self, ReserveCall(of): ReserveCall, ctx: &mut Metered<Self>) -> Self::Result {
        self.forget_old();
        let call = of.call.clone();
        if self.is_draining {
            return Err(NotRegistered::Draining);
        }
        if self.calls.contains_key(&call) {
            return Err(NotRegistered::SecondSocket);
        }
        self.calls.insert(call.clone(), Entry::Reserved { is_over: false, of });
        self.alive += 1;
        Ok(Reservation { call, registry: ctx.address(), has_ended: false })
    }
}

impl Handler<CallStarted> for CallRegistry {
    type Result = ();

    fn handle(&mut self, CallStarted { call, hang_up, end_seen }: CallStarted, _: &mut Metered<Self>) {
        match self.calls.get_mut(&call) {
            Some(entry @ Entry::Reserved { .. }) => {
                let Entry::Reserved { is_over, of } = &*entry else { return };
                let is_over = *is_over;
                let cause = if is_over { Some(HangupCause::CallerHungUp) } else { self.ending };
                if let Some(cause) = cause {
                    hang_up.do_send(HangUp(cause));
                }
                *entry = Entry::Alive { hang_up, end_seen, of: of.clone(), is_over };
            }
            // It ended before it was registered; it still waits for the carrier.
            Some(Entry::Ended { end_seen: waiting, .. }) => *waiting = Some(end_seen),
            Some(Entry::Alive { .. }) | None => {}
        }
    }
}

impl Handler<CallEnded> for CallRegistry {
    type Result = ();

    fn handle(&mut self, CallEnded { call, farewell }: CallEnded, _: &mut Metered<Self>) {
        let (end_seen, is_over) = match self.calls.remove(&call) {
            Some(Entry::Alive { end_seen, is_over, .. }) => (Some(end_seen), is_over),
            Some(Entry::Reserved { is_over, .. }) => (None, is_over),
            Some(ended @ Entry::Ended { .. }) => {
                self.calls.insert(call, ended);
                return;
            }
            None => return,
        };
        self.alive -= 1;
        self.ended.push_back((clock::now(), call.clone()));
        self.calls.insert(call, Entry::Ended { farewell, end_seen, is_over });
    }
}

impl Handler<CallWithdrawn> for CallRegistry {
    type Result = ();

    fn handle(&mut self, CallWithdrawn(call): CallWithdrawn, _: &mut Metered<Self>) {
        if matches!(self.calls.get(&call), Some(Entry::Reserved { .. })) {
            self.calls.remove(&call);
            self.alive -= 1;
        }
    }
}

impl Handler<AskFarewell> for CallRegistry {
    type Result = FarewellOf;

    fn handle(&mut self, AskFarewell { call, is_over }: AskFarewell, _: &mut Metered<Self>) -> FarewellOf {
        match self.calls.get_mut(&call) {
            None => FarewellOf::Unknown,
            Some(Entry::Reserved { .. }) => FarewellOf::Alive,
            Some(Entry::Alive { hang_up, end_seen, is_over: is_known_over, .. }) => {
                *is_known_over |= is_over;
                // Its stream is over, and it does not know yet; the carrier does, and goes on by our answer.
                let cause = if is_over { HangupCause::CallerHungUp } else { HangupCause::StreamLost };
                end_seen.do_send(EndSeen);
                hang_up.do_send(HangUp(cause));
                FarewellOf::Alive
            }
            Some(Entry::Ended { farewell, end_seen, .. }) => {
                if let Some(end_seen) = end_seen.take() {
                    end_seen.do_send(EndSeen);
                }
                FarewellOf::Ended(farewell.clone())
            }
        }
    }
}

impl Handler<CarrierEnded> for CallRegistry {
    type Result = ();

    fn handle(&mut self, CarrierEnded(call): CarrierEnded, _: &mut Metered<Self>) {
        match self.calls.get_mut(&call) {
            Some(Entry::Alive { end_seen, hang_up, is_over, .. }) => {
                *is_over = true;
                // The carrier says it is over, so it is, whatever our socket says.
                end_seen.do_send(EndSeen);
                hang_up.do_send(HangUp(HangupCause::CallerHungUp));
            }
            Some(Entry::Ended { end_seen, is_over, .. }) => {
                *is_over = true;
                if let Some(end_seen) = end_seen.take() {
                    end_seen.do_send(EndSeen);
                }
            }
            Some(Entry::Reserved { is_over, .. }) => *is_over = true,
            None => {}
        }
    }
}

impl Handler<HangUpCall> for CallRegistry {
    type Result = bool;

    fn handle(&mut self, HangUpCall(call, cause): HangUpCall, _: &mut Metered<Self>) -> bool {
        match self.calls.get(&call) {
            Some(Entry::Alive { hang_up, .. }) => {
                hang_up.do_send(HangUp(cause));
                true
            }
            Some(Entry::Reserved { .. } | Entry::Ended { .. }) | None => false,
        }
    }
}

impl Handler<ListLiveCalls> for CallRegistry {
    type Result = MessageResult<ListLiveCalls>;

    fn handle(&mut self, ListLiveCalls: ListLiveCalls, _: &mut Metered<Self>) -> Self::Result {
        let mut live: Vec<LiveCall> = self.calls.values().filter_map(Entry::alive).cloned().collect();
        live.sort_by(|a, b| (a.since, &a.call).cmp(&(b.since, &b.call)));
        MessageResult(live)
    }
}

impl Handler<FindLiveCall> for CallRegistry {
    type Result = Option<LiveCall>;

    fn handle(&mut self, FindLiveCall(call): FindLiveCall, _: &mut Metered<Self>) -> Option<LiveCall> {
        self.calls.get(&call).and_then(Entry::alive).cloned()
    }
}

impl Handler<LiveCalls> for CallRegistry {
    type Result = usize;

    fn handle(&mut self, LiveCalls: LiveCalls, _: &mut Metered<Self>) -> usize {
        self.alive
    }
}

impl Handler<OpenEnds> for CallRegistry {
    type Result = usize;

    fn handle(&mut self, OpenEnds: OpenEnds, _: &mut Metered<Self>) -> usize {
        let now = clock::now();
        let recent = self.ended.iter().rev().take_while(|(at, _)| now.duration_since(*at) < OPEN_AT_MOST);
        recent.filter(|(at, call)| self.calls.get(call).is_some_and(|entry| entry.is_open(now, *at))).count()
    }
}

impl Handler<Drain> for CallRegistry {
    type Result = ();

    fn handle(&mut self, Drain: Drain, _: &mut Metered<Self>) {
        self.is_draining = true;
    }
}

impl Handler<EndAll> for CallRegistry {
    type Result = ();

    fn handle(&mut self, EndAll(cause): EndAll, _: &mut Metered<Self>) {
        self.ending = Some(cause);
        for entry in self.calls.values() {
            if let Entry::Alive { hang_up, .. } = entry {
                hang_up.do_send(HangUp(cause));
            }
        }
    }
}

#[cfg(test)]
mod tests;
