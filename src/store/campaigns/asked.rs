//! What the interface asks: a campaign is kept whole or not at all, read, and steered.

use diesel::prelude::*;

use super::rows::{CampaignRow, LeadRow};
use super::{CampaignPlace, LeadCounts};
use crate::engine::campaign::{Campaign, Lead, LeadState, NewLead, Steering};
use crate::engine::ids::{BusinessId, CampaignId, JobId};
use crate::store::Store;
use crate::store::db::{Conn, both};
use crate::store::error::{Fault, StoreError};
use crate::store::rows::{number, parsed};
use crate::store::schema::{campaigns, leads};

/// So many leads go into one statement: their values stay below what either database takes.
const LEADS_AT_ONCE: usize = 500;

/// Every method blocks for as long as the database does.
impl Store {
    /// Keeps a campaign with its leads, each with the job that may call it.
    pub fn add_campaign(&self, campaign: &Campaign, list: &[(NewLead, JobId)]) -> Result<(), StoreError> {
        self.change(|conn| {
            let row = CampaignRow::new(campaign)?;
            both!(&mut *conn, |c| diesel::insert_into(campaigns::table).values(&row).execute(c))?;
            let rows = list.iter().enumerate().map(|(n, (lead, job))| LeadRow::new(&campaign.id, n + 1, lead, job));
            let rows = rows.collect::<Result<Vec<_>, _>>()?;
            for part in rows.chunks(LEADS_AT_ONCE) {
                match &mut *conn {
                    // In the same process one statement for each costs no more.
                    Conn::Sqlite(c) => {
                        for row in part {
                            diesel::insert_into(leads::table).values(row).execute(c)?;
                        }
                    }
                    #[cfg(feature = "postgres")]
                    Conn::Postgres(c) => {
                        diesel::insert_into(leads::table).values(part).execute(c)?;
                    }
                }
            }
            Ok(())
        })
    }

    /// A campaign; `None` if there is none of this id.
    pub fn campaign(&self, id: &CampaignId) -> Result<Option<Campaign>, StoreError> {
        self.ask(|conn| campaign_of(conn, id))
    }

    /// Up to so many campaigns, the newest first, that stand in the list behind this place; of one business, or of all.
    pub fn campaigns_page(
        &self,
        business: Option<&BusinessId>,
        behind: Option<&CampaignPlace>,
        rows: usize,
    ) -> Result<Vec<Campaign>, StoreError> {
        use campaigns::{created_at, id};
        self.ask(|conn| {
            both!(conn, |c| {
                let mut page = campaigns::table.select(CampaignRow::as_select()).into_boxed();
                if let Some(business) = business {
                    page = page.filter(campaigns::business.eq(business.as_str()));
                }
                if let Some(CampaignPlace(time, name)) = behind {
                    // The first part says nothing more, but it is what an index can use.
                    page = page.filter(created_at.le(time)).filter(created_at.lt(time).or(id.lt(name.as_str())));
                }
                page.order((created_at.desc(), id.desc())).limit(rows as i64).load(c)
            })?
            .into_iter()
            .map(CampaignRow::into_campaign)
            .collect()
        })
    }

    /// How far the leads of a campaign have come.
    pub fn lead_counts(&self, id: &CampaignId) -> Result<LeadCounts, StoreError> {
        use diesel::dsl::count_star;
        self.ask(|conn| {
            let counts: Vec<(String, i64)> = both!(conn, |c| leads::table
                .filter(leads::campaign.eq(id.as_str()))
                .group_by(leads::state)
                .select((leads::state, count_star()))
                .load(c))?;
            let counts = counts.into_iter();
            counts.map(|(state, n)| Ok((parsed(&state, "leads.state")?, number(n, "leads")?))).collect()
        })
    }

    /// Up to so many leads of a campaign, in the order of the list, behind this position; those in one state, or all.
    pub fn leads_page(
        &self,
        id: &CampaignId,
        state: Option<LeadState>,
        behind: u32,
        rows: usize,
    ) -> Result<Vec<Lead>, StoreError> {
        self.ask(|conn| {
            both!(conn, |c| {
                let mut page = leads::table
                    .filter(leads::campaign.eq(id.as_str()))
                    .filter(leads::position.gt(i64::from(behind)))
                    .select(LeadRow::as_select())
                    .into_boxed();
                if let Some(state) = state {
                    page = page.filter(leads::state.eq(state.as_str()));
                }
                page.order(leads::position).limit(rows as i64).load(c)
            })?
            .into_iter()
            .map(LeadRow::into_lead)
            .collect()
        })
    }

    /// Steers a campaign at `at`: the campaign as it is then, and whether that changed it. From the commit on no lead is
    /// dialled against it, on any node.
    pub fn steer_campaign(
        &self,
        id: &CampaignId,
        steering: Steering,
        at: i64,
    ) -> Result<Option<(Campaign, bool)>, StoreError> {
        let from: Vec<&str> = steering.from().iter().map(|state| state.as_str()).collect();
        let ended_at = (steering == Steering::Cancel).then_some(at);
        self.change(|conn| {
            let steered = campaigns::table.find(id.as_str()).filter(campaigns::state.eq_any(&from));
            let to = (
                campaigns::state.eq(steering.to().as_str()),
                campaigns::ended_at.eq(ended_at),
                campaigns::has_work.eq(true),
            );
            let changed = both!(&mut *conn, |c| diesel::update(steered).set(to).execute(c))? == 1;
            Ok(campaign_of(conn, id)?.map(|campaign| (campaign, changed)))
        })
    }
}

fn campaign_of(conn: &mut Conn, id: &CampaignId) -> Result<Option<Campaign>, Fault> {
    both!(conn, |c| campaigns::table.find(id.as_str()).select(CampaignRow::as_select()).first(c).optional())?
        .map(CampaignRow::into_campaign)
        .transpose()
}
