//! Deliveries as the table holds them.

use diesel::prelude::*;

use crate::engine::delivery::{DeliveryState, EventId};

use super::{Delivery, News};
use crate::store::error::Fault;
use crate::store::rows::{number, parsed, storable};
use crate::store::schema::webhook_deliveries;

/// One row of `webhook_deliveries`.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = webhook_deliveries)]
pub(super) struct DeliveryRow {
    pub id: String,
    pub business: String,
    kind: String,
    subject: String,
    body_json: Option<String>,
    state: String,
    pub tries: i64,
    next_try_at: i64,
    first_try_at: Option<i64>,
    last_status: Option<i64>,
    last_error: Option<String>,
    created_at: i64,
    settled_at: Option<i64>,
}

impl DeliveryRow {
    pub fn new(news: &News<'_>) -> Self {
        Self {
            id: EventId::of(news.kind, news.subject).to_string(),
            business: news.business.to_owned(),
            kind: news.kind.as_str().to_owned(),
            subject: storable(news.subject),
            body_json: news.body.as_ref().map(|body| storable(&body.to_string())),
            state: DeliveryState::Waiting.as_str().to_owned(),
            tries: 0,
            next_try_at: news.at,
            first_try_at: None,
            last_status: None,
            last_error: None,
            created_at: news.at,
            settled_at: None,
        }
    }

    pub fn into_delivery(self) -> Result<Delivery, Fault> {
        let corrupt = Fault::Corrupt;
        Ok(Delivery {
            id: parsed(&self.id, "webhook_deliveries.id")?,
            business: parsed(&self.business, "webhook_deliveries.business")?,
            kind: parsed(&self.kind, "webhook_deliveries.kind")?,
            subject: self.subject,
            body: self
                .body_json
                .map(|text| serde_json::from_str(&text).map_err(|_| corrupt("webhook_deliveries.body_json")))
                .transpose()?,
            state: parsed(&self.state, "webhook_deliveries.state")?,
            tries: number(self.tries, "webhook_deliveries.tries")?,
            next_try_at: self.next_try_at,
            first_try_at: self.first_try_at,
            last_status: self
                .last_status
                .map(|status| u16::try_from(status).map_err(|_| corrupt("webhook_deliveries.last_status")))
                .transpose()?,
            last_error: self.last_error,
            created_at: self.created_at,
            settled_at: self.settled_at,
        })
    }
}
