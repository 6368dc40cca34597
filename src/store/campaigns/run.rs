//! What the node writes that runs a campaign.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use diesel::dsl::count_star;
use diesel::prelude::*;
use serde_json::json;

use super::rows::{CampaignRow, LeadRow};
use super::{Advance, CampaignLease, LeadEnd};
use crate::engine::campaign::{Campaign, CampaignState, LeadState, Outcome, Sighting, Standing, follow};
use crate::engine::delivery::EventKind;
use crate::engine::ids::JobId;
use crate::engine::outbound::{JobState, OutboundJob};
use crate::engine::status::CallStatus;
use crate::store::Store;
use crate::store::db::{Conn, both};
use crate::store::deliveries::{News, tell};
use crate::store::error::{Fault, StoreError};
use crate::store::outbound::insert_dialling;
use crate::store::rows::parsed;
use crate::store::schema::{businesses, call_ends, calls, campaigns, leads, outbound_calls};

/// Every method blocks for as long as the database does. Times are microseconds since 1970-01-01 UTC.
impl Store {
    /// Takes up to `at_most` campaigns that have work and that no node holds, for `node`, until `length` after `now`.
    pub fn take_campaigns(
        &self,
        node: &Arc<str>,
        now: i64,
        length: Duration,
        at_most: u32,
    ) -> Result<Vec<CampaignLease>, StoreError> {
        self.change(|conn| {
            let is_free = campaigns::has_work.eq(true).and(campaigns::held_until.lt(now));
            let free: Vec<CampaignRow> = both!(&mut *conn, |c| campaigns::table
                .filter(is_free)
                .order((campaigns::held_until, campaigns::id))
                .limit(at_most.into())
                .select(CampaignRow::as_select())
                .load(c))?;
            let mut taken = Vec::new();
            for row in free {
                let fence = row.fence() + 1;
                let campaign = row.into_campaign()?;
                let same = campaigns::table.find(campaign.id.as_str()).filter(campaigns::fence.eq(fence - 1));
                let to = (
                    campaigns::holder.eq(&**node),
                    campaigns::fence.eq(fence),
                    campaigns::held_until.eq(later(now, length)),
                    campaigns::started_at.eq(campaign.started_at.unwrap_or(now)),
                );
                // Another node may have been faster.
                if both!(&mut *conn, |c| diesel::update(same).set(to).execute(c))? == 1 {
                    taken.push(CampaignLease { campaign, node: Arc::clone(node), fence });
                }
            }
            Ok(taken)
        })
    }

    /// Holds a campaign until `length` after `now`, writes down what has become of its open leads, and tells how it stands;
    /// `None` if another node has taken it. A lead of which nothing is known is given up after `patience`.
    pub fn advance_campaign(
        &self,
        lease: &CampaignLease,
        now: i64,
        length: Duration,
        patience: Duration,
    ) -> Result<Option<Advance>, StoreError> {
        self.change(|conn| {
            let Some((mut state, last_dial_at)) = hold(conn, lease, later(now, length))? else { return Ok(None) };
            let (open, ended) = follow_leads(conn, lease, now, patience)?;
            let has_ended = matches!(state, CampaignState::Cancelled | CampaignState::Completed);
            if !has_ended && is_business_gone(conn, lease)? {
                state = CampaignState::Cancelled; // there is nobody to call for any more
                write_end(conn, lease, state, now)?;
            }
            if state == CampaignState::Cancelled {
                cancel_queued(conn, lease, now)?;
            }
            let mut standing = Standing { state, has_queued: has_queued(conn, lease)?, open, last_dial_at };
            let is_over = standing.is_over();
            if is_over {
                if state == CampaignState::Running {
                    standing.state = CampaignState::Completed;
                    write_end(conn, lease, standing.state, now)?;
                    tell_completed(conn, lease, now)?;
                }
                give_back(conn, lease, true)?;
            }
            Ok(Some(Advance { standing, ended, is_over }))
        })
    }

