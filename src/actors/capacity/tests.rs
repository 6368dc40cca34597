use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;

struct Limits {
    all: Option<u32>,
    each: BusinessLimits,
}

impl CallLimits for Limits {
    fn all(&self) -> Option<u32> {
        self.all
    }

    fn of(&self, _: &BusinessId) -> BusinessLimits {
        self.each
    }

    fn businesses(&self) -> Vec<BusinessId> {
        Vec::new()
    }
}

fn alone(all: Option<u32>, calls: Option<u32>, outbound: Option<u32>) -> Capacity {
    Capacity::new(Arc::new(Limits { all, each: BusinessLimits { calls, outbound } }), None)
}

fn business(name: &str) -> BusinessId {
    name.parse().unwrap()
}

fn call(n: u32) -> CallSid {
    format!("CA{n:032x}").parse().unwrap()
}

async fn inbound(capacity: &Capacity, name: &str) -> Result<Slot, NoSlot> {
    capacity.slot(&business(name), CallDirection::Inbound).await
}

async fn outbound(capacity: &Capacity, name: &str) -> Result<Slot, NoSlot> {
    capacity.slot(&business(name), CallDirection::Outbound).await
}

#[actix_rt::test]
async fn a_slot_is_free_again_when_it_is_dropped() {
    let capacity = alone(Some(2), None, None);
    let first = inbound(&capacity, "A").await.unwrap();
    let second = inbound(&capacity, "B").await.unwrap();
    assert_eq!(inbound(&capacity, "A").await.unwrap_err(), NoSlot::All);
    drop(first);
    let third = inbound(&capacity, "A").await.unwrap();
    assert_eq!(capacity.figures().used, 2);
    drop((second, third));
    assert_eq!(capacity.figures(), CapacityFigures { leased: 2, max: 2, ..CapacityFigures::default() });
}

#[actix_rt::test]
async fn each_limit_is_its_own_and_a_refusal_takes_nothing() {
    let capacity = alone(Some(5), Some(3), Some(1));
    let placed = outbound(&capacity, "A").await.unwrap();
    assert_eq!(outbound(&capacity, "A").await.unwrap_err(), NoSlot::Outbound);
    let others = [inbound(&capacity, "A").await.unwrap(), inbound(&capacity, "A").await.unwrap()];
    assert_eq!(inbound(&capacity, "A").await.unwrap_err(), NoSlot::Business);
    assert_eq!(outbound(&capacity, "A").await.unwrap_err(), NoSlot::Business);
    assert_eq!(capacity.figures().businesses_full, 1);
    let last = [outbound(&capacity, "B").await.unwrap(), inbound(&capacity, "B").await.unwrap()];
    assert_eq!(inbound(&capacity, "C").await.unwrap_err(), NoSlot::All);
    assert_eq!(capacity.figures().used, 5);
    drop((placed, others, last));
    assert_eq!(capacity.figures().used, 0);
}

#[actix_rt::test]
async fn a_panic_frees_the_slot_of_its_call_and_no_other() {
    let capacity = alone(Some(2), None, None);
    let other = inbound(&capacity, "A").await.unwrap();
    let slot = inbound(&capacity, "A").await.unwrap();
    let panicked = catch_unwind(AssertUnwindSafe(move || {
        let _slot = slot;
        panic!("a fault of ours");
    }));
    assert!(panicked.is_err());
    assert_eq!(capacity.figures().used, 1);
    drop(other);
}

#[actix_rt::test]
async fn a_kept_slot_goes_with_the_call_when_it_starts_or_is_free_when_it_is_over() {
    let capacity = alone(Some(2), None, None);
    capacity.keep(call(1), inbound(&capacity, "A").await.unwrap());
    capacity.keep(call(2), inbound(&capacity, "A").await.unwrap());
    assert_eq!((capacity.figures().used, capacity.figures().kept), (2, 2));

    let started = capacity.start(&call(1), &business("A"), CallDirection::Inbound);
    assert_eq!((capacity.figures().used, capacity.figures().kept), (2, 1));
    capacity.over(&call(2));
    capacity.over(&call(1));
    assert_eq!((capacity.figures().used, capacity.figures().kept), (1, 0), "the call itself holds its slot");
    drop(started);
    assert_eq!(capacity.figures().used, 0);
}

#[actix_rt::test]
async fn a_call_that_is_asked_about_twice_keeps_one_slot() {
    let capacity = alone(Some(2), None, None);
    capacity.keep(call(1), inbound(&capacity, "A").await.unwrap());
    capacity.keep(call(1), inbound(&capacity, "A").await.unwrap());
    assert!(capacity.is_kept(&call(1)));
    assert_eq!(capacity.figures().used, 1);
}

#[actix_rt::test]
async fn a_call_that_another_node_took_is_counted_here_whatever_the_limit() {
    let capacity = alone(Some(1), None, None);
    let own = inbound(&capacity, "A").await.unwrap();
    let adopted = capacity.start(&call(7), &business("A"), CallDirection::Inbound);
    assert_eq!(capacity.figures().used, 2);
    drop(own);
    assert_eq!(inbound(&capacity, "A").await.unwrap_err(), NoSlot::All);
    drop(adopted);
    assert!(inbound(&capacity, "A").await.is_ok());
}

#[actix_rt::test]
async fn without_a_limit_calls_are_counted_and_none_is_refused() {
    let capacity = alone(None, None, None);
    let mut slots = Vec::new();
    for _ in 0..1_000 {
        slots.push(inbound(&capacity, "A").await.unwrap());
    }
    assert_eq!(capacity.figures(), CapacityFigures { used: 1_000, ..CapacityFigures::default() });
    drop(slots);
}

#[actix_rt::test]
async fn a_slot_that_comes_after_its_call_has_started_or_ended_is_free_at_once() {
    let capacity = alone(Some(3), None, None);
    let (started, over) = (outbound(&capacity, "A").await.unwrap(), outbound(&capacity, "A").await.unwrap());
    // Both are answered and told of before the carrier says that it has placed them.
    let live = capacity.start(&call(1), &business("A"), CallDirection::Outbound);
    capacity.over(&call(2));
    assert_eq!(capacity.figures().used, 3);
    capacity.keep(call(1), started);
    capacity.keep(call(2), over);
    assert_eq!((capacity.figures().used, capacity.figures().kept), (1, 0), "the one that is alive");
    drop(live);
    assert_eq!(capacity.figures().used, 0);
}
