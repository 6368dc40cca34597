//! The businesses of a database, for whoever is not the service: nothing is written, migrated or locked, and the service may run
//! beside it.

use std::path::Path;
use std::time::Duration;

use diesel::prelude::*;

use super::rows::BusinessRow;
use super::{StoredBusiness, id_of};
use crate::engine::ids::BusinessId;
use crate::store::db::both;
use crate::store::error::{Fault, StoreError};
use crate::store::schema::businesses;
use crate::store::target::Target;

/// What a database knows of businesses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peeked {
    /// Those that there are, by id.
    pub businesses: Vec<StoredBusiness>,
    /// Those that were deleted: the configuration has no say about them any more.
    pub deleted: Vec<BusinessId>,
}

/// Reads the businesses of the database at `url`; `None` if there is none yet, or one that no service has used.
///
/// # Errors
/// A URL that can't be right, a database that does not answer within about `patience`.
pub fn peek(url: &str, patience: Duration) -> Result<Option<Peeked>, StoreError> {
    // Opening it would make the file, and its folder.
    let path = url.trim().strip_prefix("sqlite:").map(|rest| rest.strip_prefix("//").unwrap_or(rest));
    if path.is_some_and(|path| !path.is_empty() && !Path::new(path).exists()) {
        return Ok(None);
    }
    let mut db = Target::parse(url, patience, patience)?.connect().map_err(Fault::from)?;
    let rows: Result<Vec<BusinessRow>, Fault> = db.snapshot(|conn| {
        Ok(both!(conn, |c| businesses::table.order(businesses::id).select(BusinessRow::as_select()).load(c))?)
    });
    let rows = match rows {
        Ok(rows) => rows,
        Err(Fault::Away(error)) if is_unused(&error) => return Ok(None),
        Err(fault) => return Err(fault.into()),
    };
    let mut peeked = Peeked::default();
    for row in rows {
        match row.deleted_at {
            Some(_) => peeked.deleted.push(id_of(&row.id)?),
            None => peeked.businesses.push(row.into_stored()?),
        }
    }
    Ok(Some(peeked))
}

/// Whether the database has no such table, in its own words.
fn is_unused(error: &str) -> bool {
    error.contains("no such table") || error.contains("relation \"businesses\" does not exist")
}
