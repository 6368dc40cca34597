//! What the webhooks of businesses are signed with.

use diesel::prelude::*;

use crate::engine::delivery::Secret;
use crate::engine::ids::BusinessId;

use crate::store::Store;
use crate::store::db::{Conn, both};
use crate::store::error::{Fault, StoreError};
use crate::store::schema::webhook_secrets as table;
use crate::store::schema::webhook_secrets;

/// A secret that signs now. Times are microseconds since 1970-01-01 UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSecret {
    /// The secret.
    pub secret: Secret,
    /// When it was made.
    pub created_at: i64,
    /// From when on it signs no more; `None`: it is the newest.
    pub expires_at: Option<i64>,
}

/// One row of `webhook_secrets`.
#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = webhook_secrets)]
struct SecretRow {
    id: String,
    business: String,
    secret: String,
    created_at: i64,
    expires_at: Option<i64>,
}

/// Every method blocks for as long as the database does.
impl Store {
    /// The secrets of a business that sign at `now`, the newest first: one, or two while it is replaced.
    pub fn webhook_secrets(&self, of: &BusinessId, now: i64) -> Result<Vec<StoredSecret>, StoreError> {
        self.ask(|conn| secrets_of(conn, of, now))
    }

    /// Gives a business another secret at `now`. The one before signs beside it until `overlap_until`; those before that
    /// sign no more.
    pub fn replace_webhook_secret(
        &self,
        of: &BusinessId,
        secret: &Secret,
        now: i64,
        overlap_until: i64,
    ) -> Result<(), StoreError> {
        let row = SecretRow {
            id: secret.id(),
            business: of.to_string(),
            secret: secret.expose().to_owned(),
            created_at: now,
            expires_at: None,
        };
        self.change(|conn| {
            let older = table::table.filter(table::business.eq(of.as_str())).filter(table::expires_at.is_not_null());
            both!(&mut *conn, |c| diesel::delete(older).execute(c))?;
            let newest = table::table.filter(table::business.eq(of.as_str()));
            both!(&mut *conn, |c| diesel::update(newest).set(table::expires_at.eq(Some(overlap_until))).execute(c))?;
            both!(conn, |c| diesel::insert_into(table::table).values(&row).execute(c))?;
            Ok(())
        })
    }
}

pub(super) fn secrets_of(conn: &mut Conn, of: &BusinessId, now: i64) -> Result<Vec<StoredSecret>, Fault> {
    let rows: Vec<SecretRow> = both!(conn, |c| table::table
        .filter(table::business.eq(of.as_str()))
        .filter(table::expires_at.is_null().or(table::expires_at.gt(now)))
        .order((table::created_at.desc(), table::expires_at.is_null().desc()))
        .select(SecretRow::as_select())
        .load(c))?;
    let stored = |row: SecretRow| StoredSecret {
        secret: Secret::stored(row.secret),
        created_at: row.created_at,
        expires_at: row.expires_at,
    };
    Ok(rows.into_iter().map(stored).collect())
}
