//! What the interface answers when it can't do what it was asked: problem details (RFC 9457), always of this shape.

use std::fmt;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CONTENT_RANGE, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::ToSchema;

use crate::store::StoreError;

/// The media type of a problem.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// Why a request is not fulfilled. A handler returns it; the interface renders it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    kind: ProblemKind,
    detail: String,
    errors: Vec<FieldError>,
    /// A header that belongs to the answer.
    header: Option<(&'static str, String)>,
    /// What happened inside, for the log; never part of the answer.
    cause: Option<String>,
}

/// The kinds of problems there are. The word of each is the end of its `type`, and stays what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// The body can't be read at all.
    Malformed,
    /// No token, or none that is valid.
    Unauthenticated,
    /// The token may not do this.
    Forbidden,
    /// There is no such thing, or it belongs to somebody else.
    NotFound,
    /// The path knows other methods.
    MethodNotAllowed,
    /// It can't be done as things stand.
    Conflict,
    /// It was there, and is deleted.
    Gone,
    /// The body is too long.
    TooLarge,
    /// It has no such part.
    RangeNotSatisfiable,
    /// The body is not said to be JSON.
    NotJson,
    /// A field or a parameter is refused.
    Invalid,
    /// Too many requests.
    TooManyRequests,
    /// A fault of ours.
    Internal,
    /// The database does not answer.
    Unavailable,
}

impl ProblemKind {
    const fn word(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not-found",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::Conflict => "conflict",
            Self::Gone => "gone",
            Self::TooLarge => "too-large",
            Self::RangeNotSatisfiable => "range-not-satisfiable",
            Self::NotJson => "not-json",
            Self::Invalid => "invalid",
            Self::TooManyRequests => "too-many-requests",
            Self::Internal => "internal",
            Self::Unavailable => "unavailable",
        }
    }

    /// The HTTP status that goes with it.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict => StatusCode::CONFLICT,
            Self::Gone => StatusCode::GONE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::RangeNotSatisfiable => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The kind that fits a status which something else chose.
    pub fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::UNAUTHORIZED => Self::Unauthenticated,
            StatusCode::FORBIDDEN => Self::Forbidden,
            StatusCode::NOT_FOUND => Self::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => Self::MethodNotAllowed,
            StatusCode::CONFLICT => Self::Conflict,
            StatusCode::GONE => Self::Gone,
            StatusCode::PAYLOAD_TOO_LARGE => Self::TooLarge,
            StatusCode::RANGE_NOT_SATISFIABLE => Self::RangeNotSatisfiable,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::NotJson,
            StatusCode::UNPROCESSABLE_ENTITY => Self::Invalid,
            StatusCode::TOO_MANY_REQUESTS => Self::TooManyRequests,
            StatusCode::SERVICE_UNAVAILABLE => Self::Unavailable,
            status if status.is_client_error() => Self::Malformed,
            _ => Self::Internal,
        }
    }
}

/// A field or a parameter that is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// Where it stands in the body, as in `scope.business`, or the parameter's name.
    pub field: String,
    /// What is wrong with it, and what would be right.
    pub detail: String,
}

/// A problem, as it is sent.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProblemDetails {
    /// The kind of problem, as in `urn:trunkline:problem:not-found`. It stays the same from version to version.
    #[serde(rename = "type")]
    #[schema(example = "urn:trunkline:problem:invalid")]
    kind: String,
    /// The HTTP status in words.
    title: &'static str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What happened this time, for a person to read.
    detail: String,
    /// Which fields or parameters are refused, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<FieldError>,
    /// The name of this request, as in the header `X-Request-Id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
}

