//! What campaigns look like outside.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::SchemaType;
use utoipa::openapi::{Object, ObjectBuilder, Type};
use utoipa::{IntoParams, ToSchema};

use crate::engine::campaign::list::Row;
use crate::engine::campaign::{Campaign, CampaignState, Lead, LeadState, Outcome, Window};
use crate::engine::ids::BusinessId;
use crate::engine::outbound::OnMachine;
use crate::http::api::calls::place::{
    call_sid_or_null_schema, context_schema, message_schema, number_or_null_schema, on_machine_schema,
};
use crate::http::api::page::{Cursor, Limit};
use crate::http::api::value::{BusinessName, Moment, Number, PageCursor, described};
use crate::store::campaigns::{CampaignPlace, LeadCounts};

/// A campaign that is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewCampaign {
    /// Whose calls they are: the id of a business.
    #[schema(value_type = BusinessName)]
    pub business: BusinessId,
    /// Its name, for people.
    #[schema(min_length = 1, max_length = 128)]
    pub name: String,
    /// The number to show: one of the business's; its first, if left out.
    #[serde(default)]
    #[schema(schema_with = number_or_null_schema, required = false)]
    pub from: Option<Number>,
    /// How many of its calls may be alive at once; the service's own setting, if left out.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1000)]
    pub concurrency: Option<u32>,
    /// The time from one dialling to the next, at least, in milliseconds; the service's own setting, if left out.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 3600000)]
    pub spacing_ms: Option<u32>,
    /// When calls may be placed, as in `mon-fri 09:00-17:30`; without any, at every time.
    #[serde(default)]
    #[schema(required = false, max_items = 50, example = json!(["mon-fri 09:00-12:30", "sat 10:00-12:00"]))]
    pub windows: Vec<String>,
    /// By whose clock, by IANA's name; the business's, if left out.
    #[serde(default)]
    #[schema(example = "Europe/Berlin")]
    pub time_zone: Option<String>,
    /// What the agent is told on each call: names, and what is so called. At most 20.
    #[serde(default)]
    #[schema(schema_with = context_schema, required = false)]
    pub context: BTreeMap<String, String>,
    /// What is done when a machine answers; the service's own setting, if left out.
    #[serde(default)]
    #[schema(schema_with = on_machine_schema, required = false)]
    pub on_machine: Option<OnMachine>,
    /// What is said to a machine, for `leave_message`.
    #[serde(default)]
    #[schema(schema_with = message_schema, required = false)]
    pub message: Option<String>,
    /// Whether it starts at once.
    #[serde(default = "yes")]
    #[schema(required = false, default = true)]
    pub start: bool,
    /// Whom to call; either this or `csv`.
    #[serde(default)]
    pub leads: Option<Vec<NewLeadJson>>,
    /// Whom to call, as a CSV text with a header row: a column `number`, and others that the agent is told.
    #[serde(default)]
    #[schema(example = "number,customer\n+14155550100,Anna\n")]
    pub csv: Option<String>,
}

const fn yes() -> bool {
    true
}

/// Somebody to be called.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewLead)]
pub(super) struct NewLeadJson {
    /// Their number, in E.164.
    #[schema(pattern = "^\\+[1-9][0-9]{1,14}$", example = "+14155550100")]
    number: String,
    /// What the agent is told of them: names, and what is so called. At most 20.
    #[serde(default)]
    #[schema(schema_with = context_schema, required = false)]
    variables: BTreeMap<String, String>,
}

impl NewLeadJson {
    pub fn into_row(self) -> Row {
        Row { number: self.number, variables: self.variables.into_iter().collect() }
    }
}

/// A campaign.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Campaign)]
pub(super) struct CampaignJson {
    /// Its name for programs.
    #[schema(schema_with = campaign_schema)]
    id: String,
    /// Whose calls they are.
    business: String,
    /// Its name, for people.
    name: String,
    /// `pending` until it is started, `running`, `paused`, `completed`, `cancelled`.
    #[schema(schema_with = state_schema)]
    state: &'static str,
    /// The number that its calls show.
    from: String,
    /// How many of its calls may be alive at once.
    concurrency: u32,
    /// The time from one dialling to the next, at least, in milliseconds.
    spacing_ms: u64,
    /// When calls may be placed; without any, at every time.
    windows: Vec<String>,
    /// By whose clock.
    time_zone: String,
    /// What the agent is told on each call.
    context: BTreeMap<String, String>,
    /// What is done when a machine answers.
    #[schema(schema_with = on_machine_of_campaign_schema)]
    on_machine: &'static str,
    /// What is said to a machine.
    message: Option<String>,
    /// How far its leads have come; not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    progress: Option<ProgressJson>,
    /// When it was asked for.
    created_at: Moment,
    /// When a node began to run it.
    started_at: Option<Moment>,
    /// When it was completed or cancelled.
    ended_at: Option<Moment>,
}

/// How many leads have come how far.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = Progress)]
pub(super) struct ProgressJson {
    /// All of them.
    total: u32,
    /// Wait to be called.
    queued: u32,
    /// The carrier is being asked to call them.
    dialing: u32,
    /// Their call is there.
    calling: u32,
    /// The carrier did not say whether there is a call, which is being found out.
    unknown: u32,
    /// Answered, and the call is over.
    completed: u32,
    /// Nobody answered, or there was no call.
    failed: u32,
    /// The campaign was cancelled before.
    cancelled: u32,
}

