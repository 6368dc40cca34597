//! Outgoing webhooks: what they are signed with, what has become of each, sending one again, sending one to try.

mod shape;

use std::time::Duration;

use actix_web::web::{self, Json, ServiceConfig};
use actix_web::{HttpResponse, Responder};
use serde_json::json;
use utoipa::OpenApi;

use crate::clock;
use crate::engine::delivery::{EventId, Secret};
use crate::engine::ids::BusinessId;
use crate::store::businesses::StoredBusiness;

use super::body::{Query, named};
use super::caller::Caller;
use super::page::Page;
use super::problem::Problem;
use super::value::Moment;
use super::{Api, Part, by_get, random, resource};
pub use shape::body_of;
use shape::{AskedDeliveries, BodyJson, DeliveryJson, NewSecretJson, WebhookJson};

/// This part of the interface.
pub const PART: Part = Part { routes, document: Document::openapi };

/// What this part of the interface needs.
pub struct HookDoor {
    /// How long a secret signs beside the one that replaces it.
    pub overlap: Duration,
}

fn routes(config: &mut ServiceConfig) {
    config
        .service(by_get("/businesses/{id}/webhook", || web::route().to(show)))
        .service(resource("/businesses/{id}/webhook/secret", "POST").route(web::post().to(replace_secret)))
        .service(resource("/businesses/{id}/webhook/test", "POST").route(web::post().to(test)))
        .service(by_get("/businesses/{id}/webhook/deliveries", || web::route().to(list)))
        .service(by_get("/businesses/{id}/webhook/deliveries/{event_id}", || web::route().to(read)))
        .service(
            resource("/businesses/{id}/webhook/deliveries/{event_id}/redeliver", "POST")
                .route(web::post().to(redeliver)),
        );
}

#[derive(OpenApi)]
#[openapi(
    paths(show, replace_secret, test, list, read, redeliver),
    components(schemas(BodyJson)),
    tags((name = "webhooks", description = "What businesses are told of, and what has become of it."))
)]
struct Document;

/// How a business is told of events.
#[utoipa::path(get, path = "/businesses/{id}/webhook", tag = "webhooks", operation_id = "get_webhook",
    params(("id" = String, Path, description = "Which business.")),
    responses(
        (status = 200, description = "Where to, and signed with what.", body = WebhookJson),
        (status = 404, response = super::describe::NotFound),
    ),
)]
async fn show(caller: Caller, path: web::Path<String>, api: web::Data<Api>) -> Result<Json<WebhookJson>, Problem> {
    let business = visible(&caller, &path, &api).await?.business;
    let (id, now) = (business.id, clock::wall_micros());
    let secrets = api.ask(move |store| store.webhook_secrets(&id, now)).await?;
    let secrets = secrets.into_iter().map(Into::into).collect();
    Ok(Json(WebhookJson { url: business.profile.webhook_url, secrets }))
}

/// Makes another secret, and shows it this once.
///
/// The one before it signs beside it for `webhooks.secret_overlap_s`, so that a receiver may learn the new one meanwhile.
#[utoipa::path(post, path = "/businesses/{id}/webhook/secret", tag = "webhooks",
    operation_id = "replace_webhook_secret",
    params(("id" = String, Path, description = "Which business.")),
    responses(
        (status = 201, description = "The secret.", body = NewSecretJson),
        (status = 404, response = super::describe::NotFound),
    ),
)]
async fn replace_secret(
    caller: Caller,
    path: web::Path<String>,
    api: web::Data<Api>,
    door: web::Data<HookDoor>,
) -> Result<impl Responder, Problem> {
    caller.may_change()?;
    let id = visible(&caller, &path, &api).await?.business.id;
    let secret = Secret::of(random::bytes()?);
    let now = clock::wall_micros();
    let until = now.saturating_add(i64::try_from(door.overlap.as_micros()).unwrap_or(i64::MAX));
    let new = secret.clone();
    let before = api
        .ask(move |store| {
            let before = store.webhook_secrets(&id, now)?;
            store.replace_webhook_secret(&id, &new, now, until)?;
            Ok(before)
        })
        .await?;
    let previous_expires_at = (!before.is_empty()).then_some(Moment(until));
    let made = NewSecretJson { id: secret.id(), secret: secret.expose().to_owned(), previous_expires_at };
    Ok(HttpResponse::Created().json(made))
}

