//! Calls of which nobody has told an end: the carrier is asked, and its answer is folded into the row like any other news.
//!
//! Carriers lose webhooks, and so may we. A row that is still open [`GRACE`] after the longest call could have ended is
//! looked up at the carrier. What it says has the rank of [`CarrierSource::Sweeper`], below everything that came by itself:
//!
//! | the carrier says | the row becomes |
//! |---|---|
//! | a final status | that status, with the length, the end and the rest that it knows |
//! | that the call goes on | the same as before; it is asked again later, and less and less often |
//! | that it knows no such call | `completed` if the media stream had started, so somebody spoke; else `failed` |
//! | nothing that makes sense | the same as before; it is asked again like one that goes on |
//!
//! The last rule guesses, and a guess gives way to news: `completed` from a webhook still wins over `failed`. One node at a
//! time does this, on a thread that carries no audio, one call after the other and [`AT_MOST`] of them each time. A
//! carrier that can't be asked is left alone until the next time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;

use crate::actors::call_registry::{CallRegistry, CarrierEnded};
use crate::actors::call_status::{CallStatusActor, apply_status};
use crate::actors::metered::{MailboxFigures, Metered, MeteredActor, order};
use crate::clock;
use crate::engine::ids::CallSid;
use crate::engine::status::{CallRow, CallStatus, CarrierSource, StatusChange};
use crate::providers::carrier::{Carrier, CarrierCall, CarrierError};
use crate::store::{Store, StoreError};
use crate::telemetry::{Event, Telemetry};

/// How long after the longest call a row may stay open. 60 s: the carrier repeats a webhook that failed for about as long.
pub const GRACE: Duration = Duration::from_secs(60);
/// How many calls are asked about each time.
const AT_MOST: usize = 50;
/// How many open rows are read to find them among: those that were asked about lately are passed over.
const LOOK_AT: u32 = 1_000;
/// The longest wait before the carrier is asked again about a call that goes on.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);
/// A node that is busy with something else for a moment keeps its duty.
const SHORTEST_DUTY: Duration = Duration::from_secs(10);
/// The name of the duty among those of all nodes.
const DUTY: &str = "sweep_calls";

/// What the sweeper works with.
#[derive(Clone)]
pub struct SweeperParts {
    /// Whom to ask.
    pub carrier: Arc<dyn Carrier>,
    /// Where open rows are.
    pub store: Store,
    /// Where news goes.
    pub status: Addr<CallStatusActor>,
    /// Who may think that such a call is alive here.
    pub registry: Addr<CallRegistry>,
    /// Logs and figures.
    pub telemetry: Telemetry,
    /// This node's name.
    pub node: Arc<str>,
    /// The longest that a call may last.
    pub max_call: Duration,
    /// Between two looks.
    pub every: Duration,
}

/// Asks the carrier about calls that stay open.
pub struct Sweeper {
    parts: SweeperParts,
    /// `None` while a round is under way.
    asked: Option<Asked>,
}

/// The calls that were asked about in vain: when that is done again (microseconds since 1970 UTC), and after which wait.
type Asked = HashMap<CallSid, (i64, Duration)>;

impl Sweeper {
    /// Starts the sweeper on a thread of somebody's choice.
    pub fn start(parts: SweeperParts, arbiter: &ArbiterHandle) -> Addr<Self> {
        let meter = MailboxFigures::of::<Self>(&parts.telemetry);
        Metered::create_in(arbiter, meter, |_| Self { parts, asked: Some(Asked::new()) })
    }

    fn begin_round(&mut self, ctx: &mut Metered<Self>) {
        let Some(asked) = self.asked.take() else { return }; // the last one is not over
        let parts = self.parts.clone();
        let round = async move { round(&parts, asked).await };
        ctx.spawn(round.into_actor(self).map(|asked, this, _| this.asked = Some(asked)));
    }
}

impl Actor for Sweeper {
    type Context = Metered<Self>;

    fn started(&mut self, ctx: &mut Metered<Self>) {
        ctx.run_interval(self.parts.every, Self::begin_round);
    }
}

impl MeteredActor for Sweeper {
    const KIND: &'static str = "sweeper";

    /// It begins anew with the next round: all that it knows is in the database.
    fn panicked(&mut self, _message: &str, _ctx: &mut Metered<Self>) {
        self.asked.get_or_insert_default();
    }
}

