//! Calls that we were asked to place. Each step is one conditional change, so that however many nodes take it, one does.

use diesel::prelude::*;

use crate::engine::ids::{CallSid, JobId};
use crate::engine::outbound::{JobState, OutboundJob, OutboundOrder};

use super::Store;
use super::campaigns::follow_again;
use super::db::{Conn, both};
use super::error::{Fault, StoreError};
use super::schema::outbound_calls as table;
use super::schema::outbound_calls;

/// One row of `outbound_calls`.
#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = outbound_calls)]
struct OutboundRow {
    job: String,
    business: String,
    idempotency_key: Option<String>,
    to_number: String,
    from_number: String,
    context_json: String,
    on_machine: String,
    message: Option<String>,
    state: String,
    call_sid: Option<String>,
    error: Option<String>,
    created_at: i64,
    dialled_at: Option<i64>,
}

impl OutboundRow {
    fn new(job: &JobId, order: &OutboundOrder, at: i64) -> Result<Self, Fault> {
        let storable = |text: &String| text.replace('\0', "\u{fffd}");
        let context = serde_json::to_string(&order.context).map_err(|error| Fault::Data(error.to_string()))?;
        Ok(Self {
            job: job.to_string(),
            business: order.business.to_string(),
            idempotency_key: order.idempotency_key.as_ref().map(storable),
            to_number: order.to.as_str().to_owned(),
            from_number: order.from.as_str().to_owned(),
            context_json: context,
            on_machine: order.on_machine.as_str().to_owned(),
            message: order.message.as_ref().map(storable),
            state: JobState::Waiting.as_str().to_owned(),
            call_sid: None,
            error: None,
            created_at: at,
            dialled_at: None,
        })
    }

    fn into_job(self) -> Result<OutboundJob, Fault> {
        fn parsed<T: std::str::FromStr>(text: &str, field: &'static str) -> Result<T, Fault> {
            text.parse().map_err(|_| Fault::Corrupt(field))
        }
        Ok(OutboundJob {
            job: parsed(&self.job, "outbound_calls.job")?,
            order: OutboundOrder {
                business: parsed(&self.business, "outbound_calls.business")?,
                to: parsed(&self.to_number, "outbound_calls.to_number")?,
                from: parsed(&self.from_number, "outbound_calls.from_number")?,
                context: serde_json::from_str(&self.context_json)
                    .map_err(|_| Fault::Corrupt("outbound_calls.context_json"))?,
                on_machine: parsed(&self.on_machine, "outbound_calls.on_machine")?,
                message: self.message,
                idempotency_key: self.idempotency_key,
            },
            state: parsed(&self.state, "outbound_calls.state")?,
            call_sid: self.call_sid.map(|sid| parsed(&sid, "outbound_calls.call_sid")).transpose()?,
            error: self.error,
            created_at: self.created_at,
            dialled_at: self.dialled_at,
        })
    }
}

/// What has become of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobNews {
    /// The carrier has placed this call.
    Placed(CallSid),
    /// It can't be said whether it did.
    Unknown(String),
    /// It did not, and will not.
    NotPlaced(String),
}

/// Questions and changes block for as long as the database does.
impl Store {
    /// Keeps an order under this name, unless the asker has given one of the same idempotency key before: the job that
    /// there is now, and whether it is new.
    pub fn order_call(&self, job: &JobId, order: &OutboundOrder, at: i64) -> Result<(OutboundJob, bool), StoreError> {
        self.change(|conn| {
            let row = OutboundRow::new(job, order, at)?;
            let inserted = both!(&mut *conn, |c| diesel::insert_into(table::table)
                .values(&row)
                .on_conflict_do_nothing()
                .execute(c))?;
            let kept = match &row.idempotency_key {
                Some(key) if inserted == 0 => by_key(conn, &row.business, key)?,
                _ => by_job(conn, job)?,
            };
            Ok((kept.ok_or(Fault::Corrupt("outbound_calls.job"))?, inserted == 1))
        })
    }

    /// A job, if there is one of this name.
    pub fn outbound_job(&self, job: &JobId) -> Result<Option<OutboundJob>, StoreError> {
        self.ask(|conn| by_job(conn, job))
    }

    /// The job that this asker has given under this key.
    pub fn outbound_job_of_key(&self, business: &str, key: &str) -> Result<Option<OutboundJob>, StoreError> {
        self.ask(|conn| by_key(conn, business, key))
    }

    /// The job that made this call.
    pub fn outbound_job_of_call(&self, call: &CallSid) -> Result<Option<OutboundJob>, StoreError> {
        self.ask(|conn| {
            both!(conn, |c| table::table
                .filter(table::call_sid.eq(call.as_str()))
                .select(OutboundRow::as_select())
                .first(c)
                .optional())?
            .map(OutboundRow::into_job)
            .transpose()
        })
    }

