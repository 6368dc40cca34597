//! Rows of campaigns and leads as the tables hold them.

use std::time::Duration;

use diesel::prelude::*;
use serde::de::DeserializeOwned;

use crate::engine::campaign::{Campaign, CampaignOrder, CampaignState, Hours, Lead, LeadState, NewLead, Window};
use crate::engine::ids::{CampaignId, JobId};
use crate::store::error::Fault;
use crate::store::rows::{json, number, parsed, storable};
use crate::store::schema::{campaigns, leads};

/// One row of `campaigns`, without what belongs to its run.
#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = campaigns)]
pub(super) struct CampaignRow {
    id: String,
    business: String,
    name: String,
    state: String,
    from_number: String,
    concurrency: i64,
    spacing_ms: i64,
    windows_json: String,
    time_zone: String,
    context_json: String,
    on_machine: String,
    message: Option<String>,
    created_at: i64,
    started_at: Option<i64>,
    ended_at: Option<i64>,
    has_work: bool,
    fence: i64,
    held_until: i64,
}

impl CampaignRow {
    /// The row of a new campaign. One that nobody has started has no work.
    pub fn new(campaign: &Campaign) -> Result<Self, Fault> {
        let order = &campaign.order;
        let windows: Vec<String> = order.hours.windows().iter().map(Window::to_string).collect();
        Ok(Self {
            id: campaign.id.to_string(),
            business: order.business.to_string(),
            name: storable(&order.name),
            state: campaign.state.as_str().to_owned(),
            from_number: order.from.as_str().to_owned(),
            concurrency: order.concurrency.into(),
            spacing_ms: i64::try_from(order.spacing.as_millis()).unwrap_or(i64::MAX),
            windows_json: json(&windows)?,
            time_zone: order.hours.zone().name().to_owned(),
            context_json: json(&order.context)?,
            on_machine: order.on_machine.as_str().to_owned(),
            message: order.message.as_deref().map(storable),
            created_at: campaign.created_at,
            started_at: campaign.started_at,
            ended_at: campaign.ended_at,
            has_work: campaign.state == CampaignState::Running,
            fence: 0,
            held_until: 0,
        })
    }

    pub fn fence(&self) -> i64 {
        self.fence
    }

    pub fn into_campaign(self) -> Result<Campaign, Fault> {
        let windows: Vec<String> = from_json(&self.windows_json, "campaigns.windows_json")?;
        let windows = windows.iter().map(|text| parsed(text, "campaigns.windows_json")).collect::<Result<_, _>>()?;
        let spacing_ms = u64::try_from(self.spacing_ms).map_err(|_| Fault::Corrupt("campaigns.spacing_ms"))?;
        Ok(Campaign {
            id: parsed(&self.id, "campaigns.id")?,
            order: CampaignOrder {
                business: parsed(&self.business, "campaigns.business")?,
                name: self.name,
                from: parsed(&self.from_number, "campaigns.from_number")?,
                concurrency: number(self.concurrency, "campaigns.concurrency")?,
                spacing: Duration::from_millis(spacing_ms),
                hours: Hours::new(parsed(&self.time_zone, "campaigns.time_zone")?, windows),
                context: from_json(&self.context_json, "campaigns.context_json")?,
                on_machine: parsed(&self.on_machine, "campaigns.on_machine")?,
                message: self.message,
            },
            state: parsed(&self.state, "campaigns.state")?,
            created_at: self.created_at,
            started_at: self.started_at,
            ended_at: self.ended_at,
        })
    }
}

/// One row of `leads`.
#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = leads)]
pub(super) struct LeadRow {
    campaign: String,
    pub position: i64,
    to_number: String,
    variables_json: String,
    pub job: String,
    pub state: String,
    attempts: i64,
    call_sid: Option<String>,
    outcome: Option<String>,
    error: Option<String>,
    claimed_by: Option<String>,
    pub dialled_at: Option<i64>,
    ended_at: Option<i64>,
}

impl LeadRow {
    pub fn new(campaign: &CampaignId, position: usize, lead: &NewLead, job: &JobId) -> Result<Self, Fault> {
        Ok(Self {
            campaign: campaign.to_string(),
            position: i64::try_from(position).map_err(|_| Fault::Data("too many leads".to_owned()))?,
            to_number: lead.number.as_str().to_owned(),
            variables_json: json(&lead.variables)?,
            job: job.to_string(),
            state: LeadState::Queued.as_str().to_owned(),
            attempts: 0,
            call_sid: None,
            outcome: None,
            error: None,
            claimed_by: None,
            dialled_at: None,
            ended_at: None,
        })
    }

    pub fn into_lead(self) -> Result<Lead, Fault> {
        Ok(Lead {
            position: number(self.position, "leads.position")?,
            lead: NewLead {
                number: parsed(&self.to_number, "leads.to_number")?,
                variables: from_json(&self.variables_json, "leads.variables_json")?,
            },
            job: parsed(&self.job, "leads.job")?,
            state: parsed(&self.state, "leads.state")?,
            attempts: number(self.attempts, "leads.attempts")?,
            call_sid: self.call_sid.map(|sid| parsed(&sid, "leads.call_sid")).transpose()?,
            outcome: self.outcome.map(|word| parsed(&word, "leads.outcome")).transpose()?,
            error: self.error,
            claimed_by: self.claimed_by,
            dialled_at: self.dialled_at,
            ended_at: self.ended_at,
        })
    }
}

fn from_json<T: DeserializeOwned>(text: &str, field: &'static str) -> Result<T, Fault> {
    serde_json::from_str(text).map_err(|_| Fault::Corrupt(field))
}
