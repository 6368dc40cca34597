//! Rows as the tables hold them, and the values that they stand for.

use diesel::prelude::*;

use crate::engine::call::{Farewell, HangupCause, Speaker, Turn};
use crate::engine::ids::CallSid;
use crate::engine::status::{CallRow, Sourced, StatusChange};

use super::error::Fault;
use super::record::{CallEnd, CallEventRecord, MediaClaim};
use super::schema::{call_ends, call_events, calls, media_claims, status_events, turns};

/// One row of `calls`.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = calls, primary_key(call_sid), treat_none_as_null = true)]
pub(super) struct CallsRow {
    pub call_sid: String,
    status: String,
    duration_s: i64,
    direction: Option<String>,
    direction_rank: Option<i16>,
    parent_call_sid: Option<String>,
    parent_rank: Option<i16>,
    business: Option<String>,
    business_rank: Option<i16>,
    from_party: Option<String>,
    from_rank: Option<i16>,
    to_party: Option<String>,
    to_rank: Option<i16>,
    answered_by: Option<String>,
    answered_by_rank: Option<i16>,
    machine_detection_ms: Option<i64>,
    created_at: i64,
    answered_at: Option<i64>,
    ended_at: Option<i64>,
    updated_at: i64,
}

impl From<&CallRow> for CallsRow {
    fn from(row: &CallRow) -> Self {
        let (direction, direction_rank) = split(&row.direction, |v| v.as_str());
        let (parent_call_sid, parent_rank) = split(&row.parent_call_sid, |v| v.as_str());
        let (business, business_rank) = split(&row.business, |v| v.as_str());
        let (from_party, from_rank) = split(&row.from, |v| v.as_str());
        let (to_party, to_rank) = split(&row.to, |v| v.as_str());
        let (answered_by, answered_by_rank) = split(&row.answered_by, |v| v.as_str());
        Self {
            call_sid: row.call_sid.to_string(),
            status: row.status.as_str().to_owned(),
            duration_s: row.duration_s.into(),
            direction,
            direction_rank,
            parent_call_sid,
            parent_rank,
            business,
            business_rank,
            from_party,
            from_rank,
            to_party,
            to_rank,
            answered_by,
            answered_by_rank,
            machine_detection_ms: row.machine_detection_ms.map(Into::into),
            created_at: row.created_at,
            answered_at: row.answered_at,
            ended_at: row.ended_at,
            updated_at: row.updated_at,
        }
    }
}

impl TryFrom<CallsRow> for CallRow {
    type Error = Fault;

    fn try_from(row: CallsRow) -> Result<Self, Fault> {
        Ok(Self {
            call_sid: parsed(&row.call_sid, "calls.call_sid")?,
            status: parsed(&row.status, "calls.status")?,
            duration_s: number(row.duration_s, "calls.duration_s")?,
            direction: joined(row.direction, row.direction_rank, "calls.direction")?,
            parent_call_sid: joined(row.parent_call_sid, row.parent_rank, "calls.parent_call_sid")?,
            business: joined(row.business, row.business_rank, "calls.business")?,
            from: joined(row.from_party, row.from_rank, "calls.from_party")?,
            to: joined(row.to_party, row.to_rank, "calls.to_party")?,
            answered_by: joined(row.answered_by, row.answered_by_rank, "calls.answered_by")?,
            machine_detection_ms: row
                .machine_detection_ms
                .map(|stored| number(stored, "calls.machine_detection_ms"))
                .transpose()?,
            created_at: row.created_at,
            answered_at: row.answered_at,
            ended_at: row.ended_at,
            updated_at: row.updated_at,
        })
    }
}

/// One row of `status_events`.
#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = status_events)]
pub(super) struct StatusEventRow {
    call_sid: String,
    event_key: String,
    status: String,
    source: String,
    occurred_at: i64,
    change_json: String,
}

impl StatusEventRow {
    pub fn new(change: &StatusChange) -> Result<Self, Fault> {
        Ok(Self {
            call_sid: change.call_sid.to_string(),
            event_key: storable(&change.history_key()),
            status: change.status.as_str().to_owned(),
            source: change.source.as_str().to_owned(),
            occurred_at: change.occurred_at,
            change_json: json(change)?,
        })
    }

    pub fn into_change(self) -> Result<StatusChange, Fault> {
        serde_json::from_str(&self.change_json).map_err(|_| Fault::Corrupt("status_events.change_json"))
    }
}

/// One row of `turns`.
#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = turns)]
pub(super) struct TurnRow {
    call_sid: String,
    number: i64,
    speaker: String,
    text: String,
    heard_text: String,
    confidence: Option<f32>,
    started_ms: i64,
    ended_ms: i64,
    interrupted: bool,
}

impl TurnRow {
    pub fn new(call: &CallSid, turn: &Turn) -> Self {
        Self {
            call_sid: call.to_string(),
            number: turn.number.into(),
            speaker: turn.speaker.as_str().to_owned(),
            text: storable(&turn.text),
            heard_text: storable(&turn.heard_text),
            confidence: turn.confidence.filter(|confidence| confidence.is_finite()),
            started_ms: turn.started_ms.into(),
            ended_ms: turn.ended_ms.into(),
            interrupted: turn.interrupted,
        }
    }

