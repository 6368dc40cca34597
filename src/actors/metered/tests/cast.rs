//! The actors that the tests put on the stage.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::fut::wrap_future;
use actix::prelude::*;
use futures_util::FutureExt as _;
use tokio::sync::oneshot;

use super::{Meter, Metered, MeteredActor};

#[derive(Message, Debug)]
#[rtype(result = "u32")]
pub(super) struct Say(pub(super) u32);

#[derive(Message)]
#[rtype(result = "Vec<u32>")]
pub(super) struct Heard;

#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Stop;

#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Tick;

#[derive(Message)]
#[rtype(result = "bool")]
pub(super) struct Alive;

/// What `Echo` notes when a gate opened that everybody waited for.
pub(super) const GATE_OPENED: u32 = u32::MAX;

/// Keeps everybody waiting until the gate opens.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct WaitFor(pub(super) oneshot::Receiver<()>);

/// Waits for the gate without keeping anybody else.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct WaitBeside(pub(super) oneshot::Receiver<()>);

#[derive(Message, Clone, Copy)]
#[rtype(result = "()")]
pub(super) enum Break {
    Handler,
    Answer,
    Spawned,
    Timer,
}

#[derive(Default)]
pub(super) struct Echo {
    pub(super) heard: Vec<u32>,
}

impl Actor for Echo {
    type Context = Metered<Self>;
}

impl MeteredActor for Echo {
    const KIND: &'static str = "echo";
}

impl Handler<Say> for Echo {
    type Result = u32;

    fn handle(&mut self, Say(n): Say, _: &mut Metered<Self>) -> u32 {
        self.heard.push(n);
        n
    }
}

impl Handler<Heard> for Echo {
    type Result = Vec<u32>;

    fn handle(&mut self, _: Heard, _: &mut Metered<Self>) -> Vec<u32> {
        self.heard.clone()
    }
}

impl Handler<Stop> for Echo {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Metered<Self>) {
        ctx.stop();
    }
}

impl Handler<Tick> for Echo {
    type Result = ();

    fn handle(&mut self, _: Tick, _: &mut Metered<Self>) {}
}

impl Handler<WaitFor> for Echo {
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, WaitFor(gate): WaitFor, _: &mut Metered<Self>) -> Self::Result {
        AtomicResponse::new(Box::pin(
            wrap_future(opened(gate)).map(|(), this: &mut Self, _| this.heard.push(GATE_OPENED)),
        ))
    }
}

impl Handler<WaitBeside> for Echo {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, WaitBeside(gate): WaitBeside, _: &mut Metered<Self>) -> Self::Result {
        Box::pin(wrap_future(opened(gate)))
    }
}

async fn opened(gate: oneshot::Receiver<()>) {
    gate.await.unwrap();
}

/// Only one test uses this kind, so that "registered last" is known.
pub(super) struct FromOutside;

impl Actor for FromOutside {
    type Context = Metered<Self>;
}

impl MeteredActor for FromOutside {
    const KIND: &'static str = "from_outside";
}

impl Handler<Say> for FromOutside {
    type Result = u32;

    fn handle(&mut self, Say(n): Say, _: &mut Metered<Self>) -> u32 {
        n
    }
}

pub(super) struct Plain;

impl Actor for Plain {
    type Context = Context<Self>;
}

impl Handler<Tick> for Plain {
    type Result = ();

    fn handle(&mut self, _: Tick, _: &mut Context<Self>) {}
}

/// Keeps the default: a panic stops it.
pub(super) struct Fragile;

impl Actor for Fragile {
    type Context = Metered<Self>;
}

impl MeteredActor for Fragile {
    const KIND: &'static str = "fragile";
}

impl Handler<Break> for Fragile {
    type Result = ();

    fn handle(&mut self, _: Break, _: &mut Metered<Self>) {
        panic!("in the handler");
    }
}

impl Handler<Alive> for Fragile {
    type Result = bool;

