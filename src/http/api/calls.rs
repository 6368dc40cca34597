//! Calls: the list, one with everything that is known of it, those that are alive here, and ending one.

pub mod place;
mod shape;
mod words;

use std::time::Duration;

use actix_web::web::{self, Json, ServiceConfig};
use actix_web::{HttpResponse, Responder};
use serde::Deserialize;
use utoipa::{IntoParams, OpenApi};

use crate::actors::call_registry::{FindLiveCall, HangUpCall, ListLiveCalls};
use crate::actors::dialler::Dialler;
use crate::actors::metered;
use crate::engine::call::HangupCause;
use crate::engine::ids::{BusinessId, CallSid};
use crate::engine::status::{CallDirection, CallRow, CallStatus};
use crate::store::{CallFilter, CallPlace};

use super::body::{Query, named};
use super::caller::Caller;
use super::page::{Cursor, Limit, Page};
use super::problem::Problem;
use super::value::{BusinessName, Direction, Moment, Number, PageCursor, Status};
use super::{Api, Part, by_get, get, resource};
pub use shape::CallRecordJson;
pub(super) use shape::ToldCallJson;
use shape::{CallJson, HangingUpJson, LiveCallsJson};

/// This part of the interface.
pub const PART: Part = Part { routes, document: Document::openapi };

/// How long the directory of calls may take to answer.
const REGISTRY_ANSWERS_WITHIN: Duration = Duration::from_secs(1);

fn routes(config: &mut ServiceConfig) {
    config
        .service(
            resource("/calls", "GET, HEAD, POST").route(get(web::route().to(list))).route(web::post().to(place::place)),
        )
        .service(by_get("/outbound-calls/{id}", || web::route().to(place::show)))
        .service(by_get("/calls/live", || web::route().to(live)))
        .service(by_get("/calls/{call_sid}", || web::route().to(show)))
        .service(by_get("/calls/{call_sid}/transcript", || web::route().to(words::show)))
        .service(resource("/calls/{call_sid}/recording/fetch", "POST").route(web::post().to(words::fetch)))
        .service(resource("/calls/{call_sid}/recording/transcribe", "POST").route(web::post().to(words::transcribe)))
        .service(resource("/calls/{call_sid}/hangup", "POST").route(web::post().to(hang_up)));
}

#[derive(OpenApi)]
#[openapi(paths(list, live, show, hang_up, place::place, place::show, words::show, words::fetch, words::transcribe), components(schemas(Number)), tags((name = "calls", description = "Calls and what was said on them.")))]
struct Document;

/// Which calls are asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// Those of this business.
    #[param(value_type = Option<BusinessName>)]
    business: Option<BusinessId>,
    /// Those that have come this far, and no farther.
    #[param(value_type = Option<Status>)]
    status: Option<CallStatus>,
    /// Those that go this way.
    #[param(value_type = Option<Direction>)]
    direction: Option<CallDirection>,
    /// Those from or to this number.
    number: Option<Number>,
    /// Those of this time or later.
    since: Option<Moment>,
    /// Those of an earlier time than this.
    until: Option<Moment>,
    /// How many calls a page holds.
    #[serde(default)]
    #[param(inline, required = false)]
    limit: Limit,
    /// The `next_cursor` of the page before.
    #[param(value_type = Option<PageCursor>, inline)]
    cursor: Option<Cursor<CallPlace>>,
}

/// The list of calls, the newest first.
#[utoipa::path(get, path = "/calls", tag = "calls", operation_id = "list_calls", params(Asked), responses(
    (status = 200, description = "A page of the list.", body = Page<CallJson>),
))]
async fn list(
    caller: Caller,
    Query(asked): Query<Asked>,
    api: web::Data<Api>,
) -> Result<Json<Page<CallJson>>, Problem> {
    let business = match (caller.business(), asked.business) {
        (None, business) => business,
        (Some(own), None) => Some(own.clone()),
        (Some(own), Some(business)) if *own == business => Some(business),
        // It may exist; that is not for this caller to know.
        (Some(_), Some(_)) => return Ok(Json(Page::empty())),
    };
    let wanted = CallFilter {
        business,
        status: asked.status,
        direction: asked.direction,
        number: asked.number.map(|number| number.0),
        since: asked.since.map(|at| at.0),
        until: asked.until.map(|at| at.0),
    };
    let (limit, behind) = (asked.limit, asked.cursor.map(|cursor| cursor.0));
    let rows = api.ask(move |store| store.calls(&wanted, behind.as_ref(), limit.rows_to_ask())).await?;
    Ok(Json(Page::of(rows, limit, |row| CallPlace::from(row), CallJson::from)))
}

