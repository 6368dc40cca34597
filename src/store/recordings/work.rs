//! What a node does that works on calls: takes entries that are due, prolongs its leases, gives entries back.

use std::collections::BTreeSet;
use std::time::Duration;

use diesel::dsl::count_star;
use diesel::prelude::*;

use crate::engine::ids::{BusinessId, CallSid};
use crate::engine::recording::Step;
use crate::engine::recording::ledger::{Job, Rules};

use super::Recording;
use super::entry::{Entry, WorkRow};
use super::finish::write_what_was_given_up;
use crate::store::Store;
use crate::store::db::{Conn, both};
use crate::store::error::{Fault, StoreError};
use crate::store::rows::parsed;
use crate::store::schema::recording_work as table;

/// How many entries are looked at in one go.
const LOOK_AT: i64 = 64;

/// How many jobs of each kind there is room for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// Recordings to be fetched.
    pub fetch: usize,
    /// Recordings to be read.
    pub transcribe: usize,
    /// Calls to be settled from their turns.
    pub settle: usize,
    /// Calls to be summed up.
    pub summarise: usize,
}

impl Room {
    /// The places for a step.
    pub const fn of(&mut self, step: Step) -> Option<&mut usize> {
        match step {
            Step::Fetch => Some(&mut self.fetch),
            Step::Transcribe => Some(&mut self.transcribe),
            Step::Settle => Some(&mut self.settle),
            Step::Summarise => Some(&mut self.summarise),
            Step::Wait | Step::Done => None,
        }
    }

    /// Takes a place for a step, if there is one.
    pub fn take(&mut self, step: Step) -> bool {
        match self.of(step) {
            Some(places) if *places > 0 => {
                *places -= 1;
                true
            }
            _ => false,
        }
    }
}

/// The right to do the next job of a call, until a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Of which call.
    pub call: CallSid,
    /// Whose call that is, if anybody knows.
    pub business: Option<BusinessId>,
    /// Counts who held it before; what is said under a smaller one is not taken.
    pub fence: i64,
    /// What to do.
    pub job: Job,
    /// The recording that it is about.
    pub recording: Option<Recording>,
    /// Whether somebody held it before and gave no answer.
    pub is_taken_over: bool,
}

/// What a node took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// What it is to do.
    pub leases: Vec<Lease>,
    /// What it found given up, for nobody who tried it gave an answer.
    pub given_up: Vec<GivenUp>,
}

/// A step that is tried no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenUp {
    /// Of which call.
    pub call: CallSid,
    /// Which.
    pub step: Step,
    /// Why.
    pub reason: String,
}

/// What is known of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkPlace {
    /// What is to be done next.
    pub step: Step,
    /// When, in microseconds since 1970-01-01 UTC.
    pub next_at: i64,
    /// How often that was tried.
    pub tries: u32,
    /// How often whoever tried it gave no answer.
    pub takeovers: u32,
    /// Who is at it now.
    pub node: Option<String>,
    /// Why the last try failed, or what was given up.
    pub reason: Option<String>,
    /// When nothing was left to do for the first time.
    pub settled_at: Option<i64>,
}

/// Every method blocks for as long as the database does. Times are microseconds since 1970-01-01 UTC.
impl Store {
    /// Takes what is due at `now`, that nobody holds and that there is room for, for `node` and until `length` after `now`. Leases
    /// that ended without an answer are taken like any other.
    pub fn take_recording_work(
        &self,
        node: &str,
        now: i64,
        length: Duration,
        mut room: Room,
        rules: &Rules,
    ) -> Result<Taken, StoreError> {
        let mut steps = vec![Step::Wait];
        steps.extend(Step::ALL.iter().filter(|step| room.of(**step).is_some_and(|places| *places > 0)));
        let steps: Vec<&str> = steps.into_iter().map(Step::as_str).collect();
        self.change(|conn| {
            let mut taken = Taken::default();
            for row in lock_due(conn, &steps, now)? {
                let (lease, given_up) = take(conn, row, node, now, length, &mut room, rules)?;
                taken.leases.extend(lease);
                taken.given_up.extend(given_up);
            }
            Ok(taken)
        })
    }

