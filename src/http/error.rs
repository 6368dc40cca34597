//! What a webhook is answered when it can't be used.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use thiserror::Error;

use crate::engine::wire::form::FormError;
use crate::engine::wire::webhook::WebhookError;

/// Why a webhook is refused.
#[derive(Debug, Error)]
pub enum Refused {
    /// No signature, or not Twilio's.
    #[error("X-Twilio-Signature is missing or does not fit this address and these fields")]
    NotSigned,
    /// The body is longer than any webhook.
    #[error("body: is longer than {0} bytes")]
    TooLong(usize),
    /// The connection broke off in the middle of the body.
    #[error("body: did not arrive")]
    Incomplete,
    /// The fields can't be read.
    #[error("body: {0}")]
    Form(#[from] FormError),
    /// A field is missing or makes no sense.
    #[error(transparent)]
    Field(#[from] WebhookError),
    /// Neither the database nor the spool took it: Twilio is asked to try again.
    #[error("the change could not be stored; try again")]
    NotStored,
}

impl ResponseError for Refused {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::NotSigned => StatusCode::FORBIDDEN,
            Self::TooLong(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Incomplete => StatusCode::BAD_REQUEST,
            Self::Form(FormError::TooLong(_)) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Form(FormError::TooManyFields | FormError::NotJson) => StatusCode::BAD_REQUEST,
            Self::Field(_) => StatusCode::BAD_REQUEST,
            Self::NotStored => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::build(self.status_code()).content_type("text/plain; charset=utf-8").body(format!("{self}\n"))
    }
}
