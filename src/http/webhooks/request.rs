//! A webhook, read and known to be Twilio's.

use std::time::{Duration, Instant};

use actix_web::http::Method;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;

use crate::actors::dialler::JobInUrl;
use crate::clock;
use crate::engine::status::StatusChange;
use crate::engine::wire::auth::{RequestAuth, RequestTarget};
use crate::engine::wire::form::Form;
use crate::engine::wire::signature::Payload;
use crate::engine::wire::twiml::Twiml;
use crate::engine::wire::webhook::WebhookError;
use crate::telemetry::{Event, Refusal, Telemetry};

use super::{Refused, Webhooks};

/// The longest idempotency token that is kept.
const LONGEST_EVENT_ID: usize = 128;
/// How long a body may take to arrive.
const BODY_WITHIN: Duration = Duration::from_secs(5);

/// A webhook whose signature is valid.
pub(super) struct Signed {
    endpoint: &'static str,
    scheme: String,
    host: String,
    query: String,
    body: Bytes,
    is_json: bool,
    event_id: Option<String>,
    since: Instant,
    telemetry: Telemetry,
}

impl Signed {
    /// Reads the body, within its bounds, and checks the signature over it.
    pub async fn read(
        endpoint: &'static str,
        request: &HttpRequest,
        body: web::Payload,
        service: &Webhooks,
    ) -> Result<Self, Refused> {
        let since = clock::now();
        let refuse = |refused: Refused| {
            let status = refused.status_code().as_u16();
            let took = clock::now().duration_since(since);
            service.telemetry.record(Event::WebhookAnswered { endpoint, status, took });
            refused
        };
        let signature = header(request, "X-Twilio-Signature");
        if !service.auth.could_be_valid(signature) {
            service.telemetry.record(Event::CallRefused { why: Refusal::BadSignature });
            return Err(refuse(Refused::NotSigned)); // before a byte of the body is read
        }
        let is_get = request.method() == Method::GET;
        let promised = header(request, CONTENT_LENGTH.as_str()).and_then(|length| length.parse::<u64>().ok());
        let body = match is_get {
            true => Bytes::new(),
            false if promised.is_some_and(|length| length > service.max_body_bytes as u64) => {
                return Err(refuse(Refused::TooLong(service.max_body_bytes)));
            }
            false => read_body(body, service.max_body_bytes).await.map_err(refuse)?,
        };
        let connection = request.connection_info().clone();
        let path_and_query = request.uri().path_and_query().map_or(endpoint, |target| target.as_str());
        let target = RequestTarget { scheme: connection.scheme(), host: connection.host(), path_and_query };
        let is_json = header(request, CONTENT_TYPE.as_str()).is_some_and(is_json);
        let form = match is_get || is_json {
            true => Form::from_pairs(&[]),
            false => Form::from_urlencoded(&body).map_err(|error| refuse(error.into()))?,
        };
        let payload = match (is_get, is_json) {
            (true, _) => Payload::None,
            (false, true) => Payload::Body(&body),
            (false, false) => Payload::Form(&form),
        };
        if !service.auth.is_valid(target, signature, payload) {
            service.telemetry.record(Event::CallRefused { why: Refusal::BadSignature });
            return Err(refuse(Refused::NotSigned));
        }
        drop(form);
        let event_id =
            header(request, "I-Twilio-Idempotency-Token").filter(|id| id.len() <= LONGEST_EVENT_ID).map(str::to_owned);
        Ok(Self {
            endpoint,
            scheme: connection.scheme().to_owned(),
            host: connection.host().to_owned(),
            query: request.query_string().to_owned(),
            body,
            is_json,
            event_id,
            since,
            telemetry: service.telemetry.clone(),
        })
    }

    /// The webhook, read from the fields of the body, or of the query where there is no body.
    pub fn webhook<T>(&self, from_form: impl FnOnce(&Form<'_>) -> Result<T, WebhookError>) -> Result<T, Refused> {
        let form = match (self.is_json, self.body.is_empty()) {
            (true, _) => Form::from_json(&self.body),
            (false, true) => Form::from_urlencoded(self.query.as_bytes()),
            (false, false) => Form::from_urlencoded(&self.body),
        };
        let webhook = form.map_err(Refused::from).and_then(|form| Ok(from_form(&form)?));
        webhook.map_err(|refused| self.refused(refused))
    }

    /// Answers that it can't be done.
    pub fn refused(&self, refused: Refused) -> Refused {
        self.answered(refused.status_code().as_u16());
        refused
    }

    /// The change, with the carrier's own name for this event, the same when it is repeated.
    pub fn identified(&self, change: StatusChange) -> StatusChange {
        StatusChange { event_id: self.event_id.clone().or(change.event_id), ..change }
    }

    /// The job that the address names, of a call that we placed.
    pub fn job(&self) -> Option<JobInUrl> {
        JobInUrl::from_query(&self.query)
    }

    /// The address of a path of ours, as Twilio has to write it.
    pub fn url(&self, auth: &RequestAuth, path: &str) -> String {
        auth.url(RequestTarget { scheme: &self.scheme, host: &self.host, path_and_query: path }, path)
    }

    /// Answers with TwiML.
    pub fn twiml(&self, twiml: Twiml) -> HttpResponse {
        self.answered(200);
        HttpResponse::Ok()
            .content_type(Twiml::CONTENT_TYPE)
            .insert_header(("Cache-Control", "no-store"))
            .body(twiml.into_string())
    }

    /// Answers that all is well.
    pub fn no_content(&self) -> HttpResponse {
        self.answered(204);
        HttpResponse::NoContent().insert_header(("Cache-Control", "no-store")).finish()
    }

    fn answered(&self, status: u16) {
        let took = clock::now().duration_since(self.since);
        self.telemetry.record(Event::WebhookAnswered { endpoint: self.endpoint, status, took });
    }
}

fn is_json(media_type: &str) -> bool {
    media_type.split(';').next().is_some_and(|name| name.trim().eq_ignore_ascii_case("application/json"))
}

fn header<'r>(request: &'r HttpRequest, name: &str) -> Option<&'r str> {
    request.headers().get(name).and_then(|value| value.to_str().ok())
}

async fn read_body(mut payload: web::Payload, limit: usize) -> Result<Bytes, Refused> {
    let mut body = BytesMut::new();
    let read = async {
        while let Some(piece) = payload.next().await {
            let piece = piece.map_err(|_| Refused::Incomplete)?;
            if body.len() + piece.len() > limit {
                return Err(Refused::TooLong(limit));
            }
            body.extend_from_slice(&piece);
        }
        Ok(())
    };
    actix_web::rt::time::timeout(BODY_WITHIN, read).await.map_err(|_| Refused::Incomplete)??;
    Ok(body.freeze())
}
