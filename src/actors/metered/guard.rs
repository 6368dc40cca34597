//! What a panic can't get out of.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix::dev::ContextFut;
use actix::fut::ActorFuture;

use super::{Meter, Metered, MeteredActor};

/// One future of an actor: a panic ends the future and is told to the actor.
pub(super) struct Guarded<F> {
    /// Empty once it has panicked, so that it is never polled again.
    future: Option<Pin<Box<F>>>,
}

impl<F> Guarded<F> {
    pub(super) fn new(future: F) -> Self {
        Self { future: Some(Box::pin(future)) }
    }
}

impl<A, F> ActorFuture<A> for Guarded<F>
where
    A: MeteredActor,
    F: ActorFuture<A, Output = ()> + 'static,
{
    type Output = ();

    fn poll(
        mut self: Pin<&mut Self>,
        actor: &mut A,
        context: &mut Metered<A>,
        task: &mut Context<'_>,
    ) -> Poll<Self::Output> {
        let Some(future) = &mut self.future else { return Poll::Ready(()) };
        let poll = AssertUnwindSafe(|| future.as_mut().poll(actor, context, task));
        match catch_unwind(poll) {
            Ok(poll) => poll,
            Err(panic) => {
                self.future = None;
                context.tell_panic(actor, &panic_message(&*panic));
                Poll::Ready(())
            }
        }
    }
}

/// A whole running actor: a panic that no other guard holds ends it.
pub(super) struct Shell<A: MeteredActor> {
    running: Option<ContextFut<A, Metered<A>>>,
    meter: Arc<dyn Meter>,
}

impl<A: MeteredActor> Shell<A> {
    pub(super) fn new(running: ContextFut<A, Metered<A>>, meter: Arc<dyn Meter>) -> Self {
        meter.started();
        Self { running: Some(running), meter }
    }

    /// Ends the actor. Dropping it calls its `stopping` and `stopped`, which may panic in turn.
    fn bury(&mut self) {
        let rest = self.running.take();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(rest))) {
            self.meter.panicked(&panic_message(&*panic));
        }
    }
}

impl<A: MeteredActor> Future for Shell<A> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<()> {
        let Some(running) = &mut self.running else { return Poll::Ready(()) };
        match catch_unwind(AssertUnwindSafe(|| Pin::new(running).poll(task))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(())) => {
                self.bury();
                Poll::Ready(())
            }
            Err(panic) => {
                self.meter.panicked(&panic_message(&*panic));
                self.bury();
                Poll::Ready(())
            }
        }
    }
}

impl<A: MeteredActor> Drop for Shell<A> {
    /// Also where an event loop ends with its actors alive.
    fn drop(&mut self) {
        self.bury();
        self.meter.ended();
    }
}

/// The text of a panic.
pub(super) fn panic_message(panic: &(dyn Any + Send)) -> String {
    if let Some(text) = panic.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic without a message".to_owned()
    }
}
