//! What a request says: its body as JSON, and its query. Read strictly, so that a field which nobody knows is told
//! and not passed over.

use std::future::{Ready, ready};
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{FromRequest, HttpRequest, web};
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;
use url::form_urlencoded;

use super::Api;
use super::problem::Problem;

/// How long a body may take to arrive.
const BODY_WITHIN: Duration = Duration::from_secs(10);

/// The JSON body of a request. Its type denies unknown fields (`#[serde(deny_unknown_fields)]`).
pub struct Body<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for Body<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        if !is_json(request) {
            return Box::pin(ready(Err(Problem::not_json())));
        }
        let limit = request.app_data::<web::Data<Api>>().map_or(0, |api| api.settings.max_body_bytes);
        let read = web::Bytes::from_request(request, payload);
        Box::pin(async move {
            match actix_web::rt::time::timeout(BODY_WITHIN, read).await {
                Ok(Ok(bytes)) => parse(&bytes).map(Self),
                Ok(Err(error)) if is_overflow(&error) => Err(Problem::too_large(limit)),
                Ok(Err(_)) | Err(_) => Err(Problem::malformed("the body did not arrive")),
            }
        })
    }
}

/// The query of a request. Its type denies unknown fields (`#[serde(deny_unknown_fields)]`).
pub struct Query<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Query<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(parse_query(request.query_string()).map(Self))
    }
}

/// The path's one parameter, which names a thing; a name that can't be one names nothing.
pub fn named<T: std::str::FromStr>(what: &str, path: &web::Path<String>) -> Result<T, Problem> {
    path.parse().map_err(|_| Problem::not_found(what))
}

fn is_json(request: &HttpRequest) -> bool {
    let given = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    given.split(';').next().is_some_and(|name| name.trim().eq_ignore_ascii_case("application/json"))
}

fn is_overflow(error: &actix_web::Error) -> bool {
    matches!(error.as_error::<PayloadError>(), Some(PayloadError::Overflow))
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        match inner.is_data() {
            true => refused(&path, &inner.to_string()),
            false => Problem::malformed(format!("the body is no JSON: {inner}")),
        }
    })?;
    json.end().map_err(|error| Problem::malformed(format!("the body is no JSON: {error}")))?;
    // serde takes a list for an object whose fields are not named.
    match body.trim_ascii_start().starts_with(b"{") {
        true => Ok(value),
        false => Err(Problem::invalid("body", "give an object, as in {\"name\": …}")),
    }
}

fn parse_query<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    let pairs = serde_urlencoded::Deserializer::new(form_urlencoded::parse(query.as_bytes()));
    serde_path_to_error::deserialize(pairs)
        .map_err(|error| refused(&error.path().to_string(), &error.inner().to_string()))
}

/// The problem with what stands at `path`, by what serde says.
fn refused(path: &str, message: &str) -> Problem {
    // serde_json says where in the text; the field says it better.
    let detail = message.split(" at line ").next().unwrap_or(message);
    let quoted = ["unknown field `", "missing field `", "duplicate field `"]
        .iter()
        .find_map(|words| detail.strip_prefix(words)?.split('`').next());
    let field = match (path, quoted) {
        (".", Some(name)) => name.to_owned(),
        (".", None) => "body".to_owned(),
        (path, Some(name)) if path != name && !path.ends_with(&format!(".{name}")) => format!("{path}.{name}"),
        (path, _) => path.to_owned(),
    };
    Problem::invalid(field, detail)
}

#[cfg(test)]
mod tests {
    use super::super::problem::ProblemKind;
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only whether it can be read matters")]
    struct Outer {
        name: String,
        #[serde(default)]
        inner: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only whether it can be read matters")]
    struct Inner {
        count: u32,
    }

    fn field(body: &str) -> (ProblemKind, String) {
        let problem = parse::<Outer>(body.as_bytes()).unwrap_err();
        let json = serde_json::to_value(problem.fields()).unwrap();
        (problem.kind(), json[0]["field"].as_str().unwrap_or_default().to_owned())
    }

    #[test]
    fn what_is_wrong_is_named() {
        let invalid = |name: &str| (ProblemKind::Invalid, name.to_owned());
        assert_eq!(field("{}"), invalid("name"));
        assert_eq!(field(r#"{"name": 7}"#), invalid("name"));
        assert_eq!(field(r#"{"name": "a", "nmae": "b"}"#), invalid("nmae"));
        assert_eq!(field(r#"{"name": "a", "name": "b"}"#), invalid("name"));
        assert_eq!(field(r#"{"name": "a", "inner": [{"count": 1}, {"count": -1}]}"#), invalid("inner[1].count"));
        assert_eq!(field(r#"{"name": "a", "inner": [{"cuont": 1}]}"#), invalid("inner[0].cuont"));
        assert_eq!(field(r#"{"name": "a", "inner": [{}]}"#), invalid("inner[0].count"));
        assert_eq!(field("[]"), invalid("body"));
        for no_json in ["", "{", "{} {}", "nul", "{\"name\": \"a\"} x"] {
            assert_eq!(
                field(no_json).0,
                if no_json == "{} {}" { ProblemKind::Invalid } else { ProblemKind::Malformed }
            );
        }
    }

    #[test]
    fn a_query_is_read_as_strictly() {
        #[derive(Debug, Deserialize, PartialEq)]
        #[serde(deny_unknown_fields)]
        struct Asked {
            limit: Option<u32>,
        }
        assert_eq!(parse_query::<Asked>("").unwrap(), Asked { limit: None });
        assert_eq!(parse_query::<Asked>("limit=5").unwrap(), Asked { limit: Some(5) });
        for wrong in ["limit=x", "limit=-1", "limit=", "limit=1&limit=2", "limti=1"] {
            let problem = parse_query::<Asked>(wrong).unwrap_err();
            assert_eq!(problem.kind(), ProblemKind::Invalid, "{wrong}");
            let name = wrong.split('=').next().unwrap();
            assert_eq!(problem.fields()[0].field, name, "{wrong}");
        }
    }
}