    fn handle(&mut self, _: Alive, _: &mut Metered<Self>) -> bool {
        true
    }
}

/// Goes on after a panic and tells the test.
pub(super) struct Sturdy {
    pub(super) told: Option<oneshot::Sender<String>>,
}

impl Actor for Sturdy {
    type Context = Metered<Self>;
}

impl MeteredActor for Sturdy {
    const KIND: &'static str = "sturdy";

    fn panicked(&mut self, message: &str, _: &mut Metered<Self>) {
        self.told.take().unwrap().send(message.to_owned()).unwrap();
    }
}

impl Handler<Break> for Sturdy {
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, what: Break, ctx: &mut Metered<Self>) -> Self::Result {
        let answer = match what {
            Break::Handler => panic!("in the {}", "handler"),
            Break::Answer => async { panic!("in the answer") }.boxed_local(),
            Break::Spawned => {
                ctx.spawn(wrap_future(async { panic!("in a spawned future") }));
                async {}.boxed_local()
            }
            Break::Timer => {
                ctx.run_later(Duration::ZERO, |_, _| panic!("in a timer"));
                async {}.boxed_local()
            }
        };
        AtomicResponse::new(Box::pin(wrap_future(answer)))
    }
}

impl Handler<Alive> for Sturdy {
    type Result = bool;

    fn handle(&mut self, _: Alive, _: &mut Metered<Self>) -> bool {
        true
    }
}

/// Panics before it lives, and once more when it is buried.
pub(super) struct Stillborn;

impl Actor for Stillborn {
    type Context = Metered<Self>;

    fn started(&mut self, _: &mut Metered<Self>) {
        panic!("in started");
    }

    fn stopped(&mut self, _: &mut Metered<Self>) {
        panic!("in stopped");
    }
}

impl MeteredActor for Stillborn {
    const KIND: &'static str = "stillborn";
}

impl Handler<Alive> for Stillborn {
    type Result = bool;

    fn handle(&mut self, _: Alive, _: &mut Metered<Self>) -> bool {
        true
    }
}

#[derive(Default)]
pub(super) struct TestMeter {
    alive: AtomicI64,
    enqueued: AtomicU64,
    depth: AtomicI64,
    handled: AtomicU64,
    refused: AtomicU64,
    pub(super) waited_ns: AtomicU64,
    pub(super) ran_ns: AtomicU64,
    panics: Mutex<Vec<String>>,
}

impl TestMeter {
    pub(super) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(super) fn alive(&self) -> i64 {
        self.alive.load(Relaxed)
    }

    pub(super) fn enqueued(&self) -> u64 {
        self.enqueued.load(Relaxed)
    }

    pub(super) fn depth(&self) -> i64 {
        self.depth.load(Relaxed)
    }

    pub(super) fn handled(&self) -> u64 {
        self.handled.load(Relaxed)
    }

    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    pub(super) fn panics(&self) -> Vec<String> {
        self.panics.lock().unwrap().clone()
    }
}

impl Meter for TestMeter {
    fn started(&self) {
        self.alive.fetch_add(1, Relaxed);
    }

    fn ended(&self) {
        self.alive.fetch_sub(1, Relaxed);
    }

    fn enqueued(&self) {
        self.enqueued.fetch_add(1, Relaxed);
        self.depth.fetch_add(1, Relaxed);
    }

    fn dequeued(&self, wait: Duration) {
        self.depth.fetch_sub(1, Relaxed);
        self.waited_ns.fetch_add(wait.as_nanos() as u64, Relaxed);
    }

    fn handled(&self, took: Duration) {
        self.handled.fetch_add(1, Relaxed);
        self.ran_ns.fetch_add(took.as_nanos() as u64, Relaxed);
    }

    fn refused(&self) {
        self.depth.fetch_sub(1, Relaxed);
        self.refused.fetch_add(1, Relaxed);
    }

    fn panicked(&self, message: &str) {
        self.panics.lock().unwrap().push(message.to_owned());
    }
}
