//! Slots for calls, leased by nodes ahead of the calls.

use std::collections::HashMap;
use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel::upsert::excluded;

use crate::engine::capacity::Wish;
use crate::engine::ids::CallSid;
use crate::engine::status::CallStatus;

use super::Store;
use super::db::{Conn, both};
use super::error::{Fault, StoreError};
use super::nodes::bury_dead;
use super::schema::{calls, capacity_leases, media_claims};

/// One row of `capacity_leases`.
#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = capacity_leases)]
struct LeaseRow {
    scope: String,
    node: String,
    slots: i64,
    expires_at: i64,
}

/// What a node was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leased {
    /// Slots, in the order of the wishes.
    pub granted: Vec<u32>,
    /// How many nodes hold slots, this one included.
    pub nodes: u32,
}

#[derive(QueryableByName)]
struct Now {
    #[diesel(sql_type = BigInt)]
    now: i64,
}

impl Store {
    /// Leases slots for a node from now on for `length`, in place of those that it holds in these scopes. The limits hold over all nodes, by the database's clock.
    /// Leases of nodes that are [dead](super::nodes) are over.
    ///
    /// Blocks for as long as the database does. An error leaves open which lease holds: the one before, or the wished one.
    pub fn lease_slots(&self, node: &str, length: Duration, wishes: &[Wish]) -> Result<Leased, StoreError> {
        self.change(|conn| {
            let now = alone(conn)?;
            bury_dead(conn, node, now, length)?;
            let held = both!(&mut *conn, |c| {
                diesel::delete(capacity_leases::table.filter(capacity_leases::expires_at.le(now))).execute(c)?;
                capacity_leases::table
                    .filter(capacity_leases::node.ne(node))
                    .select(LeaseRow::as_select())
                    .load::<LeaseRow>(c)
            })?;
            let mut others: HashMap<&str, i64> = HashMap::new();
            let mut nodes: Vec<&str> = held.iter().map(|lease| lease.node.as_str()).collect();
            nodes.sort_unstable();
            nodes.dedup();
            for lease in &held {
                *others.entry(lease.scope.as_str()).or_default() += lease.slots;
            }
            let nodes = u32::try_from(nodes.len() + 1).unwrap_or(u32::MAX);
            let mut granted = Vec::with_capacity(wishes.len());
            for wish in wishes {
                let scope = wish.scope.to_string();
                let by_others = others.get(scope.as_str()).map_or(0, |slots| u32::try_from(*slots).unwrap_or(u32::MAX));
                let slots = wish.granted(by_others, nodes);
                granted.push(slots);
                let expires_at = now.saturating_add(i64::try_from(length.as_micros()).unwrap_or(i64::MAX));
                keep(conn, &LeaseRow { scope, node: node.to_owned(), slots: slots.into(), expires_at })?;
            }
            Ok(Leased { granted, nodes })
        })
    }

    /// Gives back every slot of a node that stops.
    pub fn return_slots(&self, node: &str) -> Result<(), StoreError> {
        self.change(|conn| {
            both!(conn, |c| diesel::delete(capacity_leases::table.filter(capacity_leases::node.eq(node))).execute(c))?;
            Ok(())
        })
    }

    /// Which of these calls need no slot of this node any more: another node carries them, or they are over.
    pub fn calls_gone_elsewhere(&self, node: &str, sids: &[CallSid]) -> Result<Vec<CallSid>, StoreError> {
        let sids: Vec<&str> = sids.iter().map(CallSid::as_str).collect();
        let over: Vec<&str> = CallStatus::ALL.iter().filter(|status| status.is_final()).map(|s| s.as_str()).collect();
        let gone: Vec<String> = self.ask(|conn| {
            both!(conn, |c| {
                let mut gone: Vec<String> = media_claims::table
                    .filter(media_claims::call_sid.eq_any(&sids))
                    .filter(media_claims::node.ne(node))
                    .select(media_claims::call_sid)
                    .load(c)?;
                gone.extend(
                    calls::table
                        .filter(calls::call_sid.eq_any(&sids))
                        .filter(calls::status.eq_any(&over))
                        .select(calls::call_sid)
                        .load::<String>(c)?,
                );
                Ok(gone)
            })
        })?;
        Ok(gone.iter().filter_map(|sid| sid.parse().ok()).collect())
    }
}

/// Keeps other nodes from leasing until the transaction ends; the database's time, in microseconds.
fn alone(conn: &mut Conn) -> Result<i64, Fault> {
    match conn {
        Conn::Sqlite(_) => {} // the transaction holds the one write lock that there is
        #[cfg(feature = "postgres")]
        Conn::Postgres(c) => {
            diesel::sql_query("LOCK TABLE capacity_leases IN SHARE ROW EXCLUSIVE MODE").execute(c)?;
        }
    }
    database_time(conn)
}

/// The database's time, in microseconds since 1970-01-01 UTC.
pub(super) fn database_time(conn: &mut Conn) -> Result<i64, Fault> {
    let now: Now = match conn {
        Conn::Sqlite(c) => {
            diesel::sql_query("SELECT CAST(unixepoch('subsec') * 1000000 AS INTEGER) AS now").get_result(c)?
        }
        #[cfg(feature = "postgres")]
        Conn::Postgres(c) => {
            diesel::sql_query("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now")
                .get_result(c)?
        }
    };
    Ok(now.now)
}

fn keep(conn: &mut Conn, row: &LeaseRow) -> Result<(), Fault> {
    both!(conn, |c| diesel::insert_into(capacity_leases::table)
        .values(row)
        .on_conflict((capacity_leases::scope, capacity_leases::node))
        .do_update()
        .set((
            capacity_leases::slots.eq(excluded(capacity_leases::slots)),
            capacity_leases::expires_at.eq(excluded(capacity_leases::expires_at)),
        ))
        .execute(c))?;
    Ok(())
}