/// One look at all open calls.
async fn round(parts: &SweeperParts, mut asked: Asked) -> Asked {
    let now = clock::wall_micros();
    let Ok(open) = overdue(parts, now).await else { return asked }; // the store has told that it can't be read
    asked.retain(|call, _| open.iter().any(|row| row.call_sid == *call));
    let is_due = |row: &&CallRow| asked.get(&row.call_sid).is_none_or(|(again_at, _)| *again_at <= now);
    let due: Vec<CallRow> = open.iter().filter(is_due).take(AT_MOST).cloned().collect();
    for row in &due {
        let found = match parts.carrier.call(&row.call_sid).await {
            Ok(found) => Some(found),
            Err(CarrierError::NotFound) => None,
            Err(error) => {
                parts.telemetry.record(Event::CarrierFailed { call: &row.call_sid, error: &error.to_string() });
                if is_about_all_calls(&error) {
                    return asked;
                }
                ask_later(parts, &mut asked, row, now);
                continue;
            }
        };
        let change = news(row, found.as_ref(), clock::wall_micros());
        let is_over = change.status.is_final();
        let result = match (&found, is_over) {
            (None, _) => "unknown",
            (Some(_), true) => "closed",
            (Some(_), false) => "open",
        };
        parts.telemetry.record(Event::CallSwept { result });
        if is_over {
            // Not kept anywhere: it is asked about again.
            if let Err(error) = apply_status(&parts.status, change).await {
                parts.telemetry.record(Event::StatusNotStored { error: &error.to_string() });
            }
            order(&parts.registry, CarrierEnded(row.call_sid.clone()));
        } else {
            ask_later(parts, &mut asked, row, now);
        }
    }
    asked
}

/// Whether asking about another call would fail as well. What the carrier refuses to say, or says in words that can't be
/// read, is about the one call, and must not keep the others open.
fn is_about_all_calls(error: &CarrierError) -> bool {
    error.is_retryable() || matches!(error, CarrierError::Unauthorised(_))
}

/// The carrier is asked again about this call, after twice the time each time.
fn ask_later(parts: &SweeperParts, asked: &mut Asked, row: &CallRow, now: i64) {
    let wait = asked.get(&row.call_sid).map_or(parts.every, |(_, wait)| (*wait * 2).min(LONGEST_WAIT));
    asked.insert(row.call_sid.clone(), (now + wait.as_micros() as i64, wait));
}

/// The calls that should be over, if looking after them is this node's duty.
async fn overdue(parts: &SweeperParts, now: i64) -> Result<Vec<CallRow>, StoreError> {
    let (store, node) = (parts.store.clone(), Arc::clone(&parts.node));
    let length = (parts.every * 3).max(SHORTEST_DUTY);
    let before = now - (parts.max_call + GRACE).as_micros() as i64;
    let looked = actix_rt::task::spawn_blocking(move || match store.hold_duty(DUTY, &node, now, length)? {
        true => store.calls_still_open(before, LOOK_AT),
        false => Ok(Vec::new()),
    });
    looked.await.unwrap_or(Err(StoreError::Stopping))
}

/// What the carrier's answer says about a call.
fn news(row: &CallRow, found: Option<&CarrierCall>, now: i64) -> StatusChange {
    let change = |status, at| StatusChange::new(row.call_sid.clone(), status, CarrierSource::Sweeper, at);
    match found {
        Some(call) => StatusChange {
            duration_s: call.duration_s,
            direction: call.direction,
            parent_call_sid: call.parent_call_sid.clone(),
            from: call.from.clone(),
            to: call.to.clone(),
            answered_by: call.answered_by,
            ..change(call.status, call.ended_at.unwrap_or(now))
        },
        None => {
            let has_spoken = row.answered_at.is_some();
            let status = if has_spoken { CallStatus::Completed } else { CallStatus::Failed };
            StatusChange { reason: Some("the carrier knows no such call".to_owned()), ..change(status, now) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::status::fold;

    fn row(status: CallStatus) -> CallRow {
        let call = "CA0123456789abcdef0123456789abcdef".parse().unwrap();
        fold(None, &StatusChange::new(call, status, CarrierSource::StatusCallback, 1_000_000))
    }

    #[test]
    fn a_call_that_the_carrier_does_not_know_has_failed_unless_somebody_spoke() {
        for (status, becomes) in [
            (CallStatus::Queued, CallStatus::Failed),
            (CallStatus::Ringing, CallStatus::Failed),
            (CallStatus::InProgress, CallStatus::Completed),
        ] {
            let row = row(status);
            let change = news(&row, None, 9_000_000);
            assert_eq!(fold(Some(row), &change).status, becomes, "{status}");
            assert!(change.reason.is_some());
        }
    }

    #[test]
    fn what_the_carrier_knows_is_taken_whole() {
        let row = row(CallStatus::InProgress);
        let found = CarrierCall {
            call_sid: row.call_sid.clone(),
            status: CallStatus::Completed,
            direction: None,
            parent_call_sid: None,
            from: None,
            to: Some("+15005550006".parse().unwrap()),
            duration_s: Some(42),
            created_at: Some(1_000_000),
            started_at: Some(2_000_000),
            ended_at: Some(44_000_000),
            answered_by: None,
        };
        let change = news(&row, Some(&found), 99_000_000);
        let closed = fold(Some(row), &change);
        assert_eq!((closed.status, closed.duration_s, closed.ended_at), (CallStatus::Completed, 42, Some(44_000_000)));
    }
}
