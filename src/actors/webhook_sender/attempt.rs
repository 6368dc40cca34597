//! One try of a webhook: what is sent, and what the answer means.

use crate::engine::delivery::{DeliveryState, EventKind, Retries, header};
use crate::engine::status::CarrierSource;
use crate::providers::webhook_receiver::{Post, PostError};
use crate::store::deliveries::{Brief, Delivery, Outcome};
use crate::store::{CallRecord, StoreError};

use super::{MakeBody, SenderSettings};

/// What a receiver answered, as an HTTP status.
pub(super) type Answer = Result<u16, PostError>;

/// A try that may begin.
pub(super) struct Attempt {
    pub delivery: Delivery,
    pub post: Post,
}

/// What is to be done about a claimed delivery.
pub(super) enum Prepared {
    Send(Post),
    Settle(Outcome),
}

/// How long a call's own record is waited for after the carrier has said that the call is over; then what there is is
/// told. 60 s: it is written within seconds, but a node that died writes it when it is back.
const RECORD_WITHIN: i64 = 60 * SECOND;
/// When it is looked for again.
const LOOK_AGAIN_AFTER: i64 = 2 * SECOND;
/// When a database that did not answer is asked again.
const ASK_AGAIN_AFTER: i64 = 5 * SECOND;
/// In microseconds.
const SECOND: i64 = 1_000_000;

/// Makes a try of a delivery that was claimed at `now`.
pub(super) fn prepare(
    delivery: &Delivery,
    brief: Result<Brief, StoreError>,
    make_body: &MakeBody,
    settings: &SenderSettings,
    now: i64,
) -> Prepared {
    let stopped = |error: &str| over(DeliveryState::Stopped, None, error.to_owned());
    let Brief { url, secrets, record } = match brief {
        Ok(brief) => brief,
        Err(error) if error.is_retryable() => return Prepared::Settle(Outcome::NotYet { at: now + ASK_AGAIN_AFTER }),
        Err(error) => return Prepared::Settle(again(delivery, None, error.to_string(), &settings.retries, now)),
    };
    let Some(url) = url else { return Prepared::Settle(stopped("the business has no webhook_url any more")) };
    if delivery.kind.is_of_a_call() {
        match &record {
            None => return Prepared::Settle(stopped("the call's record is gone")),
            Some(record) if !is_whole(delivery, record, now) => {
                return Prepared::Settle(Outcome::NotYet { at: now + LOOK_AGAIN_AFTER });
            }
            Some(_) => {}
        }
    }
    if secrets.is_empty() {
        let error = "the business has no webhook secret: make one by POST /api/v1/businesses/{id}/webhook/secret";
        return Prepared::Settle(again(delivery, None, error.to_owned(), &settings.retries, now));
    }
    let most = settings.max_body_bytes;
    let bodies = [true, false].into_iter().map(|with_turns| make_body(delivery, record.as_ref(), with_turns));
    let Some(body) = bodies.into_iter().find(|body| body.len() <= most) else {
        let error = format!("the body is longer than webhooks.max_body_bytes, which is {most}");
        return Prepared::Settle(over(DeliveryState::GivenUp, None, error));
    };
    let signature = header(&secrets, now / SECOND, &body);
    Prepared::Send(Post { url, event_id: delivery.id.to_string(), signature, body })
}

/// Whether a call's record has everything that will be in it, or has had time enough for that. A call without a media
/// stream has no end of its own.
fn is_whole(delivery: &Delivery, record: &CallRecord, now: i64) -> bool {
    let had_media = || record.history.iter().any(|change| change.source == CarrierSource::StreamStart);
    let is_late = now.saturating_sub(delivery.created_at) > RECORD_WITHIN;
    delivery.kind != EventKind::CallCompleted || record.end.is_some() || is_late || !had_media()
}

/// What an answer at `now` means.
pub(super) fn judge(delivery: &Delivery, answer: &Answer, retries: &Retries, now: i64) -> Outcome {
    match answer {
        Ok(status @ 200..=299) => Outcome::Delivered { status: *status },
        Ok(410) => {
            over(DeliveryState::Stopped, Some(410), "the receiver answered 410: it wants no more of this".to_owned())
        }
        Ok(status @ 300..=399) => {
            let error = format!("the receiver answered {status}: redirects are not followed");
            again(delivery, Some(*status), error, retries, now)
        }
        Ok(status) => again(delivery, Some(*status), format!("the receiver answered {status}"), retries, now),
        Err(error) => again(delivery, None, error.to_string(), retries, now),
    }
}

/// The word under which an answer is counted that is no success.
pub(super) fn failure(answer: &Answer) -> Option<&'static str> {
    match answer {
        Ok(200..=299) => None,
        Ok(300..=399) => Some("redirect"),
        Ok(410) => Some("gone"),
        Ok(500..) => Some("server_error"),
        Ok(_) => Some("refused"),
        Err(error) => Some(error.as_str()),
    }
}

fn again(delivery: &Delivery, status: Option<u16>, error: String, retries: &Retries, now: i64) -> Outcome {
    match retries.next(delivery.first_try_at.unwrap_or(now), delivery.tries, now) {
        Some(at) => Outcome::Again { at, status, error },
        None => over(DeliveryState::GivenUp, status, error),
    }
}

fn over(state: DeliveryState, status: Option<u16>, error: String) -> Outcome {
    Outcome::Over { state, status, error }
}