    /// Takes the one right to dial a job: whether it was there to be taken.
    pub fn begin_dialling(&self, job: &JobId, at: i64) -> Result<bool, StoreError> {
        self.change(|conn| {
            let waiting = table::table.find(job.as_str()).filter(table::state.eq(JobState::Waiting.as_str()));
            let to = (table::state.eq(JobState::Dialling.as_str()), table::dialled_at.eq(at));
            Ok(both!(conn, |c| diesel::update(waiting).set(to).execute(c))? == 1)
        })
    }

    /// Keeps what has become of a job: whether that was news. A call that the carrier tells of is worth more than any
    /// guess; that nothing is known is worth less than anything. A lead that was given up before its call was told of is
    /// followed again.
    pub fn settle_job(&self, job: &JobId, news: &JobNews) -> Result<bool, StoreError> {
        let (state, call_sid, error, before): (_, _, _, &[JobState]) = match news {
            JobNews::Placed(call) => {
                let before = &[JobState::Waiting, JobState::Dialling, JobState::Unknown, JobState::NotPlaced];
                (JobState::Placed, Some(call.as_str()), None, before)
            }
            JobNews::Unknown(error) => (JobState::Unknown, None, Some(error.as_str()), &[JobState::Dialling]),
            JobNews::NotPlaced(error) => {
                let before = &[JobState::Waiting, JobState::Dialling, JobState::Unknown];
                (JobState::NotPlaced, None, Some(error.as_str()), before)
            }
        };
        let before: Vec<&str> = before.iter().map(|state| state.as_str()).collect();
        self.change(|conn| {
            let open = table::table.find(job.as_str()).filter(table::state.eq_any(&before));
            let to = (table::state.eq(state.as_str()), table::call_sid.eq(call_sid), table::error.eq(error));
            let is_news = both!(&mut *conn, |c| diesel::update(open).set(to).execute(c))? == 1;
            if is_news && call_sid.is_some() {
                follow_again(conn, job)?;
            }
            Ok(is_news)
        })
    }

    /// Whether another job calls the same number from the same one, and it is not known whether the carrier placed its call.
    pub fn is_like_another_open_job(&self, job: &OutboundJob) -> Result<bool, StoreError> {
        self.ask(|conn| {
            let others = table::table
                .filter(table::state.eq_any([JobState::Dialling.as_str(), JobState::Unknown.as_str()]))
                .filter(table::to_number.eq(job.order.to.as_str()))
                .filter(table::from_number.eq(job.order.from.as_str()))
                .filter(table::job.ne(job.job.as_str()))
                .select(table::job);
            Ok(both!(conn, |c| others.first::<String>(c).optional())?.is_some())
        })
    }

    /// The jobs that the carrier was asked to dial before `before` and of which it is not known whether it did: the
    /// oldest first, at most `limit`.
    pub fn jobs_of_unknown_outcome(&self, before: i64, limit: u32) -> Result<Vec<OutboundJob>, StoreError> {
        self.ask(|conn| {
            both!(conn, |c| table::table
                .filter(table::state.eq_any([JobState::Dialling.as_str(), JobState::Unknown.as_str()]))
                .filter(table::dialled_at.lt(before))
                .order((table::dialled_at, table::job))
                .limit(limit.into())
                .select(OutboundRow::as_select())
                .load(c))?
            .into_iter()
            .map(OutboundRow::into_job)
            .collect()
        })
    }
}

/// Keeps a job that whoever has written it down is about to dial: its one right to be dialled is taken.
pub(super) fn insert_dialling(
    conn: &mut Conn,
    job: &JobId,
    order: &OutboundOrder,
    at: i64,
) -> Result<OutboundJob, Fault> {
    let row = OutboundRow {
        state: JobState::Dialling.as_str().to_owned(),
        dialled_at: Some(at),
        ..OutboundRow::new(job, order, at)?
    };
    both!(conn, |c| diesel::insert_into(table::table).values(&row).execute(c))?;
    row.into_job()
}

fn by_job(conn: &mut Conn, job: &JobId) -> Result<Option<OutboundJob>, Fault> {
    both!(conn, |c| table::table.find(job.as_str()).select(OutboundRow::as_select()).first(c).optional())?
        .map(OutboundRow::into_job)
        .transpose()
}

fn by_key(conn: &mut Conn, business: &str, key: &str) -> Result<Option<OutboundJob>, Fault> {
    both!(conn, |c| table::table
        .filter(table::business.eq(business))
        .filter(table::idempotency_key.eq(key))
        .select(OutboundRow::as_select())
        .first(c)
        .optional())?
    .map(OutboundRow::into_job)
    .transpose()
}