    pub fn into_turn(self) -> Result<Turn, Fault> {
        Ok(Turn {
            number: number(self.number, "turns.number")?,
            speaker: match self.speaker.as_str() {
                "caller" => Speaker::Caller,
                "agent" => Speaker::Agent,
                _ => return Err(Fault::Corrupt("turns.speaker")),
            },
            text: self.text,
            heard_text: self.heard_text,
            confidence: self.confidence,
            started_ms: number(self.started_ms, "turns.started_ms")?,
            ended_ms: number(self.ended_ms, "turns.ended_ms")?,
            interrupted: self.interrupted,
        })
    }
}

/// One row of `call_events`.
#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = call_events)]
pub(super) struct CallEventRow {
    call_sid: String,
    seq: i64,
    at: i64,
    call_ms: i64,
    who: String,
    what: String,
    ids_json: String,
}

impl CallEventRow {
    pub fn new(call: &CallSid, seq: u32, event: &CallEventRecord) -> Self {
        Self {
            call_sid: call.to_string(),
            seq: seq.into(),
            at: event.at_micros,
            call_ms: event.call_ms.into(),
            who: storable(&event.who),
            what: storable(&event.what),
            ids_json: event.ids.to_string(),
        }
    }

    pub fn into_event(self) -> Result<CallEventRecord, Fault> {
        Ok(CallEventRecord {
            at_micros: self.at,
            call_ms: number(self.call_ms, "call_events.call_ms")?,
            who: self.who.into(),
            what: self.what.into(),
            ids: serde_json::from_str(&self.ids_json).map_err(|_| Fault::Corrupt("call_events.ids_json"))?,
        })
    }
}

/// One row of `call_ends`.
#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = call_ends)]
pub(super) struct CallEndRow {
    call_sid: String,
    cause: String,
    farewell: String,
    dial_number: Option<String>,
    stats_json: String,
    ended_at: i64,
}

impl CallEndRow {
    pub fn new(call: &CallSid, end: &CallEnd) -> Result<Self, Fault> {
        let (farewell, dial_number) = match &end.farewell {
            Farewell::HangUp => ("hang_up", None),
            Farewell::Dial(number) => ("dial", Some(number.as_str().to_owned())),
            Farewell::Apologise => ("apologise", None),
        };
        Ok(Self {
            call_sid: call.to_string(),
            cause: end.cause.as_str().to_owned(),
            farewell: farewell.to_owned(),
            dial_number,
            stats_json: json(&end.stats)?,
            ended_at: end.ended_at,
        })
    }

    pub fn into_end(self) -> Result<CallEnd, Fault> {
        let farewell = match (self.farewell.as_str(), self.dial_number) {
            ("hang_up", _) => Farewell::HangUp,
            ("apologise", _) => Farewell::Apologise,
            ("dial", Some(number)) => Farewell::Dial(parsed(&number, "call_ends.dial_number")?),
            _ => return Err(Fault::Corrupt("call_ends.farewell")),
        };
        Ok(CallEnd {
            cause: HangupCause::ALL
                .into_iter()
                .find(|cause| cause.as_str() == self.cause)
                .ok_or(Fault::Corrupt("call_ends.cause"))?,
            farewell,
            stats: serde_json::from_str(&self.stats_json).map_err(|_| Fault::Corrupt("call_ends.stats_json"))?,
            ended_at: self.ended_at,
        })
    }
}

/// One row of `media_claims`.
#[derive(Clone, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = media_claims)]
pub(super) struct MediaClaimRow {
    call_sid: String,
    node: String,
    claimed_at: i64,
}

impl From<&MediaClaim> for MediaClaimRow {
    fn from(claim: &MediaClaim) -> Self {
        Self { call_sid: claim.call.to_string(), node: storable(&claim.node), claimed_at: claim.at }
    }
}

/// The text without the one character that PostgreSQL can't hold.
pub(super) fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

pub(super) fn json(value: &impl serde::Serialize) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|error| Fault::Data(error.to_string()))
}

fn split<T>(sourced: &Option<Sourced<T>>, text: impl Fn(&T) -> &str) -> (Option<String>, Option<i16>) {
    match sourced {
        Some(Sourced { rank, value }) => (Some(storable(text(value))), Some(i16::from(*rank))),
        None => (None, None),
    }
}

fn joined<T: std::str::FromStr>(
    value: Option<String>,
    rank: Option<i16>,
    field: &'static str,
) -> Result<Option<Sourced<T>>, Fault> {
    let (Some(value), Some(rank)) = (value, rank) else { return Ok(None) };
    let rank = u8::try_from(rank).map_err(|_| Fault::Corrupt(field))?;
    Ok(Some(Sourced { rank, value: parsed(&value, field)? }))
}

pub(super) fn parsed<T: std::str::FromStr>(text: &str, field: &'static str) -> Result<T, Fault> {
    text.parse().map_err(|_| Fault::Corrupt(field))
}

pub(super) fn number(stored: i64, field: &'static str) -> Result<u32, Fault> {
    u32::try_from(stored).map_err(|_| Fault::Corrupt(field))
}
