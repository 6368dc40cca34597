//! Notes what has happened, in the transaction in which it happens.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;

use crate::engine::delivery::EventKind;
use crate::engine::status::CallRow;

use super::rows::DeliveryRow;
use crate::store::db::{Conn, both};
use crate::store::error::Fault;
use crate::store::schema::{businesses, webhook_deliveries};

/// Something that a business is to be told.
pub(in crate::store) struct News<'a> {
    pub kind: EventKind,
    pub business: &'a str,
    /// To what it happened: it happens once.
    pub subject: &'a str,
    /// What is told; `None`: the record of the call, as it is when it is sent.
    pub body: Option<serde_json::Value>,
    /// When: microseconds since 1970-01-01 UTC.
    pub at: i64,
}

/// Notes what has happened, for those businesses that want to be told; what is noted already stays as it is. To be
/// called in the transaction that makes it happen.
pub(in crate::store) fn tell(conn: &mut Conn, news: &[News<'_>]) -> Result<(), Fault> {
    if news.is_empty() {
        return Ok(());
    }
    let concerned: BTreeSet<&str> = news.iter().map(|news| news.business).collect();
    let concerned: Vec<&str> = concerned.into_iter().collect();
    let listening: Vec<String> = both!(&mut *conn, |c| businesses::table
        .filter(businesses::id.eq_any(&concerned))
        .filter(businesses::webhook_url.is_not_null())
        .filter(businesses::deleted_at.is_null())
        .select(businesses::id)
        .load(c))?;
    for news in news.iter().filter(|news| listening.iter().any(|id| id == news.business)) {
        let row = DeliveryRow::new(news);
        both!(&mut *conn, |c| diesel::insert_into(webhook_deliveries::table)
            .values(&row)
            .on_conflict_do_nothing()
            .execute(c))?;
    }
    Ok(())
}

/// The calls that are complete by what was just said of them: over, and known to be a business's. Both only ever become
/// true, in whatever order it is said, and on whichever node.
pub(in crate::store) fn completed<'a>(
    before: &BTreeMap<String, CallRow>,
    after: &'a BTreeMap<String, CallRow>,
) -> Vec<News<'a>> {
    let owner = |row: &'a CallRow| row.business.as_ref().filter(|_| row.status.is_final());
    let was_complete =
        |sid: &String| before.get(sid).is_some_and(|row| row.status.is_final() && row.business.is_some());
    let new = after.iter().filter(|(sid, _)| !was_complete(sid));
    new.filter_map(|(sid, row)| {
        let business = owner(row)?.value.as_str();
        let at = row.ended_at.unwrap_or(row.updated_at);
        Some(News { kind: EventKind::CallCompleted, business, subject: sid, body: None, at })
    })
    .collect()
}
