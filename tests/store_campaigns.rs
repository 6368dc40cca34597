//! Who may write what of a campaign: the node that holds it, and no other, on either database.

#[macro_use]
#[path = "support/databases.rs"]
mod databases;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/skip.rs"]
mod skip;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use databases::Database;
use serde_json::json;
use trunkline::engine::business::Profile;
use trunkline::engine::campaign::{
    Campaign, CampaignOrder, CampaignState, Hours, LeadState, NewLead, Outcome, Steering,
};
use trunkline::engine::delivery::EventKind;
use trunkline::engine::ids::{CallSid, CampaignId, JobId};
use trunkline::engine::outbound::{JobState, OnMachine};
use trunkline::engine::status::{CallStatus, CarrierSource, StatusChange};
use trunkline::store::businesses::Editor;
use trunkline::store::campaigns::CampaignLease;
use trunkline::store::{JobNews, StatusWriter, Store};

const SECOND: i64 = 1_000_000;
/// Some time in November 2026.
const NOW: i64 = 1_795_521_600 * SECOND;
const LEASE: Duration = Duration::from_secs(15);
const PATIENCE: Duration = Duration::from_secs(300);

on_both_databases! {
    only_the_node_that_holds_a_campaign_writes
    nodes_that_claim_at_once_dial_nobody_twice
    an_end_is_written_once_and_gives_the_campaign_back
    a_call_that_is_told_of_too_late_corrects_its_lead_and_calls_nobody
    a_business_that_listens_is_told_once_that_its_campaign_is_over
}

fn id() -> CampaignId {
    "CP0123456789abcdef0123456789abcdef".parse().unwrap()
}

fn job(n: usize) -> JobId {
    format!("OB{n:032x}").parse().unwrap()
}

/// A store with a running campaign of this many leads.
fn with_campaign(database: &Database, leads: usize) -> Store {
    with_campaign_and_writer(database, leads).0
}

fn with_campaign_and_writer(database: &Database, leads: usize) -> (Store, StatusWriter) {
    let (store, writer) = database.open("a");
    databases::until("the database answers", || store.ping().is_ok());
    let order = CampaignOrder {
        business: "Bakery".parse().unwrap(),
        name: "Autumn".to_owned(),
        from: "+15005550006".parse().unwrap(),
        concurrency: 3,
        spacing: Duration::ZERO,
        hours: Hours::always(),
        context: vec![("offer".to_owned(), "bread".to_owned())],
        on_machine: OnMachine::Ignore,
        message: None,
    };
    let state = CampaignState::Running;
    let campaign = Campaign { id: id(), order, state, created_at: NOW, started_at: None, ended_at: None };
    let lead = |n: usize| NewLead { number: format!("+1415556{n:04}").parse().unwrap(), variables: vec![] };
    let list: Vec<(NewLead, JobId)> = (0..leads).map(|n| (lead(n), job(n))).collect();
    store.add_campaign(&campaign, &list).unwrap();
    assert_eq!(store.campaign(&id()).unwrap(), Some(campaign));
    (store, writer)
}

fn take(store: &Store, node: &str, now: i64) -> Option<CampaignLease> {
    store.take_campaigns(&Arc::from(node), now, LEASE, 8).unwrap().pop()
}

