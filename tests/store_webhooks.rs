//! What businesses are to be told, as the database keeps it: noted with the fact, claimed by one sender at a time, and
//! settled. On both databases.

#[path = "support/calls.rs"]
mod calls;
#[macro_use]
#[path = "support/databases.rs"]
mod databases;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/skip.rs"]
mod skip;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use calls::{call, life_of};
use databases::Database;
use trunkline::engine::business::Profile;
use trunkline::engine::delivery::{DeliveryState, EventId, EventKind, Places, Secret};
use trunkline::engine::ids::BusinessId;
use trunkline::engine::status::StatusChange;
use trunkline::store::businesses::Editor;
use trunkline::store::deliveries::{Claim, Delivery, Outcome, Settled};
use trunkline::store::{StatusWriter, Store};

on_both_databases! {
    a_call_is_noted_once_whatever_the_order_and_the_node
    only_a_business_that_listens_is_told
    two_senders_share_what_is_due
    a_sender_that_dies_leaves_its_claims_to_others
    a_business_with_a_crowd_waiting_holds_up_no_other
    receivers_that_hang_hold_up_no_other_however_many_they_are
    what_came_of_a_try_is_kept_and_a_late_word_does_not_count
    what_was_given_up_can_be_sent_again
    a_secret_that_is_replaced_signs_until_the_overlap_is_over
}

const SECOND: i64 = 1_000_000;
/// Later than everything that the calls of these tests say.
const NOW: i64 = 100 * SECOND;

fn name(text: &str) -> BusinessId {
    text.parse().unwrap()
}

fn listening(store: &Store, id: &str, url: Option<&str>) {
    let profile = Profile { webhook_url: url.map(str::to_owned), ..Profile::named(id) };
    store.business_writer().create(&name(id), &profile, Editor { by: "test", at: 1 }).unwrap();
}

fn node(database: &Database, node: &str) -> (Store, StatusWriter) {
    database.open(node)
}

/// Everything that is said of call `n` of this business.
fn life(n: u32, business: &str) -> Vec<StatusChange> {
    let mut life = life_of(&call(n));
    for change in &mut life {
        change.business = change.business.as_ref().map(|_| name(business));
    }
    life
}

/// So many calls of a business are over.
fn over(writer: &mut StatusWriter, business: &str, calls: std::ops::Range<u32>) {
    for n in calls {
        writer.apply(&life(n, business)).unwrap();
    }
}

/// A claim of a sender with so many places, all of which each business may have: their receivers took what was sent last.
fn claim(now: i64, places: usize) -> Claim {
    let took = ["Bakery", "Florist", "Slow", "Quick"].map(|business| (name(business), true)).into();
    let places = Places { all: places, per_business: places, busy: BTreeMap::new(), took };
    Claim { now, lease: Duration::from_secs(40), places }
}

fn all(store: &Store, business: &str) -> Vec<Delivery> {
    store.deliveries(&name(business), None, None, 1_000).unwrap()
}

fn a_call_is_noted_once_whatever_the_order_and_the_node(database: Database) {
    let (store, mut first) = node(&database, "first");
    let (_second_store, mut second) = node(&database, "second");
    listening(&store, "Bakery", Some("https://bakery.example/"));
    let shuffled = |n: u32| {
        let mut life = life(n, "Bakery");
        let places = life.len();
        for at in 0..places {
            life.swap(at, (n as usize * 7 + at * 3) % places);
        }
        life
    };
    for n in 0..24 {
        // Each change on a node of its own choice, some twice, some in one batch.
        for (at, change) in shuffled(n).into_iter().enumerate() {
            let writer = if (n as usize + at).is_multiple_of(2) { &mut first } else { &mut second };
            writer.apply(std::slice::from_ref(&change)).unwrap();
            second.apply(&[change]).unwrap();
        }
        first.apply(&shuffled(n + 1)).unwrap();
    }
    let noted = all(&store, "Bakery");
    let ids: BTreeSet<&str> = noted.iter().map(|delivery| delivery.id.as_str()).collect();
    assert_eq!((noted.len(), ids.len()), (25, 25));
    let expected = EventId::of(EventKind::CallCompleted, call(3).as_str());
    let one = noted.iter().find(|delivery| delivery.id == expected).unwrap();
    assert_eq!((one.subject.as_str(), one.state, one.tries), (call(3).as_str(), DeliveryState::Waiting, 0));
}

fn only_a_business_that_listens_is_told(database: Database) {
    let (store, mut writer) = node(&database, "node");
    listening(&store, "Bakery", Some("https://bakery.example/"));
    listening(&store, "Florist", None);
    over(&mut writer, "Florist", 0..3);
    over(&mut writer, "Stranger", 3..6);
    let mut unfinished = life(9, "Bakery");
    unfinished.truncate(3);
    writer.apply(&unfinished).unwrap();
    assert!(["Bakery", "Florist", "Stranger"].iter().all(|business| all(&store, business).is_empty()));
    writer.apply(&life(9, "Bakery")).unwrap();
    assert_eq!(all(&store, "Bakery").len(), 1);
    assert!(all(&store, "Florist").is_empty());
}

