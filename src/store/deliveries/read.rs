//! What can be asked about deliveries, and the little that operators may change.

use diesel::prelude::*;
use serde_json::Value;

use crate::engine::delivery::{DeliveryState, EventId, EventKind};
use crate::engine::ids::{BusinessId, CallSid};

use super::rows::DeliveryRow;
use super::secrets::secrets_of;
use super::{Brief, Delivery, DeliveryPlace, DeliveryWriter, News};
use crate::store::Store;
use crate::store::db::{Conn, both};
use crate::store::error::{Fault, StoreError};
use crate::store::schema::{businesses, webhook_deliveries as table};

/// Every method blocks for as long as the database does.
impl Store {
    /// Claims and settles deliveries. One for each sender.
    pub fn delivery_writer(&self) -> DeliveryWriter {
        DeliveryWriter::new(&self.shared)
    }

    /// Whether anything is to be sent by `now`.
    pub fn has_due_deliveries(&self, now: i64) -> Result<bool, StoreError> {
        self.ask(|conn| {
            let due = table::table
                .filter(table::state.eq(DeliveryState::Waiting.as_str()))
                .filter(table::next_try_at.le(now))
                .select(table::id);
            let one: Option<String> = both!(conn, |c| due.first(c).optional())?;
            Ok(one.is_some())
        })
    }

    /// How many events wait to be sent, on all nodes.
    pub fn waiting_deliveries(&self) -> Result<i64, StoreError> {
        self.ask(|conn| {
            let waiting = table::table.filter(table::state.eq(DeliveryState::Waiting.as_str())).count();
            Ok(both!(conn, |c| waiting.get_result(c))?)
        })
    }

    /// What is needed to send this at `now`.
    pub fn delivery_brief(&self, delivery: &Delivery, now: i64) -> Result<Brief, StoreError> {
        let (url, secrets) = self.ask(|conn| {
            let url: Option<Option<String>> = both!(&mut *conn, |c| businesses::table
                .find(delivery.business.as_str())
                .filter(businesses::deleted_at.is_null())
                .select(businesses::webhook_url)
                .first(c)
                .optional())?;
            Ok((url.flatten(), secrets_of(conn, &delivery.business, now)?))
        })?;
        let call = delivery.kind.is_of_a_call().then(|| delivery.subject.parse::<CallSid>().ok()).flatten();
        let record = match call {
            Some(call) => self.call_record(&call)?,
            None => None,
        };
        Ok(Brief { url, secrets: secrets.into_iter().map(|stored| stored.secret).collect(), record })
    }

    /// The newest deliveries of a business, in one state or any; behind the one of this place.
    pub fn deliveries(
        &self,
        of: &BusinessId,
        state: Option<DeliveryState>,
        behind: Option<&DeliveryPlace>,
        rows: usize,
    ) -> Result<Vec<Delivery>, StoreError> {
        use table::{business, created_at, id};
        self.ask(|conn| {
            both!(conn, |c| {
                let mut page =
                    table::table.filter(business.eq(of.as_str())).select(DeliveryRow::as_select()).into_boxed();
                if let Some(state) = state {
                    page = page.filter(table::state.eq(state.as_str()));
                }
                if let Some((time, name)) = behind {
                    page = page.filter(created_at.lt(time).or(created_at.eq(time).and(id.lt(name))));
                }
                page.order((created_at.desc(), id.desc())).limit(rows as i64).load(c)
            })?
            .into_iter()
            .map(DeliveryRow::into_delivery)
            .collect()
        })
    }

    /// One delivery of a business.
    pub fn delivery(&self, of: &BusinessId, event: &EventId) -> Result<Option<Delivery>, StoreError> {
        self.ask(|conn| one(conn, of, event))
    }

    /// Has an event sent again at `now`, whatever has become of it. `None`: there is none of that name.
    pub fn redeliver(&self, of: &BusinessId, event: &EventId, now: i64) -> Result<Option<Delivery>, StoreError> {
        self.change(|conn| {
            let to = (
                table::state.eq(DeliveryState::Waiting.as_str()),
                table::next_try_at.eq(now),
                table::first_try_at.eq(None::<i64>),
                table::settled_at.eq(None::<i64>),
            );
            let its = table::table.find(event.as_str()).filter(table::business.eq(of.as_str()));
            both!(&mut *conn, |c| diesel::update(its).set(to).execute(c))?;
            one(conn, of, event)
        })
    }

    /// Notes a test event, which tells `body`. `subject` makes it one of its own.
    pub fn add_test_event(
        &self,
        of: &BusinessId,
        subject: &str,
        body: Value,
        now: i64,
    ) -> Result<Delivery, StoreError> {
        let news = News { kind: EventKind::Test, business: of.as_str(), subject, body: Some(body), at: now };
        let row = DeliveryRow::new(&news);
        self.change(|conn| {
            both!(conn, |c| diesel::insert_into(table::table).values(&row).execute(c))?;
            row.clone().into_delivery()
        })
    }
}

fn one(conn: &mut Conn, of: &BusinessId, event: &EventId) -> Result<Option<Delivery>, Fault> {
    both!(conn, |c| table::table
        .find(event.as_str())
        .filter(table::business.eq(of.as_str()))
        .select(DeliveryRow::as_select())
        .first(c)
        .optional())?
    .map(DeliveryRow::into_delivery)
    .transpose()
}
