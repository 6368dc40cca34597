//! How many calls may be alive at once: on one node, and over two that share a PostgreSQL.

#[macro_use]
#[path = "support/databases.rs"]
mod databases;
#[path = "support/http_service.rs"]
mod http_service;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/service.rs"]
mod service;
#[path = "support/skip.rs"]
mod skip;

use databases::Database;
use futures_util::future::join_all;
use http_service::{Answer, Asked, Caller};
use service::{PATIENCE, Service, ms, until};
use trunkline::config::Config;

on_both_databases! {
    a_caller_too_many_hears_a_sentence_and_is_on_record_as_rejected
    a_slot_lives_as_long_as_its_call
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn on(database: &Database, node: &str, change: impl FnOnce(&mut Config)) -> Service {
    Service::with(|config| {
        config.database.url = Some(database.url.parse().unwrap());
        config.spool.dir = database.spool(node);
        change(config);
    })
}

fn is_taken(answer: &Answer) -> bool {
    assert_eq!(answer.status, 200, "{answer:?}");
    let is_refused = answer.body.contains("all lines are busy") && answer.body.contains("<Hangup/>");
    let is_connected = answer.body.contains("<Connect");
    assert!(is_refused != is_connected, "{answer:?}");
    is_connected
}

async fn ends(service: &Service, caller: &Caller) {
    let answer = service.webhook(caller.status("completed", &[("CallDuration", "1")])).await;
    assert_eq!(answer.status, 204, "{answer:?}");
}

fn a_caller_too_many_hears_a_sentence_and_is_on_record_as_rejected(database: Database) {
    let service = on(&database, "a", |config| config.calls.max = 2);
    runtime().block_on(async {
        let callers: Vec<Caller> = (0..3).map(|_| Caller::new()).collect();
        assert!(is_taken(&service.webhook(callers[0].voice()).await));
        assert!(is_taken(&service.webhook(callers[1].voice()).await));
        assert!(is_taken(&service.webhook(callers[1].voice()).await), "the carrier asks again about the same call");
        assert!(!is_taken(&service.webhook(callers[2].voice()).await));
        let row = service.store().call(&callers[2].sid()).unwrap().unwrap();
        assert_eq!((row.status.as_str(), row.business.unwrap().value.as_str()), ("rejected", "Reception"));
        let history = service.store().status_history(&callers[2].sid()).unwrap();
        assert_eq!(history[0].reason.as_deref(), Some("as many calls are alive as may be"));
        assert_eq!(service.figure("calls_refused_total{reason=\"full\"}"), 1.0);
        until("the figures show it", || service.figure("capacity_slots_used") == 2.0).await;
        assert_eq!(service.figure("capacity_slots_max"), 2.0);
        assert_eq!(service.figure("capacity_slots_kept"), 2.0);

        ends(&service, &callers[2]).await;
        assert_eq!(service.store().call(&callers[2].sid()).unwrap().unwrap().status.as_str(), "rejected");
        assert!(!is_taken(&service.webhook(Caller::new().voice()).await), "it had no slot to free");
        ends(&service, &callers[0]).await;
        assert!(is_taken(&service.webhook(Caller::new().voice()).await));
    });
}

fn a_slot_lives_as_long_as_its_call(database: Database) {
    let service = on(&database, "a", |config| config.calls.max_per_business = 1);
    runtime().block_on(async {
        let call = service.call().await;
        call.wait_until_agent_has_spoken_for(ms(300), PATIENCE).await.unwrap();
        assert!(!is_taken(&service.webhook(Caller::new().voice()).await));
        until("the business is full", || service.figure("capacity_businesses_full") == 1.0).await;
        until("the call itself holds its slot", || service.figure("capacity_slots_kept") == 0.0).await;
        service.hang_up(call).await;
        let next = service.call().await;
        service.hang_up(next).await;
        assert_eq!(service.figure("calls_refused_total{reason=\"business_full\"}"), 1.0);
    });
}

#[test]
fn a_caller_too_many_hears_it_in_the_language_of_the_business() {
    let database = Database::sqlite();
    let service = on(&database, "a", |config| {
        config.calls.max = 1;
        config.business[0].language = "he-IL".to_owned();
    });
    runtime().block_on(async {
        assert!(is_taken(&service.webhook(Caller::new().voice()).await));
        let answer = service.webhook(Caller::new().voice()).await;
        let said = "<Say language=\"he-IL\" voice=\"Google.he-IL-Standard-A\">אנו מצטערים, כל הקווים תפוסים כרגע.";
        assert!(answer.body.contains(said) && answer.body.ends_with("</Say><Hangup/></Response>"), "{answer:?}");
    });
}

/// Two services that share a database, an account and this limit of calls.
#[cfg(feature = "postgres")]
fn two_nodes(database: &Database, max: u32, lease_s: u32) -> [Service; 2] {
    let first = on(database, "a", |config| (config.calls.max, config.calls.lease_s) = (max, lease_s));
    let second = on(database, "b", |config| {
        config.twilio = first.config.twilio.clone();
        (config.calls.max, config.calls.lease_s) = (max, lease_s);
    });
    [first, second]
}

#[test]
#[cfg(feature = "postgres")]
fn two_nodes_together_take_as_many_calls_as_may_be() {
    let Some(database) = Database::shared_postgres() else { return };
    let nodes = two_nodes(&database, 10, 120);
    runtime().block_on(async {
        let callers: Vec<Caller> = (0..40).map(|_| Caller::new()).collect();
        let answers =
            join_all(callers.iter().enumerate().map(|(n, caller)| nodes[n % 2].webhook(caller.voice()))).await;
        let mut taken: Vec<bool> = answers.iter().map(is_taken).collect();
        // A node may have refused while the other held slots to spare; it gives them back within moments.
        let count = |taken: &[bool]| taken.iter().filter(|taken| **taken).count();
        assert!(count(&taken) <= 10, "{taken:?}");
        let more = async {
            while count(&taken) < 10 {
                taken.push(is_taken(&nodes[taken.len() % 2].webhook(Caller::new().voice()).await));
                tokio::time::sleep(ms(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, more).await.expect("every slot can be had");
        for node in &nodes {
            assert!(!is_taken(&node.webhook(Caller::new().voice()).await));
        }
    });
}

#[test]
#[cfg(feature = "postgres")]
fn a_database_that_is_away_stops_no_call_within_the_lease_and_every_call_after_it() {
    let Some(database) = Database::own_postgres() else { return };
    let [node, other] = two_nodes(&database, 8, 20);
    drop(other);
    runtime().block_on(async {
        assert!(is_taken(&node.webhook(Caller::new().voice()).await));
        until("slots are leased to spare", || node.figure("capacity_slots_leased") >= 3.0).await;
        database.go_away();
        assert!(is_taken(&node.webhook(Caller::new().voice()).await));
        assert!(is_taken(&node.webhook(Caller::new().voice()).await));

        until("the lease is over", || node.figure("capacity_slots_leased") == 0.0).await;
        assert!(!is_taken(&node.webhook(Caller::new().voice()).await), "nobody knows what others took");
        assert!(node.figure("calls_refused_total{reason=\"capacity_unknown\"}") >= 1.0);
        assert_eq!(node.figure("capacity_slots_used"), 3.0, "calls that are alive go on");

        database.come_back(None);
        until("slots are leased again", || node.figure("capacity_slots_leased") >= 3.0).await;
        assert!(is_taken(&node.webhook(Caller::new().voice()).await));
    });
}

#[test]
#[cfg(feature = "postgres")]
fn a_call_whose_media_stream_starts_at_another_node_counts_once() {
    let Some(database) = Database::shared_postgres() else { return };
    let [first, second] = two_nodes(&database, 1, 120);
    runtime().block_on(async {
        let identity = trunkline::cli::demo::twilio::CallIdentity::fresh(service::CALLER, service::CALLED);
        let ringing = first.carrier.ring(identity).await.unwrap();
        let call = ringing.through(second.address()).connect(Default::default()).await.unwrap();
        call.wait_until_agent_has_spoken_for(ms(300), PATIENCE).await.unwrap();
        let used = |node: &Service| node.figure("capacity_slots_used");
        until("the slot is the other node's", || used(&first) == 0.0 && used(&second) == 1.0).await;
        for node in [&first, &second] {
            assert!(!is_taken(&node.webhook(Caller::new().voice()).await));
        }
        second.hang_up(call).await;
        let mut is_free = false;
        let deadline = trunkline::clock::now() + PATIENCE;
        while !is_free && trunkline::clock::now() < deadline {
            is_free = is_taken(&first.webhook(Caller::new().voice()).await);
            tokio::time::sleep(ms(100)).await;
        }
        assert!(is_free, "the slot that one node frees is the other's");
    });
}

#[test]
#[cfg(feature = "postgres")]
fn the_slots_of_a_process_that_died_are_free_within_seconds_and_those_of_one_that_is_silent_are_not() {
    use trunkline::engine::capacity::{Scope, Wish};
    use trunkline::store::Store;
    let Some(database) = Database::shared_postgres() else { return };
    let opened = ["dead", "silent", "alive"].map(|node| database.open(node).0);
    let [dead, silent, alive]: &[Store; 3] = &opened;
    // Slots are leased for half a minute: nothing is heard of a dead node for six seconds.
    let lease = |store: &Store, node: &str, limit, used, needed| {
        let wish = [Wish { scope: Scope::All, limit, used, needed, held: 0 }];
        store.lease_slots(node, ms(30_000), &wish).unwrap().granted[0]
    };
    databases::until("the database answers", || opened.iter().all(|store| store.ping().is_ok()));
    let beat = |store: &Store, node: &str| {
        let mut beat = store.node_beat(node.into());
        beat.beat().unwrap();
        beat
    };
    // One node's connection stays open though it says nothing; the other's process dies.
    let (dead_beat, silent_beat) = (beat(dead, "dead"), beat(silent, "silent"));
    assert_eq!((lease(silent, "silent", 1, 1, 1), lease(dead, "dead", 3, 3, 3)), (1, 3));
    drop(dead_beat);

    let began = trunkline::clock::now();
    let mut alive_beat = beat(alive, "alive");
    assert_eq!(lease(alive, "alive", 4, 0, 4), 0, "it has only just come, and can't know who is silent");
    databases::until("the dead node's slots are free", || {
        alive_beat.beat().unwrap();
        lease(alive, "alive", 4, 0, 4) == 3
    });
    assert!(trunkline::clock::now() - began >= trunkline::store::nodes::silent_for(ms(30_000)), "not before");
    alive_beat.beat().unwrap();
    assert_eq!(lease(alive, "alive", 4, 0, 4), 3, "the silent one's connection lives, and so may its calls");
    drop(silent_beat);
    databases::until("it dies, too", || {
        alive_beat.beat().unwrap();
        lease(alive, "alive", 4, 0, 4) == 4
    });
}

#[test]
#[cfg(feature = "postgres")]
fn after_an_outage_for_everybody_nobody_is_taken_for_dead_before_he_could_be_heard_of() {
    use trunkline::engine::capacity::{Scope, Wish};
    let Some(database) = Database::own_postgres() else { return };
    let (store, _writer) = database.open("a");
    databases::until("the database answers", || store.ping().is_ok());
    let lease = |node: &str, used, needed| {
        let wish = [Wish { scope: Scope::All, limit: 4, used, needed, held: 0 }];
        let mut granted = None;
        databases::until("the database answers", || {
            granted = store.lease_slots(node, ms(60_000), &wish).ok().map(|leased| leased.granted[0]);
            granted.is_some()
        });
        granted.unwrap()
    };
    let (mut early, mut late) = (store.node_beat("early".into()), store.node_beat("late".into()));
    early.beat().unwrap();
    late.beat().unwrap();
    assert_eq!(lease("late", 4, 4), 4);
    let began = trunkline::clock::now();
    // Both were heard of for long enough before.
    databases::until("some time has passed", || {
        early.beat().unwrap();
        late.beat().unwrap();
        trunkline::clock::now() - began > ms(8_000)
    });
    database.go_away();
    databases::until("the outage is long", || {
        assert!(early.beat().is_err() && late.beat().is_err());
        trunkline::clock::now() - began > ms(17_000)
    });
    database.come_back(None);
    // The server has forgotten every lock; the first to be back knows nothing of the others.
    databases::until("one is back", || early.beat().is_ok());
    assert_eq!(lease("early", 0, 4), 0);
    databases::until("so is the other", || late.beat().is_ok());
    assert_eq!(lease("early", 0, 4), 0);
}

#[test]
#[cfg(feature = "postgres")]
fn the_slots_of_a_node_that_died_are_free_when_its_lease_is_over() {
    use trunkline::engine::capacity::{Scope, Wish};
    let Some(database) = Database::shared_postgres() else { return };
    let (store, _writer) = database.open("a");
    let wish = |used, needed| [Wish { scope: Scope::All, limit: 4, used, needed, held: 0 }];
    let lease = |node, seconds, wish: [Wish; 1]| {
        store.lease_slots(node, std::time::Duration::from_secs(seconds), &wish).unwrap().granted[0]
    };
    assert_eq!(lease("dead", 2, wish(3, 3)), 4);
    assert_eq!(lease("alive", 60, wish(0, 1)), 0);
    databases::until("the lease is over", || lease("alive", 60, wish(0, 4)) == 4);
    assert_eq!(lease("third", 60, wish(0, 1)), 0);
    store.return_slots("alive").unwrap();
    assert_eq!(lease("third", 60, wish(0, 1)), 3);
}