impl From<Campaign> for CampaignJson {
    fn from(campaign: Campaign) -> Self {
        let order = campaign.order;
        Self {
            id: campaign.id.to_string(),
            business: order.business.to_string(),
            name: order.name,
            state: campaign.state.as_str(),
            from: order.from.as_str().to_owned(),
            concurrency: order.concurrency,
            spacing_ms: u64::try_from(order.spacing.as_millis()).unwrap_or(u64::MAX),
            windows: order.hours.windows().iter().map(Window::to_string).collect(),
            time_zone: order.hours.zone().name().to_owned(),
            context: order.context.into_iter().collect(),
            on_machine: order.on_machine.as_str(),
            message: order.message,
            progress: None,
            created_at: Moment(campaign.created_at),
            started_at: campaign.started_at.map(Moment),
            ended_at: campaign.ended_at.map(Moment),
        }
    }
}

impl CampaignJson {
    /// The same with how far its leads have come.
    pub fn with(self, counts: &LeadCounts) -> Self {
        let mut progress = ProgressJson::default();
        for (state, count) in counts {
            progress.total += count;
            *match state {
                LeadState::Queued => &mut progress.queued,
                LeadState::Dialing => &mut progress.dialing,
                LeadState::Calling => &mut progress.calling,
                LeadState::Unknown => &mut progress.unknown,
                LeadState::Completed => &mut progress.completed,
                LeadState::Failed => &mut progress.failed,
                LeadState::Cancelled => &mut progress.cancelled,
            } = *count;
        }
        Self { progress: Some(progress), ..self }
    }
}

/// Somebody on a campaign's list.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Lead)]
pub(super) struct LeadJson {
    /// The place in the list, from 1.
    position: u32,
    /// Whom to call.
    number: String,
    /// What the agent is told of them.
    variables: BTreeMap<String, String>,
    /// How far it has come. `unknown` means that the carrier did not say whether there is a call, which is being found out;
    /// it is not dialled again.
    #[schema(schema_with = lead_state_schema)]
    state: &'static str,
    /// How often the carrier was asked to call.
    #[schema(minimum = 0, maximum = 1)]
    attempts: u32,
    /// The job that calls them: `GET /outbound-calls/{id}`, once it is dialled.
    #[schema(pattern = "^OB[0-9a-fA-F]{32}$")]
    job: String,
    /// The call, once it is known.
    #[schema(schema_with = call_sid_or_null_schema)]
    call_sid: Option<String>,
    /// How the call ended.
    #[schema(schema_with = outcome_schema)]
    outcome: Option<&'static str>,
    /// Why there was no call.
    error: Option<String>,
    /// The node that dialled.
    claimed_by: Option<String>,
    /// When the carrier was asked.
    dialled_at: Option<Moment>,
    /// When it was known to be over.
    ended_at: Option<Moment>,
}

impl From<Lead> for LeadJson {
    fn from(lead: Lead) -> Self {
        Self {
            position: lead.position,
            number: lead.lead.number.as_str().to_owned(),
            variables: lead.lead.variables.into_iter().collect(),
            state: lead.state.as_str(),
            attempts: lead.attempts,
            job: lead.job.to_string(),
            call_sid: lead.call_sid.map(|sid| sid.to_string()),
            outcome: lead.outcome.map(Outcome::as_str),
            error: lead.error,
            claimed_by: lead.claimed_by,
            dialled_at: lead.dialled_at.map(Moment),
            ended_at: lead.ended_at.map(Moment),
        }
    }
}

/// Which campaigns are asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AskedCampaigns {
    /// How many campaigns a page holds.
    #[serde(default)]
    #[param(inline, required = false)]
    pub limit: Limit,
    /// The `next_cursor` of the page before.
    #[param(value_type = Option<PageCursor>, inline)]
    pub cursor: Option<Cursor<CampaignPlace>>,
}

/// Which leads are asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AskedLeads {
    /// Those that have come this far, and no farther.
    #[param(value_type = Option<HowFar>, inline)]
    pub state: Option<LeadState>,
    /// How many leads a page holds.
    #[serde(default)]
    #[param(inline, required = false)]
    pub limit: Limit,
    /// The `next_cursor` of the page before.
    #[param(value_type = Option<PageCursor>, inline)]
    pub cursor: Option<Cursor<u32>>,
}

/// For `value_type` alone: how far a lead has come.
pub(super) struct HowFar;

described!(HowFar: lead_state_schema());

fn words(all: impl Iterator<Item = &'static str>) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(all))
}

fn campaign_schema() -> Object {
    ObjectBuilder::new().schema_type(Type::String).pattern(Some("^CP[0-9a-fA-F]{32}$")).build()
}

fn state_schema() -> Object {
    words(CampaignState::ALL.iter().map(|state| state.as_str())).build()
}

fn lead_state_schema() -> Object {
    words(LeadState::ALL.iter().map(|state| state.as_str())).build()
}

fn on_machine_of_campaign_schema() -> Object {
    words(OnMachine::ALL.iter().map(|value| value.as_str())).build()
}

fn outcome_schema() -> Object {
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
        .enum_values(Some(Outcome::ALL.iter().map(|outcome| Some(outcome.as_str())).chain([None])))
        .build()
}