/// A call with its turns, its history and its timeline.
#[utoipa::path(get, path = "/calls/{call_sid}", tag = "calls", operation_id = "show_call",
    params(("call_sid" = String, Path, description = "Which call.", pattern = "^CA[0-9a-fA-F]{32}$")),
    responses(
        (status = 200, description = "The call.", body = CallRecordJson),
        (status = 404, response = super::describe::NotFound),
    ),
)]
async fn show(caller: Caller, path: web::Path<String>, api: web::Data<Api>) -> Result<Json<CallRecordJson>, Problem> {
    let call: CallSid = named("call", &path)?;
    let record = api.ask(move |store| store.call_record(&call)).await?;
    let record = caller.visible("call", record, |record| owner(&record.row))?;
    Ok(Json(record.into()))
}

/// The calls that are alive on this node.
///
/// They are read from memory: this answers while the database is away.
#[utoipa::path(get, path = "/calls/live", tag = "calls", operation_id = "list_live_calls", responses(
    (status = 200, description = "Those that the caller sees.", body = LiveCallsJson),
))]
async fn live(caller: Caller, api: web::Data<Api>) -> Result<Json<LiveCallsJson>, Problem> {
    let calls = metered::ask(&api.registry, ListLiveCalls, REGISTRY_ANSWERS_WITHIN).await;
    let calls = calls.map_err(|error| Problem::unavailable(format!("the directory of calls: {error}")))?;
    Ok(Json(calls.into_iter().filter(|call| caller.sees(Some(&call.business))).collect()))
}

/// Ends a call.
///
/// The call ends as soon as its media stream is closed, within a second or two; asking twice does nothing more.
#[utoipa::path(post, path = "/calls/{call_sid}/hangup", tag = "calls", operation_id = "hang_up_call",
    params(("call_sid" = String, Path, description = "Which call.", pattern = "^CA[0-9a-fA-F]{32}$")),
    responses(
        (status = 202, description = "The call is being ended.", body = HangingUpJson),
        (status = 404, response = super::describe::NotFound),
        (status = 409, response = super::describe::Conflict),
    ),
)]
async fn hang_up(
    caller: Caller,
    path: web::Path<String>,
    api: web::Data<Api>,
    desk: web::Data<place::DialDesk>,
) -> Result<impl Responder, Problem> {
    caller.may_change()?;
    let call: CallSid = named("call", &path)?;
    let found = metered::ask(&api.registry, FindLiveCall(call.clone()), REGISTRY_ANSWERS_WITHIN).await;
    let is_alive = match found.map_err(|error| Problem::unavailable(format!("the directory of calls: {error}")))? {
        Some(live) => {
            caller.visible("call", Some(&live), |live| Some(&live.business))?;
            let order = HangUpCall(call.clone(), HangupCause::OperatorHungUp);
            metered::ask(&api.registry, order, REGISTRY_ANSWERS_WITHIN).await.unwrap_or(false)
        }
        None => false,
    };
    if !is_alive {
        hang_up_elsewhere(&caller, &call, &api, desk.dialler.as_ref()).await?;
    }
    Ok(HttpResponse::Accepted().json(HangingUpJson { call_sid: call.to_string() }))
}

/// Ends a call that has no media stream on this node, which only its carrier can do.
async fn hang_up_elsewhere(
    caller: &Caller,
    call: &CallSid,
    api: &Api,
    dialler: Option<&Dialler>,
) -> Result<(), Problem> {
    let sid = call.clone();
    let row = api.ask(move |store| store.call(&sid)).await?;
    let row = caller.visible("call", row, owner)?;
    if row.status.is_final() {
        return Err(Problem::conflict(format!("the call is over: its status is {}", row.status)));
    }
    let Some(dialler) = dialler else {
        return Err(Problem::conflict("the call is not alive on this node; ask the node that has its media stream"));
    };
    dialler.hang_up(call).await.map_err(|error| Problem::unavailable(error.to_string()))
}

fn owner(row: &CallRow) -> Option<&BusinessId> {
    row.business.as_ref().map(|business| &business.value)
}
