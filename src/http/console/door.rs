//! Logging in and out, and who may place a call.

use std::net::IpAddr;

use actix_web::http::header::{CACHE_CONTROL, SET_COOKIE, X_CONTENT_TYPE_OPTIONS};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};

use crate::clock;
use crate::engine::ids::BusinessId;
use crate::http::api::Api;
use crate::http::api::body::Body;
use crate::http::api::problem::{Problem, ProblemKind};
use crate::telemetry::Refusal;

use super::session::{self, Login};

/// Who wants to log in.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoggingIn {
    /// The administrator's token, or another one of the interface.
    token: String,
}

/// Who is logged in.
#[derive(Debug, Serialize)]
struct SessionJson<'a> {
    /// `admin`, `business` or `viewer`: what the token allows.
    role: &'static str,
    /// The only business that is seen; `null`: all.
    business: Option<&'a BusinessId>,
    /// To be shown in the header `X-CSRF-Token` with whatever changes something.
    csrf_token: &'a str,
    /// When one is logged out at the latest: microseconds since 1970-01-01 UTC.
    ends_at: i64,
}

/// `POST /console/login`: a session for whoever has a valid token. Who has none may try as often as the interface lets
/// strangers ask.
pub async fn log_in(
    request: HttpRequest,
    body: Result<Body<LoggingIn>, Problem>,
    api: web::Data<Api>,
) -> Result<HttpResponse, Problem> {
    if !api.sessions.is_own_page(&request) {
        return Err(foreign());
    }
    let peer = request.peer_addr().map(|address| address.ip());
    let Body(LoggingIn { token }) = body.map_err(|problem| stranger(&api, peer).err().unwrap_or(problem))?;
    let now = clock::wall_micros();
    let Some(caller) = api.tokens.look_up(token.trim(), now) else {
        stranger(&api, peer)?;
        return Err(Problem::new(ProblemKind::Unauthenticated, "this is not a valid token"));
    };
    api.throttle.token(caller.token()).map_err(Problem::too_many_requests)?;
    if let Some(earlier) = api.sessions.secret_of(&request) {
        api.sessions.close(earlier);
    }
    let opened = api.sessions.open(&caller, now).map_err(|error| Problem::internal(error.to_string()))?;
    Ok(plain(HttpResponse::NoContent()).insert_header((SET_COOKIE, api.sessions.cookie(&opened))).finish())
}

/// `GET /console/session`: who is logged in.
pub async fn show(request: HttpRequest, api: web::Data<Api>) -> Result<HttpResponse, Problem> {
    let login = logged_in(&request, &api)?;
    let Login { caller, proof, ends_at } = &login;
    let answer = SessionJson { role: caller.role(), business: caller.business(), csrf_token: proof, ends_at: *ends_at };
    Ok(plain(HttpResponse::Ok()).json(answer))
}

/// `POST /console/logout`: the end of the session.
pub async fn log_out(request: HttpRequest, api: web::Data<Api>) -> Result<HttpResponse, Problem> {
    let login = logged_in(&request, &api)?;
    if !login.is_proved_by(&request) {
        return Err(session::no_proof());
    }
    if let Some(secret) = api.sessions.secret_of(&request) {
        api.sessions.close(secret);
    }
    Ok(plain(HttpResponse::NoContent()).insert_header((SET_COOKIE, api.sessions.no_cookie())).finish())
}

/// Whether a call may be placed from the page that asks: the only business to which; `None`: to every. Else how that is
/// counted, and the answer.
///
/// # Errors
/// The page is not ours, nobody is logged in, too much was asked, or whoever is logged in may only look.
pub fn may_call(request: &HttpRequest, api: &Api) -> Result<Option<BusinessId>, (Refusal, actix_web::Error)> {
    if !api.sessions.is_own_page(request) {
        return Err((Refusal::OtherOrigin, foreign().into()));
    }
    let refused = |problem: Problem| (Refusal::NotLoggedIn, problem.into());
    let Login { caller, .. } = logged_in(request, api).map_err(refused)?;
    caller.may_change().map_err(refused)?;
    let business = caller.business().cloned();
    request.extensions_mut().insert(caller);
    Ok(business)
}

/// Who asks, if somebody is logged in, and has not asked too much.
fn logged_in(request: &HttpRequest, api: &Api) -> Result<Login, Problem> {
    let Some(login) = session::of_request(api, request, clock::wall_micros()) else {
        // A browser that comes for the first time has no cookie, and tries nothing.
        if api.sessions.secret_of(request).is_some() {
            stranger(api, request.peer_addr().map(|address| address.ip()))?;
        }
        return Err(Problem::new(ProblemKind::Unauthenticated, "nobody is logged in"));
    };
    api.throttle.token(login.caller.token()).map_err(Problem::too_many_requests)?;
    Ok(login)
}

/// Counts a request of somebody who is nobody yet.
fn stranger(api: &Api, peer: Option<IpAddr>) -> Result<(), Problem> {
    api.throttle.stranger(peer).map_err(Problem::too_many_requests)
}

fn foreign() -> Problem {
    Problem::forbidden("Origin: only a page of this service may do this")
}

/// An answer that is for one browser, and kept by none.
fn plain(mut answer: actix_web::HttpResponseBuilder) -> actix_web::HttpResponseBuilder {
    answer.insert_header((CACHE_CONTROL, "no-store")).insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"));
    answer
}
