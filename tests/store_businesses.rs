//! Businesses as the database keeps them: seeded, edited, deleted, and whose a number is. On both databases.

#[macro_use]
#[path = "support/databases.rs"]
mod databases;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/skip.rs"]
mod skip;

use std::sync::Barrier;

use databases::Database;
use trunkline::engine::business::{Business, CallLimits, CalledNumber, Profile};
use trunkline::engine::ids::BusinessId;
use trunkline::store::businesses::{BusinessWriter, EditError, Editor, Seeded};
use trunkline::store::{StatusWriter, Store};

on_both_databases! {
    a_business_is_read_back_as_it_was_written
    an_edit_needs_the_version_that_it_was_made_from
    a_number_belongs_to_one_business
    a_deleted_business_is_gone_and_its_id_stays_taken
    each_version_keeps_what_was_said_and_who_changed_it
    the_file_is_followed_until_somebody_edits
    a_seed_that_left_the_file_is_taken_back_and_may_return
    two_seeds_may_exchange_their_numbers
    a_number_that_was_given_to_another_stays_there
    of_many_edits_at_once_on_two_nodes_one_wins
    every_edit_is_announced
    businesses_come_in_pages
}

struct Node {
    store: Store,
    writer: BusinessWriter,
    _status: StatusWriter,
}

fn node(database: &Database, name: &str) -> Node {
    let (store, status) = database.open(name);
    Node { writer: store.business_writer(), store, _status: status }
}

fn id(text: &str) -> BusinessId {
    text.parse().unwrap()
}

fn by(at: i64) -> Editor<'static> {
    Editor { by: "anna", at }
}

fn profile(name: &str, numbers: &[&str]) -> Profile {
    Profile { numbers: numbers.iter().map(|number| number.parse().unwrap()).collect(), ..Profile::named(name) }
}

fn seed(name: &str, numbers: &[&str]) -> Business {
    Business { id: id(name), version: 0, profile: profile(name, numbers) }
}

/// Every business, as `id version: numbers`.
fn all(node: &Node) -> Vec<String> {
    let line = |business: &Business| {
        let numbers: Vec<&str> = business.profile.numbers.iter().map(CalledNumber::as_str).collect();
        format!("{} {}: {}", business.id, business.version, numbers.join(" "))
    };
    node.store.businesses().unwrap().iter().map(|stored| line(&stored.business)).collect()
}

fn whole() -> Profile {
    let mut profile = profile("Bäckerei 你好", &["*", "+15005550006", "+15005550007"]);
    profile.greeting = Some("Guten Tag!".to_owned());
    profile.language = "de".to_owned();
    profile.voice = Some("marin".to_owned());
    profile.agent = Some("openai".to_owned());
    profile.prompts.inbound = Some("Sell {{goods}}.".to_owned());
    profile.prompts.outbound = Some("Ask.".to_owned());
    profile.prompts.whatsapp = Some("Write.\nShort.".to_owned());
    profile.variables.insert("goods".to_owned(), "Brot".to_owned());
    profile.limits = CallLimits { calls: Some(5), outbound: Some(3) };
    profile.time_zone = "Europe/Berlin".parse().unwrap();
    profile.transfer_to = Some("+15005550009".parse().unwrap());
    profile.webhook_url = Some("https://bakery.example/calls".to_owned());
    profile
}

fn a_business_is_read_back_as_it_was_written(database: Database) {
    let mut node = node(&database, "a");
    let made = node.writer.create(&id("biz_1"), &whole(), by(7)).unwrap();
    assert_eq!((made.business.version, made.is_seeded, made.is_edited), (1, false, true));
    assert_eq!((made.created_at, made.updated_at), (7, 7));
    assert_eq!(made.business.profile, whole());
    assert_eq!(node.store.business(&id("biz_1")).unwrap().as_ref(), Some(&made));
    assert_eq!(node.store.businesses().unwrap(), [made]);
    assert_eq!(node.store.business(&id("biz_2")).unwrap(), None);
    assert_eq!(node.writer.create(&id("biz_1"), &profile("Other", &[]), by(8)), Err(EditError::Exists));
    let nul = Profile { greeting: Some("a\0b".to_owned()), ..profile("Nul", &[]) };
    let nul = node.writer.create(&id("biz_3"), &nul, by(9)).unwrap();
    assert_eq!(nul.business.profile.greeting.as_deref(), Some("a\u{fffd}b"), "what PostgreSQL can't hold");
}

