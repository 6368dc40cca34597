//! Edits, one after the other.

use std::sync::Arc;

use diesel::prelude::*;

use crate::engine::business::{Business, CalledNumber, Profile};
use crate::engine::ids::BusinessId;

use super::rows::{BusinessRow, NumberRow, VersionRow};
use super::{EditError, Editor, StoredBusiness};
use crate::store::db::{Conn, both};
use crate::store::error::Fault;
use crate::store::link::Link;
use crate::store::schema::{business_changes, business_numbers, business_versions, businesses};
use crate::store::shared::Shared;

/// Edits businesses. Every method blocks for as long as the database does.
pub struct BusinessWriter {
    pub(super) link: Link,
}

/// What an edit comes to: a refusal has written nothing.
type Edited = Result<StoredBusiness, EditError>;

impl BusinessWriter {
    pub(in crate::store) fn new(shared: &Arc<Shared>) -> Self {
        Self { link: Link::new(Arc::clone(shared)) }
    }

    /// Stores a new business, as version 1.
    ///
    /// # Errors
    /// Its id is or was another's; others have its numbers; the database does not take it.
    pub fn create(&mut self, id: &BusinessId, profile: &Profile, editor: Editor<'_>) -> Edited {
        let business = Business { id: id.clone(), version: 1, profile: profile.clone() };
        self.edit(|conn| {
            if row_of(conn, id)?.is_some() {
                return Ok(Err(EditError::Exists));
            }
            let taken = taken(conn, profile, id)?;
            if !taken.is_empty() {
                return Ok(Err(EditError::NumbersTaken(taken)));
            }
            let row = BusinessRow::new(&business, editor)?;
            insert(conn, &row, profile, &["created"], editor)?;
            Ok(Ok(row.into_stored()?))
        })
    }

    /// Gives a business another profile, if it still has the version that the editor knows. One that changes nothing
    /// makes no version.
    ///
    /// # Errors
    /// There is none, or it was edited meanwhile; others have its numbers; the database does not take it.
    pub fn update(&mut self, id: &BusinessId, version: u32, profile: &Profile, editor: Editor<'_>) -> Edited {
        self.edit(|conn| {
            let row = match alive(conn, id, version)? {
                Ok(row) => row,
                Err(refusal) => return Ok(Err(refusal)),
            };
            let stored = row.clone().into_stored()?;
            let changed = profile.differs_in(&stored.business.profile);
            if changed.is_empty() {
                return Ok(Ok(stored));
            }
            let taken = taken(conn, profile, id)?;
            if !taken.is_empty() {
                return Ok(Err(EditError::NumbersTaken(taken)));
            }
            let row = row.with(profile, editor)?;
            replace(conn, &row, &profile.numbers, &changed, editor)?;
            Ok(Ok(row.into_stored()?))
        })
    }

    /// Deletes a business, if it still has the version that the editor knows: its numbers are free, nobody finds it any
    /// more, and its calls stay under its id, which nobody gets again.
    ///
    /// # Errors
    /// There is none, or it was edited meanwhile; the database does not take it.
    pub fn delete(&mut self, id: &BusinessId, version: u32, editor: Editor<'_>) -> Result<(), EditError> {
        let deleted = self.edit(|conn| {
            let row = match alive(conn, id, version)? {
                Ok(row) => row,
                Err(refusal) => return Ok(Err(refusal)),
            };
            let profile = row.clone().into_stored()?.business.profile;
            let row = row.with(&profile, editor)?.deleted(editor.at);
            replace(conn, &row, &[], &["deleted"], editor)?;
            Ok(Ok(row.into_stored()?))
        });
        deleted.map(drop)
    }

    fn edit(&mut self, mut work: impl FnMut(&mut Conn) -> Result<Edited, Fault>) -> Edited {
        let edited = self.link.run(|conn| {
            lock(conn)?;
            work(conn)
        });
        edited.map_err(crate::store::StoreError::from)?
    }
}

