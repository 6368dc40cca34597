//! What the task waits for: room for an event, a message, an input, an alarm.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::time::{Instant, Sleep};

use crate::engine::audio::Rate;
use crate::providers::voice_agent::AgentEvent;

use super::{Driver, Inputs, Leg, far};

/// How many events wait for the call before we stop reading what the vendor says.
const OUTBOX: usize = 64;

impl<R: Rate> Driver<R> {
    /// Hands events over as long as the call has room for them. `false`: nobody takes them any more.
    pub(super) fn tell_what_fits(&mut self, events: &mpsc::Sender<AgentEvent<R>>) -> bool {
        while !self.outbox.is_empty() {
            match events.try_reserve() {
                Ok(place) => {
                    if let Some(event) = self.outbox.pop_front() {
                        place.send(event);
                    }
                }
                Err(TrySendError::Full(())) => break,
                Err(TrySendError::Closed(())) => return false,
            }
        }
        true
    }

    /// Does what there is to do, until there is something to tell. `false`: the call is over.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        inputs: &mut Inputs<R>,
        mut alarm: Pin<&mut Sleep>,
    ) -> Poll<bool> {
        let told = self.outbox.len();
        loop {
            let call_goes_on = ready!(self.poll_one(cx, inputs, alarm.as_mut()));
            self.swap_if_quiet();
            if !call_goes_on || self.is_over || self.outbox.len() > told {
                return Poll::Ready(call_goes_on);
            }
        }
    }

    fn poll_one(&mut self, cx: &mut Context<'_>, inputs: &mut Inputs<R>, alarm: Pin<&mut Sleep>) -> Poll<bool> {
        let may_read = self.outbox.len() < OUTBOX;
        // An unread message counts before the time at which it was due.
        if let Poll::Ready(news) = self.current.poll(cx, may_read) {
            self.current_said(news);
        } else if let Poll::Ready(input) = inputs.poll_recv(cx) {
            let Some(input) = input else { return Poll::Ready(false) };
            self.take(input, cx, inputs);
        } else if let Some(next) = &mut self.next
            && let Poll::Ready(news) = next.poll(cx, true)
        {
            self.next_said(news);
        } else {
            ready!(self.poll_alarm(cx, alarm, may_read));
            self.time_passed(may_read);
        }
        Poll::Ready(true)
    }

    /// Waits until something may be due. What is due later than it was is found out when the alarm rings: it is set
    /// anew only for what is due earlier, and not with each message that comes.
    fn poll_alarm(&self, cx: &mut Context<'_>, mut alarm: Pin<&mut Sleep>, may_read: bool) -> Poll<()> {
        loop {
            let due = self.wake(may_read).unwrap_or_else(far);
            if due < alarm.deadline() {
                alarm.as_mut().reset(due);
            }
            ready!(alarm.as_mut().poll(cx));
            // Never again by itself; the next round sets it.
            alarm.as_mut().reset(far());
            if due <= Instant::now() {
                return Poll::Ready(());
            }
        }
    }

    /// When something is due. A session that we don't read may not be blamed for its silence.
    fn wake(&self, may_read: bool) -> Option<Instant> {
        let current = self.current.deadline().filter(|_| may_read);
        let next = self.next.as_ref().and_then(Leg::deadline);
        [current, next, self.renew_at].into_iter().flatten().min()
    }
}
