//! Which nodes are alive, for whoever would use the slots of one that is not.
//!
//! A node writes down every few seconds that it is there, by a connection of its own, on which it holds a lock of its name for
//! as long as that lives. Its slots go to others before their lease is over only if all of this is so:
//!
//! | what | what it keeps apart |
//! |---|---|
//! | nothing was heard of it for [`silent_for`] | a node that is slow |
//! | nobody holds its lock: its connection was closed, as the system closes those of a process that has died | a node that can't reach the database: the server goes on to hold the lock for a connection that says nothing |
//! | whoever finds that out was itself heard of all that time, without a gap | a database that was away for everybody |
//!
//! What is left: a machine that loses its power, or its network, closes nothing. The server frees the lock when it gives the
//! connection up, and else the lease ends.

use std::sync::Arc;
use std::time::Duration;

use diesel::prelude::*;

use super::Store;
use super::db::{Conn, Db, both};
use super::error::{Fault, StoreError};
use super::leases::database_time;
use super::schema::{capacity_leases, nodes};
use super::shared::Shared;

/// For how long nothing must have been heard of a node that is dead, where slots are leased for `length`: an eighth of
/// that, but 6 to 15 s. It is heard of every 2 s.
pub fn silent_for(length: Duration) -> Duration {
    (length / 8).clamp(Duration::from_secs(6), Duration::from_secs(15))
}

/// A node of which nothing was heard for so long has a gap: three of its looks are missing.
const GAP: i64 = 6_000_000;
/// What was written down of a node that has not been heard of for so long is removed: a day.
const FORGET_AFTER: i64 = 86_400_000_000;

/// Says that this node is alive. Dropping it closes its connection, as the death of the process does.
pub struct NodeBeat {
    shared: Arc<Shared>,
    node: Arc<str>,
    db: Option<Db>,
}

impl Store {
    /// What says that the node of this name is alive. There is one for each node.
    pub fn node_beat(&self, node: Arc<str>) -> NodeBeat {
        NodeBeat { shared: Arc::clone(&self.shared), node, db: None }
    }
}

impl NodeBeat {
    /// Writes down that this node is alive. Blocks for as long as the database does.
    pub fn beat(&mut self) -> Result<(), StoreError> {
        if !self.shared.is_up() {
            return Err(StoreError::Unavailable(self.shared.why_down()));
        }
        let mut db = match self.db.take() {
            Some(db) => db,
            None => {
                let mut db = self.shared.target.connect().map_err(Fault::from)?;
                hold_lock(&mut db.conn, &self.node)?;
                db
            }
        };
        let node = &*self.node;
        db.transaction(|conn| write(conn, node))?;
        self.db = Some(db); // one that failed is closed, and the lock taken anew with the next
        Ok(())
    }
}

/// Removes the leases of nodes that are dead, before this node leases for `length`. To be called where nobody else leases.
pub(super) fn bury_dead(conn: &mut Conn, own: &str, now: i64, length: Duration) -> Result<(), Fault> {
    let silent = i64::try_from(silent_for(length).as_micros()).unwrap_or(i64::MAX);
    let before = now.saturating_sub(silent);
    let heard = nodes::table.find(own).filter(nodes::beat_at.gt(now.saturating_sub(GAP)));
    let since: Option<i64> = both!(&mut *conn, |c| heard.select(nodes::beating_since).first(c).optional())?;
    if since.is_none_or(|since| since > before) {
        return Ok(());
    }
    let holders: Vec<String> =
        both!(&mut *conn, |c| capacity_leases::table.select(capacity_leases::node).distinct().load(c))?;
    let silent: Vec<String> = both!(&mut *conn, |c| nodes::table
        .filter(nodes::beat_at.le(before))
        .filter(nodes::node.eq_any(&holders))
        .select(nodes::node)
        .load(c))?;
    for node in silent.iter().filter(|node| *node != own) {
        if !is_locked(conn, node)? {
            both!(&mut *conn, |c| diesel::delete(capacity_leases::table.filter(capacity_leases::node.eq(node)))
                .execute(c))?;
        }
    }
    Ok(())
}

fn write(conn: &mut Conn, node: &str) -> Result<(), Fault> {
    let now = database_time(conn)?;
    let known: Option<(i64, i64)> = both!(&mut *conn, |c| nodes::table
        .find(node)
        .select((nodes::beat_at, nodes::beating_since))
        .first(c)
        .optional())?;
    let since = known.filter(|(beat_at, _)| now.saturating_sub(*beat_at) < GAP).map_or(now, |(_, since)| since);
    let beat = (nodes::beat_at.eq(now), nodes::beating_since.eq(since));
    both!(conn, |c| {
        diesel::insert_into(nodes::table)
            .values((nodes::node.eq(node), beat))
            .on_conflict(nodes::node)
            .do_update()
            .set(beat)
            .execute(c)?;
        diesel::delete(nodes::table.filter(nodes::beat_at.lt(now.saturating_sub(FORGET_AFTER)))).execute(c)?;
    });
    Ok(())
}

#[cfg(feature = "postgres")]
#[derive(QueryableByName)]
struct IsFree {
    #[diesel(sql_type = diesel::sql_types::Bool)]
    is_free: bool,
}

/// What a node's lock is called.
#[cfg(feature = "postgres")]
const LOCK: &str = "hashtextextended('trunkline node ' || $1, 0)";

/// Holds the node's lock for as long as the connection lives. SQLite belongs to one node.
#[cfg_attr(not(feature = "postgres"), expect(unused_variables, reason = "SQLite has no such locks"))]
fn hold_lock(conn: &mut Conn, node: &str) -> Result<(), Fault> {
    match conn {
        Conn::Sqlite(_) => {}
        #[cfg(feature = "postgres")]
        Conn::Postgres(c) => {
            let query = diesel::sql_query(format!("SELECT pg_advisory_lock({LOCK})"));
            query.bind::<diesel::sql_types::Text, _>(node).execute(c)?;
        }
    }
    Ok(())
}

/// Whether the node's own connection lives, as far as the server knows.
#[cfg_attr(not(feature = "postgres"), expect(unused_variables, reason = "SQLite has no such locks"))]
fn is_locked(conn: &mut Conn, node: &str) -> Result<bool, Fault> {
    match conn {
        Conn::Sqlite(_) => Ok(false),
        #[cfg(feature = "postgres")]
        Conn::Postgres(c) => {
            // What is taken here is given back with the end of the transaction.
            let query = diesel::sql_query(format!("SELECT pg_try_advisory_xact_lock({LOCK}) AS is_free"));
            let tried: IsFree = query.bind::<diesel::sql_types::Text, _>(node).get_result(c)?;
            Ok(!tried.is_free)
        }
    }
}