fn an_edit_needs_the_version_that_it_was_made_from(database: Database) {
    let mut node = node(&database, "a");
    node.writer.create(&id("b"), &profile("First", &[]), by(1)).unwrap();
    let second = node.writer.update(&id("b"), 1, &profile("Second", &["+15005550006"]), by(2)).unwrap();
    assert_eq!((second.business.version, second.created_at, second.updated_at), (2, 1, 2));
    let stale = node.writer.update(&id("b"), 1, &profile("Third", &[]), by(3));
    assert_eq!(stale, Err(EditError::Stale { current: 2 }));
    assert_eq!(node.writer.delete(&id("b"), 1, by(3)), Err(EditError::Stale { current: 2 }));
    assert_eq!(node.writer.update(&id("x"), 1, &profile("X", &[]), by(3)), Err(EditError::NotFound));
    let same = node.writer.update(&id("b"), 2, &profile("Second", &["+15005550006"]), by(4)).unwrap();
    assert_eq!((same.business.version, same.updated_at), (2, 2), "what changes nothing is no version");
    assert_eq!(all(&node), ["b 2: +15005550006"]);
}

fn a_number_belongs_to_one_business(database: Database) {
    let mut node = node(&database, "a");
    let (one, two) = ("+15005550006", "+15005550007");
    node.writer.create(&id("a"), &profile("A", &[one, "*"]), by(1)).unwrap();
    let taken =
        |numbers: &[&str]| Err(EditError::NumbersTaken(numbers.iter().map(|number| number.parse().unwrap()).collect()));
    assert_eq!(node.writer.create(&id("b"), &profile("B", &[two, "*", one]), by(2)), taken(&["*", one]));
    assert_eq!(node.store.business(&id("b")).unwrap(), None, "nothing of it was written");
    node.writer.create(&id("b"), &profile("B", &[two]), by(3)).unwrap();
    assert_eq!(node.writer.update(&id("b"), 1, &profile("B", &[two, one]), by(4)), taken(&[one]));
    node.writer.update(&id("a"), 1, &profile("A", &["*"]), by(5)).unwrap();
    node.writer.update(&id("b"), 1, &profile("B", &[one, two]), by(6)).unwrap();
    assert_eq!(all(&node), ["a 2: *", "b 2: +15005550006 +15005550007"]);
}

fn a_deleted_business_is_gone_and_its_id_stays_taken(database: Database) {
    let mut node = node(&database, "a");
    node.writer.create(&id("a"), &profile("A", &["*"]), by(1)).unwrap();
    node.writer.delete(&id("a"), 1, by(2)).unwrap();
    assert_eq!(node.store.business(&id("a")).unwrap(), None);
    assert_eq!(all(&node), Vec::<String>::new());
    assert_eq!(node.writer.delete(&id("a"), 2, by(3)), Err(EditError::NotFound));
    assert_eq!(node.writer.update(&id("a"), 2, &profile("A", &[]), by(3)), Err(EditError::NotFound));
    assert_eq!(node.writer.create(&id("a"), &profile("A", &[]), by(3)), Err(EditError::Exists));
    node.writer.create(&id("b"), &profile("B", &["*"]), by(4)).unwrap();
    assert_eq!(node.store.business_versions(&id("a"), None, 10).unwrap().len(), 2, "what it said is kept");
}

