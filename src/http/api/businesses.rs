//! Businesses: who they are, what their agents are told, and under which version.
//!
//! Questions are answered from the database, except for the preview of a prompt, which is made of what calls see.
//! Edits go through the one keeper of businesses, and are answered once calls of this node see them.

mod json;
mod preview;

use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use actix_web::http::header::LOCATION;
use actix_web::web::{self, Json, ServiceConfig};
use actix_web::{HttpResponse, Responder};
use serde_json::{Map, Value};
use utoipa::OpenApi;

use crate::actors::business_keeper::{BusinessKeeper, Businesses, Edit, EditBusiness};
use crate::actors::metered;
use crate::engine::business::{FieldFault, Profile, merged};
use crate::engine::ids::BusinessId;
use crate::store::businesses::{EditError, StoredBusiness};

use super::body::{Body, Query, named};
use super::caller::Caller;
use super::page::Page;
use super::problem::{FieldError, Problem};
use super::{Api, Part, get, random, resource};

use json::{AskedBusinesses, AskedVersions, BusinessEdit, BusinessJson, NewBusiness, PromptVersionJson, WhichVersion};

/// This part of the interface.
pub const PART: Part = Part { routes, document: Document::openapi };

/// How long an edit may take; longer than the database is waited for.
const EDITED_WITHIN: Duration = Duration::from_secs(10);
/// What only an administrator may change, for others pay for it.
const OPERATORS_FIELDS: [&str; 3] = ["numbers", "limits", "agent"];

/// What the businesses' part of the interface needs.
pub struct BusinessDoor {
    /// Where edits go.
    pub keeper: Addr<BusinessKeeper>,
    /// What calls see.
    pub businesses: Businesses,
    /// The names of the voice agents that a business may ask for.
    pub agents: Vec<&'static str>,
    /// Why webhooks may not go to an address, as far as can be seen from it.
    pub refuse_receiver: RefuseReceiver,
}

/// Why webhooks may not go to an address; `None`: they may, as far as can be seen from it.
pub type RefuseReceiver = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

fn routes(config: &mut ServiceConfig) {
    config
        .service(
            resource("/businesses", "GET, HEAD, POST").route(get(web::route().to(list))).route(web::post().to(create)),
        )
        .service(
            resource("/businesses/{id}", "GET, HEAD, PATCH, DELETE")
                .route(get(web::route().to(read)))
                .route(web::patch().to(update))
                .route(web::delete().to(delete)),
        )
        .service(resource("/businesses/{id}/prompt/versions", "GET, HEAD").route(get(web::route().to(versions))))
        .service(resource("/businesses/{id}/prompt/preview", "POST").route(web::post().to(preview::preview)));
}

#[derive(OpenApi)]
#[openapi(
    paths(list, create, read, update, delete, versions, preview::preview),
    tags((name = "businesses", description = "Who answers which number, and with which words."))
)]
struct Document;

/// Every business that the token sees, by id.
#[utoipa::path(get, path = "/businesses", tag = "businesses", operation_id = "list_businesses",
    params(AskedBusinesses),
    responses((status = 200, description = "A page of the list.", body = Page<BusinessJson>)),
)]
async fn list(
    caller: Caller,
    Query(asked): Query<AskedBusinesses>,
    api: web::Data<Api>,
) -> Result<Json<Page<BusinessJson>>, Problem> {
    let (limit, behind) = (asked.limit, asked.cursor.map(|cursor| cursor.0));
    let own = caller.business().cloned();
    let rows = api
        .ask(move |store| match own {
            Some(own) => Ok(store.business(&own)?.into_iter().filter(|_| behind.is_none()).collect()),
            None => store.businesses_page(behind.as_ref(), limit.rows_to_ask()),
        })
        .await?;
    Ok(Json(Page::of(rows, limit, |row| row.business.id.clone(), BusinessJson::from)))
}

