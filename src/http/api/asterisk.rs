//! Calls that a PBX is about to connect: whose they are, and who calls whom, said beforehand.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix::Addr;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, Responder};
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::SchemaType;
use utoipa::openapi::{Object, ObjectBuilder, Type};
use utoipa::{OpenApi, ToSchema};

use crate::actors::business_keeper::Businesses;
use crate::actors::call_status::{CallStatusActor, apply_status};
use crate::actors::capacity::Capacity;
use crate::actors::lateness::Overload;
use crate::clock;
use crate::config::AudioSocketSettings;
use crate::engine::ids::BusinessId;
use crate::engine::status::{CallDirection, CallStatus, CarrierSource, Party, StatusChange};
use crate::engine::wire::audiosocket::UuidSeal;
use crate::telemetry::{Event, Refusal};

use super::body::Body;
use super::caller::Caller;
use super::problem::{FieldError, Problem};
use super::value::{BusinessName, CallName, Direction, Moment, ONE_LINE};
use super::{Api, Part, random, resource};

/// This part of the interface.
pub const PART: Part = Part { routes, document: Document::openapi };

/// The longest number or address of a party, in characters.
const LONGEST_PARTY: usize = 128;

/// What naming a PBX's calls needs of this node.
pub struct AsteriskDesk {
    /// Limits and times.
    pub settings: AudioSocketSettings,
    /// Where the socket listens; `None` if it is not configured.
    pub listen: Option<SocketAddr>,
    /// Makes the UUIDs.
    pub seal: UuidSeal,
    /// Whose calls there can be.
    pub businesses: Businesses,
    /// How many.
    pub capacity: Capacity,
    /// Where it is written down.
    pub status: Addr<CallStatusActor>,
    /// Whether live calls are served late already.
    pub overload: Arc<Overload>,
    /// Whether the service is stopping.
    pub is_stopping: Arc<AtomicBool>,
}

fn routes(config: &mut ServiceConfig) {
    config.service(resource("/asterisk/calls", "POST").route(web::post().to(bind)));
}

#[derive(OpenApi)]
#[openapi(paths(bind), tags((name = "asterisk", description = "Calls that come from an Asterisk PBX.")))]
struct Document;

/// A call that a PBX is about to connect.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewAsteriskCall {
    /// Whose call it is: the id of a business.
    #[schema(value_type = BusinessName)]
    business: BusinessId,
    /// Which way it goes, seen from us; `inbound`, if left out.
    #[serde(default)]
    #[schema(schema_with = direction_schema, required = false)]
    direction: Option<CallDirection>,
    /// Who calls: a number in E.164, or what the PBX calls them; 1 to 128 characters.
    #[serde(default)]
    #[schema(schema_with = party_schema, required = false)]
    from: Option<String>,
    /// Who is called, likewise.
    #[serde(default)]
    #[schema(schema_with = party_schema, required = false)]
    to: Option<String>,
}

/// A call that the service expects.
#[derive(Debug, Serialize, ToSchema)]
struct AsteriskCall {
    /// What `AudioSocket()` is to be given.
    #[schema(schema_with = uuid_schema)]
    uuid: String,
    /// The call's name here.
    #[schema(value_type = CallName)]
    call_sid: String,
    /// Whose call it is.
    #[schema(value_type = BusinessName)]
    business: String,
    /// Which way it goes, seen from us.
    #[schema(value_type = Direction)]
    direction: &'static str,
    /// Until when it can be connected.
    expires_at: Moment,
    /// The dialplan's application that connects it.
    application: String,
}

/// Names a call that a PBX is about to connect by AudioSocket.
///
/// The UUID can be used once, until it expires, from wherever the socket can be reached. The call is on record from now on, as
/// `initiated`.
#[utoipa::path(post, path = "/asterisk/calls", tag = "asterisk", operation_id = "bind_asterisk_call",
    request_body = NewAsteriskCall,
    responses(
        (status = 201, description = "The call is expected.", body = AsteriskCall),
        (status = 404, response = super::describe::NotFound),
        (status = 409, response = super::describe::Conflict),
    ),
)]
async fn bind(
    caller: Caller,
    Body(asked): Body<NewAsteriskCall>,
    api: web::Data<Api>,
    desk: web::Data<AsteriskDesk>,
) -> Result<impl Responder, Problem> {
    caller.may_change()?;
    let businesses = desk.businesses.now();
    let business = businesses.get(&asked.business);
    let business = caller.visible("business", business, |business| Some(&business.id))?;
    let (from, to) = parties(&asked)?;
    let listen = desk
        .listen
        .ok_or_else(|| Problem::conflict("no call can be connected: set asterisk.audiosocket.enabled to true"))?;
    let direction = asked.direction.unwrap_or(CallDirection::Inbound);
    let refuse = |why: Refusal, reason: &str| {
        api.telemetry.record(Event::CallRefused { why });
        Problem::unavailable(reason)
    };
    if desk.is_stopping.load(Ordering::Relaxed) {
        return Err(refuse(Refusal::Draining, "the service is stopping"));
    }
    let too_busy = || refuse(Refusal::Overloaded, "live calls are served late, or soon would be");
    if desk.overload.is_on() {
        return Err(too_busy());
    }
    let slot = desk.capacity.slot(&business.id, direction).await;
    let slot = slot.map_err(|full| refuse(full.refusal(), full.reason()))?;
    // Whoever finds no slot takes nobody's turn.
    if !desk.overload.takes_one() {
        return Err(too_busy());
    }
    let id = desk.seal.issue(random::bytes()?);
    let (call, now) = (id.call_sid(), clock::wall_micros());
    let change = StatusChange {
        direction: Some(direction),
        business: Some(business.id.clone()),
        from,
        to,
        ..StatusChange::new(call.clone(), CallStatus::Initiated, CarrierSource::SocketBinding, now)
    };
    apply_status(&desk.status, change).await?;
    desk.capacity.keep(call.clone(), slot);
    Ok(HttpResponse::Created().json(AsteriskCall {
        uuid: id.to_string(),
        call_sid: call.to_string(),
        business: business.id.to_string(),
        direction: direction.as_str(),
        expires_at: Moment(now + i64::from(desk.settings.bind_s) * 1_000_000),
        application: format!("AudioSocket({id},{})", desk.settings.reached_at(listen)),
    }))
}

/// Who calls whom, or everything that is wrong with that.
fn parties(asked: &NewAsteriskCall) -> Result<(Option<Party>, Option<Party>), Problem> {
    let mut errors = Vec::new();
    let mut party = |field: &str, text: &Option<String>| -> Option<Party> {
        let text = text.as_deref()?.trim();
        if text.is_empty() || text.chars().count() > LONGEST_PARTY || text.contains(char::is_control) {
            let detail = format!("give 1 to {LONGEST_PARTY} characters, without control characters");
            errors.push(FieldError { field: field.to_owned(), detail });
        }
        Some(Party::from(text.to_owned()))
    };
    let parties = (party("from", &asked.from), party("to", &asked.to));
    if errors.is_empty() { Ok(parties) } else { Err(Problem::invalid_fields(errors)) }
}

fn text_or_null() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::String, Type::Null]))
}

fn party_schema() -> Object {
    text_or_null().min_length(Some(1)).max_length(Some(LONGEST_PARTY)).pattern(Some(ONE_LINE)).build()
}

fn direction_schema() -> Object {
    let words = [CallDirection::Inbound, CallDirection::Outbound].map(|direction| Some(direction.as_str()));
    text_or_null().enum_values(Some(words.into_iter().chain([None]))).build()
}

fn uuid_schema() -> Object {
    ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")).build()
}