fn only_the_node_that_holds_a_campaign_writes(database: Database) {
    let store = with_campaign(&database, 3);
    let first = take(&store, "a", NOW).unwrap();
    assert!(take(&store, "b", NOW + 15 * SECOND).is_none(), "it is held");
    assert!(store.advance_campaign(&first, NOW + 10 * SECOND, LEASE, PATIENCE).unwrap().is_some());
    assert!(take(&store, "b", NOW + 16 * SECOND).is_none(), "it was renewed");
    let job = store.dial_next_lead(&first, NOW + 10 * SECOND).unwrap().unwrap();
    assert_eq!((job.state, job.order.to.as_str()), (JobState::Dialling, "+14155560000"));
    assert_eq!(store.begin_dialling(&job.job, NOW), Ok(false), "its one right to be dialled is taken");

    let second = take(&store, "b", NOW + 26 * SECOND).unwrap();
    assert!(second.is_taken_over() && !first.is_taken_over());
    let late = NOW + 27 * SECOND;
    assert_eq!(store.advance_campaign(&first, late, LEASE, PATIENCE).unwrap(), None);
    assert_eq!(store.dial_next_lead(&first, late).unwrap(), None);
    store.release_campaign(&first).unwrap();
    assert!(take(&store, "c", late).is_none(), "what the first gives back is not its own any more");
    let leads = store.leads_page(&id(), None, 0, 9).unwrap();
    let states: Vec<LeadState> = leads.iter().map(|lead| lead.state).collect();
    assert_eq!(states, [LeadState::Dialing, LeadState::Queued, LeadState::Queued]);
    assert_eq!((leads[0].claimed_by.as_deref(), leads[0].attempts), (Some("a"), 1));

    let next = store.dial_next_lead(&second, late).unwrap().unwrap();
    assert_eq!(next.order.to.as_str(), "+14155560001");
    store.release_campaign(&second).unwrap();
    assert!(take(&store, "c", late).is_some(), "what was given back can be taken at once");
}