/// Makes a business. From then on its numbers are answered.
#[utoipa::path(post, path = "/businesses", tag = "businesses", operation_id = "create_business",
    request_body = NewBusiness,
    responses((status = 201, description = "The business.", body = BusinessJson)),
)]
async fn create(
    caller: Caller,
    Body(document): Body<Map<String, Value>>,
    door: web::Data<BusinessDoor>,
) -> Result<impl Responder, Problem> {
    caller.must_be_admin()?;
    let id = new_id()?;
    let profile = door.merged(&Profile::named(""), &document).map_err(refused)?;
    let made =
        door.edit(&caller, Edit::Create(id.clone(), profile.clone())).await.map_err(|error| said(error, &profile))?;
    let location = format!("/api/v1/businesses/{id}");
    let made =
        made.map(BusinessJson::from).ok_or_else(|| Problem::internal("a business was made and not given back"))?;
    Ok(HttpResponse::Created().insert_header((LOCATION, location)).json(made))
}

/// One business.
#[utoipa::path(get, path = "/businesses/{id}", tag = "businesses", operation_id = "get_business",
    params(("id" = String, Path, description = "Which business.")),
    responses(
        (status = 200, description = "The business.", body = BusinessJson),
        (status = 404, response = super::describe::NotFound),
    ),
)]
async fn read(caller: Caller, path: web::Path<String>, api: web::Data<Api>) -> Result<Json<BusinessJson>, Problem> {
    Ok(Json(visible(&caller, &path, &api).await?.into()))
}

/// Changes a business: what is left out stays, `null` takes away. `version` is the one that the editor has seen; if it
/// is not the business's any more, nothing is changed.
#[utoipa::path(patch, path = "/businesses/{id}", tag = "businesses", operation_id = "update_business",
    params(("id" = String, Path, description = "Which business.")),
    request_body = BusinessEdit,
    responses(
        (status = 200, description = "The business as it is now.", body = BusinessJson),
        (status = 404, response = super::describe::NotFound),
        (status = 409, response = super::describe::Conflict),
    ),
)]
async fn update(
    caller: Caller,
    path: web::Path<String>,
    Body(mut document): Body<Map<String, Value>>,
    api: web::Data<Api>,
    door: web::Data<BusinessDoor>,
) -> Result<Json<BusinessJson>, Problem> {
    caller.may_change()?;
    let stored = visible(&caller, &path, &api).await?;
    let version = document.remove("version");
    let version = version.as_ref().and_then(Value::as_u64).and_then(|version| u32::try_from(version).ok());
    if caller.business().is_some()
        && let Some(field) = OPERATORS_FIELDS.iter().find(|field| document.contains_key(**field))
    {
        return Err(Problem::forbidden(format!("changing {field} needs a token of scope admin")));
    }
    let laid = door.merged(&stored.business.profile, &document);
    let (profile, version) = match (laid, version) {
        (Ok(profile), Some(version)) => (profile, version),
        (laid, version) => {
            let mut faults = laid.err().unwrap_or_default();
            if version.is_none() {
                faults.push(FieldFault::new("version", "is no version", "give the version that you have read"));
            }
            return Err(refused(faults));
        }
    };
    if stored.business.version != version {
        return Err(stale(stored.business.version));
    }
    let edit = Edit::Update(stored.business.id, version, profile.clone());
    let edited = door.edit(&caller, edit).await.map_err(|error| said(error, &profile))?;
    let edited = edited.ok_or_else(|| Problem::internal("a business was changed and not given back"))?;
    Ok(Json(edited.into()))
}

/// Deletes a business: its numbers are answered no more, or by the catch-all, and may be another's. Its calls stay, and
/// its id is never given again.
#[utoipa::path(delete, path = "/businesses/{id}", tag = "businesses", operation_id = "delete_business",
    params(("id" = String, Path, description = "Which business."), WhichVersion),
    responses(
        (status = 204, description = "It is deleted."),
        (status = 404, response = super::describe::NotFound),
        (status = 409, response = super::describe::Conflict),
    ),
)]
async fn delete(
    caller: Caller,
    path: web::Path<String>,
    Query(which): Query<WhichVersion>,
    api: web::Data<Api>,
    door: web::Data<BusinessDoor>,
) -> Result<HttpResponse, Problem> {
    caller.must_be_admin()?;
    let stored = visible(&caller, &path, &api).await?;
    let edit = Edit::Delete(stored.business.id, which.version);
    door.edit(&caller, edit).await.map_err(|error| said(error, &stored.business.profile))?;
    Ok(HttpResponse::NoContent().finish())
}