    /// Claims the next lead and writes down that its call is about to be dialled, in one commit: the job to be dialled, which
    /// nobody else will. `None` if another node has taken the campaign, if it is not to call anybody now, or if nobody is left.
    pub fn dial_next_lead(&self, lease: &CampaignLease, now: i64) -> Result<Option<OutboundJob>, StoreError> {
        self.change(|conn| {
            let running = ours(lease).filter(campaigns::state.eq(CampaignState::Running.as_str()));
            let noted = campaigns::last_dial_at.eq(now);
            if both!(&mut *conn, |c| diesel::update(running).set(noted).execute(c))? == 0 {
                return Ok(None);
            }
            let Some(row) = next_queued(conn, lease)? else { return Ok(None) };
            let claimed = leads::table
                .find((lease.campaign.id.as_str(), row.position))
                .filter(leads::state.eq(LeadState::Queued.as_str()));
            let to = (
                leads::state.eq(LeadState::Dialing.as_str()),
                leads::attempts.eq(1),
                leads::claimed_by.eq(&*lease.node),
                leads::dialled_at.eq(now),
            );
            if both!(&mut *conn, |c| diesel::update(claimed).set(to).execute(c))? == 0 {
                return Ok(None);
            }
            let lead = row.into_lead()?;
            insert_dialling(conn, &lead.job, &lease.campaign.order.call_to(&lead.lead), now).map(Some)
        })
    }

    /// Gives back every campaign of a node that stops. What that node may still be writing for one of them is not taken.
    pub fn release_campaigns_of(&self, node: &str) -> Result<(), StoreError> {
        self.change(|conn| {
            let held = campaigns::table.filter(campaigns::has_work.eq(true)).filter(campaigns::holder.eq(node));
            let free = (
                campaigns::holder.eq(None::<&str>),
                campaigns::fence.eq(campaigns::fence + 1),
                campaigns::held_until.eq(0),
            );
            both!(conn, |c| diesel::update(held).set(free).execute(c))?;
            Ok(())
        })
    }

    /// Gives a campaign back before it is over: another node may take it at once.
    pub fn release_campaign(&self, lease: &CampaignLease) -> Result<(), StoreError> {
        self.change(|conn| give_back(conn, lease, false))
    }
}

/// The row of the campaign, if it is still this run's.
#[diesel::dsl::auto_type(no_type_alias)]
fn ours<'a>(lease: &'a CampaignLease) -> _ {
    let id: &'a str = lease.campaign.id.as_str();
    let fence: i64 = lease.fence;
    campaigns::table.filter(campaigns::id.eq(id)).filter(campaigns::fence.eq(fence))
}

fn later(now: i64, length: Duration) -> i64 {
    now.saturating_add(i64::try_from(length.as_micros()).unwrap_or(i64::MAX))
}

/// Proves the lease and prolongs it: the campaign's state, and when it dialled last. Until the commit nobody else changes it.
fn hold(conn: &mut Conn, lease: &CampaignLease, until: i64) -> Result<Option<(CampaignState, Option<i64>)>, Fault> {
    let to = campaigns::held_until.eq(until);
    if both!(&mut *conn, |c| diesel::update(ours(lease)).set(to).execute(c))? == 0 {
        return Ok(None);
    }
    let (state, last_dial_at): (String, Option<i64>) =
        both!(conn, |c| ours(lease).select((campaigns::state, campaigns::last_dial_at)).first(c))?;
    Ok(Some((parsed(&state, "campaigns.state")?, last_dial_at)))
}

/// Writes down what is new of the open leads: how many are open then, and which have ended.
fn follow_leads(
    conn: &mut Conn,
    lease: &CampaignLease,
    now: i64,
    patience: Duration,
) -> Result<(u32, Vec<LeadEnd>), Fault> {
    let open: Vec<LeadRow> = both!(&mut *conn, |c| leads::table
        .filter(leads::campaign.eq(lease.campaign.id.as_str()))
        .filter(leads::state.eq_any(LeadState::OPEN.map(LeadState::as_str)))
        .select(LeadRow::as_select())
        .load(c))?;
    let seen = Seen::of(conn, &open)?;
    let (mut still_open, mut ended) = (0, Vec::new());
    for row in &open {
        let since_dialled = Duration::from_micros(u64::try_from(now - row.dialled_at.unwrap_or(now)).unwrap_or(0));
        let job = seen.job(&row.job)?;
        let sighting = Sighting { job: job.state, since_dialled, call: job.call, media_is_over: job.media_is_over };
        let news = follow(parsed(&row.state, "leads.state")?, &sighting, patience);
        match news.and_then(|news| news.outcome) {
            Some(outcome) => {
                let call_sid = job.call_sid.map(|sid| parsed(sid, "leads.call_sid")).transpose()?;
                ended.push(LeadEnd { call_sid, outcome });
            }
            None => still_open += 1,
        }
        let Some(news) = news else { continue };
        let error = match news.outcome {
            Some(Outcome::NotPlaced) => job.error,
            Some(Outcome::Unknown) => Some("it was not found out whether the carrier placed the call"),
            _ => None,
        };
        let to = (
            leads::state.eq(news.state.as_str()),
            leads::call_sid.eq(job.call_sid),
            leads::outcome.eq(news.outcome.map(Outcome::as_str)),
            leads::error.eq(error),
            leads::ended_at.eq(news.outcome.map(|_| now)),
        );
        let lead = leads::table.find((lease.campaign.id.as_str(), row.position));
        both!(&mut *conn, |c| diesel::update(lead).set(to).execute(c))?;
    }
    Ok((still_open, ended))
}

