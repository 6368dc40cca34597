//! What can be asked about businesses.

use diesel::prelude::*;

use crate::engine::ids::BusinessId;

use super::rows::{BusinessRow, VersionRow};
use super::{BusinessVersion, StoredBusiness};
use crate::store::Store;
use crate::store::db::both;
use crate::store::error::StoreError;
use crate::store::schema::{business_changes, business_versions, businesses};

/// Every question blocks for as long as the database does: ask where blocking is allowed, never on an arbiter.
impl Store {
    /// How many edits there have been, of any business: whoever sees it grow reads the businesses again.
    pub fn business_change(&self) -> Result<i64, StoreError> {
        self.ask(|conn| Ok(both!(conn, |c| business_changes::table.select(business_changes::number).first(c))?))
    }

    /// Every business, by id; as they are at one moment.
    pub fn businesses(&self) -> Result<Vec<StoredBusiness>, StoreError> {
        self.ask(|conn| {
            let rows: Vec<BusinessRow> = both!(conn, |c| businesses::table
                .filter(businesses::deleted_at.is_null())
                .order(businesses::id)
                .select(BusinessRow::as_select())
                .load(c))?;
            rows.into_iter().map(BusinessRow::into_stored).collect()
        })
    }

    /// A page of the businesses by id: at most `limit`, behind the one with this id.
    pub fn businesses_page(
        &self,
        behind: Option<&BusinessId>,
        limit: usize,
    ) -> Result<Vec<StoredBusiness>, StoreError> {
        self.ask(|conn| {
            let rows: Vec<BusinessRow> = both!(conn, |c| businesses::table
                .filter(businesses::deleted_at.is_null())
                .filter(businesses::id.gt(behind.map_or("", BusinessId::as_str)))
                .order(businesses::id)
                .limit(i64::try_from(limit).unwrap_or(i64::MAX))
                .select(BusinessRow::as_select())
                .load(c))?;
            rows.into_iter().map(BusinessRow::into_stored).collect()
        })
    }

    /// One business; `None` if there is none with this id, or none any more.
    pub fn business(&self, id: &BusinessId) -> Result<Option<StoredBusiness>, StoreError> {
        self.ask(|conn| {
            let row: Option<BusinessRow> = both!(conn, |c| businesses::table
                .find(id.as_str())
                .filter(businesses::deleted_at.is_null())
                .select(BusinessRow::as_select())
                .first(c)
                .optional())?;
            row.map(BusinessRow::into_stored).transpose()
        })
    }

    /// What a business was told under its last versions, the newest first: at most `limit` of them, older than
    /// `before`. Of one that was deleted, too.
    pub fn business_versions(
        &self,
        id: &BusinessId,
        before: Option<u32>,
        limit: usize,
    ) -> Result<Vec<BusinessVersion>, StoreError> {
        let before = before.map_or(i64::MAX, i64::from);
        self.ask(|conn| {
            let rows: Vec<VersionRow> = both!(conn, |c| business_versions::table
                .filter(business_versions::business.eq(id.as_str()))
                .filter(business_versions::version.lt(before))
                .order(business_versions::version.desc())
                .limit(i64::try_from(limit).unwrap_or(i64::MAX))
                .select(VersionRow::as_select())
                .load(c))?;
            rows.into_iter().map(VersionRow::into_version).collect()
        })
    }
}
