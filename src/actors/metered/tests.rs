use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use actix::prelude::*;
use tokio::sync::oneshot;

use super::*;
use crate::telemetry::Telemetry;

mod cast;

use cast::*;

const SOON: Duration = Duration::from_secs(20);

#[actix::test]
async fn every_way_to_send_is_counted_once() {
    let (echo, meter) = echo();
    order(&echo, Say(1));
    order(&echo, Say(2));
    assert_eq!(ask(&echo, Say(3), SOON).await, Ok(3));
    assert_eq!(echo.send(Say(4)).await, Ok(4));
    echo.clone().recipient::<Say>().do_send(Say(5));
    assert_eq!(meter.depth(), 1, "the last one waits");

    assert_eq!(ask(&echo, Heard, SOON).await, Ok(vec![1, 2, 3, 4, 5]));
    assert_eq!((meter.enqueued(), meter.depth(), meter.handled(), meter.refused()), (6, 0, 6, 0));
}

#[actix::test]
async fn two_kinds_of_actor_do_not_share_figures() {
    let (echo, echoes) = echo();
    let others = TestMeter::new();
    let other = Metered::start(Fragile, others.clone());
    order(&echo, Say(1));
    assert_eq!(ask(&other, Alive, SOON).await, Ok(true));
    assert_eq!((echoes.enqueued(), others.enqueued()), (1, 1));
}

#[test]
fn two_systems_of_one_process_do_not_share_figures() {
    let figures = || {
        System::new().block_on(async {
            let (echo, meter) = echo();
            assert_eq!(ask(&echo, Say(7), SOON).await, Ok(7));
            meter.enqueued()
        })
    };
    let elsewhere = std::thread::spawn(figures);
    assert_eq!(figures(), 1);
    assert_eq!(elsewhere.join().unwrap(), 1);
    assert_eq!(figures(), 1, "one after the other on the same thread");
}

#[actix::test]
async fn a_message_from_a_thread_without_event_loop_is_counted() {
    let meter = TestMeter::new();
    let actor = Metered::start(FromOutside, meter.clone());
    let outside = actor.clone();
    std::thread::spawn(move || order(&outside, Say(1))).join().unwrap();
    assert_eq!(ask(&actor, Say(2), SOON).await, Ok(2));
    assert_eq!(meter.enqueued(), 2);
}

#[actix::test]
async fn what_a_stopped_actor_leaves_behind_does_not_count_as_depth() {
    let (echo, meter) = echo();
    order(&echo, Say(1));
    order(&echo, Stop);
    order(&echo, Say(2));
    order(&echo, Say(3));
    assert_eq!(ask(&echo, Heard, SOON).await, Err(AskError::Closed));
    assert_eq!((meter.enqueued(), meter.depth(), meter.handled(), meter.refused()), (5, 0, 2, 3));

    order(&echo, Say(5));
    assert_eq!((meter.enqueued(), meter.refused()), (5, 3), "who sends to nobody is not counted");
}

#[actix::test]
async fn an_actor_in_another_arbiter_is_counted_too() {
    let (arbiter, meter) = (Arbiter::new(), TestMeter::new());
    let echo = Metered::create_in(&arbiter.handle(), meter.clone(), |_| Echo::default());
    assert_eq!(ask(&echo, Say(1), SOON).await, Ok(1));
    assert_eq!((meter.enqueued(), meter.depth(), meter.alive()), (1, 0, 1));
    arbiter.stop();
    arbiter.join().unwrap();
    assert_eq!(meter.alive(), 0, "it ended with its event loop");
}

#[actix::test]
async fn waiting_and_handling_are_timed() {
    let (echo, meter) = echo();
    let before = crate::clock::now();
    order(&echo, Say(1));
    assert_eq!(ask(&echo, Heard, SOON).await, Ok(vec![1]));
    let whole = crate::clock::now().duration_since(before).as_nanos() as u64;
    let (waited, ran) = (meter.waited_ns.load(Relaxed), meter.ran_ns.load(Relaxed));
    assert!(waited > 0 && waited < 2 * whole, "{waited} of {whole}");
    assert!(ran > 0 && ran < whole, "{ran} of {whole}");
}

