//! The context that every actor of ours runs in: it counts the mailbox and keeps a panic inside its actor.
//!
//! actix has no public mailbox length and lets a panic kill its actor for good. [`Metered`] wraps what
//! actix queues and polls:
//!
//! * every **envelope** tells its [`Meter`] when it was queued, how long it waited, how long its handler ran;
//! * every **handler**, **spawned future** and **timer** runs under a guard: a panic there is counted, told to
//!   [`MeteredActor::panicked`], and the actor goes on or stops as it decides there. Whoever asked gets
//!   [`AskError::Closed`];
//! * a panic in `started`, `stopping`, `stopped` or `panicked` itself ends the actor; neighbours live on.
//!
//! What is outside of it: a handler that answers with a plain `ResponseFuture` hands its future to the event
//! loop, where a panic ends only that future and is not counted. `AtomicResponse` and `ResponseActFuture` are
//! inside. Of a handler that answers with a future, the handling time is the part before the first wait.
//! `ctx.notify` skips the mailbox: guarded, not counted. An actix `Supervisor` can't run a metered actor.
//!
//! Two ways to send, by what is lost if it fails: [`order`] orders, [`ask`] questions and whatever must be stored. A
//! caller's frames, fifty a second, which may be lost, take a way of their own: `actors::call`'s line, which tells the
//! same meter.
//!
//! ```
//! use std::sync::Arc;
//! use actix::prelude::*;
//! use trunkline::actors::metered::{Metered, MeteredActor, Unmetered, order};
//!
//! struct Registry;
//! impl Actor for Registry {
//!     type Context = Metered<Self>;
//! }
//! impl MeteredActor for Registry {
//!     const KIND: &'static str = "call_registry";
//! }
//!
//! #[derive(Message)]
//! #[rtype(result = "()")]
//! struct Drain;
//! impl Handler<Drain> for Registry {
//!     type Result = ();
//!     fn handle(&mut self, _: Drain, ctx: &mut Metered<Self>) {
//!         ctx.stop();
//!     }
//! }
//!
//! System::new().block_on(async {
//!     let registry = Metered::start(Registry, Arc::new(Unmetered));
//!     order(&registry, Drain);
//! });
//! ```

mod envelope;
mod figures;
mod guard;
mod meter;
mod send;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use actix::dev::channel::channel;
use actix::dev::{AsyncContextParts, ContextFut, ContextParts, Mailbox};
use actix::fut::ActorFuture;
use actix::{Actor, ActorContext, ActorState, Addr, AsyncContext, SpawnHandle};
use actix_rt::ArbiterHandle;

use guard::{Guarded, Shell};

pub use figures::MailboxFigures;
pub use meter::{Meter, Unmetered};
pub use send::{AskError, ask, order};

/// How many messages a mailbox holds before the next question waits outside, unless set otherwise.
///
/// 64: more than a second of audio frames, so that only an actor that stands still refuses any.
pub const MAILBOX_CAPACITY: usize = 64;

/// An actor that runs in a [`Metered`] context.
pub trait MeteredActor: Actor<Context = Metered<Self>> {
    /// The kind of actor, as in metrics: `call`, `call_status`.
    const KIND: &'static str;

    /// Decides what happens after a panic in a handler, a spawned future or a timer.
    ///
    /// The actor's fields are as the panic left them. Stops the actor unless overridden; one that goes on
    /// must rebuild what it can't trust.
    fn panicked(&mut self, _message: &str, ctx: &mut Metered<Self>) {
        ctx.stop();
    }
}

/// An actor's context that counts and guards.
pub struct Metered<A: MeteredActor> {
    parts: ContextParts<A>,
    meter: Arc<dyn Meter>,
}

impl<A: MeteredActor> Metered<A> {
    /// Starts an actor on this thread's event loop.
    pub fn start(actor: A, meter: Arc<dyn Meter>) -> Addr<A> {
        Self::create(meter, |_| actor)
    }

    /// Starts an actor that is made with its context at hand: for its own address, or another mailbox capacity.
    pub fn create(meter: Arc<dyn Meter>, make: impl FnOnce(&mut Self) -> A) -> Addr<A> {
        let (sender, receiver) = channel(MAILBOX_CAPACITY);
        Self::run(Mailbox::new(receiver), meter, make);
        Addr::new(sender)
    }

    /// Starts an actor on another thread's event loop; it is made there, so it need not be `Send`.
    pub fn create_in(
        arbiter: &ArbiterHandle,
        meter: Arc<dyn Meter>,
        make: impl FnOnce(&mut Self) -> A + Send + 'static,
    ) -> Addr<A> {
        let (sender, receiver) = channel(MAILBOX_CAPACITY);
        meter::register::<A>(&meter);
        // A stopped arbiter drops the closure and with it the receiver: the address then says "closed".
        arbiter.spawn_fn(move || Self::run(Mailbox::new(receiver), meter, make));
        Addr::new(sender)
    }

    fn run(mailbox: Mailbox<A>, meter: Arc<dyn Meter>, make: impl FnOnce(&mut Self) -> A) {
        meter::register::<A>(&meter);
        let mut context = Self { parts: ContextParts::new(mailbox.sender_producer()), meter: Arc::clone(&meter) };
        let actor = make(&mut context);
        actix_rt::spawn(Shell::new(ContextFut::new(context, actor, mailbox), meter));
    }

    /// Sets how many messages the mailbox holds before the next question waits outside. Call it where the actor is made.
    ///
    /// [`order`] always queues, and each clone of an address has one free slot.
    pub fn set_mailbox_capacity(&mut self, messages: usize) {
        self.parts.set_mailbox_capacity(messages);
    }

    /// Counts a panic and lets the actor decide what follows.
    fn tell_panic(&mut self, actor: &mut A, message: &str) {
        self.meter.panicked(message);
        actor.panicked(message, self);
    }
}

impl<A: MeteredActor> ActorContext for Metered<A> {
    fn stop(&mut self) {
        self.parts.stop();
    }

    fn terminate(&mut self) {
        self.parts.terminate();
    }

    fn state(&self) -> ActorState {
        self.parts.state()
    }
}

impl<A: MeteredActor> AsyncContext<A> for Metered<A> {
    fn address(&self) -> Addr<A> {
        self.parts.address()
    }

    /// Every timer, stream and future of the actor passes here, so this is where it is guarded.
    fn spawn<F>(&mut self, future: F) -> SpawnHandle
    where
        F: ActorFuture<A, Output = ()> + 'static,
    {
        self.parts.spawn(Guarded::new(future))
    }

    fn wait<F>(&mut self, future: F)
    where
        F: ActorFuture<A, Output = ()> + 'static,
    {
        self.parts.wait(Guarded::new(future));
    }

    fn waiting(&self) -> bool {
        self.parts.waiting()
    }

    fn cancel_future(&mut self, handle: SpawnHandle) -> bool {
        self.parts.cancel_future(handle)
    }
}

impl<A: MeteredActor> AsyncContextParts<A> for Metered<A> {
    fn parts(&mut self) -> &mut ContextParts<A> {
        &mut self.parts
    }
}

impl<A: MeteredActor> fmt::Debug for Metered<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Metered<{}>", A::KIND)
    }
}
