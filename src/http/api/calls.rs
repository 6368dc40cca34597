//! Calls: the list, one with everything that is known of it, those that are alive here, and ending one.

mod export;
pub mod place;
mod search;
mod shape;
mod words;

use std::time::Duration;

use actix_web::web::{self, Json, ServiceConfig};
use actix_web::{HttpResponse, Responder};
use utoipa::OpenApi;

use crate::actors::call_registry::{FindLiveCall, HangUpCall, ListLiveCalls};
use crate::actors::dialler::Dialler;
use crate::actors::metered;
use crate::engine::call::HangupCause;
use crate::engine::ids::{BusinessId, CallSid};
use crate::engine::status::CallRow;

use super::body::named;
use super::caller::Caller;
use super::problem::Problem;
use super::value::Number;
use super::{Api, Part, by_get, get, resource};
pub use shape::CallRecordJson;
pub(super) use shape::ToldCallJson;
use shape::{HangingUpJson, LiveCallsJson};

/// This part of the interface.
pub const PART: Part = Part { routes, document: Document::openapi };

/// How long the directory of calls may take to answer.
const REGISTRY_ANSWERS_WITHIN: Duration = Duration::from_secs(1);

fn routes(config: &mut ServiceConfig) {
    config
        .service(
            resource("/calls", "GET, HEAD, POST")
                .route(get(web::route().to(search::list)))
                .route(web::post().to(place::place)),
        )
        .service(by_get("/outbound-calls/{id}", || web::route().to(place::show)))
        .service(by_get("/calls/live", || web::route().to(live)))
        .service(resource("/calls/search", "POST").route(web::post().to(search::search)))
        .service(resource("/calls/export", "POST").route(web::post().to(export::export)))
        .service(by_get("/calls/{call_sid}", || web::route().to(show)))
        .service(by_get("/calls/{call_sid}/transcript", || web::route().to(words::show)))
        .service(resource("/calls/{call_sid}/recording/fetch", "POST").route(web::post().to(words::fetch)))
        .service(resource("/calls/{call_sid}/recording/transcribe", "POST").route(web::post().to(words::transcribe)))
        .service(resource("/calls/{call_sid}/hangup", "POST").route(web::post().to(hang_up)));
}

#[derive(OpenApi)]
#[openapi(paths(search::list, search::search, export::export, live, show, hang_up, place::place, place::show, words::show, words::fetch, words::transcribe), components(schemas(Number)), tags((name = "calls", description = "Calls and what was said on them.")))]
struct Document;

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
