//! Tokens: who may ask, and what.

use actix_web::http::header::LOCATION;
use actix_web::web::{self, Json, ServiceConfig};
use actix_web::{HttpResponse, Responder};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, OpenApi, ToSchema};

use crate::clock;
use crate::engine::ids::BusinessId;
use crate::store::{ApiToken, TokenScope};

use super::body::{Body, Query};
use super::caller::Caller;
use super::page::{Cursor, Limit, Page};
use super::problem::{FieldError, Problem};
use super::value::{BusinessName, Moment, PageCursor, Title};
use super::{Api, Part, get, resource, token};

/// This part of the interface.
pub const PART: Part = Part { routes, document: Document::openapi };

/// The longest name of a token, in characters.
const LONGEST_NAME: usize = 100;

fn routes(config: &mut ServiceConfig) {
    config
        .service(resource("/tokens", "GET, HEAD, POST").route(get(web::route().to(list))).route(web::post().to(create)))
        .service(resource("/tokens/{id}", "DELETE").route(web::delete().to(revoke)));
}

#[derive(OpenApi)]
#[openapi(paths(list, create, revoke), tags((name = "tokens", description = "Who may use this interface.")))]
struct Document;

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Scope {
    /// Everything, tokens included.
    Admin,
    /// Everything of one business, and nothing else.
    Business,
    /// To see everything and change nothing.
    Viewer,
}

/// A token that is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewToken {
    /// Whose it is, for people to read: 1 to 100 characters.
    #[schema(value_type = Title)]
    name: String,
    /// What it is for.
    scope: Scope,
    /// Which business, if it is for one that there is.
    #[schema(value_type = Option<BusinessName>)]
    business: Option<String>,
    /// From when on it is worth nothing; without, it is valid until it is revoked.
    expires_at: Option<Moment>,
}

/// A token, without its text.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Token)]
struct TokenJson {
    /// Its name for programs.
    id: String,
    /// Its name for people.
    name: String,
    /// What it is for.
    scope: Scope,
    /// Which business, if it is for one.
    #[schema(value_type = Option<BusinessName>)]
    business: Option<String>,
    /// When it was made.
    created_at: Moment,
    /// From when on it is worth nothing.
    expires_at: Option<Moment>,
    /// When it was used last; written down every few seconds.
    last_used_at: Option<Moment>,
    /// When it was revoked.
    revoked_at: Option<Moment>,
}

/// A token that was just made.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CreatedToken)]
struct CreatedJson {
    /// The token.
    token: TokenJson,
    /// Its text, for the header `Authorization`. It is shown this once: only its hash is kept.
    text: String,
}

/// Which tokens are asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// How many tokens a page holds.
    #[serde(default)]
    #[param(inline, required = false)]
    limit: Limit,
    /// The `next_cursor` of the page before.
    #[param(value_type = Option<PageCursor>, inline)]
    cursor: Option<Cursor<(i64, String)>>,
}

/// Every token, the newest first, and those that were revoked among them.
#[utoipa::path(get, path = "/tokens", tag = "tokens", operation_id = "list_tokens", params(Asked), responses(
    (status = 200, description = "A page of the list.", body = Page<TokenJson>),
    (status = 403, response = super::describe::Forbidden),
))]
async fn list(
    caller: Caller,
    Query(asked): Query<Asked>,
    api: web::Data<Api>,
) -> Result<Json<Page<TokenJson>>, Problem> {
    caller.must_be_admin()?;
    let (limit, behind) = (asked.limit, asked.cursor.map(|cursor| cursor.0));
    let rows = api.ask(move |store| store.tokens_page(behind.as_ref(), limit.rows_to_ask())).await?;
    Ok(Json(Page::of(rows, limit, |token| (token.created_at, token.id.clone()), TokenJson::from)))
}