/// What a business's agent was told, version by version, the newest first.
#[utoipa::path(get, path = "/businesses/{id}/prompt/versions", tag = "businesses",
    operation_id = "list_prompt_versions",
    params(("id" = String, Path, description = "Which business."), AskedVersions),
    responses(
        (status = 200, description = "A page of the list.", body = Page<PromptVersionJson>),
        (status = 404, response = super::describe::NotFound),
    ),
)]
async fn versions(
    caller: Caller,
    path: web::Path<String>,
    Query(asked): Query<AskedVersions>,
    api: web::Data<Api>,
) -> Result<Json<Page<PromptVersionJson>>, Problem> {
    let id = visible(&caller, &path, &api).await?.business.id;
    let (limit, before) = (asked.limit, asked.cursor.map(|cursor| cursor.0));
    let rows = api.ask(move |store| store.business_versions(&id, before, limit.rows_to_ask())).await?;
    Ok(Json(Page::of(rows, limit, |row| row.version, PromptVersionJson::from)))
}

/// The business of this path, if the caller sees it.
async fn visible(caller: &Caller, path: &web::Path<String>, api: &Api) -> Result<StoredBusiness, Problem> {
    let id: BusinessId = named("business", path)?;
    let found = api.ask(move |store| store.business(&id)).await?;
    caller.visible("business", found, |found| Some(&found.business.id))
}

impl BusinessDoor {
    /// The profile with the document laid over it, or all that is wrong with that.
    fn merged(&self, profile: &Profile, document: &Map<String, Value>) -> Result<Profile, Vec<FieldFault>> {
        let laid = merged(profile, document, &self.agents);
        let url = document.get("webhook_url").and_then(Value::as_str);
        let refusal = url.and_then(|url| (self.refuse_receiver)(url)).map(|problem| {
            FieldFault::new("webhook_url", problem, "give the https address of a public server, or leave it out")
        });
        match (laid, refusal) {
            (laid, None) => laid,
            (laid, Some(refusal)) => {
                let mut faults = laid.err().unwrap_or_default();
                if faults.iter().all(|fault| fault.field != refusal.field) {
                    faults.push(refusal);
                }
                Err(faults)
            }
        }
    }

    /// Has an edit made. What takes too long may have been made all the same.
    async fn edit(&self, caller: &Caller, edit: Edit) -> Result<Option<StoredBusiness>, EditError> {
        let edit = EditBusiness { edit, by: caller.token().to_owned() };
        match metered::ask(&self.keeper, edit, EDITED_WITHIN).await {
            Ok(edited) => edited,
            Err(_) => Err(EditError::Store(crate::store::StoreError::Unavailable("no answer in time".to_owned()))),
        }
    }
}

fn new_id() -> Result<BusinessId, Problem> {
    format!("biz_{}", random::hex::<10>()?).parse().map_err(|_| Problem::internal("an id that is none"))
}

/// The problem with fields that break rules.
fn refused(faults: Vec<FieldFault>) -> Problem {
    let error =
        |fault: FieldFault| FieldError { field: fault.field, detail: format!("{}; {}", fault.problem, fault.remedy) };
    Problem::invalid_fields(faults.into_iter().map(error).collect())
}

fn stale(current: u32) -> Problem {
    Problem::conflict(format!("the business has version {current} by now: read it, and edit that"))
}

/// The problem with an edit that was not made.
fn said(error: EditError, profile: &Profile) -> Problem {
    match error {
        EditError::NotFound => Problem::not_found("business"),
        EditError::Stale { current } => stale(current),
        EditError::Exists => Problem::conflict("there is or was a business with this id: try again"),
        EditError::NumbersTaken(taken) => {
            let fault = |number| {
                let index = profile.numbers.iter().position(|own| *own == number).unwrap_or_default();
                let remedy = "take it from that business first, or leave it out";
                FieldFault::new(format!("numbers[{index}]"), "is another business's", remedy)
            };
            refused(taken.into_iter().map(fault).collect())
        }
        EditError::Store(error) => error.into(),
    }
}