fn each_version_keeps_what_was_said_and_who_changed_it(database: Database) {
    let mut node = node(&database, "a");
    let mut said = profile("A", &[]);
    node.writer.create(&id("a"), &said, Editor { by: "admin", at: 1 }).unwrap();
    for version in 1..=3 {
        said.prompts.inbound = Some(format!("Words {version}."));
        said.greeting = Some("Hello.".to_owned());
        node.writer.update(&id("a"), version, &said, by(10 + i64::from(version))).unwrap();
    }
    let versions = node.store.business_versions(&id("a"), None, 10).unwrap();
    let told: Vec<_> = versions
        .iter()
        .map(|version| (version.version, version.changed_at, version.changed_by.as_str(), version.changed.join(" ")))
        .collect();
    let expected = [
        (4, 13, "anna", "prompts.inbound".to_owned()),
        (3, 12, "anna", "prompts.inbound".to_owned()),
        (2, 11, "anna", "greeting prompts.inbound".to_owned()),
        (1, 1, "admin", "created".to_owned()),
    ];
    assert_eq!(told, expected);
    assert_eq!(versions[1].prompts.inbound.as_deref(), Some("Words 2."));
    assert_eq!(versions[3].prompts.inbound, None);
    let page = node.store.business_versions(&id("a"), Some(3), 1).unwrap();
    assert_eq!(page.iter().map(|version| version.version).collect::<Vec<_>>(), [2]);
    assert_eq!(node.store.business_versions(&id("b"), None, 10).unwrap(), []);
}

fn the_file_is_followed_until_somebody_edits(database: Database) {
    let mut node = node(&database, "a");
    let mut seeds = [seed("Bakery", &["+15005550006"]), seed("Office", &["*"])];
    assert_eq!(node.writer.seed(&seeds, 1).unwrap(), Seeded { changed: 2, contested: vec![] });
    assert_eq!(node.writer.seed(&seeds, 2).unwrap(), Seeded::default(), "once");
    assert_eq!(all(&node), ["Bakery 1: +15005550006", "Office 1: *"]);

    seeds[0].profile.greeting = Some("Bakery!".to_owned());
    assert_eq!(node.writer.seed(&seeds, 3).unwrap().changed, 1);
    let bakery = node.store.business(&id("Bakery")).unwrap().unwrap();
    assert_eq!((bakery.business.version, bakery.is_seeded, bakery.is_edited), (2, true, false));
    assert_eq!(bakery.business.profile.greeting.as_deref(), Some("Bakery!"));
    let version = &node.store.business_versions(&id("Bakery"), None, 1).unwrap()[0];
    assert_eq!((version.changed_by.as_str(), &version.changed[..]), ("configuration", &["greeting".to_owned()][..]));

    let edited = Profile { greeting: Some("Miller!".to_owned()), ..seeds[0].profile.clone() };
    node.writer.update(&id("Bakery"), 2, &edited, by(4)).unwrap();
    node.writer.delete(&id("Office"), 1, by(5)).unwrap();
    seeds[0].profile.greeting = Some("From the file!".to_owned());
    assert_eq!(node.writer.seed(&seeds, 6).unwrap(), Seeded::default(), "the file has no say any more");
    let bakery = node.store.business(&id("Bakery")).unwrap().unwrap();
    assert_eq!((bakery.is_seeded, bakery.is_edited), (true, true));
    assert_eq!(bakery.business.profile, edited);
    assert_eq!(all(&node), ["Bakery 3: +15005550006"]);
    assert_eq!(node.writer.seed(&[], 7).unwrap(), Seeded::default(), "not even to take it away");
    assert_eq!(all(&node), ["Bakery 3: +15005550006"]);
}

fn a_seed_that_left_the_file_is_taken_back_and_may_return(database: Database) {
    let mut node = node(&database, "a");
    node.writer.seed(&[seed("Reception", &["*"])], 1).unwrap();
    let own = [seed("Bakery", &["*"])];
    assert_eq!(node.writer.seed(&own, 2).unwrap(), Seeded { changed: 2, contested: vec![] });
    assert_eq!(all(&node), ["Bakery 1: *"]);
    assert_eq!(node.writer.seed(&own, 3).unwrap(), Seeded::default());
    node.writer.seed(&[seed("Reception", &["*"])], 4).unwrap();
    assert_eq!(all(&node), ["Reception 3: *"]);
}

fn two_seeds_may_exchange_their_numbers(database: Database) {
    let mut node = node(&database, "a");
    node.writer.seed(&[seed("A", &["+15005550006"]), seed("B", &["+15005550007"])], 1).unwrap();
    let exchanged = [seed("A", &["+15005550007"]), seed("B", &["+15005550006"])];
    assert_eq!(node.writer.seed(&exchanged, 2).unwrap(), Seeded { changed: 2, contested: vec![] });
    assert_eq!(all(&node), ["A 2: +15005550007", "B 2: +15005550006"]);
}