/// Sends a webhook of the type `webhook.test`, so that it can be seen whether they arrive.
#[utoipa::path(post, path = "/businesses/{id}/webhook/test", tag = "webhooks", operation_id = "test_webhook",
    params(("id" = String, Path, description = "Which business.")),
    responses(
        (status = 202, description = "It is sent within a second.", body = DeliveryJson),
        (status = 404, response = super::describe::NotFound),
        (status = 409, response = super::describe::Conflict),
    ),
)]
async fn test(caller: Caller, path: web::Path<String>, api: web::Data<Api>) -> Result<impl Responder, Problem> {
    caller.may_change()?;
    let business = visible(&caller, &path, &api).await?.business;
    if business.profile.webhook_url.is_none() {
        return Err(Problem::conflict("the business has no webhook_url"));
    }
    let (subject, now) = (random::hex::<16>()?, clock::wall_micros());
    let body = json!({ "message": "This is a test of the webhooks of this business." });
    let noted = api.ask(move |store| store.add_test_event(&business.id, &subject, body, now)).await?;
    Ok(HttpResponse::Accepted().json(DeliveryJson::from(noted)))
}

/// What has become of a business's webhooks, the newest event first.
#[utoipa::path(get, path = "/businesses/{id}/webhook/deliveries", tag = "webhooks",
    operation_id = "list_webhook_deliveries",
    params(("id" = String, Path, description = "Which business."), AskedDeliveries),
    responses(
        (status = 200, description = "A page of the list.", body = Page<DeliveryJson>),
        (status = 404, response = super::describe::NotFound),
    ),
)]
async fn list(
    caller: Caller,
    path: web::Path<String>,
    Query(asked): Query<AskedDeliveries>,
    api: web::Data<Api>,
) -> Result<Json<Page<DeliveryJson>>, Problem> {
    let id = visible(&caller, &path, &api).await?.business.id;
    let (limit, behind) = (asked.limit, asked.cursor.map(|cursor| cursor.0));
    let rows = api.ask(move |store| store.deliveries(&id, asked.state, behind.as_ref(), limit.rows_to_ask())).await?;
    Ok(Json(Page::of(rows, limit, |row| (row.created_at, row.id.to_string()), DeliveryJson::from)))
}

/// What has become of one event.
#[utoipa::path(get, path = "/businesses/{id}/webhook/deliveries/{event_id}", tag = "webhooks",
    operation_id = "get_webhook_delivery",
    params(
        ("id" = String, Path, description = "Which business."),
        ("event_id" = String, Path, description = "Which event.", pattern = "^evt_[0-9a-f]{32}$"),
    ),
    responses(
        (status = 200, description = "The delivery.", body = DeliveryJson),
        (status = 404, response = super::describe::NotFound),
    ),
)]
async fn read(
    caller: Caller,
    path: web::Path<(String, String)>,
    api: web::Data<Api>,
) -> Result<Json<DeliveryJson>, Problem> {
    let (id, event) = event(&caller, path, &api).await?;
    let found = api.ask(move |store| store.delivery(&id, &event)).await?;
    Ok(Json(found.ok_or_else(|| Problem::not_found("event"))?.into()))
}

/// Sends an event again, whatever has become of it: the same event, under the same name.
#[utoipa::path(post, path = "/businesses/{id}/webhook/deliveries/{event_id}/redeliver", tag = "webhooks",
    operation_id = "redeliver_webhook",
    params(
        ("id" = String, Path, description = "Which business."),
        ("event_id" = String, Path, description = "Which event.", pattern = "^evt_[0-9a-f]{32}$"),
    ),
    responses(
        (status = 202, description = "It is sent within a second.", body = DeliveryJson),
        (status = 404, response = super::describe::NotFound),
    ),
)]
async fn redeliver(
    caller: Caller,
    path: web::Path<(String, String)>,
    api: web::Data<Api>,
) -> Result<impl Responder, Problem> {
    caller.may_change()?;
    let (id, event) = event(&caller, path, &api).await?;
    let now = clock::wall_micros();
    let found = api.ask(move |store| store.redeliver(&id, &event, now)).await?;
    let delivery = found.ok_or_else(|| Problem::not_found("event"))?;
    Ok(HttpResponse::Accepted().json(DeliveryJson::from(delivery)))
}

/// The business of this path, if the caller sees it.
async fn visible(caller: &Caller, path: &web::Path<String>, api: &Api) -> Result<StoredBusiness, Problem> {
    let id: BusinessId = named("business", path)?;
    let found = api.ask(move |store| store.business(&id)).await?;
    caller.visible("business", found, |found| Some(&found.business.id))
}

/// The business and the event of this path, if the caller sees the business.
async fn event(
    caller: &Caller,
    path: web::Path<(String, String)>,
    api: &Api,
) -> Result<(BusinessId, EventId), Problem> {
    let (business, event) = path.into_inner();
    let id = visible(caller, &business.into(), api).await?.business.id;
    Ok((id, event.parse().map_err(|_| Problem::not_found("event"))?))
}
