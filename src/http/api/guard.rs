//! The door of the interface: every request goes through it, whatever it asks for, before anything else looks at it.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{AUTHORIZATION, CACHE_CONTROL, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, web};

use crate::clock;
use crate::http::console::session;
use crate::telemetry::Event;

use super::Api;
use super::caller::Caller;
use super::problem::{Problem, ProblemKind};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// What a request without a token is told (RFC 6750, section 3).
const NO_TOKEN: &str = "Bearer realm=\"trunkline\"";
/// What a request with a token that is not valid is told.
const BAD_TOKEN: &str = "Bearer realm=\"trunkline\", error=\"invalid_token\"";

/// Lets a request with a valid token through to its handler, and gives every answer its form: whatever goes wrong
/// anywhere becomes problem details, nothing is kept by a cache, and each answer has a name.
pub async fn guard(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let since = clock::now();
    let Some(api) = request.app_data::<web::Data<Api>>().cloned() else {
        return Ok(request.into_response(Problem::internal("the interface has no state").render(None)));
    };
    let (method, id) = (word(request.method()), request_id(&request));
    let mut response = match admit(&api, &request) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            let response = next.call(request).await?.map_into_boxed_body();
            as_problem(response, &id, &api)
        }
        Err(problem) => request.into_response(problem.render(Some(&id))),
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    let (status, took) = (response.status().as_u16(), clock::now().duration_since(since));
    api.telemetry.record(Event::ApiAnswered { method, status, took });
    Ok(response)
}

/// Who asks, if they may ask now.
fn admit(api: &Api, request: &ServiceRequest) -> Result<Caller, Problem> {
    let now = clock::wall_micros();
    if !request.headers().contains_key(AUTHORIZATION)
        && let Some(login) = session::of_request(api, request.request(), now)
    {
        api.throttle.token(login.caller.token()).map_err(Problem::too_many_requests)?;
        return match request.method().is_safe() || login.is_proved_by(request.request()) {
            true => Ok(login.caller),
            false => Err(session::no_proof()),
        };
    }
    let text = bearer(request);
    match text.and_then(|text| api.tokens.look_up(text, now)) {
        Some(caller) => match api.throttle.token(caller.token()) {
            Ok(()) => Ok(caller),
            Err(wait) => Err(Problem::too_many_requests(wait)),
        },
        None => match api.throttle.stranger(peer(request)) {
            Ok(()) => Err(Problem::unauthenticated(if text.is_some() { BAD_TOKEN } else { NO_TOKEN })),
            Err(wait) => Err(Problem::too_many_requests(wait)),
        },
    }
}

/// The token in `Authorization: Bearer …`; of two such headers none counts.
fn bearer(request: &ServiceRequest) -> Option<&str> {
    let mut given = request.headers().get_all(AUTHORIZATION);
    let (value, None) = (given.next()?.to_str().ok()?, given.next()) else { return None };
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn peer(request: &ServiceRequest) -> Option<IpAddr> {
    request.peer_addr().map(|address| address.ip())
}

/// An answer that says that something went wrong, as problem details with the request's name.
fn as_problem(response: ServiceResponse<BoxBody>, id: &str, api: &Api) -> ServiceResponse<BoxBody> {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let problem = match response.response().error().map(|error| (error, error.as_error::<Problem>())) {
        Some((_, Some(problem))) => problem.clone(),
        Some((error, None)) if status.is_server_error() => Problem::internal(error.to_string()),
        Some((error, None)) => Problem::new(ProblemKind::of_status(status), error.to_string()),
        None => Problem::new(ProblemKind::of_status(status), status.canonical_reason().unwrap_or_default()),
    };
    if let Some(cause) = problem.cause() {
        api.say_failed(id, cause);
    }
    response.into_response(problem.render(Some(id)))
}

/// The name of a request: the client's own, if it is one, else a new one.
fn request_id(request: &ServiceRequest) -> String {
    let is_name = |text: &&str| {
        (1..=64).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    let given = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok());
    given.filter(is_name).map_or_else(new_request_id, str::to_owned)
}

/// When, and which since the start: enough to find its line in a log.
fn new_request_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("{:x}-{:x}", clock::wall_micros(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A method, as a word for counting.
fn word(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" | "HEAD" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        _ => "other",
    }
}
