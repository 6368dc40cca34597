//! What a sender does with the table: claims what is due, and says what came of it.

use std::sync::Arc;
use std::time::Duration;

use diesel::prelude::*;

use crate::engine::delivery::{DeliveryState, EventId, Places, Room};
use crate::engine::ids::BusinessId;

use super::Delivery;
use super::rows::DeliveryRow;
use crate::store::StoreError;
use crate::store::db::{Conn, both};
use crate::store::error::Fault;
use crate::store::link::Link;
use crate::store::rows::storable;
use crate::store::schema::webhook_deliveries as table;
use crate::store::shared::Shared;

/// How many due rows are looked at in one go.
const LOOK_AT: i64 = 64;

/// What a sender has room for. Times are microseconds since 1970-01-01 UTC.
#[derive(Clone, Debug)]
pub struct Claim {
    /// What is due by then.
    pub now: i64,
    /// How long nobody else may have it.
    pub lease: Duration,
    /// For whom it has places.
    pub places: Places,
}

/// What came of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver took it.
    Delivered {
        /// Its HTTP status.
        status: u16,
    },
    /// It is to be tried again.
    Again {
        /// When.
        at: i64,
        /// The receiver's HTTP status, if it answered.
        status: Option<u16>,
        /// Why it failed.
        error: String,
    },
    /// It was not tried, for what it tells is not all there yet.
    NotYet {
        /// When to look again.
        at: i64,
    },
    /// It is not tried any more.
    Over {
        /// [`DeliveryState::GivenUp`] or [`DeliveryState::Stopped`].
        state: DeliveryState,
        /// The receiver's HTTP status, if it answered.
        status: Option<u16>,
        /// Why.
        error: String,
    },
}

/// What came of which try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The event.
    pub id: EventId,
    /// [`Delivery::tries`] of the claim: what came of an earlier try does not count once there is a later one.
    pub tries: u32,
    /// What came of it.
    pub outcome: Outcome,
}

/// Claims and settles deliveries, over a connection of its own. Every method blocks for as long as the database does.
pub struct DeliveryWriter {
    link: Link,
}

impl DeliveryWriter {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self { link: Link::new(Arc::clone(shared)) }
    }

    /// Takes what is due and fits, the longest due first, and counts a try of each. A business that has no place left is
    /// passed over, so that it holds up no other.
    pub fn claim(&mut self, claim: &Claim) -> Result<Vec<Delivery>, StoreError> {
        Ok(self.link.run(|conn| claim_due(conn, claim))?)
    }

    /// Keeps what came of tries at `now`.
    pub fn settle(&mut self, settled: &[Settled], now: i64) -> Result<(), StoreError> {
        Ok(self.link.run(|conn| settled.iter().try_for_each(|settled| settle(conn, settled, now)))?)
    }

    /// Forgets what was settled before `before`.
    pub fn forget(&mut self, before: i64) -> Result<usize, StoreError> {
        Ok(self.link.run(|conn| {
            let old = table::table.filter(table::settled_at.lt(before));
            Ok(both!(conn, |c| diesel::delete(old).execute(c))?)
        })?)
    }
}

fn claim_due(conn: &mut Conn, claim: &Claim) -> Result<Vec<Delivery>, Fault> {
    let mut places = claim.places.clone();
    let mut claimed = Vec::new();
    loop {
        let due = lock_due(conn, claim.now, &places.room())?;
        let looked_at = due.len();
        let before = claimed.len();
        for row in due {
            match row.clone().into_delivery() {
                Ok(delivery) if places.has_room(&delivery.business) => {
                    places.take(&delivery.business);
                    claimed.push(take(conn, delivery, claim)?);
                }
                Ok(_) => {}
                Err(fault) => set_aside(conn, &row.id, &StoreError::from(fault), claim.now)?,
            }
        }
        if claimed.len() == before || (looked_at as i64) < LOOK_AT {
            break;
        }
    }
    Ok(claimed)
}