/// Waits until every other edit is over, on all nodes. In a transaction; on SQLite it holds the one write lock already.
pub(super) fn lock(conn: &mut Conn) -> Result<(), Fault> {
    match conn {
        Conn::Sqlite(_) => {}
        #[cfg(feature = "postgres")]
        Conn::Postgres(c) => {
            let _: i64 = business_changes::table.select(business_changes::number).for_update().first(c)?;
        }
    }
    Ok(())
}

/// Lets every node know that something has changed.
pub(super) fn announce(conn: &mut Conn) -> Result<(), Fault> {
    both!(conn, |c| diesel::update(business_changes::table)
        .set(business_changes::number.eq(business_changes::number + 1))
        .execute(c))?;
    Ok(())
}

/// A new business, its numbers and its first version.
pub(super) fn insert(
    conn: &mut Conn,
    row: &BusinessRow,
    profile: &Profile,
    changed: &[&str],
    editor: Editor<'_>,
) -> Result<(), Fault> {
    both!(&mut *conn, |c| diesel::insert_into(businesses::table).values(row).execute(c))?;
    note(conn, row, &profile.numbers, changed, editor)
}

/// A business as it is from now on, with these numbers.
pub(super) fn replace(
    conn: &mut Conn,
    row: &BusinessRow,
    numbers: &[CalledNumber],
    changed: &[&str],
    editor: Editor<'_>,
) -> Result<(), Fault> {
    both!(&mut *conn, |c| diesel::update(businesses::table.find(&row.id)).set(row).execute(c))?;
    free_numbers(conn, &row.id)?;
    note(conn, row, numbers, changed, editor)
}

/// Takes a business's numbers away, so that others may have them.
pub(super) fn free_numbers(conn: &mut Conn, id: &str) -> Result<(), Fault> {
    let its = business_numbers::table.filter(business_numbers::business.eq(id.to_owned()));
    both!(conn, |c| diesel::delete(its).execute(c))?;
    Ok(())
}

fn note(
    conn: &mut Conn,
    row: &BusinessRow,
    numbers: &[CalledNumber],
    changed: &[&str],
    editor: Editor<'_>,
) -> Result<(), Fault> {
    for number in numbers {
        let number = NumberRow { number: number.as_str().to_owned(), business: row.id.clone() };
        both!(&mut *conn, |c| diesel::insert_into(business_numbers::table).values(&number).execute(c))?;
    }
    let version = VersionRow::new(row, changed, editor)?;
    both!(&mut *conn, |c| diesel::insert_into(business_versions::table).values(&version).execute(c))?;
    announce(conn)
}

/// The row of a business, deleted or not.
fn row_of(conn: &mut Conn, id: &BusinessId) -> Result<Option<BusinessRow>, Fault> {
    Ok(both!(conn, |c| businesses::table.find(id.as_str()).select(BusinessRow::as_select()).first(c).optional())?)
}

/// The row of a business that is there and has this version.
fn alive(conn: &mut Conn, id: &BusinessId, version: u32) -> Result<Result<BusinessRow, EditError>, Fault> {
    let Some(row) = row_of(conn, id)?.filter(|row| row.deleted_at.is_none()) else {
        return Ok(Err(EditError::NotFound));
    };
    if row.version != i64::from(version) {
        let current = row.next_version()? - 1;
        return Ok(Err(EditError::Stale { current }));
    }
    Ok(Ok(row))
}

/// The numbers of this profile that are another business's.
fn taken(conn: &mut Conn, profile: &Profile, id: &BusinessId) -> Result<Vec<CalledNumber>, Fault> {
    let wanted: Vec<&str> = profile.numbers.iter().map(CalledNumber::as_str).collect();
    let others: Vec<NumberRow> = both!(conn, |c| business_numbers::table
        .filter(business_numbers::number.eq_any(&wanted))
        .filter(business_numbers::business.ne(id.as_str()))
        .select(NumberRow::as_select())
        .load(c))?;
    let is_taken = |number: &&CalledNumber| others.iter().any(|other| other.number == number.as_str());
    Ok(profile.numbers.iter().filter(is_taken).cloned().collect())
}