/// Makes a token. Its text is in the answer, and nowhere else afterwards.
#[utoipa::path(post, path = "/tokens", tag = "tokens", operation_id = "create_token", request_body = NewToken,
    responses((status = 201, description = "The token, and its text.", body = CreatedJson)),
)]
async fn create(caller: Caller, Body(new): Body<NewToken>, api: web::Data<Api>) -> Result<impl Responder, Problem> {
    caller.must_be_admin()?;
    let (name, scope) = checked(&new, clock::wall_micros())?;
    if let TokenScope::Business(business) = &scope {
        let sought = business.clone();
        if api.ask(move |store| store.business(&sought)).await?.is_none() {
            return Err(Problem::invalid("business", "there is no such business; give the id of one that there is"));
        }
    }
    let minted = token::mint().map_err(|error| Problem::internal(error.to_string()))?;
    let token = ApiToken {
        id: minted.id,
        name,
        scope,
        hash: minted.hash,
        created_at: clock::wall_micros(),
        expires_at: new.expires_at.map(|at| at.0),
        last_used_at: None,
        revoked_at: None,
    };
    let stored = token.clone();
    api.ask(move |store| store.add_token(&stored)).await?;
    api.tokens.add(token.clone());
    let created = CreatedJson { token: token.into(), text: minted.text };
    Ok(HttpResponse::Created().insert_header((LOCATION, format!("/api/v1/tokens/{}", created.token.id))).json(created))
}

/// Revokes a token: from now on it opens nothing; on other nodes within seconds.
#[utoipa::path(delete, path = "/tokens/{id}", tag = "tokens", operation_id = "revoke_token",
    params(("id" = String, Path, description = "Which token.", pattern = "^[0-9a-f]{16}$")),
    responses(
        (status = 204, description = "It is revoked, now or before."),
        (status = 404, response = super::describe::NotFound),
    ),
)]
async fn revoke(caller: Caller, path: web::Path<String>, api: web::Data<Api>) -> Result<HttpResponse, Problem> {
    caller.must_be_admin()?;
    let id = path.into_inner();
    if id.len() != 16 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Problem::not_found("token"));
    }
    let revoked = id.clone();
    let token = api.ask(move |store| store.revoke_token(&revoked, clock::wall_micros())).await?;
    api.tokens.remove(&id);
    token.map(|_| HttpResponse::NoContent().finish()).ok_or_else(|| Problem::not_found("token"))
}

/// The name and the scope of a new token, or everything that is wrong with it.
fn checked(new: &NewToken, now: i64) -> Result<(String, TokenScope), Problem> {
    let mut errors = Vec::new();
    let mut refuse = |field: &str, detail: &str| {
        errors.push(FieldError { field: field.to_owned(), detail: detail.to_owned() });
    };
    let name = new.name.trim();
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        refuse("name", "give 1 to 100 characters of text");
    }
    let scope = match (new.scope, &new.business) {
        (Scope::Admin, None) => TokenScope::Admin,
        (Scope::Viewer, None) => TokenScope::Viewer,
        (Scope::Business, Some(business)) => match business.parse::<BusinessId>() {
            Ok(business) => TokenScope::Business(business),
            Err(error) => {
                refuse("business", &error.to_string());
                TokenScope::Viewer
            }
        },
        (Scope::Business, None) => {
            refuse("business", "say which business the token is for");
            TokenScope::Viewer
        }
        (Scope::Admin | Scope::Viewer, Some(_)) => {
            refuse("business", "leave it out, or give scope business");
            TokenScope::Viewer
        }
    };
    if new.expires_at.is_some_and(|at| at.0 <= now) {
        refuse("expires_at", "give a time that is still to come, or leave it out");
    }
    if errors.is_empty() { Ok((name.to_owned(), scope)) } else { Err(Problem::invalid_fields(errors)) }
}

impl From<ApiToken> for TokenJson {
    fn from(token: ApiToken) -> Self {
        Self {
            id: token.id,
            name: token.name,
            scope: match token.scope {
                TokenScope::Admin => Scope::Admin,
                TokenScope::Business(_) => Scope::Business,
                TokenScope::Viewer => Scope::Viewer,
            },
            business: token.scope.business().map(ToString::to_string),
            created_at: Moment(token.created_at),
            expires_at: token.expires_at.map(Moment),
            last_used_at: token.last_used_at.map(Moment),
            revoked_at: token.revoked_at.map(Moment),
        }
    }
}