/// Rows that are due, of the businesses that there is room for; nobody else gets them until the transaction ends.
fn lock_due(conn: &mut Conn, now: i64, room: &Room) -> Result<Vec<DeliveryRow>, Fault> {
    macro_rules! due {
        ($of_those:expr) => {
            table::table
                .filter(table::state.eq(DeliveryState::Waiting.as_str()))
                .filter(table::next_try_at.le(now))
                .filter($of_those)
                .order((table::next_try_at, table::id))
                .limit(LOOK_AT)
                .select(DeliveryRow::as_select())
        };
    }
    macro_rules! locked {
        ($of_those:expr) => {
            match conn {
                // The transaction holds the one write lock that there is.
                Conn::Sqlite(c) => due!($of_those).load(c)?,
                #[cfg(feature = "postgres")]
                Conn::Postgres(c) => due!($of_those).for_update().skip_locked().load(c)?,
            }
        };
    }
    let names = |businesses: &[BusinessId]| businesses.iter().map(ToString::to_string).collect::<Vec<_>>();
    Ok(match room {
        Room::None => Vec::new(),
        Room::AllBut(full) => {
            let full = names(full);
            locked!(table::business.ne_all(&full))
        }
        Room::Only(some) => {
            let some = names(some);
            locked!(table::business.eq_any(&some))
        }
    })
}

fn take(conn: &mut Conn, mut delivery: Delivery, claim: &Claim) -> Result<Delivery, Fault> {
    let lease = i64::try_from(claim.lease.as_micros()).unwrap_or(i64::MAX);
    delivery.tries = delivery.tries.saturating_add(1);
    delivery.next_try_at = claim.now.saturating_add(lease);
    delivery.first_try_at.get_or_insert(claim.now);
    let to = (
        table::tries.eq(i64::from(delivery.tries)),
        table::next_try_at.eq(delivery.next_try_at),
        table::first_try_at.eq(delivery.first_try_at),
    );
    both!(conn, |c| diesel::update(table::table.find(delivery.id.as_str())).set(to).execute(c))?;
    Ok(delivery)
}

/// A row that makes no sense is not tried, so that it holds up no other.
fn set_aside(conn: &mut Conn, id: &str, error: &StoreError, now: i64) -> Result<(), Fault> {
    let to = (
        table::state.eq(DeliveryState::Stopped.as_str()),
        table::last_error.eq(Some(error.to_string())),
        table::settled_at.eq(Some(now)),
    );
    both!(conn, |c| diesel::update(table::table.find(id)).set(to).execute(c))?;
    Ok(())
}

fn settle(conn: &mut Conn, settled: &Settled, now: i64) -> Result<(), Fault> {
    let tries = i64::from(settled.tries);
    let mine = table::table
        .find(settled.id.as_str())
        .filter(table::state.eq(DeliveryState::Waiting.as_str()))
        .filter(table::tries.eq(tries));
    let over = |state: DeliveryState, status: Option<u16>, error: Option<&String>| {
        (
            table::state.eq(state.as_str()),
            table::last_status.eq(status.map(i64::from)),
            table::last_error.eq(error.map(|error| storable(error))),
            table::settled_at.eq(Some(now)),
        )
    };
    match &settled.outcome {
        Outcome::Delivered { status } => {
            let to = over(DeliveryState::Delivered, Some(*status), None);
            both!(conn, |c| diesel::update(mine).set(to).execute(c))?
        }
        Outcome::Over { state, status, error } => {
            let to = over(*state, *status, Some(error));
            both!(conn, |c| diesel::update(mine).set(to).execute(c))?
        }
        Outcome::Again { at, status, error } => {
            let to = (
                table::next_try_at.eq(at),
                table::last_status.eq(status.map(i64::from)),
                table::last_error.eq(Some(storable(error))),
            );
            both!(conn, |c| diesel::update(mine).set(to).execute(c))?
        }
        Outcome::NotYet { at } => {
            let first = diesel::dsl::sql::<diesel::sql_types::Nullable<diesel::sql_types::BigInt>>(
                "CASE WHEN tries = 1 THEN NULL ELSE first_try_at END",
            );
            let to = (table::tries.eq(tries - 1), table::next_try_at.eq(at), table::first_try_at.eq(first));
            both!(conn, |c| diesel::update(mine).set(to).execute(c))?
        }
    };
    Ok(())
}
