//! What makes a call move: the caller's frames, and time.
//!
//! One future of the call's actor for its whole life. It takes the caller's frames off their line and keeps one
//! timer for whatever is due next: the playout, the machine's deadline, the watchdog. A timer for each tick would
//! cost two allocations, an entry in the timer wheel and its removal, fifty times a second and call.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use actix::fut::ActorFuture;
use actix_rt::time::{Sleep, sleep_until};

use crate::actors::lateness;
use crate::actors::metered::Metered;
use crate::clock;
use crate::engine::audio::CallRate;
use crate::engine::call::Input;
use crate::engine::time::CallTime;

use super::CallActor;
use super::line::CallerEar;

/// How often the watchdog looks.
const WATCH_EVERY: Duration = Duration::from_secs(1);
/// How many times in a row something may be due before other calls have their turn.
const BEATS_AT_ONCE: u32 = 8;
/// How long they have it.
const OTHERS_TURN: Duration = Duration::from_millis(1);

/// The future.
pub(super) struct Pulse<R: CallRate>(pub(super) CallerEar<R>);

impl<R: CallRate> ActorFuture<CallActor<R>> for Pulse<R> {
    type Output = ();

    /// Never ready: it ends with the actor, or with a panic of the call.
    fn poll(
        self: Pin<&mut Self>,
        call: &mut CallActor<R>,
        ctx: &mut Metered<CallActor<R>>,
        task: &mut Context<'_>,
    ) -> Poll<()> {
        self.0.wakes(task.waker());
        call.alarm.wakes(task.waker());
        call.alarm.is_awake = true;
        self.0.listen(|at, audio| {
            if !call.is_over {
                call.hear(at, audio, ctx);
            }
        });
        if self.0.has_ended() {
            call.stream_is_over(call.stream_end, ctx);
        }
        call.keep_time(ctx, task);
        call.alarm.is_awake = false;
        Poll::Pending
    }
}

impl<R: CallRate> CallActor<R> {
    /// Does what is due, and sleeps until something else is.
    fn keep_time(&mut self, ctx: &mut Metered<Self>, task: &mut Context<'_>) {
        for _ in 0..BEATS_AT_ONCE {
            let Some(due) = self.next_due() else { return };
            let now = self.clock.now();
            if due <= now {
                self.beat(now, ctx);
            } else if self.alarm.sleeps(self.clock.at(due), task) {
                return;
            }
        }
        self.alarm.sleeps(clock::now() + OTHERS_TURN, task);
    }

    /// When the call must look next, if nothing happens before.
    fn next_due(&self) -> Option<CallTime> {
        if self.is_over {
            return None;
        }
        let due = [self.machine.next_deadline(), self.audio.playout.next_due()];
        Some(due.into_iter().flatten().fold(self.watch_at, CallTime::min))
    }

    fn beat(&mut self, now: CallTime, ctx: &mut Metered<Self>) {
        let is_due = |at: Option<CallTime>| at.is_some_and(|at| at <= now);
        if is_due(self.machine.next_deadline()) {
            self.tell(Input::Deadline, ctx);
        }
        if let Some((due, since)) = self.tick.filter(|(due, _)| *due <= now) {
            lateness::ticked(self.clock.at(due.max(since))); // what is overdue when it is first known, is due then
            self.play_out(ctx);
        }
        if self.watch_at <= now {
            self.watch_at = now + WATCH_EVERY;
            self.watch(ctx);
        }
    }

    /// Wakes the call, if what it was just told makes something due before it wakes by itself.
    pub(super) fn wake_in_time(&mut self) {
        let tick = self.audio.playout.next_due();
        if tick != self.tick.map(|(due, _)| due) {
            self.tick = tick.map(|due| (due, self.clock.now()));
        }
        let Some(due) = self.next_due() else { return };
        self.alarm.wake_before(self.clock.at(due));
    }
}

/// The call's timer.
pub(super) struct Alarm {
    sleep: Pin<Box<Sleep>>,
    /// Until when the call sleeps; `None`: until something comes.
    until: Option<Instant>,
    waker: Option<Waker>,
    /// Whether the call is at work, and looks at the time before it sleeps.
    is_awake: bool,
}

impl Alarm {
    /// One that is not set.
    pub(super) fn new() -> Self {
        Self { sleep: Box::pin(sleep_until(clock::now().into())), until: None, waker: None, is_awake: true }
    }

    fn wakes(&mut self, waker: &Waker) {
        if !self.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            self.waker = Some(waker.clone());
        }
    }

    /// Whether the call may sleep: the task will be woken at `at` or before. An alarm that is set to an earlier
    /// time stays as it is: waking once for nothing costs less than setting it each time.
    fn sleeps(&mut self, at: Instant, task: &mut Context<'_>) -> bool {
        if self.until.is_none_or(|until| until > at) {
            self.sleep.as_mut().reset(at.into());
            self.until = Some(at);
        }
        let is_asleep = self.sleep.as_mut().poll(task).is_pending();
        if !is_asleep {
            self.until = None;
        }
        is_asleep
    }

    fn wake_before(&self, at: Instant) {
        let sleeps_too_long = self.until.is_none_or(|until| until > at);
        if let Some(waker) = self.waker.as_ref().filter(|_| sleeps_too_long && !self.is_awake) {
            waker.wake_by_ref();
        }
    }
}