impl Problem {
    /// A problem of this kind.
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), errors: Vec::new(), header: None, cause: None }
    }

    /// 400: the body can't be read.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(ProblemKind::Malformed, detail)
    }

    /// 401. The same whether the token is missing, unknown, expired or revoked, and whatever is asked for.
    pub fn unauthenticated(challenge: &'static str) -> Self {
        let detail = "give a valid token in the header Authorization, as in Authorization: Bearer <token>";
        Self::new(ProblemKind::Unauthenticated, detail).with(WWW_AUTHENTICATE.as_str(), challenge)
    }

    /// 403: the token is valid and may not do this.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(ProblemKind::Forbidden, detail)
    }

    /// 404: there is no such thing, as far as the caller may know.
    pub fn not_found(what: &str) -> Self {
        Self::new(ProblemKind::NotFound, format!("there is no such {what}"))
    }

    /// 405, with the methods that there are.
    pub fn method_not_allowed(allowed: &'static str) -> Self {
        Self::new(ProblemKind::MethodNotAllowed, format!("this path knows {allowed}")).with(ALLOW.as_str(), allowed)
    }

    /// 409: not as things stand.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(ProblemKind::Conflict, detail)
    }

    /// 404: there is none, for this reason.
    pub fn not_found_because(why: impl Into<String>) -> Self {
        Self::new(ProblemKind::NotFound, why)
    }

    /// 409: it will come; with the time after which it is worth asking again.
    pub fn not_yet(why: impl Into<String>, after: Duration) -> Self {
        Self::new(ProblemKind::Conflict, why).with(RETRY_AFTER.as_str(), after.as_secs().max(1).to_string())
    }

    /// 410: it was there, and is deleted.
    pub fn gone(why: impl Into<String>) -> Self {
        Self::new(ProblemKind::Gone, why)
    }

    /// 416, with the length of the whole in bytes.
    pub fn range_not_satisfiable(length: u64) -> Self {
        Self::new(ProblemKind::RangeNotSatisfiable, format!("it has {length} bytes, and none of those asked for"))
            .with(CONTENT_RANGE.as_str(), format!("bytes */{length}"))
    }

    /// 413, with the limit in bytes.
    pub fn too_large(limit: usize) -> Self {
        Self::new(ProblemKind::TooLarge, format!("the body is longer than {limit} bytes"))
    }

    /// 415: the body is not said to be JSON.
    pub fn not_json() -> Self {
        Self::new(ProblemKind::NotJson, "send the body as JSON, with the header Content-Type: application/json")
    }

    /// 422: one field or parameter is refused.
    pub fn invalid(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::invalid_fields(vec![FieldError { field: field.into(), detail: detail.into() }])
    }

    /// 422: these fields or parameters are refused.
    pub fn invalid_fields(errors: Vec<FieldError>) -> Self {
        let fields: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
        let detail = format!("refused: {}", fields.join(", "));
        Self { errors, ..Self::new(ProblemKind::Invalid, detail) }
    }

    /// 429, with the time after which it is worth trying again.
    pub fn too_many_requests(wait: Duration) -> Self {
        let seconds = wait.as_millis().div_ceil(1_000).max(1);
        Self::new(ProblemKind::TooManyRequests, format!("too many requests; try again in {seconds} s"))
            .with(RETRY_AFTER.as_str(), seconds.to_string())
    }

    /// 500: a fault of ours. What happened goes to the log and not to the caller.
    pub fn internal(cause: impl Into<String>) -> Self {
        let problem =
            Self::new(ProblemKind::Internal, "a fault of the service; its log has more under this request_id");
        Self { cause: Some(cause.into()), ..problem }
    }

    /// 503: not now.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(ProblemKind::Unavailable, detail).with(RETRY_AFTER.as_str(), "1")
    }

    /// What kind of problem it is.
    pub fn kind(&self) -> ProblemKind {
        self.kind
    }

    /// The fields and parameters that are refused.
    pub fn fields(&self) -> &[FieldError] {
        &self.errors
    }

    /// What happened inside, for the log.
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    fn with(self, header: &'static str, value: impl Into<String>) -> Self {
        Self { header: Some((header, value.into())), ..self }
    }

    /// The answer to the request of this name.
    pub fn render(&self, request_id: Option<&str>) -> HttpResponse {
        let status = self.kind.status();
        let details = ProblemDetails {
            kind: format!("urn:trunkline:problem:{}", self.kind.word()),
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            detail: self.detail.clone(),
            errors: self.errors.clone(),
            request_id: request_id.map(str::to_owned),
        };
        let mut response = HttpResponse::build(status);
        if let Some(header) = &self.header {
            response.insert_header((header.0, header.1.as_str()));
        }
        response.content_type(PROBLEM_JSON).json(details)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Problem {}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.kind.status()
    }

    fn error_response(&self) -> HttpResponse {
        self.render(None)
    }
}

impl From<StoreError> for Problem {
    /// What a later attempt may mend is the database's absence; the rest is a fault of ours.
    fn from(error: StoreError) -> Self {
        match error.is_retryable() {
            true if matches!(error, StoreError::Busy(_)) => {
                Self::unavailable("the database is busy; try again in a moment")
            }
            true => Self::unavailable("the database does not answer now; try again in a moment"),
            false => Self::internal(error.to_string()),
        }
    }
}
