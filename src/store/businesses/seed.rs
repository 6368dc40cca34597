//! The configuration's businesses in the database.
//!
//! The file has its say until somebody edits or deletes a business by other means:
//!
//! * a business that the database has never seen is stored;
//! * one that nobody has edited follows the file: changed there, it is changed here, with a version of its own; gone
//!   from there, it is taken back here, and comes again if the file names it again;
//! * one that was edited or deleted stays as it was left, whatever the file says;
//! * a number that another business has been given stays with that one.

use std::collections::{BTreeMap, HashMap};

use diesel::prelude::*;

use crate::engine::business::{Business, CalledNumber, Profile};
use crate::engine::ids::BusinessId;

use super::rows::BusinessRow;
use super::write::{free_numbers, insert, lock, replace};
use super::{BusinessWriter, CONFIGURATION, Editor};
use crate::store::db::{Conn, both};
use crate::store::error::{Fault, StoreError};
use crate::store::schema::businesses;

/// What became of the configuration's businesses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seeded {
    /// How many were stored, changed or taken back.
    pub changed: usize,
    /// The numbers that the file gives to one business and the database to another.
    pub contested: Vec<(BusinessId, CalledNumber)>,
}

impl BusinessWriter {
    /// Brings the businesses that nobody has edited to what the configuration's file says.
    ///
    /// # Errors
    /// The database does not take them; nothing is written then.
    pub fn seed(&mut self, seeds: &[Business], at: i64) -> Result<Seeded, StoreError> {
        Ok(self.link.run(|conn| {
            lock(conn)?;
            seed(conn, seeds, Editor { by: CONFIGURATION, at })
        })?)
    }
}

fn seed(conn: &mut Conn, seeds: &[Business], editor: Editor<'_>) -> Result<Seeded, Fault> {
    let rows: Vec<BusinessRow> = both!(&mut *conn, |c| businesses::table.select(BusinessRow::as_select()).load(c))?;
    let rows: BTreeMap<String, BusinessRow> = rows.into_iter().map(|row| (row.id.clone(), row)).collect();
    let taken = kept_numbers(&rows)?;
    let mut seeded = Seeded::default();

    let is_named = |row: &BusinessRow| seeds.iter().any(|seed| seed.id.as_str() == row.id);
    let is_taken_back = |row: &&BusinessRow| follows(row) && row.deleted_at.is_none() && !is_named(row);
    for row in rows.values().filter(is_taken_back) {
        let profile = row.clone().into_stored()?.business.profile;
        let row = row.with(&profile, editor)?.seeded().deleted(editor.at);
        replace(conn, &row, &[], &["deleted"], editor)?;
        seeded.changed += 1;
    }

    // First all numbers are freed and then they are given, for two businesses may have exchanged theirs.
    let mut due: Vec<(Option<&BusinessRow>, &Business, Profile)> = Vec::new();
    for seed in seeds {
        let row = rows.get(seed.id.as_str());
        if row.is_some_and(|row| !follows(row)) {
            continue;
        }
        let profile = without_taken(seed, &taken, &mut seeded);
        let is_as_said = match row.filter(|row| row.deleted_at.is_none()) {
            Some(row) => row.clone().into_stored()?.business.profile == profile,
            None => false,
        };
        if !is_as_said {
            free_numbers(conn, seed.id.as_str())?;
            due.push((row, seed, profile));
        }
    }
    for (row, seed, profile) in due {
        give(conn, row, seed, &profile, editor)?;
        seeded.changed += 1;
    }
    Ok(seeded)
}

/// Whether the file has its say about it.
fn follows(row: &BusinessRow) -> bool {
    row.seeded && !row.edited
}

/// The numbers of those about whom the file has no say.
fn kept_numbers(rows: &BTreeMap<String, BusinessRow>) -> Result<HashMap<CalledNumber, String>, Fault> {
    let mut kept = HashMap::new();
    for row in rows.values().filter(|row| !follows(row) && row.deleted_at.is_none()) {
        let numbers = row.clone().into_stored()?.business.profile.numbers;
        kept.extend(numbers.into_iter().map(|number| (number, row.id.clone())));
    }
    Ok(kept)
}

fn without_taken(seed: &Business, taken: &HashMap<CalledNumber, String>, seeded: &mut Seeded) -> Profile {
    let (contested, numbers) =
        seed.profile.numbers.iter().cloned().partition::<Vec<_>, _>(|number| taken.contains_key(number));
    seeded.contested.extend(contested.into_iter().map(|number| (seed.id.clone(), number)));
    Profile { numbers, ..seed.profile.clone() }
}

fn give(
    conn: &mut Conn,
    row: Option<&BusinessRow>,
    seed: &Business,
    profile: &Profile,
    editor: Editor<'_>,
) -> Result<(), Fault> {
    match row {
        None => {
            let business = Business { id: seed.id.clone(), version: 1, profile: profile.clone() };
            let row = BusinessRow::new(&business, editor)?.seeded();
            insert(conn, &row, profile, &["created"], editor)
        }
        Some(row) => {
            let before = row.clone().into_stored()?.business.profile;
            let changed = match row.deleted_at {
                Some(_) => vec!["created"],
                None => profile.differs_in(&before),
            };
            let row = row.with(profile, editor)?.seeded();
            replace(conn, &row, &profile.numbers, &changed, editor)
        }
    }
}