fn two_senders_share_what_is_due(database: Database) {
    let (store, mut writer) = node(&database, "first");
    let (other, _writer) = node(&database, "second");
    listening(&store, "Bakery", Some("https://bakery.example/"));
    over(&mut writer, "Bakery", 0..60);
    let taken: Vec<Vec<EventId>> = std::thread::scope(|scope| {
        let threads = [&store, &other].map(|store| {
            scope.spawn(|| {
                let (mut sender, mut taken) = (store.delivery_writer(), Vec::new());
                loop {
                    let claimed = sender.claim(&claim(NOW, 7)).unwrap();
                    if claimed.is_empty() && !store.has_due_deliveries(NOW).unwrap() {
                        return taken;
                    }
                    taken.extend(claimed.into_iter().map(|delivery| delivery.id));
                }
            })
        });
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let each_once: BTreeSet<&EventId> = taken.iter().flatten().collect();
    assert_eq!((taken.iter().flatten().count(), each_once.len()), (60, 60));
}

fn a_sender_that_dies_leaves_its_claims_to_others(database: Database) {
    let (store, mut writer) = node(&database, "first");
    listening(&store, "Bakery", Some("https://bakery.example/"));
    over(&mut writer, "Bakery", 0..3);
    let first = store.delivery_writer().claim(&claim(NOW, 10)).unwrap();
    drop((store, writer));

    let (store, _writer) = node(&database, "first");
    let mut sender = store.delivery_writer();
    assert!(sender.claim(&claim(NOW + 39 * SECOND, 10)).unwrap().is_empty(), "the lease lasts");
    let again = sender.claim(&claim(NOW + 40 * SECOND, 10)).unwrap();
    let ids = |claimed: &[Delivery]| claimed.iter().map(|delivery| delivery.id.clone()).collect::<BTreeSet<_>>();
    assert_eq!((ids(&again), again.len()), (ids(&first), 3));
    assert!(again.iter().all(|delivery| delivery.tries == 2 && delivery.first_try_at == Some(NOW)));
}

fn a_business_with_a_crowd_waiting_holds_up_no_other(database: Database) {
    let (store, mut writer) = node(&database, "node");
    listening(&store, "Slow", Some("https://slow.example/"));
    listening(&store, "Quick", Some("https://quick.example/"));
    over(&mut writer, "Slow", 0..150);
    over(&mut writer, "Quick", 150..152);
    let mut sender = store.delivery_writer();
    let one = |busy| {
        let claim = claim(NOW, 8);
        Claim { places: Places { per_business: 2, busy, ..claim.places.clone() }, ..claim }
    };
    let of = |claimed: &[Delivery], id: &str| claimed.iter().filter(|delivery| delivery.business == name(id)).count();
    let first = sender.claim(&one(BTreeMap::new())).unwrap();
    assert_eq!((of(&first, "Slow"), of(&first, "Quick")), (2, 2), "each has its two places");
    let more = sender.claim(&one(BTreeMap::from([(name("Slow"), 1)]))).unwrap();
    assert_eq!((of(&more, "Slow"), more.len()), (1, 1));
    assert!(sender.claim(&one(BTreeMap::from([(name("Slow"), 2)]))).unwrap().is_empty());
}

fn receivers_that_hang_hold_up_no_other_however_many_they_are(database: Database) {
    let (store, mut writer) = node(&database, "node");
    let hanging: Vec<String> = (0..90).map(|n| format!("Hanging {n}")).collect();
    for (n, business) in hanging.iter().enumerate() {
        listening(&store, business, Some("https://slow.example/"));
        over(&mut writer, business, n as u32..n as u32 + 1);
    }
    listening(&store, "Quick", Some("https://quick.example/"));
    over(&mut writer, "Quick", 90..93);
    let mut sender = store.delivery_writer();
    let mut claim = Claim { places: Places { per_business: 2, ..claim(NOW, 32).places }, ..claim(NOW, 32) };
    let of_quick = |claimed: &[Delivery]| claimed.iter().filter(|delivery| delivery.business == name("Quick")).count();
    // Nothing was sent to the ninety yet: they are ahead of the one that is known, and more than are looked at at once.
    let claimed = sender.claim(&claim).unwrap();
    assert_eq!((claimed.len(), of_quick(&claimed)), (18, 2));
    // All of them have failed: now they have eight places together, and who is new has others.
    claim.places.took.extend(hanging.iter().map(|business| (name(business), false)));
    listening(&store, "New", Some("https://new.example/"));
    over(&mut writer, "New", 93..94);
    let claimed = sender.claim(&claim).unwrap();
    let is_new = |delivery: &&Delivery| delivery.business == name("New");
    assert_eq!((claimed.len(), of_quick(&claimed), claimed.iter().filter(is_new).count()), (10, 1, 1));
}

fn what_came_of_a_try_is_kept_and_a_late_word_does_not_count(database: Database) {
    let (store, mut writer) = node(&database, "node");
    listening(&store, "Bakery", Some("https://bakery.example/"));
    over(&mut writer, "Bakery", 0..1);
    let mut sender = store.delivery_writer();
    let mut next = |now| sender.claim(&claim(now, 1)).unwrap().pop().unwrap();
    let settle = |delivery: &Delivery, outcome: Outcome| {
        let settled = Settled { id: delivery.id.clone(), tries: delivery.tries, outcome };
        store.delivery_writer().settle(&[settled], NOW + SECOND).unwrap();
        all(&store, "Bakery").pop().unwrap()
    };

    let early = next(NOW);
    let kept = settle(&early, Outcome::NotYet { at: NOW + 2 });
    assert_eq!((kept.tries, kept.first_try_at, kept.next_try_at), (0, None, NOW + 2), "it was no try");

    let failed = next(NOW + 2);
    let error = "the receiver answered 500".to_owned();
    let kept = settle(&failed, Outcome::Again { at: NOW + 10 * SECOND, status: Some(500), error: error.clone() });
    assert_eq!((kept.tries, kept.last_status, kept.last_error.as_ref()), (1, Some(500), Some(&error)));
    assert_eq!((kept.state, kept.next_try_at), (DeliveryState::Waiting, NOW + 10 * SECOND));

    let taken = next(NOW + 10 * SECOND);
    let stale = Outcome::Over { state: DeliveryState::GivenUp, status: None, error };
    assert_eq!(settle(&failed, stale).state, DeliveryState::Waiting, "the second try is still going on");
    let kept = settle(&taken, Outcome::Delivered { status: 204 });
    assert_eq!((kept.state, kept.tries, kept.last_status), (DeliveryState::Delivered, 2, Some(204)));
    assert_eq!((kept.last_error, kept.settled_at), (None, Some(NOW + SECOND)));
    assert_eq!(store.waiting_deliveries().unwrap(), 0);

    let mut sender = store.delivery_writer();
    assert_eq!(sender.forget(NOW + SECOND).unwrap(), 0);
    assert_eq!(sender.forget(NOW + SECOND + 1).unwrap(), 1);
    writer.apply(&life(0, "Bakery")).unwrap();
    assert!(all(&store, "Bakery").is_empty(), "what is forgotten is not told again");
}

fn what_was_given_up_can_be_sent_again(database: Database) {
    let (store, mut writer) = node(&database, "node");
    listening(&store, "Bakery", Some("https://bakery.example/"));
    over(&mut writer, "Bakery", 0..1);
    let mut sender = store.delivery_writer();
    let delivery = sender.claim(&claim(NOW, 1)).unwrap().pop().unwrap();
    let outcome = Outcome::Over { state: DeliveryState::GivenUp, status: None, error: "no answer".to_owned() };
    sender.settle(&[Settled { id: delivery.id.clone(), tries: 1, outcome }], NOW).unwrap();
    assert!(sender.claim(&claim(NOW * 9, 1)).unwrap().is_empty());

    assert_eq!(store.redeliver(&name("Florist"), &delivery.id, NOW).unwrap(), None, "it is not the florist's");
    let again = store.redeliver(&name("Bakery"), &delivery.id, NOW * 2).unwrap().unwrap();
    assert_eq!((again.state, again.settled_at), (DeliveryState::Waiting, None));
    let claimed = sender.claim(&claim(NOW * 2, 1)).unwrap().pop().unwrap();
    assert_eq!((claimed.id, claimed.tries, claimed.first_try_at), (delivery.id, 2, Some(NOW * 2)));
}

fn a_secret_that_is_replaced_signs_until_the_overlap_is_over(database: Database) {
    let (store, _writer) = node(&database, "node");
    let bakery = name("Bakery");
    let secrets = |now| -> Vec<Secret> {
        store.webhook_secrets(&bakery, now).unwrap().into_iter().map(|stored| stored.secret).collect()
    };
    let [one, two, three] = [1, 2, 3].map(|n| Secret::of([n; 32]));
    assert_eq!(secrets(NOW), []);
    store.replace_webhook_secret(&bakery, &one, NOW, NOW + 10).unwrap();
    assert_eq!(secrets(NOW * 9), std::slice::from_ref(&one), "the newest never expires");
    store.replace_webhook_secret(&bakery, &two, NOW + 5, NOW + 15).unwrap();
    assert_eq!(secrets(NOW + 14), [two.clone(), one]);
    assert_eq!(secrets(NOW + 15), std::slice::from_ref(&two));
    store.replace_webhook_secret(&bakery, &three, NOW + 6, NOW + 16).unwrap();
    assert_eq!(secrets(NOW + 7), [three, two], "never more than two");
    assert_eq!(store.webhook_secrets(&name("Florist"), NOW).unwrap(), []);
}
