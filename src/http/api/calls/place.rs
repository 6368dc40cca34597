//! Placing a call, and what came of it.

use std::collections::BTreeMap;

use actix_web::http::header::LOCATION;
use actix_web::web::{self, Json};
use actix_web::{HttpResponse, Responder};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::SchemaType;
use utoipa::openapi::{Object, ObjectBuilder, Type};

use crate::actors::business_keeper::Businesses;
use crate::actors::dialler::{DialError, Dialler};
use crate::clock;
use crate::engine::business::{Business, Directory};
use crate::engine::ids::{BusinessId, JobId, PhoneNumber};
use crate::engine::outbound::{JobState, OnMachine, OutboundJob, OutboundOrder};
use crate::http::api::Api;
use crate::http::api::body::{Body, named};
use crate::http::api::caller::Caller;
use crate::http::api::problem::{FieldError, Problem};
use crate::http::api::random;
use crate::http::api::value::{BusinessName, Moment, Number, ONE_LINE};

/// The longest message for a machine, in characters: a minute of speech.
pub(in crate::http::api) const LONGEST_MESSAGE: usize = 1_000;
/// The most that the agent is told of one call, in entries.
const MOST_CONTEXT: usize = 20;
/// The longest name of an entry, in characters.
const LONGEST_NAME: usize = 64;
/// The longest value of an entry, in characters.
const LONGEST_VALUE: usize = 1_000;
/// The longest idempotency key, in characters.
const LONGEST_KEY: usize = 128;

/// How long a job waits between being written down and being dialled, at most, in microseconds. 3 s: nobody waits longer for
/// the database than that, unless told to.
const LEFT_BEHIND_AFTER: i64 = 3_000_000;

/// What placing calls needs of this node.
pub struct DialDesk {
    /// Who dials; `None` while the carrier's credentials or our own address are not configured.
    pub dialler: Option<Dialler>,
    /// Who may show which number.
    pub businesses: Businesses,
    /// What is done when a machine answers, unless the request says otherwise.
    pub on_machine: OnMachine,
}

/// A call to be placed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewCall)]
pub(super) struct NewCallJson {
    /// Whom to call.
    to: Number,
    /// Whose call it is: the id of a business.
    #[schema(value_type = BusinessName)]
    business: BusinessId,
    /// The number to show: one of the business's; its first, if left out.
    #[serde(default)]
    #[schema(schema_with = number_or_null_schema, required = false)]
    from: Option<Number>,
    /// What the agent is told of the person or the matter: names, and what is so called. At most 20.
    #[serde(default)]
    #[schema(schema_with = context_schema, required = false)]
    context: BTreeMap<String, String>,
    /// What is done when a machine answers; the service's own setting, if left out.
    #[serde(default)]
    #[schema(schema_with = on_machine_schema, required = false)]
    on_machine: Option<OnMachine>,
    /// What is said to a machine, for `leave_message`.
    #[serde(default)]
    #[schema(schema_with = message_schema, required = false)]
    message: Option<String>,
    /// A name of your own for this call: asking again under it places no second call and gives the first.
    #[serde(default)]
    #[schema(schema_with = key_schema, required = false)]
    idempotency_key: Option<String>,
}

/// A call that the service was asked to place.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OutboundCall)]
pub(super) struct OutboundCallJson {
    /// Its name here.
    #[schema(schema_with = job_schema)]
    id: String,
    /// Whose call it is.
    business: String,
    /// Whom it calls.
    to: String,
    /// The number that it shows.
    from: String,
    /// How far it has come: `unknown` means that the carrier did not say whether it placed it, which will be found out;
    /// it is not dialled again.
    #[schema(schema_with = state_schema)]
    state: &'static str,
    /// The call, once it is known.
    #[schema(schema_with = call_sid_or_null_schema)]
    call_sid: Option<String>,
    /// Why there is no call, or why it is not known whether there is.
    error: Option<String>,
    /// When it was asked for.
    created_at: Moment,
}

impl From<OutboundJob> for OutboundCallJson {
    fn from(job: OutboundJob) -> Self {
        Self {
            id: job.job.to_string(),
            business: job.order.business.to_string(),
            to: job.order.to.as_str().to_owned(),
            from: job.order.from.as_str().to_owned(),
            state: job.state.as_str(),
            call_sid: job.call_sid.map(|sid| sid.to_string()),
            error: job.error,
            created_at: Moment(job.created_at),
        }
    }
}