    /// Prolongs leases until `length` after `now`: those that are held still.
    pub fn hold_recording_work(
        &self,
        leases: &[(CallSid, i64)],
        now: i64,
        length: Duration,
    ) -> Result<BTreeSet<CallSid>, StoreError> {
        let mut leases: Vec<&(CallSid, i64)> = leases.iter().collect();
        leases.sort();
        self.change(|conn| {
            let mut held = BTreeSet::new();
            for (call, fence) in &leases {
                let ours =
                    table::table.find(call.as_str()).filter(table::fence.eq(fence)).filter(table::lease_until.gt(0));
                let to = table::lease_until.eq(later(now, length));
                if both!(&mut *conn, |c| diesel::update(ours).set(to).execute(c))? == 1 {
                    held.insert(call.clone());
                }
            }
            Ok(held)
        })
    }

    /// How many entries stand before each step; steps before which there are none are left out.
    pub fn recording_work_counts(&self) -> Result<Vec<(Step, u64)>, StoreError> {
        self.ask(|conn| {
            let open: Vec<&str> =
                Step::ALL.iter().filter(|step| **step != Step::Done).map(|step| step.as_str()).collect();
            let counts: Vec<(String, i64)> = both!(conn, |c| table::table
                .filter(table::state.eq_any(&open))
                .group_by(table::state)
                .select((table::state, count_star()))
                .load(c))?;
            let step = |word: String| parsed(&word, "recording_work.state");
            counts.into_iter().map(|(word, count)| Ok((step(word)?, count.unsigned_abs()))).collect()
        })
    }

    /// What is to be done about a call; `None` if nothing was heard of it. Asking makes no work.
    pub fn recording_work_of(&self, call: &CallSid) -> Result<Option<WorkPlace>, StoreError> {
        self.ask(|conn| {
            both!(&mut *conn, |c| table::table.find(call.as_str()).select(WorkRow::as_select()).first(c).optional())?
                .map(|row: WorkRow| row.into_place(conn))
                .transpose()
        })
    }
}

/// Entries that are due and that nobody holds; nobody else gets them until the transaction ends.
fn lock_due(conn: &mut Conn, steps: &[&str], now: i64) -> Result<Vec<WorkRow>, Fault> {
    macro_rules! due {
        () => {
            table::table
                .filter(table::state.eq_any(steps))
                .filter(table::next_at.le(now))
                .filter(table::lease_until.lt(now))
                .order((table::next_at, table::call_sid))
                .limit(LOOK_AT)
                .select(WorkRow::as_select())
        };
    }
    Ok(match conn {
        // The transaction holds the one write lock that there is.
        Conn::Sqlite(c) => due!().load(c)?,
        #[cfg(feature = "postgres")]
        Conn::Postgres(c) => due!().for_update().skip_locked().load(c)?,
    })
}

fn take(
    conn: &mut Conn,
    row: WorkRow,
    node: &str,
    now: i64,
    length: Duration,
    room: &mut Room,
    rules: &Rules,
) -> Result<(Option<Lease>, Option<GivenUp>), Fault> {
    let is_taken_over = row.lease_until > 0;
    let mut entry = Entry::read(conn, row, now)?;
    let before = entry.ledger.clone();
    let job = entry.ledger.take(now, is_taken_over, rules);
    let given_up = write_what_was_given_up(conn, &mut entry, &before, now)?.then(|| GivenUp {
        call: entry.call.clone(),
        step: before.step,
        reason: entry.ledger.reason.clone().unwrap_or_default(),
    });
    // What there is no room for now stays due.
    let job = job.filter(|job| room.take(job.step));
    entry.row.lease_until = if job.is_some() { later(now, length) } else { 0 };
    entry.row.node = job.is_some().then(|| node.to_owned());
    entry.row.fence += i64::from(job.is_some());
    entry.finish_if_done(conn, now, rules)?;
    entry.save(conn)?;
    Ok((job.map(|job| entry.lease(job, is_taken_over)), given_up))
}

pub(super) fn later(now: i64, length: Duration) -> i64 {
    now.saturating_add(i64::try_from(length.as_micros()).unwrap_or(i64::MAX))
}
