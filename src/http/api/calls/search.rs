//! Which calls are asked for, in the query or in the body, and the list of them.
//!
//! What is asked with `GET` stands in the address, and addresses are kept by browsers, proxies and their logs. Whoever
//! seeks a number asks with `POST`.

use actix_web::web::{self, Json};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::engine::ids::BusinessId;
use crate::engine::status::{CallDirection, CallStatus};
use crate::http::api::Api;
use crate::http::api::body::{Body, Query};
use crate::http::api::caller::Caller;
use crate::http::api::page::{Cursor, Limit, Page};
use crate::http::api::problem::Problem;
use crate::http::api::value::{BusinessName, Direction, Judged, Moment, Number, PageCursor, Status, VerdictWord};
use crate::store::{CallFilter, CallPlace};

use super::shape::ListedCallJson;

/// Which calls are asked for: those that fit everything that is given.
#[derive(Debug, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
#[schema(as = CallSearch)]
pub(super) struct Asked {
    /// Those of this business.
    #[param(value_type = Option<BusinessName>)]
    #[schema(value_type = Option<BusinessName>)]
    business: Option<BusinessId>,
    /// Those that have come this far, and no farther.
    #[param(value_type = Option<Status>)]
    #[schema(value_type = Option<Status>)]
    status: Option<CallStatus>,
    /// Those that go this way.
    #[param(value_type = Option<Direction>)]
    #[schema(value_type = Option<Direction>)]
    direction: Option<CallDirection>,
    /// Those from or to this number.
    number: Option<Number>,
    /// Those of this time or later.
    since: Option<Moment>,
    /// Those of an earlier time than this.
    until: Option<Moment>,
    /// Those that were judged so. A page of them may hold fewer calls than `limit`, or none, though there are more.
    #[param(value_type = Option<VerdictWord>)]
    #[schema(value_type = Option<VerdictWord>)]
    verdict: Option<Judged>,
    /// How many calls a page holds.
    #[serde(default)]
    #[param(inline, required = false)]
    #[schema(inline, required = false)]
    limit: Limit,
    /// The `next_cursor` of the page before.
    #[param(value_type = Option<PageCursor>, inline)]
    #[schema(value_type = Option<PageCursor>, inline)]
    cursor: Option<Cursor<CallPlace>>,
}

/// Which calls are to be exported: those that fit everything that is given.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CallExport)]
pub(super) struct Exported {
    /// Those of this business.
    #[schema(value_type = Option<BusinessName>)]
    business: Option<BusinessId>,
    /// Those that have come this far, and no farther.
    #[schema(value_type = Option<Status>)]
    status: Option<CallStatus>,
    /// Those that go this way.
    #[schema(value_type = Option<Direction>)]
    direction: Option<CallDirection>,
    /// Those from or to this number.
    number: Option<Number>,
    /// Those of this time or later.
    since: Option<Moment>,
    /// Those of an earlier time than this.
    until: Option<Moment>,
    /// Those that were judged so.
    #[schema(value_type = Option<VerdictWord>)]
    verdict: Option<Judged>,
}

/// The list of calls, the newest first.
#[utoipa::path(get, path = "/calls", tag = "calls", operation_id = "list_calls", params(Asked), responses(
    (status = 200, description = "A page of the list.", body = Page<ListedCallJson>),
))]
pub(super) async fn list(
    caller: Caller,
    Query(asked): Query<Asked>,
    api: web::Data<Api>,
) -> Result<Json<Page<ListedCallJson>>, Problem> {
    page(&caller, asked, &api).await
}

/// The same list, asked for in the body: for numbers, which have no place in an address. Changes nothing.
#[utoipa::path(post, path = "/calls/search", tag = "calls", operation_id = "search_calls", request_body = Asked,
    responses((status = 200, description = "A page of the list.", body = Page<ListedCallJson>)),
)]
pub(super) async fn search(
    caller: Caller,
    Body(asked): Body<Asked>,
    api: web::Data<Api>,
) -> Result<Json<Page<ListedCallJson>>, Problem> {
    page(&caller, asked, &api).await
}

async fn page(caller: &Caller, asked: Asked, api: &Api) -> Result<Json<Page<ListedCallJson>>, Problem> {
    let (limit, behind) = (asked.limit.rows(), asked.cursor.map(|cursor| cursor.0));
    let Asked { business, status, direction, number, since, until, verdict, .. } = asked;
    let wanted = Exported { business, status, direction, number, since, until, verdict }.seen_by(caller);
    let Some(wanted) = wanted else { return Ok(Json(Page::empty())) };
    let listed = api.ask(move |store| store.list_calls(&wanted, behind.as_ref(), limit)).await?;
    let items = listed.calls.into_iter().map(ListedCallJson::from).collect();
    Ok(Json(Page::until(items, listed.next.as_ref())))
}

impl Exported {
    /// What is sought, within what the caller sees; `None`: nothing of it.
    pub fn seen_by(self, caller: &Caller) -> Option<CallFilter> {
        let business = match (caller.business(), self.business) {
            (None, business) => business,
            (Some(own), None) => Some(own.clone()),
            (Some(own), Some(business)) if *own == business => Some(business),
            // It may exist; that is not for this caller to know.
            (Some(_), Some(_)) => return None,
        };
        Some(CallFilter {
            business,
            status: self.status,
            direction: self.direction,
            number: self.number.map(|number| number.0),
            since: self.since.map(|at| at.0),
            until: self.until.map(|at| at.0),
            verdict: self.verdict.map(|judged| judged.0),
        })
    }
}