/// Places a call.
///
/// Answered once the carrier has said whether it did. If it does not say, the answer is 202 and `state` is `unknown`. A
/// call that the carrier refuses is answered with 201, too: it is on record, with the reason in `error`.
#[utoipa::path(post, path = "/calls", tag = "calls", operation_id = "place_call",
    request_body = NewCallJson,
    responses(
        (status = 200, description = "It was asked for before, under the same key.", body = OutboundCallJson),
        (status = 201, description = "It was asked for now.", body = OutboundCallJson),
        (status = 202, description = "The carrier was asked, and did not say.", body = OutboundCallJson),
        (status = 404, response = crate::http::api::describe::NotFound),
        (status = 409, response = crate::http::api::describe::Conflict),
    ),
)]
pub(super) async fn place(
    caller: Caller,
    Body(asked): Body<NewCallJson>,
    api: web::Data<Api>,
    desk: web::Data<DialDesk>,
) -> Result<impl Responder, Problem> {
    caller.may_change()?;
    let businesses = desk.businesses.now();
    let business = businesses.get(&asked.business);
    let business = caller.visible("business", business, |business| Some(&business.id))?;
    let order = order(asked, business, &businesses, desk.on_machine)?;
    let dialler = desk.dialler.as_ref().ok_or_else(|| {
        Problem::conflict("no call can be placed: set TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN and http.public_url, or asterisk.ari.dial")
    })?;
    if let Some(known) = known(&api, &order).await?.filter(|known| !is_left_behind(known)) {
        return answer(known, false);
    }
    let slot = dialler.slot(&order.business).await;
    let slot = slot.map_err(|full| {
        api.telemetry.record(crate::telemetry::Event::CallRefused { why: full.refusal() });
        Problem::unavailable(full.reason())
    })?;
    let (id, stored) = (new_id()?, order.clone());
    let (job, is_new) = api.ask(move |store| store.order_call(&id, &stored, clock::wall_micros())).await?;
    let job = if is_new { job } else { same(job, &order)? };
    if !is_new && !is_left_behind(&job) {
        return answer(job, false);
    }
    let placed = dialler.place(job, slot).await.map_err(|DialError::Store(error)| Problem::from(error))?;
    answer(placed, is_new)
}

/// Whether a job waits for somebody who will not come: a node that died, or lost its database, after it had written the
/// job down. Who asks again dials it; if the other does come, one of the two has the right to.
fn is_left_behind(job: &OutboundJob) -> bool {
    job.state == JobState::Waiting && clock::wall_micros().saturating_sub(job.created_at) > LEFT_BEHIND_AFTER
}

/// A call that the service was asked to place.
#[utoipa::path(get, path = "/outbound-calls/{id}", tag = "calls", operation_id = "show_outbound_call",
    params(("id" = String, Path, description = "Which, as `POST /calls` has named it.", pattern = "^OB[0-9a-fA-F]{32}$")),
    responses(
        (status = 200, description = "What has become of it.", body = OutboundCallJson),
        (status = 404, response = crate::http::api::describe::NotFound),
    ),
)]
pub(super) async fn show(
    caller: Caller,
    path: web::Path<String>,
    api: web::Data<Api>,
) -> Result<Json<OutboundCallJson>, Problem> {
    let id: JobId = named("outbound call", &path)?;
    let job = api.ask(move |store| store.outbound_job(&id)).await?;
    let job = caller.visible("outbound call", job, |job| Some(&job.order.business))?;
    Ok(Json(job.into()))
}

fn answer(job: OutboundJob, is_new: bool) -> Result<HttpResponse, Problem> {
    let mut answer = match (job.state, is_new) {
        (JobState::Unknown | JobState::Dialling | JobState::Waiting, true) => HttpResponse::Accepted(),
        (_, true) => HttpResponse::Created(),
        (_, false) => HttpResponse::Ok(),
    };
    let location = format!("/api/v1/outbound-calls/{}", job.job);
    Ok(answer.insert_header((LOCATION, location)).json(OutboundCallJson::from(job)))
}

/// The job that was given under the same key, if there is one.
async fn known(api: &Api, order: &OutboundOrder) -> Result<Option<OutboundJob>, Problem> {
    let Some(key) = order.idempotency_key.clone() else { return Ok(None) };
    let business = order.business.clone();
    let job = api.ask(move |store| store.outbound_job_of_key(business.as_str(), &key)).await?;
    job.map(|job| same(job, order)).transpose()
}

/// The job, if it was asked for in the same words.
fn same(job: OutboundJob, order: &OutboundOrder) -> Result<OutboundJob, Problem> {
    match job.order == *order {
        true => Ok(job),
        false => Err(Problem::conflict("this idempotency_key was given with another call; give each call its own")),
    }
}

