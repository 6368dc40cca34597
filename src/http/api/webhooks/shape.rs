//! Outgoing webhooks as they are shown, and as they are sent.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::engine::delivery::{DeliveryState, EventKind};
use crate::http::api::calls::ToldCallJson;
use crate::http::api::page::{Cursor, Limit};
use crate::http::api::value::{BusinessName, EventName, Happening, HookState, Moment, PageCursor};
use crate::store::CallRecord;
use crate::store::deliveries::{Delivery, DeliveryPlace, StoredSecret};

/// How a business is told of events.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Webhook)]
pub struct WebhookJson {
    /// Where it wants to be told; `null`: nowhere. It is the field `webhook_url` of the business.
    pub url: Option<String>,
    /// What webhooks are signed with, without the secrets themselves: one, or two while it is replaced, the newest first.
    pub secrets: Vec<SecretJson>,
}

/// A secret, without its text.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookSecret)]
pub struct SecretJson {
    /// Its name: 16 hexadecimal digits, which tell nothing of it.
    id: String,
    /// When it was made.
    created_at: Moment,
    /// From when on it signs no more; `null`: it is the newest.
    expires_at: Option<Moment>,
}

/// A secret that was just made.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NewWebhookSecret)]
pub struct NewSecretJson {
    /// Its name.
    pub id: String,
    /// The secret. It is shown this once.
    pub secret: String,
    /// Until when the one before it signs beside it; `null`: there was none.
    pub previous_expires_at: Option<Moment>,
}

/// An event, and what has become of telling it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookDelivery)]
pub struct DeliveryJson {
    /// The event's name, the same in each try, as in the header `Trunkline-Event-Id`.
    #[schema(value_type = EventName)]
    event_id: String,
    /// Whom it is told.
    #[schema(value_type = BusinessName)]
    business: String,
    /// What happened.
    #[serde(rename = "type")]
    #[schema(value_type = Happening)]
    kind: &'static str,
    /// To what it happened: a call's sid, a campaign's id.
    subject: String,
    /// What has become of it.
    #[schema(value_type = HookState)]
    state: &'static str,
    /// How often it was tried.
    tries: u32,
    /// When it is tried next; `null`: it is not.
    next_try_at: Option<Moment>,
    /// What the receiver answered last, as an HTTP status.
    #[schema(minimum = 100, maximum = 999)]
    last_status: Option<u16>,
    /// Why the last try failed.
    last_error: Option<String>,
    /// When it happened.
    created_at: Moment,
    /// When it was delivered, given up or stopped.
    settled_at: Option<Moment>,
}

/// Which deliveries are asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AskedDeliveries {
    /// Those of which this has become.
    #[serde(default, deserialize_with = "state")]
    #[param(value_type = Option<HookState>)]
    pub state: Option<DeliveryState>,
    /// How many deliveries a page holds.
    #[serde(default)]
    #[param(inline, required = false)]
    pub limit: Limit,
    /// The `next_cursor` of the page before.
    #[param(value_type = Option<PageCursor>, inline)]
    pub cursor: Option<Cursor<DeliveryPlace>>,
}

fn state<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<DeliveryState>, D::Error> {
    let words = DeliveryState::ALL.map(DeliveryState::as_str).join(", ");
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(|_| serde::de::Error::custom(format!("give one of {words}")))
}

/// What is sent: the body of a webhook.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookBody)]
pub struct BodyJson {
    /// The event's name, the same in each try.
    #[schema(value_type = EventName)]
    id: String,
    /// What happened.
    #[serde(rename = "type")]
    #[schema(value_type = Happening)]
    kind: &'static str,
    /// When it happened.
    created_at: Moment,
    /// Whom it is told.
    #[schema(value_type = BusinessName)]
    business: String,
    /// What there is to tell.
    data: DataJson,
}

/// What there is to tell.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookData)]
#[serde(untagged)]
enum DataJson {
    /// Of a call: its record, as it is when the webhook is sent.
    Call(Box<ToldCallJson>),
    /// Of anything else.
    Other(serde_json::Value),
}

/// The body of an event; of a call with what was said, or without.
pub fn body_of(delivery: &Delivery, record: Option<&CallRecord>, with_turns: bool) -> Vec<u8> {
    let data = match record {
        Some(record) => DataJson::Call(Box::new(ToldCallJson::of(record, with_turns))),
        None => DataJson::Other(delivery.body.clone().unwrap_or_default()),
    };
    let body = BodyJson {
        id: delivery.id.to_string(),
        kind: delivery.kind.as_str(),
        created_at: Moment(delivery.created_at),
        business: delivery.business.to_string(),
        data,
    };
    // Texts, numbers and times: it can always be written.
    serde_json::to_vec(&body).unwrap_or_default()
}

impl From<StoredSecret> for SecretJson {
    fn from(stored: StoredSecret) -> Self {
        Self {
            id: stored.secret.id(),
            created_at: Moment(stored.created_at),
            expires_at: stored.expires_at.map(Moment),
        }
    }
}

impl From<Delivery> for DeliveryJson {
    fn from(delivery: Delivery) -> Self {
        let is_waiting = delivery.state == DeliveryState::Waiting;
        Self {
            event_id: delivery.id.to_string(),
            business: delivery.business.to_string(),
            kind: EventKind::as_str(delivery.kind),
            subject: delivery.subject,
            state: delivery.state.as_str(),
            tries: delivery.tries,
            next_try_at: is_waiting.then_some(Moment(delivery.next_try_at)),
            last_status: delivery.last_status,
            last_error: delivery.last_error,
            created_at: Moment(delivery.created_at),
            settled_at: delivery.settled_at.map(Moment),
        }
    }
}