#[actix::test]
async fn an_asker_who_goes_away_cancels_nothing() {
    let (echo, _) = echo();
    drop(ask(&echo, Say(1), SOON));
    assert_eq!(ask(&echo, Heard, SOON).await, Ok(vec![1]));
}

#[actix::test]
async fn a_question_that_was_not_answered_in_time_is_still_handled() {
    let (echo, _) = echo();
    let (release, gate) = oneshot::channel();
    order(&echo, WaitFor(gate));
    let limit = Duration::from_millis(1);
    assert_eq!(ask(&echo, Say(1), limit).await, Err(AskError::Timeout(limit)));
    release.send(()).unwrap();
    assert_eq!(ask(&echo, Heard, SOON).await, Ok(vec![GATE_OPENED, 1]));
}

#[actix::test]
async fn a_panic_stops_only_the_actor_it_happened_in() {
    let (echo, _) = echo();
    let meter = TestMeter::new();
    let fragile = Metered::start(Fragile, meter.clone());
    assert_eq!(ask(&fragile, Break::Handler, SOON).await, Err(AskError::Closed));
    assert_eq!(ask(&fragile, Alive, SOON).await, Err(AskError::Closed));
    assert_eq!(meter.panics(), ["in the handler"]);
    assert_eq!(meter.depth(), 0);
    assert_eq!(ask(&echo, Say(1), SOON).await, Ok(1));
}

#[actix::test]
async fn an_actor_that_forgives_a_panic_goes_on_wherever_it_happened() {
    for (break_it, message) in [
        (Break::Handler, "in the handler"),
        (Break::Answer, "in the answer"),
        (Break::Spawned, "in a spawned future"),
        (Break::Timer, "in a timer"),
    ] {
        let meter = TestMeter::new();
        let (told, panicked) = oneshot::channel();
        let sturdy = Metered::start(Sturdy { told: Some(told) }, meter.clone());
        let broken = ask(&sturdy, break_it, SOON);
        assert_eq!(panicked.await.unwrap(), message);
        assert_eq!(ask(&sturdy, Alive, SOON).await, Ok(true), "{message}");
        assert_eq!(meter.panics(), [message]);
        drop(broken);
    }
}

#[actix::test]
async fn a_panic_in_started_ends_the_actor_and_is_counted() {
    let meter = TestMeter::new();
    let stillborn = Metered::start(Stillborn, meter.clone());
    assert_eq!(ask(&stillborn, Alive, SOON).await, Err(AskError::Closed));
    assert_eq!(meter.panics(), ["in started", "in stopped"]);
    assert_eq!((meter.depth(), meter.alive()), (0, 0));
}

#[actix::test]
async fn telemetry_shows_the_figures_and_the_panic() {
    let telemetry = Telemetry::silent();
    let fragile = Metered::start(Fragile, MailboxFigures::of::<Fragile>(&telemetry));
    assert_eq!(ask(&fragile, Alive, SOON).await, Ok(true));
    assert!(telemetry.render().contains("trunkline_actors_alive{actor=\"fragile\"} 1\n"));
    assert_eq!(ask(&fragile, Break::Handler, SOON).await, Err(AskError::Closed));
    let page = telemetry.render();
    for line in [
        "trunkline_actors_alive{actor=\"fragile\"} 0",
        "trunkline_mailbox_depth{actor=\"fragile\"} 0",
        "trunkline_mailbox_handled_total{actor=\"fragile\"} 1",
        "trunkline_panics_caught_total{actor=\"fragile\"} 1",
    ] {
        assert!(page.lines().any(|shown| shown == line), "{line} in\n{page}");
    }
    let panics = page.lines().filter(|line| !line.starts_with('#') && line.contains("panic"));
    assert_eq!(panics.count(), 1, "a panic is counted once\n{page}");
}

/// What we rely on in actix 0.13; if an upgrade changes one of these, the design must be looked at again.
mod actix_still {
    use super::*;