/// What is known of the jobs of open leads, and of their calls.
struct Seen {
    jobs: HashMap<String, (String, Option<String>, Option<String>)>,
    calls: HashMap<String, String>,
    over: HashSet<String>,
}

/// What is known of one.
struct SeenJob<'a> {
    state: JobState,
    call_sid: Option<&'a str>,
    error: Option<&'a str>,
    call: Option<CallStatus>,
    media_is_over: bool,
}

impl Seen {
    fn of(conn: &mut Conn, open: &[LeadRow]) -> Result<Self, Fault> {
        let names: Vec<&str> = open.iter().map(|row| row.job.as_str()).collect();
        if names.is_empty() {
            return Ok(Self { jobs: HashMap::new(), calls: HashMap::new(), over: HashSet::new() });
        }
        let columns = (outbound_calls::job, outbound_calls::state, outbound_calls::call_sid, outbound_calls::error);
        let rows: Vec<(String, String, Option<String>, Option<String>)> = both!(&mut *conn, |c| outbound_calls::table
            .filter(outbound_calls::job.eq_any(&names))
            .select(columns)
            .load(c))?;
        let sids: Vec<&str> = rows.iter().filter_map(|(_, _, sid, _)| sid.as_deref()).collect();
        let calls: Vec<(String, String)> = both!(&mut *conn, |c| calls::table
            .filter(calls::call_sid.eq_any(&sids))
            .select((calls::call_sid, calls::status))
            .load(c))?;
        let over: Vec<String> = both!(&mut *conn, |c| call_ends::table
            .filter(call_ends::call_sid.eq_any(&sids))
            .select(call_ends::call_sid)
            .load(c))?;
        let jobs = rows.into_iter().map(|(name, state, sid, error)| (name, (state, sid, error))).collect();
        Ok(Self { jobs, calls: calls.into_iter().collect(), over: over.into_iter().collect() })
    }

    fn job(&self, name: &str) -> Result<SeenJob<'_>, Fault> {
        let (state, call_sid, error) = self.jobs.get(name).ok_or(Fault::Corrupt("leads.job"))?;
        let status = call_sid.as_ref().and_then(|sid| self.calls.get(sid));
        Ok(SeenJob {
            state: parsed(state, "outbound_calls.state")?,
            call_sid: call_sid.as_deref(),
            error: error.as_deref(),
            call: status.map(|word| parsed(word, "calls.status")).transpose()?,
            media_is_over: call_sid.as_ref().is_some_and(|sid| self.over.contains(sid)),
        })
    }
}

fn cancel_queued(conn: &mut Conn, lease: &CampaignLease, now: i64) -> Result<(), Fault> {
    let queued = leads::table
        .filter(leads::campaign.eq(lease.campaign.id.as_str()))
        .filter(leads::state.eq(LeadState::Queued.as_str()));
    let to = (leads::state.eq(LeadState::Cancelled.as_str()), leads::ended_at.eq(now));
    both!(conn, |c| diesel::update(queued).set(to).execute(c))?;
    Ok(())
}

fn has_queued(conn: &mut Conn, lease: &CampaignLease) -> Result<bool, Fault> {
    let queued = leads::table
        .filter(leads::campaign.eq(lease.campaign.id.as_str()))
        .filter(leads::state.eq(LeadState::Queued.as_str()));
    Ok(both!(conn, |c| queued.select(leads::position).first::<i64>(c).optional())?.is_some())
}

