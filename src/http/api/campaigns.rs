//! Campaigns: made with all of their leads or not at all, read, paused, resumed and cancelled.
//!
//! The interface keeps what is asked and reads what has become of it. Who runs a campaign, on whichever node, is
//! [`crate::actors::campaign`].

mod json;

use std::time::Duration;

use actix_web::http::header::LOCATION;
use actix_web::web::{self, Json, ServiceConfig};
use actix_web::{HttpResponse, Responder};
use utoipa::OpenApi;

use crate::clock;
use crate::config::CampaignsSettings;
use crate::engine::business::{Business, Directory, TimeZone};
use crate::engine::campaign::list::{self, ListFault, ListLimits};
use crate::engine::campaign::{Campaign, CampaignOrder, CampaignState, Hours, NewLead, Steering, Window};
use crate::engine::ids::{CampaignId, PhoneNumber};
use crate::engine::outbound::OnMachine;
use crate::store::campaigns::CampaignPlace;

use super::body::{Body, Query, named};
use super::caller::Caller;
use super::calls::place::{self, DialDesk, LONGEST_MESSAGE, number_to_show};
use super::page::Page;
use super::problem::{FieldError, Problem};
use super::{Api, Part, by_get, get, random, resource};
use json::{AskedCampaigns, AskedLeads, CampaignJson, LeadJson, NewCampaign};

/// This part of the interface.
pub const PART: Part = Part { routes, document: Document::openapi };

/// The longest name, in characters.
const LONGEST_NAME: usize = 128;
/// The most windows.
const MOST_WINDOWS: usize = 50;

/// What campaigns need of this node.
pub struct CampaignDesk {
    /// What a campaign is that does not say otherwise, and how long it may be.
    pub settings: CampaignsSettings,
}

fn routes(config: &mut ServiceConfig) {
    let steer = |path: &str, route| resource(path, "POST").route(route);
    config
        .service(
            resource("/campaigns", "GET, HEAD, POST").route(get(web::route().to(list))).route(web::post().to(create)),
        )
        .service(by_get("/campaigns/{id}", || web::route().to(show)))
        .service(by_get("/campaigns/{id}/leads", || web::route().to(leads)))
        .service(steer("/campaigns/{id}/pause", web::post().to(pause)))
        .service(steer("/campaigns/{id}/resume", web::post().to(resume)))
        .service(steer("/campaigns/{id}/cancel", web::post().to(cancel)));
}

#[derive(OpenApi)]
#[openapi(
    paths(list, create, show, leads, pause, resume, cancel),
    tags((name = "campaigns", description = "Lists of people to be called, a few at a time, each at most once."))
)]
struct Document;

/// Makes a campaign, with its leads as JSON or as a CSV text. Either all of them are taken or none: what is wrong is told row by row.
#[utoipa::path(post, path = "/campaigns", tag = "campaigns", operation_id = "create_campaign",
    request_body = NewCampaign,
    responses(
        (status = 201, description = "The campaign.", body = CampaignJson),
        (status = 404, response = super::describe::NotFound),
        (status = 409, response = super::describe::Conflict),
    ),
)]
async fn create(
    caller: Caller,
    Body(asked): Body<NewCampaign>,
    api: web::Data<Api>,
    dial_desk: web::Data<DialDesk>,
    desk: web::Data<CampaignDesk>,
) -> Result<impl Responder, Problem> {
    caller.may_change()?;
    let businesses = dial_desk.businesses.now();
    let business = businesses.get(&asked.business);
    let business = caller.visible("business", business, |business| Some(&business.id))?;
    if dial_desk.dialler.is_none() {
        let needed = "set TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN and http.public_url, or asterisk.ari.dial";
        return Err(Problem::conflict(format!("no call can be placed: {needed}")));
    }
    let starts = asked.start;
    let (order, leads) = order(asked, business, &businesses, &desk.settings, dial_desk.on_machine)?;
    let leads = leads.into_iter().map(|lead| Ok((lead, place::new_id()?))).collect::<Result<Vec<_>, Problem>>()?;
    let campaign = Campaign {
        id: new_id()?,
        order,
        state: if starts { CampaignState::Running } else { CampaignState::Pending },
        created_at: clock::wall_micros(),
        started_at: None,
        ended_at: None,
    };
    let kept = campaign.clone();
    api.ask(move |store| store.add_campaign(&kept, &leads)).await?;
    let location = format!("/api/v1/campaigns/{}", campaign.id);
    let made = with_progress(&api, campaign).await?;
    Ok(HttpResponse::Created().insert_header((LOCATION, location)).json(made))
}

/// The campaigns that the token sees, the newest first.
#[utoipa::path(get, path = "/campaigns", tag = "campaigns", operation_id = "list_campaigns",
    params(AskedCampaigns),
    responses((status = 200, description = "A page of the list.", body = Page<CampaignJson>)),
)]
async fn list(
    caller: Caller,
    Query(asked): Query<AskedCampaigns>,
    api: web::Data<Api>,
) -> Result<Json<Page<CampaignJson>>, Problem> {
    let (limit, behind) = (asked.limit, asked.cursor.map(|cursor| cursor.0));
    let own = caller.business().cloned();
    let rows = api.ask(move |store| store.campaigns_page(own.as_ref(), behind.as_ref(), limit.rows_to_ask())).await?;
    Ok(Json(Page::of(rows, limit, |row| CampaignPlace::from(row), CampaignJson::from)))
}