fn nodes_that_claim_at_once_dial_nobody_twice(database: Database) {
    let store = with_campaign(&database, 40);
    let lease = take(&store, "a", NOW).unwrap();
    let claimed = std::thread::scope(|scope| {
        let claim = || {
            let mut jobs = Vec::new();
            // A transaction that another is in the way of is tried again by the run's next round.
            for _ in 0..40 {
                jobs.extend(store.dial_next_lead(&lease, NOW).ok().flatten().map(|job| job.job));
            }
            jobs
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(claim)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    let distinct: BTreeSet<&JobId> = claimed.iter().collect();
    assert_eq!((claimed.len(), distinct.len()), (40, 40));
}

fn an_end_is_written_once_and_gives_the_campaign_back(database: Database) {
    let store = with_campaign(&database, 2);
    let lease = take(&store, "a", NOW).unwrap();
    let [first, second] = [0, 1].map(|_| store.dial_next_lead(&lease, NOW).unwrap().unwrap().job);
    assert_eq!(store.dial_next_lead(&lease, NOW).unwrap(), None);
    store.settle_job(&first, &JobNews::NotPlaced("the carrier refused".to_owned())).unwrap();
    let advance = store.advance_campaign(&lease, NOW + SECOND, LEASE, PATIENCE).unwrap().unwrap();
    assert_eq!((advance.standing.open, advance.is_over), (1, false));
    assert_eq!(advance.ended.iter().map(|end| end.outcome).collect::<Vec<_>>(), [Outcome::NotPlaced]);
    let again = store.advance_campaign(&lease, NOW + SECOND, LEASE, PATIENCE).unwrap().unwrap();
    assert!(again.ended.is_empty(), "once");

    // Nobody ever tells of the second; it is given up.
    let late = NOW + 301 * SECOND;
    let advance = store.advance_campaign(&lease, late, LEASE, PATIENCE).unwrap().unwrap();
    assert_eq!((advance.standing.state, advance.is_over), (CampaignState::Completed, true));
    assert_eq!(advance.ended.iter().map(|end| end.outcome).collect::<Vec<_>>(), [Outcome::Unknown]);
    let leads = store.leads_page(&id(), Some(LeadState::Failed), 0, 9).unwrap();
    assert_eq!(leads.len(), 2);
    assert_eq!((&leads[1].job, leads[1].ended_at), (&second, Some(late)));
    assert_eq!(store.campaign(&id()).unwrap().unwrap().ended_at, Some(late));
    assert!(take(&store, "b", late + SECOND).is_none(), "there is nothing left to do");
    assert!(!store.steer_campaign(&id(), Steering::Resume, late).unwrap().unwrap().1);
}

fn a_call_that_is_told_of_too_late_corrects_its_lead_and_calls_nobody(database: Database) {
    let (store, mut writer) = with_campaign_and_writer(&database, 2);
    let lease = take(&store, "a", NOW).unwrap();
    let [first, second] = [0, 1].map(|_| store.dial_next_lead(&lease, NOW).unwrap().unwrap().job);
    store.settle_job(&second, &JobNews::NotPlaced("the carrier knows of no such call".to_owned())).unwrap();
    let late = NOW + 301 * SECOND;
    assert!(store.advance_campaign(&lease, late, LEASE, PATIENCE).unwrap().unwrap().is_over);
    let outcomes = || store.leads_page(&id(), None, 0, 9).unwrap().into_iter().map(|lead| (lead.state, lead.outcome));
    let given_up = [Outcome::Unknown, Outcome::NotPlaced].map(|outcome| (LeadState::Failed, Some(outcome)));
    assert_eq!(outcomes().collect::<Vec<_>>(), given_up);

    // The webhooks come in the end: one call goes on, the other has ended.
    let [going, over]: [CallSid; 2] = [1, 2].map(|n| format!("CA{n:032x}").parse().unwrap());
    for (job, call) in [(&first, &going), (&second, &over)] {
        assert!(store.settle_job(job, &JobNews::Placed(call.clone())).unwrap());
        assert!(!store.settle_job(job, &JobNews::Placed(call.clone())).unwrap(), "the next webhook is no news");
    }
    let told = |call: &CallSid, status| StatusChange::new(call.clone(), status, CarrierSource::StatusCallback, late);
    writer.apply(&[told(&over, CallStatus::Completed)]).unwrap();
    let lease = take(&store, "b", late).expect("there is work again");
    let advance = store.advance_campaign(&lease, late, LEASE, PATIENCE).unwrap().unwrap();
    assert_eq!((advance.standing.state, advance.standing.open), (CampaignState::Completed, 1));
    let expected = [(LeadState::Calling, None), (LeadState::Completed, Some(Outcome::Completed))];
    assert_eq!(outcomes().collect::<Vec<_>>(), expected);
    assert_eq!(store.dial_next_lead(&lease, late).unwrap(), None, "nobody is called");

    writer.apply(&[told(&going, CallStatus::Busy)]).unwrap();
    assert!(store.advance_campaign(&lease, late + SECOND, LEASE, PATIENCE).unwrap().unwrap().is_over);
    let leads = store.leads_page(&id(), None, 0, 9).unwrap();
    assert_eq!((leads[0].outcome, leads[0].call_sid.as_ref()), (Some(Outcome::Busy), Some(&going)));
    assert!(
        leads.iter().all(|lead| lead.attempts == 1 && lead.error.is_none() && lead.ended_at.is_some()),
        "{leads:?}"
    );
    assert_eq!(store.campaign(&id()).unwrap().unwrap().ended_at, Some(late), "the campaign ended when it did");
}

fn a_business_that_listens_is_told_once_that_its_campaign_is_over(database: Database) {
    let store = with_campaign(&database, 2);
    let (bakery, url) = ("Bakery".parse().unwrap(), Some("https://bakery.example/hooks".to_owned()));
    let profile = Profile { webhook_url: url, ..Profile::named("Bakery") };
    store.business_writer().create(&bakery, &profile, Editor { by: "test", at: 1 }).unwrap();
    let lease = take(&store, "a", NOW).unwrap();
    let jobs = [0, 1].map(|_| store.dial_next_lead(&lease, NOW).unwrap().unwrap().job);
    let told = || store.deliveries(&bakery, None, None, 9).unwrap();
    for job in &jobs {
        assert_eq!(told(), [], "it is not over");
        store.settle_job(job, &JobNews::NotPlaced("the carrier refused".to_owned())).unwrap();
        store.advance_campaign(&lease, NOW + SECOND, LEASE, PATIENCE).unwrap().unwrap();
    }
    let told = told();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((told[0].kind, told[0].subject.as_str()), (EventKind::CampaignCompleted, id().as_str()));
    let body = json!({ "campaign": id().as_str(), "name": "Autumn", "leads": 2, "outcomes": { "not-placed": 2 } });
    assert_eq!(told[0].body, Some(body));
}