/// The call to a lead has been told of. A lead that was taken for one without a call is open again, and whoever runs its
/// campaign writes down how the call ends; nobody is dialled by that. To be called in the transaction that keeps the call.
pub(in crate::store) fn follow_again(conn: &mut Conn, job: &JobId) -> Result<(), Fault> {
    let of_job = leads::table.filter(leads::job.eq(job.as_str())).select(leads::campaign);
    let Some(campaign) = both!(&mut *conn, |c| of_job.first::<String>(c).optional())? else { return Ok(()) };
    // Whoever is settling the lead now holds this row, and has done so when we have it.
    let row = campaigns::table.find(&campaign).select(campaigns::id);
    match &mut *conn {
        Conn::Sqlite(c) => row.first::<String>(c).optional()?,
        #[cfg(feature = "postgres")]
        Conn::Postgres(c) => row.for_update().first::<String>(c).optional()?,
    };
    let without_call = [Outcome::Unknown, Outcome::NotPlaced].map(Outcome::as_str);
    let lead = leads::table.filter(leads::job.eq(job.as_str())).filter(leads::outcome.eq_any(without_call));
    let nothing = None::<&str>;
    let open = (
        leads::state.eq(LeadState::Unknown.as_str()),
        leads::outcome.eq(nothing),
        leads::error.eq(nothing),
        leads::ended_at.eq(None::<i64>),
    );
    if both!(&mut *conn, |c| diesel::update(lead).set(open).execute(c))? == 1 {
        both!(conn, |c| diesel::update(campaigns::table.find(&campaign)).set(campaigns::has_work.eq(true)).execute(c))?;
    }
    Ok(())
}

/// The next lead that nobody is claiming at this moment.
fn next_queued(conn: &mut Conn, lease: &CampaignLease) -> Result<Option<LeadRow>, Fault> {
    let queued = leads::table
        .filter(leads::campaign.eq(lease.campaign.id.as_str()))
        .filter(leads::state.eq(LeadState::Queued.as_str()))
        .order(leads::position)
        .limit(1);
    Ok(match conn {
        // Nobody else writes while this transaction lasts.
        Conn::Sqlite(c) => queued.select(LeadRow::as_select()).first(c).optional()?,
        #[cfg(feature = "postgres")]
        Conn::Postgres(c) => queued.select(LeadRow::as_select()).for_update().skip_locked().first(c).optional()?,
    })
}

/// Whether the campaign's business was deleted.
fn is_business_gone(conn: &mut Conn, lease: &CampaignLease) -> Result<bool, Fault> {
    let deleted = businesses::table
        .find(lease.campaign.order.business.as_str())
        .filter(businesses::deleted_at.is_not_null())
        .select(businesses::id);
    Ok(both!(conn, |c| deleted.first::<String>(c).optional())?.is_some())
}

/// The campaign's last state: written here when every lead has been called, and nowhere else.
fn write_end(conn: &mut Conn, lease: &CampaignLease, state: CampaignState, now: i64) -> Result<(), Fault> {
    let end = (campaigns::state.eq(state.as_str()), campaigns::ended_at.eq(now));
    both!(conn, |c| diesel::update(ours(lease)).set(end).execute(c))?;
    Ok(())
}

/// Notes that the campaign's business is to be told of its end, in the same transaction. The figures change no more.
fn tell_completed(conn: &mut Conn, lease: &CampaignLease, now: i64) -> Result<(), Fault> {
    let Campaign { id, order, .. } = &lease.campaign;
    let outcomes: Vec<(Option<String>, i64)> = both!(&mut *conn, |c| leads::table
        .filter(leads::campaign.eq(id.as_str()))
        .group_by(leads::outcome)
        .select((leads::outcome, count_star()))
        .load(c))?;
    let total: i64 = outcomes.iter().map(|(_, count)| count).sum();
    let outcomes: BTreeMap<String, i64> =
        outcomes.into_iter().filter_map(|(outcome, count)| Some((outcome?, count))).collect();
    let body = json!({ "campaign": id.as_str(), "name": order.name, "leads": total, "outcomes": outcomes });
    let (business, subject) = (order.business.as_str(), id.as_str());
    tell(conn, &[News { kind: EventKind::CampaignCompleted, business, subject, body: Some(body), at: now }])
}

/// Nobody holds the campaign any more; `is_over`: nobody has to, unless somebody steers it.
fn give_back(conn: &mut Conn, lease: &CampaignLease, is_over: bool) -> Result<(), Fault> {
    let free = (campaigns::has_work.eq(!is_over), campaigns::holder.eq(None::<&str>), campaigns::held_until.eq(0));
    both!(conn, |c| diesel::update(ours(lease)).set(free).execute(c))?;
    Ok(())
}