/// One campaign, with how far its leads have come.
#[utoipa::path(get, path = "/campaigns/{id}", tag = "campaigns", operation_id = "get_campaign",
    params(("id" = String, Path, description = "Which campaign.", pattern = "^CP[0-9a-fA-F]{32}$")),
    responses(
        (status = 200, description = "The campaign.", body = CampaignJson),
        (status = 404, response = super::describe::NotFound),
    ),
)]
async fn show(caller: Caller, path: web::Path<String>, api: web::Data<Api>) -> Result<Json<CampaignJson>, Problem> {
    let campaign = visible(&caller, &path, &api).await?;
    Ok(Json(with_progress(&api, campaign).await?))
}

/// The leads of a campaign, in the order of the list.
#[utoipa::path(get, path = "/campaigns/{id}/leads", tag = "campaigns", operation_id = "list_leads",
    params(
        ("id" = String, Path, description = "Which campaign.", pattern = "^CP[0-9a-fA-F]{32}$"),
        AskedLeads,
    ),
    responses(
        (status = 200, description = "A page of the list.", body = Page<LeadJson>),
        (status = 404, response = super::describe::NotFound),
    ),
)]
async fn leads(
    caller: Caller,
    path: web::Path<String>,
    Query(asked): Query<AskedLeads>,
    api: web::Data<Api>,
) -> Result<Json<Page<LeadJson>>, Problem> {
    let campaign = visible(&caller, &path, &api).await?;
    let (limit, state) = (asked.limit, asked.state);
    let behind = asked.cursor.map_or(0, |cursor| cursor.0);
    let rows = api.ask(move |store| store.leads_page(&campaign.id, state, behind, limit.rows_to_ask())).await?;
    Ok(Json(Page::of(rows, limit, |row| row.position, LeadJson::from)))
}

/// Calls nobody else until the campaign is resumed. Calls that are alive go on.
#[utoipa::path(post, path = "/campaigns/{id}/pause", tag = "campaigns", operation_id = "pause_campaign",
    params(("id" = String, Path, description = "Which campaign.", pattern = "^CP[0-9a-fA-F]{32}$")),
    responses(
        (status = 200, description = "The campaign as it is now.", body = CampaignJson),
        (status = 404, response = super::describe::NotFound),
        (status = 409, response = super::describe::Conflict),
    ),
)]
async fn pause(caller: Caller, path: web::Path<String>, api: web::Data<Api>) -> Result<Json<CampaignJson>, Problem> {
    steer(&caller, &path, &api, Steering::Pause).await
}

/// Starts a campaign that was made with `start: false`, or goes on with one that was paused.
#[utoipa::path(post, path = "/campaigns/{id}/resume", tag = "campaigns", operation_id = "resume_campaign",
    params(("id" = String, Path, description = "Which campaign.", pattern = "^CP[0-9a-fA-F]{32}$")),
    responses(
        (status = 200, description = "The campaign as it is now.", body = CampaignJson),
        (status = 404, response = super::describe::NotFound),
        (status = 409, response = super::describe::Conflict),
    ),
)]
async fn resume(caller: Caller, path: web::Path<String>, api: web::Data<Api>) -> Result<Json<CampaignJson>, Problem> {
    steer(&caller, &path, &api, Steering::Resume).await
}

/// Calls nobody else any more. Calls that are alive go on.
#[utoipa::path(post, path = "/campaigns/{id}/cancel", tag = "campaigns", operation_id = "cancel_campaign",
    params(("id" = String, Path, description = "Which campaign.", pattern = "^CP[0-9a-fA-F]{32}$")),
    responses(
        (status = 200, description = "The campaign as it is now.", body = CampaignJson),
        (status = 404, response = super::describe::NotFound),
        (status = 409, response = super::describe::Conflict),
    ),
)]
async fn cancel(caller: Caller, path: web::Path<String>, api: web::Data<Api>) -> Result<Json<CampaignJson>, Problem> {
    steer(&caller, &path, &api, Steering::Cancel).await
}

/// Asking for the state that a campaign has changes nothing and is no problem.
async fn steer(
    caller: &Caller,
    path: &web::Path<String>,
    api: &Api,
    steering: Steering,
) -> Result<Json<CampaignJson>, Problem> {
    caller.may_change()?;
    let id = visible(caller, path, api).await?.id;
    let steered = api.ask(move |store| store.steer_campaign(&id, steering, clock::wall_micros())).await?;
    let (campaign, changed) = steered.ok_or_else(|| Problem::not_found("campaign"))?;
    if !changed && campaign.state != steering.to() {
        return Err(Problem::conflict(format!("the campaign is {}", campaign.state)));
    }
    Ok(Json(with_progress(api, campaign).await?))
}