    #[actix::test]
    async fn queues_a_do_send_past_the_limit() {
        let meter = TestMeter::new();
        let echo = Metered::create(meter.clone(), |ctx| {
            ctx.set_mailbox_capacity(1);
            Echo::default()
        });
        (0..100).for_each(|n| echo.do_send(Say(n)));
        assert_eq!(meter.depth(), 100);
    }

    #[actix::test]
    async fn gives_each_clone_of_an_address_a_free_slot() {
        let meter = TestMeter::new();
        let echo = Metered::create(meter.clone(), |ctx| {
            ctx.set_mailbox_capacity(1);
            Echo::default()
        });
        let queued = (0..100).filter(|n| echo.clone().try_send(Say(*n)).is_ok()).count();
        assert_eq!(queued, 100);
    }

    #[actix::test]
    async fn cancels_a_message_whose_send_is_dropped() {
        let (echo, meter) = echo();
        drop(echo.send(Say(1)));
        assert_eq!(ask(&echo, Heard, SOON).await, Ok(vec![]));
        assert_eq!((meter.enqueued(), meter.handled()), (2, 1));
    }

    #[actix::test]
    async fn keeps_order_for_an_atomic_response_but_not_for_a_plain_future() {
        let (echo, _) = echo();
        let (release, gate) = oneshot::channel();
        order(&echo, WaitBeside(gate));
        assert_eq!(ask(&echo, Say(1), SOON).await, Ok(1), "overtakes the plain future");

        release.send(()).unwrap();

        let (release, gate) = oneshot::channel();
        order(&echo, WaitFor(gate));
        order(&echo, Say(2));
        release.send(()).unwrap();
        assert_eq!(ask(&echo, Heard, SOON).await, Ok(vec![1, GATE_OPENED, 2]), "waits for the atomic one");
    }

    #[actix::test]
    async fn supervises_by_running_the_same_value_again() {
        let supervised = Supervisor::start(|_| Counting { restarts: 0, kept: 0 });
        assert_eq!(supervised.send(Say(5)).await, Ok(5));
        supervised.do_send(Stop);
        assert_eq!(supervised.send(Say(1)).await, Ok(6), "what it held is not rebuilt");
    }

    struct Counting {
        restarts: u32,
        kept: u32,
    }

    impl Actor for Counting {
        type Context = Context<Self>;
    }

    impl Supervised for Counting {
        fn restarting(&mut self, _: &mut Context<Self>) {
            self.restarts += 1;
        }
    }

    impl Handler<Say> for Counting {
        type Result = u32;

        fn handle(&mut self, Say(n): Say, _: &mut Context<Self>) -> u32 {
            self.kept += n;
            self.kept
        }
    }

    impl Handler<Stop> for Counting {
        type Result = ();

        fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
            ctx.stop();
        }
    }
}

/// Roughly what a message costs with and without the metered context:
/// `cargo test --release --lib metered -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement; it asserts nothing"]
fn what_a_message_costs() {
    const MESSAGES: u32 = 1_000_000;
    System::new().block_on(async {
        let metered = Metered::start(Echo::default(), Arc::new(Unmetered));
        let plain = Plain.start();
        for round in 0..3 {
            let began = crate::clock::now();
            for n in 0..MESSAGES {
                metered.do_send(Tick);
                if n % 64 == 0 {
                    tokio::task::yield_now().await;
                }
            }
            metered.send(Tick).await.unwrap();
            let with = began.elapsed();
            let began = crate::clock::now();
            for n in 0..MESSAGES {
                plain.do_send(Tick);
                if n % 64 == 0 {
                    tokio::task::yield_now().await;
                }
            }
            plain.send(Tick).await.unwrap();
            let without = began.elapsed();
            println!("round {round}: {:?} metered, {:?} plain", with / MESSAGES, without / MESSAGES);
        }
    });
}

fn echo() -> (Addr<Echo>, Arc<TestMeter>) {
    let meter = TestMeter::new();
    (Metered::start(Echo::default(), meter.clone()), meter)
}
