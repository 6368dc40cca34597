//! The description of the interface (OpenAPI 3.1), made from the code.

use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, Responder};
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{OpenApi, ToResponse, ToSchema};

use super::problem::{PROBLEM_JSON, ProblemDetails};
use super::{Api, PARTS, Part, by_get};

/// This part of the interface.
pub const PART: Part = Part { routes, document: Document::openapi };

fn routes(config: &mut ServiceConfig) {
    config.service(by_get("/openapi.json", || web::route().to(openapi)));
}

#[derive(OpenApi)]
#[openapi(paths(openapi))]
struct Document;

/// The description of this interface.
#[utoipa::path(get, path = "/openapi.json", tag = "description", responses(
    (status = 200, description = "This document.", content_type = "application/json", body = serde_json::Value),
))]
async fn openapi(api: web::Data<Api>) -> impl Responder {
    HttpResponse::Ok().content_type("application/json").body(api.document.clone())
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Trunkline",
        description = "The call record of a telephone service that an AI voice agent answers.\n\nEvery request needs a \
                       token: `Authorization: Bearer <token>`. Times are RFC 3339 in UTC. Errors are problem details \
                       (RFC 9457).",
    ),
    servers((url = "/api/v1")),
    security(("token" = [])),
    components(schemas(ProblemDetails)),
)]
struct Whole;

/// The whole document, as JSON.
pub fn document() -> String {
    let mut whole = Whole::openapi();
    for part in PARTS {
        whole.merge((part.document)());
    }
    let components = whole.components.get_or_insert_default();
    let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    components.security_schemes.insert("token".to_owned(), RefOr::T(SecurityScheme::Http(token)));
    components.responses.extend(problem_responses().map(|(name, response)| (name.to_owned(), response)));
    for path in whole.paths.paths.values_mut() {
        let changes = [&mut path.post, &mut path.put, &mut path.patch, &mut path.delete];
        changes.into_iter().flatten().for_each(|operation| add_common(operation, true));
        path.get.iter_mut().for_each(|operation| add_common(operation, false));
    }
    whole.to_json().unwrap_or_default()
}

/// Answers that no handler has to list.
fn add_common(operation: &mut Operation, changes: bool) {
    let has_body = operation.request_body.is_some();
    let has_parameters = operation.parameters.as_ref().is_some_and(|parameters| !parameters.is_empty());
    for (status, name, is_possible) in [
        ("400", "Malformed", has_body),
        ("401", "Unauthenticated", true),
        ("403", "Forbidden", changes),
        ("413", "TooLarge", has_body),
        ("415", "NotJson", has_body),
        ("422", "Invalid", has_body || has_parameters),
        ("429", "TooManyRequests", true),
        ("503", "Unavailable", true),
    ] {
        let responses = &mut operation.responses.responses;
        if is_possible && !responses.contains_key(status) {
            responses.insert(status.to_owned(), Ref::from_response_name(name).into());
        }
    }
}

/// Answers that are problems. A handler that gives one which not all of them can give lists it by its type:
/// `(status = 404, response = NotFound)`.
macro_rules! problems {
    ($($name:ident: $description:literal $(, $header:literal)?;)+) => {
        $(
            #[doc = $description]
            pub struct $name;

            impl ToResponse<'static> for $name {
                fn response() -> (&'static str, RefOr<Response>) {
                    (stringify!($name), RefOr::T(problem($description, &[$($header)?])))
                }
            }
        )+

        fn problem_responses() -> impl Iterator<Item = (&'static str, RefOr<Response>)> {
            [$($name::response()),+].into_iter()
        }
    };
}

problems! {
    Malformed: "The body can't be read.";
    Unauthenticated: "The token is missing or not valid.", "WWW-Authenticate";
    Forbidden: "The token may not do this.";
    NotFound: "There is no such thing, or it belongs to somebody else.";
    Conflict: "It can't be done as things stand.";
    NotYet: "It is not there yet, or it can't be done as things stand.", "Retry-After";
    Gone: "It was there, and was deleted.";
    RangeNotSatisfiable: "It has no such part.", "Content-Range";
    TooLarge: "The body is too long.";
    NotJson: "The body is not said to be JSON.";
    Invalid: "Fields or parameters are refused; `errors` names each.";
    TooManyRequests: "Too many requests.", "Retry-After";
    Unavailable: "Not now, as when the database does not answer.", "Retry-After";
}

fn problem(description: &str, headers: &[&str]) -> Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(ProblemDetails::name()))).build();
    let response = ResponseBuilder::new().description(description).content(PROBLEM_JSON, content);
    let text = || HeaderBuilder::new().schema(Some(ObjectBuilder::new().schema_type(Type::String))).build();
    headers.iter().fold(response, |response, name| response.header(*name, text())).build()
}