/// The order, or everything that is wrong with it.
fn order(
    asked: NewCallJson,
    business: &Business,
    businesses: &Directory,
    usual: OnMachine,
) -> Result<OutboundOrder, Problem> {
    let mut errors = Vec::new();
    let mut wrong = |field: &str, detail: String| errors.push(FieldError { field: field.to_owned(), detail });
    let is_long = |text: &str, most: usize| text.is_empty() || text.chars().count() > most;
    let on_machine = asked.on_machine.unwrap_or(usual);
    match &asked.message {
        None if on_machine == OnMachine::LeaveMessage => {
            wrong("message", "is missing, and on_machine is leave_message; give what is to be said".to_owned());
        }
        Some(message) if is_long(message.trim(), LONGEST_MESSAGE) => {
            wrong("message", format!("give 1 to {LONGEST_MESSAGE} characters"));
        }
        _ => {}
    }
    if asked.context.len() > MOST_CONTEXT {
        wrong("context", format!("has {} entries; give at most {MOST_CONTEXT}", asked.context.len()));
    }
    for (name, value) in &asked.context {
        if is_long(name.trim(), LONGEST_NAME) {
            wrong("context", format!("a name has no characters, or more than {LONGEST_NAME}"));
        } else if value.chars().count() > LONGEST_VALUE {
            wrong(&format!("context.{name}"), format!("give at most {LONGEST_VALUE} characters"));
        }
    }
    let is_no_key = |key: &str| is_long(key.trim(), LONGEST_KEY) || key.contains(char::is_control);
    if asked.idempotency_key.as_deref().is_some_and(is_no_key) {
        wrong("idempotency_key", format!("give 1 to {LONGEST_KEY} characters, without control characters"));
    }
    let from = match number_to_show(asked.from, business, businesses) {
        Ok(from) => Some(from),
        Err(detail) => {
            wrong("from", detail.to_owned());
            None
        }
    };
    match from {
        Some(from) if errors.is_empty() => Ok(OutboundOrder {
            business: business.id.clone(),
            to: asked.to.0,
            from,
            context: asked.context.into_iter().collect(),
            on_machine,
            message: asked.message,
            idempotency_key: asked.idempotency_key,
        }),
        _ => Err(Problem::invalid_fields(errors)),
    }
}

/// The number that the call shows: one that the business answers. Of those that nobody has it is the catch-all's; the
/// carrier knows which are ours.
pub(in crate::http::api) fn number_to_show(
    asked: Option<Number>,
    business: &Business,
    businesses: &Directory,
) -> Result<PhoneNumber, &'static str> {
    let is_its = |from: &PhoneNumber| businesses.answering(Some(from)).is_some_and(|other| other.id == business.id);
    match asked {
        None => business.profile.own_numbers().next().cloned().ok_or("the business has no number; give one to show"),
        Some(Number(from)) if is_its(&from) => Ok(from),
        Some(_) => Err("is no number of the business"),
    }
}

pub(in crate::http::api) fn new_id() -> Result<JobId, Problem> {
    format!("OB{}", random::hex::<16>()?).parse().map_err(|_| Problem::internal("an id that is none"))
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

/// A text or nothing.
fn text_or_null() -> ObjectBuilder {
    text().schema_type(SchemaType::from_iter([Type::String, Type::Null]))
}

pub(in crate::http::api) fn number_or_null_schema() -> Object {
    text_or_null().pattern(Some("^\\+[1-9][0-9]{1,14}$")).build()
}

pub(in crate::http::api) fn context_schema() -> Object {
    let value = text().max_length(Some(LONGEST_VALUE));
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .property_names(Some(text().min_length(Some(1)).max_length(Some(LONGEST_NAME)).build()))
        .additional_properties(Some(value))
        .max_properties(Some(MOST_CONTEXT))
        .build()
}

pub(in crate::http::api) fn on_machine_schema() -> Object {
    text_or_null().enum_values(Some(OnMachine::ALL.iter().map(|value| Some(value.as_str())).chain([None]))).build()
}

fn state_schema() -> Object {
    text().enum_values(Some(JobState::ALL.iter().map(|value| value.as_str()))).build()
}

pub(in crate::http::api) fn message_schema() -> Object {
    text_or_null().min_length(Some(1)).max_length(Some(LONGEST_MESSAGE)).build()
}

fn key_schema() -> Object {
    text_or_null().min_length(Some(1)).max_length(Some(LONGEST_KEY)).pattern(Some(ONE_LINE)).build()
}

fn job_schema() -> Object {
    text().pattern(Some("^OB[0-9a-fA-F]{32}$")).build()
}

pub(in crate::http::api) fn call_sid_or_null_schema() -> Object {
    text_or_null().pattern(Some("^CA[0-9a-fA-F]{32}$")).build()
}