async fn visible(caller: &Caller, path: &web::Path<String>, api: &Api) -> Result<Campaign, Problem> {
    let id: CampaignId = named("campaign", path)?;
    let campaign = api.ask(move |store| store.campaign(&id)).await?;
    caller.visible("campaign", campaign, |campaign| Some(&campaign.order.business))
}

async fn with_progress(api: &Api, campaign: Campaign) -> Result<CampaignJson, Problem> {
    let id = campaign.id.clone();
    let counts = api.ask(move |store| store.lead_counts(&id)).await?;
    Ok(CampaignJson::from(campaign).with(&counts))
}

/// The order and its leads, or everything that is wrong with them.
fn order(
    asked: NewCampaign,
    business: &Business,
    businesses: &Directory,
    settings: &CampaignsSettings,
    usual: OnMachine,
) -> Result<(CampaignOrder, Vec<NewLead>), Problem> {
    let mut errors = Vec::new();
    let mut wrong = |field: &str, detail: String| errors.push(FieldError { field: field.to_owned(), detail });
    let name = asked.name.trim().to_owned();
    if name.is_empty() || name.chars().count() > LONGEST_NAME {
        wrong("name", format!("give 1 to {LONGEST_NAME} characters"));
    }
    let concurrency = asked.concurrency.unwrap_or(settings.concurrency);
    if !(1..=1_000).contains(&concurrency) {
        wrong("concurrency", "give 1 to 1000".to_owned());
    }
    let spacing_ms = asked.spacing_ms.unwrap_or(settings.spacing_ms);
    if spacing_ms > 3_600_000 {
        wrong("spacing_ms", "give 0 to 3600000".to_owned());
    }
    let on_machine = asked.on_machine.unwrap_or(usual);
    let length = asked.message.as_deref().map(|message| message.trim().chars().count());
    match length {
        None if on_machine == OnMachine::LeaveMessage => {
            wrong("message", "is missing, and on_machine is leave_message; give what is to be said".to_owned());
        }
        Some(length) if length == 0 || length > LONGEST_MESSAGE => {
            wrong("message", format!("give 1 to {LONGEST_MESSAGE} characters"));
        }
        _ => {}
    }
    if asked.windows.len() > MOST_WINDOWS {
        wrong("windows", format!("has {} entries; give at most {MOST_WINDOWS}", asked.windows.len()));
    }
    let windows: Vec<Window> = asked
        .windows
        .iter()
        .enumerate()
        .filter_map(|(n, text)| match text.parse::<Window>() {
            Ok(window) => Some(window),
            Err(error) => {
                wrong(&format!("windows[{n}]"), error.to_string());
                None
            }
        })
        .collect();
    let zone = match asked.time_zone.as_deref().map(str::parse::<TimeZone>) {
        None => business.profile.time_zone.clone(),
        Some(Ok(zone)) => zone,
        Some(Err(error)) => {
            wrong("time_zone", format!("{error}; give a name as in Europe/Berlin"));
            TimeZone::UTC
        }
    };
    let context: Vec<(String, String)> = asked.context.into_iter().collect();
    if let Some(detail) = list::wrong_variables(&context) {
        wrong("context", detail);
    }
    let from = number_to_show(asked.from, business, businesses);
    if let Err(detail) = &from {
        wrong("from", (*detail).to_owned());
    }
    let leads = from.clone().ok().map(|from| leads_of(asked.leads, asked.csv, from, settings));
    if let Some(Err(faults)) = &leads {
        errors
            .extend(faults.iter().map(|fault| FieldError { field: fault.place.clone(), detail: fault.detail.clone() }));
    }
    match (from, leads) {
        (Ok(from), Some(Ok(leads))) if errors.is_empty() => {
            let order = CampaignOrder {
                business: business.id.clone(),
                name,
                from,
                concurrency,
                spacing: Duration::from_millis(spacing_ms.into()),
                hours: Hours::new(zone, windows),
                context,
                on_machine,
                message: asked.message,
            };
            Ok((order, leads))
        }
        _ => Err(Problem::invalid_fields(errors)),
    }
}

fn leads_of(
    rows: Option<Vec<json::NewLeadJson>>,
    csv: Option<String>,
    from: PhoneNumber,
    settings: &CampaignsSettings,
) -> Result<Vec<NewLead>, Vec<ListFault>> {
    let limits = ListLimits { leads: settings.max_leads as usize, from };
    match (rows, csv) {
        (Some(rows), None) => list::check_rows(rows.into_iter().map(json::NewLeadJson::into_row).collect(), &limits),
        (None, Some(csv)) => list::read_csv(&csv, &limits),
        (Some(_), Some(_)) | (None, None) => {
            let detail = "give either leads or csv".to_owned();
            Err(vec![ListFault { place: "leads".to_owned(), detail }])
        }
    }
}

fn new_id() -> Result<CampaignId, Problem> {
    format!("CP{}", random::hex::<16>()?).parse().map_err(|_| Problem::internal("an id that is none"))
}