fn a_number_that_was_given_to_another_stays_there(database: Database) {
    let mut node = node(&database, "a");
    node.writer.create(&id("biz_1"), &profile("Edited", &["+15005550006"]), by(1)).unwrap();
    let seeds = [seed("Bakery", &["+15005550006"])];
    let contested = vec![(id("Bakery"), "+15005550006".parse().unwrap())];
    assert_eq!(node.writer.seed(&seeds, 2).unwrap(), Seeded { changed: 1, contested: contested.clone() });
    assert_eq!(all(&node), ["Bakery 1: ", "biz_1 1: +15005550006"]);
    assert_eq!(node.writer.seed(&seeds, 3).unwrap(), Seeded { changed: 0, contested }, "no version for the same");
    node.writer.update(&id("biz_1"), 1, &profile("Edited", &[]), by(4)).unwrap();
    node.writer.seed(&seeds, 5).unwrap();
    assert_eq!(all(&node), ["Bakery 2: +15005550006", "biz_1 2: "]);
}

fn of_many_edits_at_once_on_two_nodes_one_wins(database: Database) {
    let mut first = node(&database, "a");
    first.writer.create(&id("b"), &profile("B", &[]), by(1)).unwrap();
    let (barrier, second) = (Barrier::new(8), node(&database, "b"));
    let results: Vec<_> = std::thread::scope(|scope| {
        let edit = |n: usize| {
            let store = if n.is_multiple_of(2) { &first.store } else { &second.store };
            let (mut writer, barrier) = (store.business_writer(), &barrier);
            scope.spawn(move || {
                barrier.wait();
                writer.update(&id("b"), 1, &profile(&format!("B{n}"), &[&format!("+1500555010{n}")]), by(2))
            })
        };
        let threads: Vec<_> = (0..8).map(edit).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let won: Vec<_> = results.iter().flatten().collect();
    assert_eq!(won.len(), 1, "{results:?}");
    let lost = results.iter().filter(|result| **result == Err(EditError::Stale { current: 2 })).count();
    assert_eq!(lost, 7, "{results:?}");
    assert_eq!(second.store.businesses().unwrap(), [won[0].clone()]);
}

fn every_edit_is_announced(database: Database) {
    let mut node = node(&database, "a");
    let mut seen = node.store.business_change().unwrap();
    let mut grows = |node: &Node, what: &str| {
        let now = node.store.business_change().unwrap();
        assert!(now > seen, "{what}");
        seen = now;
    };
    node.writer.seed(&[seed("A", &["*"])], 1).unwrap();
    grows(&node, "seeded");
    node.writer.create(&id("b"), &profile("B", &[]), by(2)).unwrap();
    grows(&node, "made");
    node.writer.update(&id("b"), 1, &profile("C", &[]), by(3)).unwrap();
    grows(&node, "changed");
    node.writer.delete(&id("b"), 2, by(4)).unwrap();
    grows(&node, "deleted");
    node.writer.seed(&[], 5).unwrap();
    grows(&node, "taken back");
    let still = node.store.business_change().unwrap();
    node.writer.seed(&[], 6).unwrap();
    node.writer.update(&id("b"), 3, &profile("D", &[]), by(7)).unwrap_err();
    assert_eq!(node.store.business_change().unwrap(), still, "nothing has changed");
}

fn businesses_come_in_pages(database: Database) {
    let mut node = node(&database, "a");
    for n in 0..7 {
        node.writer.create(&id(&format!("b{n}")), &profile("B", &[]), by(n)).unwrap();
    }
    let (mut seen, mut behind) = (Vec::new(), None::<BusinessId>);
    loop {
        let page = node.store.businesses_page(behind.as_ref(), 3).unwrap();
        behind = page.last().map(|stored| stored.business.id.clone());
        seen.extend(page.iter().map(|stored| stored.business.id.to_string()));
        if page.len() < 3 {
            break;
        }
    }
    assert_eq!(seen, ["b0", "b1", "b2", "b3", "b4", "b5", "b6"]);
}
